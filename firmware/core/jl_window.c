/* The window itself: nothing is on the meter's bus while it runs (DESIGN.md, "Energy"). */
#include "jl_window.h"

#include "jl_config.h"
#include "jl_decide.h"
#include "jl_inference.h"
#include "jl_measure.h"
#include "jl_meter.h"
#include "jl_port.h"
#include "jl_rows.h"

/* A stopped timer would never end an idle window, so both clocks prove themselves first. */
#define CLOCK_CHECK_US 10u
#define CLOCK_CHECK_CYCLES (CLOCK_CHECK_US * (JL_CLOCK_HZ / 1000000u))

static int check_clocks(void) {
    uint64_t start_us = jl_port_micros();
    uint32_t counted = 0;
    jl_port_cycles_start();
    /* Bounded by turns, not by either clock; a turn takes some cycles. */
    for (uint32_t turn = 0; turn < CLOCK_CHECK_CYCLES && counted < CLOCK_CHECK_CYCLES; turn++) {
        counted = jl_port_cycles_read();
    }
    uint64_t cycles = 0;
    uint64_t elapsed_us = jl_port_micros() - start_us;
    int status = jl_measure_extend(counted, elapsed_us, &cycles);
    return elapsed_us == 0 ? JL_ERR_CLOCK : status;
}

JL_HOT static int decide_all(const jl_window_request *request, const uint8_t *rows,
                             uint32_t iterations) {
    const uint32_t row_bytes = jl_decide_row_bytes(jl_inference_describe());
    const uint8_t *row = rows;
    const uint32_t count = request->count;
    const uint8_t mode = request->mode;
    uint32_t at = 0;
    for (uint32_t left = iterations; left > 0; left--) {
        uint8_t action;
        int status = jl_decide(row, mode, &action);
        if (status != JL_OK) {
            return status;
        }
        jl_port_watchdog_feed();
        row += row_bytes;
        if (++at == count) {
            at = 0;
            row = rows;
        }
    }
    return JL_OK;
}

static void sleep_until(uint64_t end_us) {
    for (;;) {
        /* Armed anew after every wake-up, and compared after arming (jl_port_wake_at). */
        jl_port_wake_at(end_us);
        if (jl_port_micros() >= end_us) {
            return;
        }
        jl_port_wait();
        jl_port_watchdog_feed();
    }
}

/* All that a window of the line sends: a host takes it for empty frames. */
static const uint8_t zeros[64];

static int send_all(uint32_t link, uint32_t length) {
    while (length > 0) {
        const uint32_t part = length < sizeof zeros ? length : (uint32_t)sizeof zeros;
        jl_port_write(link, zeros, part);
        jl_port_watchdog_feed();
        length -= part;
    }
    jl_port_flush(link);
    return jl_port_drain(link) ? JL_OK : JL_ERR_LINE;
}

static void wake_up(uint32_t times, uint32_t sleep_us) {
    for (uint32_t left = times; left > 0; left--) {
        jl_port_deep_sleep(true);
        sleep_until(jl_port_micros() + sleep_us);
        jl_port_deep_sleep(false);
    }
}

static int work(const jl_window_request *request, const uint8_t *rows, uint32_t link,
                uint64_t start_us) {
    switch (request->kind) {
    case JL_WINDOW_KIND_INFERENCE:
        return decide_all(request, rows, request->iterations);
    case JL_WINDOW_KIND_SLEEP:
        wake_up(1, request->duration_us);
        return JL_OK;
    case JL_WINDOW_KIND_WAKE:
        wake_up(request->iterations, request->duration_us);
        return JL_OK;
    case JL_WINDOW_KIND_LINK:
        return send_all(link, request->iterations);
    default:
        sleep_until(start_us + request->duration_us);
        return JL_OK;
    }
}

/* So many decisions may go before a window, to learn how long it will be; a power of 2, since the
 * core cannot divide. */
#define REHEARSED_ITERATIONS (1u << REHEARSED_SHIFT)
#define REHEARSED_SHIFT 4
/* Of what the rehearsal says an eighth is not counted on: the window's rows need not be alike. */
#define MARGIN_SHIFT 3

