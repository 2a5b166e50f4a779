/* Frames in, replies out: order of checks, and the memory of the last replies of each link. */
#include "jl_core.h"

#include <stdbool.h>
#include <string.h>

#include "jl_frame.h"
#include "jl_inference.h"
#include "jl_measure.h"
#include "jl_port.h"
#include "jl_requests.h"

/* A reply, kept in clear so that a repeated request is answered with the same bytes. */
typedef struct {
    uint8_t bytes[JL_FRAME_MAX_BYTES];
    uint16_t length; /* header and payload; 0: there is none */
    uint8_t request_type;
    uint16_t request_sequence;
    uint16_t request_length;
    uint32_t request_crc;
} kept_reply;

/* Two hosts on two links do not see each other: each has its own half frame and its own last
 * replies. */
typedef struct {
    jl_frame_receiver receiver;
    kept_reply kept[JL_KEPT_REPLIES];
    uint32_t oldest;  /* of kept: the next one to be overwritten */
    uint16_t session; /* of the last HELLO; 0: there was none */
} link_state;

static link_state links[JL_PORT_LINKS];
static jl_link_counters counters;

static uint16_t put_refusal(uint8_t *bytes, const jl_header *request, int code, uint32_t detail) {
    const jl_error_reply error = {
        .request_type = request->type,
        .code = (int8_t)code,
        .detail = detail,
    };
    memcpy(bytes + JL_HEADER_BYTES, &error, sizeof error);
    return JL_HEADER_BYTES + sizeof error;
}

static void put_header(uint8_t *bytes, uint8_t type, const jl_header *request, uint16_t length) {
    const jl_header header = {
        .version = JL_PROTOCOL_VERSION,
        .type = type,
        .session = request->session,
        .sequence = request->sequence,
        .length = (uint16_t)(length - JL_HEADER_BYTES),
    };
    memcpy(bytes, &header, sizeof header);
}

static int execute(link_state *link, const jl_header *header, const uint8_t *payload,
                   uint16_t length, uint8_t *reply, uint16_t *reply_length, uint32_t *detail) {
    if (header->version != JL_PROTOCOL_VERSION) {
        *detail = header->version;
        return JL_ERR_VERSION;
    }
    const bool hello = header->type == JL_TYPE_HELLO_REQUEST;
    if (header->session == 0 || (!hello && header->session != link->session)) {
        *detail = header->session;
        return JL_ERR_SESSION;
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
    if (hello) {
        link->session = header->session;
    }
    return request->handle((uint32_t)(link - links), payload, length, reply, reply_length, detail);
}

/* The reply that was kept for the request that is in the receiver, or NULL. */
static kept_reply *find_kept(link_state *link, const jl_header *header) {
    for (uint32_t i = 0; i < JL_KEPT_REPLIES; i++) {
        kept_reply *kept = &link->kept[i];
        if (kept->length != 0 && header->type == kept->request_type &&
            header->sequence == kept->request_sequence &&
            link->receiver.length == kept->request_length &&
            link->receiver.crc == kept->request_crc) {
            return kept;
        }
    }
    return NULL;
}

static void forget(link_state *link) {
    for (uint32_t i = 0; i < JL_KEPT_REPLIES; i++) {
        link->kept[i].length = 0;
    }
}

/* What was computed on a stack that has run over must not get out. */
static void check_stack(void) {
    if (!jl_port_stack_intact()) {
        const jl_port_fault fault = {.cause = JL_FAULT_CAUSE_STACK};
        jl_port_fail(&fault);
    }
}

static void answer(uint32_t index) {
    link_state *link = &links[index];
    const jl_frame_receiver *receiver = &link->receiver;
    jl_header header;
    memcpy(&header, receiver->bytes, sizeof header);
    /* HELLO is always executed, and makes the board forget. */
    if (header.type == JL_TYPE_HELLO_REQUEST) {
        forget(link);
    }
    kept_reply *kept = find_kept(link, &header);
    if (kept != NULL) {
        jl_frame_send(index, kept->bytes, kept->length);
        return;
    }
    kept = &link->kept[link->oldest];
    const uint16_t length_before = kept->length;
    kept->length = 0;
    uint16_t length = (uint16_t)(receiver->length - JL_HEADER_BYTES);
    uint16_t reply_length = 0;
    uint32_t detail = 0;
    int status = execute(link, &header, receiver->bytes + JL_HEADER_BYTES, length,
                         kept->bytes + JL_HEADER_BYTES, &reply_length, &detail);
    check_stack();
    if (status == JL_ERR_PERIOD || status == JL_ERR_SESSION) {
        /* The request before it is missing; once that has come, this one is not refused any more,
         * so its refusal is not kept, nor does it take another reply's place. */
        uint8_t bytes[JL_HEADER_BYTES + sizeof(jl_error_reply) + JL_CRC_BYTES];
        length = put_refusal(bytes, &header, status, detail);
        put_header(bytes, JL_TYPE_ERROR_REPLY, &header, length);
        jl_frame_send(index, bytes, length);
        kept->length = length_before;
        return;
    }
    uint8_t type = (uint8_t)(header.type | JL_TYPE_REPLY);
    if (status < 0) {
        kept->length = put_refusal(kept->bytes, &header, status, detail);
        type = JL_TYPE_ERROR_REPLY;
    } else {
        kept->length = (uint16_t)(JL_HEADER_BYTES + reply_length);
    }
    put_header(kept->bytes, type, &header, kept->length);
    kept->request_type = header.type;
    kept->request_sequence = header.sequence;
    kept->request_length = receiver->length;
    kept->request_crc = receiver->crc;
    link->oldest = (link->oldest + 1u) % JL_KEPT_REPLIES;
    jl_frame_send(index, kept->bytes, kept->length);
}

void jl_core_init(void) {
    /* Neither failure may keep the board silent: HELLO answers, and what needs the engine or the
     * clocks is refused with their code. */
    jl_requests_init(&counters, jl_inference_init());
    (void)jl_measure_init();
}

/* One chunk of one link; false if nothing had come in. */
static bool poll_link(uint32_t index) {
    uint8_t chunk[64];
    const size_t n = jl_port_read(index, chunk, sizeof chunk);
    for (size_t i = 0; i < n; i++) {
        switch (jl_frame_push(&links[index].receiver, chunk[i])) {
        case JL_FRAME_READY:
            counters.frames_received++;
            answer(index);
            jl_port_watchdog_feed();
            break;
        case JL_FRAME_REJECTED:
            counters.frames_rejected++;
            break;
        case JL_FRAME_PENDING:
            break;
        }
    }
    return n > 0;
}

void jl_core_poll(void) {
    bool any;
    do {
        jl_port_watchdog_feed();
        any = false;
        /* In turn, so that a host that never pauses does not lock the other out. */
        for (uint32_t index = 0; index < JL_PORT_LINKS; index++) {
            any = poll_link(index) || any;
        }
    } while (any);
}
