/* What each request does. The link around it (framing, version, repetition) is jl_core.c's. */
#ifndef JL_REQUESTS_H
#define JL_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

/* Frames since reset, for STATUS. */
typedef struct {
    uint32_t frames_received;
    uint32_t frames_rejected;
} jl_link_counters;

typedef struct {
    uint8_t type;
    bool has_tail;
    uint16_t fixed_bytes;
    /* link is the one of jl_port.h that the request came on. The payload has at least fixed_bytes,
     * and exactly as many if there is no tail. Writes at most JL_MAX_PAYLOAD_BYTES to reply and
     * their number to *reply_length. A negative jl_error refuses the request, with the offending
     * value in *detail. */
    int (*handle)(uint32_t link, const uint8_t *payload, uint16_t length, uint8_t *reply,
                  uint16_t *reply_length, uint32_t *detail);
} jl_request;

/* The request of this type, or NULL. */
const jl_request *jl_request_find(uint8_t type);

/* counters are read for STATUS; engine_state is jl_inference_init()'s result. */
void jl_requests_init(const jl_link_counters *counters, int engine_state);

#endif
