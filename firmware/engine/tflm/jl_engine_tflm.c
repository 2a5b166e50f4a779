/* The tflm engine: jl_inference.h over TensorFlow Lite Micro's interpreter. */
#include "jl_inference.h"
#include "jl_model_data.h"
#include "jl_protocol.h"
#include "jl_tflm.h"
#include "jl_tflm_config.h"

static const jl_inference_info info = {
    .engine = JL_ENGINE_TFLM,
    .input_element = JL_MODEL_TFLITE_INPUT_ELEMENT,
    .output_element = JL_MODEL_TFLITE_OUTPUT_ELEMENT,
    .n_inputs = JL_MODEL_TFLITE_INPUTS,
    .n_outputs = JL_MODEL_TFLITE_OUTPUTS,
    .arena_bytes = JL_TFLM_ARENA_BYTES,
    .model_sha256 = JL_MODEL_TFLITE_SHA256,
};

/* Found once: the interpreter looks its tensors up, which no inference should pay for. */
static void *input;
static const void *output;

int jl_inference_init(void) {
    if (jl_tflm_prepare() != 0) {
        return JL_ERR_INFERENCE;
    }
    input = jl_tflm_input();
    output = jl_tflm_output();
    return JL_OK;
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
    return jl_tflm_invoke() == 0 ? JL_OK : JL_ERR_INFERENCE;
}
