"""The compiled inner loops of the vectorised environment; they know arrays only.

Arrays over products and days have the scenario as their second axis: all scenarios are at about the
same place, so that a step reads memory from one end to the other.

They follow :class:`~toolchain.environment.Simulation` operation by operation, without fused or
reordered arithmetic, so that both give the same bits.
"""

from __future__ import annotations

import math

import numpy as np

from toolchain.errors import MissingDependencyError

try:
    from numba import njit
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "the vectorised environment needs numba, which is not installed",
        hint="pip install 'jouleloop[train]'",
    ) from error

MASS, RATE, STORAGE, FIRST_KIND, N_FIELDS = 0, 1, 2, 3, 18
"""Places in a product's record of float64: three of the product, then three for each of the five
dispositions: what fades, what does not, and the mass that goes on to a recycler."""

DAY, COLLECTION, FEASIBLE, NEXT, N_KEYS = 0, 1, 2, 3, 4
"""Places in a product's record of int32: its day and collection node, a bit for each disposition
that its condition allows, and the first product behind it that the node decides."""

ACTION, FACILITY, WAIT, N_TAKEN = 0, 1, 2, 3
"""Places in a product's record of what became of it, int32."""

AT, LEFT = 0, 1
"""Places in an entry of the slots' list: a day on which a facility has slots, and how many. The
lists are sorted by day and end in an entry that no day reaches. A product always takes the earliest
slot of its facility, so that one place in its list says all about what is free there."""

_DISPOSE = 4


@njit(cache=True)
def start_day(  # type: ignore[no-untyped-def]
    env, upcoming, keys, max_wait, first, slots, place, left, next_free, free_of_kind,
    slots_of_kind, window_free, window_slots, window_start, seen_wait, capacity,
):  # fmt: skip
    """Note where one scenario's first free slots are and what is free, at its day's start.

    A wait beyond the longest is noted as one day more than that.
    """
    today = np.int64(keys[upcoming[env], env, DAY])
    last = today + max_wait
    for f in range(np.uint64(first[env, _DISPOSE])):
        if next_free[env, f] < today:
            at = place[env, f]
            while slots[at, AT] < today:
                at += 1
            place[env, f] = at
            left[env, f] = slots[at, LEFT]
            next_free[env, f] = slots[at, AT]
        seen_wait[env, f] = min(next_free[env, f] - today, max_wait + 1)
    before = window_start[env]
    window_start[env] = today
    for passed in range(max(before, 0), min(today, before + max_wait + 1)):
        for kind in range(_DISPOSE):
            window_free[env, kind] -= free_of_kind[passed, env, kind]
            window_slots[env, kind] -= slots_of_kind[passed, env, kind]
    for entered in range(max(before + max_wait + 1, today), last + 1):
        for kind in range(_DISPOSE):
            window_free[env, kind] += free_of_kind[entered, env, kind]
            window_slots[env, kind] += slots_of_kind[entered, env, kind]
    for kind in range(_DISPOSE):
        share = 2.0 * (window_free[env, kind] / max(window_slots[env, kind], 1)) - 1.0
        capacity[env, kind] = min(max(share, -1.0), 1.0)


@njit(cache=True, inline="always")
def _placed_eur(fixed, leg_kg, rate, mass_kg, distance_km, onward_km):  # type: ignore[no-untyped-def]
    """One element of :func:`toolchain.environment.network.placed_eur`."""
    return fixed - rate * (mass_kg * distance_km + leg_kg * onward_km)


@njit(cache=True, inline="always")
def _best_eur(  # type: ignore[no-untyped-def]
    env, product, kind, node, max_wait, first, distance_km, onward_km, records, decay, seen_wait
):
    """The highest expected value of a disposition, at the first free slots as they were seen."""
    mass_kg = records[product, env, MASS]
    rate = records[product, env, RATE]
    storage = records[product, env, STORAGE]
    field = FIRST_KIND + 3 * kind
    fading = records[product, env, field]
    fixed = records[product, env, field + 1]
    leg_kg = records[product, env, field + 2]
    top = -np.inf
    for f in range(np.uint64(first[env, kind]), np.uint64(first[env, kind + 1])):
        wait = seen_wait[env, f]
        placed = _placed_eur(
            fixed, leg_kg, rate, mass_kg, distance_km[env, node, f], onward_km[env, f]
        )
        value = fading * decay[np.uint64(wait)] + placed - storage * wait
        value = value if wait <= max_wait else -np.inf
        top = value if value > top else top
    return top


