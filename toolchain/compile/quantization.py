"""The fixed-point arithmetic of quantized networks, exactly as TensorFlow Lite Micro has it.

A real factor is carried as a 31-bit multiplier and a power of two. Rounding happens twice: once in
the high multiplication (half up), once in the right shift (half away from zero). Sources:
Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 2.2, and the TFLite quantization specification; that
the two roundings are kept is what ``tests/compile`` establishes against the runtime itself.

Dense layers of int16 activations are scaled otherwise: their 64-bit sums are multiplied by the
upper 15 bits of the same multiplier and rounded once (:func:`reduced_multiplier`,
:func:`scale_sums`).

Values are numpy int64 arrays that hold int32 numbers; :func:`wrap` brings a result back into range
the way two's complement hardware does.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from toolchain.errors import ModelError
from toolchain.protocol import Element

Int64Array = NDArray[np.int64]

INT8_MIN = -128
INT8_MAX = 127
MAX_LEFT_SHIFT = 30
"""Largest left shift whose factor is still a positive int32."""

MAX_SUM_LEFT_SHIFT = 7
"""Largest left shift that the reference's 64-bit scaling is defined for."""

SUM_LIMIT = 2**47
"""The same arithmetic is defined for sums in [-2^47, 2^47)."""

ACTIVATION_RANGES: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
"""Real-valued bounds of each fused activation; ``None`` where it has none."""


def code_limits(element: Element) -> tuple[int, int]:
    """Lowest and highest code of an integer element type."""
    half: int = 1 << (8 * element.bytes - 1)
    return -half, half - 1


def wrap(values: Int64Array) -> Int64Array:
    """Reduce to int32 modulo 2^32."""
    return ((values + 2**31) & 0xFFFF_FFFF) - 2**31


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """Split a real factor into a multiplier and a shift: factor = multiplier * 2^(shift - 31).

    Args:
        factor: finite and not negative.

    Returns:
        Multiplier in [2^30, 2^31), or 0 when the factor is below 2^-32, and the shift in
        [-31, 30] (positive: to the left).

    Raises:
        ModelError: the factor is not finite, negative, or 2^30 and above.
    """
    if not math.isfinite(factor) or factor < 0.0:
        raise ModelError(
            f"a scale product of {factor!r} cannot be quantized; it must be finite and >= 0",
            hint="export the model again; its scales are broken",
        )
    if factor == 0.0:
        return 0, 0
    fraction, shift = math.frexp(factor)
    # The fraction is positive, so adding a half and flooring rounds halves away from zero.
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > MAX_LEFT_SHIFT:
        raise ModelError(
            f"a scale product of {factor:g} is above the limit of 2^{MAX_LEFT_SHIFT}",
            hint="export the model again; its scales are broken",
        )
    return multiplier, shift


def high_multiply(a: Int64Array, b: Int64Array | int) -> Int64Array:
    """Rounded a*b / 2^31 of two int32 numbers, halves up; saturates -2^31 * -2^31."""
    # Python-side int64 holds the 63-bit product; only the one saturating case reaches 2^31.
    product = np.asarray(a, dtype=np.int64) * np.asarray(b, dtype=np.int64)
    return np.minimum((product + 2**30) >> 31, 2**31 - 1)


def divide_by_power_of_two(values: Int64Array, exponent: int) -> Int64Array:
    """Values / 2^exponent, rounded to nearest, halves away from zero; exponent in [0, 31]."""
    values = np.asarray(values, dtype=np.int64)
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (values < 0)
    return (values >> exponent) + ((values & mask) > threshold)


def scale_by(values: Int64Array, multiplier: int, shift: int) -> Int64Array:
    """Apply a factor from :func:`quantize_multiplier` to int32 numbers, with both roundings."""
    left, right = max(shift, 0), max(-shift, 0)
    shifted = wrap(np.asarray(values, dtype=np.int64) << left)
    return divide_by_power_of_two(high_multiply(shifted, multiplier), right)


def reduced_multiplier(multiplier: int) -> int:
    """A multiplier from :func:`quantize_multiplier`, rounded to its upper 15 bits."""
    return min((multiplier + 2**15) >> 16, 2**15 - 1)


def scale_sums(sums: Int64Array, factors: Int64Array, shifts: Int64Array) -> Int64Array:
    """Scale the sums of a dense layer of int16 activations; rounds halves up.

    Args:
        sums: within :data:`SUM_LIMIT`.
        factors: from :func:`reduced_multiplier`.
        shifts: from :func:`quantize_multiplier`, at most :data:`MAX_SUM_LEFT_SHIFT`.

    Returns:
        int32 numbers; larger ones wrap, as in the reference.
    """
    right = 15 - shifts
    return wrap((sums * factors + (np.int64(1) << (right - 1))) >> right)


def quantize_real(value: float, scale: float, zero_point: int) -> int:
    """The quantized code of one real number, unclamped; float32 division, halves away from zero.

    Raises:
        ModelError: the code does not fit int32.
    """
    with np.errstate(over="ignore", under="ignore"):
        quotient = float(np.float32(value) / np.float32(scale))
    if not abs(quotient) < 2**31:
        raise ModelError(
            f"the bound {value:g} at scale {scale:g} does not fit int32",
            hint="export the model again; its scales are broken",
        )
    return zero_point + int(math.copysign(math.floor(abs(quotient) + 0.5), quotient))


def activation_range(
    activation: str, scale: float, zero_point: int, element: Element
) -> tuple[int, int]:
    """Clamp of a fused activation, in codes.

    Args:
        activation: a key of :data:`ACTIVATION_RANGES`.
        scale: of the output.
        zero_point: of the output.
        element: of the output.

    Returns:
        The lowest and the highest code that the output can take.

    Raises:
        ModelError: a bound does not fit int32, or the range is empty.
    """
    low, high = ACTIVATION_RANGES[activation]
    least, most = code_limits(element)
    minimum = least if low is None else max(least, quantize_real(low, scale, zero_point))
    maximum = most if high is None else min(most, quantize_real(high, scale, zero_point))
    if minimum > maximum:
        raise ModelError(
            f"the activation {activation} leaves no {element.name.lower()} code at scale {scale:g} "
            f"and zero point {zero_point}: {minimum}..{maximum}",
            hint="export the model again; its output quantization is broken",
        )
    return minimum, maximum