/* How long the window will last at the least, for a meter that must know it beforehand. */
static int expect(const jl_window_request *request, const uint8_t *rows, uint32_t link,
                  uint64_t *expected_us) {
    switch (request->kind) {
    case JL_WINDOW_KIND_INFERENCE: {
        const bool all = request->iterations < REHEARSED_ITERATIONS;
        const uint64_t start_us = jl_port_micros();
        const int status =
            decide_all(request, rows, all ? request->iterations : REHEARSED_ITERATIONS);
        uint64_t us = jl_port_micros() - start_us;
        us = all ? us : us * request->iterations >> REHEARSED_SHIFT;
        *expected_us = us - (us >> MARGIN_SHIFT);
        return status;
    }
    case JL_WINDOW_KIND_WAKE:
        *expected_us = (uint64_t)request->iterations * request->duration_us;
        return JL_OK;
    case JL_WINDOW_KIND_LINK:
        *expected_us = jl_port_line_us(link, request->iterations);
        return JL_OK;
    default:
        *expected_us = request->duration_us;
        return JL_OK;
    }
}

/* The board's meter, ready to begin; NULL where a meter on the host is the one that measures. */
static int find_meter(const jl_window_request *request, const uint8_t *rows, uint32_t link,
                      const jl_meter_driver **meter, uint64_t *expected_us) {
    jl_meter_reply description;
    int status = JL_OK;
    *meter = NULL;
    *expected_us = 0;
    if (request->meter == JL_WINDOW_METER_BOARD) {
        *meter = jl_meter_find(&description, &status);
    }
    if (status == JL_OK) {
        status = check_clocks();
    }
    if (status == JL_OK && *meter != NULL && (*meter)->converts_once) {
        status = expect(request, rows, link, expected_us);
    }
    return status;
}

static int read_meter(const jl_meter_driver *meter, int stop_status, uint64_t elapsed_us,
                      jl_meter_reading *reading, uint32_t *detail) {
    int status = meter->read(elapsed_us, reading);
    status = stop_status != JL_OK ? JL_ERR_METER : status;
    *detail = status == JL_ERR_COVERAGE ? (uint32_t)elapsed_us : reading->flags;
    return status;
}

int jl_window_run(const jl_window_request *request, const uint8_t *rows, uint32_t link,
                  jl_window_reply *reply, uint32_t *detail) {
    const jl_meter_driver *meter;
    uint64_t expected_us;
    int status = find_meter(request, rows, link, &meter, &expected_us);
    if (status == JL_OK && meter != NULL) {
        status = meter->start(expected_us);
        *detail = status == JL_ERR_COVERAGE ? (uint32_t)expected_us : 0;
    }
    if (status != JL_OK) {
        return status;
    }

    uint64_t start_us = jl_port_micros();
    jl_port_cycles_start();
    const bool rose = jl_port_gate(true);
    const int work_status = work(request, rows, link, start_us);
    const bool fell = jl_port_gate(false);
    const int stop_status = meter == NULL ? JL_OK : meter->stop();
    uint32_t wrapped_cycles = jl_port_cycles_read();
    uint64_t elapsed_us = jl_port_micros() - start_us;

    jl_meter_reading reading = {0};
    uint32_t meter_detail = 0;
    if (meter != NULL) {
        status = read_meter(meter, stop_status, elapsed_us, &reading, &meter_detail);
    }
    if (work_status != JL_OK) {
        return work_status;
    }
    if (status != JL_OK) {
        *detail = meter_detail;
        return status;
    }
    /* The core's clock may be gated while it sleeps, so no other window has a cycle count. */
    uint64_t cycles = 0;
    if (request->kind == JL_WINDOW_KIND_INFERENCE) {
        status = jl_measure_extend(wrapped_cycles, elapsed_us, &cycles);
        if (status != JL_OK) {
            return status;
        }
    }
    reply->iterations = request->iterations;
    reply->elapsed_us = elapsed_us;
    reply->cycles = cycles;
    reply->gate = (uint8_t)((rose ? 1u : 0u) | (fell ? 2u : 0u));
    reply->covered_us = reading.covered_us;
    reply->shunt_voltage = reading.shunt_voltage;
    reply->energy = reading.energy;
    reply->charge = reading.charge;
    reply->bus_voltage = reading.bus_voltage;
    reply->flags = reading.flags;
    return JL_OK;
}
