"""The watchdog, what a fault leaves behind, and the stack's guard, on the emulated core."""

from __future__ import annotations

import pytest
from elftools.elf.elffile import ELFFile

from toolchain.protocol import (
    FaultCause,
    HelloReply,
    HelloRequest,
    InferReply,
    InferRequest,
    ResetCause,
    StatusReply,
    StatusRequest,
    WindowKind,
    WindowMeter,
    WindowReply,
    WindowRequest,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

NOTHING, SLEEP, TURN, UNDEFINED, STACK = range(5)
TIMEOUT_S = 8.0


@pytest.fixture
def faulty(pico_with):
    pico = pico_with("engine_fault")
    pico.run(0.01)
    pico.greet()
    return pico


def hello(pico, sequence: int = 99) -> HelloReply:
    return HelloReply.decode(pico.request(HelloRequest(), sequence).payload)


def infer(pico, first_input: int) -> bytes:
    return pico.frame(InferRequest.TYPE, 1, InferRequest(1, bytes([first_input])).encode())


def fault_of(reply: HelloReply) -> tuple[int, int, int, int]:
    return reply.fault_cause, reply.fault_pc, reply.fault_lr, reply.fault_status


def span(image, name: str) -> range:
    """Addresses of a function."""
    with image.elf.open("rb") as stream:
        (symbol,) = ELFFile(stream).get_section_by_name(".symtab").get_symbol_by_name(name)
        start = symbol["st_value"] & ~1
        return range(start, start + symbol["st_size"])


def loads(pico) -> list[int]:
    """Every value that the watchdog is loaded with from now on."""
    values: list[int] = []
    write = pico.mcu.watchdog.write_uint32

    def record(offset: int, value: int) -> None:
        if offset == 0x04:
            values.append(value)
        write(offset, value)

    pico.mcu.watchdog.write_uint32 = record
    return values


def test_the_watchdog_is_armed_for_eight_seconds_and_the_whole_chip(pico_with):
    pico = pico_with("engine_sum")
    values = loads(pico)
    pico.run(0.01)
    assert pico.mcu.watchdog.timer.enable
    assert set(values) == {int(2e6 * TIMEOUT_S)}  # two counts a microsecond (RP2040-E1)
    assert pico.mcu.psm.wdsel == 0x1FFFC  # all but ROSC and XOSC (2.13.5)


def test_an_idle_board_feeds_it_and_does_not_reset(faulty):
    values = loads(faulty)
    faulty.run(60.0)
    # Every 4 s, and once more each time: the interrupt's own event lets one more sleep through.
    assert 60 / TIMEOUT_S < len(values) <= 2 * 60 / 4
    reply = hello(faulty)
    assert reply.reset_cause == ResetCause.POWER_ON
    assert fault_of(reply) == (FaultCause.NONE, 0, 0, 0)


def test_an_idle_window_longer_than_the_timeout_is_whole(faulty, ina228):
    ina228(faulty)
    request = WindowRequest(WindowKind.IDLE, 0, WindowMeter.BOARD, 0, 20_000_000, 0)
    reply = WindowReply.decode(faulty.request(request, 3, 30.0).payload)
    assert 20_000_000 <= reply.elapsed_us < 20_000_050
    assert hello(faulty).reset_cause == ResetCause.POWER_ON


def test_a_program_that_sleeps_for_ever_is_reset(faulty):
    faulty.feed(infer(faulty, SLEEP))
    faulty.run(TIMEOUT_S - 0.1)
    assert faulty.mcu.watchdog._reason == 0, "reset too early"
    faulty.run(0.2)
    assert bytes(faulty.sent) == b"", "a board that starts anew says nothing"
    reply = hello(faulty)
    assert reply.reset_cause == ResetCause.WATCHDOG
    assert fault_of(reply) == (FaultCause.NONE, 0, 0, 0)
    status = StatusReply.decode(faulty.request(StatusRequest()).payload)
    assert status.uptime_us < 1_000_000 and status.frames_received == 2


def test_a_program_that_turns_for_ever_is_reset(faulty):
    faulty.feed(infer(faulty, TURN))
    faulty.run(0.005)
    values = loads(faulty)
    faulty.run(0.005)
    assert values == [], "a loop that gets nowhere feeds the watchdog"
    faulty.mcu.watchdog.timer.set(2_000)  # 1 ms left, since eight seconds take minutes to emulate
    faulty.run(0.005)
    assert hello(faulty).reset_cause == ResetCause.WATCHDOG


def test_a_hard_fault_leaves_a_record_for_the_next_hello(faulty, image_of):
    faulty.feed(infer(faulty, UNDEFINED))
    faulty.run(0.05)
    reply = hello(faulty)
    assert reply.reset_cause == ResetCause.FAULT
    assert reply.fault_cause == FaultCause.HARD_FAULT
    image = image_of("engine_fault")
    assert reply.fault_pc in span(image, "jl_inference_invoke")
    data = image.bin.read_bytes()
    code = span(image, "jl_inference_invoke")
    assert b"\x00\xde" in data, "the undefined instruction was optimized away"
    assert faulty.mcu.read_uint16(reply.fault_pc) == 0xDE00, f"not at the instruction: {code}"
    assert reply.fault_lr & ~1 in span(image, "call_timed")
    assert reply.fault_status & 0x3F == 0, "thread mode"
    # It is told until the next reset, and not after that.
    assert fault_of(hello(faulty, 100)) == fault_of(reply)
    faulty.feed(infer(faulty, SLEEP))
    faulty.run(TIMEOUT_S + 0.1)
    after = hello(faulty, 101)
    assert after.reset_cause == ResetCause.WATCHDOG
    assert fault_of(after) == (FaultCause.NONE, 0, 0, 0)


def test_a_fault_in_a_handler_is_recorded_with_the_exceptions_number(faulty):
    faulty.mcu.core.waiting = False
    faulty.mcu.core.exception_entry(16 + 0)
    faulty.mcu.core.exception_entry(3)
    faulty.run(0.05)
    reply = hello(faulty)
    assert reply.fault_cause == FaultCause.HARD_FAULT
    assert reply.fault_status & 0x3F == 16


def test_an_exception_that_nothing_handles_is_recorded(faulty):
    faulty.mcu.core.pending_pend_sv = True
    faulty.mcu.core.interrupts_updated = True
    faulty.mcu.core.waiting = False
    faulty.run(0.05)
    reply = hello(faulty)
    assert (reply.reset_cause, reply.fault_cause) == (ResetCause.FAULT, FaultCause.EXCEPTION)


def test_a_stack_pointer_astray_is_not_followed(faulty):
    faulty.mcu.core.waiting = False
    faulty.mcu.core.sp = 0x2000_1000
    faulty.mcu.core.exception_entry(3)
    faulty.run(0.05)
    reply = hello(faulty)
    assert reply.reset_cause == ResetCause.FAULT
    assert fault_of(reply) == (FaultCause.STACK, 0, 0, 0)


def test_a_result_of_an_overrun_stack_does_not_get_out(faulty):
    assert faulty.exchange(infer(faulty, STACK), 0.1) is None
    reply = hello(faulty)
    assert reply.reset_cause == ResetCause.FAULT
    assert fault_of(reply) == (FaultCause.STACK, 0, 0, 0)
    # The request itself was not at fault: the next one is answered.
    assert faulty.exchange(infer(faulty, NOTHING)).type == InferReply.TYPE


def test_a_forced_reset_is_a_requested_one(faulty):
    faulty.mcu.watchdog.write_uint32(0x00, 1 << 31)
    faulty.run(0.01)
    assert hello(faulty).reset_cause == ResetCause.REQUESTED


def test_a_long_batch_feeds_between_its_rows(faulty):
    values = loads(faulty)
    faulty.exchange(faulty.frame(InferRequest.TYPE, 1, InferRequest(100, bytes(100)).encode()), 1.0)
    assert len(values) >= 100


def test_a_window_feeds_between_its_decisions(faulty, ina228):
    ina228(faulty)
    values = loads(faulty)
    request = WindowRequest(WindowKind.INFERENCE, 0, WindowMeter.BOARD, 500, 0, 1, b"\1\0")
    assert faulty.request(request).type == WindowReply.TYPE
    assert len(values) >= 500


def test_the_board_answers_after_a_reset_while_usb_is_plugged_in(faulty):
    """Nothing of the first life's USB is left in the second."""
    faulty.feed(infer(faulty, UNDEFINED))
    faulty.run(0.05)
    assert faulty.mcu.usb_ctrl._main_ctrl & 1
    assert hello(faulty).reset_cause == ResetCause.FAULT
