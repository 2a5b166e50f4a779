"""Runs compiled models on an emulated RV32IM core, and counts instructions.

``labwired`` emulates the core of an ESP32-C3, at one cycle per instruction: what it counts are
instructions, and nothing here calls them cycles. Programs, inputs and outputs lie in its RAM; no
firmware is needed.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.c_text import constant_array
from toolchain.compile.compiled import CompiledModel
from toolchain.compile.host_program import KERNELS_DIR, checked_rows, run_compiler
from toolchain.errors import MeasurementError, MissingDependencyError

CHIP = "esp32c3"

_TARGET = (
    *("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c", "-std=c11", "-O3"),
    *("-ffreestanding", "-nostdlib", "-fomit-frame-pointer", "-fno-sanitize=undefined"),
    *("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-Wl,-e,jl_count_reset"),
)

_SCRIPT = """
SECTIONS {
    .caller 0x4037C000 : { KEEP(*(.caller)) }
    .network : ALIGN(4) { *(.text*) }
    .constants 0x3FC80000 : { *(.rodata*) *(.srodata*) *(.data*) *(.sdata*) }
    .variables (NOLOAD) : ALIGN(16) { *(.bss*) *(.sbss*) *(COMMON) KEEP(*(.results)) }
    jl_count_stack = ORIGIN_OF_STACK;
    /DISCARD/ : { *(.comment*) *(.riscv.attributes) *(.note*) *(.eh_frame*) }
}
""".replace("ORIGIN_OF_STACK", "0x3FCE4000")

_RESET = """
    .section .caller, "ax"
    .global jl_count_reset
jl_count_reset:
    la    sp, jl_count_stack
    call  jl_count_main
1:  j     1b
"""

_MAIN = """
#include <stddef.h>
#include <stdint.h>
#define PLACED(name) __attribute__((used, section(name)))
DECLARATIONS
static _Alignas(4) char input[MOST_INPUTS], output[MOST_OUTPUTS];
PLACED(".results") char jl_count_outputs[OUTPUT_BYTES];
PLACED(".results") uint32_t jl_count_instructions[N_RUNS];
PLACED(".results") volatile uint32_t jl_count_done;
void *memcpy(void *target, const void *source, size_t n) {
    for (size_t i = 0; i < n; i++) ((volatile char *)target)[i] = ((const char *)source)[i];
    return target;
}
void *memset(void *target, int value, size_t n) {
    for (size_t i = 0; i < n; i++) ((volatile char *)target)[i] = (char)value;
    return target;
}
/* The emulator's counter of cycles, one an instruction. */
static uint32_t count(void) {
    uint32_t value;
    __asm volatile("csrr %0, mcycle" : "=r"(value));
    return value;
}
static void empty(const void *in, void *out) { (void)in; (void)out; }
static uint32_t timed(void (*volatile run)(const void *, void *)) {
    const uint32_t before = count();
    run(input, output);
    return count() - before;
}
int jl_count_main(void) {
    static void (*const runs[])(const void *, void *) = {FUNCTIONS};
    static const uint16_t n_inputs[] = {N_INPUTS}, n_outputs[] = {N_OUTPUTS};
    const unsigned char *from = inputs;
    char *to = jl_count_outputs;
    uint32_t *instructions = jl_count_instructions;
    const uint32_t overhead = timed(empty) - 1; /* the empty function returns, too */
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        for (uint32_t row = 0; row < N_ROWS; row++) {
            memcpy(input, from, n_inputs[i]);
            *instructions++ = timed(runs[i]) - overhead;
            memcpy(to, output, n_outputs[i]);
            from += n_inputs[i];
            to += n_outputs[i];
        }
    }
    jl_count_done = 0x444F4E45;
    return 0;
}
"""

_DONE = 0x444F4E45
_STEP = "1ms"
_MOST_STEPS = 20_000


@dataclass(frozen=True, eq=False)
class InstructionCount:
    """What was counted of one model."""

    instructions: NDArray[np.int64]
    """(n,) per row, of one call of the program."""
    outputs: NDArray[Any]
    """(n, n_outputs), of the output's own type."""


