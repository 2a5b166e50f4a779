"""From a compiled model and a board to a flashable image."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toolchain.board import Board
from toolchain.build import boot2, config_header, elf, protocol_header, rp2040, size, sources, uf2
from toolchain.build.cmake import CmakeBuild
from toolchain.build.image import RECORD, Image, save_image
from toolchain.build.sources import SourceSet, image_sha256
from toolchain.build.tools import Compiler, CompilerName, find_compiler
from toolchain.errors import BoardFileError, BuildError
from toolchain.protocol import Engine

RUNTIME_ALLOWANCE_BYTES = 8 * 1024
"""Room kept in SRAM for the compiler's arithmetic when deciding where the network goes."""

_NO_SHA256 = bytes(32)


def build_image(
    board: Board,
    model_dir: Path,
    out_dir: Path,
    *,
    engine: Engine = Engine.AOT,
    compiler: CompilerName = "zig",
    network_memory: Literal["auto", "sram", "flash"] = "auto",
    engine_sources: Sequence[Path] | None = None,
) -> Image:
    """Build the firmware with one network for one board.

    The same inputs give the same bytes, whatever the folders are called.

    Args:
        board: the board file.
        model_dir: folder that :mod:`toolchain.compile` wrote, with its ``model.json``.
        out_dir: where the image goes; CMake's folder and the log ``build.log`` lie there too.
        engine: what computes the network.
        compiler: ``zig`` from its wheel, or ``gcc`` (arm-none-eabi) from the PATH.
        network_memory: where code and weights run from; ``auto`` takes SRAM when they fit, and
            :attr:`SizeReport.network_memory` says what was taken.
        engine_sources: C files that implement ``jl_inference.h`` by themselves, instead of engine,
            kernels and generated model; for tests of the firmware.

    Raises:
        BoardFileError: the chip cannot do what the board file says.
        InputError: the model folder is not complete.
        MissingDependencyError: a wheel or the asked-for compiler is not installed.
        BuildError: the compiler or linker failed, or the image does not fit.
    """
    family_id = board.image.uf2_family_id
    if family_id is None:
        raise BoardFileError(f"board {board.name!r}: image.uf2_family_id is missing")
    model_sha256 = sources.model_sha256(model_dir)
    source_set = sources.collect(board, model_dir, engine, engine_sources)
    found = find_compiler(compiler)
    out_dir.mkdir(parents=True, exist_ok=True)
    # What an earlier build left must not be taken for this one's, should it fail.
    for name in (RECORD, "build.log"):
        (out_dir / name).unlink(missing_ok=True)

    recipe = _Recipe(board, engine, source_set, found, out_dir)
    placement: size.NetworkMemory = "flash" if network_memory == "flash" else "sram"
    identity = recipe.configure(placement)
    if network_memory == "auto" and not recipe.network_fits_sram():
        placement = "flash"
        identity = recipe.configure(placement)
    recipe.cmake.build("firmware")

    elf_path = out_dir / "firmware.elf"
    shutil.copyfile(recipe.cmake.folder / "firmware.elf", elf_path)
    elf.seal_boot2(elf_path)
    flash = elf.flash_image(elf_path, rp2040.FLASH_BASE, board.memory.flash_bytes)
    if not boot2.is_sealed(flash):
        raise BuildError(f"{elf_path}: the second-stage boot's CRC is wrong in the flash image")
    image = Image(
        elf=elf_path,
        uf2=out_dir / "firmware.uf2",
        bin=out_dir / "firmware.bin",
        image_sha256=identity.hex(),
        model_sha256=model_sha256,
        engine=engine,
        board=board.name,
        compiler=found.version,
        size=size.measure(elf_path, board.memory, placement),
    )
    image.bin.write_bytes(flash)
    image.uf2.write_bytes(uf2.write(flash, rp2040.FLASH_BASE, family_id))
    save_image(out_dir, image)
    return image


@dataclass(frozen=True)
class _Recipe:
    """What is built, and where."""

    board: Board
    engine: Engine
    sources: SourceSet
    compiler: Compiler
    out_dir: Path

    @property
    def cmake(self) -> CmakeBuild:
        folder = self.out_dir / f"cmake-{self.compiler.name}"
        return CmakeBuild(folder, self.out_dir / "build.log", self.compiler)

    def configure(self, network_memory: size.NetworkMemory) -> bytes:
        """Write the generated headers and CMake's folder; returns the image's identity."""
        memory = self.board.memory
        settings = {
            "compiler": self.compiler.version,
            "engine": self.engine.name,
            "memory": memory.model_dump_json(),
            "network_memory": network_memory,
        }
        headers = {
            "jl_protocol.h": protocol_header.render(),
            "jl_config.h": config_header.render(self.board, _NO_SHA256),
        }
        identity = image_sha256(self.sources, headers, settings)
        headers["jl_config.h"] = config_header.render(self.board, identity)
        generated_dir = self.out_dir / "generated"
        generated_dir.mkdir(exist_ok=True)
        for name, text in headers.items():
            (generated_dir / name).write_text(text, encoding="utf-8")

        # What debug information calls the folders, so that no path of this machine gets into it.
        names = self.sources.folders() | {
            generated_dir: "generated",
            self.compiler.path.parent: "compiler",
        }
        self.cmake.configure(
            {
                "JL_CHIP": self.board.chip,
                "JL_GENERATED_DIR": _absolute(generated_dir),
                "JL_NETWORK_SOURCES": _cmake_list(map(_absolute, self.sources.network)),
                "JL_NETWORK_INCLUDES": _cmake_list(map(_absolute, self.sources.includes)),
                "JL_PREFIX_MAPS": _cmake_list(
                    f"{_absolute(folder)}={name}" for folder, name in names.items()
                ),
                "JL_NETWORK_MEMORY": network_memory,
                "JL_FLASH_BYTES": str(memory.flash_bytes),
                "JL_RAM_BYTES": str(memory.ram_bytes),
                "JL_STACK_BYTES": str(memory.stack_bytes),
            }
        )
        return identity

    def network_fits_sram(self) -> bool:
        """An upper bound from the object files, before unused sections are dropped."""
        self.cmake.build("jl_core")
        self.cmake.build("jl_network")
        network = elf.total_bytes(self.cmake.objects("jl_network"), lambda _: True)
        core = elf.total_bytes(
            self.cmake.objects("jl_core"),
            lambda section: section.name.startswith((".data", ".bss", ".time_critical")),
        )
        stack = self.board.memory.stack_bytes
        return network + core + RUNTIME_ALLOWANCE_BYTES + stack <= self.board.memory.ram_bytes


def _absolute(path: Path) -> str:
    return path.resolve().as_posix()


def _cmake_list(items: Iterable[str]) -> str:
    texts = list(items)
    for text in texts:
        if ";" in text:
            raise BuildError(f"{text}: CMake cannot take a path with a semicolon")
    return ";".join(texts)
