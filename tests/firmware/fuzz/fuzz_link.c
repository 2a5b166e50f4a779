/* One fuzzing input: what happens on the board's two lines, step by step.
 *
 * A step is an opcode and its arguments. Some put bytes on a line as they are, which tries the
 * parser; some put a whole frame with a right CRC around a payload, which gets behind it. Whatever
 * comes back is checked: whole frames only, one for each request, its sequence number repeated, and
 * the same bytes for a request that is repeated, with nothing executed for it. */
#include <stdlib.h>
#include <string.h>

#include "fuzz_port.h"
#include "jl_config.h"
#include "jl_core.h"
#include "jl_crc32.h"
#include "jl_decide.h"
#include "jl_frame.h"
#include "jl_inference.h"
#include "jl_port.h"
#include "jl_protocol.h"
#include "jl_rows.h"

#define MAX_ENCODED (JL_FRAME_MAX_BYTES + JL_FRAME_MAX_BYTES / 254 + 3)
#define MAX_STEPS 12

/* What only checks has no place that an input should be kept for. */
#if defined(__clang__)
#define UNCOUNTED __attribute__((no_sanitize("coverage")))
#else
#define UNCOUNTED __attribute__((no_sanitize_coverage))
#endif

enum {
    STEP_RAW,
    STEP_FRAME,
    STEP_ROWS,
    STEP_REPEAT,
    STEP_FAULTS,
    STEP_HELLO,
    STEP_SHORT,
    STEP_LONG,
    STEP_KINDS
};

/* The input that is left. */
static const uint8_t *data;
static size_t left;

static uint8_t take(void) {
    if (left == 0) {
        return 0;
    }
    left--;
    return *data++;
}

static uint32_t take_number(int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value |= (uint32_t)take() << (8 * i);
    }
    return value;
}

typedef struct {
    uint8_t bytes[JL_FRAME_MAX_BYTES];
    size_t length; /* header and payload */
} frame;

static frame request, reply;

/* The requests that the board must know again, and what it answered. */
static struct {
    frame request, reply;
} kept[JL_PORT_LINKS][JL_KEPT_REPLIES];
static uint32_t n_kept[JL_PORT_LINKS];

/* Of each line's last HELLO; 0 before the first. */
static uint16_t session_of[JL_PORT_LINKS];

static void forget(uint32_t link) {
    n_kept[link] = 0;
}

/* A frame is large, and mostly empty. */
static void copy(frame *to, const frame *from) {
    to->length = from->length;
    memcpy(to->bytes, from->bytes, from->length);
}

static void remember(uint32_t link, const frame *asked) {
    static uint32_t next[JL_PORT_LINKS];
    if (n_kept[link] == 0) {
        next[link] = 0;
    }
    copy(&kept[link][next[link]].request, asked);
    copy(&kept[link][next[link]].reply, &reply);
    next[link] = (next[link] + 1u) % JL_KEPT_REPLIES;
    n_kept[link] += n_kept[link] < JL_KEPT_REPLIES;
}

static const frame *reply_kept_for(uint32_t link, const frame *asked) {
    for (uint32_t i = 0; i < n_kept[link]; i++) {
        const frame *known = &kept[link][i].request;
        if (known->length == asked->length &&
            memcmp(known->bytes, asked->bytes, known->length) == 0) {
            return &kept[link][i].reply;
        }
    }
    return NULL;
}

static jl_header header_of(const frame *f) {
    jl_header header;
    memcpy(&header, f->bytes, sizeof header);
    return header;
}

UNCOUNTED static size_t encode(const frame *f, uint8_t *to) {
    uint8_t body[JL_FRAME_MAX_BYTES];
    size_t length = f->length;
    memcpy(body, f->bytes, length);
    const uint32_t crc = jl_crc32(body, length);
    for (int i = 0; i < 4; i++) {
        body[length++] = (uint8_t)(crc >> (8 * i));
    }
    size_t n = 1, code_at = 0;
    to[0] = 1;
    for (size_t i = 0; i < length; i++) {
        if (body[i] != 0) {
            to[n++] = body[i];
            to[code_at]++;
        }
        if (body[i] == 0 || to[code_at] == 0xff) {
            code_at = n;
            to[n++] = 1;
        }
    }
    to[n++] = 0;
    return n;
}

