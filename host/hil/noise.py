"""How much each figure may differ between two runs of one program: the table of tolerances.

A tolerance comes from what the two runs say of their own noise, so a figure that is counted in an
emulator has none, and one that a meter measured has its uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


def counted(figure: str, before: Side, after: Side) -> Tolerance:
    """Latency: none where an emulator counts, else the standard error of the quantile."""
    if before.emulated and after.emulated:
        return Tolerance(0.0, "counted by an emulator, which repeats itself")
    errors = [_quantile_error(figure, side) for side in (before, after)]
    if None in errors:
        return Tolerance(None, "no decision was timed")
    scale = figure_kind(figure).scale
    known = [error * scale for error in errors if error is not None]
    if figure.endswith(".max"):
        return Tolerance(max(known), "an extreme: as far from p95 as either run's maximum")
    return Tolerance(COVERAGE * math.hypot(*known), f"{COVERAGE:g} standard errors of the quantile")


def _quantile_error(figure: str, side: Side) -> float | None:
    """s; from the spread of the decisions, taken as a normal one between median and p95."""
    detail = side.detail(figure)
    median_s = side.metrics["inference_latency"]["value"]
    if median_s is None:
        return None
    cycle_s = 1 / detail["clock_hz"]
    if figure.endswith(".max"):
        return max(detail["max_s"] - detail["p95_s"], cycle_s)
    share = 0.95 if figure.endswith(".p95") else 0.5
    deviation_s = (detail["p95_s"] - median_s) / _P95
    at = NormalDist().pdf(NormalDist().inv_cdf(share))
    error_s = deviation_s * math.sqrt(share * (1 - share) / detail["decisions"]) / at
    return math.hypot(error_s, cycle_s)


def metered(figure: str, before: Side, after: Side) -> Tolerance:
    """Energy: the uncertainty of both runs; an emulated meter has one gain and zero."""
    kind = figure_kind(figure)
    emulated = before.emulated and after.emulated
    uncertainties: list[float | None] = []
    for side in (before, after):
        parts = side.detail(figure).get(f"{str(kind.uncertainty).removesuffix('_j')}_parts_j")
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


def sent(figure: str, before: Side, after: Side) -> Tolerance:
    """Bytes and messages: those of repeated frames, each with its reply."""
    tolerance = 0.0
    for side in (before, after):
        detail = side.detail(figure)
        if not detail["messages"] or not detail["decisions"]:
            return Tolerance(None, "no decision was made")
        one = 1.0 if "messages" in figure else detail["bytes_total"] / detail["messages"]
        tolerance += 2 * side.retries * one / detail["decisions"]
    return Tolerance(tolerance, "frames that were sent again, and their replies")


def decided(figure: str, before: Side, after: Side) -> Tolerance:
    """Quality and circularity: none for the same decisions, else the spread between seeds."""
    if same_decisions(before, after):
        values = [abs(side.value(figure) or 0.0) for side in (before, after)]
        return Tolerance(SOLVER * max(values), "the same decisions")
    deviations = [side.training.get("sd") or SEEDS_SD for side in (before, after)]
    of = f"{COVERAGE:g} standard deviations between training seeds"
    if figure == "quality":
        return Tolerance(COVERAGE * math.hypot(*deviations), of)
    if figure == "robustness":
        # A ratio of two qualities, each with that deviation.
        qualities = [side.value("quality") or 1.0 for side in (before, after)]
        ratios = [math.sqrt(2) * d / q for d, q in zip(deviations, qualities, strict=True)]
        return Tolerance(COVERAGE * math.hypot(*ratios), f"{of}, of a ratio")
    return Tolerance(None, "other networks or another scenario, whose spread is not known")


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


@dataclass(frozen=True)
class Rule:
    """What is judged of a figure.

    Attributes:
        figure: its name.
        lower_is_better: which way a change is a regression.
        noise: how much it may differ.
    """

    figure: str
    lower_is_better: bool
    noise: Noise


RULES: tuple[Rule, ...] = (
    Rule("latency_us.median", True, counted),
    Rule("latency_us.p95", True, counted),
    Rule("latency_us.max", True, counted),
    Rule("energy_uj.total", True, metered),
    Rule("energy_uj.idle_subtracted", True, metered),
    Rule("flash_bytes", True, linked),
    Rule("ram_bytes", True, stacked),
    Rule("comms.bytes_per_decision", True, sent),
    Rule("comms.messages_per_decision", True, sent),
    Rule("quality", False, decided),
    Rule("robustness", False, decided),
    Rule("adaptability", False, decided),
    Rule("material_circularity", False, decided),
    Rule("energy_recovery", False, decided),
    Rule("component_reuse", False, decided),
    Rule("waste_kg", True, decided),
)
"""Every figure that is judged, which way, and by what noise."""
