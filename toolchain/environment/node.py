"""The deciding node's battery and message budget, day by day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolchain.scenario import NodeParameters, factors

_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class NodeDays:
    """The node on each day, before it decides.

    Attributes:
        alive: bool (days,), False where returns arrive that it cannot decide.
        battery_share: float64 (days,), charge over capacity.
        message_share: float64 (days,), saved messages over the most that are kept.
    """

    alive: np.ndarray
    battery_share: np.ndarray
    message_share: np.ndarray


def node_days(parameters: NodeParameters, arrivals: np.ndarray) -> NodeDays:
    """Keep the node's books over the horizon.

    It starts full. Each day it harvests first; on a day with arrivals it then needs one message
    and the energy of the message and of all the day's decisions, or it stays silent and the
    day's returns are disposed of. What it spends does not depend on the actions.

    Args:
        parameters: budgets, in J and messages.
        arrivals: int (days,), returns on each day.
    """
    days = len(arrivals)
    kept = max(1.0, factors().node.message_days_kept.value * parameters.message_budget_per_day)
    season = 1.0 - parameters.harvest_season * np.cos(2 * np.pi * np.arange(days) / 365.0)
    charge, messages = parameters.battery_j, kept
    alive = np.ones(days, dtype=bool)
    battery_share = np.zeros(days)
    message_share = np.zeros(days)
    for day in range(days):
        charge = min(parameters.battery_j, charge + parameters.harvest_j_per_day * season[day])
        messages = min(kept, messages + parameters.message_budget_per_day)
        battery_share[day] = charge / parameters.battery_j
        message_share[day] = messages / kept
        if arrivals[day] == 0:
            continue
        need = parameters.energy_per_message_j
        need += int(arrivals[day]) * parameters.energy_per_decision_j
        alive[day] = charge >= need and messages >= 1.0 - _TOLERANCE
        if alive[day]:
            charge -= need
            messages = max(0.0, messages - 1.0)
    return NodeDays(alive, battery_share, message_share)
