/* Layers of int16 activations, portable. */
#include "jl_fixed_point.h"
#include "jl_kernels.h"

static int16_t clamp(int32_t code, int32_t minimum, int32_t maximum) {
    code = code < minimum ? minimum : code;
    return (int16_t)(code > maximum ? maximum : code);
}

void jl_wide_dense_run(const jl_wide_dense *layer, const int16_t *input, int16_t *output) {
    const int8_t *weights = layer->weights;
    const uint16_t *factor = layer->factors;
    const uint8_t *shift = layer->shifts;

    for (uint16_t o = 0; o < layer->n_outputs; o++) {
        /* May wrap on its way; where it ends fits. */
        uint32_t sum = layer->bias[o];
        for (uint16_t i = 0; i < layer->n_inputs; i++) {
            sum += (uint32_t)(weights[i] * input[i]);
        }
        weights += layer->n_inputs;

        const int32_t scaled = jl_wide_scale((int32_t)sum, *factor, *shift);
        output[o] = clamp(scaled, layer->minimum, layer->maximum);

        factor += layer->per_channel;
        shift += layer->per_channel;
    }
}

void jl_wide_dense_run_64(const jl_wide_dense *layer, const int16_t *input, int16_t *output) {
    const int8_t *weights = layer->weights;
    const uint16_t *factor = layer->factors;
    const uint8_t *shift = layer->shifts;

    for (uint16_t o = 0; o < layer->n_outputs; o++) {
        uint32_t low = layer->bias[o];
        uint32_t high = (uint32_t)layer->bias_high[o];
        for (uint16_t i = 0; i < layer->n_inputs; i++) {
            const int32_t product = weights[i] * input[i];
            const uint32_t before = low;
            low += (uint32_t)product;
            high += (uint32_t)(product >> 31) + (low < before);
        }
        weights += layer->n_inputs;

        const int32_t scaled = jl_wide_scale_64(low, (int32_t)high, *factor, *shift);
        output[o] = clamp(scaled, layer->minimum, layer->maximum);

        factor += layer->per_channel;
        shift += layer->per_channel;
    }
}

void jl_rescale_run(const jl_rescale *layer, uint16_t n, const int16_t *input, int16_t *output) {
    for (uint16_t i = 0; i < n; i++) {
        const int32_t scaled = jl_scale(input[i], layer->multiplier, layer->shift);
        output[i] = clamp(scaled, layer->minimum, layer->maximum);
    }
}