@njit(cache=True)
def look(  # type: ignore[no-untyped-def]
    upcoming, count, max_wait, first, distance_km, onward_km, keys, records, features, ids, decay,
    seen_wait, capacity, capacity_column, gain_column, gain_floor, gain_top, gain_knee, gain_span,
    floor_eur, active, products, masks, states,
):  # fmt: skip
    """Fill what disposing is worth (B,), active (B,), ids (B,), masks (B, 5), states (B, 24)."""
    for env in range(len(upcoming)):
        product = upcoming[env]
        if product >= count[env]:
            active[env] = False
            floor_eur[env] = 0.0
            products[env] = 0
            for kind in range(_DISPOSE + 1):
                masks[env, kind] = kind == _DISPOSE
            for column in range(states.shape[1]):
                states[env, column] = 0.0
            continue
        active[env] = True
        products[env] = ids[product, env]
        node = np.uint64(keys[product, env, COLLECTION])
        feasible = keys[product, env, FEASIBLE]
        for column in range(states.shape[1]):
            states[env, column] = features[product, env, column]
        floor = _best_eur(
            env, product, _DISPOSE, node, max_wait, first, distance_km, onward_km, records, decay,
            seen_wait,
        )  # fmt: skip
        floor_eur[env] = floor
        masks[env, _DISPOSE] = True
        for kind in range(_DISPOSE):
            top = -np.inf
            if feasible >> kind & 1:
                top = _best_eur(
                    env, product, kind, node, max_wait, first, distance_km, onward_km, records,
                    decay, seen_wait,
                )  # fmt: skip
            masks[env, kind] = top > -np.inf
            gain = min(max(top - floor, gain_floor[kind]), gain_top[kind])
            share = math.log((gain - gain_floor[kind]) / gain_knee[kind] + 1.0) / gain_span[kind]
            states[env, gain_column + kind] = min(max(2.0 * share - 1.0, -1.0), 1.0)
            states[env, capacity_column + kind] = capacity[env, kind]


@njit(cache=True)
def refused(actions, masks):  # type: ignore[no-untyped-def]
    """The first scenario whose action (B,) is out of range or masked; -1 when there is none."""
    for env in range(len(actions)):
        action = actions[env]
        if action < 0 or action > _DISPOSE or not masks[env, action]:
            return env
    return -1


@njit(cache=True)
def dispatch(  # type: ignore[no-untyped-def]
    actions, count, distance_km, onward_km, records, realised, decay, taken, values, upcoming,
    keys, max_wait, first, slots, place, left, next_free, free_of_kind, slots_of_kind,
    window_free, window_slots, window_start, seen_wait, capacity,
):  # fmt: skip
    """Execute the next product of each scenario and go on to the one after it."""
    for env in range(len(actions)):
        product = upcoming[env]
        if product >= count[env]:
            values[env] = 0.0
            continue
        today = np.int64(keys[product, env, DAY])
        node = np.uint64(keys[product, env, COLLECTION])
        mass_kg = records[product, env, MASS]
        rate = records[product, env, RATE]
        storage = records[product, env, STORAGE]
        kind = actions[env]
        chosen = -1
        top = -np.inf
        if kind < _DISPOSE:
            field = FIRST_KIND + 3 * kind
            fading = records[product, env, field]
            fixed = records[product, env, field + 1]
            leg_kg = records[product, env, field + 2]
            for f in range(np.uint64(first[env, kind]), np.uint64(first[env, kind + 1])):
                days = min(np.int64(next_free[env, f]) - today, max_wait + 1)
                placed = _placed_eur(
                    fixed, leg_kg, rate, mass_kg, distance_km[env, node, f], onward_km[env, f]
                )
                value = fading * decay[np.uint64(days)] + placed - storage * days
                value = value if days <= max_wait else -np.inf
                chosen = np.int64(f) if value > top else chosen
                top = value if value > top else top
        wait = 0
        if chosen >= 0:
            at = np.int64(next_free[env, chosen])
            wait = at - today
            free_of_kind[at, env, kind] -= 1
            window_free[env, kind] -= 1
            left[env, chosen] -= 1
            if left[env, chosen] == 0:
                following = place[env, chosen] + 1
                place[env, chosen] = following
                left[env, chosen] = slots[following, LEFT]
                next_free[env, chosen] = slots[following, AT]
        else:
            kind = _DISPOSE
            fixed = records[product, env, FIRST_KIND + 3 * _DISPOSE + 1]
            for f in range(np.uint64(first[env, kind]), np.uint64(first[env, kind + 1])):
                value = _placed_eur(fixed, 0.0, rate, mass_kg, distance_km[env, node, f], 0.0)
                chosen = np.int64(f) if value > top else chosen
                top = value if value > top else top
        field = FIRST_KIND + 3 * kind
        placed = _placed_eur(
            realised[product, env, field + 1],
            realised[product, env, field + 2],
            rate,
            mass_kg,
            distance_km[env, node, chosen],
            onward_km[env, chosen],
        )
        values[env] = realised[product, env, field] * decay[wait] + placed - storage * wait
        taken[product, env, ACTION] = actions[env]
        taken[product, env, FACILITY] = chosen
        taken[product, env, WAIT] = wait
        upcoming[env] = keys[product, env, NEXT]
        if upcoming[env] < count[env] and keys[upcoming[env], env, DAY] != today:
            start_day(
                env, upcoming, keys, max_wait, first, slots, place, left, next_free, free_of_kind,
                slots_of_kind, window_free, window_slots, window_start, seen_wait, capacity,
            )  # fmt: skip
