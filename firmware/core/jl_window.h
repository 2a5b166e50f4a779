/* Energy windows: what happens between a meter's start and stop. */
#ifndef JL_WINDOW_H
#define JL_WINDOW_H

#include <stdint.h>

#include "jl_protocol.h"

/* A sleep is longer than what going there and coming back take. */
#define JL_WINDOW_MIN_SLEEP_US 1000u
/* 87 s on a line of 115,200 Bd. */
#define JL_WINDOW_MAX_LINK_BYTES 1000000u

/* Bound one window. rows are request->count rows of { uint8 mask; input_t input[n_inputs] } whose
 * masks have been checked; the request's other fields have been checked as well; link is the one of
 * jl_port.h that the request came on. No period pays for what is decided inside. JL_OK;
 * JL_ERR_NO_METER, JL_ERR_COVERAGE or JL_ERR_CLOCK before anything was bounded; JL_ERR_METER,
 * JL_ERR_COVERAGE, JL_ERR_INFERENCE, JL_ERR_LINE or JL_ERR_CLOCK when what ran must not be
 * published. *detail is the value that goes with it. */
int jl_window_run(const jl_window_request *request, const uint8_t *rows, uint32_t link,
                  jl_window_reply *reply, uint32_t *detail);

#endif
