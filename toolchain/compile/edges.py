"""Conversion between real numbers and the network's int8 codes, as the reference does it.

The board computes in codes only. Where a ``.tflite`` has float32 at its edges, its QUANTIZE and
DEQUANTIZE are carried out here, with the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.compiled import TensorInfo
from toolchain.compile.network import Tensor
from toolchain.compile.quantization import INT8_MAX, INT8_MIN
from toolchain.errors import InputError


def quantize(values: NDArray[Any], tensor: Tensor | TensorInfo) -> NDArray[np.int8]:
    """Codes of real numbers: round(value / scale) + zero_point, halves away from zero, clamped.

    Args:
        values: any shape; taken as float32.
        tensor: whose scale and zero point to use.

    Returns:
        Same shape, int8.

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
    codes = np.clip(rounded + tensor.zero_point, INT8_MIN, INT8_MAX)
    return np.asarray(codes, dtype=np.int8)


def dequantize(codes: NDArray[np.int8], tensor: Tensor | TensorInfo) -> NDArray[np.float32]:
    """Real numbers of codes: scale * (code - zero_point), multiplied in double precision.

    Returns:
        Same shape, float32.

    Raises:
        InputError: ``codes`` is not int8.
    """
    if codes.dtype != np.int8:
        raise InputError(f"codes of type {codes.dtype}, expected int8")
    distances = codes.astype(np.float64) - tensor.zero_point
    return np.asarray(distances * tensor.scale, dtype=np.float32)
