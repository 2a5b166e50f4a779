"""Tables of the INT8 operators that map one value to one value.

Every such operator is a function of 256 codes, so it is computed here once, with the fixed-point
arithmetic of the reference (gemmlowp's Q formats: a number of 32 bits with m integer bits and
31 - m fractional ones), and the target only looks it up. The result is exact by construction, and
no transcendental function runs on the board.

A table is an int8 array of shape (256,); entry ``code + 128`` is the image of ``code``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.quantization import (
    INT8_MAX,
    INT8_MIN,
    Int64Array,
    divide_by_power_of_two,
    high_multiply,
    quantize_multiplier,
    quantize_real,
    scale_by,
    wrap,
)
from toolchain.errors import ModelError

Table = NDArray[np.int8]

_ONE = 2**31 - 1
"""1 in Q0.31, which cannot hold it: the largest number below."""

_CODES: Int64Array = np.arange(INT8_MIN, INT8_MAX + 1, dtype=np.int64)

_SCALED_DIFFERENCE_BITS = 5
"""Integer bits of the softmax exponent's format."""

_ACTIVATION_INPUT_BITS = 4
"""Integer bits of logistic's and tanh's input format."""

_MAX_RADIUS_SHIFT = 62
"""Largest shift for which the reference's own 64-bit arithmetic is defined."""


def _q(real: float, integer_bits: int) -> int:
    """A real constant in the format with the given number of integer bits."""
    return math.floor(real * 2.0 ** (31 - integer_bits) + 0.5)


def _saturating_shift_left(values: Int64Array, bits: int) -> Int64Array:
    limit = 2 ** (31 - bits) - 1
    shifted = wrap(values << bits)
    return np.where(values > limit, _ONE, np.where(values < -limit, -(2**31), shifted))


def _exp_near_minus_an_eighth(a: Int64Array) -> Int64Array:
    """exp(a) for a in [-1/4, 0), Q0.31: Taylor polynomial of degree four around -1/8."""
    x = a + (1 << 28)
    x2 = high_multiply(x, x)
    x3 = high_multiply(x2, x)
    x4_over_4 = divide_by_power_of_two(high_multiply(x2, x2), 2)
    tail = divide_by_power_of_two(high_multiply(x4_over_4 + x3, _q(1 / 3, 0)) + x2, 1)
    constant = _q(math.exp(-1 / 8), 0)
    return constant + high_multiply(x + tail, constant)


def exp_of_negative(a: Int64Array, integer_bits: int) -> Int64Array:
    """exp(a) in Q0.31 for int32 numbers a <= 0 with the given integer bits.

    The fractional quarter comes from the polynomial; every higher bit of the argument multiplies
    by its own power of e.
    """
    fractional_bits = 31 - integer_bits
    quarter = 1 << (fractional_bits - 2)
    residue = (a & (quarter - 1)) - quarter
    result = _exp_near_minus_an_eighth(_saturating_shift_left(residue, integer_bits))
    remaining = residue - a
    for exponent in range(-2, integer_bits):
        bit = 1 << (fractional_bits + exponent)
        factor = _q(math.exp(-(2.0**exponent)), 0)
        result = np.where((remaining & bit) != 0, high_multiply(result, factor), result)
    return np.where(a == 0, _ONE, result)


def _newton_reciprocal(a: Int64Array) -> Int64Array:
    """2 / (1 + a) in Q2.29 for a in [0, 1) in Q0.31: three Newton steps from 48/17 - 32/17 d."""
    # Half the denominator, in Q0.31; the sum is positive, so this is a rounding halving.
    half = (a + _ONE + 1) // 2
    x = _q(48 / 17, 2) + high_multiply(half, _q(-32 / 17, 2))
    for _ in range(3):
        rest = (1 << 29) - high_multiply(half, x)
        x = x + _saturating_shift_left(high_multiply(x, rest), 2)
    return x


def one_over_one_plus(a: Int64Array) -> Int64Array:
    """1 / (1 + a) in Q0.31 for a in [0, 1) in Q0.31."""
    # Half of a Q2.29 number is the same integer in Q1.30.
    return _saturating_shift_left(_newton_reciprocal(a), 1)


def _one_minus_over_one_plus(a: Int64Array) -> Int64Array:
    """(1 - a) / (1 + a) in Q0.31 for a in [0, 1) in Q0.31."""
    return _saturating_shift_left(_newton_reciprocal(a) - (1 << 29), 2)


def _clamp(values: Int64Array, minimum: int = INT8_MIN, maximum: int = INT8_MAX) -> Table:
    return np.clip(values, minimum, maximum).astype(np.int8)


def requantize_table(
    input_scale: float, input_zero_point: int, output_scale: float, output_zero_point: int
) -> Table:
    """QUANTIZE from int8 to int8: the quotient of the scales is taken in double precision."""
    multiplier, shift = quantize_multiplier(input_scale / output_scale)
    return _clamp(scale_by(_CODES - input_zero_point, multiplier, shift) + output_zero_point)


