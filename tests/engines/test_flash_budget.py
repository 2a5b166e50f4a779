"""``--flash-budget`` on the command line: kept, refused with the smallest possible, recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from toolchain.compile import golden
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network


@pytest.fixture
def model(rng, tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(reference_network(REFERENCE_SHAPES["S"], rng))
    return path


def compiled(cli, model: Path, *arguments: object) -> dict:
    code, out, err = cli("compile", model, "-o", model.parent / "c", "--json", *arguments)
    assert code == 0, err
    return json.loads(out)


def test_compile_is_portable_until_a_budget_asks_for_a_choice(cli, model: Path) -> None:
    plain = compiled(cli, model)
    assert plain["kernels"] == "portable"
    assert "jl_dense_run" in (model.parent / "c" / "jl_model.c").read_text()
    assert compiled(cli, model, "--kernels", "rv32im")["kernels"] == "rv32im"
    smallest = compiled(cli, model, "--flash-budget", "smallest")
    full = compiled(cli, model, "--flash-budget", "full", "--kernels", "m0plus")
    assert smallest["kernels"] == full["kernels"] == "m0plus"
    assert smallest["flash_bytes"] <= 1.2 * plain["weight_bytes"] + 2048 < full["flash_bytes"]
    between = (smallest["flash_bytes"] + full["flash_bytes"]) // 2
    middle = compiled(cli, model, "--flash-budget", between)
    assert middle["flash_bytes"] <= between
    assert full["cycles"] < middle["cycles"] < smallest["cycles"]


def test_an_impossible_budget_names_the_smallest(cli, model: Path) -> None:
    code, _, err = cli("compile", model, "-o", model.parent / "c", "--flash-budget", 99)
    assert code == 2
    named = re.search(r"at least (\d+)", err)
    assert named is not None
    assert compiled(cli, model, "--flash-budget", named[1])["flash_bytes"] == int(named[1])


@pytest.mark.parametrize("budget", ["0", "-5", "1e4", "small", "1.5"])
def test_what_is_no_budget(cli, model: Path, budget: str) -> None:
    code, _, err = cli("compile", model, "-o", model.parent / "c", f"--flash-budget={budget}")
    assert code == 2
    assert "neither a number of bytes" in err


@pytest.mark.firmware
@pytest.mark.emulator
def test_infer_keeps_it_on_the_board(cli, rng, model: Path, tmp_path: Path) -> None:
    rows = rng.integers(-128, 128, (3, 16)).astype(np.int8)
    np.save(tmp_path / "x.npy", rows)
    arguments = ("infer", "pico@emulator", "--model", model, "--inputs", tmp_path / "x.npy")
    found = {}
    for budget in ("smallest", "full"):
        code, out, err = cli(
            *arguments, "--out", tmp_path / "y.npy", "--json", "--flash-budget", budget
        )
        assert code == 0, err
        found[budget] = json.loads(out)
        assert (np.load(tmp_path / "y.npy") == golden(model.read_bytes(), rows)).all()
    small, full = found["smallest"], found["full"]
    assert small["memory"]["network_bytes"] < 0.6 * full["memory"]["network_bytes"]
    assert full["cycles"]["max"] < small["cycles"]["min"] <= 6 * small["macs"]


def test_engines_of_one_size_refuse_it(cli, model: Path, tmp_path: Path) -> None:
    code, _, err = cli(
        *("infer", "pico@emulator", "--engine", "float", "--model", model, "--inputs", model),
        *("--out", tmp_path / "y.npy", "--flash-budget", "smallest"),
    )
    assert code == 2
    assert "neither kernels nor a flash budget" in err
