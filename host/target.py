"""What a target string names: ``BOARD[@WHERE]``.

``pico@emulator`` is an emulated board behind its UART, ``pico@emulator+usb`` the same board behind
its USB serial line, ``pico@/dev/ttyUSB0`` a serial port, ``pico@rfc2217://lab:4000`` a port
elsewhere that pyserial can open.
"""

from __future__ import annotations

from dataclasses import dataclass

from serial.tools import list_ports

from toolchain.board import Board, load_board
from toolchain.errors import TargetError

EMULATOR = "emulator"
EMULATOR_USB = "emulator+usb"


@dataclass(frozen=True)
class Target:
    """A board and where it is.

    Attributes:
        board: the board file.
        where: ``"emulator"``, a device path or a pyserial URL.
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
    def individual(self) -> str:
        """Which board it is, whichever of its lines is used."""
        return f"{self.board.name}@{self.where}"

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
