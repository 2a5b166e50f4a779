/* Frames in, replies out: order of checks, and the memory of the last reply. */
#include "jl_core.h"

#include <stdbool.h>
#include <string.h>

#include "jl_frame.h"
#include "jl_inference.h"
#include "jl_measure.h"
#include "jl_port.h"
#include "jl_requests.h"

static jl_frame_receiver receiver;
static jl_link_counters counters;

/* The last reply, kept in clear so that a repeated request is answered with the same bytes. */
static struct {
    uint8_t bytes[JL_FRAME_MAX_BYTES];
    uint16_t length; /* header and payload; 0: there is none */
    uint8_t request_type;
    uint16_t request_sequence;
    uint16_t request_length;
    uint32_t request_crc;
} last;

static void refuse(const jl_header *request, int code, uint32_t detail) {
    const jl_error_reply error = {
        .request_type = request->type,
        .code = (int8_t)code,
        .detail = detail,
    };
    memcpy(last.bytes + JL_HEADER_BYTES, &error, sizeof error);
    last.length = JL_HEADER_BYTES + sizeof error;
}

static int execute(const jl_header *header, const uint8_t *payload, uint16_t length,
                   uint16_t *reply_length, uint32_t *detail) {
    if (header->version != JL_PROTOCOL_VERSION) {
        *detail = header->version;
        return JL_ERR_VERSION;
    }
    const jl_request *request = jl_request_find(header->type);
    if (request == NULL) {
        *detail = header->type;
        return JL_ERR_TYPE;
    }
    bool fits = request->has_tail ? length >= request->fixed_bytes : length == request->fixed_bytes;
    if (header->length != length || !fits) {
        *detail = header->length;
        return JL_ERR_LENGTH;
    }
    return request->handle(payload, length, last.bytes + JL_HEADER_BYTES, reply_length, detail);
}

/* HELLO is always executed: its answer takes the place of the reply that is to be forgotten. */
static bool is_repetition(const jl_header *header) {
    return last.length != 0 && header->type != JL_TYPE_HELLO_REQUEST &&
           header->type == last.request_type && header->sequence == last.request_sequence &&
           receiver.length == last.request_length && receiver.crc == last.request_crc;
}

static void answer(void) {
    jl_header header;
    memcpy(&header, receiver.bytes, sizeof header);
    if (!is_repetition(&header)) {
        uint16_t length = (uint16_t)(receiver.length - JL_HEADER_BYTES);
        uint16_t reply_length = 0;
        uint32_t detail = 0;
        uint8_t type = (uint8_t)(header.type | JL_TYPE_REPLY);
        last.length = 0;
        int status =
            execute(&header, receiver.bytes + JL_HEADER_BYTES, length, &reply_length, &detail);
        if (status < 0) {
            refuse(&header, status, detail);
            type = JL_TYPE_ERROR_REPLY;
        } else {
            last.length = (uint16_t)(JL_HEADER_BYTES + reply_length);
        }
        const jl_header reply = {
            .version = JL_PROTOCOL_VERSION,
            .type = type,
            .sequence = header.sequence,
            .length = (uint16_t)(last.length - JL_HEADER_BYTES),
        };
        memcpy(last.bytes, &reply, sizeof reply);
        last.request_type = header.type;
        last.request_sequence = header.sequence;
        last.request_length = receiver.length;
        last.request_crc = receiver.crc;
    }
    jl_frame_send(last.bytes, last.length);
}

void jl_core_init(void) {
    /* Neither failure may keep the board silent: HELLO answers, and what needs the engine or the
     * clocks is refused with their code. */
    jl_requests_init(&counters, jl_inference_init());
    (void)jl_measure_init();
}

void jl_core_poll(void) {
    uint8_t chunk[64];
    size_t n;
    while ((n = jl_port_read(chunk, sizeof chunk)) > 0) {
        for (size_t i = 0; i < n; i++) {
            switch (jl_frame_push(&receiver, chunk[i])) {
            case JL_FRAME_READY:
                counters.frames_received++;
                answer();
                break;
            case JL_FRAME_REJECTED:
                counters.frames_rejected++;
                break;
            case JL_FRAME_PENDING:
                break;
            }
        }
    }
}
