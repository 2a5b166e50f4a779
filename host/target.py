"""What a target string names: ``BOARD[@WHERE]``.

``pico@emulator`` is an emulated board behind its UART, ``pico@emulator+usb`` the same board behind
its USB serial line. ``pico`` is the one that is plugged in, ``pico@SERIAL`` the one with that USB
serial number, ``pico@1-1.2`` the one at that USB port, ``pico@/dev/ttyUSB0`` what is behind a
serial port, ``pico@/media/me/RPI-RP2`` what is behind a BOOTSEL drive, ``pico@rfc2217://lab:4000``
a port elsewhere that pyserial can open. ``native`` is the firmware as a process of this machine; it
has no place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from host.plugged import is_usb_location
from toolchain.board import (
    Board,
    Sourced,
    at_clock,
    load_board,
    with_cycles_per_instruction,
    with_shunt,
)
from toolchain.errors import TargetError

if TYPE_CHECKING:
    from host.metrics import Provenance

EMULATOR = "emulator"
EMULATOR_USB = "emulator+usb"
NATIVE = "native"
_SERIAL = re.compile(r"[0-9A-Fa-f:]{8,}")
"""USB serial numbers of boards: the unique id of a flash, or a MAC address."""


@dataclass(frozen=True)
class Target:
    """A board and where it is.

    Attributes:
        board: the board file.
        where: ``"emulator"``, a device path, a pyserial URL, a USB serial number or a USB port;
            ``"native"`` for a process, empty for the one that is plugged in.
        usb: the emulated board is spoken to over its USB serial line; what line a physical board
            is spoken to over is the port's own.
    """

    board: Board
    where: str
    usb: bool = False

    @property
    def emulated(self) -> bool:
        """Whether the silicon is an emulator."""
        return self.where == EMULATOR

    @property
    def native(self) -> bool:
        """Whether the board is a process of this machine."""
        return self.where == NATIVE

    @property
    def at_port(self) -> bool:
        """Whether the place is a serial port, a drive or a URL."""
        return _is_port(self.where)

    @property
    def provenance(self) -> Provenance:
        """Of what the board says of its own time, memory and energy.

        A process runs at the pace of the machine that it is on, whatever else that does, so what it
        says of them is no figure of any board's.
        """
        from host.metrics import Provenance  # brings all of the metrics' packages

        if self.native:
            return Provenance.UNAVAILABLE
        return Provenance.EMULATED if self.emulated else Provenance.MEASURED

    @property
    def cycles_per_instruction(self) -> Sourced | None:
        """That the emulator assumes of the real core, where it counts instructions; else None.

        The board's cycles, time and joules follow from it then.
        """
        model = self.board.emulator
        return model.cycles_per_instruction if self.emulated and model is not None else None

    @property
    def energy_model(self) -> dict[str, Any] | None:
        """What the emulated supply assumes, JSON values; None where the board is physical."""
        model = self.board.emulator
        return model.model_dump(mode="json") if self.emulated and model is not None else None

    @property
    def counts(self) -> str:
        """What is counted of a program, and reported: ``cycles`` or ``instructions``."""
        return "cycles" if self.cycles_per_instruction is None else "instructions"

    def require_board(self) -> None:
        """Refuse a process, where time, memory and energy are to be measured.

        Raises:
            TargetError: it is one.
        """
        if self.native:
            raise TargetError(
                f"{self} is a process of this machine: it has no meter and no clock of its own, so "
                "nothing that a replay measures would be a board's",
                hint=f"use pico@{EMULATOR}; 'jouleloop infer {self}' runs a network on it",
            )

    def labelled(self, identity: Mapping[str, Any]) -> dict[str, Any]:
        """What answered, with whether its clock is faster than the chip's maker specifies."""
        outside = self.board.cpu.outside_specification(identity["clock_hz"])
        return {**identity, "outside_specification": outside}

    @property
    def individual(self) -> str:
        """Which board it is, whichever of its lines is used."""
        unplaced = self.native or not self.where
        return self.board.name if unplaced else f"{self.board.name}@{self.where}"

    def __str__(self) -> str:
        return f"{self.individual}+usb" if self.usb else self.individual


def parse_target(
    text: str, *, clock_hz: int | None = None, shunt_ohm: float | None = None
) -> Target:
    """Read a target string.

    Args:
        text: ``BOARD[@WHERE]``.
        clock_hz: of the core, instead of what the board file says; an image is built for it.
        shunt_ohm: beside the board's meter, likewise.

    Raises:
        TargetError: the place is none, or the board cannot be there.
        BoardFileError: no such board, one that has no clock or shunt to change, or a calibration
            that cannot be read.
    """
    name, at, where = text.partition("@")
    board = load_board(name)
    if clock_hz is not None:
        board = at_clock(board, clock_hz)
    if shunt_ohm is not None:
        board = with_shunt(board, shunt_ohm)
    if board.chip == "posix":
        if at:
            raise TargetError(f"target {text!r}: a process has no place", hint=f"use {name}")
        return Target(board, NATIVE)
    usb = where == EMULATOR_USB
    where = EMULATOR if usb else where
    if where == EMULATOR and board.emulator is None:
        raise TargetError(
            f"board {name!r} has no emulator in its board file",
            hint=f"name {name} that is plugged in, or a board with [emulator], such as pico",
        )
    if usb and board.usb is None:
        raise TargetError(
            f"board {name!r} has no [usb] in its board file", hint=f"use {name}@{EMULATOR}"
        )
    if where == EMULATOR:
        board = _with_silicons_cycles(board)
    plugged = (not at) or _is_port(where) or is_usb_location(where) or _SERIAL.fullmatch(where)
    if where != EMULATOR and not plugged:
        raise TargetError(
            f"target {text!r}: {where!r} is not a place",
            hint=f"use {name}@{EMULATOR}, {name} for the one that is plugged in, or a port as in "
            f"{name}@/dev/ttyUSB0 or {name}@rfc2217://HOST:PORT",
        )
    return Target(board, where, usb)


def _with_silicons_cycles(board: Board) -> Board:
    """With the cycles of an instruction that a calibration measured, in place of an assumption."""
    if board.emulator is None or board.emulator.cycles_per_instruction is None:
        return board
    from host.flash.state import state_folder  # brings the flashers, and they this module
    from toolchain.policy.calibration import kept_calibration

    calibration = kept_calibration(state_folder(), board)
    figure = None if calibration is None else calibration.silicon_cycles_per_instruction
    return board if figure is None else with_cycles_per_instruction(board, figure)


def _is_port(where: str) -> bool:
    return where.startswith(("/", "COM")) or "://" in where
