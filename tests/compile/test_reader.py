"""What the reader accepts, and the error that everything else gets."""

from dataclasses import replace

import numpy as np
import pytest

from toolchain.compile import FullyConnected, Reshape, Softmax, read_float_network, read_network
from toolchain.compile.flatbuffer import MAX_MODEL_BYTES
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite
from toolchain.errors import ModelError, UnsupportedOperatorError

WEIGHTS = np.array([[1, -2, 3, -4], [5, 6, 7, 8], [-127, 127, 0, 1]], np.int8)
BIAS = np.array([100, -200, 300], np.int32)

# Tensors 0 to 4: input, weights, bias, dense output, softmax output.
TENSORS = (
    TensorSpec((1, 4), "int8", (0.5,), (-128,), name="in"),
    TensorSpec((3, 4), "int8", (0.25,), (0,), WEIGHTS, "weights"),
    TensorSpec((3,), "int32", (0.125,), (0,), BIAS, "bias"),
    TensorSpec((1, 3), "int8", (2.0,), (7,), name="dense"),
    TensorSpec((1, 3), "int8", (1 / 256,), (-128,), name="probabilities"),
)
OPERATORS = (
    OperatorSpec("FULLY_CONNECTED", (0, 1, 2), (3,), "RELU"),
    OperatorSpec("SOFTMAX", (3,), (4,)),
)
SOUND = ModelSpec(TENSORS, OPERATORS, (0,), (4,))


def with_tensor(index, **changes):
    tensors = list(TENSORS)
    tensors[index] = replace(tensors[index], **changes)
    return replace(SOUND, tensors=tuple(tensors))


def with_operator(index, **changes):
    operators = list(OPERATORS)
    operators[index] = replace(operators[index], **changes)
    return replace(SOUND, operators=tuple(operators))


def test_a_sound_network_by_hand():
    network = read_network(write_tflite(SOUND), "hand")
    dense, softmax = network.layers
    assert isinstance(dense, FullyConnected)
    assert isinstance(softmax, Softmax)
    np.testing.assert_array_equal(dense.weights, WEIGHTS)
    np.testing.assert_array_equal(dense.bias, BIAS)
    # 0.5 * 0.25 / 2 = 2^-4 = 0.5 * 2^-3.
    assert (dense.multipliers.tolist(), dense.shifts.tolist()) == ([2**30], [-3])
    assert (dense.minimum, dense.maximum) == (7, 127)
    # Rows sum to -2, 26 and 1; the zero point is -128.
    np.testing.assert_array_equal(dense.folded_bias, BIAS + 128 * np.array([-2, 26, 1]))
    assert (network.macs, network.weight_bytes) == (12, 12)
    assert (network.input.n_values, network.output.n_values) == (4, 3)
    assert not dense.weights.flags.writeable


def test_folding_the_zero_point_wraps_like_the_accumulator():
    bias = np.array([2**31 - 1, -(2**31), 0], np.int32)
    dense = read_network(write_tflite(with_tensor(2, data=bias))).layers[0]
    expected = [(2**31 - 1 - 256) & 0xFFFFFFFF, -(2**31) + 3328, 128]
    assert [v & 0xFFFFFFFF for v in dense.folded_bias.tolist()] == [
        v & 0xFFFFFFFF for v in expected
    ]


def test_per_channel_multipliers_by_hand():
    scales = (0.25, 0.5, 1.0)
    spec = with_tensor(1, scales=scales, zero_points=(0, 0, 0))
    dense = read_network(write_tflite(spec)).layers[0]
    assert dense.multipliers.tolist() == [2**30] * 3
    assert dense.shifts.tolist() == [-3, -2, -1]


def test_operators_that_nothing_depends_on_are_dropped():
    tensors = (*TENSORS, TensorSpec((1, 3), "int8", (1.0,), (0,), name="dead"))
    operators = (*OPERATORS, OperatorSpec("RELU", (3,), (5,)))
    network = read_network(write_tflite(ModelSpec(tensors, operators, (0,), (4,))))
    assert [layer.operator for layer in network.layers] == ["FULLY_CONNECTED", "SOFTMAX"]


