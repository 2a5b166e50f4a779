"""Checks a file's tensors and takes them over: activations with their scales, and constants."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.flatbuffer import RawTensor
from toolchain.compile.network import Tensor
from toolchain.compile.quantization import code_limits
from toolchain.errors import ModelError, UnsupportedOperatorError
from toolchain.protocol import Element

MAX_VALUES = 65_535
"""Most values of one activation; the link's and the engine's counts have 16 bits."""

EXPORT_INT8_HINT = "export with full integer quantization, int8 or int16 at both ends, batch size 1"
"""What to do about a file that is sound, but of another kind."""

DAMAGED_HINT = "check that the file is complete, or export the model again"
"""What to do about a file that contradicts itself."""


_ELEMENTS = {"int8": Element.INT8, "int16": Element.INT16}


def label(raw: RawTensor) -> str:
    """How a tensor is called in messages."""
    return f"tensor {raw.index} ({raw.name!r})"


def activation(raw: RawTensor) -> Tensor:
    """Take over an activation.

    Raises:
        UnsupportedOperatorError: its codes are neither int8 nor int16.
        ModelError: the shape, the scale or the zero point is out of range, missing or dynamic.
    """
    if raw.dtype not in _ELEMENTS:
        raise UnsupportedOperatorError(
            f"{label(raw)} is {raw.dtype}; float32 is supported only at the model's own input "
            "(QUANTIZE) and output (DEQUANTIZE), everything else must be int8, or int16",
            hint=EXPORT_INT8_HINT,
        )
    element = _ELEMENTS[raw.dtype]
    if raw.is_variable or raw.is_sparse:
        raise ModelError(
            f"{label(raw)} is a variable or sparse tensor, which is not supported",
            hint=EXPORT_INT8_HINT,
        )
    check_shape(raw)
    if len(raw.scales) != 1 or len(raw.zero_points) != 1:
        raise ModelError(
            f"{label(raw)} has {len(raw.scales)} scales and {len(raw.zero_points)} zero points, "
            "expected one of each",
            hint=EXPORT_INT8_HINT,
        )
    check_scales(raw)
    zero_point = int(raw.zero_points[0])
    # The codes of int16 are symmetric; the reference checks that here and there only.
    low, high = (0, 0) if element is Element.INT16 else code_limits(element)
    if not low <= zero_point <= high:
        raise ModelError(
            f"{label(raw)} has zero point {zero_point}, the limits are {low}..{high}",
            hint=EXPORT_INT8_HINT,
        )
    return Tensor(raw.name, raw.shape, float(raw.scales[0]), zero_point, element)


def require_one_row(tensor: Tensor | RawTensor) -> None:
    """Refuse a batch.

    Raises:
        ModelError: the first of several dimensions is not 1.
    """
    if len(tensor.shape) > 1 and tensor.shape[0] != 1:
        raise ModelError(
            f"tensor {tensor.name!r} has shape {list(tensor.shape)}: a batch of "
            f"{tensor.shape[0]}, supported is 1",
            hint=EXPORT_INT8_HINT,
        )


def require_last_dimension(raw: RawTensor, n_outputs: int) -> None:
    """Refuse a dense layer's output that is not one row.

    Every dimension but the last is a batch to the reference, which then reads beyond its input.

    Raises:
        ModelError: the last dimension is not ``n_outputs``.
    """
    if raw.shape[-1] != n_outputs:
        raise ModelError(
            f"{label(raw)} has shape {list(raw.shape)}, whose last dimension must be the weights' "
            f"{n_outputs} outputs; one row (batch 1) is supported",
            hint=EXPORT_INT8_HINT,
        )


def constant(raw: RawTensor, dtype: str) -> NDArray[np.generic]:
    """Take over a constant.

    Args:
        raw: the tensor.
        dtype: ``int8``, ``int32``, ``int64`` or ``float32``.

    Returns:
        A read-only copy in the tensor's shape.

    Raises:
        UnsupportedOperatorError: of another type, sparse, or computed at run time.
        ModelError: its data do not fit its shape.
    """
    if raw.dtype != dtype:
        raise UnsupportedOperatorError(
            f"{label(raw)} is {raw.dtype}, supported is {dtype}", hint=EXPORT_INT8_HINT
        )
    if raw.data is None or raw.is_variable:
        raise UnsupportedOperatorError(
            f"{label(raw)} is not a constant, which is not supported",
            hint="export the model with its weights frozen",
        )
    if raw.is_sparse:
        raise UnsupportedOperatorError(
            f"{label(raw)} is sparse, which is not supported", hint="export dense weights"
        )
    expected = math.prod(raw.shape) * np.dtype(dtype).itemsize
    if any(d < 1 for d in raw.shape) or len(raw.data) != expected:
        raise ModelError(
            f"{label(raw)} of shape {list(raw.shape)} has {len(raw.data)} bytes of data; "
            f"dimensions must be at least 1, and these need {expected} bytes",
            hint=DAMAGED_HINT,
        )
    little_endian = np.dtype(dtype).newbyteorder("<")
    values = raw.data.view(little_endian).reshape(raw.shape).astype(dtype)
    values.setflags(write=False)
    return values


def check_scales(raw: RawTensor) -> None:
    """Refuse scales that are no scales.

    Raises:
        ModelError: one is not finite, or not above 0.
    """
    bad = raw.scales[~(np.isfinite(raw.scales) & (raw.scales > 0))]
    if len(bad):
        raise ModelError(
            f"{label(raw)} has scale {float(bad[0])!r}; scales must be finite and above 0",
            hint=EXPORT_INT8_HINT,
        )


def check_shape(raw: RawTensor) -> None:
    """Refuse an activation without a fixed shape of a supported size.

    Raises:
        ModelError: no dimension, one below 1 or dynamic, or more than :data:`MAX_VALUES` values.
    """
    shape = list(raw.shape)
    if not shape or any(d < 1 for d in shape) or math.prod(shape) > MAX_VALUES:
        raise ModelError(
            f"{label(raw)} has shape {shape}; it must have at least one dimension, none below 1, "
            f"and at most {MAX_VALUES} values",
            hint=EXPORT_INT8_HINT,
        )
    # The batch is always the first dimension, and runs as one row.
    if any(d < 0 for d in raw.shape_signature[1:]):
        raise ModelError(
            f"{label(raw)} is dynamic: signature {list(raw.shape_signature)}; only the batch, its "
            "first dimension, may be",
            hint=EXPORT_INT8_HINT,
        )