/* The one frame in some bytes, or the length 0 when there is none. */
UNCOUNTED static size_t decode(const uint8_t *bytes, size_t length, frame *to) {
    to->length = 0;
    if (length == 0) {
        return 0;
    }
    size_t at = 0;
    for (; at < length && bytes[at] != 0;) {
        const uint8_t code = bytes[at++];
        for (uint8_t i = 1; i < code; i++) {
            FUZZ_CHECK(at < length && bytes[at] != 0 && to->length < sizeof to->bytes, at);
            to->bytes[to->length++] = bytes[at++];
        }
        FUZZ_CHECK(at < length, at);
        if (code != 0xff && bytes[at] != 0) {
            FUZZ_CHECK(to->length < sizeof to->bytes, at);
            to->bytes[to->length++] = 0;
        }
    }
    FUZZ_CHECK(at < length && to->length >= JL_FRAME_MIN_BYTES, to->length);
    to->length -= JL_CRC_BYTES;
    uint32_t crc = 0;
    for (int i = 0; i < 4; i++) {
        crc |= (uint32_t)to->bytes[to->length + (size_t)i] << (8 * i);
    }
    FUZZ_CHECK(crc == jl_crc32(to->bytes, to->length), crc);
    const jl_header header = header_of(to);
    FUZZ_CHECK(header.version == JL_PROTOCOL_VERSION, header.version);
    FUZZ_CHECK(header.length == to->length - JL_HEADER_BYTES, header.length);
    return at + 1;
}

static void check_error(const frame *asked, const frame *got) {
    jl_error_reply error;
    FUZZ_CHECK(got->length == JL_HEADER_BYTES + sizeof error, got->length);
    memcpy(&error, got->bytes + JL_HEADER_BYTES, sizeof error);
    FUZZ_CHECK(error.request_type == header_of(asked).type, error.request_type);
    FUZZ_CHECK(error.code < 0 && error.code >= JL_ERR_LINE, error.code);
}

UNCOUNTED static void check_decisions(const frame *asked, const frame *got) {
    const jl_inference_info *network = jl_inference_describe();
    jl_decide_request rows;
    jl_decide_reply decisions;
    memcpy(&rows, asked->bytes + JL_HEADER_BYTES, sizeof rows);
    memcpy(&decisions, got->bytes + JL_HEADER_BYTES, sizeof decisions);
    FUZZ_CHECK(asked->length == JL_HEADER_BYTES + sizeof rows +
                                    (size_t)rows.count * jl_decide_row_bytes(network),
               asked->length);
    FUZZ_CHECK(decisions.count == rows.count, decisions.count);
    const uint8_t *row = asked->bytes + JL_HEADER_BYTES + sizeof rows;
    const uint8_t *decision = got->bytes + JL_HEADER_BYTES + sizeof decisions;
    FUZZ_CHECK(got->length == JL_HEADER_BYTES + sizeof decisions + 6u * rows.count, got->length);
    for (uint32_t i = 0; i < rows.count; i++) {
        FUZZ_CHECK(decision[0] < network->n_outputs, decision[0]);
        FUZZ_CHECK((row[0] >> decision[0] & 1) != 0, row[0]);
        FUZZ_CHECK(decision[1] <= JL_MODE_FALLBACK, decision[1]);
        row += jl_decide_row_bytes(network);
        decision += 6;
    }
}

UNCOUNTED static size_t count_zeros(const uint8_t *bytes, size_t length) {
    size_t n = 0;
    while (n < length && bytes[n] == 0) {
        n++;
    }
    return n;
}

/* The empty frames that may come before the reply to a window on the line. */
static size_t link_window_bytes(const frame *f) {
    jl_window_request window;
    if (header_of(f).type != JL_TYPE_WINDOW_REQUEST ||
        f->length < JL_HEADER_BYTES + sizeof window) {
        return 0;
    }
    memcpy(&window, f->bytes + JL_HEADER_BYTES, sizeof window);
    return window.kind == JL_WINDOW_KIND_LINK ? window.iterations : 0;
}