def test_reshape_is_a_layer_of_its_own():
    tensors = (*TENSORS[:4], TensorSpec((1, 1, 3), "int8", (2.0,), (7,)))
    operators = (OPERATORS[0], OperatorSpec("RESHAPE", (3,), (4,)))
    network = read_network(write_tflite(ModelSpec(tensors, operators, (0,), (4,))))
    assert isinstance(network.layers[-1], Reshape)
    assert network.output.shape == (1, 1, 3)


BROKEN = {
    "an operator that is not supported": (
        with_operator(1, name="HARD_SWISH"),
        r"operator 1 \(HARD_SWISH\) is not supported[^$]*supported are FULLY_CONNECTED",
    ),
    "a fused activation that is not supported": (
        with_operator(0, activation="TANH"),
        "operator 0 .*fused activation TANH is not supported",
    ),
    "float activations": (
        with_tensor(0, dtype="float32"),
        r"operator 0 \(FULLY_CONNECTED\): tensor 0 \('in'\) is float32",
    ),
    "float weights": (
        with_tensor(1, dtype="float32", data=WEIGHTS.astype(np.float32)),
        "'weights'.* is float32, supported is int8",
    ),
    "weights that are no constant": (with_tensor(1, data=None), "'weights'.* not a constant"),
    "int8 bias": (with_tensor(2, dtype="int8"), "'bias'.* is int8, supported is int32"),
    "DEQUANTIZE in the middle": (
        replace(
            with_operator(0, name="DEQUANTIZE", inputs=(0,)),
            tensors=(*TENSORS[:3], replace(TENSORS[3], dtype="float32"), TENSORS[4]),
        ),
        "operator 0 .*DEQUANTIZE.* only as the last operator",
    ),
}

