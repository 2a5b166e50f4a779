/* Energy windows: what happens between a meter's start and stop. */
#ifndef JL_WINDOW_H
#define JL_WINDOW_H

#include <stdint.h>

#include "jl_protocol.h"

/* Bound one window. rows are request->count rows of { uint8 mask; input_t input[n_inputs] } whose
 * masks have been checked; the request's other fields have been checked as well. No period pays for
 * what is decided inside. JL_OK;
 * JL_ERR_NO_METER or JL_ERR_CLOCK before anything ran; JL_ERR_METER, JL_ERR_INFERENCE or
 * JL_ERR_CLOCK when what ran must not be published. *detail is the value that goes with it. */
int jl_window_run(const jl_window_request *request, const uint8_t *rows, jl_window_reply *reply,
                  uint32_t *detail);

#endif
