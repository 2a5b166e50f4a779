/* One clock behind both of jl_port.h's: nanoseconds of CLOCK_MONOTONIC.
 *
 * A process can be held up between any two instructions. Were the timer and the counter read apart,
 * they would then disagree although neither is wrong; so the counter starts at the timer's last
 * reading, and the timer, asked right after the counter, answers with the counter's. */
#include <time.h>

#include "jl_port.h"
#include "posix.h"

static uint64_t sample_ns;
static bool counted; /* the sample is the counter's, and the timer has not repeated it yet */
static uint64_t counter_start_ns;
static uint64_t wake_us; /* 0: nothing is armed */

static uint64_t now_ns(void) {
    static uint64_t start_ns;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (start_ns == 0) {
        start_ns = ns;
    }
    return ns - start_ns;
}

uint64_t jl_port_micros(void) {
    if (!counted) {
        sample_ns = now_ns();
    }
    counted = false;
    return sample_ns / 1000u;
}

void jl_port_cycles_start(void) {
    counter_start_ns = sample_ns;
}

uint32_t jl_port_cycles_read(void) {
    sample_ns = now_ns();
    counted = true;
    return (uint32_t)(sample_ns - counter_start_ns) & ((1u << JL_PORT_CYCLE_BITS) - 1u);
}

uint32_t jl_port_quiet_begin(void) {
    return 0;
}

void jl_port_quiet_end(uint32_t before) {
    (void)before;
}

void jl_port_wake_at(uint64_t at_us) {
    wake_us = at_us;
}

uint32_t posix_wait_us(void) {
    const uint64_t us = now_ns() / 1000u;
    uint64_t left_us = JL_PORT_WAIT_MAX_US;
    if (wake_us > us && wake_us - us < left_us) {
        left_us = wake_us - us;
    }
    return (uint32_t)left_us;
}
