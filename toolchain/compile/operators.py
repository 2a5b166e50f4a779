"""Checks one operator of a file and turns it into a layer.

Every check that the reference makes is made here too, and the ones that it leaves to luck as well.
Messages do not name the operator; :mod:`toolchain.compile.reader` puts that in front.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from toolchain.compile import tables
from toolchain.compile.flatbuffer import RawOperator, RawTensor
from toolchain.compile.network import (
    Elementwise,
    FullyConnected,
    Layer,
    Rescale,
    Reshape,
    Softmax,
    Tensor,
)
from toolchain.compile.quantization import (
    ACTIVATION_RANGES,
    MAX_SUM_LEFT_SHIFT,
    SUM_LIMIT,
    activation_range,
    quantize_multiplier,
    quantize_real,
)
from toolchain.compile.tensors import (
    EXPORT_INT8_HINT,
    activation,
    check_scales,
    constant,
    label,
    require_last_dimension,
)
from toolchain.errors import ModelError, UnsupportedOperatorError
from toolchain.protocol import Element

MAX_SOFTMAX_ROW = 511
"""Longest row of SOFTMAX: the reference itself stops at a sum of 512."""

_BIAS_SCALE_TOLERANCE = 0.02
"""Largest difference of bias scale and product scale that the reference accepts, in outputs."""

Tensors = tuple[RawTensor, ...]


def fully_connected(operator: RawOperator, tensors: Tensors) -> FullyConnected:
    """FULLY_CONNECTED over one row, with constant int8 weights."""
    source, target = _ends(operator, tensors)
    if operator.options["weights_format"] != 0:
        raise UnsupportedOperatorError("shuffled weights are not supported", hint=EXPORT_INT8_HINT)
    fused = operator.options["activation"]
    if fused not in ACTIVATION_RANGES:
        raise UnsupportedOperatorError(
            f"the fused activation {fused} is not supported",
            hint=f"supported are {', '.join(ACTIVATION_RANGES)}",
        )
    if operator.inputs[1] < 0:
        raise ModelError("its weights are missing", hint=EXPORT_INT8_HINT)
    raw_weights = tensors[operator.inputs[1]]
    weights = constant(raw_weights, "int8").astype(np.int8)
    if weights.ndim != 2:
        raise ModelError(
            f"{label(raw_weights)} has rank {weights.ndim}, expected 2", hint=EXPORT_INT8_HINT
        )
    n_outputs, n_inputs = weights.shape
    if source.n_values != n_inputs or target.n_values != n_outputs:
        raise ModelError(
            f"weights {n_outputs} x {n_inputs} do not fit {source.n_values} values in and "
            f"{target.n_values} out; one row (batch 1) is supported",
            hint=EXPORT_INT8_HINT,
        )
    require_last_dimension(tensors[operator.outputs[0]], n_outputs)
    scales = _weight_scales(raw_weights, n_outputs)
    raw_bias = _optional(operator, tensors, 2)
    # Without a bias, a field of the options says how many bits the reference sums with.
    sums = operator.options["bias_type"] if raw_bias is None else raw_bias.dtype
    if source.element is Element.INT16 and sums == "int32":
        raise UnsupportedOperatorError(
            "int16 activations with sums of 32 bits are not supported",
            hint="export with 64-bit biases, which is the converter's default for int16",
        )
    bias = None if raw_bias is None else _bias(raw_bias, n_outputs, source.element)
    if raw_bias is not None and len(scales) == 1:
        _check_bias_scale(raw_bias, source, target, float(scales[0]))
    multipliers, shifts = _output_multipliers(source.scale, scales, target.scale)
    minimum, maximum = activation_range(fused, target.scale, target.zero_point, target.element)
    weights.setflags(write=False)
    if source.element is Element.INT16:
        _check_sums(weights, bias, shifts)
    return FullyConnected(
        operator=operator.name,
        operator_index=operator.index,
        input=source,
        output=target,
        weights=weights,
        bias=bias,
        weight_scales=scales,
        multipliers=multipliers,
        shifts=shifts,
        activation=fused,
        minimum=minimum,
        maximum=maximum,
    )


def relu(operator: RawOperator, tensors: Tensors) -> Layer:
    """RELU, which rescales."""
    source, target = _same_size(operator, tensors)
    if source.element is Element.INT16:
        # An overflow is reported by quantize_multiplier, with the value.
        with np.errstate(over="ignore", under="ignore"):
            factor = float(np.float32(source.scale) / np.float32(target.scale))
        return _rescale(operator, source, target, factor, minimum=0)
    table = tables.relu_table(source.scale, source.zero_point, target.scale, target.zero_point)
    return Elementwise(operator.name, operator.index, source, target, table)


def relu6(operator: RawOperator, tensors: Tensors) -> Layer:
    """RELU6. TensorFlow Lite Micro clamps in the input's codes and never rescales, so do we."""
    source, target = _same_size(operator, tensors)
    if source.element is Element.INT16:
        six = quantize_real(6.0, source.scale, 0)
        return _rescale(operator, source, target, 1.0, minimum=0, maximum=six)
    table = tables.relu6_table(source.scale, source.zero_point)
    return Elementwise(operator.name, operator.index, source, target, table)


