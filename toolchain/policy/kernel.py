"""The simulation compiled with numba, for training, where a policy is rolled out very often.

Nothing that is reported comes from here: a policy is always judged by
:class:`~toolchain.environment.Simulation`. A test holds states, masks and dispatch of the two
against each other, row by row. Needs the ``train`` extra.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from toolchain.environment import CAPACITY_FEATURES, GAIN_FEATURES, N_DISPOSITIONS, N_FEATURES
from toolchain.environment.features import GAIN_SCALE, day_features
from toolchain.environment.network import decay, network, placed_eur
from toolchain.environment.node import node_days
from toolchain.environment.outcomes import outcomes
from toolchain.scenario import Scenario

LIMITED = N_DISPOSITIONS - 1
"""Dispositions that need a slot; the next one is disposal."""

NO_SLOT = -1
"""Facility of a product that was disposed of, and wait of a facility without a free slot."""

NO_FORCED_ACTION = -1

_GAINS = GAIN_FEATURES.start
_CAPACITIES = CAPACITY_FEATURES.start


class Packed(NamedTuple):
    """A scenario of n products and F limited facilities as plain arrays; expected values only.

    The fields' shapes: ``day`` int64 (n,), ``alive`` bool (n,), ``floor_eur`` float64 (n,), what
    disposal is worth, ``fading_eur`` float64 (n, 4), ``placed_eur`` float64 (n, F), -inf where it
    may not go, ``storage_eur`` float64 (n,) a day, ``features`` float32 (n, 24), ``first`` int64
    (5,), facilities of a disposition, ``slots`` int32 (F, days), ``slots_before`` int64 (4, days +
    1), their running totals, ``decay_left`` float64 (wait + 1,), ``horizon_days`` float.
    """

    day: np.ndarray
    alive: np.ndarray
    floor_eur: np.ndarray
    fading_eur: np.ndarray
    placed_eur: np.ndarray
    storage_eur: np.ndarray
    features: np.ndarray
    first: np.ndarray
    slots: np.ndarray
    slots_before: np.ndarray
    decay_left: np.ndarray
    horizon_days: float


class Decider(NamedTuple):
    """What decides inside the kernel: the price rule, or a network of three layers.

    ``prices`` float64 (4, 3), see :class:`~toolchain.policy.prices.PriceRule`; ``weights`` and
    ``biases`` float32 in Keras's layout. The network decides when ``by_network``.
    """

    by_network: bool
    prices: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]


class Course(NamedTuple):
    """What a rollout did: ``action``, ``facility`` (-1 for disposal) and ``wait`` int64 (n,),
    ``states`` float32 (n, 24) and ``masks`` bool (n, 5) as they were seen; zero where the node was
    dead."""

    action: np.ndarray
    facility: np.ndarray
    wait: np.ndarray
    states: np.ndarray
    masks: np.ndarray


def pack(scenario: Scenario) -> Packed:
    """Lay a scenario out for the kernel.

    Raises:
        ScenarioError: a loop of the scenario's graph is open.
    """
    out, net = outcomes(scenario), network(scenario)
    gains, returns = out.expected, scenario.returns
    horizon = scenario.parameters.horizon_days
    day = returns.return_day.astype(np.int64)
    node = node_days(scenario.parameters.node, np.bincount(day, minlength=horizon))
    kind = net.disposition
    placed = placed_eur(
        fixed_eur=gains.fixed_eur[:, kind],
        second_leg_kg=gains.second_leg_kg[:, kind],
        transport_eur_per_kg_km=gains.transport_eur_per_kg_km[:, None],
        mass_kg=returns.mass_kg[:, None],
        distance_km=net.distance_km[net.collection],
        onward_km=net.onward_km[None],
    )
    placed = np.where(out.feasible[:, kind], placed, -np.inf)
    limited = int(net.first[LIMITED])
    slots = net.slots[:limited]
    before = np.zeros((LIMITED, slots.shape[1] + 1), dtype=np.int64)
    np.cumsum(np.add.reduceat(slots, net.first[:LIMITED]), axis=1, out=before[:, 1:])
    return Packed(
        day=day,
        alive=node.alive[day],
        floor_eur=placed[:, limited:].max(axis=1),
        fading_eur=np.ascontiguousarray(gains.fading_eur[:, :LIMITED]),
        placed_eur=np.ascontiguousarray(placed[:, :limited]),
        storage_eur=np.ascontiguousarray(gains.storage_eur_per_day),
        features=day_features(returns, net, node),
        first=net.first[:N_DISPOSITIONS].astype(np.int64),
        slots=slots.astype(np.int32),
        slots_before=before,
        decay_left=decay(scenario.parameters.max_wait_days),
        horizon_days=float(horizon),
    )


def roll_out(packed: Packed, decider: Decider) -> tuple[float, Course]:
    """Decide a whole scenario; returns its expected value over disposal in EUR, and its course."""
    n = len(packed.day)
    course = Course(
        np.full(n, LIMITED, dtype=np.int64),
        np.full(n, NO_SLOT, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros((n, N_FEATURES), dtype=np.float32),
        np.zeros((n, N_DISPOSITIONS), dtype=np.bool_),
    )
    facilities = packed.slots.shape[0]
    gain_eur = go_on(
        packed,
        decider,
        packed.slots.copy(),
        np.zeros(facilities, dtype=np.int64),
        np.zeros(facilities, dtype=np.int64),
        np.zeros(LIMITED),
        0,
        False,
        NO_FORCED_ACTION,
        packed.slots.shape[1],
        course,
        True,
    )
    return float(gain_eur), course


@numba.njit(cache=True, nogil=True)
def start_day(packed, day, free, wait, share):  # type: ignore[no-untyped-def]
    """Find each facility's first free slot and each disposition's free share, in place."""
    longest = len(packed.decay_left)
    for kind in range(LIMITED):
        count = 0
        for facility in range(packed.first[kind], packed.first[kind + 1]):
            wait[facility] = NO_SLOT
            for ahead in range(longest):
                left = free[facility, day + ahead]
                count += left
                if left > 0 and wait[facility] == NO_SLOT:
                    wait[facility] = ahead
        total = packed.slots_before[kind, day + longest] - packed.slots_before[kind, day]
        share[kind] = count / max(total, 1)


@numba.njit(cache=True, nogil=True)
def take_slot(packed, day, facility, free, wait):  # type: ignore[no-untyped-def]
    """Take a facility's first free slot, and find its next one."""
    first = wait[facility]
    free[facility, day + first] -= 1
    if free[facility, day + first] > 0:
        return
    wait[facility] = NO_SLOT
    for ahead in range(first + 1, len(packed.decay_left)):
        if free[facility, day + ahead] > 0:
            wait[facility] = ahead
            return


