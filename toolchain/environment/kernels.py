"""The compiled inner loops of the vectorised environment; they know arrays only.

Arrays over products and days have the scenario as their second axis: all scenarios are at about the
same place, so that a step reads memory from one end to the other.

They follow :class:`~toolchain.environment.Simulation` operation by operation, without fused or
reordered arithmetic, so that both give the same bits.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from toolchain.errors import MissingDependencyError

try:
    from numba import njit
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "the vectorised environment needs numba, which is not installed",
        hint="pip install 'jouleloop[train]'",
    ) from error

LIMITED = 4
"""Dispositions with limited slots, the first four; the fifth is disposal."""

MASS, RATE, STORAGE, FLOOR, FIRST_KIND, N_FIELDS = 0, 1, 2, 3, 4, 16
"""Places in a product's record of float64: three of the product, what disposing of it is worth,
then three for each limited disposition: what fades, what does not, and the mass that goes on to a
recycler."""

DAY, COLLECTION, FEASIBLE, NEXT, NEAREST, N_KEYS = 0, 1, 2, 3, 4, 5
"""Places in a product's record of int32: its day and collection node, a bit for each disposition
that its condition allows, the first product behind it that the node decides, and the facility where
it is disposed of."""

AT, LEFT = 0, 1
"""Places in an opening of a facility: the day, and the slots on it."""

ACTION, FACILITY, WAIT, N_TAKEN = 0, 1, 2, 3
"""Places in a product's record of what became of it, int32."""


class Layout(NamedTuple):
    """What stays as it is: B scenarios of up to n products, over D days, with up to F facilities.

    ``n_products`` int64 (B,), of each; ``first`` int64 (B, 5), facilities of disposition ``a``
    are ``first[a]:first[a + 1]``; ``distance_km`` (B, C, F) and ``onward_km`` (B, F);
    ``openings`` int16 or int32 (D + 1, B, F, 2), the first day from a day on on which a facility
    has slots, and how many; ``window_slots`` int64 (D, B, 4), slots of a disposition from a day to
    the longest wait; ``keys`` (n, B, N_KEYS), ``ids`` int64 (n, B) and ``features`` float32
    (n, B, 24) of the products; ``expected`` and ``realised`` (n, B, N_FIELDS), their records;
    ``decay`` (longest wait + 2,), ending in a place for what waits too long;
    ``gain_scale`` (4, 4), see :data:`~toolchain.environment.features.GAIN_SCALE`; ``fades``,
    whether no product is worth more for waiting.
    """

    n_products: np.ndarray
    first: np.ndarray
    distance_km: np.ndarray
    onward_km: np.ndarray
    openings: np.ndarray
    window_slots: np.ndarray
    keys: np.ndarray
    ids: np.ndarray
    features: np.ndarray
    expected: np.ndarray
    realised: np.ndarray
    decay: np.ndarray
    gain_scale: np.ndarray
    gain_column: int
    capacity_column: int
    fades: bool


class State(NamedTuple):
    """Where the scenarios stand.

    A product always takes the earliest free slot of its facility, so that one day, ``next_free``
    int16 (B, F), and the slots ``left`` on it (B, F), say all about what is free there.
    ``seen_wait`` int16 (B, F), the waits as they were at the day's start; ``seen_best`` int16
    (B, 4), the facility of each disposition that the next product is shown; ``booked`` int32
    (B, longest wait + 1, 4), slots taken by disposition on the days from ``window_start`` int64
    (B,) on, a day at the place of its remainder, and ``booked_ahead`` int32 (B, 4), on all of them;
    ``capacity`` float32 (B, 4), as it is shown; ``upcoming`` int64 (B,), the next product;
    ``taken`` int32 (n, B, N_TAKEN), what became of each.
    """

    upcoming: np.ndarray
    next_free: np.ndarray
    left: np.ndarray
    seen_wait: np.ndarray
    seen_best: np.ndarray
    booked: np.ndarray
    booked_ahead: np.ndarray
    window_start: np.ndarray
    capacity: np.ndarray
    taken: np.ndarray


