"""From a compiled model and a board to a flashable image."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from toolchain.board import Board
from toolchain.build import config_header, elf, rp2040, size, sources, tflm_arena
from toolchain.build.chips import chip_of
from toolchain.build.image import RECORD, Image, save_image
from toolchain.build.recipe import Recipe
from toolchain.build.tflm import find_cxx, find_tflm
from toolchain.build.tools import CompilerName, find_compiler
from toolchain.errors import InputError
from toolchain.protocol import Engine

MEASURING_RESERVE_BYTES = 48 * 1024
"""SRAM that an image which measures TensorFlow Lite Micro's arena keeps for everything else."""


def build_image(
    board: Board,
    model_dir: Path,
    out_dir: Path,
    *,
    engine: Engine = Engine.AOT,
    compiler: CompilerName | None = None,
    network_memory: Literal["auto", "sram", "flash"] = "auto",
    engine_sources: Sequence[Path] | None = None,
    fallback_dir: Path | None = None,
) -> Image:
    """Build the firmware with one network for one board, or with that and a fallback for it.

    The same inputs give the same bytes, whatever the folders are called.

    Args:
        board: the board file.
        model_dir: folder that :mod:`toolchain.compile` wrote, with its ``model.json``.
        out_dir: where the image goes; CMake's folder and the log ``build.log`` lie there too.
        engine: what computes the network.
        compiler: ``zig`` from its wheel, or ``gcc``, the chip's, from the PATH; by default zig,
            and gcc for the engine tflm, which needs it.
        network_memory: where code and weights run from; ``auto`` takes SRAM when they fit, and
            :attr:`SizeReport.network_memory` says what was taken.
        engine_sources: C files that implement ``jl_inference.h`` by themselves, instead of engine,
            kernels and generated model; for tests of the firmware.
        fallback_dir: folder of the fallback network, compiled under
            :data:`toolchain.build.sources.FALLBACK_SYMBOL`; only the engine aot takes one.

    Raises:
        BoardFileError: the chip cannot do what the board file says.
        InputError: a model's folder is not complete, or the compiler or the fallback is not for
            this engine.
        MissingDependencyError: a wheel, the asked-for compiler or the user's TensorFlow Lite Micro
            tree is not there.
        BuildError: the compiler or linker failed, or the image does not fit.
    """
    chip = chip_of(board)
    chip.check(board)
    if network_memory not in ("auto", *chip.network_memories):
        raise InputError(
            f"a network cannot run from {network_memory} on chip {board.chip}; possible: "
            f"{', '.join(chip.network_memories)}",
            hint="leave it to the build",
        )
    model_sha256 = sources.model_sha256(model_dir)
    fallback_sha256 = "" if fallback_dir is None else sources.model_sha256(fallback_dir)
    recipe = _recipe(board, model_dir, out_dir, engine, compiler, engine_sources, fallback_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    # What an earlier build left must not be taken for this one's, should it fail.
    for name in (RECORD, "build.log"):
        (out_dir / name).unlink(missing_ok=True)

    if recipe.tflm is not None:
        recipe, sram = _with_measured_arena(recipe)
        placement: size.NetworkMemory = "sram" if sram else "flash"
        if network_memory != "auto":
            placement = network_memory
        identity = recipe.configure(placement)
    else:
        placement = chip.network_memories[0] if network_memory == "auto" else network_memory
        identity = recipe.configure(placement)
        slower = chip.network_memories[1:]
        if network_memory == "auto" and slower and not recipe.network_fits_sram():
            placement = slower[0]
            identity = recipe.configure(placement)

    elf_path = out_dir / "firmware.elf"
    shutil.copy(recipe.link(), elf_path)  # with its mode: a process is run from it
    packed = chip.pack(board, elf_path, out_dir)
    image = Image(
        elf=elf_path,
        uf2=packed.uf2,
        bin=packed.bin,
        image_sha256=identity.hex(),
        model_sha256=model_sha256,
        fallback_sha256=fallback_sha256,
        engine=engine,
        board=board.name,
        compiler=recipe.compiler.version,
        size=chip.measure(board, elf_path, placement),
    )
    save_image(out_dir, image)
    return image


def _recipe(
    board: Board,
    model_dir: Path,
    out_dir: Path,
    engine: Engine,
    compiler: CompilerName | None,
    engine_sources: Sequence[Path] | None,
    fallback_dir: Path | None,
) -> Recipe:
    if fallback_dir is not None and (engine is not Engine.AOT or engine_sources is not None):
        raise InputError(
            f"a fallback network was given to the engine {engine.name.lower()}, which has none",
            hint="build with the engine aot, or without a fallback",
        )
    needs_tflm = engine is Engine.TFLM and engine_sources is None
    if needs_tflm and compiler == "zig":
        raise InputError(
            "the engine tflm is built with gcc, since the library it links is; zig was asked for",
            hint="leave the compiler out, or say gcc",
        )
    if needs_tflm and not chip_of(board).measures_arena:
        raise InputError(
            f"the engine tflm does not run on chip {board.chip}: nothing measures its arena there",
            hint="use the engine aot",
        )
    compilers = chip_of(board).compilers
    name = compiler or ("gcc" if needs_tflm else compilers[0])
    if name not in compilers:
        raise InputError(
            f"nothing builds for chip {board.chip} with {name}; possible: {', '.join(compilers)}",
            hint="leave the compiler out, or choose another engine or board",
        )
    tree = find_tflm(board.cpu.core) if needs_tflm else None
    found = find_compiler(name, chip_of(board).gcc)
    cxx = find_cxx(found.path) if needs_tflm else None
    source_set = sources.collect(board, model_dir, engine, engine_sources, fallback_dir)
    headers = {"jl_aot_config.h": config_header.aot(fallback=fallback_dir is not None)}
    return Recipe(
        board,
        engine,
        source_set,
        found,
        out_dir,
        headers=headers if engine is Engine.AOT else {},
        cxx=cxx,
        tflm=tree,
    )


def _with_measured_arena(recipe: Recipe) -> tuple[Recipe, bool]:
    """The recipe with the arena that its model needs, and whether all of it fits SRAM."""
    memory = recipe.board.memory
    room = memory.ram_bytes - memory.stack_bytes
    largest = room - MEASURING_RESERVE_BYTES
    measuring = replace(
        recipe,
        out_dir=recipe.out_dir / "measure-arena",
        headers={"jl_tflm_config.h": tflm_arena.config_header(largest, measure=True)},
    )
    measuring.configure("flash")
    elf_path = measuring.link()
    elf.check_core(elf_path, recipe.board.cpu.core)
    flash = rp2040.flash_image(elf_path, memory.flash_bytes)
    arena = tflm_arena.measure_arena(elf_path, flash, largest)
    report = size.measure(elf_path, memory, "flash")
    headers = {"jl_tflm_config.h": tflm_arena.config_header(arena, measure=False)}
    fits = report.network + report.ram_static - largest + arena <= room
    return replace(recipe, headers=headers), fits
