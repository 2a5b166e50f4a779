"""The hindsight optimum: the best that anybody could have done who knew everything."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from toolchain.environment.disposition import Disposition
from toolchain.environment.network import Network, decay, network, slot_values_eur
from toolchain.environment.outcomes import Outcomes, outcomes
from toolchain.errors import MismatchError
from toolchain.scenario import Scenario

_INTEGRAL = 1e-6
_GAP = 1e-6


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best assignment of n products to slots, and the prices of the slots.

    Attributes:
        value_eur: realised value of the assignment, an upper bound for every policy.
        floor_eur: realised value of always disposing.
        gap: |primal - dual| / max(1, |primal|) of the linear program.
        disposition: int64 (n,).
        facility: int64 (n,), graph node.
        processing_day: int64 (n,).
        product_value_eur: float64 (n,), adds up to ``value_eur``.
        product_floor_eur: float64 (n,), adds up to ``floor_eur``.
        product_dual_eur: float64 (n,), what one more product like this would have been worth
            over disposal.
        slot_facility: int64 (m,), graph node of each group of equal slots.
        slot_disposition: int64 (m,).
        slot_day: int64 (m,).
        slot_capacity: int64 (m,), slots in the group.
        slot_dual_eur: float64 (m,), what one more slot would have been worth.
        seconds: wall-clock time of building and solving.
    """

    value_eur: float
    floor_eur: float
    gap: float
    disposition: np.ndarray
    facility: np.ndarray
    processing_day: np.ndarray
    product_value_eur: np.ndarray
    product_floor_eur: np.ndarray
    product_dual_eur: np.ndarray
    slot_facility: np.ndarray
    slot_disposition: np.ndarray
    slot_day: np.ndarray
    slot_capacity: np.ndarray
    slot_dual_eur: np.ndarray
    seconds: float


@dataclass(frozen=True, eq=False)
class _Options:
    """Every way to process a product that beats disposal: parallel arrays (k,)."""

    product: np.ndarray
    facility: np.ndarray
    day: np.ndarray
    value_eur: np.ndarray
    gain_eur: np.ndarray


def hindsight_optimum(scenario: Scenario, *, expected: bool = False) -> Optimum:
    """Assign products to slots so that the total realised value is largest.

    Products against slots of a facility and day is a transportation problem, whose linear
    program has an integral optimum; HiGHS solves it by the dual simplex method. It knows the latent
    draws and all arrivals, so no policy need reach it. The node's budgets do not bind it.

    Args:
        scenario: what to decide.
        expected: use the expected in place of the realised values, as for bid prices; the result
            is then no bound.

    Raises:
        ScenarioError: a loop of the scenario's graph is open.
        MismatchError: the solver failed, or its answer is not integral or not optimal.
    """
    started = time.perf_counter()
    out, net = outcomes(scenario), network(scenario)
    gains = out.expected if expected else out.realised
    returns = scenario.returns
    mass = returns.mass_kg
    n = len(returns)
    left = decay(scenario.parameters.max_wait_days)
    first = int(net.first[Disposition.DISPOSE])
    disposals = np.arange(first, len(net.node))
    everyone = np.arange(n)
    disposal = slot_values_eur(
        gains, net, mass, everyone[:, None], disposals[None, :], np.zeros((1, 1), int), left
    )
    floor = disposal.max(axis=1)
    options = _options(scenario, out, net, floor, expected)
    groups, group = np.unique(
        options.facility * net.slots.shape[1] + options.day, return_inverse=True
    )
    slot_facility, slot_day = np.divmod(groups, net.slots.shape[1])
    capacity = net.slots[slot_facility, slot_day]
    chosen, duals, gap = _solve(options, group, n, capacity)
    facility = first + disposal.argmax(axis=1)
    day = returns.return_day.astype(np.int64)
    value = floor.copy()
    facility[options.product[chosen]] = options.facility[chosen]
    day[options.product[chosen]] = options.day[chosen]
    value[options.product[chosen]] = options.value_eur[chosen]
    return Optimum(
        value_eur=float(value.sum()),
        floor_eur=float(floor.sum()),
        gap=gap,
        disposition=net.disposition[facility],
        facility=net.node[facility],
        processing_day=day,
        product_value_eur=value,
        product_floor_eur=floor,
        product_dual_eur=duals[:n],
        slot_facility=net.node[slot_facility],
        slot_disposition=net.disposition[slot_facility],
        slot_day=slot_day,
        slot_capacity=capacity,
        slot_dual_eur=duals[n:],
        seconds=time.perf_counter() - started,
    )


def _options(
    scenario: Scenario, out: Outcomes, net: Network, floor_eur: np.ndarray, expected: bool
) -> _Options:
    gains = out.expected if expected else out.realised
    mass = scenario.returns.mass_kg
    day = scenario.returns.return_day.astype(np.int64)
    waits = np.arange(scenario.parameters.max_wait_days + 1)
    left = decay(scenario.parameters.max_wait_days)
    parts: list[tuple[np.ndarray, ...]] = []
    for facility in range(int(net.first[Disposition.DISPOSE])):
        linked = np.isfinite(net.distance_km[net.collection, facility])
        linked &= out.feasible[:, net.disposition[facility]]
        products = np.flatnonzero(linked)
        open_slot = net.slots[facility][day[products, None] + waits[None, :]] > 0
        row, wait = np.nonzero(open_slot)
        product = products[row]
        value = slot_values_eur(gains, net, mass, product, np.full_like(row, facility), wait, left)
        gain = value - floor_eur[product]
        better = gain > 0
        product, wait = product[better], wait[better]
        where = np.full(len(product), facility)
        parts.append((product, where, day[product] + wait, value[better], gain[better]))
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return _Options(*joined)


def _solve(
    options: _Options, group: np.ndarray, n: int, capacity: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """The chosen options, the duals of products then groups, and the duality gap."""
    k, m = len(options.product), len(capacity)
    if k == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(n), 0.0
    rows = np.concatenate([options.product, n + group])
    columns = np.tile(np.arange(k), 2)
    matrix = sparse.csr_array((np.ones(2 * k), (rows, columns)), shape=(n + m, k))
    bounds = np.concatenate([np.ones(n), capacity])
    result = linprog(
        -options.gain_eur, A_ub=matrix, b_ub=bounds, bounds=(0, None), method="highs-ds"
    )
    if result.status != 0:
        raise MismatchError(
            f"HiGHS stopped with status {result.status}: {result.message}",
            hint="report this scenario's seed and parameters",
        )
    x = np.asarray(result.x)
    duals = -np.asarray(result.ineqlin.marginals)
    primal, dual = float(options.gain_eur @ x), float(duals @ bounds)
    gap = abs(primal - dual) / max(1.0, abs(primal))
    fractional = float(np.abs(x - np.round(x)).max())
    if fractional > _INTEGRAL or gap > _GAP:
        raise MismatchError(
            f"the optimum is {fractional:g} from integral with a gap of {gap:g}, must be below "
            f"{_INTEGRAL:g} and {_GAP:g}",
            hint="report this scenario's seed and parameters",
        )
    return np.flatnonzero(x > 0.5), duals, gap
