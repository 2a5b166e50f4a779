"""The fixed-point arithmetic, in Python and in C, against exact integers."""

import ctypes
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolchain.compile.host_program import KERNELS_DIR, run_compiler
from toolchain.compile.quantization import (
    activation_range,
    divide_by_power_of_two,
    high_multiply,
    quantize_multiplier,
    quantize_real,
    reduced_multiplier,
    scale_by,
    scale_sums,
    wrap,
)
from toolchain.errors import ModelError
from toolchain.protocol import Element

INT32 = st.integers(-(2**31), 2**31 - 1)
MULTIPLIER = st.one_of(st.just(0), st.integers(2**30, 2**31 - 1))
FACTOR = st.one_of(st.just(0), st.integers(2**14, 2**15 - 1))
SUM = st.one_of(INT32, st.integers(-(2**47), 2**47 - 1))

WRAPPERS = """
#include "jl_fixed_point.h"
int32_t multiply_high(int32_t a, int32_t b);
int32_t multiply_high(int32_t a, int32_t b) { return jl_multiply_high(a, b); }
int32_t divide(int32_t value, int exponent);
int32_t divide(int32_t value, int exponent) { return jl_divide_by_power_of_two(value, exponent); }
int32_t scale(int32_t value, int32_t multiplier, int shift);
int32_t scale(int32_t value, int32_t multiplier, int shift) {
    return jl_scale(value, multiplier, shift);
}
int32_t wide_scale(int32_t sum, uint32_t factor, uint32_t shift);
int32_t wide_scale(int32_t sum, uint32_t factor, uint32_t shift) {
    return jl_wide_scale(sum, factor, shift);
}
int32_t wide_scale_64(uint32_t low, int32_t high, uint32_t factor, uint32_t shift);
int32_t wide_scale_64(uint32_t low, int32_t high, uint32_t factor, uint32_t shift) {
    return jl_wide_scale_64(low, high, factor, shift);
}
"""


def exact_high_multiply(a, b):
    """The definition: the product, nudged by half towards its sign, divided with truncation."""
    product = a * b
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    return math.trunc(Fraction(nudged, 2**31))


