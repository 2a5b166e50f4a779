"""The Cortex-M0+ kernel set: what it chooses, what it refuses, what it writes."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from toolchain.board import board_names, load_board
from toolchain.compile import (
    KERNEL_SETS,
    HostProgram,
    compile_model,
    kernels_for_core,
    load_compiled,
)
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.errors import InputError


@pytest.fixture(scope="module")
def data():
    return reference_network(REFERENCE_SHAPES["M"], np.random.default_rng(1))


def smallest(data, folder):
    with pytest.raises(InputError, match="too small for this network") as caught:
        compile_model(data, folder, kernels="m0plus", flash_budget=0)
    found = re.search(r"at least (\d+)", caught.value.message)
    assert found is not None
    return int(found[1])


def test_the_core_chooses():
    assert kernels_for_core("cortex-m0plus") == "m0plus"
    assert kernels_for_core("host") == "portable"
    for name in board_names():
        assert kernels_for_core(load_board(name).cpu.core) in KERNEL_SETS


def test_output_is_deterministic(data, tmp_path):
    first = compile_model(data, tmp_path / "a", kernels="m0plus")
    again = compile_model(data, tmp_path / "b", kernels="m0plus")
    assert first.files == again.files
    assert "jl_model_layers.S" in first.files
    assert load_compiled(tmp_path / "a") == first


def test_the_smallest_budget_is_named_exactly(data, tmp_path):
    least = smallest(data, tmp_path)
    compiled = compile_model(data, tmp_path, kernels="m0plus", flash_budget=least)
    assert compiled.flash_bytes == least == compiled.flash_budget
    assert compile_model(data, tmp_path, kernels="m0plus", flash_budget="smallest").files == (
        compiled.files
    )
    with pytest.raises(InputError, match=f"at least {least} bytes"):
        compile_model(data, tmp_path, kernels="m0plus", flash_budget=least - 1)


def test_a_budget_buys_speed(data, tmp_path):
    least = smallest(data, tmp_path)
    last = None
    for budget in range(least, 14_000, 900):
        compiled = compile_model(data, tmp_path, kernels="m0plus", flash_budget=budget)
        assert compiled.flash_bytes is not None and compiled.cycles is not None
        assert compiled.flash_bytes <= budget
        assert last is None or compiled.cycles <= last
        last = compiled.cycles
    ways = {layer.strategy.partition(":")[0] for layer in compiled.layers}
    assert ways == {"two bytes a weight"}


def test_the_portable_kernels_have_no_budget(data, tmp_path):
    with pytest.raises(InputError, match="portable kernels have one size"):
        compile_model(data, tmp_path, kernels="portable", flash_budget=10_000)
    compile_model(data, tmp_path, kernels="portable", flash_budget="smallest")


def test_assembly_of_another_set_does_not_stay(data, tmp_path):
    compile_model(data, tmp_path, kernels="m0plus")
    assert (tmp_path / "jl_model_layers.S").is_file()
    compile_model(data, tmp_path, kernels="portable")
    assert not (tmp_path / "jl_model_layers.S").exists()


def test_a_host_cannot_run_it(data, tmp_path):
    compile_model(data, tmp_path, kernels="m0plus")
    with pytest.raises(InputError, match="run on cortex-m0plus only"):
        HostProgram(tmp_path)


def test_the_source_says_what_it_does(data, tmp_path):
    compiled = compile_model(data, tmp_path, kernels="m0plus")
    text = (tmp_path / "jl_model.c").read_text()
    assembly = (tmp_path / "jl_model_layers.S").read_text()
    for layer in compiled.layers:
        assert f"{layer.cycles} cycles, {layer.flash_bytes} bytes" in text
        assert f"@ {layer.cycles} cycles, {layer.flash_bytes} bytes" in assembly
        assert layer.strategy in text
    assert compiled.cycles is not None
    assert sum(layer.cycles for layer in compiled.layers) < compiled.cycles


@pytest.mark.firmware
@pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not on the PATH"
)
def test_gcc_assembles_the_same(data, tmp_path):
    """Both assemblers take the files; where an instruction has two encodings they may differ."""
    from elftools.elf.elffile import ELFFile

    from toolchain.compile.host_program import KERNELS_DIR, run_compiler

    compile_model(data, tmp_path, kernels="m0plus")
    target = ["-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"]
    for source in (tmp_path / "jl_model_layers.S", KERNELS_DIR / "jl_m0plus_bytes.S"):
        by_gcc, by_zig = tmp_path / "gcc.o", tmp_path / "zig.o"
        gcc = ["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb", "-c", "-o", str(by_gcc)]
        subprocess.run([*gcc, str(source)], check=True)
        run_compiler([*target, "-c", "-o", str(by_zig)], [source])
        contents = []
        for file in (by_gcc, by_zig):
            with file.open("rb") as stream:
                elf = ELFFile(stream)
                contents.append(
                    {
                        s.name: s.data()
                        for s in elf.iter_sections()
                        if s.name.startswith((".text.", ".rodata.")) and s.data_size
                    }
                )
        assert contents[0].keys() == contents[1].keys() != set()
        for name, section in contents[0].items():
            if name.startswith(".rodata."):
                assert section == contents[1][name]
            # One of them pads a section to its alignment.
            assert abs(len(section) - len(contents[1][name])) <= 2
