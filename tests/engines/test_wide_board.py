"""Networks of int16 activations in the firmware: raw outputs, decisions, profile, command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from host.link import BoardClient
from toolchain.compile import golden, quantize, read_network
from toolchain.compile.synthetic import reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite
from toolchain.protocol import Element, Engine

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def wide_network(rng: np.random.Generator, widths: tuple[int, ...] = (10, 12, 5)) -> bytes:
    return reference_network(widths, rng, Element.INT16)


def wide_rows(rng: np.random.Generator, n: int, n_inputs: int) -> np.ndarray:
    return rng.integers(-(2**15), 2**15, (n, n_inputs)).astype(np.int16)


def decided(client: BoardClient, data: bytes, rows: np.ndarray, rng: np.random.Generator) -> None:
    masks = rng.random((len(rows), 5)) < 0.6
    masks[~masks.any(axis=1), 2] = True
    scores = golden(data, rows).astype(np.int64)
    # The upper bytes alone do not tell these apart, nor do unsigned values.
    assert (scores < 0).any()
    expected = np.where(masks, scores, np.iinfo(np.int64).min).argmax(axis=1)
    made = client.decide(rows, masks)
    np.testing.assert_array_equal(made.actions, expected)
    assert len(np.unique(made.actions)) > 2


def test_outputs_and_decisions_on_the_board(open_engine, rng):
    data = wide_network(rng)
    rows = wide_rows(rng, 40, 10)
    with open_engine(data, Engine.AOT) as (client, identity, _):
        assert (identity.input_element, identity.output_element) == ("int16", "int16")
        outputs, cycles = client.infer(rows, 5, Element.INT16)
        np.testing.assert_array_equal(outputs, golden(data, rows))
        assert (cycles > 0).all()
        decided(client, data, rows, rng)


def test_scores_that_differ_in_their_lower_byte_only_are_told_apart(open_engine, rng):
    """Weights of one, factor of one: the outputs are the inputs plus 0 to 4."""
    tensors = (
        TensorSpec((1, 1), "int16", (1.0,), (0,)),
        TensorSpec((5, 1), "int8", (1.0,), (0,), np.ones((5, 1), np.int8)),
        TensorSpec((5,), "int64", (1.0,), (0,), np.array([1, 0, 4, 2, 4], np.int64)),
        TensorSpec((1, 5), "int16", (1.0,), (0,)),
    )
    dense = OperatorSpec("FULLY_CONNECTED", (0, 1, 2), (3,))
    data = write_tflite(ModelSpec(tensors, (dense,), (0,), (3,)))
    rows = np.array([[-32768], [-256], [-2], [100], [32760], [32767]], np.int16)
    expected = golden(data, rows)
    masks = np.array([[True] * 5, [True, True, False, False, False]] * 3)
    best = np.where(masks, expected.astype(int), -(2**20)).argmax(axis=1)
    assert best.tolist() == [2, 0, 2, 0, 2, 0]
    with open_engine(data, Engine.AOT) as (client, _, _):
        np.testing.assert_array_equal(client.infer(rows, 5, Element.INT16)[0], expected)
        np.testing.assert_array_equal(client.decide(rows, masks).actions, best)


def infer(cli, target: str, folder: Path, data: bytes, rows: np.ndarray) -> tuple[int, str, str]:
    (folder / "m.tflite").write_bytes(data)
    np.save(folder / "x.npy", rows)
    files = (
        "--model",
        folder / "m.tflite",
        "--inputs",
        folder / "x.npy",
        "--out",
        folder / "y.npy",
    )
    return cli("infer", target, *files, "--json")


def test_infer_from_the_command_line(cli, rng, tmp_path: Path):
    data, rows = wide_network(rng), wide_rows(rng, 30, 10)
    code, text, err = infer(cli, "pico@emulator", tmp_path, data, rows)
    assert code == 0, err
    summary = json.loads(text)
    assert summary["equal_to_reference"] is True
    assert summary["identity"]["input_element"] == "int16"
    assert summary["cycles"]["min"] == summary["cycles"]["max"]
    outputs = np.load(tmp_path / "y.npy")
    assert outputs.dtype == np.int16
    np.testing.assert_array_equal(outputs, golden(data, rows))


def with_float_ends() -> bytes:
    weights = np.array([[3, -100, 27], [127, 5, -128]], np.int8)
    tensors = (
        TensorSpec((1, 3), "float32"),
        TensorSpec((1, 3), "int16", (3e-5,), (0,)),
        TensorSpec((2, 3), "int8", (0.01,), (0,), weights),
        TensorSpec((1, 2), "int16", (7e-5,), (0,)),
        TensorSpec((1, 2), "float32"),
    )
    operators = (
        OperatorSpec("QUANTIZE", (0,), (1,)),
        OperatorSpec("FULLY_CONNECTED", (1, 2), (3,), "RELU6"),
        OperatorSpec("DEQUANTIZE", (3,), (4,)),
    )
    return write_tflite(ModelSpec(tensors, operators, (0,), (4,)))


def test_infer_with_float_ends(cli, rng, tmp_path: Path):
    data, rows = with_float_ends(), rng.normal(0, 0.7, (30, 3)).astype(np.float32)
    assert (np.abs(quantize(rows, read_network(data).input)) == 32767).any()
    code, text, err = infer(cli, "native", tmp_path, data, rows)
    assert code == 0, err
    assert json.loads(text)["equal_to_reference"] is True
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), golden(data, rows))


def test_inputs_of_another_type_are_refused(cli, rng, tmp_path: Path):
    rows = np.zeros((2, 10), np.int8)
    code, _, err = infer(cli, "native", tmp_path, wide_network(rng), rows)
    assert code == 2
    assert "the model takes (n, 10) int16" in err


def test_profile(cli, rng, tmp_path: Path):
    (tmp_path / "m.tflite").write_bytes(wide_network(rng, (10, 12, 5, 3)))
    code, text, err = cli("profile", "pico@emulator", "--model", tmp_path / "m.tflite", "--json")
    assert code == 0, err
    layers = json.loads(text)["layers"]
    assert [layer["macs"] for layer in layers] == [120, 60, 15]
    for layer in layers:
        assert layer["minimum_cycles"] < layer["cycles"]
        assert layer["minimum_cycles"] >= 2 * layer["macs"]
