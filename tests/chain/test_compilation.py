"""Two networks within one flash budget, and run folders from before there were two."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from host.chain.compilation import compile_pair
from toolchain.compile import load_compiled
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.errors import InputError


@pytest.fixture(scope="module")
def models() -> tuple[bytes, bytes]:
    rng = np.random.default_rng(5)
    shape = REFERENCE_SHAPES["M"]
    return reference_network(shape, rng), reference_network((shape[0], shape[-1]), rng)


def test_both_networks_keep_to_the_flash_budget(models, tmp_path: Path) -> None:
    full = compile_pair(models, tmp_path / "a", tmp_path / "a" / "f", "m0plus")
    whole = sum(part.flash_bytes for part in full)
    budget = whole - 2000
    policy, fallback = compile_pair(models, tmp_path / "b", tmp_path / "b" / "f", "m0plus", budget)
    assert policy.flash_bytes + fallback.flash_bytes <= budget
    assert fallback.files == full[1].files  # the cheap network stays fast
    assert policy.flash_budget == budget - fallback.flash_bytes
    assert load_compiled(tmp_path / "b" / "f").symbol == "jl_fallback"

    small = compile_pair(models, tmp_path / "c", tmp_path / "c" / "f", "m0plus", "smallest")
    assert small[0].flash_bytes < policy.flash_bytes
    assert small[1].flash_bytes <= fallback.flash_bytes


def test_a_flash_budget_that_the_fallback_eats_up_says_so(models, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the fallback network takes \d+") as caught:
        compile_pair(models, tmp_path, tmp_path / "f", "m0plus", 700)
    assert "on top" in str(caught.value)


def test_a_replay_from_before_the_energy_budget_cannot_be_reported(
    finished_run: tuple[Path, dict], cli, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished_run[0], copy)
    (copy / "replay" / "budget.json").unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["stages"]["replay"]["files"]["budget.json"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = cli("report", "--out", copy)
    assert code == 2
    assert "has no budget.json" in err
    assert f"next: run 'jouleloop bench pico@emulator --out {copy}'" in " ".join(err.split())


@pytest.mark.parametrize("stage", ["compile", "replay"])
def test_a_run_folder_from_before_the_fallback_names_the_stage(
    finished_run: tuple[Path, dict], cli, tmp_path: Path, stage: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished_run[0], copy)
    (copy / "quantize" / "policy_fallback.tflite").unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["stages"]["quantize"]["files"]["policy_fallback.tflite"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    target = ["pico@emulator"] if stage == "replay" else []
    code, _, err = cli(stage, *target, "--out", copy)
    assert code == 2
    assert "has no policy_fallback.tflite" in err
    assert f"next: run 'jouleloop quantize --out {copy}'" in " ".join(err.split())
