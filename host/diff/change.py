"""A figure of two runs, and what is to be said of its change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from host.hil.compare import Verdict as Judged
from host.hil.compare import judge
from host.hil.noise import COVERAGE, Tolerance


class Verdict(StrEnum):
    """What is to be said of a change."""

    BETTER = "better"
    """By more than its noise."""
    WORSE = "worse"
    """By more than its noise."""
    NOISE = "within noise"
    UNKNOWN = "noise not known"
    NOT_COMPARABLE = "not comparable"
    """The two figures are not of the same thing; the reason says why."""
    UNAVAILABLE = "unavailable"
    """One of the runs has no such figure, or neither."""


_JUDGED = {
    Judged.WITHIN: Verdict.NOISE,
    Judged.IMPROVED: Verdict.BETTER,
    Judged.REGRESSED: Verdict.WORSE,
    Judged.UNJUDGED: Verdict.UNKNOWN,
}


@dataclass(frozen=True)
class Figure:
    """One run's figure.

    Attributes:
        value: in the change's unit; None where there is none.
        provenance: how it came about; empty where the figure needs none.
        uncertainty: standard uncertainty; None where none is known.
        reason: why there is none.
    """

    value: float | None
    provenance: str = ""
    uncertainty: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Change:
    """A figure of run A beside that of run B.

    Attributes:
        name: of the figure.
        unit: of the values.
        a: of run A.
        b: of run B.
        verdict: what is to be said.
        reason: where the tolerance comes from, or why nothing is judged.
        tolerance: how much the figure may differ by its noise; None where that is not known.
    """

    name: str
    unit: str
    a: Figure
    b: Figure
    verdict: Verdict
    reason: str
    tolerance: float | None = None

    @property
    def absolute(self) -> float | None:
        """B less A, in the unit; None unless both are there."""
        if self.a.value is None or self.b.value is None:
            return None
        return self.b.value - self.a.value

    @property
    def relative(self) -> float | None:
        """The same over A's magnitude; None where that is 0 or not there."""
        return (
            None if self.absolute is None or not self.a.value else self.absolute / abs(self.a.value)
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **asdict(self),
            "verdict": str(self.verdict),
            "absolute": self.absolute,
            "relative": self.relative,
        }


def changed(
    name: str,
    unit: str,
    a: Figure,
    b: Figure,
    tolerance: Tolerance,
    obstacle: str = "",
    *,
    lower_is_better: bool = True,
) -> Change:
    """A change and its verdict.

    Args:
        name: of the figure.
        unit: of the values.
        a: of run A.
        b: of run B.
        tolerance: how much it may differ.
        obstacle: why the two cannot be compared, beside another provenance; empty where they can.
        lower_is_better: which way a change is good.
    """
    if a.value is None or b.value is None:
        gaps = [
            f"{run}: {f.reason or 'not there'}"
            for run, f in (("A", a), ("B", b))
            if f.value is None
        ]
        return Change(name, unit, a, b, Verdict.UNAVAILABLE, "; ".join(gaps))
    if a.provenance != b.provenance:
        why = f"A is {a.provenance}, B is {b.provenance}"
        return Change(name, unit, a, b, Verdict.NOT_COMPARABLE, why)
    if obstacle:
        return Change(name, unit, a, b, Verdict.NOT_COMPARABLE, obstacle)
    verdict = _JUDGED[judge(lower_is_better, a.value, b.value, tolerance)]
    return Change(name, unit, a, b, verdict, tolerance.reason, tolerance.value)


def of_uncertainties(a: Figure, b: Figure, of: str) -> Tolerance:
    """The tolerance of figures that carry their standard uncertainty, as ``noise.metered`` has."""
    if a.uncertainty is None or b.uncertainty is None:
        return Tolerance(None, "no uncertainty is known")
    spread = COVERAGE * math.hypot(a.uncertainty, b.uncertainty)
    return Tolerance(spread, f"{COVERAGE:g} standard uncertainties: {of}")


def count(changes: Sequence[Change], verdict: Verdict) -> int:
    """How many of them have a verdict."""
    return sum(change.verdict is verdict for change in changes)
