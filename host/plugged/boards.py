"""Which boards are plugged in: by the USB ids of their board files, and in their boot ROM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from host.plugged.machine import Machine, Mount, usb_location
from toolchain.board import Board

BOOT_ROM_IDS: dict[str, tuple[int, int]] = {"rp2040": (0x2E8A, 0x0003)}
"""USB ids of a chip's boot ROM (RP2040 datasheet 2.8.4 and 2.8.5)."""

INFO = "INFO_UF2.TXT"
BOARD_IDS: dict[str, str] = {"rp2040": "RPI-RP2"}
"""What the boot ROM's drive calls a chip in ``INFO_UF2.TXT`` (datasheet 2.8.4.2). The drive is told
by that, since anybody can label a drive."""


@dataclass(frozen=True)
class PluggedBoard:
    """A board and the ways to it.

    All RP2040 in BOOTSEL mode have one and the same serial number, so there the USB port tells
    which one it is.

    Attributes:
        board: its board file.
        port: its serial port; None in BOOTSEL mode.
        serial_number: on USB; None behind a UART adapter and in BOOTSEL mode.
        location: the USB port that it is plugged into, as ``1-1.2``; None where unknown.
        own_usb: the port is the board's own USB line, not that of an adapter.
        bootsel: it is in its boot ROM's USB mode.
        drive: the boot ROM's drive, where it is mounted.
    """

    board: Board
    port: str | None = None
    serial_number: str | None = None
    location: str | None = None
    own_usb: bool = False
    bootsel: bool = False
    drive: Mount | None = None

    @property
    def target(self) -> str:
        """What names this one on the command line."""
        where = self.serial_number or self.location or self.port
        if where is None and self.drive is not None:
            where = str(self.drive.folder)
        return self.board.name if where is None else f"{self.board.name}@{where}"

    def __str__(self) -> str:
        parts = ["in BOOTSEL mode"] if self.bootsel else []
        parts += [] if self.port is None else [self.port]
        parts += [] if self.drive is None else [f"drive {self.drive.folder}"]
        parts += [] if self.location is None else [f"USB port {self.location}"]
        return f"{self.target} ({', '.join(parts)})" if parts else self.target


def plugged_boards(board: Board, machine: Machine) -> list[PluggedBoard]:
    """The plugged-in boards of one board file, those in BOOTSEL mode last."""
    ids = None if board.usb is None else (board.usb.vendor_id, board.usb.product_id)
    running = [
        PluggedBoard(board, port.device, port.serial_number, usb_location(port), own_usb=True)
        for port in machine.ports()
        if ids is not None and (port.vid, port.pid) == ids
    ]
    return running + _in_boot_rom(board, machine)


def boot_drives(chip: str, machine: Machine) -> list[Mount]:
    """Mounted drives whose INFO_UF2.TXT says that they are such a chip's boot ROM."""
    wanted = BOARD_IDS.get(chip)
    if wanted is None:
        return []
    return [mount for mount in machine.drives() if f"Board-ID: {wanted}" in _info(mount.folder)]


def _in_boot_rom(board: Board, machine: Machine) -> list[PluggedBoard]:
    drives = boot_drives(board.chip, machine)
    ids = BOOT_ROM_IDS.get(board.chip)
    locations = [device.location for device in machine.usb_devices() if device.ids == ids]
    if len(locations) == len(drives) == 1 and drives[0].location in (None, locations[0]):
        return [PluggedBoard(board, location=locations[0], bootsel=True, drive=drives[0])]
    by_location = {drive.location: drive for drive in drives if drive.location is not None}
    found = [
        PluggedBoard(board, location=at, bootsel=True, drive=by_location.pop(at or "", None))
        for at in locations
    ]
    left = [drive for drive in drives if drive.location is None] + list(by_location.values())
    return found + [
        PluggedBoard(board, location=drive.location, bootsel=True, drive=drive) for drive in left
    ]


def _info(folder: Path) -> str:
    """A drive's INFO_UF2.TXT; empty where there is none, or the drive is just leaving."""
    try:
        return (folder / INFO).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
