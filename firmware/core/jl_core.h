/* The firmware's loop, taken apart so that a port, a test or a fuzzer can turn it by hand. */
#ifndef JL_CORE_H
#define JL_CORE_H

/* Prepare engine and clocks. jl_port_init() must have been called. */
void jl_core_init(void);

/* Handle every byte that has come in, and answer what they asked. */
void jl_core_poll(void);

#endif