/* Send a frame and check what comes back for it. */
static void exchange(uint32_t link, const frame *f) {
    static uint8_t encoded[MAX_ENCODED];
    const size_t length = encode(f, encoded);
    fuzz_clear();
    fuzz_feed(link, encoded, length);
    size_t sent = 0;
    const uint8_t *bytes = fuzz_sent(link, &sent);
    const size_t zeros = count_zeros(bytes, sent);
    FUZZ_CHECK(zeros == 0 || zeros == link_window_bytes(f), zeros);
    bytes += zeros;
    sent -= zeros;
    FUZZ_CHECK(decode(bytes, sent, &reply) == sent && sent > 0, sent);
    const jl_header asked = header_of(f), got = header_of(&reply);
    FUZZ_CHECK(got.sequence == asked.sequence, got.sequence);
    FUZZ_CHECK(got.session == asked.session, got.session);
    if (got.type == JL_TYPE_ERROR_REPLY) {
        check_error(f, &reply);
    } else {
        FUZZ_CHECK(got.type == (asked.type | JL_TYPE_REPLY), got.type);
        if (asked.type == JL_TYPE_DECIDE_REQUEST) {
            check_decisions(f, &reply);
        }
    }
    fuzz_clear();
}

/* The code of the refusal that came, or JL_OK. */
static int refusal(void) {
    jl_error_reply error;
    memcpy(&error, reply.bytes + JL_HEADER_BYTES, sizeof error);
    return header_of(&reply).type == JL_TYPE_ERROR_REPLY ? error.code : JL_OK;
}

/* Whoever did not say HELLO is told nothing, and nothing is executed for them. */
static bool is_stranger(uint32_t link, const jl_header *header) {
    const bool hello = header->type == JL_TYPE_HELLO_REQUEST;
    return header->version == JL_PROTOCOL_VERSION &&
           (header->session == 0 || (!hello && header->session != session_of[link]));
}

static void ask(uint32_t link, frame *f) {
    const jl_header header = header_of(f);
    if (header.type == JL_TYPE_WINDOW_REQUEST &&
        f->length >= JL_HEADER_BYTES + sizeof(jl_window_request)) {
        /* Nothing is wrong with a long window but the time that it takes. */
        jl_window_request window;
        memcpy(&window, f->bytes + JL_HEADER_BYTES, sizeof window);
        window.iterations &= 63u;
        memcpy(f->bytes + JL_HEADER_BYTES, &window, sizeof window);
    }
    if (header.type == JL_TYPE_HELLO_REQUEST) {
        forget(link);
    }
    const frame *before = reply_kept_for(link, f);
    const uint32_t measured = fuzz_measurements;
    exchange(link, f);
    if (before != NULL) {
        FUZZ_CHECK(reply.length == before->length, reply.length);
        FUZZ_CHECK(memcmp(reply.bytes, before->bytes, reply.length) == 0, reply.length);
        FUZZ_CHECK(fuzz_measurements == measured, fuzz_measurements - measured);
    } else if (refusal() != JL_ERR_PERIOD && refusal() != JL_ERR_SESSION) {
        remember(link, f);
    }
    FUZZ_CHECK((refusal() == JL_ERR_SESSION) == is_stranger(link, &header), header.session);
    FUZZ_CHECK(refusal() != JL_ERR_SESSION || fuzz_measurements == measured, fuzz_measurements);
    if (header.type == JL_TYPE_HELLO_REQUEST && refusal() == JL_OK) {
        session_of[link] = header.session;
    }
}

static void put_header(frame *f, uint8_t version, uint8_t type, uint16_t session, uint16_t sequence,
                       uint16_t wrong) {
    const jl_header header = {
        .version = version,
        .type = type,
        .session = session,
        .sequence = sequence,
        .length = (uint16_t)(f->length - JL_HEADER_BYTES + wrong),
    };
    memcpy(f->bytes, &header, sizeof header);
}

