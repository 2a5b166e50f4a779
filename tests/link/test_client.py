"""The client against a board in memory that loses, repeats and corrupts frames."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.link import BoardClient, Identity, check_identity, decide_rows, rows_per_frame
from host.link.client import GREETING_TRIES
from host.link.framing import DELIMITER, Frame, decode, encode
from toolchain import protocol as wire
from toolchain.errors import (
    BoardFaultError,
    IdentityError,
    JouleloopError,
    LinkTimeoutError,
    ProtocolError,
)

HELLO = wire.HelloReply(
    engine=0,
    meter=3,
    reset_cause=0,
    input_element=0,
    output_element=0,
    firmware=b"0.1.0",
    board=b"pico",
    chip_id=bytes(range(8)),
    image_sha256=b"i" * 32,
    model_sha256=b"m" * 32,
    fallback_sha256=bytes(32),
    clock_hz=125_000_000,
    max_payload=2048,
    n_inputs=3,
    n_outputs=2,
    arena_bytes=64,
    fault_cause=0,
    fault_pc=0,
    fault_lr=0,
    fault_status=0,
)


class FakeBoard:
    """A transport whose far end answers at once, through ``spoil``."""

    def __init__(self, spoil: Callable[[int, bytes], bytes] = lambda attempt, data: data) -> None:
        self.timeout: float | None = None
        self.requests: list[Frame] = []
        self._spoil = spoil
        self._input = bytearray()

    def write(self, data: bytes, /) -> int:
        for encoded in data.split(DELIMITER):
            if encoded:
                frame = decode(encoded)
                self.requests.append(frame)
                self._input += self._spoil(len(self.requests), self.answer(frame))
        return len(data)

    def answer(self, frame: Frame) -> bytes:
        if frame.type == wire.HelloRequest.TYPE:
            reply: wire.Message = HELLO
        elif frame.type == wire.DecideRequest.TYPE:
            count = wire.DecideRequest.decode(frame.payload).count
            rows = b"".join(bytes([i, i % 2, 9, 0, 0, 0]) for i in range(count))
            reply = wire.DecideReply(count, rows)
        elif frame.type == wire.BudgetRequest.TYPE:
            reply = wire.BudgetReply()
        else:
            reply = wire.ErrorReply(frame.type, wire.ErrorCode.NO_METER, 0)
        return encode(Frame(reply.TYPE, frame.session, frame.sequence, reply.encode()))

    @property
    def in_waiting(self) -> int:
        return len(self._input)

    def read(self, size: int = 1, /) -> bytes:
        data = bytes(self._input[:size])
        del self._input[:size]
        return data

    def reset_input_buffer(self) -> None:
        self._input.clear()

    def close(self) -> None:
        pass


def client(board: FakeBoard) -> BoardClient:
    return BoardClient(board, "fake")


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.link.client.GREETING_GRACE_S", 0.01)
    monkeypatch.setattr("host.link.client.GRACE_S", 0.01)


def test_hello_gives_the_identity() -> None:
    identity = client(FakeBoard()).hello()
    assert identity.board == "pico"
    assert identity.chip_id == "0001020304050607"
    assert identity.engine == "aot"
    assert identity.meter == "ina228"
    assert identity.fault == ""
    assert identity.fallback_sha256 == ""
    check_identity(identity, board="pico", model_sha256=(b"m" * 32).hex())
    with pytest.raises(IdentityError, match="'pico', expected 'esp32c3'"):
        check_identity(identity, board="esp32c3")


def test_a_lost_reply_is_asked_for_again_under_the_same_sequence() -> None:
    board = FakeBoard(lambda attempt, data: b"" if attempt == 1 else data)
    link = client(board)
    link.hello()
    assert [frame.sequence for frame in board.requests] == [1, 1]
    assert link.traffic.retries == 1


def test_a_corrupted_reply_is_not_believed() -> None:
    def corrupt(attempt: int, data: bytes) -> bytes:
        return data[:9] + bytes([data[9] ^ 0x10 or 1]) + data[10:] if attempt == 1 else data

    board = FakeBoard(corrupt)
    assert client(board).hello().board == "pico"
    assert len(board.requests) == 2


def test_a_late_duplicate_of_an_earlier_reply_is_passed_over() -> None:
    board = FakeBoard(lambda attempt, data: data + data)
    link = client(board)
    link.hello()
    decisions = link.decide(np.zeros((2, 3), np.int8), np.ones((2, 2), bool))
    assert decisions.actions.tolist() == [0, 1]
    assert decisions.modes.tolist() == [0, 1]
    assert decisions.cycles.tolist() == [9, 9]


def test_silence_is_a_timeout_with_the_next_step() -> None:
    board = FakeBoard(lambda attempt, data: b"")
    with pytest.raises(LinkTimeoutError, match="nothing answered HELLO"):
        client(board).hello()
    assert len(board.requests) == GREETING_TRIES


def test_an_error_reply_names_its_code() -> None:
    with pytest.raises(BoardFaultError, match=r"NO_METER \(no power meter answers"):
        client(FakeBoard()).meter()


def test_a_short_batch_is_refused() -> None:
    class Short(FakeBoard):
        def answer(self, frame: Frame) -> bytes:
            reply = wire.DecideReply(1, bytes(6))
            return encode(Frame(reply.TYPE, frame.session, frame.sequence, reply.encode()))

    with pytest.raises(ProtocolError, match="2 rows were asked for"):
        client(Short()).decide(np.zeros((2, 3), np.int8), np.ones((2, 2), bool))


def test_traffic_counts_every_byte() -> None:
    link = client(FakeBoard())
    link.hello()
    request = len(encode(Frame(1, 1, 1, b"")))
    reply = len(encode(Frame(0x81, 1, 1, HELLO.encode())))
    assert link.traffic.bytes_sent == request + len(DELIMITER)
    assert link.traffic.bytes_received == reply
    assert link.traffic.messages == 2


def test_decide_rows_by_hand() -> None:
    rows = decide_rows(np.array([[1, -1], [0, 127]], np.int8), np.array([[1, 0, 1], [0, 1, 0]]) > 0)
    assert rows == bytes([0b101, 1, 0xFF, 0b010, 0, 127])


def test_decide_rows_of_float32_by_hand() -> None:
    rows = decide_rows(np.array([[1.0, -2.5]], np.float32), np.array([[0, 1]]) > 0)
    assert rows == bytes([0b10, 0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0])


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8, np.dtype(">f4")])
def test_inputs_of_a_type_that_the_line_does_not_have_are_refused(dtype) -> None:
    rows = np.zeros((1, 2), dtype)
    with pytest.raises(ProtocolError, match="int8 or float32"):
        decide_rows(rows, np.ones((1, 2), bool))
    with pytest.raises(ProtocolError, match="int8 or float32"):
        client(FakeBoard()).infer(rows, 2)


def test_infer_reads_outputs_of_the_named_element() -> None:
    class Inferring(FakeBoard):
        def answer(self, frame: Frame) -> bytes:
            tail = (7).to_bytes(4, "little") + np.array([0.5, -1.0], "<f4").tobytes()
            return encode(
                Frame(0x82, frame.session, frame.sequence, wire.InferReply(1, tail).encode())
            )

    board = Inferring()
    inputs = np.array([[1.5, 2.0, -0.0]], np.float32)
    outputs, cycles = client(board).infer(inputs, 2, wire.Element.FLOAT32)
    assert outputs.tolist() == [[0.5, -1.0]]
    assert cycles.tolist() == [7]
    assert wire.InferRequest.decode(board.requests[0].payload).tail == inputs.tobytes()
    # Bytes of another element do not fit the rows that were asked for.
    with pytest.raises(ProtocolError, match="1 rows were asked for"):
        client(Inferring()).infer(inputs, 2, wire.Element.INT8)


def test_rows_per_frame() -> None:
    assert rows_per_frame(2048, 25, 6) == (2048 - 12) // 25
    with pytest.raises(ProtocolError, match="needs 3000 bytes"):
        rows_per_frame(2048, 3000, 6)


def test_a_fallback_network_is_part_of_the_identity() -> None:
    from dataclasses import replace

    identity = Identity.of(replace(HELLO, fallback_sha256=b"f" * 32))
    check_identity(identity, fallback_sha256="66" * 32)
    with pytest.raises(IdentityError, match="fallback_sha256"):
        check_identity(identity, fallback_sha256="")


def test_a_batch_says_where_in_its_period_it_stands() -> None:
    board = FakeBoard()
    link = client(board)
    link.set_budget(wire.BudgetRequest(7, 1))
    link.decide(np.zeros((2, 3), np.int8), np.ones((2, 2), bool), period=0x1_0005, decided=40)
    assert wire.BudgetRequest.decode(board.requests[0].payload).energy_fj == 7
    request = wire.DecideRequest.decode(board.requests[1].payload)
    assert (request.count, request.period, request.decided) == (2, 5, 40)


def test_identity_refuses_unknown_codes() -> None:
    from dataclasses import replace

    with pytest.raises(ProtocolError):
        Identity.of(replace(HELLO, engine=77))
    with pytest.raises(ProtocolError):
        Identity.of(replace(HELLO, output_element=9))


@pytest.mark.parametrize(
    ("field", "value"), [("clock_hz", 0), ("max_payload", 2049), ("n_inputs", 0), ("n_outputs", 0)]
)
def test_identity_refuses_impossible_numbers(field: str, value: int) -> None:
    from dataclasses import replace

    with pytest.raises(ProtocolError, match=rf"(?s)HELLO says {field} {value}, must be.*flash"):
        Identity.of(replace(HELLO, **{field: value}))


def test_why_a_board_started_anew_is_said() -> None:
    from dataclasses import replace

    assert Identity.of(HELLO).trouble == ""
    watchdog = replace(HELLO, reset_cause=wire.ResetCause.WATCHDOG)
    assert Identity.of(watchdog).trouble == "its watchdog has reset it"
    fault = replace(HELLO, fault_cause=1, fault_pc=0x1000_0234, fault_lr=0x1001, fault_status=5)
    assert "stopped by hard_fault at pc 0x10000234" in Identity.of(fault).trouble


def any_message(kind: type[wire.Message]) -> st.SearchStrategy[bytes]:
    """Payloads around a message: its fields at random, and of any length."""
    numbers = {"B": 8, "b": 8, "H": 16, "I": 32, "i": 32, "Q": 64}
    parts = []
    for name, field in kind.layout():
        whole = getattr(HELLO, name, None)
        if isinstance(whole, bytes) or field.format.endswith("s"):
            size = int(field.format[:-1])
            parts.append(st.binary(min_size=size, max_size=size) | st.just(bytes(size)))
        else:
            size = numbers[field.format] // 8
            parts.append(
                st.sampled_from([0, 1, 2, 256**size - 1]).map(
                    lambda value, size=size: value.to_bytes(size, "little")
                )
                | st.binary(min_size=size, max_size=size)
            )
    tail = st.binary(max_size=40) if kind.TAIL else st.just(b"")
    fields = st.tuples(*parts, tail).map(b"".join)
    return fields | st.binary(max_size=200)


REPLIES = {
    message.TYPE: any_message(message) for message in wire.MESSAGES if message.TYPE & wire.REPLY
}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_board_answers_is_a_reply_or_a_clear_error(data: st.DataObject) -> None:
    """Right frames of a board that breaks every rule behind them."""

    class Odd(FakeBoard):
        def answer(self, frame: Frame) -> bytes:
            expected = frame.type | wire.REPLY
            kind = data.draw(st.sampled_from([expected, expected, wire.ERROR_TYPE, 0x7F]))
            payload = data.draw(REPLIES.get(kind, st.binary(max_size=20)))
            return encode(Frame(kind, frame.session, frame.sequence, payload))

    link = client(Odd())
    link.line.tries = 2
    rows, masks = np.zeros((2, 3), np.int8), np.ones((2, 2), bool)
    for ask in (
        link.hello,
        lambda: link.infer(rows, 2),
        lambda: link.decide(rows, masks),
        lambda: link.window(wire.WindowRequest(0, 0, 0, 0, 1, 0)),
        lambda: link.set_budget(wire.BudgetRequest(1, 1)),
        link.meter,
        link.status,
    ):
        with suppress(JouleloopError):
            ask()
