"""One job in a process of its own: ``python -m host.hil.worker``, the job as JSON on stdin.

The process ends when its stdin is closed, so it does not outlive the one who started it, and takes
the emulated board with it. What came of the job is left in its folder.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

from rich.console import Console

from host.hil.job import Job, Outcome, Status
from host.replay import NOMINAL
from host.run import RunFolder
from host.target import Target, parse_target
from toolchain.errors import InputError, JouleloopError, TargetError

MHZ = 1e6
TRAINED_STAGES = ("generate", "train", "quantize")
"""What does not depend on the target's place nor on a variant."""


def run_job(job: Job, console: Console) -> Outcome:
    """Run a job in this process; errors that are meant for the user become its outcome.

    Args:
        job: what to run.
        console: for progress.
    """
    started = time.monotonic()
    try:
        target = _target(job)
        target.require_board()
        if job.train_only:
            _train(job, target, console)
            return Outcome(job, Status.DONE, _seconds(started))
        if job.trained is not None:
            take_trained(job.trained, job.run_folder)
        result = _bench(job, console)
    except JouleloopError as error:
        # A target that was understood and is not there says nothing against how it was named.
        usage = isinstance(error, InputError) and not isinstance(error, TargetError)
        status = Status.USAGE if usage else Status.INVALID
        return Outcome(job, status, _seconds(started), error=str(error))
    link = json.loads((job.run_folder / "replay" / "link.json").read_text(encoding="utf-8"))
    retries = link[NOMINAL]["retries"]
    return Outcome(job, Status.DONE, _seconds(started), result, retries)


def take_trained(source: Path, run_folder: Path) -> None:
    """Begin a run folder with another one's scenario, policy and model, unless it has the same.

    Raises:
        RunFolderError: one of them is not a run folder.
    """
    if not source.exists():
        return
    there = RunFolder(source, "").stages
    here = RunFolder(run_folder, "").stages
    if any(stage not in there for stage in TRAINED_STAGES):
        return  # it could not be made: this job will say why
    if all(there[stage]["key"] == here.get(stage, {}).get("key") for stage in TRAINED_STAGES):
        return
    if run_folder.exists():
        shutil.rmtree(run_folder)
    shutil.copytree(source, run_folder)


def _target(job: Job) -> Target:
    clock_mhz = job.variant.clock_mhz
    return parse_target(
        job.target,
        clock_hz=None if clock_mhz is None else round(clock_mhz * MHZ),
        shunt_ohm=job.variant.shunt_ohm,
    )


def _train(job: Job, target: Target, console: Console) -> None:
    from host.chain import open_chain

    chain = open_chain(
        target.board,
        preset=job.scenario.preset,
        seed=job.scenario.seed,
        generator=job.scenario.generator,
        out=job.run_folder,
        command=job.command,
        console=console,
    )
    chain.generate()
    chain.train(board=target.board.name if target.board.limits else None)
    chain.quantize()


def _bench(job: Job, console: Console) -> dict:
    from host.chain import bench

    scenario, variant = job.scenario, job.variant
    energy_budget = variant.energy_budget
    result, _ = bench(
        job.target,
        preset=scenario.preset,
        seed=scenario.seed,
        generator=scenario.generator,
        out=job.run_folder,
        force=False,
        flash=job.flash,
        command=job.command,
        console=console,
        policy=None if variant.policy is None else Path(variant.policy),
        flash_budget=variant.flash_budget,  # type: ignore[arg-type]  # checked where it is read
        energy_budget=None if energy_budget is None else str(energy_budget),
        meter=variant.meter,
        shunt_ohm=variant.shunt_ohm,
        clock_hz=None if variant.clock_mhz is None else round(variant.clock_mhz * MHZ),
        layers=False,  # a campaign compares whole inferences
    )
    return result


def _seconds(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _end_with_stdin() -> None:
    """End at once when whoever started this process is gone; leases and ports are the kernel's."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def main() -> None:
    """Entry of the process."""
    job = Job.from_json(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    console = Console(file=sys.stderr, highlight=False, force_terminal=False, width=200)
    run_job(job, console).write()


if __name__ == "__main__":
    main()
