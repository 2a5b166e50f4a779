"""The kernels on the Cortex-M0+: what they are built from, and how large they are."""

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from toolchain.compile import compile_model
from toolchain.compile.host_program import KERNELS_DIR, run_compiler
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite

pytestmark = pytest.mark.firmware

FLAGS = [
    "-target",
    "thumb-freestanding-eabi",
    "-mcpu=cortex_m0plus",
    "-std=c11",
    "-O2",
    "-ffreestanding",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-sanitize=undefined",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-c",
]


def compile_object(source, output, *includes):
    run_compiler([*FLAGS, *(f"-I{i}" for i in includes), "-o", str(output)], [source])
    with output.open("rb") as stream:
        elf = ELFFile(stream)
        symbols = list(elf.get_section_by_name(".symtab").iter_symbols())
        undefined = {s.name for s in symbols if s["st_shndx"] == "SHN_UNDEF" and s.name}
        text = sum(s.data_size for s in elf.iter_sections() if s.name.startswith(".text"))
        constants = sum(s.data_size for s in elf.iter_sections() if s.name.startswith(".rodata"))
        bss = sum(s.data_size for s in elf.iter_sections() if s.name.startswith(".bss"))
    return undefined, text, constants, bss


@pytest.mark.parametrize("name", sorted(p.name for p in KERNELS_DIR.glob("*.c")))
def test_kernels_need_nothing(tmp_path, name):
    """No 64-bit multiplication, no division, no floating point: all of these would be calls."""
    undefined, text, _, bss = compile_object(KERNELS_DIR / name, tmp_path / "kernel.o", KERNELS_DIR)
    assert undefined <= {"memcpy", "memset"} | {"__aeabi_memcpy", "__aeabi_memset"}
    assert 0 < text <= 1100
    assert bss == 0


def test_the_figures_of_the_manifest(tmp_path):
    """What model.json says of constants and arena is what the compiler lays out."""
    data = reference_network(REFERENCE_SHAPES["M"], np.random.default_rng(0))
    compiled = compile_model(data, tmp_path)
    undefined, text, constants, bss = compile_object(
        tmp_path / "jl_model.c", tmp_path / "model.o", tmp_path, KERNELS_DIR
    )
    assert undefined == {"jl_dense_run"}
    assert bss == compiled.arena_bytes
    # Alignment may pad each of the five constants of a layer.
    assert compiled.constant_bytes <= constants <= compiled.constant_bytes + 3 * 5 * 3
    assert text < 200


def test_the_struct_sizes_of_the_other_layers(tmp_path):
    tensors = (
        TensorSpec((1, 6), "int8", (0.3,), (-128,)),
        TensorSpec((1, 6), "int8", (1 / 128,), (0,)),
        TensorSpec((1, 6), "int8", (1 / 256,), (-128,)),
    )
    operators = (OperatorSpec("TANH", (0,), (1,)), OperatorSpec("SOFTMAX", (1,), (2,)))
    data = write_tflite(ModelSpec(tensors, operators, (0,), (2,)))
    compiled = compile_model(data, tmp_path)
    undefined, _, constants, _ = compile_object(
        tmp_path / "jl_model.c", tmp_path / "model.o", tmp_path, KERNELS_DIR
    )
    assert undefined == {"jl_lookup_run", "jl_softmax_run"}
    assert constants == compiled.constant_bytes == 256 + 256 * 4 + 12