@numba.njit(cache=True, nogil=True)
def best_slot(packed, product, kind, wait):  # type: ignore[no-untyped-def]
    """The facility with the highest expected value for a disposition, and that value."""
    found, value = NO_SLOT, -np.inf
    for facility in range(packed.first[kind], packed.first[kind + 1]):
        ahead = wait[facility]
        if ahead != NO_SLOT:
            worth = packed.fading_eur[product, kind] * packed.decay_left[ahead]
            worth = worth + packed.placed_eur[product, facility]
            worth = worth - packed.storage_eur[product] * ahead
            if worth > value:
                found, value = facility, worth
    return found, value


@numba.njit(cache=True, nogil=True)
def encode(packed, product, best_eur, share, state):  # type: ignore[no-untyped-def]
    """Fill a product's state vector, as :mod:`toolchain.environment.features` defines it."""
    state[:] = packed.features[product]
    for kind in range(LIMITED):
        floor, top, knee, span = GAIN_SCALE[:, kind]
        gain = min(max(best_eur[kind] - packed.floor_eur[product], floor), top)
        scaled = 2.0 * (np.log1p((gain - floor) / knee) / span) - 1.0
        state[_GAINS + kind] = min(max(scaled, -1.0), 1.0)
        state[_CAPACITIES + kind] = min(max(2.0 * share[kind] - 1.0, -1.0), 1.0)


