/* Microseconds, cycles, and sleeping until something happens. */
#include "jl_port.h"
#include "rp2040.h"

#define ALARM_WAKE 0u
/* Whatever else is armed, jl_port_wait() ends by this one. host/emulator/rp2040.py knows its
 * number: an emulated board that waits for nothing else waits for its host. */
#define ALARM_HEARTBEAT 1u

void rp2040_timers_init(void) {
    rp2040_unreset(RESET_TIMER);
    REG(TIMER_INTE) = 1u << ALARM_WAKE | 1u << ALARM_HEARTBEAT;
    REG(NVIC_ISER) = 1u << IRQ_TIMER_0 | 1u << IRQ_TIMER_1;
    /* SysTick: core clock, no interrupt, full 24 bits. */
    REG(SYST_RVR) = (1u << JL_PORT_CYCLE_BITS) - 1u;
    REG(SYST_CVR) = 0;
    REG(SYST_CSR) = 1u << 2 | 1u << 0;
}

JL_HOT uint64_t jl_port_micros(void) {
    uint32_t high = REG(TIMER_TIMERAWH);
    for (;;) {
        uint32_t low = REG(TIMER_TIMERAWL);
        uint32_t again = REG(TIMER_TIMERAWH);
        if (again == high) {
            return (uint64_t)high << 32 | low;
        }
        high = again; /* the low word wrapped between the two reads */
    }
}

/* Any write clears the counter; it reloads at the next clock (ARMv6-M, B3.3.5). */
JL_HOT void jl_port_cycles_start(void) {
    REG(SYST_CVR) = 0;
}

JL_HOT uint32_t jl_port_cycles_read(void) {
    return (0u - REG(SYST_CVR)) & ((1u << JL_PORT_CYCLE_BITS) - 1u);
}

JL_HOT uint32_t jl_port_quiet_begin(void) {
    uint32_t before;
    __asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(before)::"memory");
    return before;
}

JL_HOT void jl_port_quiet_end(uint32_t before) {
    __asm volatile("msr primask, %0" ::"r"(before) : "memory");
}

void jl_port_wake_at(uint64_t at_us) {
    REG(TIMER_ALARM(ALARM_WAKE)) = (uint32_t)at_us;
    if (jl_port_micros() >= at_us) {
        /* The alarm compares for equality: one that is past would come 2^32 us later (4.6.3). */
        REG(TIMER_ARMED) = 1u << ALARM_WAKE;
    }
}

void rp2040_wake_cancel(void) {
    REG(TIMER_ARMED) = 1u << ALARM_WAKE;
}

/* WFE rather than WFI: an exception's return sets the event register, so an interrupt between the
 * caller's last look and this instruction makes it fall through instead of being slept over. */
JL_HOT void jl_port_wait(void) {
    REG(TIMER_ALARM(ALARM_HEARTBEAT)) = REG(TIMER_TIMERAWL) + JL_PORT_WAIT_MAX_US;
    __asm volatile("dsb\n\twfe" ::: "memory");
}

JL_HOT void rp2040_alarm_interrupt(void) {
    REG(TIMER_INTR) = 1u << ALARM_WAKE;
}

JL_HOT void rp2040_heartbeat_interrupt(void) {
    REG(TIMER_INTR) = 1u << ALARM_HEARTBEAT;
}
