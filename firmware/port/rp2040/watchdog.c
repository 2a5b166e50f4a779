/* Why the board started, the watchdog that starts it anew, and what a fault leaves for the next
 * start.
 *
 * The record lies in the watchdog's scratch registers 0 to 3: they survive its reset and no other,
 * so a record is never older than the reset before this start. The boot ROM uses 4 to 7 (2.8.1.1).
 */
#include "jl_port.h"
#include "jl_protocol.h"
#include "rp2040.h"

/* Counts down twice per tick (erratum RP2040-E1), from at most 24 bits: 8.3 s. */
#define WATCHDOG_TIMEOUT_US JL_PORT_WATCHDOG_MIN_US
#define WATCHDOG_COUNT (2u * WATCHDOG_TIMEOUT_US)
_Static_assert(WATCHDOG_COUNT < 1u << 24, "watchdog counter");
_Static_assert(JL_PORT_WAIT_MAX_US <= WATCHDOG_TIMEOUT_US / 2u, "sleeps longer than it may");

#define RECORD_MAGIC 0xfa170000u
#define RECORD_MAGIC_MASK 0xffff0000u
#define HARD_FAULT 3u /* exception number, ARMv6-M B1.5.2 */

extern uint32_t jl_stack_low[], jl_stack_high[]; /* memory.ld.in */

/* What the core pushes when it takes an exception (ARMv6-M B1.5.6). */
typedef struct {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
} exception_frame;

static jl_port_fault last_fault;
static uint8_t reset_cause;

static uint8_t read_reset_cause(void) {
    uint32_t watchdog = REG(WATCHDOG_REASON);
    uint32_t chip = REG(CHIP_RESET);
    if (last_fault.cause != JL_FAULT_CAUSE_NONE) {
        return JL_RESET_CAUSE_FAULT;
    }
    if (watchdog & WATCHDOG_REASON_TIMER) {
        return JL_RESET_CAUSE_WATCHDOG;
    }
    if (watchdog & WATCHDOG_REASON_FORCE) {
        return JL_RESET_CAUSE_REQUESTED;
    }
    if (chip & CHIP_RESET_HAD_RUN) {
        return JL_RESET_CAUSE_RUN_PIN;
    }
    return chip & CHIP_RESET_HAD_POR ? JL_RESET_CAUSE_POWER_ON : JL_RESET_CAUSE_UNKNOWN;
}

static void take_record(void) {
    uint32_t head = REG(WATCHDOG_SCRATCH(0));
    if ((head & RECORD_MAGIC_MASK) == RECORD_MAGIC) {
        last_fault = (jl_port_fault){
            .cause = (uint8_t)head,
            .pc = REG(WATCHDOG_SCRATCH(1)),
            .lr = REG(WATCHDOG_SCRATCH(2)),
            .status = REG(WATCHDOG_SCRATCH(3)),
        };
    }
    REG(WATCHDOG_SCRATCH(0)) = 0;
}

void rp2040_watchdog_init(void) {
    REG(WATCHDOG_CTRL) = 0;
    take_record();
    reset_cause = read_reset_cause();
    REG(PSM_WDSEL) = PSM_WDSEL_ALL_BUT_OSCILLATORS;
    jl_port_watchdog_feed();
    REG(WATCHDOG_CTRL) = WATCHDOG_CTRL_ENABLE;
}

JL_HOT void jl_port_watchdog_feed(void) {
    REG(WATCHDOG_LOAD) = WATCHDOG_COUNT;
}

uint8_t jl_port_reset_cause(void) {
    return reset_cause;
}

const jl_port_fault *jl_port_last_fault(void) {
    return &last_fault;
}

void jl_port_fail(const jl_port_fault *fault) {
    (void)jl_port_quiet_begin();
    REG(WATCHDOG_SCRATCH(1)) = fault->pc;
    REG(WATCHDOG_SCRATCH(2)) = fault->lr;
    REG(WATCHDOG_SCRATCH(3)) = fault->status;
    REG(WATCHDOG_SCRATCH(0)) = RECORD_MAGIC | fault->cause;
    REG(PSM_WDSEL) = PSM_WDSEL_ALL_BUT_OSCILLATORS;
    for (;;) {
        REG(WATCHDOG_CTRL) = WATCHDOG_CTRL_TRIGGER;
    }
}

__attribute__((used)) static void record_exception(const exception_frame *frame) {
    uint32_t exception;
    __asm volatile("mrs %0, ipsr" : "=r"(exception));
    jl_port_fault fault = {
        .cause = exception == HARD_FAULT ? JL_FAULT_CAUSE_HARD_FAULT : JL_FAULT_CAUSE_EXCEPTION,
    };
    /* A stack pointer that was astray is not followed: a fault in here would lock the core up. */
    const uintptr_t at = (uintptr_t)frame;
    if (at >= (uintptr_t)jl_stack_low && at <= (uintptr_t)jl_stack_high - sizeof *frame) {
        fault.pc = frame->pc;
        fault.lr = frame->lr;
        fault.status = frame->xpsr;
    } else {
        fault.cause = JL_FAULT_CAUSE_STACK;
    }
    jl_port_fail(&fault);
}

__attribute__((naked)) void rp2040_fault(void) {
    __asm volatile("mov r0, sp\n\t"
                   "ldr r1, =record_exception\n\t"
                   "bx r1\n\t"
                   ".ltorg");
}
