"""Fresh environments outside of the checkout, and the wheel that goes into them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Environment:
    """A virtual environment with the project installed, run from outside of the checkout.

    Args:
        folder: home and working directory of whatever is run.
        what: requirements for pip; the project among them.
    """

    def __init__(self, folder: Path, *what: str) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.bin = folder / "venv" / "bin"
        self.pip("install", *what)

    def pip(self, command: str, *arguments: str) -> None:
        pip = [self.bin / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", command]
        subprocess.run([*pip, *arguments], check=True, cwd=self.folder)

    def run(self, *arguments: object, program: str = "python") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / program), *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
        )

    def jouleloop(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return self.run(*arguments, program="jouleloop")

    def has(self, module: str) -> bool:
        return self.run("-c", f"import {module}").returncode == 0


@pytest.fixture(scope="session")
def fresh_environment() -> Callable[..., Environment]:
    return Environment


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git has of this checkout and nothing else, as a new clone of its state would."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="session")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that ``pip install .`` makes of a clean checkout."""
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel"]
    subprocess.run([*pip, "--no-deps", "--wheel-dir", out, checkout], check=True, cwd=out)
    [built] = out.glob("*.whl")
    return built
