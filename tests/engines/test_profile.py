"""``jouleloop profile``: cycles and flash of every layer, counted on the emulated board."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from host.report.profile import print_profile
from toolchain.compile import (
    MINIMUM_BASIS,
    compile_model,
    measure_cycles,
    minimum_cycles,
    read_network,
)
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def of_model(cli, folder: Path, data: bytes, *arguments: str) -> dict:
    (folder / "m.tflite").write_bytes(data)
    code, out, err = cli(
        "profile", "pico@emulator", "--model", folder / "m.tflite", "--json", *arguments
    )
    assert code == 0, err
    return json.loads(out)


def test_layers_are_what_the_core_alone_counts(cli, rng, tmp_path: Path) -> None:
    """Two instruments: the board's counter between layers, and the emulator's count by address."""
    data = reference_network(REFERENCE_SHAPES["S"], rng)
    summary = of_model(cli, tmp_path, data)
    compiled = compile_model(data, tmp_path / "model", kernels="m0plus")
    count = measure_cycles(compiled, np.zeros((1, 16), np.int8))
    for layer, info in zip(summary["layers"], compiled.layers, strict=True):
        assert layer["cycles"] == info.cycles
        assert layer["flash_bytes"] == info.flash_bytes
        assert layer["macs"] == info.macs
    for layer in summary["layers"][:-1]:  # the last one's count by address has the return in it
        assert layer["cycles"] == count.layer_cycles[f"jl_model_run_layer{layer['index']}"]
    # The board calls the program through jl_inference_invoke().
    assert 0 <= summary["cycles"]["median"] - count.cycles[0] <= 16
    assert summary["readings"]["unexplained_cycles"] == 0
    assert summary["readings"]["cycles"] > 9 * 9
    shown = io.StringIO()
    print_profile(summary, Console(file=shown, width=120))
    assert "[1, 16] -> [1, 32]" in shown.getvalue()
    assert f"{summary['minimum']['cycles']:,} cycles; {MINIMUM_BASIS}" in shown.getvalue()


def test_cycles_that_do_not_add_up_are_not_published(
    cli, rng, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A counter that loses half of what a reading costs."""
    module = sys.modules["host.chain.profile"]
    honest = module._readings

    def halved(read):
        readings = honest(read).copy()
        readings[:, :, 1:] -= np.diff(readings, axis=2)[:, :, :1] // 2
        return readings

    monkeypatch.setattr(module, "_readings", halved)
    (tmp_path / "m.tflite").write_bytes(reference_network((8, 4, 4, 4, 4), rng))
    code, _, err = cli("profile", "pico@emulator", "--model", tmp_path / "m.tflite")
    assert code == 1
    assert "unexplained" in err


def test_the_parts_are_the_whole(cli, rng, tmp_path: Path) -> None:
    """A network of every way to run a layer: C and assembly, dense and not."""
    weights = rng.integers(-127, 128, (12, 10)).astype(np.int8)
    tensors = (
        TensorSpec((1, 10), "int8", (0.05,), (3,)),
        TensorSpec((12, 10), "int8", (0.01,), (0,), weights),
        TensorSpec((1, 12), "int8", (0.1,), (-5,)),
        TensorSpec((1, 12), "int8", (1 / 128,), (0,)),
        TensorSpec((1, 12), "int8", (1 / 256,), (-128,)),
        TensorSpec((12, 12), "int8", (0.02,), (0,), weights[:, :1] + np.eye(12, dtype=np.int8)),
        TensorSpec((1, 12), "int8", (0.1,), (-5,)),
    )
    operators = (
        OperatorSpec("FULLY_CONNECTED", (0, 1), (2,)),
        OperatorSpec("TANH", (2,), (3,)),
        OperatorSpec("SOFTMAX", (3,), (4,)),
        OperatorSpec("FULLY_CONNECTED", (4, 5), (6,)),
    )
    data = write_tflite(ModelSpec(tensors, operators, (0,), (6,)))
    for arguments in ((), ("--flash-budget", "smallest")):
        summary = of_model(cli, tmp_path, data, *arguments)
        layers, outside = summary["layers"], summary["outside_layers"]
        assert len(layers) == 4
        assert min(layer["cycles"] for layer in layers) > 12
        assert sum(x["cycles"] for x in [*layers, outside]) == summary["cycles"]["median"]
        assert sum(x["flash_bytes"] for x in [*layers, outside]) == summary["flash_bytes"]
        assert 0 < outside["cycles"] < 0.1 * summary["cycles"]["median"]
        assert abs(summary["readings"]["unexplained_cycles"]) <= 24
        assert layers[0]["flash_bytes"] >= layers[0]["weight_bytes"] == 120
        assert layers[1]["flash_bytes"] == 256
        assert [layer["minimum_cycles"] is None for layer in layers] == [False, True, True, False]
        assert 0 < summary["minimum"]["share"] < 1
        assert "multiplication" in summary["minimum"]["basis"]


def test_the_minimum_of_a_layer_by_hand(rng) -> None:
    layer = read_network(reference_network((5, 3), rng)).layers[0]
    # Three outputs of three words of weights; three scales; three input and two output pairs.
    assert minimum_cycles(layer) == 3 * 3 * 3 + 3 * 3 + 3 + 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--flash-budget", "10"), "at least"),
        (("--flash-budget", "-1"), "neither a number"),
        (("--kernels", "avr"), "portable"),
    ],
)
def test_what_cannot_be_profiled(cli, rng, tmp_path: Path, arguments, message: str) -> None:
    (tmp_path / "m.tflite").write_bytes(reference_network((8, 4), rng))
    code, _, err = cli("profile", "pico@emulator", "--model", tmp_path / "m.tflite", *arguments)
    assert code == 2
    assert message in err
    assert "next:" in err
