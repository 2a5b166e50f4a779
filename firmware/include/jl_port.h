/* The seam between the board-independent core and one chip.
 *
 * A port is a folder firmware/port/<chip>/ that implements every function below; the core calls
 * nothing else of the chip. Nothing here allocates, and only jl_port_wait() and jl_port_write()
 * may take longer than some microseconds.
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

/* Bytes that have come in, up to capacity; 0 when there are none. Never waits. */
size_t jl_port_read(uint8_t *bytes, size_t capacity);

/* Send length bytes; returns when the last one is in the transmitter. */
void jl_port_write(const uint8_t *bytes, size_t length);

/* Bytes lost since reset because nobody had read the ones before. */
uint32_t jl_port_bytes_overrun(void);

/* Sleep until an interrupt. Returns at once if one was handled since the last return, so that
 * "read until empty, then wait" never sleeps over a byte. May return early. */
void jl_port_wait(void);

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

/* Trigger pin for a meter on the host: high inside an energy window. */
void jl_port_gate(bool high);

/* Unique id of the chip or its flash. */
void jl_port_chip_id(uint8_t id[8]);

/* Why the board last started: a jl_reset_cause of jl_protocol.h. */
uint8_t jl_port_reset_cause(void);

/* Bytes reserved for the stack, and how deep it has ever been. */
uint32_t jl_port_stack_bytes(void);
uint32_t jl_port_stack_used_bytes(void);

#endif
