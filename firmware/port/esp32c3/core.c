/* What the core and its clocks are asked, in three functions that stand alone.
 *
 * An emulator of the instruction set need not have the system timer, the performance counter or a
 * waiting core; host/emulator/labwired_chip.py puts its own in the place of these three, and of
 * nothing else. */
#include "esp32c3.h"

__attribute__((noinline)) uint64_t esp32c3_ticks(void) {
    REG(SYSTIMER_UNIT0_OP) = SYSTIMER_OP_UPDATE;
    while ((REG(SYSTIMER_UNIT0_OP) & SYSTIMER_OP_VALID) == 0) {
    }
    /* No handler asks for the time, so both words are of one reading. */
    const uint32_t high = REG(SYSTIMER_UNIT0_VALUE_HI);
    return (uint64_t)high << 32 | REG(SYSTIMER_UNIT0_VALUE_LO);
}

/* mpccr (2.4): the standard's mcycle is not there. */
__attribute__((noinline)) uint32_t esp32c3_cycles(void) {
    uint32_t cycles;
    __asm volatile("csrr %0, 0x7e2" : "=r"(cycles));
    return cycles;
}

__attribute__((noinline)) void esp32c3_wait_for_interrupt(void) {
    __asm volatile("wfi" ::: "memory");
}