def quantize(operator: RawOperator, tensors: Tensors) -> Layer:
    """QUANTIZE from int8 to int8, or from int16 to int16."""
    source, target = _same_size(operator, tensors)
    if source.element is Element.INT16:
        return _rescale(operator, source, target, source.scale / target.scale)
    table = tables.requantize_table(
        source.scale, source.zero_point, target.scale, target.zero_point
    )
    return Elementwise(operator.name, operator.index, source, target, table)


def logistic(operator: RawOperator, tensors: Tensors) -> Elementwise:
    """LOGISTIC."""
    source, target = _same_size(operator, tensors)
    _require_int8(source)
    _require_quantization(target, 1 / 256, -128)
    table = tables.logistic_table(source.scale, source.zero_point)
    return Elementwise(operator.name, operator.index, source, target, table)


def tanh(operator: RawOperator, tensors: Tensors) -> Elementwise:
    """TANH."""
    source, target = _same_size(operator, tensors)
    _require_int8(source)
    _require_quantization(target, 1 / 128, 0)
    table = tables.tanh_table(source.scale, source.zero_point)
    return Elementwise(operator.name, operator.index, source, target, table)


def softmax(operator: RawOperator, tensors: Tensors) -> Softmax:
    """SOFTMAX over the last axis."""
    source, target = _same_size(operator, tensors)
    _require_int8(source)
    _require_quantization(target, 1 / 256, -128)
    if source.shape != target.shape or source.shape[-1] > MAX_SOFTMAX_ROW:
        raise ModelError(
            f"shape {list(source.shape)} in, {list(target.shape)} out; they must be equal, with "
            f"rows of at most {MAX_SOFTMAX_ROW}",
            hint=EXPORT_INT8_HINT,
        )
    beta = float(operator.options["beta"])
    if not (math.isfinite(beta) and beta > 0):
        raise ModelError(f"beta is {beta!r}; it must be finite and above 0", hint=EXPORT_INT8_HINT)
    return Softmax(
        operator=operator.name,
        operator_index=operator.index,
        input=source,
        output=target,
        beta=beta,
        exponentials=tables.softmax_exp_table(source.scale, beta),
    )


def reshape(operator: RawOperator, tensors: Tensors) -> Reshape:
    """RESHAPE; the output's own shape counts, as in the reference."""
    source, target = _same_size(operator, tensors)
    return Reshape(operator.name, operator.index, source, target)


BUILDERS: dict[str, Callable[[RawOperator, Tensors], Layer]] = {
    "FULLY_CONNECTED": fully_connected,
    "RELU": relu,
    "RELU6": relu6,
    "SOFTMAX": softmax,
    "LOGISTIC": logistic,
    "TANH": tanh,
    "QUANTIZE": quantize,
    "RESHAPE": reshape,
}
"""What makes a layer of each operator, by the schema's names."""

OPERANDS: dict[str, tuple[int, int]] = {"FULLY_CONNECTED": (2, 3), "RESHAPE": (1, 2)}
"""Fewest and most inputs of an operator, where that is not one."""


def _optional(operator: RawOperator, tensors: Tensors, position: int) -> RawTensor | None:
    if len(operator.inputs) <= position or operator.inputs[position] < 0:
        return None
    return tensors[operator.inputs[position]]


def _ends(operator: RawOperator, tensors: Tensors) -> tuple[Tensor, Tensor]:
    source = activation(tensors[operator.inputs[0]])
    target = activation(tensors[operator.outputs[0]])
    if source.element is not target.element:
        raise UnsupportedOperatorError(
            f"{source.dtype} in and {target.dtype} out; all activations must be of one type",
            hint=EXPORT_INT8_HINT,
        )
    return source, target


def _require_int8(source: Tensor) -> None:
    if source.element is not Element.INT8:
        raise UnsupportedOperatorError(
            f"it is supported for int8 only, not for {source.dtype} activations",
            hint="leave it to the host: end the network in the layer before, or quantize to int8",
        )


def _rescale(
    operator: RawOperator,
    source: Tensor,
    target: Tensor,
    factor: float,
    minimum: int | None = None,
    maximum: int | None = None,
) -> Rescale:
    multiplier, shift = quantize_multiplier(factor)
    low, high = target.limits
    return Rescale(
        operator=operator.name,
        operator_index=operator.index,
        input=source,
        output=target,
        multiplier=multiplier,
        shift=shift,
        minimum=low if minimum is None else minimum,
        maximum=high if maximum is None else min(high, maximum),
    )


