/* The requests' handlers: every length, count and mask is checked before anything runs. */
#include "jl_requests.h"

#include <stddef.h>
#include <string.h>

#include "jl_budget.h"
#include "jl_config.h"
#include "jl_decide.h"
#include "jl_inference.h"
#include "jl_meter.h"
#include "jl_port.h"
#include "jl_protocol.h"
#include "jl_rows.h"
#include "jl_window.h"

#define CYCLES_BYTES 4u

static const jl_link_counters *link_counters;
static int engine_state = JL_ERR_INFERENCE;

static const uint8_t image_sha256[32] = JL_IMAGE_SHA256;

static void put_cycles(uint8_t *to, uint32_t cycles) {
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(cycles >> (8 * i));
    }
}

/* count rows of row_bytes must be the whole tail, and their replies must fit. */
static int check_rows(uint32_t count, uint32_t row_bytes, uint32_t tail_bytes,
                      uint32_t reply_row_bytes, uint32_t *detail) {
    if (count * row_bytes != tail_bytes) {
        *detail = tail_bytes;
        return JL_ERR_LENGTH;
    }
    if (count == 0 || count > (JL_MAX_PAYLOAD_BYTES - sizeof(jl_decide_reply)) / reply_row_bytes) {
        *detail = count;
        return JL_ERR_COUNT;
    }
    return JL_OK;
}

static int check_masks(const uint8_t *rows, uint32_t count, uint32_t row_bytes, uint32_t *detail) {
    uint16_t n_outputs = jl_inference_describe()->n_outputs;
    if (n_outputs > JL_DECIDE_MAX_OUTPUTS) {
        *detail = n_outputs;
        return JL_ERR_ARGUMENT;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t mask = rows[i * row_bytes];
        if (!jl_decide_mask_allows(mask, n_outputs)) {
            *detail = mask;
            return JL_ERR_ARGUMENT;
        }
    }
    return JL_OK;
}

static int handle_hello(uint32_t link, const uint8_t *payload, uint16_t length, uint8_t *reply,
                        uint16_t *reply_length, uint32_t *detail) {
    (void)link;
    (void)payload;
    (void)length;
    (void)detail;
    const jl_inference_info *network = jl_inference_describe();
    jl_meter_reply meter;
    int meter_error;
    (void)jl_meter_find(&meter, &meter_error); /* none is a fact here, not a failure */
    const jl_port_fault *fault = jl_port_last_fault();
    jl_hello_reply hello = {
        .engine = network->engine,
        .meter = meter.kind,
        .reset_cause = jl_port_reset_cause(),
        .input_element = network->input_element,
        .output_element = network->output_element,
        .firmware = JL_FIRMWARE_VERSION,
        .board = JL_BOARD_NAME,
        .clock_hz = JL_CLOCK_HZ,
        .max_payload = JL_MAX_PAYLOAD_BYTES,
        .n_inputs = network->n_inputs,
        .n_outputs = network->n_outputs,
        .arena_bytes = network->arena_bytes,
        .fault_cause = fault->cause,
        .fault_pc = fault->pc,
        .fault_lr = fault->lr,
        .fault_status = fault->status,
    };
    jl_port_chip_id(hello.chip_id);
    memcpy(hello.image_sha256, image_sha256, sizeof hello.image_sha256);
    memcpy(hello.model_sha256, network->model_sha256, sizeof hello.model_sha256);
    memcpy(hello.fallback_sha256, network->fallback_sha256, sizeof hello.fallback_sha256);
    memcpy(reply, &hello, sizeof hello);
    *reply_length = sizeof hello;
    return JL_OK;
}

static int handle_infer(uint32_t link, const uint8_t *payload, uint16_t length, uint8_t *reply,
                        uint16_t *reply_length, uint32_t *detail) {
    (void)link;
    jl_infer_request request;
    memcpy(&request, payload, sizeof request);
    const jl_inference_info *network = jl_inference_describe();
    const uint32_t input_bytes = jl_input_bytes(network);
    const uint32_t output_bytes = jl_output_bytes(network);
    const uint32_t reply_row_bytes = CYCLES_BYTES + output_bytes;
    int status =
        check_rows(request.count, input_bytes, length - sizeof request, reply_row_bytes, detail);
    if (status != JL_OK) {
        return status;
    }
    if (engine_state < 0) {
        return JL_ERR_INFERENCE;
    }
    const jl_infer_reply header = {.count = request.count};
    memcpy(reply, &header, sizeof header);
    const uint8_t *row = payload + sizeof request;
    uint8_t *to = reply + sizeof header;
    for (uint32_t i = 0; i < request.count; i++) {
        uint32_t cycles = 0;
        status = jl_infer_measured(row, &cycles);
        if (status != JL_OK) {
            *detail = i;
            return status;
        }
        jl_port_watchdog_feed();
        put_cycles(to, cycles);
        memcpy(to + CYCLES_BYTES, jl_inference_output(), output_bytes);
        row += input_bytes;
        to += reply_row_bytes;
    }
    *reply_length = (uint16_t)(to - reply);
    return JL_OK;
}