/* A frame of any type, with bytes of the input as its payload. */
static void step_frame(uint32_t link, uint8_t flags) {
    const uint8_t type = (flags & 1) != 0 ? take() : (uint8_t)(take() % 8u);
    const uint16_t sequence = (uint16_t)take_number(2);
    const uint8_t version = (flags & 2) != 0 ? take() : JL_PROTOCOL_VERSION;
    const uint16_t wrong = (flags & 4) != 0 ? (uint16_t)take_number(2) : 0;
    const uint16_t session = (flags & 0x18) == 0x18 ? take() % 4u : session_of[link];
    const size_t length = (flags & 8) != 0 ? take_number(2) % (JL_MAX_PAYLOAD_BYTES + 1u) : take();
    request.length = JL_HEADER_BYTES;
    for (size_t i = 0; i < length; i++) {
        request.bytes[request.length++] = take();
    }
    put_header(&request, version, type, session, sequence, wrong);
    ask(link, &request);
}

/* INFER, DECIDE or WINDOW with rows that fit the network: what is inside them is the input's. */
static void step_rows(uint32_t link, uint8_t flags) {
    const jl_inference_info *network = jl_inference_describe();
    const uint16_t sequence = (uint16_t)take_number(2);
    const uint32_t row_bytes =
        flags % 3u == 0 ? jl_input_bytes(network) : jl_decide_row_bytes(network);
    const uint16_t count = (uint16_t)(take() % 80u + ((flags & 16) != 0 ? take() : 0));
    uint8_t *payload = request.bytes + JL_HEADER_BYTES;
    uint8_t type;
    size_t fixed;
    if (flags % 3u == 0) {
        const jl_infer_request infer = {.count = count};
        type = JL_TYPE_INFER_REQUEST;
        memcpy(payload, &infer, fixed = sizeof infer);
    } else if (flags % 3u == 1) {
        const jl_decide_request decide = {.count = count, .period = take() % 4u, .decided = take()};
        type = JL_TYPE_DECIDE_REQUEST;
        memcpy(payload, &decide, fixed = sizeof decide);
    } else {
        static const uint8_t plain[] = {JL_WINDOW_KIND_IDLE, JL_WINDOW_KIND_SLEEP,
                                        JL_WINDOW_KIND_WAKE, JL_WINDOW_KIND_LINK};
        const bool decides = (flags & 32) == 0;
        const uint8_t kind = decides ? JL_WINDOW_KIND_INFERENCE : plain[take() % 4u];
        const bool repeats = kind == JL_WINDOW_KIND_WAKE || kind == JL_WINDOW_KIND_LINK;
        const jl_window_request window = {
            .kind = kind,
            .mode = take() % 3u,
            .meter = (flags & 64) != 0 ? JL_WINDOW_METER_HOST : JL_WINDOW_METER_BOARD,
            .iterations = decides || repeats ? take() : 0,
            .duration_us = decides || kind == JL_WINDOW_KIND_LINK ? 0 : take_number(4),
            .count = decides ? count : 0,
        };
        type = JL_TYPE_WINDOW_REQUEST;
        memcpy(payload, &window, fixed = sizeof window);
    }
    size_t tail = (type == JL_TYPE_WINDOW_REQUEST && (flags & 32) != 0) ? 0 : count * row_bytes;
    tail = tail < JL_MAX_PAYLOAD_BYTES - fixed ? tail : JL_MAX_PAYLOAD_BYTES - fixed;
    for (size_t i = 0; i < tail; i++) {
        payload[fixed + i] = take();
        if (type != JL_TYPE_INFER_REQUEST && i % row_bytes == 0 && (flags & 64) == 0) {
            payload[fixed + i] |= 1; /* a mask that allows something */
        }
    }
    request.length = JL_HEADER_BYTES + fixed + tail;
    put_header(&request, JL_PROTOCOL_VERSION, type, session_of[link], sequence, 0);
    ask(link, &request);
}

