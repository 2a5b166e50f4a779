"""The energy budget of a period on the emulated board: which network decides, what is booked."""

from __future__ import annotations

import numpy as np
import pytest

from toolchain.protocol import (
    NO_BUDGET_FJ,
    BudgetReply,
    BudgetRequest,
    DecideReply,
    DecideRequest,
    ErrorCode,
    HelloReply,
    HelloRequest,
    Mode,
    WindowKind,
    WindowMeter,
    WindowReply,
    WindowRequest,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

REPLY_ROW = np.dtype([("action", "u1"), ("mode", "u1"), ("cycles", "<u4")])
TURNS = 500
FJ_PER_CYCLE = 1_000_000
FAILING = bytes([3, 0x80, 0, 0, 0, 0, 0])


def row(turns: int = TURNS) -> bytes:
    """The image's own network chooses output 1, the fallback output 0."""
    return bytes([3, 1, 2]) + turns.to_bytes(4, "little")


def send(pico, rows: list[bytes], decided: int, sequence: int, period: int = 1):
    return pico.request(DecideRequest(len(rows), period, decided, b"".join(rows)), sequence)


def decide(pico, rows: list[bytes], decided: int, sequence: int, period: int = 1) -> np.ndarray:
    reply = DecideReply.decode(send(pico, rows, decided, sequence, period).payload)
    return np.frombuffer(reply.tail, REPLY_ROW)


def fault(pico, rows: list[bytes], decided: int, sequence: int, period: int = 1):
    error = send(pico, rows, decided, sequence, period).error()
    return ErrorCode(error.code), error.detail


def budget(pico, energy_fj: int, sequence: int, fj_per_cycle: int = FJ_PER_CYCLE):
    return pico.request(BudgetRequest(energy_fj, fj_per_cycle), sequence)


@pytest.fixture
def two(pico_with):
    return pico_with("engine_two")


@pytest.fixture
def full_cycles(two) -> int:
    """Cycles of one decision of :func:`row` by the image's own network."""
    return int(decide(two, [row()], 0, 0x4000)["cycles"][0])


def test_hello_names_both_networks(two):
    hello = HelloReply.decode(two.request(HelloRequest()).payload)
    assert hello.model_sha256 == bytes([0x5A, 1, 2, 3]) + bytes(28)
    assert hello.fallback_sha256 == bytes([0xFA, 0x11]) + bytes(30)


def test_hello_of_an_image_without_a_fallback_has_zeros(pico):
    assert HelloReply.decode(pico.request(HelloRequest()).payload).fallback_sha256 == bytes(32)


def test_without_a_budget_the_own_network_decides_everything(two):
    for sequence, limit in ((1, None), (3, NO_BUDGET_FJ)):
        if limit is not None:
            assert budget(two, limit, 2, fj_per_cycle=2**32 - 1).type == BudgetReply.TYPE
        made = decide(two, [row(50_000)] * 5, 0, sequence)
        assert made["mode"].tolist() == [Mode.FULL] * 5
        assert made["action"].tolist() == [1] * 5


@pytest.mark.parametrize("frames", [[6], [1, 5], [2, 2, 2], [1] * 6])
def test_the_fallback_decides_from_the_row_before_which_the_budget_is_spent(
    two, full_cycles, frames
):
    # Three decisions take exactly this; the fourth is the first one beyond it.
    assert budget(two, 3 * full_cycles * FJ_PER_CYCLE, 1).type == BudgetReply.TYPE
    made = []
    for sequence, count in enumerate(frames, start=2):
        made.append(decide(two, [row()] * count, sum(frames[: sequence - 2]), sequence))
    rows = np.concatenate(made)
    assert rows["mode"].tolist() == [0, 0, 0, 1, 1, 1]
    assert rows["action"].tolist() == [1, 1, 1, 0, 0, 0]
    assert rows["cycles"][:3].tolist() == [full_cycles] * 3
    assert (rows["cycles"][3:] < full_cycles / 2).all()


def test_a_femtojoule_more_lasts_one_decision_longer(two, full_cycles):
    budget(two, 3 * full_cycles * FJ_PER_CYCLE + 1, 1)
    assert decide(two, [row()] * 6, 0, 2)["mode"].tolist() == [0, 0, 0, 0, 1, 1]


def test_nothing_to_spend_is_the_fallback_from_the_first_row(two):
    budget(two, 0, 1)
    assert decide(two, [row()] * 2, 0, 2)["mode"].tolist() == [1, 1]


def test_every_period_begins_with_the_whole_budget(two, full_cycles):
    budget(two, full_cycles * FJ_PER_CYCLE, 1)
    for sequence, period in ((2, 7), (3, 8), (4, 8)):
        assert decide(two, [row()] * 2, 0, sequence, period)["mode"].tolist() == [0, 1]


def test_a_repeated_frame_is_booked_once(two, full_cycles):
    budget(two, 2 * full_cycles * FJ_PER_CYCLE, 1)
    first = send(two, [row()], 0, 2)
    assert send(two, [row()], 0, 2) == first
    second = send(two, [row()], 1, 3)
    assert send(two, [row()], 1, 3) == second
    assert decide(two, [row()], 2, 4)["mode"].tolist() == [1]
    assert DecideReply.decode(second.payload).tail[1] == Mode.FULL


@pytest.mark.parametrize(("decided", "period"), [(1, 1), (3, 1), (2, 2)])
def test_a_frame_from_another_point_of_the_period_is_refused(two, decided, period):
    decide(two, [row()] * 2, 0, 1)
    assert fault(two, [row()], decided, 2, period) == (ErrorCode.PERIOD, decided)
    assert len(decide(two, [row()], 2, 3)) == 1  # the period under way is what it was


def test_a_reset_ends_the_period(two, boot, image_of):
    decide(two, [row()], 0, 1)
    assert fault(boot(image_of("engine_two")), [row()], 1, 2) == (ErrorCode.PERIOD, 1)


def test_a_new_budget_ends_the_period(two):
    decide(two, [row()], 0, 1)
    budget(two, 1, 2)
    assert fault(two, [row()], 1, 3) == (ErrorCode.PERIOD, 1)


def test_a_refused_frame_is_not_booked(two, full_cycles):
    budget(two, 2 * full_cycles * FJ_PER_CYCLE, 1)
    assert decide(two, [row()], 0, 2)["mode"].tolist() == [0]
    assert fault(two, [row(), FAILING], 1, 3) == (ErrorCode.INFERENCE, 1)
    assert decide(two, [row()] * 2, 1, 4)["mode"].tolist() == [0, 1]


def test_a_window_keeps_to_its_mode_and_no_period_pays_for_it(two, full_cycles, ina228):
    ina228(two)
    budget(two, 2 * full_cycles * FJ_PER_CYCLE, 1)
    decide(two, [row()], 0, 2)
    cycles = {}
    for sequence, mode in ((3, Mode.FULL), (4, Mode.FALLBACK)):
        request = WindowRequest(WindowKind.INFERENCE, mode, WindowMeter.BOARD, 20, 0, 1, row())
        reply = WindowReply.decode(two.request(request, sequence).payload)
        cycles[mode] = reply.cycles / 20
    assert cycles[Mode.FALLBACK] < cycles[Mode.FULL] - 2 * TURNS
    assert decide(two, [row()] * 2, 1, 5)["mode"].tolist() == [0, 1]


def test_a_limit_without_a_fallback_is_refused(pico):
    error = budget(pico, 10**9, 1).error()
    assert (ErrorCode(error.code), error.detail) == (ErrorCode.NO_FALLBACK, 0)
    assert budget(pico, NO_BUDGET_FJ, 2).type == BudgetReply.TYPE


def test_cycles_that_take_nothing_are_refused_and_change_nothing(two):
    budget(two, 0, 1)
    error = budget(two, NO_BUDGET_FJ, 2, fj_per_cycle=0).error()
    assert (ErrorCode(error.code), error.detail) == (ErrorCode.ARGUMENT, 0)
    assert decide(two, [row()], 0, 3)["mode"].tolist() == [Mode.FALLBACK]
