"""Which ways of writing a chip has, in the order in which they are taken."""

from __future__ import annotations

from host.flash.flasher import Flasher
from host.flash.mass_storage import MassStorage
from host.flash.picoboot import Picoboot
from host.flash.rom_loader import RomLoader
from host.flash.swd import Swd
from toolchain.board import Board
from toolchain.errors import InputError


def flashers_of(board: Board, method: str | None = None) -> tuple[Flasher, ...]:
    """The ways of writing a board, the first one that works is taken.

    Args:
        board: whose chip it is.
        method: ``--method``: the name of one, for ``swd`` with the probe's serial number behind a
            colon where there are several; None for all of them.

    Raises:
        InputError: the chip has no such method.
    """
    name, _, detail = (method or "").partition(":")
    flashers = _by_chip(detail or None).get(board.chip, ())
    chosen = tuple(flasher for flasher in flashers if name in ("", flasher.method))
    if not chosen or (detail and name != Swd.method):
        names = ", ".join(flasher.method for flasher in flashers)
        raise InputError(
            f"--method {method}: {board.name} is not flashed so",
            hint=f"use one of {names}" if names else "leave out --method",
        )
    return chosen


def methods_of(board: Board) -> list[str]:
    """What ``--method`` may be for a board; nothing where it is a process."""
    return [flasher.method for flasher in _by_chip(None).get(board.chip, ())]


def _by_chip(probe: str | None) -> dict[str, tuple[Flasher, ...]]:
    return {"rp2040": (MassStorage(), Picoboot(), Swd(probe)), "esp32c3": (RomLoader(),)}