static int handle_decide(uint32_t link, const uint8_t *payload, uint16_t length, uint8_t *reply,
                         uint16_t *reply_length, uint32_t *detail) {
    (void)link;
    jl_decide_request request;
    memcpy(&request, payload, sizeof request);
    const uint32_t row_bytes = jl_decide_row_bytes(jl_inference_describe());
    const uint32_t reply_row_bytes = 2u + CYCLES_BYTES;
    const uint8_t *rows = payload + sizeof request;
    int status =
        check_rows(request.count, row_bytes, length - sizeof request, reply_row_bytes, detail);
    if (status == JL_OK) {
        status = check_masks(rows, request.count, row_bytes, detail);
    }
    if (status != JL_OK) {
        return status;
    }
    jl_period period;
    status = jl_budget_enter(request.period, request.decided, request.count, &period);
    if (status != JL_OK) {
        *detail = request.decided;
        return status;
    }
    if (engine_state < 0) {
        return JL_ERR_INFERENCE;
    }
    const jl_decide_reply header = {.count = request.count};
    memcpy(reply, &header, sizeof header);
    uint8_t *to = reply + sizeof header;
    for (uint32_t i = 0; i < request.count; i++) {
        uint32_t cycles = 0;
        const uint8_t mode = jl_budget_mode(&period);
        status = jl_decide_measured(rows + i * row_bytes, mode, to, &cycles);
        if (status != JL_OK) {
            *detail = i;
            return status;
        }
        jl_port_watchdog_feed();
        jl_budget_spend(&period, cycles);
        to[1] = mode;
        put_cycles(to + 2, cycles);
        to += reply_row_bytes;
    }
    jl_budget_keep(&period);
    *reply_length = (uint16_t)(to - reply);
    return JL_OK;
}

/* What a window without decisions is made of, by its kind. */
static int check_plain_window(const jl_window_request *request, uint32_t tail_bytes,
                              uint32_t *detail) {
    if (tail_bytes != 0) {
        *detail = tail_bytes;
        return JL_ERR_LENGTH;
    }
    if (request->count != 0) {
        *detail = request->count;
        return JL_ERR_COUNT;
    }
    if (request->mode != JL_MODE_FULL) {
        *detail = request->mode;
        return JL_ERR_ARGUMENT;
    }
    const bool repeats =
        request->kind == JL_WINDOW_KIND_WAKE || request->kind == JL_WINDOW_KIND_LINK;
    const bool sleeps =
        request->kind == JL_WINDOW_KIND_SLEEP || request->kind == JL_WINDOW_KIND_WAKE;
    /* The time of all sleeps fits 32 bits, as that of one does. */
    const uint64_t most = request->kind == JL_WINDOW_KIND_LINK ? JL_WINDOW_MAX_LINK_BYTES
                          : repeats                            ? UINT32_MAX
                                                               : 0;
    const uint64_t total = request->kind == JL_WINDOW_KIND_WAKE
                               ? (uint64_t)request->iterations * request->duration_us
                               : request->iterations;
    if (total > most || (repeats && request->iterations == 0)) {
        *detail = request->iterations;
        return JL_ERR_ARGUMENT;
    }
    const bool timed = request->kind != JL_WINDOW_KIND_LINK;
    const uint32_t least_us = sleeps ? JL_WINDOW_MIN_SLEEP_US : 1u;
    if (timed ? request->duration_us < least_us : request->duration_us != 0) {
        *detail = request->duration_us;
        return JL_ERR_ARGUMENT;
    }
    return JL_OK;
}

