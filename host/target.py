"""What a target string names: ``BOARD[@WHERE]``.

``pico@emulator`` is an emulated board behind its UART, ``pico@emulator+usb`` the same board behind
its USB serial line, ``pico@/dev/ttyUSB0`` a serial port, ``pico@rfc2217://lab:4000`` a port
elsewhere that pyserial can open. ``native`` is the firmware as a process of this machine; it has no
place.
"""

from __future__ import annotations

from dataclasses import dataclass

from serial.tools import list_ports

from host.metrics import Provenance
from toolchain.board import Board, load_board
from toolchain.errors import TargetError

EMULATOR = "emulator"
EMULATOR_USB = "emulator+usb"
NATIVE = "native"


@dataclass(frozen=True)
class Target:
    """A board and where it is.

    Attributes:
        board: the board file.
        where: ``"emulator"``, a device path or a pyserial URL; ``"native"`` for a process.
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
    def usb_serial(self) -> bool:
        """Whether the port is this board's own USB serial line, by its vendor and product id."""
        usb = self.board.usb
        return usb is not None and any(
            (port.device, port.vid, port.pid) == (self.where, usb.vendor_id, usb.product_id)
            for port in list_ports.comports()
        )

    @property
    def provenance(self) -> Provenance:
        """Of what the board says of its own time, memory and energy.

        A process runs at the pace of the machine that it is on, whatever else that does, so what it
        says of them is no figure of any board's.
        """
        if self.native:
            return Provenance.UNAVAILABLE
        return Provenance.EMULATED if self.emulated else Provenance.MEASURED

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

    @property
    def individual(self) -> str:
        """Which board it is, whichever of its lines is used."""
        return self.board.name if self.native else f"{self.board.name}@{self.where}"

    def __str__(self) -> str:
        return f"{self.individual}+usb" if self.usb else self.individual


def parse_target(text: str) -> Target:
    """Read a target string.

    Raises:
        TargetError: no place given, or one that cannot be.
        BoardFileError: no such board.
    """
    name, at, where = text.partition("@")
    board = load_board(name)
    if board.chip == "posix":
        if at:
            raise TargetError(f"target {text!r}: a process has no place", hint=f"use {name}")
        return Target(board, NATIVE)
    if not at:
        ports = [port.device for port in list_ports.comports()]
        raise TargetError(
            f"target {text!r} names no place; serial ports seen: {', '.join(ports) or 'none'}",
            hint=f"say where: {name}@{EMULATOR}, or {name}@PORT with the port of its UART",
        )
    usb = where == EMULATOR_USB
    where = EMULATOR if usb else where
    if where == EMULATOR and board.emulator is None:
        raise TargetError(f"board {name!r} has no emulator in its board file")
    if usb and board.usb is None:
        raise TargetError(
            f"board {name!r} has no [usb] in its board file", hint=f"use {name}@{EMULATOR}"
        )
    port = where.startswith(("/", "COM")) or "://" in where
    if where != EMULATOR and not port:
        raise TargetError(
            f"target {text!r}: {where!r} is not a place",
            hint=f"use {name}@{EMULATOR}, {name}@/dev/ttyUSB0 or {name}@rfc2217://HOST:PORT",
        )
    return Target(board, where, usb)