DAMAGED = {
    "no scale": (with_tensor(0, scales=(), zero_points=()), "0 scales and 0 zero points"),
    "two scales of an activation": (
        with_tensor(0, scales=(0.5, 0.5), zero_points=(0, 0)),
        "2 scales and 2 zero points",
    ),
    "scale 0": (with_tensor(3, scales=(0.0,)), "scale 0.0; scales must be"),
    "negative scale": (with_tensor(1, scales=(-0.25,)), "scale -0.25; scales must be"),
    "infinite scale": (with_tensor(0, scales=(float("inf"),)), "scale inf; scales must be"),
    "scale that is no number": (with_tensor(0, scales=(float("nan"),)), "scale nan"),
    "zero point out of range": (with_tensor(0, zero_points=(128,)), "zero point 128, the limits"),
    "weights with a zero point": (with_tensor(1, zero_points=(3,)), "zero point 3; int8 weights"),
    "as many scales as inputs": (
        with_tensor(1, scales=(0.25,) * 4, zero_points=(0,) * 4),
        "4 scales and 4 zero points, expected 1 or 3",
    ),
    "fewer zero points than scales": (
        with_tensor(1, scales=(0.25,) * 3),
        "3 scales and 1 zero points",
    ),
    "a batch": (with_tensor(0, shape=(2, 4)), "do not fit 8 values in"),
    "a dense output that is a column": (
        with_tensor(3, shape=(3, 1)),
        r"shape \[3, 1\], whose last dimension must be the weights' 3 outputs",
    ),
    "an operator of no use that writes fewer values than it reads": (
        replace(
            SOUND,
            tensors=(*TENSORS, TensorSpec((1, 2), "int8", (1.0,), (0,))),
            operators=(*OPERATORS, OperatorSpec("RELU", (3,), (5,))),
        ),
        r"operator 2 \(RELU\): 3 values in, 2 out",
    ),
    "a float32 input of another length than its codes": (
        replace(
            SOUND,
            tensors=(*TENSORS, TensorSpec((1, 9), "float32", name="real")),
            operators=(OperatorSpec("QUANTIZE", (5,), (0,)), *OPERATORS),
            inputs=(5,),
        ),
        r"operator 0 \(QUANTIZE\): tensor 5 \('real'\) of shape \[1, 9\] and .* as many values",
    ),
    "a float32 output of another length than its codes": (
        replace(
            SOUND,
            tensors=(*TENSORS, TensorSpec((1, 9), "float32", name="real")),
            operators=(*OPERATORS, OperatorSpec("DEQUANTIZE", (4,), (5,))),
            outputs=(5,),
        ),
        r"operator 2 \(DEQUANTIZE\): tensor 5 \('real'\) of shape \[1, 9\] and .* as many values",
    ),
    "a float32 input without a shape": (
        replace(
            SOUND,
            tensors=(*TENSORS, TensorSpec((), "float32", name="real")),
            operators=(OperatorSpec("QUANTIZE", (5,), (0,)), *OPERATORS),
            inputs=(5,),
        ),
        r"operator 0 \(QUANTIZE\): tensor 5 \('real'\) has shape \[\]",
    ),
    "a dimension of 0": (with_tensor(0, shape=(1, 0)), r"shape \[1, 0\]"),
    "a dynamic dimension": (with_tensor(0, shape=(1, -1)), r"shape \[1, -1\]"),
    "no dimension": (with_tensor(0, shape=()), r"shape \[\]"),
    "an absurd shape": (with_tensor(0, shape=(1, 2**30, 2**30)), "at most 65535 values"),
    "weights without a row": (with_tensor(1, shape=(12,)), "rank 1, expected 2"),
    "weights larger than their data": (with_tensor(1, shape=(3, 5)), "12 bytes of data"),
    "weights of the other shape": (with_tensor(1, shape=(4, 3)), "weights 4 x 3 do not fit"),
    "a bias of another length": (
        with_tensor(2, shape=(2,), data=BIAS[:2]),
        "'bias'.* has 2 values, expected 3",
    ),
    "a bias of another scale": (with_tensor(2, scales=(0.5,)), "scale 0.5, expected 0.125"),
    "scales whose product is too large": (
        replace(
            with_tensor(0, scales=(3e38,)),
            tensors=(
                replace(TENSORS[0], scales=(3e38,)),
                replace(TENSORS[1], scales=(3e38,)),
                replace(TENSORS[2], data=None, dtype="int8"),
                *TENSORS[3:],
            ),
            operators=(replace(OPERATORS[0], inputs=(0, 1)), OPERATORS[1]),
        ),
        "scale product of inf",
    ),
    "softmax with another output scale": (with_tensor(4, scales=(0.01,)), "fixed at 0.00390625"),
    "softmax with another output size": (with_tensor(4, shape=(1, 4)), "3 values in, 4 out"),
    "softmax without a beta": (with_operator(1, beta=0.0), "beta is 0.0"),
    "softmax that tells nothing apart": (with_operator(1, beta=1e-9), "must be above 2"),
    "an input before it is computed": (
        replace(SOUND, operators=OPERATORS[::-1]),
        "neither the model's input nor written",
    ),
    "a cycle": (
        with_operator(0, inputs=(4, 1, 2)),
        "neither the model's input nor written",
    ),
    "an operator that writes its own input": (
        with_operator(1, outputs=(3,)),
        "written a second time",
    ),
    "an operator that writes the input": (with_operator(1, outputs=(0,)), "a second time"),
    "a constant as activation": (with_operator(1, inputs=(2,)), "constant where an activation"),
    "no weights": (with_operator(0, inputs=(0,)), "has 1 inputs and 1 outputs, expected 2 to 3"),
    "weights left out": (with_operator(0, inputs=(0, -1, 2)), "its weights are missing"),
    "an input left out": (with_operator(1, inputs=(-1,)), "its input is missing"),
    "two outputs of an operator": (with_operator(1, outputs=(4, 0)), "2 outputs"),
    "a tensor index out of range": (with_operator(0, inputs=(0, 99, 2)), "index 99 is not in"),
    "a negative output index": (with_operator(0, outputs=(-1,)), "index -1 is not in"),
    "two inputs of the model": (replace(SOUND, inputs=(0, 3)), "2 inputs, supported is exactly 1"),
    "no output of the model": (replace(SOUND, outputs=()), "0 outputs, supported is exactly 1"),
    "an output that is not computed": (replace(SOUND, outputs=(1,)), "no operator writes"),
    "an output that is the input": (replace(SOUND, outputs=(0,)), "no layer between"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_unsupported(case):
    spec, message = BROKEN[case]
    with pytest.raises(UnsupportedOperatorError, match=message):
        read_network(write_tflite(spec))


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged(case):
    spec, message = DAMAGED[case]
    with pytest.raises(ModelError, match=message) as caught:
        read_network(write_tflite(spec), "mine")
    assert caught.value.message.startswith("mine: ")
    assert caught.value.hint


def test_a_batch_of_rows_is_refused_at_the_model_s_ends():
    tensors = (TensorSpec((2, 3), "int8", (1.0,), (0,)), TensorSpec((2, 3), "int8", (1.0,), (0,)))
    spec = ModelSpec(tensors, (OperatorSpec("RELU", (0,), (1,)),), (0,), (1,))
    with pytest.raises(ModelError, match="a batch of 2, supported is 1"):
        read_network(write_tflite(spec))


def test_a_row_of_softmax_that_the_reference_cannot_sum():
    tensors = tuple(TensorSpec((1, 512), "int8", (1 / 256,), (-128,)) for _ in range(2))
    spec = ModelSpec(tensors, (OperatorSpec("SOFTMAX", (0,), (1,)),), (0,), (1,))
    with pytest.raises(ModelError, match="rows of at most 511"):
        read_network(write_tflite(spec))


@pytest.mark.parametrize("scale", [1e-12, 2.0**35])
@pytest.mark.parametrize("operator", [("LOGISTIC", 1 / 256, -128), ("TANH", 1 / 128, 0)])
def test_scales_that_the_reference_has_no_arithmetic_for(scale, operator):
    name, out_scale, out_zero = operator
    tensors = (
        TensorSpec((1, 3), "int8", (scale,), (0,)),
        TensorSpec((1, 3), "int8", (out_scale,), (out_zero,)),
    )
    spec = ModelSpec(tensors, (OperatorSpec(name, (0,), (1,)),), (0,), (1,))
    with pytest.raises(ModelError, match=r"the input scale .* is outside"):
        read_network(write_tflite(spec))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a .tflite: 0 bytes"),
        (b"TFL3", "not a .tflite: 4 bytes"),
        (b"\x00" * 64, "not a .tflite"),
        (b"\x1c\x00\x00\x00TFL2" + b"\x00" * 64, "identifier b'TFL2'"),
        (b"\xff\xff\xff\xffTFL3", "damaged"),
        (b"\x08\x00\x00\x00TFL3" + b"\xff" * 64, "damaged"),
    ],
)
def test_what_is_no_model(data, message):
    with pytest.raises(ModelError, match=message):
        read_network(data)


