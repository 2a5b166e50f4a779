"""The reports in words and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from host.hil.compare import Comparison, TargetReport, Verdict
from host.report import format_value

OUTSIDE = "outside of the chip's specification"

MARKS = {
    Verdict.WITHIN: "within",
    Verdict.IMPROVED: "**improved**",
    Verdict.REGRESSED: "**regressed**",
    Verdict.MISSING: "**missing**",
    Verdict.NEW: "no baseline",
    Verdict.UNJUDGED: "not judged",
}


def value_text(comparison: Comparison) -> str:
    """The run's value with its uncertainty."""
    text = format_value(comparison.value, comparison.unit)
    if comparison.uncertainty is None or comparison.value is None:
        return text
    return f"{text} ± {comparison.uncertainty:.2g}"


def baseline_text(comparison: Comparison) -> str:
    """The baseline's value; a dash where there is none."""
    return format_value(comparison.baseline, comparison.unit)


def tolerance_text(comparison: Comparison) -> str:
    """How much the figure may get worse."""
    if comparison.tolerance is None:
        return "-"
    return format_value(comparison.tolerance, "")


def change_text(comparison: Comparison) -> str:
    """The relative change in per cent."""
    if comparison.change is None:
        return "-"
    return "=" if comparison.change == 0 else f"{comparison.change * 100:+.3g} %"


def sentence(comparison: Comparison) -> str:
    """One figure's verdict in one line."""
    figure, unit = comparison.figure, comparison.unit
    if comparison.verdict is Verdict.MISSING:
        return f"{figure} is unavailable ({comparison.reason}); the baseline has it"
    value = f"{figure} is {value_text(comparison)} ({comparison.provenance})"
    if comparison.baseline is None:
        return f"{value}; no baseline"
    against = f"{comparison.verdict}: {value}, the baseline's {baseline_text(comparison)}"
    if comparison.tolerance is None:
        return f"{against}; {comparison.reason}"
    tolerance = format_value(comparison.tolerance, unit)
    return f"{against}, {change_text(comparison)}, tolerance {tolerance} ({comparison.reason})"


def is_outside(identity: Mapping[str, Any]) -> bool:
    """Whether a board's clock is faster than its chip's maker specifies."""
    return bool(identity.get("outside_specification", False))


def headline(report: TargetReport) -> str:
    """What is to be said of a target first."""
    target = report.outcome.job.name
    if report.outcome.result is None:
        return f"{target}: no result"
    identity = report.outcome.result["identity"]
    if is_outside(identity):
        target = f"{target} at {identity['clock_hz'] / 1e6:g} MHz, {OUTSIDE}"
    counts = [
        f"{sum(c.verdict is verdict for c in report.comparisons)} {verdict}"
        for verdict in Verdict
        if verdict in report.verdicts
    ]
    return f"{target}: {', '.join(counts)}"


def markdown(reports: Sequence[TargetReport]) -> str:
    """A summary for a pull request or a job's page."""
    parts = ["## Jouleloop: hardware in the loop\n"]
    for report in reports:
        parts.append(f"### {headline(report)}\n")
        outcome = report.outcome
        if outcome.result is None:
            parts.append(f"```\n{outcome.error}\n```\n")
            continue
        identity = outcome.result["identity"]
        parts.append(
            f"{identity['board']} {identity['chip_id']}, engine {identity['engine']}, image "
            f"`{identity['image_sha256'][:12]}`, model `{identity['model_sha256'][:12]}`, "
            f"{identity['clock_hz'] / 1e6:g} MHz\n"
        )
        rows = [
            "| figure | value | baseline | change | tolerance | | provenance |",
            "|---|---:|---:|---:|---:|---|---|",
        ]
        rows += [
            f"| {c.figure} | {value_text(c)} | {baseline_text(c)} | {change_text(c)} "
            f"| {tolerance_text(c)} | {MARKS[c.verdict]} | {c.provenance} |"
            for c in report.comparisons
        ]
        parts.append("\n".join(rows) + "\n")
        parts += [f"- {note}" for note in report.notes]
        parts.append("")
    return "\n".join(parts)
