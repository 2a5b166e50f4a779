"""Generated programs on the emulated Cortex-M0+: the same bits as on the host, counted cycles.

Only the core is emulated here: the program is linked into SRAM and called like a function. The
whole board, with its firmware, is tested in tests/firmware and by the replay.
"""

from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from toolchain.compile import HostProgram, compile_model
from toolchain.compile.host_program import KERNELS_DIR, run_compiler
from toolchain.compile.synthetic import REFERENCE_SHAPES, random_network, reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

SRAM = 0x2000_0000
STACK_TOP = 0x2004_1000
MOST_INSTRUCTIONS = 3_000_000

LINKER_SCRIPT = """
SECTIONS {
    . = 0x20000000;
    .text : { KEEP(*(.stop)) *(.text*) *(.rodata*) *(.data*) }
    .bss : { *(.bss*) }
}
"""

CALLER = """
#include <stddef.h>
#include "jl_model.h"
_Alignas(4) int8_t caller_in[JL_MODEL_INPUTS];
_Alignas(4) int8_t caller_out[JL_MODEL_OUTPUTS];
void stop(void);
void call(void);
void *memcpy(void *target, const void *source, size_t n);
void *memset(void *target, int value, size_t n);
__attribute__((section(".stop"))) void stop(void) { __asm volatile("bkpt 0"); }
void call(void) { jl_model_run(caller_in, caller_out); }
void *memcpy(void *target, const void *source, size_t n) {
    for (size_t i = 0; i < n; i++) ((volatile char *)target)[i] = ((const char *)source)[i];
    return target;
}
void *memset(void *target, int value, size_t n) {
    for (size_t i = 0; i < n; i++) ((volatile char *)target)[i] = (char)value;
    return target;
}
"""

FLAGS = [
    "-target",
    "thumb-freestanding-eabi",
    "-mcpu=cortex_m0plus",
    "-std=c11",
    "-O3",
    "-ffreestanding",
    "-nostdlib",
    "-fomit-frame-pointer",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-sanitize=undefined",
    "-Wl,-e,call",
    "-Wl,-u,stop",
]


class EmulatedProgram:
    """A generated program in the SRAM of an emulated RP2040."""

    def __init__(self, folder: Path):
        rp2040 = pytest.importorskip("rp2040py.rp2040")
        logging = pytest.importorskip("rp2040py.utils.logging")
        elf = folder / "program.elf"
        script, caller = folder / "program.ld", folder / "caller.c"
        script.write_text(LINKER_SCRIPT, encoding="ascii")
        caller.write_text(CALLER, encoding="ascii")
        run_compiler(
            [*FLAGS, f"-I{folder}", f"-I{KERNELS_DIR}", f"-Wl,-T,{script}", "-o", str(elf)],
            [caller, folder / "jl_model.c", *sorted(KERNELS_DIR.glob("*.c"))],
        )
        self.mcu = rp2040.RP2040()
        self.mcu.logger = logging.ConsoleLogger(logging.LogLevel.ERROR, throw_on_error=False)
        with elf.open("rb") as stream:
            image = ELFFile(stream)
            symbols = list(image.get_section_by_name(".symtab").iter_symbols())
            self.address = {s.name: s["st_value"] for s in symbols}
            self.size = {s.name: s["st_size"] for s in symbols}
            for segment in image.iter_segments("PT_LOAD"):
                self._write(segment["p_vaddr"], segment.data())

    def _write(self, address: int, data: bytes) -> None:
        self.mcu.sram[address - SRAM : address - SRAM + len(data)] = data

    def run(self, row: np.ndarray) -> tuple[np.ndarray, int]:
        """Outputs of one inference, and the cycles from its call to its return."""
        self._write(self.address["caller_in"], row.tobytes())
        core = self.mcu.core
        stop = self.address["stop"] & ~1
        core.sp, core.lr, core.pc = STACK_TOP, stop | 1, self.address["call"] & ~1
        before = core.cycles
        for _ in range(MOST_INSTRUCTIONS):
            core.execute_instruction()
            if core.pc == stop:
                break
        else:
            pytest.fail(f"no return after {MOST_INSTRUCTIONS} instructions")
        begin = self.address["caller_out"] - SRAM
        data = bytes(self.mcu.sram[begin : begin + self.size["caller_out"]])
        return np.frombuffer(data, np.int8), core.cycles - before


def assert_equal_to_host(data, folder, rng, n_rows=3):
    compiled = compile_model(data, folder)
    emulated = EmulatedProgram(folder)
    inputs = rng.integers(-128, 128, (n_rows, compiled.n_inputs)).astype(np.int8)
    inputs[0] = -128
    expected = HostProgram(folder).run(inputs)
    cycles = []
    for row, outputs in zip(inputs, expected, strict=True):
        actual, spent = emulated.run(row)
        np.testing.assert_array_equal(actual, outputs)
        cycles.append(spent)
    return cycles


def test_random_networks(tmp_path):
    rng = np.random.default_rng(17)
    for i in range(5):
        assert_equal_to_host(random_network(rng, max_layers=2), tmp_path / str(i), rng)


def test_the_other_kernels(tmp_path):
    tensors = (
        TensorSpec((1, 2, 6), "int8", (0.3,), (-128,)),
        TensorSpec((1, 2, 6), "int8", (1 / 128,), (0,)),
        TensorSpec((1, 2, 6), "int8", (1 / 256,), (-128,)),
    )
    operators = (OperatorSpec("TANH", (0,), (1,)), OperatorSpec("SOFTMAX", (1,), (2,)))
    data = write_tflite(ModelSpec(tensors, operators, (0,), (2,)))
    assert_equal_to_host(data, tmp_path, np.random.default_rng(3), n_rows=8)


# The plain kernels, from SRAM: 18,341, 51,342 and 153,993 cycles when this was written. A bound of
# five per cent more notices a compiler or a kernel that has become slower.
@pytest.mark.parametrize(("name", "bound"), [("S", 19_300), ("M", 53_900), ("L", 161_700)])
def test_cycles_of_the_reference_networks(tmp_path, name, bound):
    rng = np.random.default_rng(1)
    data = reference_network(REFERENCE_SHAPES[name], rng)
    cycles = assert_equal_to_host(data, tmp_path, rng)
    # Without a data-dependent loop only the clamp's branches differ between inputs.
    assert max(cycles) - min(cycles) <= 100
    assert max(cycles) <= bound
