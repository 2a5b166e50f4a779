"""Turns a float32 ``.tflite`` into a :class:`FloatNetwork`, or says why it cannot be one.

Supported are chains, with one input and one output and a batch of one, of FULLY_CONNECTED (with
every fused clamp), RELU, RELU6, LOGISTIC, TANH, SOFTMAX and RESHAPE.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.flatbuffer import RawModel, RawOperator, RawTensor, parse
from toolchain.compile.float_network import (
    FLOAT_ACTIVATION_RANGES,
    FloatActivation,
    FloatDense,
    FloatFunction,
    FloatLayer,
    FloatNetwork,
    FloatSoftmax,
)
from toolchain.compile.reader import dead_operators, live_operators, require_room
from toolchain.compile.tensors import check_shape, constant, label, require_last_dimension
from toolchain.errors import ModelError, UnsupportedOperatorError

EXPORT_FLOAT_HINT = "export a float32 network with batch size 1, or use the engine aot for INT8"
"""What to do about a file that is sound, but of another kind."""

Tensors = tuple[RawTensor, ...]


def read_float_network(data: bytes, name: str = "model") -> FloatNetwork:
    """Read and check a float32 ``.tflite``.

    Args:
        data: the file's bytes; they are not trusted.
        name: what the network is called in errors and in the generated code.

    Raises:
        UnsupportedOperatorError: an operator, or a variant of one, that is not supported.
        ModelError: anything else that is wrong with the file.
    """
    try:
        model = parse(data)
        chain = live_operators(model)
        _check_rows(model)
        for operators in (dead_operators(model, chain), chain):
            built = (_layer(model, operator) for operator in operators)
            layers = require_room(
                (layer for layer in built if layer is not None), lambda layer: layer.constant_bytes
            )
        if not layers:
            raise ModelError("the model computes nothing", hint=EXPORT_FLOAT_HINT)
    except ModelError as error:
        raise type(error)(f"{name}: {error.message}", hint=error.hint) from error
    return FloatNetwork(name, hashlib.sha256(data).hexdigest(), layers, len(data))


def network_kind(data: bytes, name: str = "model") -> Literal["quantized", "float32"]:
    """Which of the two readers a file is for, by the type of its weights.

    Args:
        data: the file's bytes; they are not trusted.
        name: what the network is called in errors.

    Returns:
        ``float32`` when there is a FULLY_CONNECTED and all have float32 weights, ``quantized`` in
        all other cases.

    Raises:
        ModelError: not a ``.tflite``, or damaged.
    """
    try:
        model = parse(data)
    except ModelError as error:
        raise ModelError(f"{name}: {error.message}", hint=error.hint) from error
    types = {
        model.tensors[operator.inputs[1]].dtype
        for operator in model.operators
        if operator.name == "FULLY_CONNECTED" and len(operator.inputs) > 1
    }
    return "float32" if types == {"float32"} else "quantized"


def _layer(model: RawModel, operator: RawOperator) -> FloatLayer | None:
    where = f"operator {operator.index} ({operator.name})"
    if operator.name not in _BUILDERS:
        raise UnsupportedOperatorError(
            f"{where} is not supported in a float32 network",
            hint=f"supported are {', '.join(_BUILDERS)}",
        )
    try:
        source = _activation(model.tensors[operator.inputs[0]])
        target = _activation(model.tensors[operator.outputs[0]])
        return _BUILDERS[operator.name](operator, model.tensors, source, target)
    except ModelError as error:
        raise type(error)(f"{where}: {error.message}", hint=error.hint) from error


def _activation(raw: RawTensor) -> RawTensor:
    if raw.dtype != "float32":
        raise UnsupportedOperatorError(
            f"{label(raw)} is {raw.dtype}, supported is float32", hint=EXPORT_FLOAT_HINT
        )
    if raw.is_variable or raw.is_sparse:
        raise ModelError(f"{label(raw)} is a variable or sparse tensor", hint=EXPORT_FLOAT_HINT)
    check_shape(raw)
    return raw


def _check_rows(model: RawModel) -> None:
    for index in (*model.inputs, *model.outputs):
        shape = model.tensors[index].shape
        if len(shape) > 1 and shape[0] != 1:
            raise ModelError(
                f"{label(model.tensors[index])} has shape {list(shape)}: a batch of {shape[0]}, "
                "supported is 1",
                hint=EXPORT_FLOAT_HINT,
            )


def _values(raw: RawTensor) -> int:
    return int(np.prod(raw.shape))


def _finite(raw: RawTensor) -> NDArray[np.float32]:
    values = constant(raw, "float32").astype(np.float32)
    if not np.isfinite(values).all():
        raise ModelError(
            f"{label(raw)} has {int((~np.isfinite(values)).sum())} values that are not finite",
            hint="train the network again; its weights have diverged",
        )
    values.setflags(write=False)
    return values


def _dense(
    operator: RawOperator, tensors: Tensors, source: RawTensor, target: RawTensor
) -> FloatDense:
    if operator.options["weights_format"] != 0:
        raise UnsupportedOperatorError("shuffled weights are not supported", hint=EXPORT_FLOAT_HINT)
    fused = operator.options["activation"]
    if fused not in FLOAT_ACTIVATION_RANGES:
        raise UnsupportedOperatorError(
            f"the fused activation {fused} is not supported",
            hint=f"supported are {', '.join(FLOAT_ACTIVATION_RANGES)}",
        )
    if operator.inputs[1] < 0:
        raise ModelError("its weights are missing", hint=EXPORT_FLOAT_HINT)
    raw_weights = tensors[operator.inputs[1]]
    weights = _finite(raw_weights)
    if weights.ndim != 2 or weights.shape != (_values(target), _values(source)):
        raise ModelError(
            f"{label(raw_weights)} of shape {list(weights.shape)} does not fit {_values(source)} "
            f"values in and {_values(target)} out; one row (batch 1) is supported",
            hint=EXPORT_FLOAT_HINT,
        )
    require_last_dimension(target, len(weights))
    bias = np.zeros(len(weights), np.float32)
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        raw_bias = tensors[operator.inputs[2]]
        bias = _finite(raw_bias).reshape(-1)
        if len(bias) != len(weights):
            raise ModelError(
                f"{label(raw_bias)} has {len(bias)} values, expected {len(weights)}",
                hint=EXPORT_FLOAT_HINT,
            )
    return FloatDense(
        operator.name,
        operator.index,
        _values(source),
        _values(target),
        weights=weights,
        bias=bias,
        activation=fused,
    )


def _same_size(source: RawTensor, target: RawTensor) -> int:
    if _values(source) != _values(target):
        raise ModelError(
            f"{_values(source)} values in, {_values(target)} out; they must be as many",
            hint=EXPORT_FLOAT_HINT,
        )
    return _values(source)


def _clamp(
    operator: RawOperator, tensors: Tensors, source: RawTensor, target: RawTensor
) -> FloatActivation:
    n = _same_size(source, target)
    return FloatActivation(operator.name, operator.index, n, n)


def _function(
    operator: RawOperator, tensors: Tensors, source: RawTensor, target: RawTensor
) -> FloatFunction:
    n = _same_size(source, target)
    return FloatFunction(operator.name, operator.index, n, n)


def _softmax(
    operator: RawOperator, tensors: Tensors, source: RawTensor, target: RawTensor
) -> FloatSoftmax:
    n = _same_size(source, target)
    beta = float(operator.options["beta"])
    if not (np.isfinite(beta) and beta > 0):
        raise ModelError(f"beta is {beta!r}; it must be finite and above 0", hint=EXPORT_FLOAT_HINT)
    return FloatSoftmax(operator.name, operator.index, n, n, row_length=source.shape[-1], beta=beta)


def _reshape(operator: RawOperator, tensors: Tensors, source: RawTensor, target: RawTensor) -> None:
    _same_size(source, target)


_BUILDERS: dict[str, Callable[[RawOperator, Tensors, RawTensor, RawTensor], FloatLayer | None]] = {
    "FULLY_CONNECTED": _dense,
    "RELU": _clamp,
    "RELU6": _clamp,
    "LOGISTIC": _function,
    "TANH": _function,
    "SOFTMAX": _softmax,
    "RESHAPE": _reshape,
}
