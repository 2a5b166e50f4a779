/* Layers of quantized networks: portable C11, freestanding, no heap, no floating point. Weights are
 * int8; activations are int8, or int16 where it says so.
 *
 * Generated programs (toolchain/compile) call these with constant parameter structs. All integers
 * are exact: every function gives the bits that TensorFlow Lite Micro's reference kernels give.
 * Inputs and outputs are owned by the caller. Nothing here is checked at run time; the compiler
 * has checked every bound below before it wrote the struct.
 */
#ifndef JL_KERNELS_H
#define JL_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* A dense layer: output[o] = clamp(output_zero_point + scaled(bias[o] + sum(weights[o][i] *
 * input[i]))). The input's zero point is already part of the bias. */
typedef struct {
    const int8_t *weights;      /* n_outputs rows of n_inputs */
    const int32_t *bias;        /* n_outputs, in accumulator units */
    const int32_t *multipliers; /* Q0.31, [2^30, 2^31) or 0; n_outputs when per channel, else 1 */
    const int8_t *shifts;       /* powers of two, [-31, 30]; as many as multipliers */
    uint16_t n_inputs;          /* values, 1..65535 */
    uint16_t n_outputs;         /* values, 1..65535 */
    uint8_t per_channel;        /* 1: one multiplier and shift per output; 0: one for all */
    int8_t output_zero_point;   /* code of real 0 */
    int8_t minimum;             /* lowest code, minimum <= maximum */
    int8_t maximum;             /* highest code */
} jl_dense;

/* input: n_inputs codes. output: n_outputs codes; must not overlap the input. */
void jl_dense_run(const jl_dense *layer, const int8_t *input, int8_t *output);

/* A softmax over rows, to scale 1/256 and zero point -128. */
typedef struct {
    const int32_t *exponentials; /* Q0.31: e^0, e^-step, ..., of values 0, 1, ... below the top */
    uint16_t n_exponentials;     /* 1..256; values further below count as 0 */
    uint16_t n_rows;             /* 1..65535 */
    uint16_t row_length;         /* values, 1..511 */
} jl_softmax;

/* input, output: n_rows * row_length codes; output may be the input. */
void jl_softmax_run(const jl_softmax *layer, const int8_t *input, int8_t *output);

/* output[i] = table[input[i] + 128], for n values; output may be the input. */
void jl_lookup_run(const int8_t table[256], uint16_t n, const int8_t *input, int8_t *output);

/* A dense layer of int16 activations, whose zero points are 0: output[o] = clamp((sum * factors[o]
 * + half) >> shifts[o]), where sum is bias[o] + sum(weights[o][i] * input[i]) and half is half of
 * what the shift takes off. */
typedef struct {
    const int8_t *weights; /* n_outputs rows of n_inputs */
    const uint32_t *bias; /* n_outputs, in accumulator units; lower words where sums have 64 bits */
    const int32_t *bias_high; /* upper words, where sums have 64 bits */
    const uint16_t *factors;  /* Q0.15, below 2^15; n_outputs when per channel, else 1 */
    const uint8_t *shifts;    /* 17..46, and from 8 where sums have 64 bits; as many as factors */
    uint16_t n_inputs;        /* values, 1..65535 */
    uint16_t n_outputs;       /* values, 1..65535 */
    int16_t minimum;          /* lowest code, minimum <= maximum */
    int16_t maximum;          /* highest code */
    uint8_t per_channel;      /* 1: one factor and shift per output; 0: one for all */
} jl_wide_dense;

/* input: n_inputs codes. output: n_outputs codes; must not overlap the input. The sum of every
 * output must fit 32 bits, or, in the other function, 48. */
void jl_wide_dense_run(const jl_wide_dense *layer, const int16_t *input, int16_t *output);
void jl_wide_dense_run_64(const jl_wide_dense *layer, const int16_t *input, int16_t *output);

/* output[i] = clamp(scaled(input[i])) of int16 codes. */
typedef struct {
    int32_t multiplier; /* Q0.31, [2^30, 2^31) or 0 */
    int8_t shift;       /* power of two, [-31, 30] */
    int16_t minimum;    /* lowest code, minimum <= maximum */
    int16_t maximum;    /* highest code */
} jl_rescale;

/* input, output: n codes; output may be the input. */
void jl_rescale_run(const jl_rescale *layer, uint16_t n, const int16_t *input, int16_t *output);

#endif
