/* The dense layer, portable. */
#include "jl_fixed_point.h"
#include "jl_kernels.h"

void jl_dense_run(const jl_dense *layer, const int8_t *input, int8_t *output) {
    const int8_t *weights = layer->weights;
    const int32_t *multiplier = layer->multipliers;
    const int8_t *shift = layer->shifts;

    for (uint16_t o = 0; o < layer->n_outputs; o++) {
        uint32_t sum = (uint32_t)layer->bias[o];
        for (uint16_t i = 0; i < layer->n_inputs; i++) {
            sum += (uint32_t)(weights[i] * input[i]);
        }
        weights += layer->n_inputs;

        const int32_t scaled = jl_scale((int32_t)sum, *multiplier, *shift);
        /* Added as unsigned values: a saturated product wraps, as it does in the reference. */
        int32_t code = (int32_t)((uint32_t)scaled + (uint32_t)layer->output_zero_point);
        code = code < layer->minimum ? layer->minimum : code;
        code = code > layer->maximum ? layer->maximum : code;
        output[o] = (int8_t)code;

        multiplier += layer->per_channel;
        shift += layer->per_channel;
    }
}
