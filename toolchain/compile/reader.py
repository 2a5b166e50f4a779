"""Turns a ``.tflite`` into a :class:`Network`, or says why it cannot be one.

Supported are chains, with one input and one output and a batch of one, of FULLY_CONNECTED (int8
weights, per tensor or per channel), RELU, RELU6, SOFTMAX, LOGISTIC, TANH, QUANTIZE (of one type,
or the float32 input), DEQUANTIZE (the float32 output) and RESHAPE. Activations are int8, or int16:
then biases have 64 bits, and SOFTMAX, LOGISTIC and TANH are not supported.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from typing import TypeVar

from toolchain.compile.flatbuffer import MAX_MODEL_BYTES, RawModel, RawOperator, parse
from toolchain.compile.network import FullyConnected, Layer, Network
from toolchain.compile.operators import BUILDERS, OPERANDS
from toolchain.compile.tensors import (
    DAMAGED_HINT,
    EXPORT_INT8_HINT,
    check_shape,
    label,
    require_one_row,
)
from toolchain.errors import ModelError, UnsupportedOperatorError

SUPPORTED_OPERATORS: tuple[str, ...] = (*BUILDERS, "DEQUANTIZE")
"""Names as in the schema."""

_SCALING_BYTES = 12
"""Bias, multiplier and shift of an output."""

_Built = TypeVar("_Built")


def read_network(data: bytes, name: str = "model") -> Network:
    """Read and check a ``.tflite``.

    Args:
        data: the file's bytes; they are not trusted.
        name: what the network is called in errors and in the generated code.

    Raises:
        UnsupportedOperatorError: an operator, or a variant of one, that is not supported.
        ModelError: anything else that is wrong with the file.
    """
    try:
        model = parse(data)
        live = live_operators(model)
        float_input, float_output, chain = _split_edges(model, live)
        require_room((_layer(model, op) for op in dead_operators(model, live)), _constant_bytes)
        layers = require_room((_layer(model, operator) for operator in chain), _constant_bytes)
        require_one_row(layers[0].input)
        require_one_row(layers[-1].output)
    except ModelError as error:
        raise type(error)(f"{name}: {error.message}", hint=error.hint) from error
    return Network(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        layers=layers,
        float_input=float_input,
        float_output=float_output,
    )


def require_room(layers: Iterable[_Built], n_bytes: Callable[[_Built], int]) -> tuple[_Built, ...]:
    """Build layers one after another, and stop where their constants fit no board.

    The file's own size is no bound: any number of operators may name the same weights.

    Raises:
        ModelError: they are more than :data:`MAX_MODEL_BYTES`.
    """
    built, total = [], 0
    for layer in layers:
        built.append(layer)
        total += n_bytes(layer)
        if total > MAX_MODEL_BYTES:
            raise ModelError(
                f"the weights and biases of its first {len(built)} layers take {total} bytes, each "
                f"for itself; the limit is {MAX_MODEL_BYTES}",
                hint="use a smaller network; this one fits no board",
            )
    return tuple(built)


def _constant_bytes(layer: Layer) -> int:
    scaled = layer.n_outputs if isinstance(layer, FullyConnected) else 0
    return layer.weight_bytes + _SCALING_BYTES * scaled


def _where(operator: RawOperator) -> str:
    return f"operator {operator.index} ({operator.name})"


def _layer(model: RawModel, operator: RawOperator) -> Layer:
    if operator.name not in BUILDERS:
        raise UnsupportedOperatorError(
            f"{_where(operator)} is supported only as the last operator of a model",
            hint=EXPORT_INT8_HINT,
        )
    try:
        return BUILDERS[operator.name](operator, model.tensors)
    except ModelError as error:
        raise type(error)(f"{_where(operator)}: {error.message}", hint=error.hint) from error


def _split_edges(model: RawModel, chain: list[RawOperator]) -> tuple[bool, bool, list[RawOperator]]:
    """Take a leading QUANTIZE of float32 and a trailing DEQUANTIZE off: the host does them."""
    float_input = bool(chain) and (
        chain[0].name == "QUANTIZE" and model.tensors[chain[0].inputs[0]].dtype == "float32"
    )
    if float_input:
        _check_edge(model, chain[0], chain[0].inputs[0], chain[0].outputs[0])
        chain = chain[1:]
    float_output = bool(chain) and (
        chain[-1].name == "DEQUANTIZE" and model.tensors[chain[-1].outputs[0]].dtype == "float32"
    )
    if float_output:
        _check_edge(model, chain[-1], chain[-1].outputs[0], chain[-1].inputs[0])
        chain = chain[:-1]
    if not chain:
        raise ModelError(
            "the model has no layer between its input and its output",
            hint="export a network with at least one layer",
        )
    return float_input, float_output, chain


def _check_edge(model: RawModel, operator: RawOperator, real: int, codes: int) -> None:
    """Refuse a float32 tensor that is not the codes' own, value by value."""
    outer, inner = model.tensors[real], model.tensors[codes]
    try:
        check_shape(outer)
        check_shape(inner)
        if math.prod(outer.shape) != math.prod(inner.shape) or outer.is_sparse:
            raise ModelError(
                f"{label(outer)} of shape {list(outer.shape)} and {label(inner)} of shape "
                f"{list(inner.shape)} must have as many values, none of them sparse",
                hint=EXPORT_INT8_HINT,
            )
    except ModelError as error:
        raise type(error)(f"{_where(operator)}: {error.message}", hint=error.hint) from error
    require_one_row(outer)


