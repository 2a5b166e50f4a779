/* The cycle counter, checked against and extended by the microsecond timer. */
#include "jl_measure.h"

#include <stdbool.h>

#include "jl_config.h"
#include "jl_port.h"
#include "jl_protocol.h"

#define CYCLES_PER_US (JL_CLOCK_HZ / 1000000u)

/* Both ends of an interval fall anywhere within a microsecond, and the two clocks are not read in
 * the same cycle: 3 us. Beyond that they come from one crystal and do not drift; 2^-22 leaves room
 * for a counter that is a cycle short at every wrap, as an emulated one may be. */
#define SLACK_CYCLES (3u * CYCLES_PER_US)
#define SLACK_SHIFT 22

typedef struct {
    uint32_t wrapped_cycles;
    uint64_t elapsed_us;
    int result;
} timed_call;

static uint32_t overhead_cycles;
static int clock_state = JL_ERR_CLOCK;

/* One code path for the empty function and for every other: what surrounds the call is the same to
 * the cycle, so the difference is exact. */
JL_HOT static void call_timed(int (*work)(void), timed_call *call) {
    uint32_t before = jl_port_quiet_begin();
    uint64_t start_us = jl_port_micros();
    jl_port_cycles_start();
    call->result = work();
    call->wrapped_cycles = jl_port_cycles_read();
    call->elapsed_us = jl_port_micros() - start_us;
    jl_port_quiet_end(before);
}

JL_HOT static int nothing(void) {
    return JL_OK;
}

int jl_measure_extend(uint32_t wrapped_cycles, uint64_t elapsed_us, uint64_t *cycles) {
    const uint64_t wrap = 1ull << JL_PORT_CYCLE_BITS;
    uint64_t expected = elapsed_us * CYCLES_PER_US;
    uint64_t total = wrapped_cycles;
    if (expected > total) {
        total += ((expected - total + wrap / 2) / wrap) * wrap;
    }
    uint64_t difference = total > expected ? total - expected : expected - total;
    /* A counter that stands gives 0, and a short stretch of that is within the slack. */
    if (total == 0 || difference > SLACK_CYCLES + (total >> SLACK_SHIFT)) {
        return JL_ERR_CLOCK;
    }
    *cycles = total;
    return JL_OK;
}

int jl_measure_init(void) {
    timed_call call;
    uint64_t cycles = 0;
    call_timed(nothing, &call);
    clock_state = jl_measure_extend(call.wrapped_cycles, call.elapsed_us, &cycles);
    /* Where equal stretches differ, taking one off another could leave less than nothing. */
    overhead_cycles = JL_CYCLES_EXACT ? (uint32_t)cycles : 0;
    return clock_state;
}

int jl_measure(int (*work)(void), uint32_t *cycles) {
    if (clock_state != JL_OK) {
        return clock_state;
    }
    timed_call call;
    call_timed(work, &call);
    if (call.result < 0) {
        return call.result;
    }
    uint64_t total = 0;
    int status = jl_measure_extend(call.wrapped_cycles, call.elapsed_us, &total);
    if (status != JL_OK) {
        return status;
    }
    if (total < overhead_cycles || total - overhead_cycles > UINT32_MAX) {
        return JL_ERR_CLOCK;
    }
    *cycles = (uint32_t)(total - overhead_cycles);
    return JL_OK;
}
