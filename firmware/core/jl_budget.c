/* Cycles become energy here, and energy a mode; host/replay/budget.py keeps the same books. */
#include "jl_budget.h"

#include <stdbool.h>
#include <stddef.h>

#include "jl_inference.h"

static uint64_t limit_fj = JL_BUDGET_NO_LIMIT;
static uint32_t fj_per_cycle;
static jl_period under_way; /* nothing decided: there is none */

int jl_budget_set(const jl_budget_request *request) {
    if (request->fj_per_cycle == 0) {
        return JL_ERR_ARGUMENT;
    }
    if (request->energy_fj != JL_BUDGET_NO_LIMIT &&
        jl_inference_describe()->invoke_fallback == NULL) {
        return JL_ERR_NO_FALLBACK;
    }
    limit_fj = request->energy_fj;
    fj_per_cycle = request->fj_per_cycle;
    under_way = (jl_period){0};
    return JL_OK;
}

int jl_budget_enter(uint16_t number, uint32_t decided, uint32_t count, jl_period *period) {
    if (decided == 0) {
        *period = (jl_period){.number = number};
        return JL_OK;
    }
    if (number != under_way.number || decided != under_way.decided ||
        count > UINT32_MAX - decided) {
        return JL_ERR_PERIOD;
    }
    *period = under_way;
    return JL_OK;
}

uint8_t jl_budget_mode(const jl_period *period) {
    const bool spent = limit_fj != JL_BUDGET_NO_LIMIT && period->spent_fj >= limit_fj;
    return spent ? JL_MODE_FALLBACK : JL_MODE_FULL;
}

void jl_budget_spend(jl_period *period, uint32_t cycles) {
    const uint64_t energy_fj = (uint64_t)cycles * fj_per_cycle;
    const uint64_t room_fj = UINT64_MAX - period->spent_fj;
    period->spent_fj += energy_fj < room_fj ? energy_fj : room_fj;
    period->decided++;
}

void jl_budget_keep(const jl_period *period) {
    under_way = *period;
}