def dead_operators(model: RawModel, live: list[RawOperator]) -> list[RawOperator]:
    """The operators that the output does not depend on.

    They are not compiled, but TensorFlow Lite Micro runs and trusts them, so they are checked like
    the others.
    """
    indices = {operator.index for operator in live}
    return [operator for operator in model.operators if operator.index not in indices]


def live_operators(model: RawModel) -> list[RawOperator]:
    """The operators that the output depends on, in order, each fed by the one before.

    Raises:
        UnsupportedOperatorError: one that is not in :data:`SUPPORTED_OPERATORS`.
        ModelError: not a chain from one input to one output.
    """
    source = _only("input", model.inputs)
    target = _only("output", model.outputs)
    producers: dict[int, RawOperator] = {}
    available = {source}
    for operator in model.operators:
        _check_operands(model, operator)
        read, written = operator.inputs[0], operator.outputs[0]
        if read not in available:
            raise ModelError(
                f"{_where(operator)}: {label(model.tensors[read])} is neither the model's input "
                "nor written by an operator before it",
                hint=DAMAGED_HINT,
            )
        if written in available:
            raise ModelError(
                f"{_where(operator)}: {label(model.tensors[written])} is written a second time",
                hint=DAMAGED_HINT,
            )
        available.add(written)
        producers[written] = operator
    if target not in available:
        raise ModelError(
            f"no operator writes the model's output, {label(model.tensors[target])}",
            hint=DAMAGED_HINT,
        )
    # Every tensor is written once, by an operator that stands behind the one that feeds it: this
    # walk back cannot go in circles.
    chain: list[RawOperator] = []
    while target != source:
        chain.append(producers[target])
        target = producers[target].inputs[0]
    return chain[::-1]


def _only(what: str, indices: tuple[int, ...]) -> int:
    if len(indices) != 1:
        raise ModelError(
            f"the model has {len(indices)} {what}s, supported is exactly 1",
            hint="export a function with one input and one output tensor",
        )
    return indices[0]


def _check_operands(model: RawModel, operator: RawOperator) -> None:
    if operator.name not in SUPPORTED_OPERATORS:
        raise UnsupportedOperatorError(
            f"{_where(operator)} is not supported",
            hint=f"supported are {', '.join(SUPPORTED_OPERATORS)}",
        )
    least, most = OPERANDS.get(operator.name, (1, 1))
    if not least <= len(operator.inputs) <= most or len(operator.outputs) != 1:
        raise ModelError(
            f"{_where(operator)} has {len(operator.inputs)} inputs and {len(operator.outputs)} "
            f"outputs, expected {least} to {most} and 1",
            hint=DAMAGED_HINT,
        )
    if operator.inputs[0] < 0:
        raise ModelError(f"{_where(operator)}: its input is missing", hint=DAMAGED_HINT)
    for index in (operator.inputs[0], operator.outputs[0]):
        if model.tensors[index].data is not None:
            raise ModelError(
                f"{_where(operator)}: {label(model.tensors[index])} is a constant where an "
                "activation is expected",
                hint=EXPORT_INT8_HINT,
            )
