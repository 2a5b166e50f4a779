"""The replay stage's energy windows: with which meter, kept as they are run, judged at the end.

A trace is recorded beside the run and read afterwards: the windows are kept, the command says that
it waits for the file, and the same command, run again, takes it without the board.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from host.link import BoardClient, Identity
from host.meter import BoardMeter, Meter, MeterChoice, Recording, parse_meter
from host.metrics import weakest
from host.replay import (
    ALL_KINDS,
    RanWindow,
    WindowPlan,
    check_windows,
    judge_windows,
    run_windows,
)
from host.run import write_json
from host.target import Target
from toolchain.errors import InputError, MeasurementError
from toolchain.protocol import MeterKind, Mode

RUN_FILE = "windows_run.json"
"""Every window that was run, warm-ups included, with what the meter read."""
WINDOWS_FILE = "windows.json"
"""The windows that count, with the refusals."""
METER_FILE = "meter.json"
NO_METER = MeterKind.NONE.name.lower()


def require_usable(choice: MeterChoice, target: Target) -> None:
    """Refuse an instrument that cannot see the target's current.

    Raises:
        InputError: the board is emulated, and the instrument is not.
    """
    if choice.physical and target.emulated:
        raise InputError(
            f"--meter {choice.text}: {target} is emulated and draws nothing from any supply",
            hint="leave out --meter: the emulated board has an emulated meter",
        )


def live_meter(text: str | None, target: Target) -> MeterChoice:
    """The meter of a command that runs several images and needs each one's figures at once.

    Args:
        text: ``--meter``; None for the board's own where it has one.
        target: whose current it is to see.

    Raises:
        InputError: no such meter, one that cannot see the target, or a trace, which is read
            afterwards.
    """
    choice = parse_meter(text)
    require_usable(choice, target)
    if choice.kind == "trace":
        raise InputError(
            f"--meter {choice.text}: a trace is one recording, this command flashes several images",
            hint="use a trace with 'jouleloop bench' or 'replay', one image each",
        )
    return choice


@contextmanager
def opened_host_meter(choice: MeterChoice) -> Iterator[Meter | None]:
    """The instrument on the host, open; None where none was chosen.

    Opening one may interrupt the board's supply, so it comes before the board's line is opened.
    """
    if not choice.on_host:
        yield None
        return
    with choice.host_meter() as meter:
        yield meter


def meter_of(
    choice: MeterChoice,
    on_host: Meter | None,
    client: BoardClient,
    identity: Identity,
    target: Target,
) -> Meter | None:
    """The meter that measures the windows; None where none is to, or where the board has none.

    Raises:
        MeasurementError: the board's meter was asked for and is not there, or the image measures
            with another shunt.
    """
    if on_host is not None:
        return on_host
    asked = choice.text != ""
    if choice.kind == "none" or (identity.meter == NO_METER and not asked):
        return None
    meter = BoardMeter(client, identity, target.provenance)
    expected_ohm = None if target.board.meter is None else target.board.meter.shunt_ohm
    found_ohm = meter.describe().settings["shunt_ohm"]
    if expected_ohm is not None and abs(found_ohm - expected_ohm) > 1e-6:
        raise MeasurementError(
            f"the image measures with a shunt of {found_ohm:g} ohm, expected are "
            f"{expected_ohm:g} ohm",
            hint=f"say --shunt {found_ohm:g}, or build the image anew",
        )
    return meter


def why_unmeasured(choice: MeterChoice) -> str:
    """Why there are no windows."""
    if choice.kind == "none":
        return "no meter was to measure (--meter none)"
    return "no power meter answers on the board's I2C bus"


def run_kept(
    path: Path,
    client: BoardClient,
    identity: Identity,
    meter: Meter,
    rows: tuple[np.ndarray, np.ndarray],
    window_s: float,
) -> None:
    """Run the windows of both modes and of all power states, and keep them in :data:`RUN_FILE`.

    What was run is kept even when the meter or the board is lost in between.
    """
    ran: list[RanWindow] = []
    ended: str | None = None
    plan = WindowPlan(window_s, kinds=ALL_KINDS)
    try:
        run_windows(client, identity, meter, *rows, list(Mode), plan, ran.append)
        ended = datetime.now(UTC).isoformat()
    finally:
        windows = [window.as_dict() for window in ran]
        write_json(path / RUN_FILE, {"ended": ended, "windows": windows})


def waits_for_trace(path: Path, choice: MeterChoice) -> bool:
    """Whether an earlier attempt has run all windows, and only their recording is missing."""
    file = path / RUN_FILE
    if choice.kind != "trace" or not file.exists():
        return False
    return json.loads(file.read_text(encoding="utf-8"))["ended"] is not None


def judge_kept(
    path: Path,
    meter: Meter | None,
    clock_hz: int,
    target: Target,
    unmeasured: str,
    console: Console,
) -> dict[str, Any]:
    """Judge the windows that were kept; leaves :data:`WINDOWS_FILE` and :data:`METER_FILE`.

    Returns:
        Provenance of the energy, as JSON values.

    Raises:
        MeasurementError: what a decision takes cannot be told, or the recording is not there.
        InputError: the recording cannot be read.
    """
    if meter is None:
        console.print(f"energy: unavailable, {unmeasured}", markup=False, soft_wrap=True)
        write_json(path / WINDOWS_FILE, [])
        write_json(path / METER_FILE, {"kind": NO_METER, "reason": unmeasured})
        return {"energy": str(target.provenance), "unmeasured": unmeasured}
    run = json.loads((path / RUN_FILE).read_text(encoding="utf-8"))
    ran = [RanWindow.from_dict(window) for window in run["windows"]]
    if isinstance(meter, Recording):
        meter.require_after(datetime.fromisoformat(run["ended"]))
        readings = meter.readings([window.elapsed_us * 1e-6 for window in ran])
        ran = [replace(window, reading=r) for window, r in zip(ran, readings, strict=True)]
    description = meter.describe()
    windows = judge_windows(ran, description, clock_hz)
    write_json(path / WINDOWS_FILE, [asdict(window) for window in windows])
    write_json(path / METER_FILE, description.as_dict())
    refused = [window for window in windows if not window.accepted]
    for reason in dict.fromkeys(f"{w.mode} {w.kind}".strip() + f": {w.reason}" for w in refused):
        console.print(f"refused window, {reason}", markup=False, soft_wrap=True)
    check_windows(windows)
    return {"energy": str(weakest([target.provenance, description.provenance]))}
