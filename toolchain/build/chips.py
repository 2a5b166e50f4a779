"""What a build does differently from chip to chip: its settings, its packing, its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolchain.board import Board
from toolchain.build import boot2, elf, rp2040, size, uf2
from toolchain.build.tools import CompilerName
from toolchain.errors import BoardFileError, BuildError


@dataclass(frozen=True)
class Packed:
    """An ELF file as a target takes it; None where it takes the ELF file itself.

    Attributes:
        uf2: for the boot ROM's drive.
        bin: the bytes in flash.
    """

    uf2: Path | None = None
    bin: Path | None = None


class Chip(Protocol):
    """One chip that the firmware has a port for: ``firmware/port/<chip>``."""

    compilers: tuple[CompilerName, ...]
    """That build for it, the default one first."""

    def check(self, board: Board) -> None:
        """Refuse a board file that an image cannot be built for.

        Raises:
            BoardFileError: the chip cannot do what the board file says.
        """

    def pack(self, board: Board, elf_path: Path, out_dir: Path) -> Packed:
        """Make what is flashed; the ELF file's boot code is sealed in place.

        Raises:
            BuildError: the ELF file is not one for this chip.
        """

    def measure(
        self, board: Board, elf_path: Path, network_memory: size.NetworkMemory
    ) -> size.SizeReport:
        """Its sizes, held against the board's memory.

        Raises:
            BuildError: as :func:`toolchain.build.size.measure`.
        """


class Rp2040:
    """Raspberry Pi's RP2040: execute in place from a flash of its own, UF2."""

    compilers: tuple[CompilerName, ...] = ("zig", "gcc")

    def check(self, board: Board) -> None:
        """As :meth:`Chip.check`."""
        _family_id(board)
        rp2040.check_board(board)

    def pack(self, board: Board, elf_path: Path, out_dir: Path) -> Packed:
        """As :meth:`Chip.pack`."""
        flash = rp2040.flash_image(elf_path, board.memory.flash_bytes)
        if not boot2.is_sealed(flash):
            raise BuildError(f"{elf_path}: the second-stage boot's CRC is wrong in the flash image")
        elf.check_core(elf_path, board.cpu.core)
        drive, raw = out_dir / "firmware.uf2", out_dir / "firmware.bin"
        drive.write_bytes(uf2.write(flash, rp2040.FLASH_BASE, _family_id(board)))
        raw.write_bytes(flash)
        return Packed(drive, raw)

    def measure(
        self, board: Board, elf_path: Path, network_memory: size.NetworkMemory
    ) -> size.SizeReport:
        """As :meth:`Chip.measure`."""
        return size.measure(elf_path, board.memory, network_memory)


def _family_id(board: Board) -> int:
    if board.image.uf2_family_id is None:
        raise BoardFileError(f"board {board.name!r}: image.uf2_family_id is missing")
    return board.image.uf2_family_id


class Posix:
    """A process of this machine."""

    compilers: tuple[CompilerName, ...] = ("zig",)

    def check(self, board: Board) -> None:
        """As :meth:`Chip.check`."""
        for section in ("meter", "usb"):
            if getattr(board, section) is not None:
                raise BoardFileError(
                    f"board {board.name!r}: a process has no [{section}]", hint="leave it out"
                )

    def pack(self, board: Board, elf_path: Path, out_dir: Path) -> Packed:
        """As :meth:`Chip.pack`."""
        return Packed()

    def measure(
        self, board: Board, elf_path: Path, network_memory: size.NetworkMemory
    ) -> size.SizeReport:
        """As :meth:`Chip.measure`; without a memory map the network is not told apart."""
        return size.measure_process(elf_path, board.memory)


CHIPS: Mapping[str, Chip] = {"rp2040": Rp2040(), "posix": Posix()}
"""By ``chip`` of a board file."""


def chip_of(board: Board) -> Chip:
    """What builds for a board's chip.

    Raises:
        BuildError: nothing does.
    """
    if board.chip not in CHIPS:
        raise BuildError(
            f"board {board.name!r}: the firmware has no port for chip {board.chip!r}",
            hint=f"chips with a port: {', '.join(sorted(CHIPS))}",
        )
    return CHIPS[board.chip]
