"""What moved the composite scores: the share of each weighted metric in the change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from host.diff.change import Change, Figure, Verdict
from host.diff.run import DiffedRun

COMPOSITES = ("composite", "composite_log")
FIGURE_OF = {
    "material_circularity": "material_circularity",
    "component_reuse_rate": "component_reuse",
    "energy_per_decision": "energy_uj.total",
    "decision_quality": "quality",
    "waste_generation": "waste_kg",
    "robustness_score": "robustness",
    "adaptability_rate": "adaptability",
    "comms_overhead": "comms.bytes_per_decision",
}
"""The figure whose verdict a weighted metric has."""


@dataclass(frozen=True)
class Contribution:
    """What one metric adds to the change of a composite.

    Attributes:
        metric: its name.
        weight: 0 to 1.
        score_a: of run A, 0 to 1.
        score_b: of run B.
        verdict: of the metric's own change.
    """

    metric: str
    weight: float
    score_a: float
    score_b: float
    verdict: Verdict

    @property
    def change(self) -> float:
        """Weight times the change of the score; all of them add up to the composite's."""
        return self.weight * (self.score_b - self.score_a)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "verdict": str(self.verdict), "change": self.change}


@dataclass(frozen=True)
class CompositeChange:
    """A composite of two runs.

    Attributes:
        change: of its value.
        contributions: of every weighted metric; none where a run has no composite, or has
            other weights.
    """

    change: Change
    contributions: Sequence[Contribution] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        contributions = [contribution.as_dict() for contribution in self.contributions]
        return {**self.change.as_dict(), "contributions": contributions}


def composite_changes(
    a: DiffedRun, b: DiffedRun, metrics: Sequence[Change]
) -> list[CompositeChange]:
    """Both composites, each judged by the verdicts of its metrics.

    A composite got better or worse when what its metrics changed by more than their noise adds up
    to that; where one of them cannot be compared or its noise is not known, neither can be said.
    """
    by_figure = {change.name: change for change in metrics}
    return [_composite(name, a, b, by_figure) for name in COMPOSITES]


def _composite(
    name: str, a: DiffedRun, b: DiffedRun, by_figure: Mapping[str, Change]
) -> CompositeChange:
    scores = [run.result[name] for run in (a, b)]
    figures = [
        Figure(s["value"], s["provenance"], reason=s["detail"].get("reason", "")) for s in scores
    ]

    def undecided(verdict: Verdict, reason: str) -> Change:
        return Change(name, "1", figures[0], figures[1], verdict, reason)

    gaps = [f"{run}: {f.reason}" for run, f in zip("AB", figures, strict=True) if f.value is None]
    if gaps:
        return CompositeChange(undecided(Verdict.UNAVAILABLE, "; ".join(gaps)))
    weights, of_a, of_b = (
        scores[0]["detail"]["weights"],
        scores[0]["detail"]["scores"],
        scores[1]["detail"]["scores"],
    )
    if weights != scores[1]["detail"]["weights"]:
        return CompositeChange(undecided(Verdict.NOT_COMPARABLE, "other weights"))
    parts = [
        Contribution(
            metric, weight, of_a[metric], of_b[metric], by_figure[FIGURE_OF[metric]].verdict
        )
        for metric, weight in weights.items()
    ]
    if figures[0].provenance != figures[1].provenance:
        why = f"A is {figures[0].provenance}, B is {figures[1].provenance}"
        return CompositeChange(undecided(Verdict.NOT_COMPARABLE, why), parts)
    for verdict in (Verdict.NOT_COMPARABLE, Verdict.UNAVAILABLE, Verdict.UNKNOWN):
        found = [part.metric for part in parts if part.verdict is verdict]
        if found:
            return CompositeChange(undecided(verdict, f"{verdict}: {', '.join(found)}"), parts)
    moved = math.fsum(part.change for part in parts if part.verdict is not Verdict.NOISE)
    if not moved:
        return CompositeChange(undecided(Verdict.NOISE, "so are all of its metrics"), parts)
    judged = Verdict.BETTER if moved > 0 else Verdict.WORSE
    return CompositeChange(
        undecided(judged, f"{moved:+.4g} by metrics that changed by more than their noise"), parts
    )
