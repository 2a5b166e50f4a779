/* The ahead-of-time engine: jl_inference.h over the generated program jl_model.h. */
#include "jl_inference.h"
#include "jl_model.h"
#include "jl_protocol.h"

/* Generated programs load and store words, to the end of the last one. */
#define WHOLE_WORDS(n) (((n) + 3) / 4 * 4)
static _Alignas(4) int8_t input[WHOLE_WORDS(JL_MODEL_INPUTS)];
static _Alignas(4) int8_t output[WHOLE_WORDS(JL_MODEL_OUTPUTS)];

static const jl_inference_info info = {
    .engine = JL_ENGINE_AOT,
    .n_inputs = JL_MODEL_INPUTS,
    .n_outputs = JL_MODEL_OUTPUTS,
    .arena_bytes = JL_MODEL_ARENA_BYTES,
    .model_sha256 = JL_MODEL_SHA256,
};

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
    return output;
}

int jl_inference_invoke(void) {
    jl_model_run(input, output);
    return 0;
}