class Seen(NamedTuple):
    """What is shown of each scenario's next product: ``floor_eur`` (B,), what disposing of it is
    worth; ``active`` (B,), ``products`` (B,), ``masks`` (B, 5) and ``states`` (B, 24)."""

    floor_eur: np.ndarray
    active: np.ndarray
    products: np.ndarray
    masks: np.ndarray
    states: np.ndarray


@njit(cache=True)
def refused(actions, masks):  # type: ignore[no-untyped-def]
    """The first scenario whose action (B,) is out of range or masked; -1 when there is none."""
    for env in range(len(actions)):
        action = actions[env]
        if action < 0 or action > LIMITED or not masks[env, action]:
            return env
    return -1


@njit(cache=True, nogil=True)
def step(  # type: ignore[no-untyped-def]
    begin, end, first_day, actions, values,
    count, first, distance_km, onward_km, openings, window_slots, keys, ids, shown, expected,
    realised, decay, gain_scale, gain_column, capacity_column, fades,
    upcoming, next_free, left, seen_wait, seen_best, booked, booked_ahead, window_start, capacity,
    taken, floor_eur, active, products, masks, states,
):  # fmt: skip
    """Execute the next product of scenarios ``begin`` to ``end``, and fill what is seen of the one
    after it.

    ``values`` (B,) is filled with the realised values in EUR, 0 where a scenario is finished. On
    the ``first_day`` nothing is executed: the days of the first products start. The other arguments
    are the fields of :class:`Layout`, :class:`State` and :class:`Seen` (numba takes far longer to
    recognise a tuple of arrays than the arrays). Scenarios do not touch each other's places, so
    that several threads may each take some.
    """
    closed = len(decay) - 1
    for env in range(begin, end):
        product = upcoming[env]
        new_day = first_day
        values[env] = 0.0
        if product < count[env] and not first_day:
            action = actions[env]
            today = np.int64(keys[product, env, DAY])
            node = np.uint64(keys[product, env, COLLECTION])
            mass_kg = expected[product, env, MASS]
            rate = expected[product, env, RATE]
            storage = expected[product, env, STORAGE]
            field = FIRST_KIND + 3 * action
            chosen = -1
            if action < LIMITED:
                fading = expected[product, env, field]
                fixed = expected[product, env, field + 1]
                leg_kg = expected[product, env, field + 2]
                top = -np.inf
                begin_f, end_f = first[env, action], first[env, action + 1]
                best = np.int64(seen_best[env, action])
                # During a day waits only grow, so what was best and has not changed is best still.
                if fades and best >= 0 and next_free[env, best] - today == seen_wait[env, best]:
                    chosen, end_f = best, begin_f
                for f in range(np.uint64(begin_f), np.uint64(end_f)):
                    wait = min(np.int64(next_free[env, f]) - today, closed)
                    placed = _placed_eur(
                        fixed, leg_kg, rate, mass_kg, distance_km[env, node, f], onward_km[env, f]
                    )
                    value = fading * decay[np.uint64(wait)] + placed - storage * wait
                    value = value if wait < closed else -np.inf
                    chosen = np.int64(f) if value > top else chosen
                    top = value if value > top else top
            taken[product, env, ACTION] = action
            if chosen < 0:
                values[env] = realised[product, env, FLOOR]
                taken[product, env, FACILITY] = keys[product, env, NEAREST]
                taken[product, env, WAIT] = 0
            else:
                at = np.int64(next_free[env, chosen])
                placed = _placed_eur(
                    realised[product, env, field + 1],
                    realised[product, env, field + 2],
                    rate,
                    mass_kg,
                    distance_km[env, node, chosen],
                    onward_km[env, chosen],
                )
                fading = realised[product, env, field]
                values[env] = fading * decay[at - today] + placed - storage * (at - today)
                taken[product, env, FACILITY] = chosen
                taken[product, env, WAIT] = at - today
                booked[env, at % closed, action] += 1
                booked_ahead[env, action] += 1
                left[env, chosen] -= 1
                if left[env, chosen] == 0:
                    next_free[env, chosen] = openings[at + 1, env, AT, chosen]
                    left[env, chosen] = openings[at + 1, env, LEFT, chosen]
            product = np.int64(keys[product, env, NEXT])
            upcoming[env] = product
            new_day = product < count[env] and keys[product, env, DAY] != today
        if product >= count[env]:
            active[env] = False
            floor_eur[env] = 0.0
            products[env] = 0
            for kind in range(LIMITED + 1):
                masks[env, kind] = kind == LIMITED
            for column in range(states.shape[1]):
                states[env, column] = 0.0
            continue
        today = np.int64(keys[product, env, DAY])
        if new_day:
            # A wait beyond the longest is noted as one day more than that.
            # Everything is read before it is chosen from, so that nothing is branched on.
            for f in range(np.uint64(first[env, LIMITED])):
                day, slots = next_free[env, f], left[env, f]
                opening, opened = openings[today, env, AT, f], openings[today, env, LEFT, f]
                passed = day < today
                day = opening if passed else day
                next_free[env, f] = day
                left[env, f] = opened if passed else slots
                seen_wait[env, f] = min(day - today, closed)
            before = window_start[env]
            window_start[env] = today
            for passed_day in range(before, min(today, before + closed)):
                place = np.uint64(passed_day % closed)
                for kind in range(LIMITED):
                    booked_ahead[env, kind] -= booked[env, place, kind]
                    booked[env, place, kind] = 0
            for kind in range(LIMITED):
                total = window_slots[today, env, kind]
                share = 2.0 * ((total - booked_ahead[env, kind]) / max(total, 1)) - 1.0
                capacity[env, kind] = min(max(share, -1.0), 1.0)
        active[env] = True
        products[env] = ids[product, env]
        for column in range(states.shape[1]):
            states[env, column] = shown[product, env, column]
        node = np.uint64(keys[product, env, COLLECTION])
        feasible = keys[product, env, FEASIBLE]
        mass_kg = expected[product, env, MASS]
        rate = expected[product, env, RATE]
        storage = expected[product, env, STORAGE]
        floor = expected[product, env, FLOOR]
        floor_eur[env] = floor
        masks[env, LIMITED] = True
        for kind in range(LIMITED):
            top = -np.inf
            best = -1
            if feasible >> kind & 1:
                field = FIRST_KIND + 3 * kind
                fading = expected[product, env, field]
                fixed = expected[product, env, field + 1]
                leg_kg = expected[product, env, field + 2]
                for f in range(np.uint64(first[env, kind]), np.uint64(first[env, kind + 1])):
                    wait = np.int64(seen_wait[env, f])
                    placed = _placed_eur(
                        fixed, leg_kg, rate, mass_kg, distance_km[env, node, f], onward_km[env, f]
                    )
                    value = fading * decay[np.uint64(wait)] + placed - storage * wait
                    value = value if wait < closed else -np.inf
                    best = np.int64(f) if value > top else best
                    top = value if value > top else top
            seen_best[env, kind] = best
            masks[env, kind] = top > -np.inf
            low, high = gain_scale[0, kind], gain_scale[1, kind]
            gain = min(max(top - floor, low), high)
            share = 0.0
            if gain > low:
                share = math.log((gain - low) / gain_scale[2, kind] + 1.0) / gain_scale[3, kind]
            states[env, gain_column + kind] = min(max(2.0 * share - 1.0, -1.0), 1.0)
            states[env, capacity_column + kind] = capacity[env, kind]


@njit(cache=True, inline="always")
def _placed_eur(fixed, leg_kg, rate, mass_kg, distance_km, onward_km):  # type: ignore[no-untyped-def]
    """One element of :func:`toolchain.environment.network.placed_eur`."""
    return fixed - rate * (mass_kg * distance_km + leg_kg * onward_km)
