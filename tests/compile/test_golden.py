"""Generated programs give the golden output, bit for bit."""

from pathlib import Path

import numpy as np
import pytest

from toolchain.compile import HostProgram, compile_model, dequantize, golden, quantize, read_network
from toolchain.compile.synthetic import REFERENCE_SHAPES, random_network, reference_network
from toolchain.compile.tflite_writer import (
    DenseSpec,
    ModelSpec,
    OperatorSpec,
    TensorSpec,
    dense_network,
    write_tflite,
)

pytest.importorskip("tflite_micro", reason="the golden runtime has wheels for Linux only")

AD01 = Path(__file__).resolve().parents[3] / "shared" / "models" / "ad01_int8.tflite"
GRID_SIZE = 240
ALL_CODES = np.arange(-128, 128).astype(np.int8)


def rows(rng, n, n_inputs):
    """Random codes, with both extremes as the first rows."""
    inputs = rng.integers(-128, 128, (n, n_inputs)).astype(np.int8)
    inputs[0], inputs[1] = -128, 127
    return inputs


def assert_equal_to_golden(models, runners, rng, n_rows=12):
    informative = 0
    for i, (data, run) in enumerate(zip(models, runners, strict=True)):
        inputs = rows(rng, n_rows, read_network(data).input.n_values)
        expected = golden(data, inputs)
        np.testing.assert_array_equal(run(inputs), expected, err_msg=f"network {i}")
        informative += len(np.unique(expected)) > 2
    return informative


def test_random_dense_networks(build_batch):
    rng = np.random.default_rng(20261122)
    models = [random_network(rng) for _ in range(GRID_SIZE)]
    layers = [layer for data in models for layer in read_network(data).layers]
    # The grid is only worth something if it reaches what it is meant to reach.
    assert {layer.per_channel for layer in layers} == {True, False}
    assert {layer.bias is None for layer in layers} == {True, False}
    assert any((layer.shifts > 0).any() for layer in layers)
    assert any((layer.shifts < -12).any() for layer in layers)
    assert {-128, 127} <= {layer.input.zero_point for layer in layers}
    assert {-128, 127} <= {layer.output.zero_point for layer in layers}
    assert any((layer.weights == -128).any() for layer in layers)
    assert {1, 640} <= {n for layer in layers for n in layer.weights.shape}
    informative = assert_equal_to_golden(models, build_batch(models), rng)
    assert informative > GRID_SIZE // 2


def test_arithmetic_that_wraps(build_batch):
    """Accumulators, left shifts and zero points that leave 32 bits wrap as in the reference."""
    rng = np.random.default_rng(5)
    models = []
    for _ in range(60):
        n_outputs = int(rng.integers(1, 8))
        weights = rng.choice([-128, 127], (n_outputs, int(rng.integers(1, 20)))).astype(np.int8)
        factor = float(2.0 ** rng.uniform(0, 29.5))
        scales = (factor * 0.25,) * (n_outputs if rng.random() < 0.5 else 1)
        bias = rng.integers(-(2**31), 2**31, n_outputs).astype(np.int32)
        layer = DenseSpec(weights, bias, scales, 0.125, int(rng.choice([-128, 127, 0])))
        models.append(dense_network(0.5, int(rng.choice([-128, 127])), [layer]))
    assert_equal_to_golden(models, build_batch(models), rng)


@pytest.mark.parametrize("name", REFERENCE_SHAPES)
def test_reference_networks(tmp_path, name):
    rng = np.random.default_rng(3)
    data = reference_network(REFERENCE_SHAPES[name], rng)
    compile_model(data, tmp_path, name=name)
    inputs = rows(rng, 200, REFERENCE_SHAPES[name][0])
    outputs = HostProgram(tmp_path).run(inputs)
    np.testing.assert_array_equal(outputs, golden(data, inputs))
    assert (outputs.std(axis=0) > 10).all()


@pytest.mark.skipif(not AD01.exists(), reason=f"no external model at {AD01}")
def test_mlperf_tiny_anomaly_detection(tmp_path):
    data = AD01.read_bytes()
    compiled = compile_model(data, tmp_path, name="ad01")
    assert compiled.macs == 264_192
    inputs = rows(np.random.default_rng(1), 40, 640)
    np.testing.assert_array_equal(HostProgram(tmp_path).run(inputs), golden(data, inputs))


def chain(*stages, shape=(1, 256), scale=0.05, zero_point=0, dtype="int8"):
    """A model of one-input operators: stages are (operator, shape, scale, zero point, options)."""
    scales, zero_points = ((scale,), (zero_point,)) if dtype == "int8" else ((), ())
    tensors = [TensorSpec(shape, dtype, scales, zero_points)]
    operators = []
    for i, (name, shape_out, scale_out, zero_out, options) in enumerate(stages):
        out_dtype = "float32" if name == "DEQUANTIZE" else "int8"
        quantization = ((), ()) if name == "DEQUANTIZE" else ((scale_out,), (zero_out,))
        tensors.append(TensorSpec(shape_out, out_dtype, *quantization))
        operators.append(OperatorSpec(name, (i,), (i + 1,), **options))
    return write_tflite(ModelSpec(tuple(tensors), tuple(operators), (0,), (len(stages),)))


