/* One decision: a network, then the best output that the mask allows. */
#ifndef JL_DECIDE_H
#define JL_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

/* Largest n_outputs that a mask byte can name. */
#define JL_DECIDE_MAX_OUTPUTS 8u

/* Whether the mask allows at least one of n_outputs outputs. */
bool jl_decide_mask_allows(uint8_t mask, uint16_t n_outputs);

/* Whether this is a jl_mode, and the image has its network. */
bool jl_decide_mode_exists(uint8_t mode);

/* Decide the row { uint8 mask; input_t input[n_inputs] } with the network of a mode: *action is the
 * index of the largest output whose mask bit is set, the lowest such index among equals. The row
 * must have passed jl_decide_mask_allows(), the mode jl_decide_mode_exists(). JL_OK, or
 * JL_ERR_INFERENCE, also when a float32 output is not a number. */
int jl_decide(const uint8_t *row, uint8_t mode, uint8_t *action);

/* The same, with the cycles of copying the input, the network and the choice. Also
 * JL_ERR_CLOCK, see jl_measure(). */
int jl_decide_measured(const uint8_t *row, uint8_t mode, uint8_t *action, uint32_t *cycles);

/* The image's own network alone on input_t input[n_inputs]; the outputs are at
 * jl_inference_output(), and the cycles are jl_inference_invoke()'s. JL_OK, JL_ERR_INFERENCE or
 * JL_ERR_CLOCK. */
int jl_infer_measured(const uint8_t *input, uint32_t *cycles);

#endif