def exact_divide(value, exponent):
    """Round to nearest, halves away from zero."""
    magnitude = math.floor(abs(Fraction(value, 2**exponent)) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude


def to_int32(value):
    return (value + 2**31) % 2**32 - 2**31


def exact_scale(value, multiplier, shift):
    shifted = to_int32(value << max(shift, 0))
    return exact_divide(exact_high_multiply(shifted, multiplier), max(-shift, 0))


@pytest.fixture(scope="module")
def c_arithmetic(tmp_path_factory):
    """The C functions of jl_fixed_point.h, as this host's compiler builds them."""
    folder = tmp_path_factory.mktemp("fixed_point")
    source = folder / "wrappers.c"
    source.write_text(WRAPPERS, encoding="ascii")
    library = folder / "wrappers.so"
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-shared", "-fPIC"]
    run_compiler([*flags, f"-I{KERNELS_DIR}", "-o", str(library)], [source])
    return ctypes.CDLL(str(library))


@pytest.mark.parametrize(
    ("factor", "multiplier", "shift"),
    [
        (0.0, 0, 0),
        (0.5, 2**30, 0),
        (0.75, 3 * 2**29, 0),
        (1.0, 2**30, 1),
        (3.0, 3 * 2**29, 2),
        (2.0**-31, 2**30, -30),
        (2.0**-32, 2**30, -31),
        (2.0**-33, 0, 0),
        (1.0 - 2.0**-40, 2**30, 1),  # rounds up to the next power of two
        (0.1, round(0.8 * 2**31), -3),
    ],
)
def test_quantize_multiplier_by_hand(factor, multiplier, shift):
    assert quantize_multiplier(factor) == (multiplier, shift)


@pytest.mark.parametrize("factor", [-0.5, math.inf, math.nan, 2.0**30])
def test_quantize_multiplier_refuses(factor):
    with pytest.raises(ModelError, match="scale product"):
        quantize_multiplier(factor)


@given(st.floats(2.0**-31, 2.0**29))
def test_quantize_multiplier_is_near(factor):
    multiplier, shift = quantize_multiplier(factor)
    assert 2**30 <= multiplier < 2**31
    assert abs(multiplier * 2.0 ** (shift - 31) / factor - 1) <= 2.0**-31


@pytest.mark.parametrize(
    ("value", "exponent", "expected"),
    [
        (5, 1, 3),
        (-5, 1, -3),
        (3, 1, 2),
        (-3, 1, -2),
        (7, 3, 1),
        (-7, 3, -1),
        (3, 3, 0),
        (-1, 0, -1),
    ],
)
def test_divide_by_hand(value, exponent, expected):
    assert int(divide_by_power_of_two(np.int64(value), exponent)) == expected


def test_high_multiply_by_hand():
    half = 2**30
    # 3 * 0.5 and -3 * 0.5: halves go up, towards plus infinity.
    assert int(high_multiply(np.int64(3), half)) == 2
    assert int(high_multiply(np.int64(-3), half)) == -1
    assert int(high_multiply(np.int64(-(2**31)), -(2**31))) == 2**31 - 1


@given(INT32)
def test_wrap(value):
    assert int(wrap(np.int64(value + 2**32))) == value


@settings(max_examples=500)
@given(INT32, MULTIPLIER, st.integers(-31, 30))
def test_python_arithmetic_is_exact(value, multiplier, shift):
    assert int(high_multiply(np.int64(value), multiplier)) == exact_high_multiply(value, multiplier)
    exponent = abs(shift)
    assert int(divide_by_power_of_two(np.int64(value), exponent)) == exact_divide(value, exponent)
    scaled = int(scale_by(np.int64(value), multiplier, shift))
    assert scaled == exact_scale(value, multiplier, shift)


def test_c_arithmetic_is_exact(c_arithmetic):
    @settings(max_examples=2000, deadline=None)
    @given(INT32, MULTIPLIER, st.integers(-31, 30))
    def check(value, multiplier, shift):
        expected = exact_scale(value, multiplier, shift)
        assert c_arithmetic.scale(value, multiplier, shift) == expected
        exponent = abs(shift)
        assert c_arithmetic.divide(value, exponent) == exact_divide(value, exponent)

    @settings(max_examples=2000, deadline=None)
    @given(INT32, INT32)
    def check_signed(a, b):
        if (a, b) != (-(2**31), -(2**31)):
            assert c_arithmetic.multiply_high(a, b) == exact_high_multiply(a, b)

    check()
    check_signed()


@pytest.mark.parametrize("a", [0, 1, -1, 65535, 65536, -65536, 2**30, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("b", [0, 1, -1, 65535, 65536, -65536, 2**30, 2**31 - 1])
def test_c_multiply_at_the_edges_of_its_halves(c_arithmetic, a, b):
    assert c_arithmetic.multiply_high(a, b) == exact_high_multiply(a, b)


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "expected"),
    [
        ("NONE", 0.1, 5, (-128, 127)),
        ("RELU", 0.1, -128, (-128, 127)),
        ("RELU", 0.1, 5, (5, 127)),
        ("RELU6", 0.1, 5, (5, 65)),
        ("RELU6", 0.01, 5, (5, 127)),
        ("RELU_N1_TO_1", 0.1, 5, (-5, 15)),
        ("RELU_N1_TO_1", 0.4, 0, (-3, 3)),  # 2.5 is a half: away from zero
    ],
)
def test_activation_range_by_hand(activation, scale, zero_point, expected):
    assert activation_range(activation, scale, zero_point, Element.INT8) == expected


def test_quantize_real_refuses_what_does_not_fit():
    with pytest.raises(ModelError, match="does not fit int32"):
        quantize_real(6.0, 1e-12, 0)


def exact_scale_sum(sum_, factor, shift):
    """Round to nearest, halves up, and wrap to 32 bits."""
    return to_int32(math.floor(Fraction(sum_ * factor, 2**shift) + Fraction(1, 2)))


@given(INT32, FACTOR, st.integers(17, 46))
@settings(max_examples=400)
def test_scaling_of_sums_in_32_bits(c_arithmetic, sum_, factor, shift):
    assert c_arithmetic.wide_scale(sum_, factor, shift) == exact_scale_sum(sum_, factor, shift)


@given(SUM, FACTOR, st.integers(8, 46))
@settings(max_examples=400)
def test_scaling_of_sums_in_64_bits(c_arithmetic, sum_, factor, shift):
    low, high = sum_ & 0xFFFF_FFFF, sum_ >> 32
    expected = exact_scale_sum(sum_, factor, shift)
    assert c_arithmetic.wide_scale_64(low, high, factor, shift) == expected
    found = scale_sums(np.array([sum_]), np.array([factor]), np.array([15 - shift]))
    assert found.tolist() == [expected]


@pytest.mark.parametrize(
    ("multiplier", "reduced"),
    [
        (0, 0),
        (2**30, 2**14),
        (2**30 + 2**15 - 1, 2**14),
        (2**30 + 2**15, 2**14 + 1),
        (0x7FFEFFFF, 0x7FFF),
        (0x7FFF0000, 0x7FFF),
        (2**31 - 1, 0x7FFF),
    ],
)
def test_reduced_multipliers_by_hand(multiplier, reduced):
    assert reduced_multiplier(multiplier) == reduced
