/* The one interface to whatever computes the network (DESIGN.md, "The inference engines").
 *
 * One engine is linked into an image. The caller owns nothing: input and output buffers belong to
 * the engine, live for ever and are valid between two invocations.
 *
 * An engine may bring a second network, the fallback: a much cheaper one from the same inputs to
 * outputs of the same meaning, for when energy is short.
 */
#ifndef JL_INFERENCE_H
#define JL_INFERENCE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint8_t engine;           /* jl_engine of jl_protocol.h */
    uint8_t input_element;    /* jl_element of jl_protocol.h */
    uint8_t output_element;   /* jl_element of jl_protocol.h */
    uint16_t n_inputs;        /* values */
    uint16_t n_outputs;       /* values */
    uint32_t arena_bytes;     /* activation memory, planned at build time; of both networks */
    uint8_t model_sha256[32]; /* of the .tflite that the network came from */

    /* As jl_inference_invoke(), with the fallback, on the same input and output buffers. NULL:
     * there is none, and its SHA-256 is all zero. */
    int (*invoke_fallback)(void);
    uint8_t fallback_sha256[32];
} jl_inference_info;

/* Prepare the engine. 0 or a negative jl_error. Call once, before anything else here. */
int jl_inference_init(void);

/* What is linked in; constant. */
const jl_inference_info *jl_inference_describe(void);

/* Where the caller puts n_inputs values of input_element before jl_inference_invoke(); aligned for
 * that type. */
void *jl_inference_input(void);

/* Where n_outputs values of output_element are after jl_inference_invoke(); aligned likewise. */
const void *jl_inference_output(void);

/* Run the network once. 0 or a negative jl_error. */
int jl_inference_invoke(void);

#ifdef __cplusplus
}
#endif

#endif
