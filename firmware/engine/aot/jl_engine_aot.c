/* The ahead-of-time engine: jl_inference.h over the generated program jl_model.h, and jl_fallback.h
 * where the image has one. */
#include "jl_aot_config.h"
#include "jl_inference.h"
#include "jl_model.h"
#include "jl_protocol.h"

#if JL_AOT_FALLBACK
#include "jl_fallback.h"
_Static_assert(JL_FALLBACK_ELEMENT == JL_MODEL_ELEMENT, "they take the same codes");
_Static_assert(JL_FALLBACK_INPUTS == JL_MODEL_INPUTS, "the networks share the input buffer");
_Static_assert(JL_FALLBACK_OUTPUTS == JL_MODEL_OUTPUTS, "the networks share the output buffer");
#endif

/* Generated programs load and store words, to the end of the last one: codes in whole words. */
#define CODES_PER_WORD (4 / sizeof(JL_MODEL_CODE))
#define WHOLE_WORDS(n) (((n) + CODES_PER_WORD - 1) / CODES_PER_WORD * CODES_PER_WORD)
static _Alignas(4) JL_MODEL_CODE input[WHOLE_WORDS(JL_MODEL_INPUTS)];
static _Alignas(4) JL_MODEL_CODE output[WHOLE_WORDS(JL_MODEL_OUTPUTS)];

#if JL_AOT_FALLBACK
static int invoke_fallback(void) {
    jl_fallback_run(input, output);
    return 0;
}
#endif

static const jl_inference_info info = {
    .engine = JL_ENGINE_AOT,
    .input_element = JL_MODEL_ELEMENT,
    .output_element = JL_MODEL_ELEMENT,
    .n_inputs = JL_MODEL_INPUTS,
    .n_outputs = JL_MODEL_OUTPUTS,
    .model_sha256 = JL_MODEL_SHA256,
#if JL_AOT_FALLBACK
    .arena_bytes = JL_MODEL_ARENA_BYTES + JL_FALLBACK_ARENA_BYTES,
    .invoke_fallback = invoke_fallback,
    .fallback_sha256 = JL_FALLBACK_SHA256,
#else
    .arena_bytes = JL_MODEL_ARENA_BYTES,
#endif
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
