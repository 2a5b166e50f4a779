/* What the files of this port share. The fuzzer brings a line, a clock and a bus of its own, and
 * takes chip.c alone (tests/firmware/fuzz). */
#ifndef JL_POSIX_H
#define JL_POSIX_H

#include <stdint.h>

/* Open the pseudo-terminal; its device path, which lives for ever. Ends the process on failure. */
const char *posix_terminal_open(void);

/* Microseconds until the time that jl_port_wake_at() set, at most JL_PORT_WAIT_MAX_US. */
uint32_t posix_wait_us(void);

/* Print what failed, with errno's text, and end the process. */
_Noreturn void posix_die(const char *what);

#endif
