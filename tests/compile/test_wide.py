"""Networks of int16 activations: the golden bits on this host, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from toolchain.compile import (
    HostProgram,
    compile_model,
    dequantize,
    golden,
    minimum_cycles,
    quantize,
    read_network,
)
from toolchain.compile.kernel_set import input_ranges
from toolchain.compile.network import Rescale
from toolchain.compile.program import plan_program
from toolchain.compile.quantization import SUM_LIMIT
from toolchain.compile.synthetic import REFERENCE_SHAPES, random_wide_network, reference_network
from toolchain.compile.tflite_writer import (
    DenseSpec,
    ModelSpec,
    OperatorSpec,
    TensorSpec,
    dense_network,
    write_tflite,
)
from toolchain.compile.wide import needs_64_bits
from toolchain.errors import ModelError, UnsupportedOperatorError
from toolchain.protocol import Element

pytest.importorskip("tflite_micro", reason="the golden runtime has wheels for Linux only")

GRID_SIZE = 48
CODES = np.arange(-(2**15), 2**15).astype(np.int16)


def rows(rng, n, n_inputs):
    """Random codes, with both extremes as the first rows."""
    inputs = rng.integers(-(2**15), 2**15, (n, n_inputs)).astype(np.int16)
    inputs[0], inputs[1] = -(2**15), 2**15 - 1
    return inputs


def long_sums(network):
    """Per dense layer, whether its sums need 64 bits."""
    return [
        needs_64_bits(layer, *codes)
        for layer, codes in zip(network.layers, input_ranges(network.layers), strict=True)
    ]


def assert_golden(models, runners, rng, n_rows=8):
    informative = 0
    for i, (data, run) in enumerate(zip(models, runners, strict=True)):
        inputs = rows(rng, n_rows, read_network(data).input.n_values)
        expected = golden(data, inputs)
        np.testing.assert_array_equal(run(inputs), expected, err_msg=f"network {i}")
        informative += len(np.unique(expected)) > 2
    return informative


def test_random_networks(build_batch):
    rng = np.random.default_rng(20261123)
    models = [random_wide_network(rng) for _ in range(GRID_SIZE)]
    networks = [read_network(data) for data in models]
    layers = [layer for network in networks for layer in network.layers]
    # The grid is only worth something if it reaches what it is meant to reach.
    assert {layer.per_channel for layer in layers} == {True, False}
    assert {layer.bias is None for layer in layers} == {True, False}
    assert {layer.activation for layer in layers} == {"NONE", "RELU", "RELU6", "RELU_N1_TO_1"}
    assert any((layer.shifts > 3).any() for layer in layers)
    assert any((layer.shifts < -25).any() for layer in layers)
    assert any((np.abs(layer.whole_bias) > 2**45).any() for layer in layers)
    needed = [long for network in networks for long in long_sums(network)]
    assert len(needed) // 5 < sum(needed) < 4 * len(needed) // 5
    assert assert_golden(models, build_batch(models), rng) > GRID_SIZE // 3


def test_every_scale_of_the_sums_that_matter(build_batch):
    """Biases alone, so that sums are whatever is wanted: halves, saturation, results that wrap."""
    rng = np.random.default_rng(3)
    models = []
    for exponent in range(-33, 8):
        factor = 2.0**exponent * rng.uniform(0.5, 1.0, 64)
        half = np.round(0.5 / factor)
        spread = np.exp2(rng.uniform(0, 46.9, 64)) * rng.choice([-1, 1], 64)
        bias = np.where(np.arange(64) % 2, spread, half * rng.integers(-99, 99, 64))
        bias = np.clip(bias, 1 - SUM_LIMIT, SUM_LIMIT - 1).astype(np.int64)
        scales = tuple(float(np.float32(f)) for f in factor)
        layer = DenseSpec(np.zeros((64, 1), np.int8), bias, scales, 1.0, 0)
        models.append(dense_network(1.0, 0, [layer], "int16"))
        # The same in 32 bits, as far as they reach.
        short = replace(layer, bias=np.clip(bias, -(2**31), 2**31 - 1))
        models.append(dense_network(1.0, 0, [short], "int16"))
    needed = [long_sums(read_network(data))[0] for data in models]
    assert 20 < sum(needed) < len(models) - 20
    assert assert_golden(models, build_batch(models), rng, n_rows=2) > len(models) // 2


def test_32_bits_are_used_to_the_last_sum_that_fits(build_batch):
    weights = np.array([[127, -128, 3]], np.int8)
    # Inputs of -32768 and 32767 that make most of the weights.
    most = 127 * 32767 + 128 * 32768 + 3 * 32767
    least = -127 * 32768 - 128 * 32767 - 3 * 32768
    worst = np.array([[32767, -32768, 32767], [-32768, 32767, -32768]], np.int16)
    models = []
    for bias, expected in (
        (2**31 - 1 - most, False),
        (2**31 - most, True),
        (-(2**31) - least, False),
        (-(2**31) - least - 1, True),
    ):
        layer = DenseSpec(weights, np.array([bias], np.int64), (2.0**-17,), 1.0, 0)
        models.append(dense_network(1.0, 0, [layer], "int16"))
        assert long_sums(read_network(models[-1])) == [expected]
    for data, run in zip(models, build_batch(models), strict=True):
        expected = golden(data, worst)
        np.testing.assert_array_equal(run(worst), expected)
        assert np.abs(expected).max() > 16000


def test_a_relu_before_a_layer_narrows_what_it_must_hold():
    hidden = DenseSpec(np.ones((4, 4), np.int8), None, (2.0**-9,), 1.0, 0, "RELU")
    deep = DenseSpec(
        np.full((1, 4), -128, np.int8), np.array([2**31 - 1], np.int64), (2.0**-17,), 1.0, 0
    )
    assert long_sums(read_network(dense_network(1.0, 0, [hidden, deep], "int16"))) == [False] * 2
    plain = replace(hidden, activation="NONE")
    assert long_sums(read_network(dense_network(1.0, 0, [plain, deep], "int16"))) == [False, True]


@pytest.mark.parametrize("name", REFERENCE_SHAPES)
def test_reference_networks(tmp_path, name):
    data = reference_network(REFERENCE_SHAPES[name], np.random.default_rng(3), Element.INT16)
    compile_model(data, tmp_path, name=name)
    inputs = rows(np.random.default_rng(4), 100, REFERENCE_SHAPES[name][0])
    outputs = HostProgram(tmp_path).run(inputs)
    assert outputs.dtype == np.int16
    np.testing.assert_array_equal(outputs, golden(data, inputs))
    assert (outputs.std(axis=0) > 2560).all()


def test_the_minimum_of_a_layer_by_hand():
    data = reference_network((4, 3), np.random.default_rng(0), Element.INT16)
    # 12 products and additions, 3 words of weights, 4 cycles an output, 2 words in and 2 out.
    assert minimum_cycles(read_network(data).layers[0]) == 24 + 3 + 12 + 2 + 2


def chain(*stages, shape=(1, 65535), scale=1e-4, dtype="int16"):
    """A model of one-input operators: stages are (operator, shape, scale)."""
    tensors = [TensorSpec(shape, dtype, () if dtype == "float32" else (scale,), (0,))]
    operators = []
    for i, (name, shape_out, scale_out) in enumerate(stages):
        target = "float32" if name == "DEQUANTIZE" else "int16"
        scales = () if name == "DEQUANTIZE" else (scale_out,)
        tensors.append(TensorSpec(shape_out, target, scales, (0,)))
        operators.append(OperatorSpec(name, (i,), (i + 1,)))
    return write_tflite(ModelSpec(tuple(tensors), tuple(operators), (0,), (len(stages),)))


def test_operators_without_weights_on_almost_every_code(build_batch):
    wide = (1, 65535)
    models = [
        chain((name, wide, scale * ratio), scale=scale)
        for name in ("RELU", "RELU6", "QUANTIZE")
        for scale, ratio in ((1e-4, 1.0), (1e-4, 0.37), (0.9, 2.6), (7e-6, 3e-4), (1.0, 3e9))
        if name != "RELU6" or ratio == 1.0
    ]
    models.append(chain(("RESHAPE", (1, 5, 13107), 1e-4)))
    for i, (data, run) in enumerate(zip(models, build_batch(models), strict=True)):
        for codes in (CODES[None, 1:], CODES[None, :-1]):
            np.testing.assert_array_equal(run(codes), golden(data, codes), err_msg=f"model {i}")


def dense_then(rng, *stages):
    """FULLY_CONNECTED 8 -> 6, and then other operators."""
    weights = rng.integers(-127, 128, (6, 8)).astype(np.int8)
    tensors = [
        TensorSpec((1, 8), "int16", (2e-4,), (0,)),
        TensorSpec((6, 8), "int8", (0.01,), (0,), weights),
        TensorSpec((1, 6), "int16", (5e-4,), (0,)),
    ]
    operators = [OperatorSpec("FULLY_CONNECTED", (0, 1), (2,))]
    for name, scale in stages:
        tensors.append(TensorSpec((1, 6), "int16", (scale,), (0,)))
        operators.append(OperatorSpec(name, (len(tensors) - 2,), (len(tensors) - 1,)))
    return write_tflite(ModelSpec(tuple(tensors), tuple(operators), (0,), (len(tensors) - 1,)))


def test_a_clamp_becomes_part_of_the_layer_before_it_and_a_rescaling_does_not(build_batch):
    rng = np.random.default_rng(6)
    cases = {
        (("RELU", 5e-4),): 1,
        (("RELU6", 5e-4),): 1,
        (("RELU", 5e-4), ("RELU6", 5e-4), ("RESHAPE", 5e-4)): 1,
        (("RELU", 3e-4),): 2,
        (("QUANTIZE", 3e-4), ("RELU", 3e-4)): 2,
        (("QUANTIZE", 3e-4), ("QUANTIZE", 5e-4)): 3,
    }
    models = [dense_then(rng, *stages) for stages in cases]
    for data, n_steps in zip(models, cases.values(), strict=True):
        program = plan_program(read_network(data))
        assert len(program.steps) == n_steps
        assert all(isinstance(step.layer, Rescale) for step in program.steps[1:])
    assert assert_golden(models, build_batch(models), rng, n_rows=60) == len(models)


def test_float_edges(tmp_path):
    """QUANTIZE and DEQUANTIZE at the edges are the host's, with the reference's bits."""
    data = chain(
        ("QUANTIZE", (1, 256), 0.00031),
        ("RELU", (1, 256), 0.00017),
        ("DEQUANTIZE", (1, 256), 0),
        dtype="float32",
        shape=(1, 256),
    )
    compiled = compile_model(data, tmp_path)
    assert (compiled.input.float_edge, compiled.output.float_edge) == (True, True)
    real = np.random.default_rng(9).normal(0, 3, (50, 256)).astype(np.float32)
    # Halves, where the direction of rounding shows, and values far outside.
    halves = (np.arange(-128, 128, dtype=np.float32) * 200 + np.float32(0.5)) * np.float32(0.00031)
    real[0], real[1], real[2] = halves, 1e5, -1e3
    codes = HostProgram(tmp_path).run(quantize(real, compiled.input))
    assert codes.dtype == np.int16
    np.testing.assert_array_equal(dequantize(codes, compiled.output), golden(data, real))


TENSORS = (
    TensorSpec((1, 2), "int16", (0.5,), (0,)),
    TensorSpec((1, 2), "int8", (0.25,), (0,), np.ones((1, 2), np.int8)),
    TensorSpec((1,), "int64", (0.125,), (0,), np.zeros(1, np.int64)),
    TensorSpec((1, 1), "int16", (2.0,), (0,)),
)
DENSE = OperatorSpec("FULLY_CONNECTED", (0, 1, 2), (3,))


def model(operator=DENSE, **changes):
    """One dense layer; changes are keyword arguments by tensor, such as t0={"dtype": "int8"}."""
    tensors = tuple(replace(t, **changes.get(f"t{i}", {})) for i, t in enumerate(TENSORS))
    return write_tflite(ModelSpec(tensors, (operator,), (0,), (operator.outputs[0],)))


def test_the_model_that_the_refusals_change_is_sound():
    assert read_network(model()).element is Element.INT16
    no_bias = OperatorSpec("FULLY_CONNECTED", (0, 1), (3,), bias_dtype="int64")
    assert read_network(model(no_bias)).element is Element.INT16


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"t0": {"zero_points": (1,)}}, ModelError, r"zero point 1, the limits are 0\.\.0"),
        ({"t3": {"zero_points": (-5,)}}, ModelError, r"zero point -5"),
        ({"t3": {"dtype": "int8"}}, UnsupportedOperatorError, "int16 in and int8 out"),
        ({"t0": {"dtype": "int8"}}, UnsupportedOperatorError, "int8 in and int16 out"),
        (
            {"t2": {"dtype": "int32", "data": np.zeros(1, np.int32)}},
            UnsupportedOperatorError,
            "sums of 32 bits",
        ),
        ({"t1": {"dtype": "int16", "data": np.ones((1, 2), np.int16)}}, ModelError, "is int16"),
        ({"t2": {"data": np.array([2**47 - 2**16], np.int64)}}, ModelError, r"the limit is 2\^47"),
        ({"t2": {"data": np.array([-(2**63)], np.int64)}}, ModelError, r"the limit is 2\^47"),
        ({"t3": {"scales": (0.0009,)}, "t2": {"scales": (0.125,)}}, ModelError, r"limit is 2\^7"),
    ],
)
def test_refusals(changes, error, message):
    with pytest.raises(error, match=message):
        read_network(model(**changes))


def test_sums_of_32_bits_are_refused_without_a_bias_too():
    operator = OperatorSpec("FULLY_CONNECTED", (0, 1), (3,), bias_dtype="int32")
    with pytest.raises(UnsupportedOperatorError, match="sums of 32 bits"):
        read_network(model(operator))


@pytest.mark.parametrize("name", ["SOFTMAX", "LOGISTIC", "TANH"])
def test_operators_that_only_int8_has(name):
    data = chain((name, (1, 4), 1 / 32768), shape=(1, 4))
    with pytest.raises(UnsupportedOperatorError, match=f"{name}.*for int8 only, not for int16"):
        read_network(data)
