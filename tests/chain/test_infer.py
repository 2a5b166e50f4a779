"""``jouleloop infer`` on the emulated Pico."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from toolchain.compile import golden

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


@pytest.fixture(scope="session")
def model(finished_run: tuple[Path, dict]) -> Path:
    return finished_run[0] / "quantize" / "policy.tflite"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    rows = np.random.default_rng(3).integers(-128, 128, (7, 24)).astype(np.int8)
    np.save(tmp_path / "x.npy", rows)
    return tmp_path / "x.npy"


def test_outputs_are_the_references(cli, model: Path, inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "y"  # exactly this name, without a suffix too
    arguments = ("infer", "pico@emulator", "--model", model, "--inputs", inputs, "--out", out)
    code, text, err = cli(*arguments, "--json")
    assert code == 0, err
    assert (np.load(out) == golden(model.read_bytes(), np.load(inputs))).all()
    summary = json.loads(text)
    assert summary["rows"] == 7
    assert summary["provenance"] == "emulated"
    assert summary["cycles"]["min"] <= summary["cycles"]["median"] <= summary["cycles"]["max"]
    assert 0 < summary["memory"]["stack_used_bytes"] < 4096

    code, again, err = cli(*arguments, "--json", "--no-flash")
    assert code == 0, err
    assert json.loads(again)["cycles"] == summary["cycles"]


def test_no_flash_refuses_a_board_that_runs_something_else(
    cli, model: Path, inputs: Path, tmp_path: Path, finished_run: tuple[Path, dict]
) -> None:
    out = tmp_path / "y.npy"
    arguments = ("infer", "pico@emulator", "--model", model, "--inputs", inputs, "--out", out)
    code, _, err = cli(*arguments, "--no-flash")
    assert code == 2
    assert "has never been flashed" in err

    assert cli(*arguments)[0] == 0
    # Another file of the same network: bytes behind the flatbuffer change its identity alone.
    other = tmp_path / "other.tflite"
    other.write_bytes(model.read_bytes() + bytes(16))
    code, _, err = cli(
        "infer", "pico@emulator", "--model", other, "--inputs", inputs, "--out", out, "--no-flash"
    )
    assert code == 1
    assert "model_sha256" in err


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 23), np.int8), r"(2, 23)"),
        (np.zeros((2, 24), np.float32), "float32"),
        (np.zeros((0, 24), np.int8), "at least 1"),
    ],
)
def test_inputs_that_do_not_fit(
    cli, model: Path, tmp_path: Path, array: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "x.npy", array)
    code, _, err = cli(
        "infer",
        "pico@emulator",
        "--model",
        model,
        "--inputs",
        tmp_path / "x.npy",
        "--out",
        tmp_path / "y.npy",
    )
    assert code == 2
    assert message in err
    assert "next:" in err
    assert not (tmp_path / "y.npy").exists()


def _cut(path: Path) -> None:
    np.save(path, np.zeros((2, 24), np.int8))
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.write_bytes(b""), "is not an .npy array"),
        (lambda path: path.write_text("1,2,3\n"), "is not an .npy array of numbers\n"),
        (_cut, "is not an .npy array"),
    ],
    ids=["none", "empty", "text", "cut off"],
)
def test_inputs_that_are_no_array(cli, model: Path, tmp_path: Path, write, message: str) -> None:
    given = tmp_path / "x.npy"
    write(given)
    files = ("--model", model, "--inputs", given, "--out", tmp_path / "y.npy")
    code, _, err = cli("infer", "pico@emulator", *files)
    assert code == 2
    assert f"{given} {message}" in err and "next:" in err


@pytest.mark.parametrize(
    ("out", "message"), [("none/y.npy", "there is no folder"), (".", "is a folder")]
)
def test_outputs_that_could_not_be_kept_are_refused_first(
    cli, model: Path, inputs: Path, tmp_path: Path, out: str, message: str
) -> None:
    files = ("--model", model, "--inputs", inputs, "--out", tmp_path / out)
    code, _, err = cli("infer", "pico@emulator", *files)
    assert code == 2
    assert message in err and "next:" in err
    assert not (tmp_path / "state").exists(), "nothing has been flashed for it"


def test_a_damaged_model_is_named(cli, model: Path, inputs: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(model.read_bytes()[:1500])
    files = ("--model", cut, "--inputs", inputs, "--out", tmp_path / "y.npy")
    code, _, err = cli("infer", "pico@emulator", *files)
    assert code == 2
    assert "cut: the .tflite of 1500 bytes is damaged or cut off" in err and "next:" in err
