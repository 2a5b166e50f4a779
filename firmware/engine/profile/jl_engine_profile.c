/* The ahead-of-time engine over a profiled program: behind the network's outputs, its output has
 * one reading of the cycle counter per mark, so that a profile needs no request of its own. */
#include "jl_inference.h"
#include "jl_model.h"
#include "jl_port.h"
#include "jl_profile.h"
#include "jl_protocol.h"

/* Generated programs load and store words, to the end of the last one. */
#define WHOLE_WORDS(n) (((n) + 3) / 4 * 4)
static _Alignas(4) int8_t input[WHOLE_WORDS(JL_MODEL_INPUTS)];
static struct {
    _Alignas(4) int8_t network[WHOLE_WORDS(JL_MODEL_OUTPUTS)];
    /* Cycles modulo 2^JL_PORT_CYCLE_BITS, little-endian as the core is; since the inference was
     * started by jl_measure(). */
    uint32_t readings[JL_MODEL_MARKS];
} output;

static const jl_inference_info info = {
    .engine = JL_ENGINE_AOT,
    .n_inputs = JL_MODEL_INPUTS,
    .n_outputs = sizeof output,
    .arena_bytes = JL_MODEL_ARENA_BYTES,
    .model_sha256 = JL_MODEL_SHA256,
};

void jl_profile_mark(uint32_t index) {
    output.readings[index] = jl_port_cycles_read();
}

int jl_inference_init(void) {
    return 0;
}

const jl_inference_info *jl_inference_describe(void) {
    return &info;
}

void *jl_inference_input(void) {
    return input;
}

const void *jl_inference_output(void) {
    return &output;
}

int jl_inference_invoke(void) {
    jl_model_run(input, output.network);
    return 0;
}