@numba.njit(cache=True, nogil=True, fastmath=True)
def layer(values, rectified, weight, bias, result):  # type: ignore[no-untyped-def]
    """One dense layer; its inputs pass a ReLU first when ``rectified``."""
    width = weight.shape[1]
    for j in range(width):
        result[j] = bias[j]
    for i in range(weight.shape[0]):
        value = values[i]
        if not rectified or value > 0:
            for j in range(width):
                result[j] += value * weight[i, j]


@numba.njit(cache=True, nogil=True)
def go_on(  # type: ignore[no-untyped-def]
    packed, decider, free, wait, seen, share, start, mid_day, forced, stop_day, course, keep
):
    """Decide from one product on; returns the expected value over disposal in EUR.

    ``free``, ``wait``, ``seen`` and ``share`` are the state and are changed. When ``mid_day``, they
    hold the day of the product ``start``: ``seen`` are the waits at its beginning. The first
    product gets the action ``forced`` unless that is -1. Products from ``stop_day`` on are left.
    Rows are kept in ``course`` when ``keep``.
    """
    best_eur = np.empty(LIMITED)
    scores = np.empty(N_DISPOSITIONS)
    state = np.empty(N_FEATURES, dtype=np.float32)
    h0 = np.empty(decider.weights[0].shape[1], dtype=np.float32)
    h1 = np.empty(decider.weights[1].shape[1], dtype=np.float32)
    logits = np.empty(N_DISPOSITIONS, dtype=np.float32)
    total = 0.0
    day = packed.day[start] if mid_day else -1
    for product in range(start, len(packed.day)):
        if packed.day[product] != day:
            day = packed.day[product]
            if day >= stop_day:
                break
            start_day(packed, day, free, wait, share)
            seen[:] = wait
        if not packed.alive[product]:
            continue
        for kind in range(LIMITED):
            _, best_eur[kind] = best_slot(packed, product, kind, seen)
        if keep or decider.by_network:
            encode(packed, product, best_eur, share, state)
        if decider.by_network:
            layer(state, False, decider.weights[0], decider.biases[0], h0)
            layer(h0, True, decider.weights[1], decider.biases[1], h1)
            layer(h1, True, decider.weights[2], decider.biases[2], logits)
            scores[:] = logits
        else:
            when = day / packed.horizon_days - 0.5
            for kind in range(LIMITED):
                used = 1.0 - share[kind]
                price = decider.prices[kind, 0] * used ** decider.prices[kind, 1]
                price = price * np.exp(decider.prices[kind, 2] * when)
                scores[kind] = best_eur[kind] - packed.floor_eur[product] - price
            scores[LIMITED] = 0.0
        action, highest = LIMITED, -np.inf
        for kind in range(N_DISPOSITIONS):
            allowed = kind == LIMITED or best_eur[kind] > -np.inf
            if allowed and scores[kind] > highest:
                action, highest = kind, scores[kind]
        if product == start and forced != NO_FORCED_ACTION:
            action = forced
        facility, value = NO_SLOT, 0.0
        if action != LIMITED:
            facility, value = best_slot(packed, product, action, wait)
        if keep:
            course.action[product] = action
            course.facility[product] = facility
            course.states[product] = state
            for kind in range(LIMITED):
                course.masks[product, kind] = best_eur[kind] > -np.inf
            course.masks[product, LIMITED] = True
            if facility != NO_SLOT:
                course.wait[product] = wait[facility]
        if facility != NO_SLOT:
            total += value - packed.floor_eur[product]
            take_slot(packed, day, facility, free, wait)
    return total