def relu_table(
    input_scale: float, input_zero_point: int, output_scale: float, output_zero_point: int
) -> Table:
    """RELU with rescaling: the quotient of the scales is taken in single precision."""
    # An overflow is reported by quantize_multiplier, with the value.
    with np.errstate(over="ignore", under="ignore"):
        factor = float(np.float32(input_scale) / np.float32(output_scale))
    multiplier, shift = quantize_multiplier(factor)
    scaled = scale_by(_CODES - input_zero_point, multiplier, shift) + output_zero_point
    return _clamp(scaled, minimum=max(INT8_MIN, output_zero_point))


def relu6_table(input_scale: float, input_zero_point: int) -> Table:
    """RELU6: a clamp between the input's codes of 0 and 6, without rescaling."""
    six = min(INT8_MAX, quantize_real(6.0, input_scale, input_zero_point))
    return _clamp(_CODES, minimum=input_zero_point, maximum=max(six, INT8_MIN))


def _activation_argument(scale: float, zero_point: int) -> tuple[Int64Array, Int64Array]:
    """Codes relative to the zero point, as they are and in Q4.27; out-of-range ones become 0.

    Returns:
        Relation to the representable range (-1 below, 0 inside, 1 above) and the Q4.27 numbers.
    """
    fraction, shift = math.frexp(scale * 2.0 ** (31 - _ACTIVATION_INPUT_BITS))
    if not 0 <= shift <= _MAX_RADIUS_SHIFT:
        raise ModelError(
            f"the input scale {scale:g} of LOGISTIC or TANH is outside of [2^-28, 2^35)",
            hint="export the model again; its scales are broken",
        )
    relative = _CODES - zero_point
    radius = input_radius(_ACTIVATION_INPUT_BITS, shift)
    side = np.where(relative <= -radius, -1, np.where(relative >= radius, 1, 0))
    if radius == 0:
        return side, np.zeros_like(relative)
    # A float32 scale has 24 bits, so the multiplier is exact.
    multiplier = int(fraction * 2**31)
    return side, scale_by(np.where(side == 0, relative, 0), multiplier, shift)


def input_radius(integer_bits: int, shift: int) -> int:
    """Largest code distance whose rescaled value still fits the format."""
    return math.floor((2**integer_bits - 1) * 2.0 ** (31 - integer_bits) / 2.0**shift)


def logistic_table(input_scale: float, input_zero_point: int) -> Table:
    """LOGISTIC to scale 1/256, zero point -128.

    Raises:
        ModelError: the input scale is out of the reference's range.
    """
    side, argument = _activation_argument(input_scale, input_zero_point)
    positive = one_over_one_plus(exp_of_negative(-np.abs(argument), _ACTIVATION_INPUT_BITS))
    value = np.where(argument > 0, positive, _ONE - positive)
    value = np.where(argument == 0, 1 << 30, value)
    inside = divide_by_power_of_two(value, 23) - 128
    return _clamp(np.where(side < 0, INT8_MIN, np.where(side > 0, INT8_MAX, inside)))


def tanh_table(input_scale: float, input_zero_point: int) -> Table:
    """TANH to scale 1/128, zero point 0.

    Raises:
        ModelError: the input scale is out of the reference's range.
    """
    side, argument = _activation_argument(input_scale, input_zero_point)
    # tanh(|x|) = (1 - e) / (1 + e) with e = exp(-2|x|): one more integer bit doubles the argument.
    e = exp_of_negative(-np.abs(argument), _ACTIVATION_INPUT_BITS + 1)
    magnitude = _one_minus_over_one_plus(e)
    value = np.where(argument < 0, -magnitude, magnitude)
    value = np.where(argument == 0, 0, value)
    inside = divide_by_power_of_two(value, 24)
    return _clamp(np.where(side < 0, INT8_MIN, np.where(side > 0, INT8_MAX, inside)))


def softmax_exp_table(input_scale: float, beta: float) -> NDArray[np.int32]:
    """exp(beta * scale * -d) in Q0.31 for every distance d that counts.

    Args:
        input_scale: of the input.
        beta: SOFTMAX's factor on its input.

    Returns:
        int32 array, entry d for a value that is d codes below the row's maximum. It ends where
        the reference stops looking: values further away get probability 0.

    Raises:
        ModelError: beta * scale is out of the reference's range.
    """
    factor = min(beta * input_scale * 2.0 ** (31 - _SCALED_DIFFERENCE_BITS), 2.0**31 - 1.0)
    if not factor > 1.0:
        raise ModelError(
            f"SOFTMAX with beta {beta:g} and input scale {input_scale:g}: their product must be "
            f"above 2^-{31 - _SCALED_DIFFERENCE_BITS}",
            hint="export the model again; its scales are broken",
        )
    fraction, shift = math.frexp(factor)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    distances = np.arange(min(255, input_radius(_SCALED_DIFFERENCE_BITS, shift)) + 1)
    rescaled = high_multiply(wrap(-distances.astype(np.int64) << shift), multiplier)
    return exp_of_negative(rescaled, _SCALED_DIFFERENCE_BITS).astype(np.int32)
