"""A run folder on a machine without the training extra: what was made elsewhere is used there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from toolchain.policy import late_tensorflow

ROOT = Path(__file__).resolve().parents[2]


def test_nothing_of_the_host_imports_what_only_training_needs() -> None:
    code = """
import importlib, pkgutil, sys
for name in ("numba", "tensorflow", "onnx"):
    sys.modules[name] = None
import host
names = [found.name for found in pkgutil.walk_packages(host.__path__, "host.")]
assert len(names) > 100, names
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.fixture
def brought(finished_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished folder whose policy another version trained, where nothing can be trained."""
    run = shutil.copytree(finished_run[0], tmp_path / "run")
    file = run / "manifest.json"
    manifest = json.loads(file.read_text())
    for stage in ("train", "quantize"):
        manifest["stages"][stage] |= {"key": "of another version", "code": "another"}
    file.write_text(json.dumps(manifest))
    monkeypatch.setattr(late_tensorflow, "_PACKAGES", {"no_such_module_here": "TensorFlow"})
    return run


def test_a_trained_policy_is_used_as_it_was_made(cli, brought: Path) -> None:
    before = (brought / "train" / "policy.npz").read_bytes()
    for command in (("train",), ("quantize",), ("bench", "pico@emulator", "--seed", 7)):
        code, _, err = cli(*command, "--out", brought)
        assert code == 0, err
        assert "as it was made, since TensorFlow not installed" in err
    assert "replay: unchanged" in err
    assert (brought / "train" / "policy.npz").read_bytes() == before


@pytest.mark.parametrize(
    "asked",
    [
        ("train", "--force"),
        ("train", "--seeds", 3),
        ("train", "--algorithm", "ppo"),
        ("train", "--board", "esp32c3"),
        ("quantize", "--method", "quantization-aware"),
        ("quantize", "--variants"),
    ],
    ids=lambda asked: " ".join(map(str, asked)),
)
def test_what_was_not_made_so_is_refused(cli, brought: Path, asked) -> None:
    before = (brought / "manifest.json").read_bytes()
    code, _, err = cli(*asked, "--out", brought)
    assert code == 1
    assert "TensorFlow not installed" in err and "jouleloop[train]" in err
    assert (brought / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("stage", ["train", "quantize"])
def test_what_is_not_from_this_folder_is_refused(cli, brought: Path, stage: str) -> None:
    next((brought / stage).glob("policy.*")).write_bytes(b"altered")
    code, _, err = cli(stage, "--out", brought)
    assert code == 1 and "TensorFlow not installed" in err
    code, _, err = cli("generate", "--out", brought, "--seed", 8)
    assert code == 0, err
    code, _, err = cli("train", "--out", brought)
    assert code == 1 and "TensorFlow not installed" in err
