/* The board that the fuzzer turns by hand: its line, clock and bus are memory. */
#ifndef FUZZ_PORT_H
#define FUZZ_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is broken, by bits. */
enum {
    FUZZ_BUS_DEAD = 1,
    FUZZ_BUS_NOISE = 2,
    FUZZ_METER_OVERFLOW = 4,
    FUZZ_CLOCK_STANDS = 8,
    FUZZ_METER_INA226 = 16, /* in the place of an INA228 */
    FUZZ_METER_INA219 = 32,
    FUZZ_LINE_BROKEN = 64, /* nobody takes what is sent, but frames */
    FUZZ_GATE_STUCK = 128,
};
extern uint8_t fuzz_faults;

/* How often the counter was started: once for everything that is measured. */
extern uint32_t fuzz_measurements;

/* Put bytes on a link, and let the firmware take them. */
void fuzz_feed(uint32_t link, const uint8_t *bytes, size_t length);

/* What the firmware has sent on a link since the last fuzz_clear(). */
const uint8_t *fuzz_sent(uint32_t link, size_t *length);
void fuzz_clear(void);

/* Stop with a finding. */
_Noreturn void fuzz_fail(const char *what, long value);
#define FUZZ_CHECK(condition, value)                                                               \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fuzz_fail(#condition, (long)(value));                                                  \
        }                                                                                          \
    } while (0)

#endif
