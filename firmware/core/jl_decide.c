/* Copy, invoke, choose. */
#include "jl_decide.h"

#include "jl_inference.h"
#include "jl_measure.h"
#include "jl_port.h"
#include "jl_protocol.h"

/* What decide_job() works on: jl_measure() calls functions without arguments. */
static struct {
    const uint8_t *row;
    uint8_t action;
} job;

bool jl_decide_mask_allows(uint8_t mask, uint16_t n_outputs) {
    uint32_t outputs = n_outputs < JL_DECIDE_MAX_OUTPUTS ? (1u << n_outputs) - 1u : 0xffu;
    return (mask & outputs) != 0;
}

/* The input is copied for every invocation: an engine may plan activations over it. */
JL_HOT static void copy_input(const uint8_t *input) {
    int8_t *to = jl_inference_input();
    /* Backwards, because a count that ends at zero saves a comparison in every turn. */
    for (uint32_t i = jl_inference_describe()->n_inputs; i > 0;) {
        i--;
        to[i] = (int8_t)input[i];
    }
}

JL_HOT static int invoke(void) {
    return jl_inference_invoke() < 0 ? JL_ERR_INFERENCE : JL_OK;
}

JL_HOT static int decide_job(void) {
    copy_input(job.row + 1);
    int status = invoke();
    if (status != JL_OK) {
        return status;
    }
    const int8_t *output = jl_inference_output();
    const uint32_t n = jl_inference_describe()->n_outputs;
    uint32_t mask = job.row[0];
    uint32_t choice = 0;
    int32_t best = INT32_MIN;
    for (uint32_t i = 0; i < n; i++, mask >>= 1) {
        if ((mask & 1u) != 0 && output[i] > best) {
            best = output[i];
            choice = i;
        }
    }
    job.action = (uint8_t)choice;
    return JL_OK;
}

JL_HOT int jl_decide(const uint8_t *row, uint8_t *action) {
    job.row = row;
    int status = decide_job();
    *action = job.action;
    return status;
}

int jl_decide_measured(const uint8_t *row, uint8_t *action, uint32_t *cycles) {
    job.row = row;
    int status = jl_measure(decide_job, cycles);
    *action = job.action;
    return status;
}

int jl_infer_measured(const uint8_t *input, uint32_t *cycles) {
    copy_input(input);
    int status = jl_measure(jl_inference_invoke, cycles);
    return status < 0 && status != JL_ERR_CLOCK ? JL_ERR_INFERENCE : status;
}
