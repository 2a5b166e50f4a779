/* The parts of jl_port.h that the fuzzer needs to hold in its hand; chip.c of the POSIX port is
 * linked beside it. Time is virtual, so that no window takes any, and a run can be repeated. */
#include "fuzz_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jl_config.h"
#include "jl_core.h"
#include "jl_frame.h"
#include "jl_port.h"

#define STEP_NS 700u /* how much time passes whenever somebody looks */

uint8_t fuzz_faults;
uint32_t fuzz_measurements;

static uint64_t now_ns = 1000000;
static uint64_t counter_start_ns;
static uint64_t wake_us;
static uint32_t waits_left;

static const uint8_t *incoming[JL_PORT_LINKS];
static size_t incoming_left[JL_PORT_LINKS];
static uint8_t sent[JL_PORT_LINKS][8 * (JL_FRAME_MAX_BYTES + 16)];
static size_t sent_length[JL_PORT_LINKS];
static bool unflushed[JL_PORT_LINKS];

_Noreturn void fuzz_fail(const char *what, long value) {
    (void)fprintf(stderr, "finding: %s (%ld)\n", what, value);
    abort();
}

void fuzz_feed(uint32_t link, const uint8_t *bytes, size_t length) {
    incoming[link] = bytes;
    incoming_left[link] = length;
    waits_left = 100000;
    jl_core_poll();
    FUZZ_CHECK(incoming_left[link] == 0, incoming_left[link]);
    FUZZ_CHECK(!unflushed[link], link);
}

const uint8_t *fuzz_sent(uint32_t link, size_t *length) {
    *length = sent_length[link];
    return sent[link];
}

void fuzz_clear(void) {
    memset(sent_length, 0, sizeof sent_length);
}

void jl_port_init(void) {
}

size_t jl_port_read(uint32_t link, uint8_t *bytes, size_t capacity) {
    FUZZ_CHECK(link < JL_PORT_LINKS, link);
    const size_t n = incoming_left[link] < capacity ? incoming_left[link] : capacity;
    if (n > 0) { /* the pointer is NULL before anything was fed */
        memcpy(bytes, incoming[link], n);
        incoming[link] += n;
        incoming_left[link] -= n;
    }
    return n;
}

void jl_port_write(uint32_t link, const uint8_t *bytes, size_t length) {
    FUZZ_CHECK(link < JL_PORT_LINKS, link);
    FUZZ_CHECK(length <= sizeof sent[link] - sent_length[link], length);
    memcpy(sent[link] + sent_length[link], bytes, length);
    sent_length[link] += length;
    unflushed[link] = true;
}

void jl_port_flush(uint32_t link) {
    unflushed[link] = false;
}

bool jl_port_drain(uint32_t link) {
    FUZZ_CHECK(!unflushed[link], link);
    return (fuzz_faults & FUZZ_LINE_BROKEN) == 0;
}

uint64_t jl_port_line_us(uint32_t link, uint32_t length) {
    FUZZ_CHECK(link < JL_PORT_LINKS, link);
    return length * UINT64_C(87);
}

uint32_t jl_port_bytes_overrun(void) {
    return 0;
}

static bool deep;

void jl_port_deep_sleep(bool on) {
    FUZZ_CHECK(on != deep, on);
    deep = on;
}

static void pass(void) {
    now_ns += (fuzz_faults & FUZZ_CLOCK_STANDS) != 0 ? 0 : STEP_NS;
}

void jl_port_wait(void) {
    /* A clock that stands would be waited for in vain; jl_window.c must have seen it before. */
    FUZZ_CHECK(waits_left-- > 0, wake_us);
    const uint64_t latest_ns = now_ns + JL_PORT_WAIT_MAX_US * UINT64_C(1000);
    const uint64_t wake_ns = wake_us * 1000u;
    now_ns = wake_ns > now_ns && wake_ns < latest_ns ? wake_ns : latest_ns;
}

uint64_t jl_port_micros(void) {
    pass();
    return now_ns / 1000u;
}

void jl_port_wake_at(uint64_t at_us) {
    wake_us = at_us;
}

void jl_port_cycles_start(void) {
    fuzz_measurements++;
    counter_start_ns = now_ns;
}

uint32_t jl_port_cycles_read(void) {
    pass();
    return (uint32_t)(now_ns - counter_start_ns) & ((1u << JL_PORT_CYCLE_BITS) - 1u);
}

uint32_t jl_port_quiet_begin(void) {
    return 0;
}

void jl_port_quiet_end(uint32_t before) {
    (void)before;
}

/* A meter's registers as far as its driver looks at them. */
static uint16_t meter_register(uint8_t at, uint16_t calibration) {
    const bool overflow = (fuzz_faults & FUZZ_METER_OVERFLOW) != 0;
    if ((fuzz_faults & FUZZ_METER_INA219) != 0) {
        const uint16_t values[] = {0x399f, 37, 1250u << 3 | 2u | overflow, 0, 0, calibration};
        return at < sizeof values / sizeof values[0] ? values[at] : 0;
    }
    if ((fuzz_faults & FUZZ_METER_INA226) != 0) {
        const uint16_t values[] = {0x4127, 150, 4000, 0, 0, calibration, 8u | overflow << 2};
        const uint16_t id = at == 0xfe ? 0x5449 : at == 0xff ? 0x2260 : 0;
        return at < sizeof values / sizeof values[0] ? values[at] : id;
    }
    return at == 0x02   ? calibration
           : at == 0x0b ? (overflow ? 1u << 11 : 1u)
           : at == 0x3e ? 0x5449
           : at == 0x3f ? 0x2281
                        : 0xfedc;
}

int jl_port_i2c(uint8_t address, const uint8_t *out, size_t out_length, uint8_t *in,
                size_t in_length) {
    static uint32_t noise = 1;
    static uint16_t calibration;
    FUZZ_CHECK(out_length <= JL_PORT_I2C_MAX_BYTES && in_length <= JL_PORT_I2C_MAX_BYTES,
               out_length);
    FUZZ_CHECK(!deep, address);
    if (address != JL_METER_ADDRESS || (fuzz_faults & FUZZ_BUS_DEAD) != 0) {
        return JL_PORT_I2C_NO_ANSWER;
    }
    if (out_length == 3) {
        const uint16_t written = (uint16_t)(out[1] << 8 | out[2]);
        calibration = out[0] == 0x02 || out[0] == 0x05       ? written
                      : out[0] == 0x00 && written == 0x8000u ? 0
                                                             : calibration;
    }
    const uint16_t value = out_length == 0 ? 0 : meter_register(out[0], calibration);
    for (size_t i = 0; i < in_length; i++) {
        noise = noise * 1664525u + 1013904223u;
        const bool noisy = (fuzz_faults & FUZZ_BUS_NOISE) != 0 && noise >> 29 == 0;
        in[i] = noisy ? (uint8_t)(noise >> 16) : (uint8_t)(value >> (8 * (1 - (i & 1))));
    }
    return 0;
}

bool jl_port_gate(bool high) {
    return high || (fuzz_faults & FUZZ_GATE_STUCK) == 0;
}

void jl_port_watchdog_feed(void) {
}
