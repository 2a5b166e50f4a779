"""Windows of the POSIX port: a process sleeps, wakes and sends as a board does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import serial

from host.emulator import NativeBoard
from host.link.framing import Frame, decode, encode
from toolchain import protocol as wire
from toolchain.board import load_board
from toolchain.build import build_image

pytestmark = pytest.mark.firmware

FIXTURES = Path(__file__).parent / "fixtures"
HOST = wire.WindowMeter.HOST


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("posix")
    (folder / "model.json").write_text(json.dumps({"sha256": "5a" * 32}))
    engine = [FIXTURES / "engine_sum.c"]
    return build_image(load_board("native"), folder, folder / "image", engine_sources=engine).elf


@pytest.fixture
def ask(program: Path):
    with NativeBoard(program) as board, serial.Serial(board.port, timeout=5) as line:
        sequence = 0

        def exchange(message: wire.Message) -> tuple[bytes, wire.Message]:
            nonlocal sequence
            sequence += 1
            line.write(encode(Frame(message.TYPE, 1, sequence, message.encode())))
            zeros = b""
            while (byte := line.read(1)) == b"\0":
                zeros += byte
            frame = decode((byte + line.read_until(b"\0")).rstrip(b"\0"))
            types = {m.TYPE: m for m in wire.MESSAGES}
            return zeros, types[frame.type].decode(frame.payload)

        exchange(wire.HelloRequest())
        yield exchange


def window(kind: wire.WindowKind, duration_us: int, iterations: int = 0) -> wire.WindowRequest:
    return wire.WindowRequest(kind, 0, HOST, iterations, duration_us, 0)


def test_sleep_and_wake_take_their_time(ask) -> None:
    _, reply = ask(window(wire.WindowKind.SLEEP, 20_000))
    assert reply.elapsed_us >= 20_000
    _, reply = ask(window(wire.WindowKind.WAKE, 2_000, iterations=5))
    assert reply.iterations == 5
    assert reply.elapsed_us >= 10_000


def test_link_sends_its_zeros_before_the_reply(ask) -> None:
    zeros, reply = ask(window(wire.WindowKind.LINK, 0, iterations=10_000))
    assert (len(zeros), reply.iterations) == (10_000, 10_000)


def test_a_process_has_neither_a_gate_nor_a_meter(ask) -> None:
    _, reply = ask(window(wire.WindowKind.IDLE, 1_000))
    assert (reply.gate, reply.covered_us) == (0, 0)
    request = wire.WindowRequest(wire.WindowKind.IDLE, 0, wire.WindowMeter.BOARD, 0, 1_000, 0)
    _, refusal = ask(request)
    assert refusal.code == wire.ErrorCode.NO_METER
