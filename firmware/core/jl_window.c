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

JL_HOT static int decide_all(const jl_window_request *request, const uint8_t *rows) {
    const uint32_t row_bytes = jl_decide_row_bytes(jl_inference_describe());
    const uint8_t *row = rows;
    const uint32_t count = request->count;
    const uint8_t mode = request->mode;
    uint32_t at = 0;
    for (uint32_t left = request->iterations; left > 0; left--) {
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

int jl_window_run(const jl_window_request *request, const uint8_t *rows, jl_window_reply *reply,
                  uint32_t *detail) {
    jl_meter_reply description;
    int status;
    const jl_meter_driver *meter = jl_meter_find(&description, &status);
    if (meter == NULL) {
        return status;
    }
    status = check_clocks();
    if (status != JL_OK) {
        return status;
    }
    status = meter->start();
    if (status != JL_OK) {
        return status;
    }

    uint64_t start_us = jl_port_micros();
    jl_port_cycles_start();
    jl_port_gate(true);
    int work_status = JL_OK;
    if (request->kind == JL_WINDOW_KIND_INFERENCE) {
        work_status = decide_all(request, rows);
    } else {
        sleep_until(start_us + request->duration_us);
    }
    jl_port_gate(false);
    int stop_status = meter->stop();
    uint32_t wrapped_cycles = jl_port_cycles_read();
    uint64_t elapsed_us = jl_port_micros() - start_us;

    jl_meter_reading reading = {0};
    int read_status = meter->read(&reading);
    if (work_status != JL_OK) {
        return work_status;
    }
    if (stop_status != JL_OK || read_status != JL_OK) {
        *detail = reading.flags;
        return JL_ERR_METER;
    }
    /* The core's clock may be gated while it sleeps, so an idle window has no cycle count. */
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
    reply->energy = reading.energy;
    reply->charge = reading.charge;
    reply->covered_us = elapsed_us;
    reply->bus_voltage = reading.bus_voltage;
    reply->flags = reading.flags;
    return JL_OK;
}