def _check_sums(
    weights: NDArray[np.int8],
    bias: NDArray[np.int32] | NDArray[np.int64] | None,
    shifts: NDArray[np.int8],
) -> None:
    """The reference's 64-bit scaling is defined for some sums and shifts only."""
    if (shifts > MAX_SUM_LEFT_SHIFT).any():
        raise ModelError(
            f"a scale product of 2^{int(shifts.max()) - 1} or more; with int16 activations the "
            f"limit is 2^{MAX_SUM_LEFT_SHIFT}",
            hint="export the model again; its scales are broken",
        )
    largest = np.abs(weights.astype(np.int64)).sum(axis=1) << 15
    # Python's integers: the magnitude of the least int64 is none.
    biases = [0] * len(weights) if bias is None else [abs(int(b)) for b in bias]
    worst = max(int(sum_) + b for sum_, b in zip(largest, biases, strict=True))
    if worst >= SUM_LIMIT:
        raise ModelError(
            f"a sum may reach {worst}; with int16 activations the limit is 2^47",
            hint="export the model again; its biases are broken",
        )


def _same_size(operator: RawOperator, tensors: Tensors) -> tuple[Tensor, Tensor]:
    source, target = _ends(operator, tensors)
    if source.n_values != target.n_values:
        raise ModelError(
            f"{source.n_values} values in, {target.n_values} out; they must be as many",
            hint=EXPORT_INT8_HINT,
        )
    return source, target


def _weight_scales(raw: RawTensor, n_outputs: int) -> NDArray[np.float32]:
    count = len(raw.scales)
    if count not in (1, n_outputs) or len(raw.zero_points) != count:
        raise ModelError(
            f"{label(raw)} has {count} scales and {len(raw.zero_points)} zero points, expected 1 "
            f"or {n_outputs} of each",
            hint=EXPORT_INT8_HINT,
        )
    if count > 1 and raw.quantized_dimension != 0:
        raise ModelError(
            f"{label(raw)} is quantized along dimension {raw.quantized_dimension}, expected 0",
            hint=EXPORT_INT8_HINT,
        )
    check_scales(raw)
    wrong = raw.zero_points[raw.zero_points != 0]
    if len(wrong):
        raise ModelError(
            f"{label(raw)} has zero point {int(wrong[0])}; int8 weights are symmetric, so it must "
            "be 0",
            hint=EXPORT_INT8_HINT,
        )
    scales = raw.scales.astype(np.float32)
    scales.setflags(write=False)
    return scales


def _bias(
    raw: RawTensor, n_outputs: int, element: Element
) -> NDArray[np.int32] | NDArray[np.int64]:
    bias: NDArray[np.int32] | NDArray[np.int64] = (
        constant(raw, "int64").astype(np.int64)
        if element is Element.INT16
        else constant(raw, "int32").astype(np.int32)
    ).reshape(-1)
    if len(bias) != n_outputs:
        raise ModelError(
            f"{label(raw)} has {len(bias)} values, expected {n_outputs}", hint=EXPORT_INT8_HINT
        )
    bias.setflags(write=False)
    return bias


def _check_bias_scale(raw: RawTensor, source: Tensor, target: Tensor, weight_scale: float) -> None:
    """The reference refuses a bias whose scale is not the product of the other two."""
    bias_scale = float(raw.scales[0]) if len(raw.scales) else 0.0
    product = source.scale * weight_scale
    if not abs(product - bias_scale) / target.scale <= _BIAS_SCALE_TOLERANCE:
        raise ModelError(
            f"{label(raw)} has scale {bias_scale:g}, expected {product:g}, the input's times the "
            "weights'",
            hint="export the model again; its scales are broken",
        )


def _output_multipliers(
    input_scale: float, weight_scales: NDArray[np.float32], output_scale: float
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Multipliers and shifts of a layer's outputs.

    The reference rounds the product of the two scales to single precision when there is one
    weight scale, and keeps it in double precision when there is one per channel.
    """
    if len(weight_scales) == 1:
        # An overflow is reported by quantize_multiplier, with the value.
        with np.errstate(over="ignore", under="ignore"):
            products = [float(np.float32(input_scale) * weight_scales[0])]
    else:
        products = [input_scale * float(scale) for scale in weight_scales]
    pairs = [quantize_multiplier(product / output_scale) for product in products]
    multipliers = np.array([multiplier for multiplier, _ in pairs], np.int32)
    shifts = np.array([shift for _, shift in pairs], np.int8)
    multipliers.setflags(write=False)
    shifts.setflags(write=False)
    return multipliers, shifts


def _require_quantization(target: Tensor, scale: float, zero_point: int) -> None:
    if target.scale != scale or target.zero_point != zero_point:
        raise ModelError(
            f"output scale {target.scale:g} and zero point {target.zero_point}; the operator's "
            f"are fixed at {scale:g} and {zero_point}",
            hint=EXPORT_INT8_HINT,
        )
