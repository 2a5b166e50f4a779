"""A calibration in the terminal: what was fitted, and how held-out networks bear it out."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from host.calibrate.command import Calibrated
from host.calibrate.fit import MOST_CYCLES_ERROR
from host.meter import meter_text
from host.report.figures import si_prefix
from toolchain.policy.calibration import (
    FLASH_TERM,
    Calibration,
    Evidence,
    FitRecord,
    FittedFigure,
)

LABELS = {
    "mac": "MAC",
    "output": "output (activation)",
    "layer": "layer",
    "inference": "decision",
    FLASH_TERM: "MAC, more from flash",
    "cycle": "running cycle",
    "idle_s": "second idle",
    "sleep_s": "second asleep",
    "wake_up": "wake-up",
    "byte": "byte on the link",
}
"""What the terms of the fits are called."""


def print_calibration(made: Calibrated, console: Console) -> None:
    """Print what :func:`host.calibrate.calibrate` gives."""
    calibration = made.calibration
    evidence = calibration.evidence
    assert evidence is not None
    console.print(
        f"{evidence.target}: {calibration.board} {evidence.chip_id} at "
        f"{calibration.clock_hz / 1e6:g} MHz"
        + (" (outside of the chip's specification)" if made.outside_specification else "")
        + f", {calibration.provenance}; 95 % intervals",
        markup=False,
        soft_wrap=True,
    )
    _print_cycles(calibration, evidence, console)
    console.print(_costs(evidence))
    console.print()
    if evidence.energy_per:
        console.print(_joule_table(evidence))
        console.print(_meter_text(evidence), markup=False, soft_wrap=True)
    else:
        console.print(
            "energy: unavailable, no meter measured; J per cycle of the board file are kept",
            markup=False,
            soft_wrap=True,
        )
    console.print()
    for name, record in evidence.fits.items():
        console.print(_fit_text(name, record), markup=False, soft_wrap=True)
    console.print()
    console.print(_held_out(evidence))
    energy_r2 = evidence.held_out_energy_r2
    console.print(
        f"held out: R2 {evidence.held_out_cycles_r2:.6f} of cycles"
        + ("" if energy_r2 is None else f", {energy_r2:.6f} of energy"),
        markup=False,
    )
    if made.complaints:
        console.print(f"not kept: {'; '.join(made.complaints)}", markup=False, soft_wrap=True)
    else:
        console.print(
            f"kept, for held-out cycles are within {MOST_CYCLES_ERROR:.0%}: {made.file}",
            markup=False,
            soft_wrap=True,
        )
    if made.replaced is not None:
        console.print(
            f"the measured one that it took the place of: {made.replaced}",
            markup=False,
            soft_wrap=True,
        )


def _print_cycles(calibration: Calibration, evidence: Evidence, console: Console) -> None:
    """What a cycle is, where instructions were counted."""
    assumed, measured = evidence.assumed_cycles_per_instruction, calibration.cycles_per_instruction
    if assumed is not None:
        console.print(
            f"cycles: modelled, {assumed.value:g} ({assumed.low:g} to {assumed.high:g}) a counted "
            f"instruction; {assumed.source}",
            markup=False,
            soft_wrap=True,
        )
    if measured is not None:
        console.print(
            f"cycles per instruction: {_interval(measured)}, {calibration.provenance}; "
            "instructions counted by the emulator with the same images",
            markup=False,
            soft_wrap=True,
        )


def _meter_text(evidence: Evidence) -> str:
    meter = evidence.meter
    return "" if meter is None else f"energy measured by: {meter_text(meter)}"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left", no_wrap=True)
    return table


def _costs(evidence: Evidence) -> Table:
    """Cycles and bytes by a network's terms."""
    table = _table("one", "cycles", "flash, B")
    cycles, n_bytes = evidence.fits["cycles"], evidence.fits["flash_bytes"]
    for term, figure in cycles.coefficients.items():
        in_flash = n_bytes.coefficients.get(term)
        table.add_row(
            LABELS[term], _interval(figure), "" if in_flash is None else _interval(in_flash)
        )
    return table


def _joule_table(evidence: Evidence) -> Table:
    """J by a network's terms, and by what the energy windows were explained with."""
    table = _table("one", "energy")
    # What a MAC from flash takes beside its cycles is part of the network's own line already.
    states = evidence.fits["energy"].coefficients
    for term, figure in {**states, **evidence.energy_per}.items():
        table.add_row(LABELS[term], _joules(figure))
    return table


def _held_out(evidence: Evidence) -> Table:
    table = _table("held out", "cycles", "predicted", "off by", "energy", "predicted", "off by")
    for network in evidence.held_out:
        error, predicted_j = network.energy_error, network.energy_j_predicted
        table.add_row(
            f"{'-'.join(map(str, network.widths))} {network.runs_from}",
            f"{network.cycles:,.0f}",
            f"{network.cycles_predicted:,.0f}",
            f"{network.cycles_error:+.2%}",
            "-" if network.energy_j is None else f"{network.energy_j * 1e6:.3f} uJ",
            "-" if predicted_j is None else f"{predicted_j * 1e6:.3f} uJ",
            "-" if error is None else f"{error:+.2%}",
        )
    return table


def _fit_text(name: str, record: FitRecord) -> str:
    return (
        f"{name.replace('_', ' ')}: R2 {record.r2:.6f} over {record.observations} observations, "
        f"largest error {record.largest_error:.2%}"
    )


def _interval(figure: FittedFigure, scale: float = 1.0) -> str:
    low, high = scale * figure.low, scale * figure.high
    return f"{scale * figure.value:,.4g} ({low:,.4g} to {high:,.4g})"


def _joules(figure: FittedFigure) -> str:
    """In the unit that leaves the fewest zeros."""
    scale, prefix = si_prefix(figure.high)
    return f"{_interval(figure, scale)} {prefix}J"
