"""Reading float32 networks, and what the reference and its bound say of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolchain.compile import (
    compile_float,
    error_bound,
    golden_float,
    network_kind,
    read_float_network,
    run_float,
)
from toolchain.compile.float_network import FloatDense, FloatSoftmax
from toolchain.compile.float_synthetic import (
    FloatDenseSpec,
    float_network,
    reference_float_network,
)
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite
from toolchain.errors import InputError, ModelError, UnsupportedOperatorError

WEIGHTS = np.array([[0.5, -1.0], [2.0, 0.25], [-4.0, 8.0]], np.float32)
BIAS = np.array([1.0, -2.0, 0.5], np.float32)
TENSORS = (
    TensorSpec((1, 2), "float32", name="in"),
    TensorSpec((3, 2), "float32", data=WEIGHTS, name="weights"),
    TensorSpec((3,), "float32", data=BIAS, name="bias"),
    TensorSpec((1, 3), "float32", name="out"),
)
SOUND = ModelSpec(TENSORS, (OperatorSpec("FULLY_CONNECTED", (0, 1, 2), (3,), "RELU6"),), (0,), (3,))


def broken(index: int, **changes) -> bytes:
    tensors = list(TENSORS)
    tensors[index] = replace(tensors[index], **changes)
    return write_tflite(replace(SOUND, tensors=tuple(tensors)))


def test_a_sound_network_by_hand():
    data = write_tflite(SOUND)
    network = read_float_network(data, "hand")
    (dense,) = network.layers
    assert isinstance(dense, FloatDense)
    np.testing.assert_array_equal(dense.weights, WEIGHTS)
    np.testing.assert_array_equal(dense.bias, BIAS)
    assert (network.macs, network.constant_bytes, dense.activation) == (6, 36, "RELU6")
    # 0.5*2 - 1*3 + 1 = -1; 2*2 + 0.25*3 - 2 = 2.75; -4*2 + 8*3 + 0.5 = 16.5.
    inputs = np.array([[2.0, 3.0]], np.float32)
    np.testing.assert_array_equal(run_float(network, inputs), [[0.0, 2.75, 6.0]])
    np.testing.assert_array_equal(golden_float(data, inputs), [[0.0, 2.75, 6.0]])
    assert network_kind(data) == "float32"


def test_reshape_leaves_no_layer_and_softmax_keeps_its_rows():
    tensors = (
        TensorSpec((1, 6), "float32", name="in"),
        TensorSpec((1, 2, 3), "float32", name="folded"),
        TensorSpec((1, 2, 3), "float32", name="out"),
    )
    operators = (OperatorSpec("RESHAPE", (0,), (1,)), OperatorSpec("SOFTMAX", (1,), (2,), beta=0.5))
    (softmax,) = read_float_network(write_tflite(ModelSpec(tensors, operators, (0,), (2,)))).layers
    assert isinstance(softmax, FloatSoftmax)
    assert (softmax.n_rows, softmax.row_length, softmax.beta) == (2, 3, 0.5)


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (broken(1, dtype="int8", data=WEIGHTS.astype(np.int8)), UnsupportedOperatorError, "int8"),
        (broken(1, shape=(2, 3), data=WEIGHTS.T.copy()), ModelError, "does not fit"),
        (broken(1, data=WEIGHTS * np.float32("nan")), ModelError, "6 values that are not finite"),
        (broken(2, data=BIAS[:2], shape=(2,)), ModelError, "2 values, expected 3"),
        (broken(2, data=BIAS[:2]), ModelError, "8 bytes of data"),
        (broken(3, dtype="int8"), UnsupportedOperatorError, "is int8"),
        (broken(3, shape=(1, 4)), ModelError, "does not fit"),
        (broken(0, shape=(2, 1)), ModelError, "batch of 2"),
        (broken(0, shape=()), ModelError, "at least one dimension"),
        (b"TFL4" * 8, ModelError, "not a .tflite"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(data, kind, message):
    with pytest.raises(kind, match=message) as caught:
        read_float_network(data, "broken")
    assert "broken" in str(caught.value)
    assert caught.value.hint is not None or "bytes" in str(caught.value)


def test_an_operator_without_a_float_form_is_named():
    tensors = (*TENSORS, TensorSpec((1, 3), "int8", (0.5,), (0,), name="codes"))
    operators = (*SOUND.operators, OperatorSpec("QUANTIZE", (3,), (4,)))
    with pytest.raises(UnsupportedOperatorError, match=r"operator 1 \(QUANTIZE\)"):
        read_float_network(write_tflite(ModelSpec(tensors, operators, (0,), (4,))))


def test_the_kind_is_that_of_the_weights(rng):
    assert network_kind(reference_network((4, 3), rng)) == "quantized"
    assert network_kind(reference_float_network((4, 3), rng)) == "float32"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_files_give_an_error_and_nothing_else(data):
    sound = bytearray(write_tflite(SOUND))
    for _ in range(data.draw(st.integers(1, 4))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(sound)))
    try:
        network = read_float_network(bytes(sound[:cut]))
    except ModelError:
        return
    assert np.isfinite(network.layers[0].weights).all()


@pytest.mark.parametrize("name", sorted(REFERENCE_SHAPES))
def test_dense_networks_equal_the_interpreter_bit_for_bit(name, rng):
    data = reference_float_network(REFERENCE_SHAPES[name], rng)
    network = read_float_network(data)
    inputs = rng.normal(0, 1, (40, network.n_inputs)).astype(np.float32)
    expected = golden_float(data, inputs)
    np.testing.assert_array_equal(run_float(network, inputs), expected)
    # The order of the sum matters: another one does not give the same bits.
    assert (run_float(_reversed(network), inputs[:, ::-1].copy()) != expected).any()
    assert not error_bound(network, inputs).any()


def _reversed(network):
    first, *rest = network.layers
    turned = replace(first, weights=first.weights[:, ::-1].copy())
    return replace(network, layers=(turned, *rest))


def test_the_bound_covers_functions_and_what_they_feed(rng):
    layers = [
        FloatDenseSpec(rng.normal(0, 1, (7, 5)).astype(np.float32), None, "RELU_N1_TO_1"),
        FloatDenseSpec(rng.normal(0, 1, (4, 7)).astype(np.float32), None),
    ]
    data = float_network(layers, ("TANH", "LOGISTIC", "RELU6", "RELU", "SOFTMAX"))
    network = read_float_network(data)
    inputs = rng.normal(0, 3, (60, 5)).astype(np.float32)
    difference = np.abs(run_float(network, inputs) - golden_float(data, inputs))
    bound = error_bound(network, inputs)
    assert (difference <= bound).all()
    assert (bound < 2e-6).all() and (bound > 0).all()


def test_the_bound_opens_where_numbers_vanish_on_the_board():
    tiny = np.array([[1e-20, 1.0]], np.float32)
    data = float_network([FloatDenseSpec(np.array([[1e-20, 0.0], [0.0, 2.0]], np.float32), None)])
    bound = error_bound(read_float_network(data), tiny)
    assert 1e-40 <= bound[0, 0] < 1e-36
    assert bound[0, 1] == 0


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((1, 3), np.float32),
        np.zeros((1, 2)),
        np.array([[np.inf, 0]], np.float32),
        np.array([[0, np.nan]], np.float32),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs):
    data = write_tflite(SOUND)
    for run in (
        lambda: golden_float(data, inputs),
        lambda: run_float(read_float_network(data), inputs),
        lambda: error_bound(read_float_network(data), inputs),
    ):
        with pytest.raises(InputError):
            run()


def test_what_is_written_is_the_same_every_time(tmp_path, rng):
    data = float_network(
        [FloatDenseSpec(rng.normal(0, 1, (3, 2)).astype(np.float32), BIAS)], ("SOFTMAX",)
    )
    first = compile_float(data, tmp_path / "a", name="net */ #")
    second = compile_float(data, tmp_path / "b", name="net */ #")
    assert first.files == second.files
    source = (tmp_path / "a" / "jl_model_float.c").read_text()
    assert "net _/ _: 6 MACs" in source
    assert first.arena_bytes == 12
    # Every weight reads back as the same float32.
    numbers = source.split("layer0_weights[6] = {")[1].split("}")[0].replace("f", "").split(",")
    read_back = np.array([np.float32(text) for text in numbers])
    np.testing.assert_array_equal(read_back, read_float_network(data).layers[0].weights.ravel())
