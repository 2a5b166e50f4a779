"""What a float32 network gives: in numpy, by TensorFlow Lite Micro, and how far a board may be off.

The board's additions, subtractions, multiplications and divisions round to nearest, and it sums in
the reference's order, so dense layers agree bit for bit. Two things do not: numbers below 2^-126
count as 0 on the board, and its exponential is not the reference's. :func:`error_bound` carries
both through the layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.float_network import (
    FLOAT_ACTIVATION_RANGES,
    FloatActivation,
    FloatDense,
    FloatFunction,
    FloatLayer,
    FloatNetwork,
    FloatSoftmax,
)
from toolchain.compile.float_reader import read_float_network
from toolchain.compile.golden import checked_rows, run_interpreter
from toolchain.errors import InputError

FUNCTION_BOUND = 2.0**-21
"""Largest absolute difference that one LOGISTIC, TANH or SOFTMAX may add: eight units in the last
place of a result between 0.5 and 1, for an exponential, a sum and a division on either side."""

_SMALLEST = 2.0**-126
"""Smallest normal float32; what is below counts as 0 on the board."""

_UNIT = 2.0**-24
"""Largest relative error of one rounding."""


def golden_float(data: bytes, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Run a float32 network with TensorFlow Lite Micro.

    Args:
        data: a ``.tflite`` that :func:`read_float_network` accepts.
        inputs: (n, n_inputs) float32, finite.

    Returns:
        (n, n_outputs) float32.

    Raises:
        ModelError: the network is not supported, or the interpreter refuses it.
        InputError: ``inputs`` has another shape or type, or values that are not finite.
        MissingDependencyError: the ``tflite-micro`` wheel is not installed.
    """
    network = read_float_network(data)
    rows = _finite_rows(network, inputs)
    return run_interpreter(data, rows, network.n_outputs, np.dtype(np.float32))


def run_float(network: FloatNetwork, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """The same in numpy, every operation in float32 and in the board's order.

    Args:
        network: what to compute.
        inputs: (n, n_inputs) float32, finite.

    Returns:
        (n, n_outputs) float32.

    Raises:
        InputError: ``inputs`` has another shape or type, or values that are not finite.
    """
    values = _finite_rows(network, inputs)
    for layer in network.layers:
        values = _run_layer(layer, values)
    return values


def error_bound(network: FloatNetwork, inputs: NDArray[Any]) -> NDArray[np.float64]:
    """How far a board's outputs may be from the reference's.

    Args:
        network: what was computed.
        inputs: (n, n_inputs) float32, finite.

    Returns:
        (n, n_outputs): absolute bounds; 0 where dense layers meet no number below 2^-126.

    Raises:
        InputError: ``inputs`` has another shape or type, or values that are not finite.
    """
    values = _finite_rows(network, inputs)
    error = np.zeros(values.shape)
    for layer in network.layers:
        error = _layer_error(layer, values, error)
        values = _run_layer(layer, values)
    return error


def _finite_rows(network: FloatNetwork, inputs: NDArray[Any]) -> NDArray[np.float32]:
    rows = checked_rows(inputs, network.n_inputs, np.dtype(np.float32))
    if not np.isfinite(rows).all():
        raise InputError(
            f"{int((~np.isfinite(rows)).sum())} of {rows.size} inputs are not finite",
            hint="remove or replace NaN and infinite values",
        )
    return rows


def _run_layer(layer: FloatLayer, values: NDArray[np.float32]) -> NDArray[np.float32]:
    one = np.float32(1)
    if isinstance(layer, FloatDense):
        sums = np.zeros((len(values), layer.n_outputs), np.float32)
        for column, weights in zip(values.T, layer.weights.T, strict=True):
            sums += column[:, None] * weights
        return _clamped(layer.activation, sums + layer.bias)
    if isinstance(layer, FloatActivation):
        return _clamped(layer.operator, values)
    if isinstance(layer, FloatSoftmax):
        rows = values.reshape(len(values), layer.n_rows, layer.row_length)
        scaled = (rows - rows.max(axis=2, keepdims=True)) * np.float32(layer.beta)
        exponentials = np.exp(scaled)
        shares = exponentials / exponentials.sum(axis=2, keepdims=True, dtype=np.float32)
        return shares.reshape(values.shape)
    assert isinstance(layer, FloatFunction)
    if layer.operator == "TANH":
        return np.tanh(values)
    # Written so that no exponential overflows.
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, one / (one + small), small / (one + small)).astype(np.float32)


def _clamped(activation: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = FLOAT_ACTIVATION_RANGES[activation]
    return np.clip(values, np.float32(low), np.float32(high))


def _layer_error(
    layer: FloatLayer, values: NDArray[np.float32], error: NDArray[np.float64]
) -> NDArray[np.float64]:
    if isinstance(layer, FloatDense):
        return _dense_error(layer, values, error)
    if isinstance(layer, FloatActivation):
        return error
    if isinstance(layer, FloatSoftmax):
        rows = error.reshape(len(values), layer.n_rows, layer.row_length)
        # No share moves faster than beta/2 times the largest change among its row.
        moved = np.broadcast_to(rows.max(axis=2, keepdims=True) * layer.beta / 2, rows.shape)
        return moved.reshape(values.shape) + FUNCTION_BOUND
    slope = 1.0 if layer.operator == "TANH" else 0.25
    return slope * error + FUNCTION_BOUND


def _dense_error(
    layer: FloatDense, values: NDArray[np.float32], error: NDArray[np.float64]
) -> NDArray[np.float64]:
    inputs = np.abs(values).astype(np.float64)
    weights = np.abs(layer.weights).astype(np.float64)
    carried = error @ weights.T + _vanishing(inputs) @ weights.T + inputs @ _vanishing(weights).T
    sums = np.zeros((len(values), layer.n_outputs), np.float32)
    for column, row in zip(values.T, layer.weights.T, strict=True):
        terms = column[:, None] * row
        sums += terms
        for part in (terms, sums):
            carried += np.where(_vanishing(np.abs(part)) > 0, _SMALLEST, 0.0)
    # Equal inputs are rounded equally; others may be rounded apart, at each of n + 1 steps and on
    # either side.
    magnitude = (inputs + error) @ weights.T + np.abs(layer.bias)
    apart = 2 * (layer.n_inputs + 1) * _UNIT * magnitude
    return np.where(carried > 0, carried + apart, 0.0)


def _vanishing(magnitudes: NDArray[Any]) -> NDArray[Any]:
    """What is too small for the board, and 0 elsewhere."""
    return np.where(magnitudes < _SMALLEST, magnitudes, 0)
