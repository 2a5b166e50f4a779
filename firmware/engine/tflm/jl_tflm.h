/* TensorFlow Lite Micro's interpreter over the generated model array, for C. */
#ifndef JL_TFLM_H
#define JL_TFLM_H

#ifdef __cplusplus
extern "C" {
#endif

/* Make the interpreter and its tensors in the static arena. 0, or -1 when the arena is too small
 * or the model is not what jl_model_data.h says. Call once, before anything else here. */
int jl_tflm_prepare(void);

/* The input's and the output's values; NULL before a successful jl_tflm_prepare(). */
void *jl_tflm_input(void);
const void *jl_tflm_output(void);

/* Run the network once. 0 or -1. */
int jl_tflm_invoke(void);

#ifdef __cplusplus
}
#endif

#endif
