"""Runs jobs side by side: a process each, one at a time on a board, none longer than its limit.

A board that hangs is given up when its time is over, with everything that its process had started;
the others neither wait for it nor see anything of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from rich.console import Console
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from host.hil.job import LOG, OUTCOME, Job, Outcome, Status
from host.lease import board_key, lease
from host.plugged import Machine
from host.score.workers import default_workers
from host.target import Target, parse_target
from toolchain.errors import PortBusyError
from toolchain.progress import bars

WORKER = (sys.executable, "-m", "host.hil.worker")
POLL_S = 0.1
TERMINATE_S = 5.0
"""Between asking a process to end and making it."""
TAIL_BYTES = 2000
SILENT = "it said nothing"

Show: TypeAlias = Callable[[Job, str, bool], None]
"""Tells of a job: its last line, and whether it has ended."""


@dataclass
class JobRunner:
    """Runs jobs.

    Attributes:
        time_limit_s: of each job, from when it has its board; what it started is killed then.
        emulators: boards that are processes and may run at once; None for one a core. Physical
            boards all run at once.
        console: for progress.
        worker: command that runs a job.
    """

    time_limit_s: float
    console: Console
    emulators: int | None = None
    worker: Sequence[str] = WORKER
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(
        self, jobs: Sequence[Job], done: Callable[[Outcome], None] = lambda _: None
    ) -> list[Outcome]:
        """Run all jobs; their outcomes, in the same order.

        Args:
            jobs: with names of their own.
            done: told of every outcome as it comes, from another thread.

        Raises:
            TargetError: a job's target is none; nothing was run then.
            BoardFileError: likewise.
        """
        lanes: defaultdict[str, list[Job]] = defaultdict(list)
        slots = threading.BoundedSemaphore(self.emulators or default_workers())
        machine = Machine()
        for job in jobs:
            # Training needs no board, so it may go on beside whatever does.
            key = job.name if job.train_only else board_key(parse_target(job.target), machine)
            lanes[key].append(job)
        outcomes: dict[str, Outcome] = {}
        with self._progress(len(jobs)) as show:

            def run_lane(lane: list[Job]) -> None:
                for job in lane:
                    target = parse_target(job.target)
                    on_cores = job.train_only or target.emulated or target.native
                    with slots if on_cores else nullcontext():
                        outcomes[job.name] = self._run(job, target, show)
                    done(outcomes[job.name])

            with ThreadPoolExecutor(max_workers=max(1, len(lanes))) as pool:
                try:
                    for finished in [pool.submit(run_lane, lane) for lane in lanes.values()]:
                        finished.result()
                except BaseException:  # Ctrl-C as well: no process outlives the command
                    self._stop.set()
                    raise
        return [outcomes[job.name] for job in jobs]

    @contextmanager
    def _progress(self, total: int) -> Iterator[Show]:
        """A line per job that runs, with the last line of its log, and one when it ends."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}", markup=False),
        )
        with bars(self.console, *columns) as bar:
            tasks: dict[str, TaskID] = {}
            ended_jobs: set[str] = set()
            all_jobs = bar.add_task("all", last=f"0 of {total} done")

            def show(job: Job, text: str, ended: bool) -> None:
                if job.name not in tasks:
                    tasks[job.name] = bar.add_task(job.name, last="")
                bar.update(tasks[job.name], last=text[-60:], visible=not ended)
                if ended:
                    ended_jobs.add(job.name)
                    self.console.print(f"{job.name}: {text}", markup=False, soft_wrap=True)
                    bar.update(all_jobs, last=f"{len(ended_jobs)} of {total} done")

            yield show

    def _run(self, job: Job, target: Target, show: Show) -> Outcome:
        started = time.monotonic()
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / OUTCOME).unlink(missing_ok=True)

        def on_wait(text: str) -> None:
            show(job, text, False)
            if self._stop.is_set():
                raise PortBusyError("interrupted")

        leased = (
            nullcontext()
            if job.train_only
            else lease(target, wait_s=job.lease_wait_s, on_wait=on_wait)
        )
        try:
            with leased:
                error = self._run_worker(job, show)
        except PortBusyError as busy:
            error = str(busy)
        outcome = Outcome.read(job) if error is None else None
        if outcome is None:
            seconds = round(time.monotonic() - started, 1)
            error = error or "the process has left no outcome"
            outcome = Outcome(job, Status.INVALID, seconds, error=error)
            outcome.write()
        show(job, f"{outcome.status} in {outcome.seconds:g} s", True)
        return outcome

    def _run_worker(self, job: Job, show: Show) -> str | None:
        """Run a job's process; what went wrong, None where the job's outcome says it."""
        if self._stop.is_set():
            return "interrupted"
        with (
            (job.folder / LOG).open("wb") as log,
            subprocess.Popen(
                self.worker,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            try:
                in_time = self._wait(process, job, show)
            finally:
                _end(process)
        if in_time:
            return None if process.returncode == 0 else _ended(process, job)
        if self._stop.is_set():
            return "interrupted"
        return (
            f"not done within {self.time_limit_s:g} s: {_last_line(job) or SILENT}\n"
            f"  next: read {job.folder / LOG}, or give more time with --time-limit"
        )

    def _wait(
        self,
        process: subprocess.Popen[bytes],
        job: Job,
        show: Show,
    ) -> bool:
        """Whether the process ended by itself, within its time."""
        assert process.stdin is not None, "it was asked for"
        started = time.monotonic()
        with suppress(BrokenPipeError):  # it ended already; its log says why
            process.stdin.write(job.to_json().encode() + b"\n")
            process.stdin.flush()
        while time.monotonic() - started < self.time_limit_s:
            try:
                process.wait(POLL_S)
                return True
            except subprocess.TimeoutExpired:
                if self._stop.is_set():
                    return False
                show(job, _last_line(job) or "starting", False)
        return False


def _ended(process: subprocess.Popen[bytes], job: Job) -> str:
    return (
        f"the process ended with code {process.returncode}: {_last_line(job) or SILENT}\n"
        f"  next: read {job.folder / LOG}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with its session's group, also where it has died before.

    An emulated board is in a group of its own; it ends when the pipe from its starter closes.
    """
    with suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(TERMINATE_S)
        os.killpg(process.pid, signal.SIGKILL)  # whatever of the group is left
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()


def _last_line(job: Job) -> str:
    try:
        with (job.folder / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = log.read().decode("utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
