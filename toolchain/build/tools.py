"""The programs that a build needs: compilers, CMake and Ninja, all from wheels but GCC."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toolchain.errors import BuildError, MissingDependencyError

CompilerName = Literal["zig", "gcc"]

_EXE = ".exe" if os.name == "nt" else ""


@dataclass(frozen=True)
class Compiler:
    """A cross compiler.

    Attributes:
        name: which one.
        path: its executable.
        version: what it says of itself; part of an image's identity.
    """

    name: CompilerName
    path: Path
    version: str


def find_compiler(name: CompilerName, gcc: str) -> Compiler:
    """Find a compiler and ask for its version.

    Args:
        name: which one.
        gcc: what the chip's GCC is called.

    Raises:
        MissingDependencyError: it is not installed.
        BuildError: there is no such compiler, or it does not run.
    """
    if name == "zig":
        path = _package_dir("ziglang") / f"zig{_EXE}"
        return Compiler(name, path, f"zig {_first_line(path, 'version')}")
    if name == "gcc":
        found = shutil.which(gcc)
        if found is None:
            raise MissingDependencyError(
                f"{gcc} is not on the PATH",
                hint="install that GNU toolchain, or build with the default compiler, zig",
            )
        return Compiler(name, Path(found), _first_line(Path(found), "--version"))
    raise BuildError(f"unknown compiler {name!r}; known: zig, gcc")


def find_cmake() -> Path:
    """CMake's executable, from its wheel.

    Raises:
        MissingDependencyError: the wheel is not installed.
    """
    _package_dir("cmake")
    return Path(importlib.import_module("cmake").CMAKE_BIN_DIR) / f"cmake{_EXE}"


def find_ninja() -> Path:
    """Ninja's executable, from its wheel.

    Raises:
        MissingDependencyError: the wheel is not installed.
    """
    _package_dir("ninja")
    return Path(importlib.import_module("ninja").BIN_DIR) / f"ninja{_EXE}"


def _package_dir(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            f"the Python package {package!r} is not installed",
            hint=f"run: pip install {package} (or: make setup)",
        )
    return Path(spec.origin).parent


def _first_line(program: Path, argument: str) -> str:
    try:
        run = subprocess.run(
            [program, argument], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"{program} does not run: {error}") from error
    lines = run.stdout.splitlines()
    if not lines:
        raise BuildError(f"{program} {argument} printed nothing")
    return lines[0].strip()
