"""What a target string names: ``BOARD[@WHERE]``.

``pico@emulator`` is an emulated board, ``pico@/dev/ttyUSB0`` a serial port, ``pico@rfc2217://lab:4000``
a port elsewhere that pyserial can open.
"""

from __future__ import annotations

from dataclasses import dataclass

from serial.tools import list_ports

from toolchain.board import Board, load_board
from toolchain.errors import TargetError

EMULATOR = "emulator"


@dataclass(frozen=True)
class Target:
    """A board and where it is.

    Attributes:
        board: the board file.
        where: ``"emulator"``, a device path or a pyserial URL.
    """

    board: Board
    where: str

    @property
    def emulated(self) -> bool:
        """Whether the silicon is an emulator."""
        return self.where == EMULATOR

    def __str__(self) -> str:
        return f"{self.board.name}@{self.where}"


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
    if where == EMULATOR and board.emulator is None:
        raise TargetError(f"board {name!r} has no emulator in its board file")
    port = where.startswith(("/", "COM")) or "://" in where
    if where != EMULATOR and not port:
        raise TargetError(
            f"target {text!r}: {where!r} is not a place",
            hint=f"use {name}@{EMULATOR}, {name}@/dev/ttyUSB0 or {name}@rfc2217://HOST:PORT",
        )
    return Target(board, where)
