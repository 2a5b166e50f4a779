"""``jouleloop hil``: benchmark targets, hold them against a baseline, and report."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from host.hil.baseline import Baseline, Entry, read_baseline
from host.hil.compare import TargetReport, compare, require_comparable
from host.hil.job import Job, Scenario, Status, Variant
from host.hil.junit import write_junit
from host.hil.openmetrics import write_openmetrics
from host.hil.runner import JobRunner
from host.hil.words import (
    MARKS,
    baseline_text,
    change_text,
    headline,
    markdown,
    tolerance_text,
    value_text,
)
from host.result import write_checked
from host.result.hil import HilReport
from host.target import parse_target
from toolchain import __version__
from toolchain.errors import InputError
from toolchain.progress import nowhere

SCHEMA = 1
RUNS = Path("runs") / "hil"
REPORT = "hil.json"
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
TIME_LIMIT_S = 3600.0
LEASE_WAIT_S = 600.0
LOG_COLUMNS = 120
"""Of a table that goes into a file or a CI job's log."""

EXIT_PASS = 0
EXIT_REGRESSION = 1
EXIT_USAGE = 2
EXIT_INVALID = 3


def hil(
    targets: Sequence[str],
    *,
    baseline: Path | str | None = None,
    update: bool = False,
    scenario: Scenario | None = None,
    variant: Variant | None = None,
    policy: Path | str | None = None,
    out: Path | str | None = None,
    junit: Path | str | None = None,
    openmetrics: Path | str | None = None,
    summary: Path | str | None = None,
    flash: bool = True,
    time_limit_s: float = TIME_LIMIT_S,
    lease_wait_s: float = LEASE_WAIT_S,
    emulators: int | None = None,
    command: str = "",
    console: Console | None = None,
) -> tuple[list[TargetReport], int]:
    """Benchmark all targets side by side and compare each with its baseline.

    Args:
        targets: as on the command line, each once.
        baseline: file of the figures that were accepted.
        update: write the baseline file, with this run's figures in the place of the targets'.
        scenario: that is replayed; by default the baseline's.
        variant: options of the build and the meter; by default the baseline's.
        policy: networks in the place of a training; by default the variant's.
        out: folder of the run folders and the report; the same one goes on.
        junit: where JUnit XML goes.
        openmetrics: where OpenMetrics text goes.
        summary: where a Markdown summary goes, beside ``GITHUB_STEP_SUMMARY``.
        flash: write the images; otherwise what the targets already run must be them.
        time_limit_s: of each target.
        lease_wait_s: how long to wait for another process that has a board.
        emulators: boards that are processes and may run at once; None for one a core.
        command: recorded with every stage.
        console: for progress; None for nowhere.

    Returns:
        The reports, in order of the targets, and the exit code: 0 pass, 1 a figure regressed, 3 a
        measurement is invalid or missing, which outweighs a regression, 2 a target could not be
        used as it was given, which outweighs both.

    Raises:
        InputError: no target, one twice, a baseline that cannot be used or is of another
            provenance, or options that a target cannot have.
    """
    if not targets:
        raise InputError("no target is named", hint="for example 'jouleloop hil pico@emulator'")
    twice = [target for target, times in Counter(targets).items() if times > 1]
    if twice:
        raise InputError(f"{', '.join(twice)}: named more than once", hint="name each target once")
    if update and baseline is None:
        raise InputError("--update-baseline needs a file", hint="name it with --baseline FILE")
    kept = None if baseline is None else _baseline(Path(baseline), update)
    folder = Path(out or RUNS)
    jobs, entries = [], []
    for text in targets:
        target = parse_target(text)
        target.require_board()
        find = None if kept is None else kept.own if update else kept.entry
        entry = None if find is None else find(target)
        options = variant or (entry.variant if entry else Variant())
        job = Job(
            text,
            text,
            folder / slug(text),
            scenario or (entry.scenario if entry else Scenario()),
            options if policy is None else options.model_copy(update={"policy": str(policy)}),
            flash,
            lease_wait_s,
            command=command,
        )
        jobs.append(job)
        entries.append(_comparable(job, entry, update))
    outcomes = JobRunner(time_limit_s, console or nowhere(), emulators).run(jobs)
    reports = [compare(o, entry) for o, entry in zip(outcomes, entries, strict=True)]
    code = exit_code(reports)
    if update and kept is not None and all(o.status is Status.DONE for o in outcomes):
        kept.with_outcomes(outcomes).write()
        code = EXIT_PASS
    folder.mkdir(parents=True, exist_ok=True)
    write_checked(folder / REPORT, as_json(reports, code), HilReport)
    if junit is not None:
        write_junit(reports, Path(junit))
    if openmetrics is not None:
        write_openmetrics(reports, Path(openmetrics))
    _summarise(markdown(reports), Path(summary) if summary else None)
    return reports, code


def exit_code(reports: Sequence[TargetReport]) -> int:
    """What a run ends with: of several targets, the one that says least."""
    if any(report.outcome.status is Status.USAGE for report in reports):
        return EXIT_USAGE
    if any(report.invalid for report in reports):
        return EXIT_INVALID
    return EXIT_REGRESSION if any(report.regressed for report in reports) else EXIT_PASS


def as_json(reports: Sequence[TargetReport], code: int) -> dict[str, Any]:
    """The reports as JSON values."""
    return {
        "schema": SCHEMA,
        "jouleloop": __version__,
        "exit_code": code,
        "targets": [report.as_dict() for report in reports],
    }


def slug(text: str) -> str:
    """A folder's name for a target."""
    return re.sub(r"[^A-Za-z0-9@._+-]+", "-", text).strip("-.")


def print_hil(reports: Sequence[TargetReport], console: Console) -> None:
    """Print every target's figures beside its baseline's."""
    if not console.is_terminal:
        console.width = max(console.width, LOG_COLUMNS)
    for report in reports:
        console.print(headline(report), style="bold", markup=False)
        if report.outcome.result is None:
            console.print(report.outcome.error, style="red", markup=False, soft_wrap=True)
            console.print()
            continue
        table = Table(box=None, pad_edge=False)
        table.add_column("figure", no_wrap=True)
        for title in ("value", "baseline", "change", "tolerance"):
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        table.add_column("provenance")
        for c in report.comparisons:
            cells = (value_text(c), baseline_text(c), change_text(c), tolerance_text(c))
            table.add_row(c.figure, *cells, MARKS[c.verdict].strip("*"), c.provenance)
        console.print(table)
        for note in report.notes:
            console.print(f"note: {note}", markup=False, soft_wrap=True)
        console.print()


def _baseline(path: Path, update: bool) -> Baseline:
    if update and not path.exists():
        return Baseline(path, [])
    return read_baseline(path)


def _comparable(job: Job, entry: Entry | None, update: bool) -> Entry | None:
    """The entry that a job is compared with; an update may be of other options.

    Raises:
        InputError: it is of other options, and is not to be replaced.
    """
    if entry is not None:
        try:
            require_comparable(job, entry)
        except InputError:
            if not update:
                raise
            return None
    return entry


def _summarise(text: str, summary: Path | None) -> None:
    if summary is not None:
        summary.parent.mkdir(parents=True, exist_ok=True)
        summary.write_text(text, encoding="utf-8")
    step = os.environ.get(SUMMARY_VARIABLE)
    if step:
        with Path(step).open("a", encoding="utf-8") as file:
            file.write(text)
