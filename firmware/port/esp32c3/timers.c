/* Microseconds, cycles, and sleeping until something happens. */
#include "esp32c3.h"
#include "jl_port.h"

#define TARGET_WAKE 0u
/* Whatever else is armed, jl_port_wait() ends by this one. host/emulator/labwired_chip.py knows its
 * number: an emulated board that waits for nothing else waits for its host. */
#define TARGET_HEARTBEAT 1u

/* Performance counter of the core (2.4): which event, whether it counts. */
#define MPCER_CYCLES 1
#define MPCMR_COUNT 1

static uint32_t cycles_start;
static volatile bool interrupted; /* since jl_port_wait() last returned */

void esp32c3_timers_init(void) {
    esp32c3_start_peripheral(PERIP_SYSTIMER);
    REG(SYSTIMER_CONF) = SYSTIMER_CONF_CLOCK | SYSTIMER_CONF_UNIT0;
    REG(SYSTIMER_UNIT0_LOAD_HI) = 0;
    REG(SYSTIMER_UNIT0_LOAD_LO) = 0;
    REG(SYSTIMER_UNIT0_LOAD) = 1u;
    REG(SYSTIMER_TARGET_CONF(TARGET_WAKE)) = 0; /* unit 0, once */
    REG(SYSTIMER_TARGET_CONF(TARGET_HEARTBEAT)) = 0;
    REG(SYSTIMER_INT_ENA) = 1u << TARGET_WAKE | 1u << TARGET_HEARTBEAT;
    esp32c3_interrupt_connect(SOURCE_SYSTIMER(TARGET_WAKE), LINE_WAKE);
    esp32c3_interrupt_connect(SOURCE_SYSTIMER(TARGET_HEARTBEAT), LINE_HEARTBEAT);
    __asm volatile("csrwi 0x7e0, %0\n\tcsrwi 0x7e1, %1" ::"i"(MPCER_CYCLES), "i"(MPCMR_COUNT));
}

JL_HOT uint64_t jl_port_micros(void) {
    return esp32c3_ticks() / SYSTIMER_TICKS_PER_US;
}

JL_HOT void jl_port_cycles_start(void) {
    cycles_start = esp32c3_cycles();
}

JL_HOT uint32_t jl_port_cycles_read(void) {
    return (esp32c3_cycles() - cycles_start) & ((1u << JL_PORT_CYCLE_BITS) - 1u);
}

JL_HOT uint32_t jl_port_quiet_begin(void) {
    uint32_t before;
    __asm volatile("csrrci %0, mstatus, 8" : "=r"(before)::"memory");
    return before & 8u;
}

JL_HOT void jl_port_quiet_end(uint32_t before) {
    __asm volatile("csrs mstatus, %0" ::"r"(before) : "memory");
}

/* A target that is past matches at once (10.4.3), so a time that goes by meanwhile is not lost. */
static void arm(uint32_t target, uint64_t ticks) {
    REG(SYSTIMER_CONF) &= ~SYSTIMER_CONF_TARGET(target);
    REG(SYSTIMER_INT_CLR) = 1u << target;
    REG(SYSTIMER_TARGET_HI(target)) = (uint32_t)(ticks >> 32);
    REG(SYSTIMER_TARGET_LO(target)) = (uint32_t)ticks;
    REG(SYSTIMER_COMP_LOAD(target)) = 1u;
    REG(SYSTIMER_CONF) |= SYSTIMER_CONF_TARGET(target);
}

static void disarm(uint32_t target) {
    REG(SYSTIMER_CONF) &= ~SYSTIMER_CONF_TARGET(target);
    REG(SYSTIMER_INT_CLR) = 1u << target;
}

void jl_port_wake_at(uint64_t at_us) {
    const uint32_t before = jl_port_quiet_begin();
    if (jl_port_micros() < at_us) {
        arm(TARGET_WAKE, at_us * SYSTIMER_TICKS_PER_US);
    } else {
        disarm(TARGET_WAKE);
    }
    jl_port_quiet_end(before);
}

void esp32c3_wake_cancel(void) {
    const uint32_t before = jl_port_quiet_begin();
    disarm(TARGET_WAKE);
    jl_port_quiet_end(before);
}

/* WFI ends with an interrupt that is pending whether or not it may be taken (2.3.4), so looking and
 * going to sleep with interrupts held back never sleeps over one. */
JL_HOT void jl_port_wait(void) {
    uint32_t before = jl_port_quiet_begin();
    arm(TARGET_HEARTBEAT, esp32c3_ticks() + (uint64_t)JL_PORT_WAIT_MAX_US * SYSTIMER_TICKS_PER_US);
    while (!interrupted) {
        esp32c3_wait_for_interrupt();
        jl_port_quiet_end(before);
        before = jl_port_quiet_begin();
    }
    interrupted = false;
    jl_port_quiet_end(before);
}

JL_HOT void esp32c3_wake_interrupt(void) {
    disarm(TARGET_WAKE);
}

JL_HOT void esp32c3_heartbeat_interrupt(void) {
    disarm(TARGET_HEARTBEAT);
}

JL_HOT void esp32c3_end_wait(void) {
    interrupted = true;
}
