"""TensorFlow Lite Micro on the emulated board; needs a tree that the user has built (TFLM_ROOT)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from toolchain.build import builder
from toolchain.compile import error_bound, golden, golden_float, read_float_network
from toolchain.compile.float_synthetic import (
    FloatDenseSpec,
    float_network,
    reference_float_network,
)
from toolchain.compile.synthetic import REFERENCE_SHAPES, random_network, reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite
from toolchain.errors import BoardFaultError, BuildError
from toolchain.protocol import Element, Engine

pytestmark = [
    pytest.mark.firmware,
    pytest.mark.emulator,
    pytest.mark.skipif(
        not os.environ.get("TFLM_ROOT"),
        reason="TFLM_ROOT names no TensorFlow Lite Micro tree that was built for cortex-m0plus",
    ),
    pytest.mark.skipif(
        shutil.which("arm-none-eabi-g++") is None, reason="arm-none-eabi-g++ is not on the PATH"
    ),
]


@pytest.mark.parametrize("name", sorted(REFERENCE_SHAPES))
def test_the_reference_networks_give_the_same_as_aot_at_their_own_cost(open_engine, rng, name):
    data = reference_network(REFERENCE_SHAPES[name], rng)
    n_inputs, *_, n_outputs = REFERENCE_SHAPES[name]
    rows = rng.integers(-128, 128, (5, n_inputs)).astype(np.int8)
    figures = {}
    for engine in (Engine.TFLM, Engine.AOT):
        with open_engine(data, engine) as (client, identity, image):
            assert identity.engine == engine.name.lower()
            outputs, cycles = client.infer(rows, n_outputs)
        np.testing.assert_array_equal(outputs, golden(data, rows))
        figures[engine] = (int(cycles.min()), image.size.network, identity.arena_bytes)
    assert figures[Engine.TFLM][0] > figures[Engine.AOT][0]
    assert figures[Engine.TFLM][1] > 20_000  # the interpreter is counted as the network's
    assert figures[Engine.TFLM][2] > 500


def test_random_networks_give_the_interpreters_outputs(open_engine, rng):
    for _ in range(2):
        data = random_network(rng)
        with open_engine(data, Engine.TFLM) as (client, identity, _):
            rows = rng.integers(-128, 128, (1, identity.n_inputs)).astype(np.int8)
            outputs, _ = client.infer(rows, identity.n_outputs)
        np.testing.assert_array_equal(outputs, golden(data, rows))


def test_a_float_model_and_its_functions_run_too(open_engine, rng):
    layers = [
        FloatDenseSpec(rng.normal(0, 1, (6, 5)).astype(np.float32), None, "RELU"),
        FloatDenseSpec(rng.normal(0, 1, (4, 6)).astype(np.float32), None),
    ]
    data = float_network(layers, ("TANH", "LOGISTIC", "SOFTMAX"))
    rows = rng.normal(0, 1, (4, 5)).astype(np.float32)
    with open_engine(data, Engine.TFLM) as (client, identity, _):
        assert identity.input_element == identity.output_element == "float32"
        outputs, _ = client.infer(rows, 4, Element.FLOAT32)
    bound = error_bound(read_float_network(data), rows)
    assert (np.abs(outputs - golden_float(data, rows)) <= bound).all()


def test_a_model_with_float_edges_is_run_as_it_is(cli, rng, tmp_path: Path):
    weights = rng.integers(-127, 128, (3, 4)).astype(np.int8)
    tensors = (
        TensorSpec((1, 4), "float32", name="in"),
        TensorSpec((1, 4), "int8", (0.05,), (3,), name="codes"),
        TensorSpec((3, 4), "int8", (0.01,), (0,), weights, "weights"),
        TensorSpec((1, 3), "int8", (0.1,), (-5,), name="dense"),
        TensorSpec((1, 3), "float32", name="out"),
    )
    operators = (
        OperatorSpec("QUANTIZE", (0,), (1,)),
        OperatorSpec("FULLY_CONNECTED", (1, 2), (3,)),
        OperatorSpec("DEQUANTIZE", (3,), (4,)),
    )
    data = write_tflite(ModelSpec(tensors, operators, (0,), (4,)))
    (tmp_path / "m.tflite").write_bytes(data)
    rows = rng.normal(0, 2, (6, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", rows)
    outputs = []
    for engine in ("tflm", "aot"):
        code, text, err = cli(
            "infer",
            "pico@emulator",
            "--engine",
            engine,
            "--model",
            tmp_path / "m.tflite",
            "--inputs",
            tmp_path / "x.npy",
            "--out",
            tmp_path / "y.npy",
            "--json",
        )
        assert code == 0, err
        summary = json.loads(text)
        assert summary["equal_to_reference"] is True
        element = "float32" if engine == "tflm" else "int8"
        assert summary["identity"]["input_element"] == element
        outputs.append(np.load(tmp_path / "y.npy"))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], golden(data, rows))


def test_the_measured_arena_is_the_smallest_that_works(
    open_engine, rng, monkeypatch: pytest.MonkeyPatch
):
    data = reference_float_network((6, 5, 3), rng)
    measure = builder.tflm_arena.measure_arena
    found = []

    def one_step_less(*arguments):
        found.append(measure(*arguments))
        return found[-1] - builder.tflm_arena.ALIGNMENT_BYTES

    monkeypatch.setattr(builder.tflm_arena, "measure_arena", one_step_less)
    with open_engine(data, Engine.TFLM) as (client, identity, _):
        assert identity.arena_bytes == found[0] - 16
        with pytest.raises(BoardFaultError, match="INFERENCE"):
            client.infer(np.zeros((1, 6), np.float32), 3, Element.FLOAT32)


def test_a_model_that_no_arena_of_the_board_holds_is_refused(
    open_engine, rng, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(builder, "MEASURING_RESERVE_BYTES", 270_336 - 4_096 - 640)
    with (
        pytest.raises(BuildError, match="arena of 640 bytes"),
        open_engine(reference_network((16, 32, 16, 4), rng), Engine.TFLM),
    ):
        pass
