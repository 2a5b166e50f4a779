/* Float32 layers over the chip's own arithmetic, in the reference's order of operations.
 *
 * Every sum starts at 0 and runs over the inputs in their order; the bias comes last, then the
 * clamp. With an addition and a multiplication that round to nearest, results are the reference's
 * bit for bit, but for subnormal numbers, which count as 0 here. All values must be finite.
 */
#ifndef JL_FLOAT_H
#define JL_FLOAT_H

#include <stdint.h>

/* The chip's arithmetic; every function rounds to nearest unless it says otherwise. */
typedef struct {
    float (*add)(float, float);
    float (*subtract)(float, float);
    float (*multiply)(float, float);
    float (*divide)(float, float);
    float (*exponential)(float); /* within 2 units in the last place */
} jl_float_arithmetic;

/* The chip's arithmetic, or NULL when this chip has none that is known. */
const jl_float_arithmetic *jl_float_find(void);

/* What a dense layer does to its sums: a clamp from below and one from above. */
typedef enum {
    JL_FLOAT_NONE,
    JL_FLOAT_RELU,         /* 0 and up */
    JL_FLOAT_RELU6,        /* 0 to 6 */
    JL_FLOAT_RELU_N1_TO_1, /* -1 to 1 */
} jl_float_activation;

/* A dense layer. weights: n_outputs rows of n_inputs. bias: n_outputs values. */
typedef struct {
    const float *weights;
    const float *bias;
    uint16_t n_inputs;
    uint16_t n_outputs;
    jl_float_activation activation;
} jl_float_dense;

/* out[i] = clamp(sum of in[j] * weights[i][j] over j + bias[i]). out must not overlap in. */
void jl_float_dense_run(const jl_float_arithmetic *chip, const jl_float_dense *layer,
                        const float *in, float *out);

/* Each of n values on its own; out may be in. */
void jl_float_activation_run(jl_float_activation activation, uint32_t n, const float *in,
                             float *out);
void jl_float_logistic_run(const jl_float_arithmetic *chip, uint32_t n, const float *in,
                           float *out);
void jl_float_tanh_run(const jl_float_arithmetic *chip, uint32_t n, const float *in, float *out);

/* SOFTMAX over each of n_rows rows; out may be in. */
void jl_float_softmax_run(const jl_float_arithmetic *chip, uint32_t n_rows, uint32_t row_length,
                          float beta, const float *in, float *out);

#endif
