"""How much each figure may differ between two runs of one program: the table of tolerances.

A tolerance comes from what the two runs say of their own noise, so a figure that is counted in an
emulator has none, and one that a meter measured has its uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import NormalDist
from typing import Any

from host.hil.figures import figure_kind
from host.metrics import Provenance
from host.metrics.window import OF_WINDOWS

COVERAGE = 3.0
"""Standard uncertainties that a figure may differ by: 0.3 % of normally distributed differences
are larger. A run judges some ten figures."""

ROUNDING = 1e-9
"""Relative; of sums of floats on another machine."""

SOLVER = 1e-6
"""Relative; of the hindsight optimum, which quality is scaled by (HiGHS' tolerances are 1e-7)."""

SEEDS_SD = 0.0041
"""Standard deviation of quality between training seeds where a run has trained only one: that of
five seeds of the quick preset (docs/POLICY.md)."""

STACK_BYTES = 64
"""By which the deepest stack seen differs with the moment of an interrupt: an exception frame of
eight words and one to align it (ARMv6-M Architecture Reference Manual, B1.5), and a handler's own;
an assumption for the latter."""

_P95 = NormalDist().inv_cdf(0.95)


@dataclass(frozen=True)
class Side:
    """What is known of one of the two runs that are compared.

    Attributes:
        metrics: those of ``result.json``.
        identity: of the board that answered.
        provenance: of the board: measured or emulated.
        scenario_sha256: that was replayed.
        training: ``quality`` of the result's training: mean and standard deviation over seeds.
        retries: frames that were sent again in the nominal replay.
        decisions_sha256: of every decision of every replay; empty where it was not recorded.
    """

    metrics: Mapping[str, Mapping[str, Any]]
    identity: Mapping[str, Any]
    provenance: Provenance
    scenario_sha256: str
    training: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 0
    decisions_sha256: str = ""

    @property
    def emulated(self) -> bool:
        """Whether the silicon was an emulator, which repeats itself exactly."""
        return self.provenance is Provenance.EMULATED

    def detail(self, figure: str) -> Mapping[str, Any]:
        """What the result knows beside a figure's value."""
        found: Mapping[str, Any] = self.metrics[figure_kind(figure).metric]["detail"]
        return found

    def value(self, figure: str) -> float | None:
        """A figure in its own unit."""
        kind = figure_kind(figure)
        metric = self.metrics.get(kind.metric)
        return None if metric is None else kind.value(metric)


@dataclass(frozen=True)
class Tolerance:
    """How much a figure may get worse.

    Attributes:
        value: in the figure's unit; None where the noise is not known, so that nothing is judged.
        reason: where it comes from.
    """

    value: float | None
    reason: str


Noise = Callable[[str, Side, Side], Tolerance]


def quantile(share: float) -> Noise:
    """Latency: none where an emulator counts, else the standard error of a quantile.

    Args:
        share: of the decisions that take no longer, such as 0.5 for the median.
    """

    def error_s(side: Side, figure: str) -> float:
        """From the spread of the decisions, taken as a normal one between median and p95."""
        detail = side.detail(figure)
        deviation_s = (detail["p95_s"] - side.metrics["inference_latency"]["value"]) / _P95
        at = NormalDist().pdf(NormalDist().inv_cdf(share))
        error_s: float = deviation_s * math.sqrt(share * (1 - share) / detail["decisions"]) / at
        return math.hypot(error_s, 1 / detail["clock_hz"])

    def noise(figure: str, before: Side, after: Side) -> Tolerance:
        exact = _counted(before, after)
        if exact is not None:
            return exact
        errors = [error_s(side, figure) * figure_kind(figure).scale for side in (before, after)]
        reason = f"{COVERAGE:g} standard errors of the quantile"
        return Tolerance(COVERAGE * math.hypot(*errors), reason)

    return noise


def extreme(figure: str, before: Side, after: Side) -> Tolerance:
    """The longest latency: none where an emulator counts, else as far as it is from p95."""
    exact = _counted(before, after)
    if exact is not None:
        return exact
    details = [side.detail(figure) for side in (before, after)]
    known = [max(d["max_s"] - d["p95_s"], 1 / d["clock_hz"]) for d in details]
    reason = "an extreme: as far from p95 as either run's maximum"
    return Tolerance(max(known) * figure_kind(figure).scale, reason)


def _counted(before: Side, after: Side) -> Tolerance | None:
    """The tolerance that follows from how both runs counted; None for a board that did."""
    if before.emulated and after.emulated:
        return Tolerance(0.0, "counted by an emulator, which repeats itself")
    if None in (side.metrics["inference_latency"]["value"] for side in (before, after)):
        return Tolerance(None, "no decision was timed")
    return None


def metered(figure: str, before: Side, after: Side) -> Tolerance:
    """Energy: the uncertainty of both runs; an emulated meter has one gain and zero."""
    kind = figure_kind(figure)
    emulated = before.emulated and after.emulated
    uncertainties: list[float | None] = []
    for side in (before, after):
        parts = side.detail(figure).get(kind.uncertainty_parts or "")
        if emulated and parts:
            known = math.hypot(*(value for name, value in parts.items() if name in OF_WINDOWS))
            uncertainties.append(known * kind.scale)
        else:
            uncertainties.append(kind.spread(side.metrics[kind.metric]))
    if None in uncertainties:
        return Tolerance(None, "no uncertainty is known")
    of = "scatter and resolution of the windows" if emulated else "the windows and the meter"
    tolerance = COVERAGE * math.hypot(*(u for u in uncertainties if u is not None))
    return Tolerance(tolerance, f"{COVERAGE:g} standard uncertainties: {of}")


def linked(figure: str, before: Side, after: Side) -> Tolerance:
    """Flash: the linker's."""
    return Tolerance(0.0, "sections of the linked program")


def stacked(figure: str, before: Side, after: Side) -> Tolerance:
    """RAM: sections, and the deepest stack, which on silicon depends on when interrupts came."""
    if before.emulated and after.emulated:
        return Tolerance(0.0, "sections, and a stack that an emulator repeats")
    return Tolerance(STACK_BYTES, "an interrupt's frame more or less on the deepest stack")


def sent(each: Callable[[Mapping[str, Any]], float]) -> Noise:
    """What was sent for a decision: the repeated frames, each with its reply.

    Args:
        each: what one message adds, from the metric's detail.
    """

    def noise(figure: str, before: Side, after: Side) -> Tolerance:
        tolerance = 0.0
        for side in (before, after):
            detail = side.detail(figure)
            if not detail["messages"] or not detail["decisions"]:
                return Tolerance(None, "no decision was made")
            tolerance += 2 * side.retries * each(detail) / detail["decisions"]
        return Tolerance(tolerance, "frames that were sent again, and their replies")

    return noise


def decided(between_seeds: Callable[[Side], float] | None = None) -> Noise:
    """What follows from the decisions: none for the same ones, else the spread between seeds.

    Args:
        between_seeds: standard deviation of a run's figure between trainings; None where it is
            not known.
    """

    def noise(figure: str, before: Side, after: Side) -> Tolerance:
        sides = before, after
        if same_decisions(before, after):
            largest = max(abs(side.value(figure) or 0.0) for side in sides)
            return Tolerance(SOLVER * largest, "the same decisions")
        if between_seeds is None:
            return Tolerance(None, "other decisions, whose spread is not known")
        tolerance = COVERAGE * math.hypot(*map(between_seeds, sides))
        return Tolerance(tolerance, f"{COVERAGE:g} standard deviations between training seeds")

    return noise


def _of_quality(side: Side) -> float:
    return side.training.get("sd") or SEEDS_SD


def _of_ratio(side: Side) -> float:
    """Of a ratio of two qualities, each with that deviation."""
    return math.sqrt(2) * _of_quality(side) / (side.value("quality") or 1.0)


def same_decisions(before: Side, after: Side) -> bool:
    """Whether the same was decided, or must have been: same networks, scenario and modes.

    The former holds on another CPU, too, where the last bits of a generated scenario may differ,
    which no INT8 input sees, but its SHA-256 does.
    """
    if before.decisions_sha256 and before.decisions_sha256 == after.decisions_sha256:
        return True
    networks = ("model_sha256", "fallback_sha256")
    same_networks = all(before.identity[key] == after.identity[key] for key in networks)
    modes = [
        {name: mode["decisions"] for name, mode in detail.get("modes", {}).items()}
        for detail in (side.detail("energy_uj.total") for side in (before, after))
    ]
    same_scenario = before.scenario_sha256 == after.scenario_sha256
    return same_networks and same_scenario and modes[0] == modes[1]


class Origin(StrEnum):
    """Where a figure is from, and so what its noise is."""

    COUNTED = "counted"
    METERED = "metered"
    LINKED = "linked"
    STACKED = "stacked"
    SENT = "sent"
    DECIDED = "decided"


@dataclass(frozen=True)
class Rule:
    """What is judged of a figure.

    Attributes:
        figure: its name.
        origin: where it is from.
        lower_is_better: which way a change is a regression.
        noise: how much it may differ.
    """

    figure: str
    origin: Origin
    lower_is_better: bool
    noise: Noise


RULES: tuple[Rule, ...] = (
    Rule("latency_us.median", Origin.COUNTED, True, quantile(0.5)),
    Rule("latency_us.p95", Origin.COUNTED, True, quantile(0.95)),
    Rule("latency_us.max", Origin.COUNTED, True, extreme),
    Rule("energy_uj.total", Origin.METERED, True, metered),
    Rule("energy_uj.idle_subtracted", Origin.METERED, True, metered),
    Rule("flash_bytes", Origin.LINKED, True, linked),
    Rule("ram_bytes", Origin.STACKED, True, stacked),
    Rule(
        "comms.bytes_per_decision",
        Origin.SENT,
        True,
        sent(lambda detail: detail["bytes_total"] / detail["messages"]),
    ),
    Rule("comms.messages_per_decision", Origin.SENT, True, sent(lambda detail: 1.0)),
    Rule("quality", Origin.DECIDED, False, decided(_of_quality)),
    Rule("robustness", Origin.DECIDED, False, decided(_of_ratio)),
    Rule("adaptability", Origin.DECIDED, False, decided()),
    Rule("material_circularity", Origin.DECIDED, False, decided()),
    Rule("energy_recovery", Origin.DECIDED, False, decided()),
    Rule("component_reuse", Origin.DECIDED, False, decided()),
    Rule("waste_kg", Origin.DECIDED, True, decided()),
)
"""Every figure that is judged, which way, and by what noise."""
