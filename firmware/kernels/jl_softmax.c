/* Softmax in fixed point, portable. The exponentials come from a table that was computed with the
 * same fixed-point polynomial at compile time, so only their sum and its reciprocal are left. */
#include "jl_fixed_point.h"
#include "jl_kernels.h"

/* The sum of exponentials has 12 integer bits and 19 fractional ones. */
#define SUM_INTEGER_BITS 12

/* One copy of the multiplication instead of one per use: softmax is small work, once a network. */
__attribute__((noinline)) static int32_t multiply_high(int32_t a, int32_t b) {
    return jl_multiply_high(a, b);
}

/* Shift left, saturating; bits in [1, 30]. */
static int32_t shift_left_saturating(int32_t value, int bits) {
    const int32_t limit = (int32_t)((1u << (31 - bits)) - 1u);
    if (value > limit) {
        return INT32_MAX;
    }
    if (value < -limit) {
        return INT32_MIN;
    }
    return (int32_t)((uint32_t)value << bits);
}

static int leading_zeros(uint32_t value) {
    int count = 0;
    for (uint32_t bit = 0x80000000u; bit != 0 && (value & bit) == 0; bit >>= 1) {
        count++;
    }
    return count;
}

/* 1 / (1 + a) in Q0.31, a in [0, 1) in Q0.31: three Newton steps on half the denominator. The
 * estimate has two integer bits; 48/17 - 32/17 d is the best straight line to start from. */
static int32_t one_over_one_plus(int32_t a) {
    const int32_t half = (int32_t)(((uint32_t)a + 0x80000000u) >> 1);
    int32_t x = 1515870810 + multiply_high(half, -1010580540);
    for (int step = 0; step < 3; step++) {
        const int32_t rest = (1 << 29) - multiply_high(half, x);
        x += shift_left_saturating(multiply_high(x, rest), 2);
    }
    return shift_left_saturating(x, 1);
}

static void run_row(const jl_softmax *layer, const int8_t *input, int8_t *output) {
    int top = INT8_MIN;
    for (uint16_t i = 0; i < layer->row_length; i++) {
        top = input[i] > top ? input[i] : top;
    }

    int32_t sum = 0;
    for (uint16_t i = 0; i < layer->row_length; i++) {
        const int below = top - input[i];
        if (below < layer->n_exponentials) {
            sum += jl_divide_by_power_of_two(layer->exponentials[below], SUM_INTEGER_BITS);
        }
    }

    /* sum = 2^excess * (1 + a): the top value alone makes it at least 1. */
    const int headroom = leading_zeros((uint32_t)sum);
    const int excess = SUM_INTEGER_BITS - headroom;
    const int32_t reciprocal =
        one_over_one_plus((int32_t)(((uint32_t)sum << headroom) - 0x80000000u));

    for (uint16_t i = 0; i < layer->row_length; i++) {
        const int below = top - input[i];
        int32_t code = 0;
        if (below < layer->n_exponentials) {
            const int32_t ratio = multiply_high(reciprocal, layer->exponentials[below]);
            code = jl_divide_by_power_of_two(ratio, excess + 31 - 8);
        }
        code -= 128;
        output[i] = (int8_t)(code > INT8_MAX ? INT8_MAX : code);
    }
}

void jl_softmax_run(const jl_softmax *layer, const int8_t *input, int8_t *output) {
    for (uint16_t row = 0; row < layer->n_rows; row++) {
        const uint32_t start = (uint32_t)row * layer->row_length;
        run_row(layer, input + start, output + start);
    }
}