static int check_inference_window(const jl_window_request *request, const uint8_t *rows,
                                  uint32_t tail_bytes, uint32_t *detail) {
    const uint32_t row_bytes = jl_decide_row_bytes(jl_inference_describe());
    int status = check_rows(request->count, row_bytes, tail_bytes, 1u, detail);
    if (status == JL_OK) {
        status = check_masks(rows, request->count, row_bytes, detail);
    }
    if (status != JL_OK) {
        return status;
    }
    /* A window without an inference has no energy per inference. */
    if (request->iterations == 0 || request->duration_us != 0) {
        *detail = request->duration_us;
        return JL_ERR_ARGUMENT;
    }
    if (!jl_decide_mode_exists(request->mode)) {
        *detail = request->mode;
        return request->mode == JL_MODE_FALLBACK ? JL_ERR_NO_FALLBACK : JL_ERR_ARGUMENT;
    }
    return engine_state < 0 ? JL_ERR_INFERENCE : JL_OK;
}

static int handle_window(uint32_t link, const uint8_t *payload, uint16_t length, uint8_t *reply,
                         uint16_t *reply_length, uint32_t *detail) {
    jl_window_request request;
    memcpy(&request, payload, sizeof request);
    const uint8_t *rows = payload + sizeof request;
    const uint32_t tail_bytes = length - sizeof request;
    if (request.kind > JL_WINDOW_KIND_LINK) {
        *detail = request.kind;
        return JL_ERR_ARGUMENT;
    }
    if (request.meter > JL_WINDOW_METER_HOST) {
        *detail = request.meter;
        return JL_ERR_ARGUMENT;
    }
    int status = request.kind == JL_WINDOW_KIND_INFERENCE
                     ? check_inference_window(&request, rows, tail_bytes, detail)
                     : check_plain_window(&request, tail_bytes, detail);
    if (status != JL_OK) {
        return status;
    }
    jl_window_reply window = {0};
    status = jl_window_run(&request, rows, link, &window, detail);
    if (status != JL_OK) {
        return status;
    }
    memcpy(reply, &window, sizeof window);
    *reply_length = sizeof window;
    return JL_OK;
}

static int handle_meter(uint32_t link, const uint8_t *payload, uint16_t length, uint8_t *reply,
                        uint16_t *reply_length, uint32_t *detail) {
    (void)link;
    (void)payload;
    (void)length;
    (void)detail;
    jl_meter_reply description;
    int status;
    if (jl_meter_find(&description, &status) == NULL) {
        return status;
    }
    memcpy(reply, &description, sizeof description);
    *reply_length = sizeof description;
    return JL_OK;
}

static int handle_status(uint32_t link, const uint8_t *payload, uint16_t length, uint8_t *reply,
                         uint16_t *reply_length, uint32_t *detail) {
    (void)link;
    (void)payload;
    (void)length;
    (void)detail;
    const jl_status_reply status = {
        .uptime_us = jl_port_micros(),
        .stack_bytes = jl_port_stack_bytes(),
        .stack_used_bytes = jl_port_stack_used_bytes(),
        .frames_received = link_counters->frames_received,
        .frames_rejected = link_counters->frames_rejected,
        .bytes_overrun = jl_port_bytes_overrun(),
    };
    memcpy(reply, &status, sizeof status);
    *reply_length = sizeof status;
    return JL_OK;
}

static int handle_budget(uint32_t link, const uint8_t *payload, uint16_t length, uint8_t *reply,
                         uint16_t *reply_length, uint32_t *detail) {
    (void)link;
    (void)length;
    (void)reply;
    (void)detail;
    jl_budget_request request;
    memcpy(&request, payload, sizeof request);
    *reply_length = JL_BUDGET_REPLY_BYTES;
    return jl_budget_set(&request);
}

static const jl_request requests[] = {
    {JL_TYPE_HELLO_REQUEST, false, JL_HELLO_REQUEST_BYTES, handle_hello},
    {JL_TYPE_INFER_REQUEST, true, JL_INFER_REQUEST_BYTES, handle_infer},
    {JL_TYPE_DECIDE_REQUEST, true, JL_DECIDE_REQUEST_BYTES, handle_decide},
    {JL_TYPE_WINDOW_REQUEST, true, JL_WINDOW_REQUEST_BYTES, handle_window},
    {JL_TYPE_METER_REQUEST, false, JL_METER_REQUEST_BYTES, handle_meter},
    {JL_TYPE_STATUS_REQUEST, false, JL_STATUS_REQUEST_BYTES, handle_status},
    {JL_TYPE_BUDGET_REQUEST, false, JL_BUDGET_REQUEST_BYTES, handle_budget},
};

const jl_request *jl_request_find(uint8_t type) {
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (requests[i].type == type) {
            return &requests[i];
        }
    }
    return NULL;
}

void jl_requests_init(const jl_link_counters *counters, int state) {
    link_counters = counters;
    engine_state = state;
}
