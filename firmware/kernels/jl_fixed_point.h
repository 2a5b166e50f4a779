/* Fixed-point arithmetic of quantized inference, in 32-bit pieces.
 *
 * The Cortex-M0+ multiplies 32 x 32 -> 32 bits only, so the 64-bit product is put together from
 * four products of halves. Signed values are shifted left, and added where they may wrap, as
 * unsigned ones: the reference counts modulo 2^32. Right shifts of negative values are arithmetic
 * on every compiler that this is built with (C11 leaves them to the implementation).
 */
#ifndef JL_FIXED_POINT_H
#define JL_FIXED_POINT_H

#include <stdint.h>

/* a * b / 2^31, rounded to nearest, halves up. Not for a = b = INT32_MIN. */
static inline int32_t jl_multiply_high(int32_t a, int32_t b) {
#if defined(__riscv_mul) /* has the upper half of a product as an instruction */
    return (int32_t)(((int64_t)a * b + 0x40000000) >> 31);
#else
    const int32_t a_high = a >> 16;
    const int32_t b_high = b >> 16;
    const uint32_t a_low = (uint32_t)a & 0xFFFFu;
    const uint32_t b_low = (uint32_t)b & 0xFFFFu;

    const uint32_t low = a_low * b_low;
    /* Neither middle sum leaves 32 bits: 2^15 * (2^16 - 1) + (2^16 - 1) < 2^31. */
    const int32_t middle_a = a_high * (int32_t)b_low + (int32_t)(low >> 16);
    const int32_t middle_b = b_high * (int32_t)a_low + (int32_t)((uint32_t)middle_a & 0xFFFFu);
    const uint32_t bottom = ((uint32_t)middle_b << 16) | (low & 0xFFFFu);
    uint32_t top = (uint32_t)(a_high * b_high + (middle_a >> 16) + (middle_b >> 16));

    const uint32_t rounded = bottom + 0x40000000u;
    top += rounded < bottom;
    return (int32_t)((top << 1) | (rounded >> 31));
#endif
}

/* value / 2^exponent, rounded to nearest, halves away from zero; exponent in [0, 31]. */
static inline int32_t jl_divide_by_power_of_two(int32_t value, int exponent) {
    const int32_t mask = (int32_t)((1u << exponent) - 1u);
    const int32_t remainder = value & mask;
    const int32_t threshold = (mask >> 1) + (value < 0);
    return (value >> exponent) + (remainder > threshold);
}

/* value * multiplier * 2^(shift - 31), with both of the reference's roundings. */
static inline int32_t jl_scale(int32_t value, int32_t multiplier, int shift) {
    if (shift > 0) {
        return jl_multiply_high((int32_t)((uint32_t)value << shift), multiplier);
    }
    return jl_divide_by_power_of_two(jl_multiply_high(value, multiplier), -shift);
}

/* (sum * factor + half) >> shift, with half = 2^(shift - 1); factor below 2^15, shift in [17, 46].
 * The lower half of the sum counts through its product's upper half only: half is a multiple of
 * 2^16. */
static inline int32_t jl_wide_scale(int32_t sum, uint32_t factor, uint32_t shift) {
    const uint32_t low = (((uint32_t)sum & 0xFFFFu) * factor) >> 16;
    /* At most 2^30 + 2^15 in magnitude, and half adds at most 2^29. */
    const int32_t product = (sum >> 16) * (int32_t)factor + (int32_t)low;
    return (product + (int32_t)(1u << (shift - 17))) >> (shift - 16);
}

/* The same modulo 2^32 of a sum within 48 bits, in two words; shift in [8, 46]. */
static inline int32_t jl_wide_scale_64(uint32_t low, int32_t high, uint32_t factor,
                                       uint32_t shift) {
    const uint32_t bottom = (low & 0xFFFFu) * factor;
    const uint32_t middle = (low >> 16) * factor;
    uint32_t product = bottom + (middle << 16);
    uint32_t top = (uint32_t)high * factor + (middle >> 16) + (product < bottom);

    const uint32_t unrounded = product;
    if (shift <= 32) {
        product += 1u << (shift - 1);
        top += product < unrounded;
    } else {
        top += 1u << (shift - 33);
    }
    if (shift >= 32) {
        return (int32_t)top >> (shift - 32);
    }
    return (int32_t)((product >> shift) | (top << (32 - shift)));
}

#endif
