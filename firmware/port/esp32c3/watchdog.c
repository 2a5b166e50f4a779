/* Why the board started, the watchdog that starts it anew, and what a fault leaves for the next
 * start.
 *
 * Of the chip's four watchdogs (12), the boot ROM leaves the RTC's and timer group 0's running, and
 * the super watchdog always runs. The first is stopped, the last feeds itself, timer group 1's is
 * stopped too; timer group 0's, with the crystal as its clock, is the one that the program feeds.
 */
#include "esp32c3.h"
#include "jl_port.h"
#include "jl_protocol.h"

#define WATCHDOG_HZ 2000u
#define WATCHDOG_PRESCALE (CRYSTAL_HZ / WATCHDOG_HZ)
_Static_assert(WATCHDOG_PRESCALE < 1u << 16, "watchdog prescaler");
#define WATCHDOG_TICKS (JL_PORT_WATCHDOG_MIN_US / (1000000u / WATCHDOG_HZ) + 1u)
_Static_assert(JL_PORT_WAIT_MAX_US <= JL_PORT_WATCHDOG_MIN_US / 2u, "sleeps longer than it may");

/* A record is the reset's that came right after it: every start takes it away. */
typedef struct {
    uint32_t magic, cause, pc, lr, status;
} fault_record;
#define RECORD ((volatile fault_record *)(uintptr_t)RTC_FAST_MEMORY)
#define RECORD_MAGIC 0x4a4c4654u

extern uint32_t jl_stack_low[], jl_stack_high[]; /* memory.ld.in */

static jl_port_fault last_fault;
static uint8_t reset_cause;

/* Causes of 9.7, RTC_CNTL_RESET_STATE. A reset by the enable pin is one of power on. */
static uint8_t read_reset_cause(void) {
    if (last_fault.cause != JL_FAULT_CAUSE_NONE) {
        return JL_RESET_CAUSE_FAULT;
    }
    switch (REG(RTC_RESET_STATE) & RTC_RESET_STATE_CAUSE_MASK) {
    case 0x01:
        return JL_RESET_CAUSE_POWER_ON;
    case 0x07: /* timer group 0, then 1, RTC; core only: 0, RTC, 1; RTC with its own domain; super
                */
    case 0x08:
    case 0x09:
    case 0x0b:
    case 0x0d:
    case 0x10:
    case 0x11:
    case 0x12:
        return JL_RESET_CAUSE_WATCHDOG;
    case 0x03: /* software: system, core; USB: serial line, JTAG */
    case 0x0c:
    case 0x15:
    case 0x16:
        return JL_RESET_CAUSE_REQUESTED;
    default:
        return JL_RESET_CAUSE_UNKNOWN;
    }
}

static void take_record(void) {
    if (RECORD->magic == RECORD_MAGIC) {
        last_fault = (jl_port_fault){
            .cause = (uint8_t)RECORD->cause,
            .pc = RECORD->pc,
            .lr = RECORD->lr,
            .status = RECORD->status,
        };
    }
    RECORD->magic = 0;
}

static void stop_others(void) {
    REG(RTC_WDTWPROTECT) = WDT_KEY;
    REG(RTC_WDTCONFIG0) = 0;
    REG(RTC_WDTWPROTECT) = 0;
    REG(RTC_SWD_WPROTECT) = RTC_SWD_KEY;
    REG(RTC_SWD_CONF) |= RTC_SWD_CONF_AUTO_FEED;
    REG(RTC_SWD_WPROTECT) = 0;
    esp32c3_start_peripheral(PERIP_TIMG1);
    REG(TIMG_WDTWPROTECT(1)) = WDT_KEY;
    REG(TIMG_WDTCONFIG0(1)) = WDT_UPDATE;
    REG(TIMG_WDTWPROTECT(1)) = 0;
}

void esp32c3_watchdog_init(void) {
    stop_others();
    take_record();
    reset_cause = read_reset_cause();
    esp32c3_start_peripheral(PERIP_TIMG0);
    REG(TIMG_WDTWPROTECT(0)) = WDT_KEY;
    REG(TIMG_WDTCONFIG1(0)) = WATCHDOG_PRESCALE << 16;
    REG(TIMG_WDTCONFIG2(0)) = WATCHDOG_TICKS;
    REG(TIMG_WDTCONFIG0(0)) =
        WDT_ENABLE | WDT_STAGE0_RESET | WDT_RESET_LENGTHS | WDT_FROM_CRYSTAL | WDT_UPDATE;
    REG(TIMG_WDTFEED(0)) = 1u;
    /* Left open: feeding is one write, and nothing here writes anywhere by accident. */
}

JL_HOT void jl_port_watchdog_feed(void) {
    REG(TIMG_WDTFEED(0)) = 1u;
}

uint8_t jl_port_reset_cause(void) {
    return reset_cause;
}

const jl_port_fault *jl_port_last_fault(void) {
    return &last_fault;
}

void jl_port_fail(const jl_port_fault *fault) {
    (void)jl_port_quiet_begin();
    RECORD->cause = fault->cause;
    RECORD->pc = fault->pc;
    RECORD->lr = fault->lr;
    RECORD->status = fault->status;
    RECORD->magic = RECORD_MAGIC;
    for (;;) {
        REG(RTC_OPTIONS0) |= RTC_OPTIONS0_RESET;
    }
}

void esp32c3_exception(uint32_t pc, uint32_t ra, uint32_t cause, uint32_t sp) {
    jl_port_fault fault = {.cause = JL_FAULT_CAUSE_EXCEPTION, .pc = pc, .lr = ra, .status = cause};
    if (sp < (uintptr_t)jl_stack_low || sp > (uintptr_t)jl_stack_high) {
        fault.cause = JL_FAULT_CAUSE_STACK;
    }
    jl_port_fail(&fault);
}
