"""The teacher: what every allowed action is worth when the current policy goes on from there.

For a state that a policy visits, each allowed action is tried on a copy of the state and the same
policy decides what comes after, over the same arrivals and over expected outcomes. The differences
between the actions are unbiased estimates of their advantage under that policy (common random
numbers cancel the rest), so a network that is fitted to them over many states improves on it
without having to know the future: policy iteration with a rollout teacher (Ross & Bagnell 2014,
arXiv 1406.5979).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from toolchain.environment import N_DISPOSITIONS
from toolchain.policy.kernel import (
    LIMITED,
    NO_SLOT,
    Course,
    Decider,
    Packed,
    go_on,
    roll_out,
    start_day,
)


@dataclass(frozen=True)
class Lessons:
    """States with what each action is worth: parallel arrays over m states.

    Attributes:
        states: float32 (m, 24).
        masks: bool (m, 5).
        regret_eur: float64 (m, 5), below the best allowed action; 0 where masked.
        actions: int64 (m,), what the policy chose.
    """

    states: np.ndarray
    masks: np.ndarray
    regret_eur: np.ndarray
    actions: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Lessons]) -> Lessons:
        """All lessons, in order."""
        names = cls.__dataclass_fields__
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def teach(
    scenarios: Sequence[Packed],
    decider: Decider,
    rng: np.random.Generator,
    *,
    states_per_scenario: int,
    lookahead_days: int,
    pool: ThreadPoolExecutor,
) -> Lessons:
    """Roll out a policy and learn what each action is worth on a sample of the states it visits.

    Args:
        scenarios: at least one.
        decider: the policy, which also decides what comes after.
        rng: draws the sample.
        states_per_scenario: at most so many of each.
        lookahead_days: days that an action's consequences are followed; the longest wait and
            more.
        pool: its threads share the work; the result does not depend on their number.
    """
    courses = list(pool.map(lambda scenario: roll_out(scenario, decider)[1], scenarios))
    samples = []
    for scenario in scenarios:
        decided = np.flatnonzero(scenario.alive)
        count = min(states_per_scenario, len(decided))
        samples.append(np.sort(rng.choice(decided, count, replace=False)))
    parts = list(
        pool.map(
            lambda packed, course, sample: _lessons(
                packed, course, sample, decider, lookahead_days
            ),
            scenarios,
            courses,
            samples,
        )
    )
    return Lessons.joined(parts)


def _lessons(
    packed: Packed, course: Course, sample: np.ndarray, decider: Decider, lookahead_days: int
) -> Lessons:
    values = np.full((len(sample), N_DISPOSITIONS), -np.inf)
    action_values(packed, decider, course, sample, lookahead_days, values)
    masks = course.masks[sample]
    regret = np.where(masks, values.max(axis=1, keepdims=True) - values, 0.0)
    return Lessons(course.states[sample], masks, regret, course.action[sample])


@numba.njit(cache=True, nogil=True)
def action_values(  # type: ignore[no-untyped-def]
    packed, decider, course, sample, lookahead_days, values
):
    """Fill ``values`` (m, 5) with the expected EUR over disposal that follow each allowed action.

    ``sample`` are the products, sorted; ``course`` is how the policy decided the scenario.
    """
    facilities = packed.slots.shape[0]
    at_dawn = packed.slots.copy()
    wait = np.zeros(facilities, dtype=np.int64)
    seen = np.zeros(facilities, dtype=np.int64)
    share = np.zeros(LIMITED)
    executed = 0
    for row in range(len(sample)):
        product = sample[row]
        day = packed.day[product]
        while packed.day[executed] < day:
            facility = course.facility[executed]
            if facility != NO_SLOT:
                at_dawn[facility, packed.day[executed] + course.wait[executed]] -= 1
            executed += 1
        free = at_dawn.copy()
        for earlier in range(executed, product):
            facility = course.facility[earlier]
            if facility != NO_SLOT:
                free[facility, day + course.wait[earlier]] -= 1
        start_day(packed, day, free, wait, share)
        start_day(packed, day, at_dawn, seen, share)
        for action in range(N_DISPOSITIONS):
            if course.masks[product, action]:
                values[row, action] = go_on(
                    packed,
                    decider,
                    free.copy(),
                    wait.copy(),
                    seen.copy(),
                    share.copy(),
                    product,
                    True,
                    action,
                    day + lookahead_days,
                    course,
                    False,
                )
