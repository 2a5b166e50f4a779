"""The replays of a run: the scenario as it is, its variations, and the fallback by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolchain.environment import ObservationTransform, Perturbation, perturbed, regime_shift
from toolchain.scenario import Scenario

NOMINAL = "nominal"
REGIME_SHIFT = "regime_shift"
FALLBACK_ONLY = "fallback_only"
"""The scenario as it is, with no energy for anything but the fallback."""
SHIFT_AT = 1 / 3
"""Where in the horizon the regime shifts."""


@dataclass(frozen=True)
class Variant:
    """One replay of a run.

    Attributes:
        name: ``nominal``, a :class:`Perturbation`, ``regime_shift`` or ``fallback_only``.
        scenario: what happens.
        perturbation: what is wrong with what the policy sees.
        has_budget: whether the run's energy budget holds; otherwise there is nothing to spend.
    """

    name: str
    scenario: Scenario
    perturbation: ObservationTransform | None = None
    has_budget: bool = True


def shift_day(scenario: Scenario) -> int:
    """First day of the new regime in the ``regime_shift`` variant."""
    return int(scenario.parameters.horizon_days * SHIFT_AT)


def variants(scenario: Scenario, seed: int) -> Iterator[Variant]:
    """All replays of a run, ``nominal`` first; the same on every call."""
    yield Variant(NOMINAL, scenario)
    for name in Perturbation:
        yield Variant(str(name), *perturbed(scenario, name, seed))
    yield Variant(REGIME_SHIFT, regime_shift(scenario, shift_day(scenario), seed))
    yield Variant(FALLBACK_ONLY, scenario, has_budget=False)
