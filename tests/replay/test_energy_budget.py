"""The host's books of a decision cycle, and that the firmware's are the same."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.replay import BOARD_FILE, EnergyBudget, energy_budget
from host.replay.budget import demanded_modes
from toolchain.board import load_board
from toolchain.build import protocol_header
from toolchain.build.sources import FIRMWARE_DIR
from toolchain.errors import InputError
from toolchain.protocol import NO_BUDGET_FJ, BudgetRequest, ErrorCode

J_PER_CYCLE = 1e-9


@pytest.mark.parametrize(
    ("limit_j", "expected"),
    [
        (None, [0, 0, 0, 0]),
        (0.0, [1, 1, 1, 1]),
        (1e-9, [0, 1, 1, 1]),
        (10e-9, [0, 1, 1, 1]),  # reached by the first decision
        (10.001e-9, [0, 0, 1, 1]),
        (30e-9, [0, 0, 0, 1]),  # 10 + 5 + 15 nJ
        (30.001e-9, [0, 0, 0, 0]),
    ],
)
def test_modes_by_hand(limit_j: float | None, expected: list[int]) -> None:
    cycles = np.array([10, 5, 15, 4], dtype=np.uint32)
    assert EnergyBudget(limit_j, J_PER_CYCLE).modes(cycles).tolist() == expected


def test_what_the_board_is_told() -> None:
    assert EnergyBudget(5e-5, 1e-9).request == BudgetRequest(50_000_000_000, 1_000_000)
    assert EnergyBudget(None, 1e-9).request == BudgetRequest(NO_BUDGET_FJ, 1_000_000)
    # Nothing states what a cycle takes: the books need no figure, the board one of at least 1.
    assert EnergyBudget(0.0, None).request == BudgetRequest(0, 1)


def test_the_board_files_budget_and_what_is_asked_for() -> None:
    pico = load_board("pico")
    assert pico.energy_saving is not None and pico.cost_model is not None
    per_cycle = pico.cost_model.energy_j_per_cycle
    stated = pico.energy_saving.budget_j_per_decision_cycle
    assert energy_budget(pico) == EnergyBudget(stated, per_cycle, BOARD_FILE)
    assert energy_budget(pico, "none") == EnergyBudget(None, per_cycle, BOARD_FILE)
    assert energy_budget(pico, "2e-5") == EnergyBudget(2e-5, per_cycle, BOARD_FILE)
    assert energy_budget(pico, energy_source="a calibration").energy_source == "a calibration"
    silent = pico.model_copy(update={"energy_saving": None, "cost_model": None})
    assert energy_budget(silent) == EnergyBudget(None, None)
    with pytest.raises(InputError, match="no energy per core cycle"):
        energy_budget(silent, "2e-5")


@pytest.mark.parametrize("asked", ["-1", "nan", "inf", "1e6", "much", ""])
def test_a_budget_that_is_none_is_refused(asked: str) -> None:
    with pytest.raises(InputError, match="energy budget") as caught:
        energy_budget(load_board("pico"), asked)
    assert caught.value.hint


@pytest.mark.parametrize("per_cycle", [0.0, -1e-9, 1e-16, 1.0, float("nan"), float("inf")])
def test_energy_per_cycle_out_of_range_is_refused(per_cycle: float) -> None:
    with pytest.raises(InputError, match="J per core cycle"):
        EnergyBudget(1e-5, per_cycle)


_PROBE = """
#include "jl_budget.h"
#include "jl_inference.h"
static int invoke(void) { return 0; }
static const jl_inference_info info = {.invoke_fallback = invoke};
const jl_inference_info *jl_inference_describe(void) { return &info; }
int probe(uint64_t energy_fj, uint32_t fj_per_cycle, uint32_t frame, uint32_t n,
          const uint32_t *cycles, uint8_t *modes) {
    const jl_budget_request request = {.energy_fj = energy_fj, .fj_per_cycle = fj_per_cycle};
    int status = jl_budget_set(&request);
    for (uint32_t at = 0; at < n && status == JL_OK; at += frame) {
        const uint32_t count = frame < n - at ? frame : n - at;
        jl_period period;
        status = jl_budget_enter(3, at, count, &period);
        for (uint32_t i = at; i < at + count && status == JL_OK; i++) {
            modes[i] = jl_budget_mode(&period);
            jl_budget_spend(&period, cycles[i]);
        }
        jl_budget_keep(&period);
    }
    return status;
}
int at_the_last(uint32_t count) {
    const jl_period late = {.number = 1, .decided = UINT32_MAX - 1};
    jl_period period;
    jl_budget_keep(&late);
    return jl_budget_enter(1, UINT32_MAX - 1, count, &period);
}
"""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """core/jl_budget.c, compiled for this host."""
    folder = tmp_path_factory.mktemp("budget")
    (folder / "jl_protocol.h").write_text(protocol_header.render())
    (folder / "probe.c").write_text(_PROBE)
    library = folder / "budget.so"
    core = FIRMWARE_DIR / "core"
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-std=c11", "-O1", "-shared", "-fPIC"]
        + [f"-I{include}" for include in (folder, FIRMWARE_DIR / "include", core)]
        + [str(folder / "probe.c"), str(core / "jl_budget.c"), "-o", str(library)],
        check=True,
    )
    return ctypes.CDLL(str(library))


@pytest.mark.firmware
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=12),
    st.integers(1, 2**32 - 1),
    st.integers(1, 13),
    st.data(),
)
def test_the_firmware_keeps_the_same_books(
    books: ctypes.CDLL, counts: list[int], fj_per_cycle: int, frame: int, data: st.DataObject
) -> None:
    spent = accumulate(count * fj_per_cycle for count in counts)
    near = [min(NO_BUDGET_FJ, max(0, s + d)) for s in spent for d in (-1, 0, 1)]
    energy_fj = data.draw(st.sampled_from([0, 1, NO_BUDGET_FJ - 1, NO_BUDGET_FJ, *near]))
    cycles = np.array(counts, dtype=np.uint32)
    modes = np.full(len(cycles), 9, dtype=np.uint8)
    status = books.probe(
        ctypes.c_uint64(energy_fj),
        ctypes.c_uint32(fj_per_cycle),
        ctypes.c_uint32(frame),
        ctypes.c_uint32(len(cycles)),
        cycles.ctypes.data_as(ctypes.c_void_p),
        modes.ctypes.data_as(ctypes.c_void_p),
    )
    assert status == ErrorCode.OK

    demanded = demanded_modes(BudgetRequest(energy_fj, fj_per_cycle), cycles)
    assert modes.tolist() == demanded.tolist()


@pytest.mark.firmware
def test_a_period_that_cannot_count_on_is_refused(books: ctypes.CDLL) -> None:
    assert books.at_the_last(ctypes.c_uint32(1)) == ErrorCode.OK
    assert books.at_the_last(ctypes.c_uint32(2)) == ErrorCode.PERIOD
