"""A run against its baseline, figure by figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from host.hil.baseline import Entry, made_entry
from host.hil.figures import figure_kind
from host.hil.job import Job, Outcome, Scenario, Status, Variant
from host.hil.noise import ROUNDING, RULES, Rule, Side, Tolerance, same_decisions
from toolchain.errors import InputError


class Verdict(StrEnum):
    """What is to be said of a figure."""

    WITHIN = "within"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    MISSING = "missing"
    """The baseline has it and the run has not: what was to be measured was not."""
    NEW = "new"
    """The run has it and there is no baseline of it."""
    UNJUDGED = "unjudged"
    """Its noise is not known."""


@dataclass(frozen=True)
class Comparison:
    """One figure of a run beside the baseline's.

    Attributes:
        figure: its name.
        unit: of the values.
        provenance: of the run's value.
        value: of the run; None where there is none.
        uncertainty: its standard uncertainty, where one is known.
        baseline: None where there is none.
        tolerance: how much it may get worse; None where that is not known.
        reason: where the tolerance comes from, or why there is no value.
        verdict: what is to be said.
    """

    figure: str
    unit: str
    provenance: str
    value: float | None
    uncertainty: float | None
    baseline: float | None
    tolerance: float | None
    reason: str
    verdict: Verdict

    @property
    def change(self) -> float | None:
        """Relative change; None where it is not defined."""
        if self.value is None or not self.baseline:
            return None
        return self.value / self.baseline - 1


@dataclass(frozen=True)
class TargetReport:
    """What is to be said of one target.

    Attributes:
        outcome: of its benchmark.
        comparisons: of every figure; empty when there is no result.
        notes: in what else the run differs from the baseline's.
    """

    outcome: Outcome
    comparisons: Sequence[Comparison] = ()
    notes: Sequence[str] = ()

    @property
    def verdicts(self) -> set[Verdict]:
        """All that occur."""
        return {comparison.verdict for comparison in self.comparisons}

    @property
    def regressed(self) -> bool:
        """Whether a figure got worse by more than its noise."""
        return Verdict.REGRESSED in self.verdicts

    @property
    def invalid(self) -> bool:
        """Whether the measurement, or a figure that the baseline has, is not there."""
        return self.outcome.status is not Status.DONE or Verdict.MISSING in self.verdicts

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        outcome = self.outcome
        return {
            "target": outcome.job.target,
            "status": str(outcome.status),
            "error": outcome.error or None,
            "seconds": outcome.seconds,
            "run": str(outcome.job.run_folder),
            "identity": None if outcome.result is None else outcome.result["identity"],
            "metrics": None if outcome.result is None else outcome.result["metrics"],
            "comparisons": [
                {**vars(c), "verdict": str(c.verdict), "change": c.change} for c in self.comparisons
            ],
            "notes": list(self.notes),
        }


def require_comparable(job: Job, entry: Entry) -> None:
    """Refuse a job whose figures would be of something else than the baseline's.

    Another policy that is given is none of that: how it does beside the accepted one is the
    question. A given one and a trained one are not compared.

    Raises:
        InputError: another scenario or other options.
    """
    for asked, recorded in ((job.scenario, entry.scenario), (job.variant, entry.variant)):
        if _kind(asked) != _kind(recorded):
            raise InputError(
                f"the baseline of {entry.target} was made with {_words(recorded)}, asked is "
                f"{_words(asked)}",
                hint="leave the options out, or make the baseline anew with --update-baseline",
            )


def compare(outcome: Outcome, entry: Entry | None) -> TargetReport:
    """A finished job beside its baseline; figures are only listed where there is none."""
    if outcome.result is None:
        return TargetReport(outcome)
    made = made_entry(outcome)
    after = made.side()
    before = None if entry is None else entry.side()
    comparisons = [_compared(rule, before, after) for rule in RULES]
    known = [c for c in comparisons if c.value is not None or c.baseline is not None]
    return TargetReport(outcome, known, [] if entry is None else _notes(entry, made))


def _compared(rule: Rule, before: Side | None, after: Side) -> Comparison:
    kind = figure_kind(rule.figure)
    metric = after.metrics[kind.metric]
    value = after.value(rule.figure)
    baseline = None if before is None else before.value(rule.figure)
    tolerance = Tolerance(None, "")
    if before is None or baseline is None:
        verdict, reason = Verdict.NEW, "no baseline"
    elif value is None:
        verdict, reason = Verdict.MISSING, metric["detail"].get("reason", "not measured")
    else:
        tolerance = rule.noise(rule.figure, before, after)
        verdict, reason = judge(rule.lower_is_better, baseline, value, tolerance), tolerance.reason
    return Comparison(
        rule.figure,
        kind.unit,
        metric["provenance"],
        value,
        kind.spread(metric),
        baseline,
        tolerance.value,
        reason,
        verdict,
    )


def judge(lower_is_better: bool, baseline: float, value: float, tolerance: Tolerance) -> Verdict:
    """What is to be said of a figure that both runs have, each in the figure's unit."""
    if tolerance.value is None:
        return Verdict.UNJUDGED
    worse = value - baseline if lower_is_better else baseline - value
    allowed = tolerance.value + ROUNDING * max(abs(baseline), abs(value))
    if worse > allowed:
        return Verdict.REGRESSED
    return Verdict.IMPROVED if -worse > allowed else Verdict.WITHIN


def _notes(entry: Entry, made: Entry) -> list[str]:
    notes = []
    if entry.target != made.target:
        notes.append(f"the baseline is of {entry.target}")
    if entry.scenario_sha256 != made.scenario_sha256:
        notes.append(
            "the scenario is another one than the baseline's, from the same settings"
            + ("; every decision is the same" if same_decisions(entry.side(), made.side()) else "")
        )
    for key, what in (
        ("model_sha256", "network"),
        ("fallback_sha256", "fallback network"),
        ("engine", "engine"),
        ("clock_hz", "clock"),
        ("meter", "meter"),
    ):
        if entry.identity.get(key) != made.identity.get(key):
            before, after = (str(e.identity.get(key))[:12] for e in (entry, made))
            notes.append(f"another {what}: {after}, the baseline's is {before}")
    return notes


def _kind(settings: Scenario | Variant) -> dict[str, Any]:
    """The options, of a given policy only that it is given."""
    options = settings.model_dump()
    if options.get("policy") is not None:
        options["policy"] = "given"
    return options


def _words(settings: Any) -> str:
    given = settings.model_dump(mode="json", exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in given.items()) or "no options"