def elementwise_models():
    """Every operator on codes, over scales and zero points; the input is all 256 codes."""
    rng = np.random.default_rng(11)
    wide = (1, 256)
    models = []
    for _ in range(12):
        scale, zero = float(np.exp(rng.uniform(-7, 1))), int(rng.integers(-128, 128))
        other, other_zero = float(np.exp(rng.uniform(-7, 1))), int(rng.integers(-128, 128))
        start = {"scale": scale, "zero_point": zero}
        models += [
            chain(("QUANTIZE", wide, other, other_zero, {}), **start),
            chain(("RELU", wide, other, other_zero, {}), **start),
            chain(("RELU6", wide, scale, zero, {}), **start),
            chain(("LOGISTIC", wide, 1 / 256, -128, {}), **start),
            chain(("TANH", wide, 1 / 128, 0, {}), **start),
        ]
    # Scales at the ends of what logistic and tanh are defined for.
    for scale in (2.0**-27, 1e-6, 0.9375, 7.9, 8.0, 1e4, 2.0**34):
        for zero in (-128, 0, 127):
            start = {"scale": scale, "zero_point": zero}
            models.append(chain(("LOGISTIC", wide, 1 / 256, -128, {}), **start))
            models.append(chain(("TANH", wide, 1 / 128, 0, {}), **start))
    return models


def test_elementwise_operators_on_every_code(build_batch):
    models = elementwise_models()
    for i, (data, run) in enumerate(zip(models, build_batch(models), strict=True)):
        expected = golden(data, ALL_CODES[None])
        np.testing.assert_array_equal(run(ALL_CODES[None]), expected, err_msg=f"model {i}")


def test_softmax(build_batch):
    rng = np.random.default_rng(2)
    models = []
    for length in (1, 2, 3, 5, 10, 64, 511):
        for _ in range(4):
            scale, beta = float(np.exp(rng.uniform(-6, 1))), float(np.exp(rng.uniform(-2, 2)))
            stage = ("SOFTMAX", (1, length), 1 / 256, -128, {"beta": beta})
            models.append(chain(stage, shape=(1, length), scale=scale, zero_point=7))
    for scale in (2.0**-25, 16.0, 1e6):  # hardly any difference, only the maximum, saturated
        stage = ("SOFTMAX", (1, 6), 1 / 256, -128, {})
        models.append(chain(stage, shape=(1, 6), scale=scale))
    # Rows are normalised apart.
    models.append(chain(("SOFTMAX", (1, 4, 3), 1 / 256, -128, {}), shape=(1, 4, 3), scale=0.1))
    assert assert_equal_to_golden(models, build_batch(models), rng, n_rows=40) > 20


def dense_then(rng, *stages):
    """FULLY_CONNECTED 8 -> 6, and then other operators."""
    weights = rng.integers(-127, 128, (6, 8)).astype(np.int8)
    tensors = [
        TensorSpec((1, 8), "int8", (0.05,), (3,)),
        TensorSpec((6, 8), "int8", (0.01,), (0,), weights),
        TensorSpec((1, 6), "int8", (0.12,), (-5,)),
    ]
    operators = [OperatorSpec("FULLY_CONNECTED", (0, 1), (2,))]
    for name, shape, scale, zero_point in stages:
        tensors.append(TensorSpec(shape, "int8", (scale,), (zero_point,)))
        operators.append(OperatorSpec(name, (len(tensors) - 2,), (len(tensors) - 1,)))
    return write_tflite(ModelSpec(tuple(tensors), tuple(operators), (0,), (len(tensors) - 1,)))


def mixed_models(rng):
    row = (1, 6)
    return {
        "folded relu": dense_then(rng, ("RELU", row, 0.12, -5)),
        "rescaling relu": dense_then(rng, ("RELU", row, 0.05, -128)),
        "relu6": dense_then(rng, ("RELU6", row, 0.12, -5)),
        "two tables": dense_then(rng, ("QUANTIZE", row, 0.06, 2), ("TANH", row, 1 / 128, 0)),
        "reshape": dense_then(rng, ("RESHAPE", (1, 2, 3), 0.12, -5)),
        "reshaped softmax": dense_then(
            rng, ("RESHAPE", (1, 2, 3), 0.12, -5), ("SOFTMAX", (1, 2, 3), 1 / 256, -128)
        ),
        "policy head": dense_then(
            rng, ("LOGISTIC", row, 1 / 256, -128), ("SOFTMAX", row, 1 / 256, -128)
        ),
    }


def test_mixed_chains(build_batch):
    rng = np.random.default_rng(4)
    models = list(mixed_models(rng).values())
    assert assert_equal_to_golden(models, build_batch(models), rng, n_rows=60) == len(models)


def test_reshape_alone(build_batch):
    data = chain(("RESHAPE", (1, 3, 4), 0.05, 0, {}), shape=(1, 12))
    assert_equal_to_golden([data], build_batch([data]), np.random.default_rng(1))


def test_float_edges(tmp_path):
    """QUANTIZE and DEQUANTIZE at the edges are the host's, with the reference's bits."""
    data = chain(
        ("QUANTIZE", (1, 256), 0.031, -9, {}),
        ("RELU", (1, 256), 0.017, -128, {}),
        ("DEQUANTIZE", (1, 256), 0, 0, {}),
        dtype="float32",
    )
    compiled = compile_model(data, tmp_path)
    assert compiled.input.float_edge
    assert compiled.output.float_edge
    rng = np.random.default_rng(9)
    real = rng.normal(0, 3, (50, 256)).astype(np.float32)
    # Halves, where the direction of rounding shows, and values far outside.
    real[0] = ((ALL_CODES.astype(np.float32) + np.float32(0.5)) * np.float32(0.031)).astype(
        np.float32
    )
    real[1], real[2] = 1e30, -1e3
    codes = HostProgram(tmp_path).run(quantize(real[2:], compiled.input))
    expected = golden(data, real[2:])
    np.testing.assert_array_equal(dequantize(codes, compiled.output), expected)
    halves = HostProgram(tmp_path).run(quantize(real[:1], compiled.input))
    np.testing.assert_array_equal(dequantize(halves, compiled.output), golden(data, real[:1]))
