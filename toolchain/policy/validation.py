"""Judging a policy while it is trained: its quality on scenarios that nothing is reported of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolchain.environment import Policy, hindsight_optimum, rollout
from toolchain.scenario import Scenario


class Validation:
    """Scenarios with their hindsight optima.

    Args:
        scenarios: of seeds that are neither trained on nor reported.

    Raises:
        ScenarioError: a loop of a scenario's graph is open.
    """

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self.scenarios = tuple(scenarios)
        optima = [hindsight_optimum(scenario) for scenario in scenarios]
        self._floor_eur = np.array([optimum.floor_eur for optimum in optima])
        self._span_eur = np.array([optimum.value_eur for optimum in optima]) - self._floor_eur

    def quality(self, policy: Policy) -> np.ndarray:
        """Unclipped decision quality on each scenario, float64 (k,), as METRICS.md defines it."""
        tables = [rollout(scenario, policy) for scenario in self.scenarios]
        value = np.array([table["value_eur"].to_numpy().sum() for table in tables])
        return (value - self._floor_eur) / self._span_eur
