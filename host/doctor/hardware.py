"""Findings on hardware: boards, ways of flashing them, serial ports, probes and meters."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence

from host.doctor.finding import Finding, Level
from host.doctor.ports import PortAnswer, PortState
from host.flash import find_board, flashers_of, methods_of
from host.plugged import (
    Machine,
    PluggedBoard,
    UsbDevice,
    instruments_on,
    may_open,
    permission_hint,
    plugged_boards,
    probes_on,
)
from host.plugged.instruments import Instrument
from host.target import Target
from toolchain.board import Board, board_names, load_board
from toolchain.errors import TargetError


def check_boards(machine: Machine) -> Iterator[Finding]:
    """The plugged-in boards of all board files; for a user who has named no target."""
    there = [
        plugged
        for board in map(load_board, board_names())
        for plugged in plugged_boards(board, machine)
    ]
    for plugged in there:
        yield from _board(plugged, machine)
    if not there:
        yield Finding(
            "boards",
            "plugged in",
            Level.WARN,
            "none",
            "plug one in, the first time with BOOTSEL held; pico@emulator needs none",
        )


def check_target(target: Target, machine: Machine) -> Iterator[Finding]:
    """The one board that a target names, which must be there."""
    try:
        plugged = find_board(target, machine)
    except TargetError as error:
        remedy = error.hint or "plug it in"
        yield Finding("boards", str(target), Level.MISSING, error.message, remedy)
        return
    yield from _board(plugged, machine)


def _board(plugged: PluggedBoard, machine: Machine) -> Iterator[Finding]:
    yield Finding("boards", plugged.target, Level.OK, str(plugged))
    if not plugged.bootsel:
        return
    obstacles = []
    for flasher in flashers_of(plugged.board):
        reason = flasher.obstacle(plugged, machine)
        if reason is None:
            yield Finding("boards", f"{plugged.target} flash", Level.OK, f"by {flasher.method}")
            return
        obstacles.append(f"{flasher.method}: {reason}")
    yield Finding(
        "boards",
        f"{plugged.target} flash",
        Level.MISSING,
        "it is in BOOTSEL mode and nothing here can write it",
        "one of these:\n" + "\n".join(obstacles),
    )


def check_ports(answers: Sequence[PortAnswer], target: Target | None) -> Iterator[Finding]:
    """What answers on the serial ports, and which ones may not be opened."""
    for answer in answers:
        needed = target is not None and target.where == answer.port
        remedies = {
            PortState.NO_PERMISSION: permission_hint(answer.usb_ids),
            PortState.BUSY: "close the other program, or wait until it is done",
            PortState.OTHER_VERSION: "flash an image of this version: jouleloop flash",
        }
        remedy = remedies.get(answer.state, "")
        if needed and answer.state in (PortState.SILENT, PortState.NOT_OURS, PortState.UNUSABLE):
            remedy = "check the wiring, or flash the board: jouleloop flash"
        blocks = needed and answer.state in (PortState.NO_PERMISSION, PortState.BUSY)
        level = (Level.MISSING if blocks else Level.WARN) if remedy else Level.OK
        yield Finding("ports", answer.port, level, f"{answer.state}: {answer.detail}", remedy)
    if not answers:
        yield Finding("ports", "serial ports", Level.OK, "none")


def check_instruments(machine: Machine) -> Iterator[Finding]:
    """Meters and debug probes: the extra that drives each, and whether it may be opened."""
    meters = instruments_on(machine)
    for area, (kind, device) in [
        *(("meters", meter) for meter in meters),
        *(("probes", probe) for probe in probes_on(machine)),
    ]:
        yield _instrument(area, kind, device)
    if not meters:
        yield Finding(
            "meters",
            "on the host",
            Level.WARN,
            "no PPK2 and no Joulescope is plugged in",
            "plug one in for --meter, or wire an INA228 to the board (docs/HARDWARE.md); without "
            "a meter, joules of a physical board are unavailable",
        )


def _instrument(area: str, kind: Instrument, device: UsbDevice) -> Finding:
    name = kind.name if device.serial_number is None else f"{kind.name} {device.serial_number}"
    if importlib.util.find_spec(kind.module) is None:
        return Finding(
            area,
            name,
            Level.WARN,
            f"plugged in, and {kind.module} is not installed",
            f"pip install 'jouleloop[{kind.extra}]'",
        )
    if device.node is not None and not may_open(device.node):
        return Finding(
            area,
            name,
            Level.WARN,
            f"plugged in, and this user may not open {device.node}",
            permission_hint(kind.ids),
        )
    return Finding(area, name, Level.OK, f"at USB port {device.location or 'unknown'}")


def check_flashing(board: Board | None) -> Iterator[Finding]:
    """The extras that other ways of flashing than the drive take."""
    for module, method, extra in (("usb", "picoboot", "usb"), ("pyocd", "swd", "swd")):
        if board is not None and method not in methods_of(board):
            continue
        if importlib.util.find_spec(module) is not None:
            yield Finding("flashing", method, Level.OK, f"{module} is installed")
            continue
        yield Finding(
            "flashing",
            method,
            Level.WARN,
            f"{module} is not installed, so boards cannot be flashed by {method}",
            f"pip install 'jouleloop[{extra}]'",
        )
