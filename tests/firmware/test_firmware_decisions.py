"""What the emulated board computes: outputs, choices under a mask, cycles, stack."""

from __future__ import annotations

import numpy as np
import pytest

from toolchain.protocol import (
    DecideReply,
    DecideRequest,
    ErrorCode,
    HelloReply,
    HelloRequest,
    InferReply,
    InferRequest,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

LOOP_CYCLES = 3
LOOP_FIXED_CYCLES = 3
"""engine_loop.S: cycles beyond an empty function are 3 n + 3."""


def infer(pico, rows: np.ndarray, n_outputs: int, sequence: int = 1, seconds: float = 2.0):
    request = InferRequest(len(rows), rows.astype(np.int8).tobytes())
    reply = InferReply.decode(pico.request(request, sequence, seconds).payload)
    table = np.frombuffer(reply.tail, dtype=[("cycles", "<u4"), ("output", "i1", (n_outputs,))])
    assert reply.count == len(table) == len(rows)
    return table["output"], table["cycles"]


def loop_cycles(pico, turns: list[int], sequence: int = 1, seconds: float = 2.0) -> list[int]:
    rows = np.array(turns, dtype="<u4").view(np.int8).reshape(len(turns), 4)
    return infer(pico, rows, 2, sequence, seconds)[1].tolist()


def test_infer_returns_what_the_engine_computes_for_every_row(pico):
    rows = np.random.default_rng(1).integers(-128, 128, (40, 6))
    outputs, _ = infer(pico, rows, 5)
    k = np.arange(5)
    expected = (rows.sum(axis=1)[:, None] * (k + 1) + k).astype(np.int8)
    np.testing.assert_array_equal(outputs, expected)


def test_decide_equals_a_masked_argmax_with_ties_to_the_lowest_index(pico_with):
    pico = pico_with("engine_copy")
    rng = np.random.default_rng(2)
    n = 120
    # Few distinct values, so that ties are frequent; the extremes must be able to win and lose.
    rows = rng.choice(np.array([-128, -127, 0, 126, 127], dtype=np.int8), (n, 7))
    masks = rng.integers(1, 32, n)
    masks[: n // 4] |= 0b1110_0000  # bits that name no output change nothing
    table = np.concatenate([masks[:, None].astype(np.uint8), rows.view(np.uint8)], axis=1)
    reply = DecideReply.decode(pico.request(DecideRequest(n, 0, 0, table.tobytes())).payload)
    got = np.frombuffer(reply.tail, dtype=[("action", "u1"), ("mode", "u1"), ("cycles", "<u4")])

    allowed = masks[:, None] >> np.arange(5) & 1
    scores = np.where(allowed == 1, rows[:, :5].astype(int), -1000)
    np.testing.assert_array_equal(got["action"], scores.argmax(axis=1))
    assert len(np.unique(got["action"])) == 5
    assert (got["cycles"] > 0).all()


@pytest.mark.parametrize("mask", [0, 0b0010_0000, 0b1110_0000])
def test_a_mask_that_allows_no_output_is_refused(pico, mask):
    rows = bytes([1, 1, 2, 3, 4, 5, 6]) + bytes([mask, 1, 2, 3, 4, 5, 6])
    error = pico.request(DecideRequest(2, 0, 0, rows)).error()
    assert (ErrorCode(error.code), error.detail) == (ErrorCode.ARGUMENT, mask)


def test_nothing_is_executed_when_one_of_the_masks_is_refused(pico_with):
    pico = pico_with("engine_probe")
    before = infer(pico, np.zeros((1, 1)), 9, 1)[0][0, 0]
    pico.request(DecideRequest(2, 0, 0, b"\1\0\0\0"), 2).error()
    assert infer(pico, np.zeros((1, 1)), 9, 3)[0][0, 0] == before + 1


def test_decide_refuses_more_outputs_than_a_mask_can_name(pico_with):
    pico = pico_with("engine_probe")
    assert HelloReply.decode(pico.request(HelloRequest()).payload).n_outputs == 9
    error = pico.request(DecideRequest(1, 0, 0, b"\1\0"), 2).error()
    assert (ErrorCode(error.code), error.detail) == (ErrorCode.ARGUMENT, 9)


def test_an_engine_that_fails_is_reported_with_its_row(pico_with):
    pico = pico_with("engine_probe")
    error = pico.request(InferRequest(3, b"\0\2\0")).error()
    assert (ErrorCode(error.code), error.detail) == (ErrorCode.INFERENCE, 1)


def test_an_engine_that_cannot_be_prepared_is_never_invoked(pico_with):
    pico = pico_with("engine_unready")
    assert pico.request(HelloRequest()).type == HelloReply.TYPE
    for sequence, request in ((2, InferRequest(1, b"\0")), (3, DecideRequest(1, 0, 0, b"\1\0"))):
        error = pico.request(request, sequence).error()
        assert ErrorCode(error.code) == ErrorCode.INFERENCE


@pytest.mark.parametrize("zero_at", [0, 252, 253, 254, 255, 507, 508, 509, 598, 599, 0xFFFF])
def test_replies_longer_than_a_cobs_block_arrive_whole(pico_with, zero_at):
    pico = pico_with("engine_wide")
    outputs, _ = infer(pico, np.array([[zero_at]], dtype="<u2").view(np.int8), 600)
    expected = np.full(600, 0x55, dtype=np.int8)
    expected[zero_at : zero_at + 1] = 0
    np.testing.assert_array_equal(outputs[0], expected)


def test_cycles_are_exact_for_a_loop_of_known_cost(pico_with):
    turns = [1, 2, 3, 10, 100, 1_000, 12_345, 100_000]
    expected = [LOOP_CYCLES * n + LOOP_FIXED_CYCLES for n in turns]
    assert loop_cycles(pico_with("engine_loop"), turns) == expected


def test_cycles_do_not_depend_on_when_they_are_counted(pico_with):
    pico = pico_with("engine_loop")
    counts = set()
    for sequence in range(12):
        pico.run(0.011 * (sequence + 1))  # past several wraps of the 24-bit counter in total
        counts.update(loop_cycles(pico, [5_000] * 4, sequence))
    assert counts == {LOOP_CYCLES * 5_000 + LOOP_FIXED_CYCLES}


def test_bytes_that_arrive_meanwhile_cost_the_measured_function_nothing(pico_with):
    pico = pico_with("engine_loop")
    turns = 20_000  # 0.5 ms each, some six bytes of line
    request = pico.frame(InferRequest.TYPE, 1, b"\4\0" + turns.to_bytes(4, "little") * 4)
    frames = pico.exchange_all(request + pico.frame(HelloRequest.TYPE, 2) * 2, 1.0, 3)
    reply = InferReply.decode(frames[0].payload)
    table = np.frombuffer(reply.tail, dtype=[("cycles", "<u4"), ("output", "i1", (2,))])
    assert set(table["cycles"].tolist()) == {LOOP_CYCLES * turns + LOOP_FIXED_CYCLES}


def test_cycles_beyond_the_counters_24_bits_are_counted_right(pico_with):
    turns = 5_700_000  # 17.1e6 cycles, 2^24 is 16.8e6
    expected = LOOP_CYCLES * turns + LOOP_FIXED_CYCLES
    assert expected > 2**24
    (cycles,) = loop_cycles(pico_with("engine_loop"), [turns])
    # rp2040py's SysTick is one cycle short at every wrap (its reload takes none).
    assert cycles - expected in (0, 1)


def test_a_decision_costs_the_copy_and_the_choice_on_top_of_the_network(pico_with):
    pico = pico_with("engine_loop")
    row = (1_000).to_bytes(4, "little")
    reply = DecideReply.decode(pico.request(DecideRequest(1, 0, 0, b"\3" + row)).payload)
    decide_cycles = int.from_bytes(reply.tail[2:6], "little")
    (infer_cycles,) = loop_cycles(pico, [1_000], 2)
    assert 20 < decide_cycles - infer_cycles < 400


@pytest.mark.parametrize("clock", ["cycle counter stands", "timer stands", "counter at half speed"])
def test_a_clock_that_does_not_run_is_reported_and_no_count_is_given(pico_with, clock):
    pico = pico_with("engine_loop")
    pico.run(0.01)
    row = (1_000).to_bytes(4, "little")
    assert pico.request(InferRequest(1, row), 1).type == InferReply.TYPE
    systick = pico.mcu.ppb.systick_timer
    if clock == "cycle counter stands":
        systick.enable = False
    elif clock == "timer stands":
        pico.mcu.timer._micros = lambda: 1234.0
    else:
        systick.frequency = 62_500_000
    error = pico.request(InferRequest(1, row), 2).error()
    assert ErrorCode(error.code) == ErrorCode.CLOCK
    # The link does not depend on either.
    assert pico.request(HelloRequest(), 3).type == HelloReply.TYPE


def test_the_stack_is_painted_and_its_deepest_use_is_seen(pico_with):
    pico = pico_with("engine_probe")
    shallow = pico.status(1)
    assert shallow.stack_bytes == 4096
    assert 100 < shallow.stack_used_bytes < 2048
    infer(pico, np.array([[1]]), 9, 2)  # about 1 KiB deep
    deep = pico.status(3)
    assert deep.stack_used_bytes >= 1024
    assert deep.stack_used_bytes > shallow.stack_used_bytes
    infer(pico, np.array([[0]]), 9, 4)
    assert pico.status(5).stack_used_bytes == deep.stack_used_bytes
