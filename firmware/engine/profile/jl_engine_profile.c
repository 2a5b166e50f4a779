/* The ahead-of-time engine over a profiled program: behind the network's outputs, its output has
 * one reading of the cycle counter per mark, so that a profile needs no request of its own. */
#include "jl_inference.h"
#include "jl_model.h"
#include "jl_port.h"
#include "jl_profile.h"
#include "jl_protocol.h"

/* Generated programs load and store words, to the end of the last one: codes in whole words. */
#define CODES_PER_WORD (4 / sizeof(JL_MODEL_CODE))
#define WHOLE_WORDS(n) (((n) + CODES_PER_WORD - 1) / CODES_PER_WORD * CODES_PER_WORD)
static _Alignas(4) JL_MODEL_CODE input[WHOLE_WORDS(JL_MODEL_INPUTS)];
static struct {
    _Alignas(4) JL_MODEL_CODE network[WHOLE_WORDS(JL_MODEL_OUTPUTS)];
    /* Cycles modulo 2^JL_PORT_CYCLE_BITS, little-endian as the core is; since the inference was
     * started by jl_measure(). */
    uint32_t readings[JL_MODEL_MARKS];
} output;

static const jl_inference_info info = {
    .engine = JL_ENGINE_AOT,
    .input_element = JL_MODEL_ELEMENT,
    .output_element = JL_ELEMENT_INT8, /* bytes: network values, then readings */
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
