/* The dense layer: one multiplication and one addition of the chip's a weight. */
#include "jl_float.h"
#include "jl_float_bits.h"

/* Terms of an input that is 0 are left out: with a finite weight they are 0 too, and adding 0
 * changes nothing. Behind a RELU that is about every second one. */
static float dot(const jl_float_arithmetic *chip, const float *in, const float *weights,
                 uint32_t n) {
    float (*const add)(float, float) = chip->add;
    float (*const multiply)(float, float) = chip->multiply;
    const float *const end = in + n;
    float sum = 0.0f;
    while (in < end) {
        float value = *in++;
        float weight = *weights++;
        if (!jl_float_is_zero(value)) {
            sum = add(sum, multiply(value, weight));
        }
    }
    return sum;
}

void jl_float_dense_run(const jl_float_arithmetic *chip, const jl_float_dense *layer,
                        const float *in, float *out) {
    const float *row = layer->weights;
    for (uint32_t i = 0; i < layer->n_outputs; i++) {
        float sum = chip->add(dot(chip, in, row, layer->n_inputs), layer->bias[i]);
        out[i] = jl_float_clamp(layer->activation, sum);
        row += layer->n_inputs;
    }
}