def test_a_file_beyond_the_limit_is_not_parsed():
    with pytest.raises(ModelError, match=f"the limit is {MAX_MODEL_BYTES}"):
        read_network(bytes(MAX_MODEL_BYTES + 1))


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_layers_that_share_their_weights_are_counted_each_for_itself(dtype):
    width, layers = 500, 600
    weights = np.ones((width, width), dtype)
    scales = ((0.25,), (0,)) if dtype == "int8" else ((), ())
    row = TensorSpec((1, width), dtype, *scales)
    spec = ModelSpec(
        (TensorSpec((width, width), dtype, *scales, weights), *[row] * (layers + 1)),
        tuple(OperatorSpec("FULLY_CONNECTED", (i + 1, 0), (i + 2,)) for i in range(layers)),
        (1,),
        (layers + 1,),
    )
    data = write_tflite(spec)
    assert len(data) < MAX_MODEL_BYTES // 8
    read = read_network if dtype == "int8" else read_float_network
    with pytest.raises(ModelError, match=f"each for itself; the limit is {MAX_MODEL_BYTES}"):
        read(data)


def test_every_truncation_is_an_error_or_the_same_network():
    data = reference_network(REFERENCE_SHAPES["S"], np.random.default_rng(0))
    whole = read_network(data)
    for length in range(len(data)):
        try:
            network = read_network(data[:length])
        except ModelError:
            continue
        # Only padding was lost.
        for a, b in zip(whole.layers, network.layers, strict=True):
            np.testing.assert_array_equal(a.weights, b.weights)
            np.testing.assert_array_equal(a.bias, b.bias)
