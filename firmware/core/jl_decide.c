/* Copy, invoke, choose. */
#include "jl_decide.h"

#include <stddef.h>

#include "jl_inference.h"
#include "jl_measure.h"
#include "jl_port.h"
#include "jl_protocol.h"
#include "jl_rows.h"

/* What decide_job() works on: jl_measure() calls functions without arguments. */
static struct {
    const uint8_t *row;
    int (*invoke)(void);
    uint8_t action;
} job;

bool jl_decide_mask_allows(uint8_t mask, uint16_t n_outputs) {
    uint32_t outputs = n_outputs < JL_DECIDE_MAX_OUTPUTS ? (1u << n_outputs) - 1u : 0xffu;
    return (mask & outputs) != 0;
}

bool jl_decide_mode_exists(uint8_t mode) {
    return mode == JL_MODE_FULL ||
           (mode == JL_MODE_FALLBACK && jl_inference_describe()->invoke_fallback != NULL);
}

/* The input is copied for every invocation: an engine may plan activations over it. Byte by byte,
 * because a row begins with its mask, so that wider values in it are not aligned. */
JL_HOT static void copy_input(const uint8_t *input) {
    uint8_t *to = jl_inference_input();
    /* Backwards, because a count that ends at zero saves a comparison in every turn. */
    for (uint32_t i = jl_input_bytes(jl_inference_describe()); i > 0;) {
        i--;
        to[i] = input[i];
    }
}

JL_HOT static uint8_t best_int8(const int8_t *output, uint32_t n, uint32_t mask) {
    uint32_t choice = 0;
    int32_t best = INT32_MIN;
    for (uint32_t i = 0; i < n; i++, mask >>= 1) {
        if ((mask & 1u) != 0 && output[i] > best) {
            best = output[i];
            choice = i;
        }
    }
    return (uint8_t)choice;
}

JL_HOT static uint8_t best_int16(const int16_t *output, uint32_t n, uint32_t mask) {
    uint32_t choice = 0;
    int32_t best = INT32_MIN;
    for (uint32_t i = 0; i < n; i++, mask >>= 1) {
        if ((mask & 1u) != 0 && output[i] > best) {
            best = output[i];
            choice = i;
        }
    }
    return (uint8_t)choice;
}

/* Sign and magnitude of IEEE 754 order as integers do, so no float arithmetic is needed; both
 * zeros are 0. */
JL_HOT static int best_float32(const uint32_t *output, uint32_t n, uint32_t mask, uint8_t *choice) {
    const uint32_t sign = 1u << 31, infinity = 0xffu << 23;
    int32_t best = INT32_MIN;
    for (uint32_t i = 0; i < n; i++, mask >>= 1) {
        uint32_t magnitude = output[i] & ~sign;
        if (magnitude > infinity) {
            return JL_ERR_INFERENCE;
        }
        int32_t value = (output[i] & sign) != 0 ? -(int32_t)magnitude : (int32_t)magnitude;
        if ((mask & 1u) != 0 && value > best) {
            best = value;
            *choice = (uint8_t)i;
        }
    }
    return JL_OK;
}

JL_HOT static int decide_job(void) {
    copy_input(job.row + 1);
    if (job.invoke() < 0) {
        return JL_ERR_INFERENCE;
    }
    const jl_inference_info *network = jl_inference_describe();
    const uint32_t n = network->n_outputs;
    const uint32_t mask = job.row[0];
    if (network->output_element == JL_ELEMENT_FLOAT32) {
        return best_float32(jl_inference_output(), n, mask, &job.action);
    }
    if (network->output_element == JL_ELEMENT_INT16) {
        job.action = best_int16(jl_inference_output(), n, mask);
        return JL_OK;
    }
    job.action = best_int8(jl_inference_output(), n, mask);
    return JL_OK;
}

JL_HOT static void take_job(const uint8_t *row, uint8_t mode) {
    job.row = row;
    job.invoke =
        mode == JL_MODE_FALLBACK ? jl_inference_describe()->invoke_fallback : jl_inference_invoke;
}

JL_HOT int jl_decide(const uint8_t *row, uint8_t mode, uint8_t *action) {
    take_job(row, mode);
    int status = decide_job();
    *action = job.action;
    return status;
}

int jl_decide_measured(const uint8_t *row, uint8_t mode, uint8_t *action, uint32_t *cycles) {
    take_job(row, mode);
    int status = jl_measure(decide_job, cycles);
    *action = job.action;
    return status;
}

int jl_infer_measured(const uint8_t *input, uint32_t *cycles) {
    copy_input(input);
    int status = jl_measure(jl_inference_invoke, cycles);
    return status < 0 && status != JL_ERR_CLOCK ? JL_ERR_INFERENCE : status;
}
