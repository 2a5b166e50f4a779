/* The ahead-of-time engine: jl_inference.h over the generated program jl_model.h. */
#include "jl_inference.h"
#include "jl_model.h"
#include "jl_protocol.h"

/* Generated programs may load words. */
static _Alignas(4) int8_t input[JL_MODEL_INPUTS];
static _Alignas(4) int8_t output[JL_MODEL_OUTPUTS];

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

int8_t *jl_inference_input(void) {
    return input;
}

const int8_t *jl_inference_output(void) {
    return output;
}

int jl_inference_invoke(void) {
    jl_model_run(input, output);
    return 0;
}
