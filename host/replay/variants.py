"""The replays of a run: the scenario as it is, every perturbation, and the regime shift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toolchain.environment import ObservationTransform, Perturbation, perturbed, regime_shift
from toolchain.scenario import Scenario

NOMINAL = "nominal"
REGIME_SHIFT = "regime_shift"
SHIFT_AT = 1 / 3
"""Where in the horizon the regime shifts."""


@dataclass(frozen=True)
class Variant:
    """One replay of a run.

    Attributes:
        name: ``nominal``, a :class:`Perturbation`, or ``regime_shift``.
        scenario: what happens.
        perturbation: what is wrong with what the policy sees.
    """

    name: str
    scenario: Scenario
    perturbation: ObservationTransform | None = None


def shift_day(scenario: Scenario) -> int:
    """First day of the new regime in the ``regime_shift`` variant."""
    return int(scenario.parameters.horizon_days * SHIFT_AT)


def variants(scenario: Scenario, seed: int) -> Iterator[Variant]:
    """All replays of a run, ``nominal`` first; the same on every call."""
    yield Variant(NOMINAL, scenario)
    for name in Perturbation:
        yield Variant(str(name), *perturbed(scenario, name, seed))
    yield Variant(REGIME_SHIFT, regime_shift(scenario, shift_day(scenario), seed))
