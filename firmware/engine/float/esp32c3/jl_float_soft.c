/* The ESP32-C3's single precision: it has no unit for it, so the compiler's own routines, which
 * round to nearest and know subnormal numbers, and an exponential over them. */
#include <stddef.h>

#include "jl_float.h"

static float add(float left, float right) {
    return left + right;
}

static float subtract(float left, float right) {
    return left - right;
}

static float multiply(float left, float right) {
    return left * right;
}

static float divide(float left, float right) {
    return left / right;
}

/* Beyond these the result is infinite, or no normal number: counted as 0. */
#define LARGEST 88.72283f
#define SMALLEST (-87.33655f)

/* ln 2 in two parts: the first has 11 trailing zeros, so that a whole multiple of it is exact. */
#define LN2_HIGH 0.693359375f
#define LN2_LOW (-2.12194440e-4f)
#define INVERSE_LN2 1.44269504f

/* 2^k as a float, of -126 <= k <= 127. */
static float power_of_2(int32_t k) {
    union {
        uint32_t bits;
        float value;
    } power = {.bits = (uint32_t)(k + 127) << 23};
    return power.value;
}

/* e^x = 2^k e^r with |r| at most ln 2 / 2, where the series' 8th power is below 1e-8 of the sum. */
static float exponential(float x) {
    if (x > LARGEST) {
        return __builtin_inff();
    }
    if (x < SMALLEST) {
        return 0.0f;
    }
    const float scaled = x * INVERSE_LN2;
    const int32_t k = (int32_t)(scaled < 0.0f ? scaled - 0.5f : scaled + 0.5f);
    const float whole = (float)k;
    const float r = x - whole * LN2_HIGH - whole * LN2_LOW;
    float series = 1.0f / 5040.0f;
    series = series * r + 1.0f / 720.0f;
    series = series * r + 1.0f / 120.0f;
    series = series * r + 1.0f / 24.0f;
    series = series * r + 1.0f / 6.0f;
    series = series * r + 0.5f;
    series = series * r * r + r;
    /* In two steps: 2^128 alone is no float. */
    const float half = power_of_2(k / 2);
    return (series + 1.0f) * half * power_of_2(k - k / 2);
}

static const jl_float_arithmetic arithmetic = {
    .add = add,
    .subtract = subtract,
    .multiply = multiply,
    .divide = divide,
    .exponential = exponential,
};

const jl_float_arithmetic *jl_float_find(void) {
    return &arithmetic;
}
