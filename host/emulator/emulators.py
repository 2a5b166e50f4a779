"""Which emulator runs a board: the ``emulator.kind`` of its board file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from toolchain.board import Board
from toolchain.build import uf2
from toolchain.errors import BoardFileError, InputError


class EmulatedCore(Protocol):
    """An emulated board: feed it bytes, run it, and it hands over the bytes that it sent.

    Attributes:
        chip_id: the unique id that the firmware reports.
    """

    chip_id: bytes

    @property
    def idle(self) -> bool:
        """Whether only the host can wake the core."""

    def now_s(self) -> float:
        """Virtual seconds since the start."""

    def feed(self, data: bytes) -> None:
        """Put bytes on the receive line of its UART."""

    def feed_usb(self, data: bytes) -> None:
        """Write to its USB serial line."""

    def run(self) -> None:
        """Run for at most a few milliseconds of real time; returns at once when idle."""


OnByte = Callable[[int], None]
OnUsb = Callable[[bytes], None]
PowerOn = Callable[[Board, Path, str, OnByte, OnUsb | None, bool], EmulatedCore]
"""Board, image, which individual, what takes the bytes of its UART and those of its USB serial line
(None: nothing is plugged in), and whether its meter is on its bus."""


def _rp2040py(
    board: Board, image: Path, serial: str, on_byte: OnByte, on_usb: OnUsb | None, metered: bool
) -> EmulatedCore:
    from host.emulator.rp2040 import FLASH_BASE, EmulatedPico

    address, flash = uf2.read(image, family_id=board.image.uf2_family_id)
    content = bytes(address - FLASH_BASE) + flash
    return EmulatedPico(board, content, serial, on_byte, on_usb, metered=metered)


def _labwired(
    board: Board, image: Path, serial: str, on_byte: OnByte, on_usb: OnUsb | None, metered: bool
) -> EmulatedCore:
    from host.emulator.esp32c3 import EmulatedEsp32c3

    if on_usb is not None:
        raise InputError(
            f"board {board.name!r}: its emulator has no USB host", hint="use the board's UART"
        )
    return EmulatedEsp32c3(board, image, serial, on_byte, metered=metered)


EMULATORS: Mapping[str, PowerOn] = {"rp2040py": _rp2040py, "labwired": _labwired}
"""By ``emulator.kind``."""


def emulator_of(board: Board) -> PowerOn:
    """What powers an emulated board on.

    Raises:
        BoardFileError: its board file has no emulator.
    """
    if board.emulator is None:
        raise BoardFileError(f"board {board.name!r} has no [emulator] in its board file")
    return EMULATORS[board.emulator.kind]