/* Bytes as they are: the line may hold half a frame afterwards, and any number of replies come. */
static void step_raw(uint32_t link) {
    uint8_t bytes[256];
    const size_t length = take();
    for (size_t i = 0; i < length; i++) {
        bytes[i] = take();
    }
    fuzz_clear();
    fuzz_feed(link, bytes, length);
    static const uint8_t delimiter = 0;
    fuzz_feed(link, &delimiter, 1);
    size_t sent = 0;
    const uint8_t *at = fuzz_sent(link, &sent);
    while (sent > 0) {
        const size_t zeros = count_zeros(at, sent); /* of a window on the line */
        at += zeros;
        sent -= zeros;
        const size_t n = decode(at, sent, &reply);
        at += n;
        sent -= n;
        forget(link); /* something was asked that is not known here */
        if (header_of(&reply).type == (JL_TYPE_HELLO_REQUEST | JL_TYPE_REPLY)) {
            session_of[link] = header_of(&reply).session;
        }
    }
    fuzz_clear();
}

/* A body with a right CRC that is too short to be a frame, and one that is too long: no reply. */
static void step_short(uint32_t link) {
    static uint8_t encoded[MAX_ENCODED];
    request.length = take() % JL_HEADER_BYTES;
    for (size_t i = 0; i < request.length; i++) {
        request.bytes[i] = take();
    }
    fuzz_clear();
    fuzz_feed(link, encoded, encode(&request, encoded));
    size_t sent = 0;
    (void)fuzz_sent(link, &sent);
    FUZZ_CHECK(sent == 0, sent);
}

static void step_long(uint32_t link) {
    static uint8_t bytes[2 * JL_FRAME_MAX_BYTES];
    const size_t length = JL_FRAME_MAX_BYTES - 64u + take();
    const uint8_t fill = (uint8_t)(take() | 1u);
    memset(bytes, fill, length);
    bytes[length] = 0;
    fuzz_clear();
    fuzz_feed(link, bytes, length + 1u);
    size_t sent = 0;
    (void)fuzz_sent(link, &sent);
    FUZZ_CHECK(sent == 0, sent);
}

static void step_hello(uint32_t link) {
    request.length = JL_HEADER_BYTES;
    const uint16_t sequence = take();
    put_header(&request, JL_PROTOCOL_VERSION, JL_TYPE_HELLO_REQUEST, 1u + sequence % 3u, sequence,
               0);
    ask(link, &request);
    if (header_of(&reply).type != JL_TYPE_ERROR_REPLY) {
        FUZZ_CHECK(reply.length == JL_HEADER_BYTES + sizeof(jl_hello_reply), reply.length);
    }
}

static void begin(void) {
    static bool started;
    fuzz_faults = 0;
    if (!started) {
        started = true;
        jl_core_init();
    }
    /* What an input before this one has left must not show in this one. */
    for (uint32_t link = 0; link < JL_PORT_LINKS; link++) {
        static const uint8_t delimiter = 0;
        fuzz_feed(link, &delimiter, 1);
        left = 0;
        step_hello(link);
        const jl_budget_request budget = {.energy_fj = UINT64_MAX, .fj_per_cycle = 1};
        memcpy(request.bytes + JL_HEADER_BYTES, &budget, sizeof budget);
        request.length = JL_HEADER_BYTES + sizeof budget;
        put_header(&request, JL_PROTOCOL_VERSION, JL_TYPE_BUDGET_REQUEST, session_of[link], 1, 0);
        ask(link, &request);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length) {
    begin();
    data = input;
    left = length;
    for (int step = 0; step < MAX_STEPS && left > 0; step++) {
        const uint8_t code = take();
        const uint32_t link = code >> 7;
        const uint8_t kind = code % STEP_KINDS;
        switch (kind) {
        case STEP_RAW:
            step_raw(link);
            break;
        case STEP_FRAME:
            step_frame(link, take());
            break;
        case STEP_ROWS:
            step_rows(link, take());
            break;
        case STEP_REPEAT:
            if (n_kept[link] > 0) {
                copy(&request, &kept[link][take() % n_kept[link]].request);
                ask(link, &request);
            }
            break;
        case STEP_SHORT:
            step_short(link);
            break;
        case STEP_LONG:
            step_long(link);
            break;
        case STEP_FAULTS:
            fuzz_faults = take();
            break;
        default:
            step_hello(link);
            break;
        }
    }
    return 0;
}
