"""The benchmark over many generated scenarios: parallel, resumable, the same from any worker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from host.run import write_json
from host.score.job import Job, own_code_sha256, score_scenario
from host.score.policies import PolicySpec
from host.score.workers import (
    default_workers,
    in_processes,
    score_here,
    score_on_dask,
)
from toolchain.errors import InputError, RunFolderError
from toolchain.progress import bars
from toolchain.scenario import Basis, ScenarioParameters

JOB_FILE = "job.json"
SCENARIOS = "scenarios"
WASTE_LIMIT_KG = 100.0
"""Waste per decided product at which the article stops a policy."""


def require_workers(workers: int) -> None:
    """Refuse a number of processes that none can be.

    Raises:
        InputError: fewer than one.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}, must be at least 1", hint="leave it out")


class GenerativeBenchmarkRunner:
    """Scores policies on many scenarios that none of them has seen.

    Each scenario has a seed of its own, a SHA-256 identity, and one file with its results; a run
    that broke off goes on with the scenarios that have none. The results depend on the job
    alone: not on the number of workers, on the order in which they finish, or on where they run.

    Args:
        n_scenarios: at least 1.
        policies: what to score, with names of their own.
        basis: the generator's parameters, or a scenario whose tables are one's own.
        seed: that the scenarios' seeds follow from, at least 0.
        waste_limit_kg: a policy that wastes more per product is stopped, and disposes of the rest.

    Raises:
        InputError: no scenario, no policy, or two of one name.
    """

    def __init__(
        self,
        n_scenarios: int = 100,
        *,
        policies: Sequence[PolicySpec],
        basis: Basis | None = None,
        seed: int = 42,
        waste_limit_kg: float = WASTE_LIMIT_KG,
    ) -> None:
        names = [spec.name for spec in policies]
        if n_scenarios < 1 or not names or len(set(names)) != len(names):
            raise InputError(
                f"{n_scenarios} scenarios and policies {names}",
                hint="give at least one of each, the policies with different names",
            )
        self.n_scenarios = n_scenarios
        drawn_like = basis if basis is not None else ScenarioParameters()
        self.job = Job(drawn_like, seed, tuple(policies), waste_limit_kg, own_code_sha256())

    def run(
        self,
        out: Path,
        *,
        workers: int | None = None,
        scheduler: str | None = None,
        console: Console | None = None,
    ) -> list[dict[str, Any]]:
        """Score every scenario that has no result yet.

        Args:
            out: folder of the results; one of the same job is gone on with, also with more
                scenarios than before.
            workers: processes on this machine; None for one a core. 1 stays in this process.
            scheduler: address of a Dask scheduler, in place of processes here.
            console: where a progress bar is drawn.

        Returns:
            the results of :func:`~host.score.job.score_scenario`, by index.

        Raises:
            InputError: fewer than one worker, or no scheduler answers.
            RunFolderError: the folder is of another job.
            MissingDependencyError: a scheduler is given and Dask is not installed.
        """
        if workers is not None:
            require_workers(workers)
        self._open(out)
        done = {i: result for i in range(self.n_scenarios) if (result := self._read(out, i))}
        missing = [i for i in range(self.n_scenarios) if i not in done]
        with bars(console) as bar:
            task = bar.add_task("scenarios", total=self.n_scenarios, completed=len(done))
            for result in self._results(missing, workers, scheduler):
                _write_whole(_file(out, result["index"]), result)
                done[result["index"]] = result
                bar.advance(task)
        return [done[index] for index in range(self.n_scenarios)]

    def _results(
        self, missing: list[int], workers: int | None, scheduler: str | None
    ) -> Iterator[dict[str, Any]]:
        if not missing:
            return iter(())
        if scheduler is not None:
            return score_on_dask(self.job, missing, scheduler)
        count = workers if workers is not None else default_workers()
        if count == 1 or len(missing) == 1:
            return score_here(self.job, missing)
        scored = in_processes(partial(score_scenario, self.job), missing, count)
        return (result for _, result in scored)

    def _open(self, out: Path) -> None:
        own = self.job.as_json() | {"key": self.job.key}
        file = out / JOB_FILE
        if file.exists():
            try:
                found = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise RunFolderError(f"{file} cannot be read: {error}") from error
            if found != own:
                changed = [name for name in own if found.get(name) != own[name]]
                raise RunFolderError(
                    f"{out} holds results of another job; it differs in {', '.join(changed)}",
                    hint="name another folder with --out",
                )
        elif out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunFolderError(
                f"{out} exists and holds no scores (it has no {JOB_FILE})",
                hint="name an empty or a new folder with --out",
            )
        (out / SCENARIOS).mkdir(parents=True, exist_ok=True)
        _write_whole(file, own)

    def _read(self, out: Path, index: int) -> dict[str, Any] | None:
        """A scenario's result, unless it has none of this job."""
        file = _file(out, index)
        if not file.exists():
            return None
        try:
            result = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            return None
        fits = isinstance(result, dict) and result.get("key") == self.job.key
        return result if fits and result.get("index") == index else None


def _file(out: Path, index: int) -> Path:
    return out / SCENARIOS / f"{index:05d}.json"


def _write_whole(path: Path, value: Any) -> None:
    """Write JSON so that the file is either whole or not there."""
    temporary = path.with_suffix(".partial")
    write_json(temporary, value)
    temporary.replace(path)
