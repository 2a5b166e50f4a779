"""The emulated Pico's two lines, its virtual time and its resets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from host.emulator import BoardProcess, EmulatedBoard
from host.emulator.rp2040 import EmulatedPico
from host.flash import open_target
from host.link import BoardClient
from host.link.framing import Frame, decode, encode
from host.target import parse_target
from toolchain import protocol as wire
from toolchain.board import load_board
from toolchain.build import Image, build_image
from toolchain.errors import LinkError, TargetError

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

FIXTURES = Path(__file__).resolve().parents[1] / "firmware" / "fixtures"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("engine")
    (folder / "model.json").write_text(json.dumps({"sha256": "00" * 32}))
    engine = [FIXTURES / "engine_fault.c"]
    return build_image(load_board("pico"), folder, folder / "image", engine_sources=engine)


class Board:
    """An emulated Pico in this process."""

    def __init__(self, image: Image, *, usb: bool) -> None:
        self.uart = bytearray()
        self.usb = bytearray()
        self.pico = EmulatedPico(
            load_board("pico"),
            image.bin.read_bytes(),
            "test",
            self.uart.append,
            self.usb.extend if usb else None,
        )

    def settle(self) -> None:
        """Run until only a host could make anything happen."""
        self.pico.run()
        for _ in range(2000):
            if self.pico.idle:
                return
            self.pico.run()
        raise AssertionError("the board does not come to rest")

    def ask(self, message: wire.Message, *, usb: bool) -> bytes:
        line = self.usb if usb else self.uart
        line.clear()
        data = encode(Frame(message.TYPE, 1, 1, message.encode()))
        (self.pico.feed_usb if usb else self.pico.feed)(data)
        self.settle()
        return decode(bytes(line).rstrip(b"\0")).payload


@pytest.mark.parametrize("usb", [False, True], ids=["uart", "uart and usb"])
def test_time_stands_still_while_only_the_host_can_act(image: Image, usb: bool) -> None:
    board = Board(image, usb=usb)
    board.settle()
    before_s = board.pico.now_s()
    for _ in range(1000):  # a slow host: each turn may take a supervisor's period, and no more
        board.pico.run()
    assert board.pico.now_s() - before_s <= 1000 * 100e-6 + 1e-6
    assert board.pico.idle


def test_both_lines_answer_and_the_usb_host_sees_the_board(image: Image) -> None:
    board = Board(image, usb=True)
    board.settle()
    host = board.pico.usb
    assert host is not None and host.configured and not host.busy
    assert host.descriptors[3, 3][2:].decode("utf-16-le") == board.pico.chip_id.hex()
    for usb in (True, False, True):
        hello = wire.HelloReply.decode(board.ask(wire.HelloRequest(), usb=usb))
        assert hello.chip_id == board.pico.chip_id


def test_a_crash_is_reported_on_the_line_that_comes_back(image: Image) -> None:
    board = Board(image, usb=True)
    board.settle()
    busy_s = board.pico.busy_s()
    board.ask(wire.HelloRequest(), usb=True)
    board.usb.clear()
    crash = wire.InferRequest(1, b"\3")
    board.pico.feed_usb(encode(Frame(crash.TYPE, 1, 1, crash.encode())))
    board.settle()
    assert bytes(board.usb) == b""
    assert board.pico.busy_s() > busy_s, "the cycles before the reset are forgotten"
    hello = wire.HelloReply.decode(board.ask(wire.HelloRequest(), usb=True))
    assert hello.reset_cause == wire.ResetCause.FAULT
    assert hello.fault_cause == wire.FaultCause.HARD_FAULT


def test_a_hang_is_ended_by_the_watchdog_in_virtual_time(image: Image) -> None:
    board = Board(image, usb=False)
    board.settle()
    board.ask(wire.HelloRequest(), usb=False)
    start_s = board.pico.now_s()
    hang = wire.InferRequest(1, b"\1")
    board.pico.feed(encode(Frame(hang.TYPE, 1, 1, hang.encode())))
    while board.pico.now_s() < start_s + 8.1:
        board.pico.run()
    hello = wire.HelloReply.decode(board.ask(wire.HelloRequest(), usb=False))
    assert hello.reset_cause == wire.ResetCause.WATCHDOG


def test_the_process_serves_both_lines(image: Image) -> None:
    with EmulatedBoard("pico", image.uf2, usb=True) as board:
        assert board.usb_port is not None
        for port in (board.usb_port, board.port, board.usb_port):
            with BoardClient.open(port, 115_200) as client:
                assert client.hello().chip_id == board.chip_id
                assert client.status().frames_rejected == 0


def test_what_an_emulator_says_behind_a_port_is_not_taken_for_measured(image: Image) -> None:
    with EmulatedBoard("pico", image.uf2) as board:
        target = parse_target(f"pico@{board.port}")
        with (
            pytest.raises(TargetError, match=r"(?s)an emulated pico answers.*measured"),
            open_target(target, image, flash=False),
        ):
            raise AssertionError("it was opened")


def test_an_emulator_that_has_ended_is_not_waited_for(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from host.flash import session

    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path))
    power_on, started = session._power_on, []

    def recorded(*arguments: Any) -> BoardProcess:
        started.append(power_on(*arguments))
        return started[-1]

    monkeypatch.setattr(session, "_power_on", recorded)
    with open_target(parse_target("pico@emulator"), image) as (client, identity):
        assert client.reconnect() == identity, "one that still runs"
        started[0].close()
        with pytest.raises(LinkError, match="broke off"):
            client.status()
        with pytest.raises(TargetError, match=r"(?s)process that is this board has ended.*again"):
            client.reconnect()


def test_without_a_cable_there_is_no_usb_port(image: Image) -> None:
    with EmulatedBoard("pico", image.uf2) as board:
        assert board.usb_port is None
