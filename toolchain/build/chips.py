"""What a build does differently from chip to chip: its settings, its packing, its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolchain.board import Board
from toolchain.build import boot2, elf, esp32c3, rp2040, size, uf2
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

    gcc: str
    """What its GCC is called, where that is one of them."""

    network_memories: tuple[size.NetworkMemory, ...]
    """Where a network can run from, the fastest first."""

    measures_arena: bool
    """Whether the engine tflm's arena can be measured: the build runs the image for that."""

    def config(self, board: Board) -> dict[str, int | str]:
        """What ``jl_config.h`` tells its port, beside what it tells every port.

        Raises:
            BoardFileError: as :meth:`check`.
        """

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
    gcc = "arm-none-eabi-gcc"
    network_memories: tuple[size.NetworkMemory, ...] = ("sram", "flash")
    measures_arena = True

    def config(self, board: Board) -> dict[str, int | str]:
        """As :meth:`Chip.config`."""
        return rp2040.config(board) | {"JL_CYCLES_EXACT": 1}

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


class Esp32c3:
    """Espressif's ESP32-C3: all of the program is loaded into SRAM by the boot ROM."""

    compilers: tuple[CompilerName, ...] = ("zig", "gcc")
    gcc = "riscv64-unknown-elf-gcc"
    network_memories: tuple[size.NetworkMemory, ...] = ("sram",)
    measures_arena = False

    def config(self, board: Board) -> dict[str, int | str]:
        """As :meth:`Chip.config`."""
        return esp32c3.config(board) | {"JL_CYCLES_EXACT": 1}

    def check(self, board: Board) -> None:
        """As :meth:`Chip.check`."""
        esp32c3.check_board(board)

    def pack(self, board: Board, elf_path: Path, out_dir: Path) -> Packed:
        """As :meth:`Chip.pack`."""
        raw = out_dir / "firmware.bin"
        raw.write_bytes(esp32c3.flash_image(elf_path, board.memory.flash_bytes))
        return Packed(bin=raw)

    def measure(
        self, board: Board, elf_path: Path, network_memory: size.NetworkMemory
    ) -> size.SizeReport:
        """As :meth:`Chip.measure`."""
        return size.measure(elf_path, board.memory, network_memory)


class Posix:
    """A process of this machine."""

    compilers: tuple[CompilerName, ...] = ("zig",)
    gcc = ""
    network_memories: tuple[size.NetworkMemory, ...] = ("sram",)
    measures_arena = False

    def config(self, board: Board) -> dict[str, int | str]:
        """As :meth:`Chip.config`."""
        # A process is held up whenever it pleases its system: see jl_measure.c.
        return {"JL_CYCLES_EXACT": 0}

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


CHIPS: Mapping[str, Chip] = {"rp2040": Rp2040(), "esp32c3": Esp32c3(), "posix": Posix()}
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