def count_instructions(
    models: Sequence[CompiledModel], inputs: Sequence[NDArray[Any]]
) -> list[InstructionCount]:
    """Run models one after the other in one image.

    Args:
        models: of the kernels ``rv32im`` or ``portable``; each has a symbol of its own.
        inputs: per model, (n, n_inputs) codes of its own input type with the same n.

    Raises:
        InputError: inputs of another shape or type.
        MissingDependencyError: the ``labwired`` wheel is not installed.
        BuildError: the compiler refused the programs, or they do not fit.
        MeasurementError: the programs do not end.
    """
    rows = [checked_rows(given, model) for given, model in zip(inputs, models, strict=True)]
    with tempfile.TemporaryDirectory(prefix="jouleloop-") as name:
        folder = Path(name)
        script, reset, main = folder / "count.ld", folder / "reset.S", folder / "main.c"
        script.write_text(_SCRIPT, encoding="ascii")
        reset.write_text(_RESET, encoding="ascii")
        main.write_text(_caller(models, rows), encoding="ascii")
        elf = folder / "count.elf"
        includes = [*(model.folder for model in models), KERNELS_DIR]
        run_compiler(
            [*_TARGET, *(f"-I{i}" for i in includes), f"-Wl,-T,{script}", "-o", str(elf)],
            [
                reset,
                main,
                *(model.folder / f"{model.symbol}.c" for model in models),
                *sorted(KERNELS_DIR.glob("*.c")),
            ],
        )
        output_bytes = sum(len(r) * m.output.n_bytes for r, m in zip(rows, models, strict=True))
        outputs, counts = _run(elf, output_bytes, sum(map(len, rows)))
    return _split(models, rows, outputs, counts)


def _caller(models: Sequence[CompiledModel], rows: Sequence[NDArray[Any]]) -> str:
    flat = np.frombuffer(b"".join(part.tobytes() for part in rows), np.uint8)
    # Pointers to codes of any type are passed alike.
    declarations = "".join(
        f"void {model.symbol}_run(const void *in, void *out);\n" for model in models
    ) + constant_array("uint8_t", "inputs", flat)
    replaced = {
        "DECLARATIONS": declarations,
        "MOST_INPUTS": max(model.input.n_bytes for model in models) + 3,
        "MOST_OUTPUTS": max(model.output.n_bytes for model in models) + 3,
        "OUTPUT_BYTES": sum(len(r) * m.output.n_bytes for r, m in zip(rows, models, strict=True)),
        "N_RUNS": sum(len(part) for part in rows),
        "N_ROWS": len(rows[0]),
        "FUNCTIONS": ", ".join(f"{model.symbol}_run" for model in models),
        "N_INPUTS": ", ".join(str(model.input.n_bytes) for model in models),
        "N_OUTPUTS": ", ".join(str(model.output.n_bytes) for model in models),
    }
    text = _MAIN
    for key, value in replaced.items():
        text = text.replace(key, str(value))
    return text


def _run(elf: Path, output_bytes: int, n_runs: int) -> tuple[bytes, NDArray[np.uint32]]:
    try:
        labwired = importlib.import_module("labwired")
    except ImportError as error:
        raise MissingDependencyError(
            f"labwired is not installed: {error}", hint="pip install labwired"
        ) from error
    try:
        with labwired.Sim(str(elf), chip=CHIP) as simulator:
            address = simulator.symbol
            for _ in range(_MOST_STEPS):
                simulator.run_for(_STEP)
                if simulator.read_u32(address("jl_count_done")) == _DONE:
                    outputs = simulator.read_memory(address("jl_count_outputs"), output_bytes)
                    counts = simulator.read_memory(address("jl_count_instructions"), 4 * n_runs)
                    return outputs, np.frombuffer(counts, np.uint32)
    except RuntimeError as error:
        raise MeasurementError(
            f"the emulated core stopped: {error}", hint="report this with the model"
        ) from error
    raise MeasurementError(
        f"the programs have not ended after {_MOST_STEPS} x {_STEP}",
        hint="give fewer rows or models",
    )


def _split(
    models: Sequence[CompiledModel],
    rows: Sequence[NDArray[Any]],
    outputs: bytes,
    counts: NDArray[np.uint32],
) -> list[InstructionCount]:
    results = []
    for model, given in zip(models, rows, strict=True):
        n_bytes = len(given) * model.output.n_bytes
        values = np.frombuffer(outputs[:n_bytes], model.output.dtype)
        results.append(
            InstructionCount(
                counts[: len(given)].astype(np.int64),
                values.reshape(len(given), model.n_outputs),
            )
        )
        outputs, counts = outputs[n_bytes:], counts[len(given) :]
    return results
