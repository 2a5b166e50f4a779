"""From a compiled model and a board to a flashable image."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from toolchain.board import Board
from toolchain.build import boot2, config_header, elf, protocol_header, rp2040, size, sources, uf2
from toolchain.build.cmake import CmakeBuild
from toolchain.build.image import Image, save_image
from toolchain.build.tools import CompilerName, find_compiler
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
    if board.image.uf2_family_id is None:
        raise BoardFileError(f"board {board.name!r}: image.uf2_family_id is missing")
    model_sha256 = sources.model_sha256(model_dir)
    source_set = sources.collect(board, model_dir, engine, engine_sources)
    found = find_compiler(compiler)
    out_dir.mkdir(parents=True, exist_ok=True)
    generated_dir = out_dir / "generated"
    log = out_dir / "build.log"
    log.unlink(missing_ok=True)
    cmake = CmakeBuild(out_dir / f"cmake-{compiler}", log, found)

    headers = {
        "jl_protocol.h": protocol_header.render(),
        "jl_config.h": config_header.render(board, _NO_SHA256),
    }
    variables = {
        "JL_CHIP": board.chip,
        "JL_GENERATED_DIR": _absolute(generated_dir),
        "JL_NETWORK_SOURCES": _cmake_list(map(_absolute, source_set.network)),
        "JL_NETWORK_INCLUDES": _cmake_list(map(_absolute, source_set.includes)),
        "JL_PREFIX_MAPS": _cmake_list(
            f"{_absolute(folder)}={name}"
            for folder, name in (
                source_set.folders() | {generated_dir: "generated", found.path.parent: "compiler"}
            ).items()
        ),
        "JL_FLASH_BYTES": str(board.memory.flash_bytes),
        "JL_RAM_BYTES": str(board.memory.ram_bytes),
        "JL_STACK_BYTES": str(board.memory.stack_bytes),
    }

    def configure(placement: size.NetworkMemory) -> bytes:
        settings = {
            "compiler": found.version,
            "engine": engine.name,
            "memory": board.memory.model_dump_json(),
            "network_memory": placement,
        }
        identity = sources.image_sha256(source_set, headers, settings)
        config = config_header.render(board, identity)
        _write_headers(generated_dir, headers | {"jl_config.h": config})
        cmake.configure(variables | {"JL_NETWORK_MEMORY": placement})
        return identity

    placement: size.NetworkMemory = "flash" if network_memory == "flash" else "sram"
    identity = configure(placement)
    if network_memory == "auto" and not _network_fits_sram(cmake, board):
        placement = "flash"
        identity = configure(placement)
    cmake.build("firmware")

    elf_path = out_dir / "firmware.elf"
    shutil.copyfile(cmake.folder / "firmware.elf", elf_path)
    elf.seal_boot2(elf_path)
    flash = elf.flash_image(elf_path, rp2040.FLASH_BASE, board.memory.flash_bytes)
    if not boot2.is_sealed(flash):
        raise BuildError(f"{elf_path}: the second-stage boot's CRC is wrong in the flash image")
    report = size.measure(elf_path, board.memory, placement)
    bin_path = out_dir / "firmware.bin"
    bin_path.write_bytes(flash)
    uf2_path = out_dir / "firmware.uf2"
    uf2_path.write_bytes(uf2.write(flash, rp2040.FLASH_BASE, board.image.uf2_family_id))
    image = Image(
        elf=elf_path,
        uf2=uf2_path,
        bin=bin_path,
        image_sha256=identity.hex(),
        model_sha256=model_sha256,
        engine=engine,
        board=board.name,
        compiler=found.version,
        size=report,
    )
    save_image(out_dir, image)
    return image


def _network_fits_sram(cmake: CmakeBuild, board: Board) -> bool:
    """An upper bound from the object files, before unused sections are dropped."""
    cmake.build("jl_core")
    cmake.build("jl_network")
    network = elf.total_bytes(cmake.objects("jl_network"), lambda _: True)
    core = elf.total_bytes(
        cmake.objects("jl_core"),
        lambda section: section.name.startswith((".data", ".bss", ".time_critical")),
    )
    needed = network + core + RUNTIME_ALLOWANCE_BYTES + board.memory.stack_bytes
    return needed <= board.memory.ram_bytes


def _write_headers(folder: Path, headers: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in headers.items():
        path = folder / name
        # An unchanged file keeps its time, so that Ninja does not build everything again.
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _absolute(path: Path) -> str:
    return path.resolve().as_posix()


def _cmake_list(items: Iterable[str]) -> str:
    texts = list(items)
    for text in texts:
        if ";" in text:
            raise BuildError(f"{text}: CMake cannot take a path with a semicolon")
    return ";".join(texts)
