/* The seam between the board-independent core and one chip.
 *
 * A port is a folder firmware/port/<chip>/ that implements every function below; the core calls
 * nothing else of the chip. Nothing here allocates, and only jl_port_wait(), jl_port_write(),
 * jl_port_flush(), jl_port_drain() and jl_port_deep_sleep() may take longer than some microseconds.
 */
#ifndef JL_PORT_H
#define JL_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Code that is timed, or that runs while flash cannot be read, lives in SRAM. */
#if defined(JL_BARE_METAL)
#define JL_HOT __attribute__((section(".time_critical"), noinline))
#else
#define JL_HOT __attribute__((noinline))
#endif

/* Bits of jl_port_cycles_read(); it wraps to 0 after 2^JL_PORT_CYCLE_BITS cycles. */
#define JL_PORT_CYCLE_BITS 24

/* Bring up clocks, link, timers, bus and pins. Called once, before anything else here. */
void jl_port_init(void);

/* Byte streams that requests come in on, numbered from 0. On one that a board does not have,
 * nothing ever comes. */
#define JL_PORT_LINKS 2u

/* Bytes that have come in on a link, up to capacity; 0 when there are none. Never waits. */
size_t jl_port_read(uint32_t link, uint8_t *bytes, size_t capacity);

/* Send length bytes on a link. May hold some back until jl_port_flush(), which ends a reply. A link
 * whose far end does not take them is given up until then; neither call waits for it above 1 s. */
void jl_port_write(uint32_t link, const uint8_t *bytes, size_t length);
void jl_port_flush(uint32_t link);

/* Wait until what was written and flushed has left the board: the last bit of a UART, the last
 * packet that a host took. Whether its far end took all of it; never waits above 1 s for that. */
bool jl_port_drain(uint32_t link);

/* us that a link takes for so many bytes at the least; 0 where that is not known. */
uint64_t jl_port_line_us(uint32_t link, uint32_t length);

/* Bytes lost since reset because nobody had read the ones before. */
uint32_t jl_port_bytes_overrun(void);

/* Sleep until an interrupt. Returns at once if one was handled since the last return, so that
 * "read until empty, then wait" never sleeps over a byte. May return early, and does so after
 * JL_PORT_WAIT_MAX_US, in time to feed the watchdog. */
#define JL_PORT_WAIT_MAX_US 4000000u
void jl_port_wait(void);

/* While on, jl_port_wait() is as deep a sleep as jl_port_wake_at() can end: memory and microseconds
 * are kept, links are deaf (what comes in on them is lost, and their hosts repeat it), and the core
 * may be slow when it wakes. Going there and coming back take some hundred us, most of it where the
 * core's clock has to start again. */
void jl_port_deep_sleep(bool on);

/* Microseconds since reset. */
uint64_t jl_port_micros(void);

/* End a jl_port_wait() when jl_port_micros() reaches at_us (a time less than 2^32 us ahead). When
 * that time is already past, this does nothing: compare after the call, not before. */
void jl_port_wake_at(uint64_t at_us);

/* Restart the core clock cycle counter at 0. */
void jl_port_cycles_start(void);

/* Core clock cycles since jl_port_cycles_start(), modulo 2^JL_PORT_CYCLE_BITS. */
uint32_t jl_port_cycles_read(void);

/* Hold back interrupts; gives what jl_port_quiet_end() needs to restore the state before. */
uint32_t jl_port_quiet_begin(void);
void jl_port_quiet_end(uint32_t before);

/* Write to a device on the meter's I2C bus, then read from it after a repeated start. Either
 * length may be 0, both at most JL_PORT_I2C_MAX_BYTES. 0, or JL_PORT_I2C_* (negative). */
int jl_port_i2c(uint8_t address, const uint8_t *out, size_t out_length, uint8_t *in,
                size_t in_length);
#define JL_PORT_I2C_MAX_BYTES 8
#define JL_PORT_I2C_NO_ANSWER (-1) /* the address or a byte was not acknowledged */
#define JL_PORT_I2C_TIMEOUT (-2)   /* the bus did not move */

/* Trigger pin for a meter on the host: high inside an energy window. Whether the pin was then seen
 * at that level; false where there is none. */
bool jl_port_gate(bool high);

/* Unique id of the chip or its flash. */
void jl_port_chip_id(uint8_t id[8]);

/* Why the board last started: a jl_reset_cause of jl_protocol.h. */
uint8_t jl_port_reset_cause(void);

/* Tell the watchdog, which jl_port_init() started, that there was progress. It resets the board
 * when it has not been told so for JL_PORT_WATCHDOG_MIN_US or longer. Call it from the loop that
 * answers, and from loops under it once a turn; never from an interrupt, and never from a loop
 * that waits for something that may not come. */
void jl_port_watchdog_feed(void);
#define JL_PORT_WATCHDOG_MIN_US 8000000u

/* What stopped the program before this start; all zero when nothing did. */
typedef struct {
    uint8_t cause;   /* jl_fault_cause of jl_protocol.h */
    uint32_t pc;     /* instruction that failed; 0: unknown */
    uint32_t lr;     /* link register there */
    uint32_t status; /* the core's status register there (xPSR) */
} jl_port_fault;
const jl_port_fault *jl_port_last_fault(void);

/* Stop the program: keep *fault for the next start and reset the board. */
void jl_port_fail(const jl_port_fault *fault) __attribute__((noreturn));

/* Whether the stack has stayed above the last bytes that are reserved for it. */
bool jl_port_stack_intact(void);

/* Bytes reserved for the stack, and how deep it has ever been. */
uint32_t jl_port_stack_bytes(void);
uint32_t jl_port_stack_used_bytes(void);

#endif
