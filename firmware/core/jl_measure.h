/* Core clock cycles of one function, by two clocks that must agree.
 *
 * The cycle counter is exact but wraps after 2^JL_PORT_CYCLE_BITS cycles; the microsecond timer is
 * coarse but long. A figure is given only when each could have produced the other's.
 */
#ifndef JL_MEASURE_H
#define JL_MEASURE_H

#include <stdint.h>

/* Measure what an empty function costs; that much is taken off every later figure. JL_OK, or
 * JL_ERR_CLOCK, which every later jl_measure() then returns as well. */
int jl_measure_init(void);

/* Run work() with interrupts held back. *cycles is what it took beyond an empty function, from
 * the branch into it to its return. Returns work()'s result if that is negative, else JL_OK, or
 * JL_ERR_CLOCK when a clock stood still, the two disagree, or 2^32 cycles are exceeded. */
int jl_measure(int (*work)(void), uint32_t *cycles);

/* The same for a longer stretch: full cycle count from the wrapped one and the elapsed time. JL_OK
 * or JL_ERR_CLOCK. */
int jl_measure_extend(uint32_t wrapped_cycles, uint64_t elapsed_us, uint64_t *cycles);

#endif
