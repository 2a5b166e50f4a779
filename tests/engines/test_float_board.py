"""The float engine on the emulated board, with the boot ROM's arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from toolchain.compile import (
    error_bound,
    golden_float,
    read_float_network,
)
from toolchain.compile.float_synthetic import (
    FloatDenseSpec,
    float_network,
    reference_float_network,
)
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.protocol import Element, Engine

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

REFERENCE_CYCLES = {"S": 177_471, "M": 594_908, "L": 2_000_157}
"""A float32 network in C over the same routines (FACTS.md, section 6)."""


@pytest.mark.parametrize(("name", "n_rows"), [("S", 12), ("M", 4), ("L", 2)])
def test_the_reference_networks_equal_the_interpreter_and_cost_less_than_plain_c(
    open_engine, rng, name, n_rows
):
    data = reference_float_network(REFERENCE_SHAPES[name], rng)
    network = read_float_network(data)
    rows = rng.normal(0, 1, (n_rows, network.n_inputs)).astype(np.float32)
    with open_engine(data, Engine.FLOAT) as (client, identity, image):
        assert (identity.engine, identity.model_sha256) == ("float", network.sha256)
        assert (identity.n_inputs, identity.n_outputs) == (network.n_inputs, network.n_outputs)
        assert identity.input_element == identity.output_element == "float32"
        outputs, cycles = zip(
            *(client.infer(row[None], network.n_outputs, Element.FLOAT32) for row in rows),
            strict=True,
        )
    np.testing.assert_array_equal(np.concatenate(outputs), golden_float(data, rows))
    counted = np.concatenate(cycles)
    # A term of the ROM's costs some 150 cycles, and about half of the hidden ones are 0.
    assert 60 * network.macs < counted.min()
    assert counted.max() <= 0.85 * REFERENCE_CYCLES[name]
    assert image.size.network >= network.constant_bytes
    assert image.size.network_memory == "sram"


@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize("compiler", ["zig"])
def test_extreme_numbers_are_the_interpreters_too(open_engine, rng, activation, compiler):
    weights = (rng.normal(0, 1, (6, 9)) * 10.0 ** rng.integers(-12, 13, (6, 9))).astype(np.float32)
    weights[0] = 0
    bias = (rng.normal(0, 1, 6) * 10.0 ** rng.integers(-6, 13, 6)).astype(np.float32)
    data = float_network([FloatDenseSpec(weights, bias, activation)])
    rows = (rng.normal(0, 1, (40, 9)) * 10.0 ** rng.integers(-12, 13, (40, 9))).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = 0
    rows[rng.random(rows.shape) < 0.1] *= -0.0
    assert not error_bound(read_float_network(data), rows).any()
    with open_engine(data, Engine.FLOAT, compiler) as (client, _, _):
        outputs, _ = client.infer(rows, 6, Element.FLOAT32)
    np.testing.assert_array_equal(outputs, golden_float(data, rows))


@pytest.mark.parametrize("function", ["LOGISTIC", "TANH", "SOFTMAX", "RELU", "RELU6"])
def test_functions_stay_within_the_stated_bound(open_engine, rng, function):
    # An identity in front, so that the function meets chosen numbers.
    data = float_network([FloatDenseSpec(np.eye(8, dtype=np.float32), None)], (function,))
    network = read_float_network(data)
    ladder = np.concatenate([[0.0, 200.0, 88.0, 17.1, 16.9, 9.2, 9.0], np.logspace(-6, 2, 41)])
    rows = np.concatenate([ladder, -ladder]).astype(np.float32).reshape(-1, 8)
    rows = np.concatenate([rows, rng.normal(0, 4, (20, 8)).astype(np.float32)])
    expected = golden_float(data, rows)
    with open_engine(data, Engine.FLOAT) as (client, _, _):
        outputs, _ = client.infer(rows, 8, Element.FLOAT32)
    bound = error_bound(network, rows)
    assert (np.abs(outputs - expected) <= bound).all()
    if function.startswith("RELU"):
        assert not bound.any()
    else:
        assert len(np.unique(outputs)) > 50  # something was computed


def test_decisions_are_the_argmax_of_the_float_outputs(open_engine, rng):
    data = reference_float_network((10, 12, 5), rng)
    rows = rng.normal(0, 1, (30, 10)).astype(np.float32)
    masks = rng.random((30, 5)) < 0.6
    masks[~masks.any(axis=1), 2] = True
    expected = np.where(masks, golden_float(data, rows), -np.inf).argmax(axis=1)
    with open_engine(data, Engine.FLOAT) as (client, _, _):
        made = client.decide(rows, masks)
    np.testing.assert_array_equal(made.actions, expected)
    assert len(np.unique(made.actions)) > 2
    assert (made.cycles > 0).all()


def test_infer_runs_the_float_engine_from_the_command_line(cli, rng, tmp_path: Path):
    data = reference_float_network((6, 8, 3), rng)
    rows = rng.normal(0, 1, (5, 6)).astype(np.float32)
    (tmp_path / "f.tflite").write_bytes(data)
    np.save(tmp_path / "x.npy", rows)
    code, text, err = cli(
        "infer",
        "pico@emulator",
        "--engine",
        "float",
        "--model",
        tmp_path / "f.tflite",
        "--inputs",
        tmp_path / "x.npy",
        "--out",
        tmp_path / "y.npy",
        "--json",
    )
    assert code == 0, err
    summary = json.loads(text)
    assert summary["engine"] == summary["identity"]["engine"] == "float"
    assert summary["equal_to_reference"] is True
    assert summary["largest_difference"] == summary["difference_bound"] == 0
    assert summary["compiler"].startswith("zig ")
    assert 0 < summary["cycles"]["min"] <= summary["cycles"]["median"] <= summary["cycles"]["max"]
    assert summary["memory"]["stack_used_bytes"] > 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), golden_float(data, rows))


@pytest.mark.parametrize(
    ("engine", "make", "message"),
    [
        ("float", reference_network, "--engine"),
        ("aot", reference_float_network, "--engine float"),
    ],
)
def test_a_model_of_the_other_kind_is_refused_with_the_engine_to_name(
    cli, rng, tmp_path: Path, engine, make, message
):
    (tmp_path / "m.tflite").write_bytes(make((4, 3), rng))
    np.save(tmp_path / "x.npy", np.zeros((1, 4), np.float32))
    code, _, err = cli(
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
    )
    assert code == 2
    assert message in err.split("next:")[1]
