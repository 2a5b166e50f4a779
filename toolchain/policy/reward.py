"""What the node spends, in EUR: the exchange rate by which joules and messages enter the reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolchain.environment.node import node_days
from toolchain.scenario import Scenario


@dataclass(frozen=True)
class ExchangeRate:
    """Price of what the node spends.

    Attributes:
        eur_per_j: of its energy; the default is an assumption: an AA cell of 34 kJ (FACTS.md
            section 4) for 10 EUR and 40 EUR for the visit that replaces it.
        eur_per_message: beside the message's energy; the default is an assumption: no fee.
    """

    eur_per_j: float = 50.0 / 34_000.0
    eur_per_message: float = 0.0


def node_cost_eur(scenario: Scenario, rate: ExchangeRate) -> np.ndarray:
    """What the node spends on each product, float64 (n,): its decision, and its share of the day's
    one message; 0 on days on which the node is dead.

    It does not depend on the actions, so it shifts the reward without changing which policy is
    best; it weighs another scenario, or a node that spends more, with the same yardstick. A
    decision costs what the scenario's node reckons with, the limit that the network is sized by.
    """
    node, day = scenario.parameters.node, scenario.returns.return_day
    arrivals = np.bincount(day, minlength=scenario.parameters.horizon_days)
    alive = node_days(node, arrivals).alive[day]
    message = node.energy_per_message_j * rate.eur_per_j + rate.eur_per_message
    cost = node.energy_per_decision_j * rate.eur_per_j + message / arrivals[day]
    return np.where(alive, cost, 0.0)
