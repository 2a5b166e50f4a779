"""The arithmetic of two clocks (core/jl_measure.c), compiled for this host."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolchain.board import load_board
from toolchain.build import config_header, protocol_header
from toolchain.build.sources import FIRMWARE_DIR
from toolchain.protocol import ErrorCode

pytestmark = pytest.mark.firmware

MHZ = 125
WRAP = 2**24


@pytest.fixture(scope="module")
def library_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measure")
    (folder / "jl_protocol.h").write_text(protocol_header.render())
    (folder / "jl_config.h").write_text(config_header.render(load_board("pico"), bytes(32)))
    path = folder / "measure.so"
    sources = [
        FIRMWARE_DIR / "core" / "jl_measure.c",
        Path(__file__).parent / "fixtures" / "measure_port.c",
    ]
    includes = [folder, FIRMWARE_DIR / "include", FIRMWARE_DIR / "core"]
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-std=c11", "-O1", "-shared", "-fPIC"]
        + [f"-I{include}" for include in includes]
        + [*map(str, sources), "-o", str(path)],
        check=True,
    )
    return path


def extend(library: ctypes.CDLL, wrapped: int, elapsed_us: int) -> int | ErrorCode:
    cycles = ctypes.c_uint64(0)
    status = library.jl_measure_extend(
        ctypes.c_uint32(wrapped), ctypes.c_uint64(elapsed_us), ctypes.byref(cycles)
    )
    return cycles.value if status == 0 else ErrorCode(status)


@pytest.fixture(scope="module")
def library(library_path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(library_path))


@settings(max_examples=500)
@given(
    cycles=st.one_of(
        st.integers(1, 4 * WRAP),
        st.integers(1, 10**13),
        st.builds(
            lambda wraps, off: max(1, wraps * WRAP + off),
            st.integers(0, 5000),
            st.integers(-400, 400),
        ),
    ),
    phase_us=st.floats(0, 0.999),
)
def test_the_full_count_is_recovered_whatever_the_timers_phase(library, cycles, phase_us):
    elapsed_us = int(phase_us + cycles / MHZ)  # both ends fall anywhere within a microsecond
    assert extend(library, cycles % WRAP, elapsed_us) == cycles


@pytest.mark.parametrize("elapsed_us", [0, 1, 2, 100, 10**6, 10**10])
def test_a_counter_that_stands_is_refused(library, elapsed_us):
    assert extend(library, 0, elapsed_us) == ErrorCode.CLOCK


@settings(max_examples=300)
@given(cycles=st.integers(3_000, 5 * 10**6), share=st.floats(0, 0.8))
def test_clocks_that_disagree_are_refused(library, cycles, share):
    slow_us = int(cycles / MHZ * share)
    assert extend(library, cycles, slow_us) == ErrorCode.CLOCK
    assert extend(library, int(cycles * share), cycles // MHZ) == ErrorCode.CLOCK


def measure(path: Path, tmp_path: Path, empty: int, counted: int, elapsed_us: int):
    """One jl_measure() after one jl_measure_init(), in a library that has run nothing yet."""
    fresh = tmp_path / f"{empty}-{counted}-{elapsed_us}.so"
    shutil.copyfile(path, fresh)
    library = ctypes.CDLL(str(fresh))
    (ctypes.c_uint32 * 2).in_dll(library, "test_cycles")[:] = [empty, counted]
    (ctypes.c_uint64 * 2).in_dll(library, "test_us")[:] = [50, 50]
    init = library.jl_measure_init()
    (ctypes.c_uint64 * 2).in_dll(library, "test_us")[:] = [50, 50 + elapsed_us]
    cycles = ctypes.c_uint32(0)
    status = library.jl_measure(library.test_work, ctypes.byref(cycles))
    return ErrorCode(init), cycles.value if status == 0 else ErrorCode(status)


def test_the_cost_of_an_empty_function_is_taken_off(library_path, tmp_path):
    assert measure(library_path, tmp_path, 21, 1_021, 8) == (ErrorCode.OK, 1_000)


def test_a_counter_that_stood_at_start_refuses_everything_afterwards(library_path, tmp_path):
    expected = (ErrorCode.CLOCK, ErrorCode.CLOCK)
    assert measure(library_path, tmp_path, 0, 1_021, 8) == expected


def test_less_than_an_empty_function_is_refused(library_path, tmp_path):
    assert measure(library_path, tmp_path, 21, 20, 0) == (ErrorCode.OK, ErrorCode.CLOCK)


def test_more_than_32_bits_of_cycles_are_refused(library_path, tmp_path):
    cycles = 2**32 + 5_000
    expected = (ErrorCode.OK, ErrorCode.CLOCK)
    assert measure(library_path, tmp_path, 21, cycles % WRAP, cycles // MHZ) == expected
