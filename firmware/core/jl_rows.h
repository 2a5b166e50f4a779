/* How long rows of network values are on the line. */
#ifndef JL_ROWS_H
#define JL_ROWS_H

#include <stdint.h>

#include "jl_inference.h"
#include "jl_protocol.h"

static inline uint32_t jl_element_bytes(uint8_t element) {
    switch (element) {
    case JL_ELEMENT_FLOAT32:
        return sizeof(float);
    case JL_ELEMENT_INT16:
        return sizeof(int16_t);
    default:
        return sizeof(int8_t);
    }
}

static inline uint32_t jl_input_bytes(const jl_inference_info *network) {
    return network->n_inputs * jl_element_bytes(network->input_element);
}

static inline uint32_t jl_output_bytes(const jl_inference_info *network) {
    return network->n_outputs * jl_element_bytes(network->output_element);
}

/* A row of DECIDE and WINDOW: a mask byte, then the inputs. */
static inline uint32_t jl_decide_row_bytes(const jl_inference_info *network) {
    return 1u + jl_input_bytes(network);
}

#endif
