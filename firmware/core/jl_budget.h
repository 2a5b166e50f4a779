/* The energy budget of a period, and what the period's decisions have taken of it.
 *
 * A period is a decision cycle: a batch of decisions that share a budget, in one DECIDE or several.
 * What a decision takes is its core clock cycles times a stated energy: the board's books, not a
 * measurement.
 */
#ifndef JL_BUDGET_H
#define JL_BUDGET_H

#include <stdint.h>

#include "jl_protocol.h"

#define JL_BUDGET_NO_LIMIT UINT64_MAX

/* A point within a period. */
typedef struct {
    uint16_t number;   /* the host's name for the period */
    uint32_t decided;  /* rows so far */
    uint64_t spent_fj; /* by those; stays at its largest value rather than wrap */
} jl_period;

/* Set what a period may take, and forget the one under way. JL_OK; JL_ERR_NO_FALLBACK for a limit
 * without a network to fall back on; JL_ERR_ARGUMENT for cycles that take nothing. Refused, it
 * changes nothing. */
int jl_budget_set(const jl_budget_request *request);

/* Where count more rows begin: a new period if decided is 0, else the one under way. JL_OK, or
 * JL_ERR_PERIOD when that is not at this point, or cannot count so many. */
int jl_budget_enter(uint16_t number, uint32_t decided, uint32_t count, jl_period *period);

/* The jl_mode of the next decision. */
uint8_t jl_budget_mode(const jl_period *period);

/* Book one decision. */
void jl_budget_spend(jl_period *period, uint32_t cycles);

/* Make this the point where the period under way is. What was booked since jl_budget_enter() counts
 * for nothing without it. */
void jl_budget_keep(const jl_period *period);

#endif
