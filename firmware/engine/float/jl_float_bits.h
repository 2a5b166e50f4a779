/* Comparisons on the bits of IEEE 754 single precision, without a call. */
#ifndef JL_FLOAT_BITS_H
#define JL_FLOAT_BITS_H

#include <stdbool.h>
#include <stdint.h>

#include "jl_float.h"

#define JL_FLOAT_SIGN (1u << 31)
#define JL_FLOAT_ONE_BITS 0x3f800000u
#define JL_FLOAT_SIX_BITS 0x40c00000u

/* C11 6.5.2.3: a union's bytes are read as another member's type. A call of memcpy(), which a
 * freestanding compiler makes of the other way to do this, would cost more than an addition. */
typedef union {
    float value;
    uint32_t bits;
} jl_float_pun;

static inline uint32_t jl_float_bits(float value) {
    return (jl_float_pun){.value = value}.bits;
}

static inline float jl_float_of(uint32_t bits) {
    return (jl_float_pun){.bits = bits}.value;
}

static inline bool jl_float_is_zero(float value) {
    return jl_float_bits(value) << 1 == 0;
}

/* Whether left < right; neither is NaN. Sign and magnitude order as integers do. */
static inline bool jl_float_less(float left, float right) {
    int32_t l = (int32_t)jl_float_bits(left), r = (int32_t)jl_float_bits(right);
    l = l < 0 ? -(int32_t)((uint32_t)l & ~JL_FLOAT_SIGN) : l;
    r = r < 0 ? -(int32_t)((uint32_t)r & ~JL_FLOAT_SIGN) : r;
    return l < r;
}

static inline float jl_float_clamp(jl_float_activation activation, float value) {
    uint32_t bits = jl_float_bits(value);
    uint32_t magnitude = bits & ~JL_FLOAT_SIGN;
    bool negative = (bits & JL_FLOAT_SIGN) != 0;
    switch (activation) {
    case JL_FLOAT_RELU:
        return negative ? 0.0f : value;
    case JL_FLOAT_RELU6:
        return negative ? 0.0f : magnitude > JL_FLOAT_SIX_BITS ? 6.0f : value;
    case JL_FLOAT_RELU_N1_TO_1:
        return magnitude <= JL_FLOAT_ONE_BITS ? value : negative ? -1.0f : 1.0f;
    case JL_FLOAT_NONE:
        break;
    }
    return value;
}

#endif
