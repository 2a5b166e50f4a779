"""The link on the emulated board: identity, order of checks, faults on the line, repetitions."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from cobs import cobs

from toolchain import __version__
from toolchain.protocol import (
    ERROR_TYPE,
    KEPT_REPLIES,
    MAX_PAYLOAD_BYTES,
    VERSION,
    DecideReply,
    DecideRequest,
    Engine,
    ErrorCode,
    HelloReply,
    HelloRequest,
    InferReply,
    InferRequest,
    MeterKind,
    MeterRequest,
    ResetCause,
    StatusRequest,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

ROW = bytes([1, 2, 3, 4, 5, 6])
"""One row for engine_sum, whose sum is 21."""


def test_the_real_boot_rom_accepts_the_image(pico):
    pico.power_on_through_boot_rom()
    assert pico.request(HelloRequest()).type == HelloReply.TYPE


def test_the_real_boot_rom_refuses_a_second_stage_with_a_flipped_bit(pico):
    pico.power_on_through_boot_rom()
    pico.mcu.flash[17] ^= 1
    assert pico.exchange(pico.frame(HelloRequest.TYPE, 1)) is None


def test_hello_names_image_model_board_and_limits(pico, image_of):
    image = image_of("engine_sum")
    hello = HelloReply.decode(pico.request(HelloRequest(), 7).payload)
    assert hello.image_sha256.hex() == image.image_sha256
    assert hello.model_sha256.hex() == image.model_sha256
    assert hello.board.rstrip(b"\0") == b"pico"
    assert hello.firmware.rstrip(b"\0").decode() == __version__
    assert (hello.engine, hello.meter) == (Engine.AOT, MeterKind.NONE)
    assert hello.reset_cause == ResetCause.POWER_ON
    assert (hello.clock_hz, hello.max_payload) == (125_000_000, MAX_PAYLOAD_BYTES)
    assert (hello.n_inputs, hello.n_outputs, hello.arena_bytes) == (6, 5, 11)


def test_the_unique_id_is_what_the_flash_answers_to_4b(pico_with):
    pico = pico_with("engine_sum")
    unique_id = bytes(range(0xA1, 0xA9))
    received = bytearray()
    ssi = pico.mcu.ssi

    def shift_byte(byte_out: int) -> int:
        received.append(byte_out)
        position = len(received) - 1 - 5  # the command and four dummy bytes
        return unique_id[position] if 0 <= position < 8 else 0xFF

    ssi._shift_byte = shift_byte
    hello = HelloReply.decode(pico.request(HelloRequest()).payload)
    assert received[0] == 0x4B
    assert hello.chip_id == unique_id


def test_the_flash_is_left_in_the_mode_that_code_is_read_in(pico):
    pico.run(0.01)
    ssi = pico.mcu.ssi
    # RP2040 datasheet 4.10.13: enabled; 32-bit frames in EEPROM read mode; command 03h of 8 bits
    # with 24 bits of address; an even divider that keeps command 03h below 50 MHz.
    assert ssi._ssienr == 1
    assert (ssi._crtlr0 >> 16 & 31, ssi._crtlr0 >> 8 & 3) == (31, 3)
    assert ssi._spictlr0 == 0x03 << 24 | 2 << 8 | 24 // 4 << 2
    assert ssi._baudr % 2 == 0 and 125e6 / ssi._baudr < 50e6
    assert ssi._crtlr1 == 0


def test_the_board_never_speaks_unasked(pico):
    pico.run(1.0)
    assert bytes(pico.sent) == b""
    pico.exchange(pico.frame(StatusRequest.TYPE, 1))
    pico.sent.clear()
    pico.run(1.0)
    assert bytes(pico.sent) == b""


REFUSED = {
    "another version": ({"version": VERSION + 1}, ErrorCode.VERSION, VERSION + 1),
    "version before type": ({"version": 9, "type_": 0x70}, ErrorCode.VERSION, 9),
    "no session": ({"session": 0}, ErrorCode.SESSION, 0),
    "another session": ({"session": 7}, ErrorCode.SESSION, 7),
    "session before type": ({"session": 7, "type_": 0x70}, ErrorCode.SESSION, 7),
    "a greeting of no session": ({"type_": HelloRequest.TYPE, "session": 0}, ErrorCode.SESSION, 0),
    "unknown type": ({"type_": 0x70}, ErrorCode.TYPE, 0x70),
    "a reply as a request": ({"type_": InferReply.TYPE}, ErrorCode.TYPE, InferReply.TYPE),
    "type before length": ({"type_": 0x70, "length": 9}, ErrorCode.TYPE, 0x70),
    "length field too long": ({"length": 3}, ErrorCode.LENGTH, 3),
    "length field far too long": ({"length": 0xFFFF}, ErrorCode.LENGTH, 0xFFFF),
    "payload where there is none": ({"payload": b"abc"}, ErrorCode.LENGTH, 3),
    "payload too short": (
        {"type_": InferRequest.TYPE, "payload": b"\1"},
        ErrorCode.LENGTH,
        1,
    ),
    "rows missing": ({"type_": InferRequest.TYPE, "payload": b"\2\0" + ROW}, ErrorCode.LENGTH, 6),
    "row cut off": (
        {"type_": InferRequest.TYPE, "payload": b"\1\0" + ROW[1:]},
        ErrorCode.LENGTH,
        5,
    ),
    "no rows": ({"type_": InferRequest.TYPE, "payload": b"\0\0"}, ErrorCode.COUNT, 0),
    "no rows to decide": ({"type_": DecideRequest.TYPE, "payload": bytes(8)}, ErrorCode.COUNT, 0),
    "reply would not fit": (
        {"type_": InferRequest.TYPE, "payload": (228).to_bytes(2, "little") + ROW * 228},
        ErrorCode.COUNT,
        228,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_request_gets_its_code_and_the_next_one_works(pico, case):
    arguments, code, detail = REFUSED[case]
    data = pico.frame(**({"type_": StatusRequest.TYPE, "sequence": 5} | arguments))
    reply = pico.exchange(data)
    assert reply is not None
    assert reply.sequence == 5
    error = reply.error()
    assert (ErrorCode(error.code), error.detail) == (code, detail)
    assert error.request_type == arguments.get("type_", StatusRequest.TYPE)
    assert pico.request(StatusRequest(), 6).type != ERROR_TYPE


def test_the_largest_batch_that_fits_is_answered(pico):
    # 2 + 227 * (4 + 5) = 2045 bytes of reply
    reply = pico.request(InferRequest(227, ROW * 227))
    assert InferReply.decode(reply.payload).count == 227


def flipped_crc(good: bytes) -> bytes:
    # The CRC is in the last block; 0x55 keeps the byte non-zero and the COBS valid.
    changed = bytearray(good)
    changed[-2] ^= 0x55 if changed[-2] != 0x55 else 0x2A
    return bytes(changed)


def last_block_cut_off(good: bytes) -> bytes:
    """The same decoded bytes, CRC included, but the last block announces one byte more."""
    at = 0
    while at + good[at] < len(good) - 1:
        at += good[at]
    return good[:at] + bytes([good[at] + 1]) + good[at + 1 :]


def too_long_behind_a_right_crc(good: bytes) -> bytes:
    """The largest frame there is, with a right CRC, and then more."""
    body = bytes([VERSION, StatusRequest.TYPE, 2, 1, 3, 0]) + bytes([0, 8]) + bytes(2048)
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little") + b"more") + b"\0"


SILENT = {
    "block cut off": lambda good: (last_block_cut_off(good), 1),
    "longer than the largest frame": lambda good: (too_long_behind_a_right_crc(good), 1),
    "wrong CRC": lambda good: (flipped_crc(good), 1),
    "noise": lambda good: (bytes(range(1, 200)) + b"\0", 1),
    "cut off": lambda good: (good[: len(good) // 2] + b"\0", 1),
    "shorter than a header": lambda good: (b"\x04\x01\x06\0", 1),
    "one byte": lambda good: (b"\x01\0", 1),
    "longer than any frame": lambda good: (b"\xff" + b"\x11" * 5000 + b"\0", 1),
    "much longer than any frame": lambda good: (b"\x55" * 12_000 + b"\0", 1),
    "empty frames": lambda good: (b"\0" * 50, 0),
}


@pytest.mark.parametrize("case", SILENT)
def test_a_broken_frame_is_dropped_in_silence_and_counted(pico, case):
    good = pico.frame(StatusRequest.TYPE, 3)
    bad, rejected = SILENT[case](good)
    assert pico.exchange_all(bad, 0.05, 1) == []
    status = pico.status()
    assert status.frames_rejected == rejected
    assert status.frames_received == 2  # HELLO and STATUS
    assert status.bytes_overrun == 0


def test_noise_in_front_of_a_frame_costs_that_frame_only(pico):
    good = pico.frame(StatusRequest.TYPE, 3)
    frames = pico.exchange_all(b"\x09noise" + good + good, 1.0, 1)
    assert [frame.sequence for frame in frames] == [3]


def test_two_frames_without_a_pause_are_both_answered(pico):
    data = pico.frame(StatusRequest.TYPE, 1) + pico.frame(InferRequest.TYPE, 2, b"\1\0" + ROW)
    frames = pico.exchange_all(data, 1.0, 2)
    assert [frame.sequence for frame in frames] == [1, 2]


def test_random_bytes_never_silence_the_board(pico):
    rng = np.random.default_rng(20261122)
    for turn in range(60):
        blob = bytes(rng.integers(0, 256, int(rng.integers(1, 200)), dtype=np.uint8))
        for frame in pico.exchange_all(blob + b"\0", 0.05, 1000):
            frame.error()  # nothing random may be executed
        assert pico.request(StatusRequest(), turn + 1).type != ERROR_TYPE


def test_mutated_requests_are_refused_or_answered_but_never_silence_the_board(pico):
    rng = np.random.default_rng(7)
    for turn in range(60):
        payload = bytes(rng.integers(0, 256, int(rng.integers(0, 40)), dtype=np.uint8))
        type_ = int(rng.integers(0, 8))
        # A random window could last for hours: it has no meter here, so it is refused.
        reply = pico.exchange(pico.frame(type_, 1000 + turn, payload))
        assert reply is not None
        assert reply.sequence == 1000 + turn
    assert pico.status().frames_received == 62


def test_a_repeated_request_is_answered_but_not_executed_again(pico_with):
    pico = pico_with("engine_probe")

    def invocations(payload: bytes) -> int:
        reply = InferReply.decode(payload)
        return int.from_bytes(reply.tail[4:6], "little")

    infer = pico.frame(InferRequest.TYPE, 10, b"\1\0\0")
    first = pico.exchange(infer)
    again = pico.exchange(infer)
    assert first == again
    assert invocations(first.payload) == 1
    # The same bytes under another number, another payload under the same number: both are new.
    assert invocations(pico.exchange(pico.frame(InferRequest.TYPE, 11, b"\1\0\0")).payload) == 2
    assert invocations(pico.exchange(pico.frame(InferRequest.TYPE, 11, b"\1\0\5")).payload) == 3
    # As many as are kept are known; with one more, the first is forgotten.
    assert pico.exchange(infer) == first
    for n in range(4, KEPT_REPLIES + 2):
        other = pico.frame(InferRequest.TYPE, 10 + n, b"\1\0\0")
        assert invocations(pico.exchange(other).payload) == n
    assert invocations(pico.exchange(infer).payload) == KEPT_REPLIES + 2


def test_a_decide_that_was_refused_for_the_one_before_it_is_executed_once_that_has_come(pico):
    n_inputs = HelloReply.decode(pico.request(HelloRequest()).payload).n_inputs
    row = b"\x1f" + bytes(n_inputs)
    first = pico.frame(DecideRequest.TYPE, 1, DecideRequest(1, 9, 0, row).encode())
    second = pico.frame(DecideRequest.TYPE, 2, DecideRequest(1, 9, 1, row).encode())
    assert ErrorCode(pico.exchange(second).error().code) == ErrorCode.PERIOD
    assert pico.exchange(first).type == DecideReply.TYPE
    assert pico.exchange(second).type == DecideReply.TYPE


def test_hello_clears_the_memory_of_the_last_reply(pico_with):
    pico = pico_with("engine_probe")
    infer = pico.frame(InferRequest.TYPE, 10, b"\1\0\0")
    first = pico.exchange(infer)
    pico.request(HelloRequest(), 10)
    second = pico.exchange(infer)
    assert first.payload[6:8] == b"\1\0"
    assert second.payload[6:8] == b"\2\0"


def test_hello_itself_is_never_answered_from_memory(pico, ina228):
    hello = pico.frame(HelloRequest.TYPE, 1)
    assert HelloReply.decode(pico.exchange(hello).payload).meter == MeterKind.NONE
    ina228(pico)
    assert HelloReply.decode(pico.exchange(hello).payload).meter == MeterKind.INA228


def test_a_refusal_is_repeated_like_any_reply(pico):
    bad = pico.frame(InferRequest.TYPE, 4, b"\0\0")
    assert pico.exchange(bad) == pico.exchange(bad)


def test_a_meter_that_is_not_there_is_refused_not_waited_for(pico):
    error = pico.request(MeterRequest()).error()
    assert ErrorCode(error.code) == ErrorCode.NO_METER


def test_a_byte_lost_in_the_uart_is_counted_and_costs_one_frame(pico):
    good = pico.frame(StatusRequest.TYPE, 1)
    pico.greet()
    uart = pico.mcu.uart[0]
    pico.feed(good[:5])
    pico.run(0.01)
    uart.feed_byte(good[6] | 1 << 11)  # PL011: an overrun is flagged with the next byte
    assert pico.exchange_all(good[7:], 0.05, 1) == []
    status = pico.status()
    assert (status.bytes_overrun, status.frames_rejected) == (1, 1)


def test_what_arrives_while_the_board_computes_is_answered_afterwards(pico_with):
    pico = pico_with("engine_loop")
    # 2 ms with interrupts held back: the UART's 32 bytes bridge that, the ring everything longer.
    slow = pico.frame(InferRequest.TYPE, 1, b"\1\0" + (83_333).to_bytes(4, "little"))
    frames = pico.exchange_all(slow + pico.frame(StatusRequest.TYPE, 2), 1.0, 2)
    assert [frame.sequence for frame in frames] == [1, 2]


def test_a_frame_lost_in_a_long_computation_does_not_disturb_the_next(pico_with):
    pico = pico_with("engine_loop")
    # 72 ms with interrupts held back: most of these 100 bytes are lost, their delimiter as well.
    slow = pico.frame(InferRequest.TYPE, 1, b"\1\0" + (3_000_000).to_bytes(4, "little"))
    pico.feed(slow + b"\x01" * 100 + b"\0")
    pico.run(0.1, lambda: b"\0" in pico.sent)
    frames = pico.exchange_all(b"\0" + pico.frame(StatusRequest.TYPE, 2), 1.0, 1)
    assert [frame.sequence for frame in frames] == [2]
