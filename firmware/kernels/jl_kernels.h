/* Layers of INT8 networks: portable C11, freestanding, no heap, no floating point.
 *
 * Generated programs (toolchain/compile) call these with constant parameter structs. All integers
 * are exact: every function gives the bits that TensorFlow Lite Micro's reference kernels give.
 * Inputs and outputs are owned by the caller. Nothing here is checked at run time; the compiler
 * has checked every bound below before it wrote the struct.
 */
#ifndef JL_KERNELS_H
#define JL_KERNELS_H

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

#endif
