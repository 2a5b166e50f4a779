"""What ``jouleloop compare`` does: one policy in several precisions and sizes, on one target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from host.chain import open_chain
from host.chain.windows import live_meter
from host.compare.result import read_comparison
from host.compare.stages import COMPARISON, Comparison
from host.presets import GivenGenerator, GivenPreset
from host.target import parse_target
from toolchain.errors import InputError

MIN_SCENARIOS = 5
"""Fewest held-out scenarios that an interval over them is given for."""


def compare(
    target_text: str,
    *,
    preset: GivenPreset = None,
    seed: int | None = None,
    generator: GivenGenerator = None,
    out: Path | str | None = None,
    n_scenarios: int = MIN_SCENARIOS,
    meter: str | None = None,
    clock_hz: int | None = None,
    shunt_ohm: float | None = None,
    force: bool = False,
    command: str = "",
    console: Console | None = None,
) -> tuple[dict[str, Any], Path]:
    """Compare float32, int8, int16, pruned, narrow and fallback networks: accuracy against joules.

    What ``bench`` has made in the folder (scenario, policy, quantization) is used as it is.

    Args:
        target_text: ``BOARD@WHERE``.
        preset: size of the run; None for the folder's, or the default.
        seed: likewise.
        generator: likewise.
        out: run folder; None for the one that ``bench`` takes.
        n_scenarios: held-out ones that quality is averaged over; at least :data:`MIN_SCENARIOS`.
        meter: ``--meter``; None for the board's own where it has one.
        clock_hz: of the core; None for the board file's.
        shunt_ohm: beside the board's meter; None for the board file's.
        force: run every stage of the comparison, even when nothing has changed.
        command: recorded with every stage that is run.
        console: for progress; None for nowhere.

    Returns:
        The result, JSON values with a line for each network (quality, joules per decision and per
        correct decision, Pareto front), and the folder of its files.

    Raises:
        InputError: too few scenarios.
        MismatchError: a board's decision is not the reference's.
        JouleloopError: a stage failed; what was finished before is kept.
    """
    if n_scenarios < MIN_SCENARIOS:
        raise InputError(
            f"{n_scenarios} scenarios, must be at least {MIN_SCENARIOS}",
            hint="fewer give no interval that is worth the name",
        )
    target = parse_target(target_text, clock_hz=clock_hz, shunt_ohm=shunt_ohm)
    target.require_board()
    choice = live_meter(meter, target)
    chain = open_chain(
        target.board,
        preset=preset,
        seed=seed,
        generator=generator,
        out=out,
        command=command,
        console=console,
    )
    chain.generate()
    chain.train(board=target.board.name if target.board.limits else None)
    chain.quantize()
    Comparison(replace(chain, force=force), target, choice, n_scenarios).run()
    path = chain.folder.artifact(COMPARISON.name)
    return read_comparison(path), path
