/* The float engine: jl_inference.h over the generated program jl_model_float.h. */
#include <stddef.h>

#include "jl_float.h"
#include "jl_inference.h"
#include "jl_model_float.h"
#include "jl_protocol.h"

static float input[JL_MODEL_INPUTS];
static float output[JL_MODEL_OUTPUTS];
static const jl_float_arithmetic *chip;

static const jl_inference_info info = {
    .engine = JL_ENGINE_FLOAT,
    .input_element = JL_ELEMENT_FLOAT32,
    .output_element = JL_ELEMENT_FLOAT32,
    .n_inputs = JL_MODEL_INPUTS,
    .n_outputs = JL_MODEL_OUTPUTS,
    .arena_bytes = JL_MODEL_ARENA_BYTES,
    .model_sha256 = JL_MODEL_SHA256,
};

int jl_inference_init(void) {
    chip = jl_float_find();
    return chip == NULL ? JL_ERR_INFERENCE : JL_OK;
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
    jl_model_float_run(chip, input, output);
    return JL_OK;
}
