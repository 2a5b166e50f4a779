"""Conversion between real numbers and the network's codes, as the reference does it.

The board computes in codes only. Where a ``.tflite`` has float32 at its edges, its QUANTIZE and
DEQUANTIZE are carried out here, with the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.compiled import TensorInfo
from toolchain.compile.network import Tensor
from toolchain.errors import InputError


def quantize(values: NDArray[Any], tensor: Tensor | TensorInfo) -> NDArray[Any]:
    """Codes of real numbers: round(value / scale) + zero_point, halves away from zero, clamped.

    Args:
        values: any shape; taken as float32.
        tensor: whose scale and zero point to use.

    Returns:
        Same shape, of the tensor's own type.

    Raises:
        InputError: a value is not finite.
    """
    real = np.asarray(values, dtype=np.float32)
    if not np.isfinite(real).all():
        raise InputError(
            f"{int((~np.isfinite(real)).sum())} of {real.size} inputs are not finite",
            hint="remove or replace NaN and infinite values",
        )
    # A quotient beyond float32 becomes infinite and is clamped like any other that is too large.
    with np.errstate(over="ignore"):
        quotient = real / np.float32(tensor.scale)
    rounded = np.copysign(np.floor(np.abs(quotient.astype(np.float64)) + 0.5), quotient)
    limits = np.iinfo(tensor.dtype)
    codes = np.clip(rounded + tensor.zero_point, limits.min, limits.max)
    return np.asarray(codes, dtype=tensor.dtype)


def dequantize(codes: NDArray[Any], tensor: Tensor | TensorInfo) -> NDArray[np.float32]:
    """Real numbers of codes: scale * (code - zero_point), multiplied in double precision.

    Returns:
        Same shape, float32.

    Raises:
        InputError: ``codes`` is not of the tensor's own type.
    """
    if codes.dtype != tensor.dtype:
        raise InputError(f"codes of type {codes.dtype}, expected {np.dtype(tensor.dtype)}")
    distances = codes.astype(np.float64) - tensor.zero_point
    return np.asarray(distances * tensor.scale, dtype=np.float32)
