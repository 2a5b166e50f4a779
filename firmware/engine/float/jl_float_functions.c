/* Layers that take each value, or each row, through a function. */
#include "jl_float.h"
#include "jl_float_bits.h"

/* Beyond these, LOGISTIC is 1 and TANH is 1 to the last bit; exp() stays in range within them. */
#define LOGISTIC_SATURATED 17.0f
#define LOGISTIC_VANISHED (-87.0f)
#define TANH_SATURATED 9.1f
/* exp(-87) is about the smallest normal number. */
#define EXP_VANISHED (-87.0f)

static float negated(float value) {
    return jl_float_of(jl_float_bits(value) ^ JL_FLOAT_SIGN);
}

void jl_float_activation_run(jl_float_activation activation, uint32_t n, const float *in,
                             float *out) {
    for (uint32_t i = 0; i < n; i++) {
        out[i] = jl_float_clamp(activation, in[i]);
    }
}

/* 1 / (1 + exp(-x)), or exp(x) where 1 + exp(x) is 1. */
static float logistic(const jl_float_arithmetic *chip, float x) {
    if (jl_float_less(LOGISTIC_SATURATED, x)) {
        return 1.0f;
    }
    if (jl_float_less(x, negated(LOGISTIC_SATURATED))) {
        return jl_float_less(x, LOGISTIC_VANISHED) ? 0.0f : chip->exponential(x);
    }
    return chip->divide(1.0f, chip->add(1.0f, chip->exponential(negated(x))));
}

void jl_float_logistic_run(const jl_float_arithmetic *chip, uint32_t n, const float *in,
                           float *out) {
    for (uint32_t i = 0; i < n; i++) {
        out[i] = logistic(chip, in[i]);
    }
}

/* (1 - exp(-2|x|)) / (1 + exp(-2|x|)) with the sign of x: an absolute, not a relative accuracy. */
static float hyperbolic_tangent(const jl_float_arithmetic *chip, float x) {
    float magnitude = jl_float_of(jl_float_bits(x) & ~JL_FLOAT_SIGN);
    float result = 1.0f;
    if (jl_float_less(magnitude, TANH_SATURATED)) {
        float e = chip->exponential(negated(chip->add(magnitude, magnitude)));
        result = chip->divide(chip->subtract(1.0f, e), chip->add(1.0f, e));
    }
    return jl_float_of(jl_float_bits(result) | (jl_float_bits(x) & JL_FLOAT_SIGN));
}

void jl_float_tanh_run(const jl_float_arithmetic *chip, uint32_t n, const float *in, float *out) {
    for (uint32_t i = 0; i < n; i++) {
        out[i] = hyperbolic_tangent(chip, in[i]);
    }
}

void jl_float_softmax_run(const jl_float_arithmetic *chip, uint32_t n_rows, uint32_t row_length,
                          float beta, const float *in, float *out) {
    for (uint32_t row = 0; row < n_rows; row++, in += row_length, out += row_length) {
        float largest = in[0];
        for (uint32_t i = 1; i < row_length; i++) {
            largest = jl_float_less(largest, in[i]) ? in[i] : largest;
        }
        float sum = 0.0f;
        for (uint32_t i = 0; i < row_length; i++) {
            float exponent = chip->multiply(chip->subtract(in[i], largest), beta);
            out[i] = jl_float_less(exponent, EXP_VANISHED) ? 0.0f : chip->exponential(exponent);
            sum = chip->add(sum, out[i]);
        }
        for (uint32_t i = 0; i < row_length; i++) {
            out[i] = chip->divide(out[i], sum);
        }
    }
}
