"""What ``jouleloop calibrate`` does: run the designed set, fit it, judge it, keep it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from host.calibrate.design import designed_set
from host.calibrate.fit import MOST_CYCLES_ERROR, MOST_ENERGY_ERROR, calibration_of, complaints
from host.calibrate.measure import observe
from host.chain.windows import live_meter
from host.flash.state import state_folder
from host.replay import WindowPlan
from host.target import parse_target
from toolchain.build.chips import chip_of
from toolchain.errors import InputError
from toolchain.policy.calibration import Calibration, calibration_file, kept_calibration
from toolchain.progress import nowhere

REPEATS = 3
"""Energy windows of each kind and network; all of them are observations of one fit."""


@dataclass(frozen=True)
class Calibrated:
    """What a calibration gave.

    Attributes:
        calibration: with all its evidence.
        file: where it is kept, or would have been.
        complaints: why it is not kept; empty when it is.
        outside_specification: whether the clock is faster than the chip's maker specifies.
        replaced: where the measured calibration is left whose place it took; else None.
        quick: whether it was made with fewer networks.
    """

    calibration: Calibration
    file: Path
    complaints: tuple[str, ...]
    outside_specification: bool = False
    replaced: Path | None = None
    quick: bool = False

    @property
    def next_step(self) -> str:
        """What to do about the complaints."""
        evidence = self.calibration.evidence
        held_out = () if evidence is None else evidence.held_out
        if all(abs(network.cycles_error) <= MOST_CYCLES_ERROR for network in held_out):
            return "the cycles are right, the joules are not: lengthen the windows with --window-s"
        if self.quick:
            return "leave out --quick: more networks may tell apart what this board's cycles are of"
        return (
            "its kernels take cycles that go by more than MACs, outputs and layers; until that is "
            "mended the board file's cost model serves: jouleloop bench takes it by itself"
        )

    def as_json(self) -> dict[str, Any]:
        """JSON values: the calibration's own, where it is, and the errors' limits."""
        return {
            **self.calibration.model_dump(mode="json", by_alias=True),
            "cycles_provenance": self.calibration.cycles_provenance,
            "outside_specification": self.outside_specification,
            "kept": not self.complaints,
            "complaints": list(self.complaints),
            "file": str(self.file),
            "replaced": None if self.replaced is None else str(self.replaced),
            "limits": {"cycles_error": MOST_CYCLES_ERROR, "energy_error": MOST_ENERGY_ERROR},
        }


def calibrate(
    target_text: str,
    *,
    quick: bool = False,
    window_s: float = 0.055,
    meter: str | None = None,
    clock_hz: int | None = None,
    shunt_ohm: float | None = None,
    force: bool = False,
    console: Console | None = None,
) -> Calibrated:
    """Calibrate a target, and keep the calibration where held-out networks bear it out.

    Args:
        target_text: ``BOARD@WHERE``.
        quick: fewer networks.
        window_s: shortest energy window, in s of the board's clock.
        meter: ``--meter``; None for the board's own where it has one.
        clock_hz: of the core; None for the board file's. Each clock has a calibration of its own.
        shunt_ohm: beside the board's meter; None for the board file's.
        force: let an emulated calibration take the place of a measured one, which is set aside.
        console: for progress; None for nowhere.

    Raises:
        TargetError: it is no board.
        InputError: an emulated calibration would take a measured one's place.
        JouleloopError: the board, a build or a measurement failed.
    """
    target = parse_target(target_text, clock_hz=clock_hz, shunt_ohm=shunt_ohm)
    target.require_board()
    choice = live_meter(meter, target)
    file = calibration_file(state_folder(), target.board)
    kept = kept_calibration(state_folder(), target.board)
    takes_place = target.emulated and kept is not None and kept.provenance == "measured"
    if takes_place and kept is not None and not force:
        raise InputError(
            f"{file} was measured on a board; an emulated calibration would take its place"
            + ("" if kept.cycles_per_instruction is None else ", and its cycles per instruction"),
            hint=f"add --force, which leaves it as {_set_aside(file).name}, or keep this one "
            "elsewhere (JOULELOOP_STATE)",
        )
    replaced = _set_aside(file) if takes_place else None
    memories = chip_of(target.board).network_memories
    benchmarks = designed_set(memories, quick=quick)
    observed = observe(
        target, benchmarks, WindowPlan(window_s, REPEATS), choice, console or nowhere()
    )
    calibration = calibration_of(observed, target)
    said = tuple(complaints(calibration))
    if not said:
        if replaced is not None and kept is not None:
            kept.save(replaced)
        calibration.save(file)
    outside = target.board.cpu.outside_specification(calibration.clock_hz)
    return Calibrated(calibration, file, said, outside, None if said else replaced, quick)


def _set_aside(file: Path) -> Path:
    """Where a measured calibration is left when an emulated one takes its place."""
    return file.with_suffix(".measured.json")
