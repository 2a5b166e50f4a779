"""``native``: the firmware as a process of this machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from toolchain.compile import golden
from toolchain.compile.synthetic import reference_network

pytestmark = pytest.mark.firmware


def test_infer_equals_the_reference_and_publishes_no_time(cli, tmp_path: Path) -> None:
    model, inputs, out = tmp_path / "m.tflite", tmp_path / "x.npy", tmp_path / "y.npy"
    rng = np.random.default_rng(2)
    model.write_bytes(reference_network((6, 9, 3), rng))
    rows = rng.integers(-128, 128, (300, 6)).astype(np.int8)
    np.save(inputs, rows)
    arguments = ("infer", "native", "--model", model, "--inputs", inputs, "--out", out)
    code, text, err = cli(*arguments, "--json")
    assert code == 0, err
    assert (np.load(out) == golden(model.read_bytes(), rows)).all()
    summary = json.loads(text)
    assert summary["provenance"] == "unavailable"
    assert summary["cycles"] is None
    assert summary["memory"] is None
    code, text, err = cli(*arguments, "--no-flash")
    assert code == 0, err
    assert "unavailable" in text


def test_a_process_is_no_board_to_bench(cli) -> None:
    code, _, err = cli("bench", "native")
    assert code == 2
    assert "no meter and no clock" in err
    assert "next: use pico@emulator" in err


def test_a_process_has_no_place(cli) -> None:
    code, _, err = cli("bench", "native@/dev/ttyACM0")
    assert code == 2
    assert "no place" in err


def test_a_run_folder_is_compiled_anew_for_another_core(
    cli, finished_run: tuple[Path, dict], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run[0], run)
    compiled = run / "compile" / "model.json"
    assert json.loads(compiled.read_text())["kernels"] == "m0plus"
    code, _, err = cli("build", "native", "--out", run)
    assert code == 0, err
    assert "compile: " in err and json.loads(compiled.read_text())["kernels"] == "portable"
