"""The reports as JUnit XML: a suite per target, a case per figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from host.hil.compare import Comparison, TargetReport, Verdict
from host.hil.words import OUTSIDE, baseline_text, headline, is_outside, sentence

BENCHMARK = "benchmark"
"""Case of the run itself: its error is why there are no figures."""


def write_junit(reports: Sequence[TargetReport], path: Path) -> None:
    """Write the reports of all targets as one file."""
    xml = JUnitXml("jouleloop hil")
    for report in reports:
        xml.add_testsuite(_suite(report))
    xml.update_statistics()
    path.parent.mkdir(parents=True, exist_ok=True)
    xml.write(str(path), pretty=True)


def _suite(report: TargetReport) -> TestSuite:
    outcome = report.outcome
    suite = TestSuite(outcome.job.name)
    classname = f"jouleloop.{outcome.job.name.replace('.', '_')}"
    run = TestCase(BENCHMARK, classname, outcome.seconds)
    if outcome.result is None:
        run.result = [Error(outcome.error, str(outcome.status))]
    else:
        for key in ("board", "chip_id", "engine", "image_sha256", "model_sha256", "clock_hz"):
            suite.add_property(key, str(outcome.result["identity"][key]))
        if is_outside(outcome.result["identity"]):
            suite.add_property("outside_specification", OUTSIDE)
            run.system_out = headline(report)
    suite.add_testcase(run)
    for comparison in report.comparisons:
        case = TestCase(comparison.figure, classname, 0.0)
        case.result = [*_results(comparison)]
        case.system_out = f"{sentence(comparison)}; baseline {baseline_text(comparison)}"
        suite.add_testcase(case)
    suite.update_statistics()
    return suite


def _results(comparison: Comparison) -> list[Failure | Error | Skipped]:
    text = sentence(comparison)
    if comparison.verdict is Verdict.REGRESSED:
        return [Failure(text, "regression")]
    if comparison.verdict is Verdict.MISSING:
        return [Error(text, "unavailable")]
    if comparison.verdict in (Verdict.NEW, Verdict.UNJUDGED):
        return [Skipped(f"{comparison.verdict}: {comparison.reason}")]
    return []
