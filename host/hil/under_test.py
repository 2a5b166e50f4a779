"""What the fixtures of the pytest plugin give: ``bench``, which benchmarks, and ``board``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from host.flash import find_board
from host.hil.baseline import Baseline, Entry
from host.hil.command import slug
from host.hil.compare import Comparison, Verdict, compare, require_comparable
from host.hil.figures import Figures
from host.hil.job import Job, Outcome, Scenario, Status, Variant
from host.hil.runner import JobRunner
from host.hil.words import sentence
from host.plugged import Machine
from host.target import Target, parse_target
from toolchain.errors import InputError, JouleloopError, MeasurementError

SCENARIO_OPTIONS = frozenset(Scenario.model_fields)
OPTIONS = SCENARIO_OPTIONS | frozenset(Variant.model_fields)


class Benched(Figures):
    """A benchmarked board: its figures, its result and how they stand to the baseline.

    Attributes:
        target: as it was named.
        result: the whole ``result.json``.
        identity: of the board that answered.
        comparisons: of every figure with the baseline's.
        baseline: the baseline's figures; None where there is none for this run.
    """

    def __init__(self, outcome: Outcome, entry: Entry | None) -> None:
        assert outcome.result is not None, "whoever makes it has a result"
        self.target = outcome.job.target
        super().__init__(outcome.result["metrics"], self.target)
        self.result = outcome.result
        self.identity: Mapping[str, Any] = self.result["identity"]
        self.comparisons: list[Comparison] = list(compare(outcome, entry).comparisons)
        self.baseline = (
            None if entry is None else Figures(entry.side().metrics, f"{entry.target}'s baseline")
        )

    @property
    def regressions(self) -> list[str]:
        """A sentence on every figure that is worse than the baseline's by more than its noise.

        One that the baseline has and this run has not is among them.

        Raises:
            InputError: there is no baseline of this run.
        """
        if self.baseline is None:
            raise InputError(
                f"there is no baseline of {self.target} with these options",
                hint="name a file with --baseline; 'jouleloop hil --update-baseline' makes it",
            )
        bad = (Verdict.REGRESSED, Verdict.MISSING)
        return [sentence(c) for c in self.comparisons if c.verdict in bad]

    def __repr__(self) -> str:
        return f"<{self.target}>"


@dataclass
class Bench:
    """Benchmarks one target, each set of options once.

    Attributes:
        target: as on the command line.
        folder: of the run folders.
        baseline: that figures are compared with.
        time_limit_s: of each benchmark.
        lease_wait_s: how long to wait for another process that has the board.
        policy: networks in the place of a training; by default the baseline's.
        runner: runs the benchmarks.
    """

    target: str
    folder: Path
    baseline: Baseline | None = None
    time_limit_s: float = 3600.0
    lease_wait_s: float = 3600.0
    policy: Path | None = None
    runner: JobRunner | None = None
    _made: dict[str, Benched | JouleloopError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parsed = parse_target(self.target)
        parsed.require_board()
        require_present(parsed)
        self._entry = None if self.baseline is None else self.baseline.entry(parsed)

    def __call__(self, **options: Any) -> Benched:
        """Benchmark the target; the same options are not run again.

        Args:
            options: ``preset``, ``seed``, ``generator``, and those of
                :class:`~host.hil.job.Variant`; by default the baseline's, else those of
                ``jouleloop bench``.

        Raises:
            InputError: an unknown option, or one that the target cannot have.
            MeasurementError: there is no result.
        """
        job = self._job(options)
        if job.name not in self._made:
            self._made[job.name] = self._run(job)
        made = self._made[job.name]
        if isinstance(made, JouleloopError):
            raise made
        return made

    def _job(self, options: Mapping[str, Any]) -> Job:
        unknown = set(options) - OPTIONS
        if unknown:
            raise InputError(
                f"bench() has no option {', '.join(sorted(unknown))}",
                hint=f"it has {', '.join(sorted(OPTIONS))}",
            )
        entry = self._entry
        given = {k: v for k, v in options.items() if k in SCENARIO_OPTIONS}
        scenario = (entry.scenario if entry else Scenario()).model_dump() | given
        variant = (entry.variant if entry else Variant()).model_dump()
        if self.policy is not None:
            variant["policy"] = str(self.policy)
        variant |= {k: v for k, v in options.items() if k not in SCENARIO_OPTIONS}
        words = slug("-".join(f"{name}-{options[name]}" for name in sorted(options)))
        folder = self.folder / slug(self.target) / (words or "default")
        return Job(
            f"{self.target} {words}".strip(),
            self.target,
            folder,
            Scenario(**scenario),
            Variant(**variant),
            lease_wait_s=self.lease_wait_s,
            command="pytest",
        )

    def _run(self, job: Job) -> Benched | JouleloopError:
        runner = self.runner or JobRunner(self.time_limit_s, Console(quiet=True))
        outcome = runner.run([job])[0]
        if outcome.status is not Status.DONE:
            kind = InputError if outcome.status is Status.USAGE else MeasurementError
            return kind(f"{job.name} has no result: {outcome.error}")
        entry = self._entry
        if entry is not None:
            try:
                require_comparable(job, entry)
            except InputError:  # a test asked for other options on purpose
                entry = None
        return Benched(outcome, entry)


def require_present(target: Target) -> None:
    """Refuse a physical board that is not plugged in, before anything is made for it.

    Raises:
        TargetError: it is not there.
    """
    if not (target.emulated or target.native or "://" in target.where):
        find_board(target, Machine())
