"""Ports that cannot be used: each has its own clear error within 3 s, on pseudo-terminals."""

from __future__ import annotations

import json
import os
import pty
import termios
import threading
import time
import tty
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cobs import cobs

from host.emulator import NativeBoard
from host.link import BoardClient, Transport, open_port, touch_1200
from host.link.framing import DELIMITER
from toolchain import protocol as wire
from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.errors import IdentityError, LinkError, LinkTimeoutError, ProtocolError

LIMIT_S = 3.0
ENGINE = Path(__file__).parents[1] / "firmware" / "fixtures" / "engine_count.c"


@contextmanager
def device(answer: Callable[[int, bytes], None]) -> Iterator[str]:
    """A pseudo-terminal with something behind it; yields its path."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    stop = threading.Event()

    def serve() -> None:
        os.set_blocking(master, False)
        while not stop.is_set():
            try:
                data = os.read(master, 4096)
            except OSError:
                data = b""
            answer(master, data)
            time.sleep(0.005)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        thread.join()
        for end in (master, slave):
            os.close(end)


@contextmanager
def within_limit() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < LIMIT_S


def silent(master: int, data: bytes) -> None:
    pass


def chattering(master: int, data: bytes) -> None:
    with suppress(OSError):  # nobody has read the last ones
        os.write(master, b"$GPGGA,123519,4807.038,N\r\n")


def other_version(master: int, data: bytes) -> None:
    for encoded in data.split(DELIMITER):
        if encoded:
            request = cobs.decode(encoded)
            body = bytes([wire.VERSION + 1, wire.ERROR_TYPE]) + request[2:4] + b"\6\0"
            body += bytes([request[1], 0xFF, wire.VERSION, 0, 0, 0])
            os.write(master, cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + DELIMITER)


def test_a_silent_device() -> None:
    with (
        device(silent) as path,
        BoardClient.open(path, 115_200) as client,
        within_limit(),
        pytest.raises(LinkTimeoutError, match=r"(?s)line is silent.*wiring"),
    ):
        client.hello()


def test_a_device_that_is_not_ours() -> None:
    with (
        device(chattering) as path,
        BoardClient.open(path, 115_200) as client,
        within_limit(),
        pytest.raises(LinkTimeoutError, match=r"(?s)not of this protocol.*another device"),
    ):
        client.hello()


def test_another_protocol_version() -> None:
    expected = rf"(?s)version {wire.VERSION + 1}, this host speaks {wire.VERSION}.*flash"
    with (
        device(other_version) as path,
        BoardClient.open(path, 115_200) as client,
        within_limit(),
        pytest.raises(ProtocolError, match=expected),
    ):
        client.hello()


def test_two_hosts_on_one_port() -> None:
    with (
        device(silent) as path,
        BoardClient.open(path, 115_200),
        within_limit(),
        pytest.raises(LinkError, match=f"{path} is in use by another program"),
    ):
        BoardClient.open(path, 115_200)


def test_a_port_that_is_not_there() -> None:
    with within_limit(), pytest.raises(LinkError, match=r"(?s)cannot be opened.*plugged in"):
        BoardClient.open("/dev/ttyJouleloop99", 115_200)


def test_a_port_that_vanishes() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    client = BoardClient.open(os.ttyname(slave), 115_200)
    os.close(slave)
    closing = threading.Timer(0.2, os.close, (master,))
    closing.start()
    with within_limit(), pytest.raises(LinkError, match="broke off"):
        client.hello()
    client.close()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("native")
    (folder / "model.json").write_text(json.dumps({"sha256": "5a010203" + "00" * 28}))
    board = load_board("native")
    return build_image(board, folder, folder / "image", engine_sources=[ENGINE]).program


def test_the_touch_leaves_the_port_closed_at_1200_baud() -> None:
    master, slave = pty.openpty()
    touch_1200(os.ttyname(slave))
    assert termios.tcgetattr(slave)[4:6] == [termios.B1200, termios.B1200]
    with BoardClient.open(os.ttyname(slave), 115_200):
        assert termios.tcgetattr(slave)[4] == termios.B115200
    os.close(slave)
    os.close(master)
    with pytest.raises(LinkError, match="cannot be opened"):
        touch_1200("/dev/ttyJouleloop99")


class TestReconnect:
    """A board that is unplugged and comes back, or another one in its place."""

    @staticmethod
    def client(where: dict[str, str]) -> BoardClient:
        def reopen() -> Transport:
            return open_port(where["port"], 115_200)

        return BoardClient(reopen(), where["port"], reopen=reopen)

    def test_the_same_board_under_another_name_goes_on(self, program: Path) -> None:
        with NativeBoard(program) as first:
            where = {"port": first.port}
            client = self.client(where)
            identity = client.hello()
        with pytest.raises(LinkError):
            client.status()
        with NativeBoard(program) as second:
            where["port"] = second.port
            assert client.reconnect() == identity
            assert client.status().frames_received > 0
            client.close()

    def test_another_board_in_its_place_is_refused(self, program: Path) -> None:
        with NativeBoard(program, serial="one") as first:
            where = {"port": first.port}
            client = self.client(where)
            client.hello()
        with NativeBoard(program, serial="other") as second:
            where["port"] = second.port
            with pytest.raises(IdentityError, match="chip_id"):
                client.reconnect()
            client.close()

    def test_one_that_does_not_come_back_is_an_error(self, program: Path) -> None:
        with NativeBoard(program) as first:
            client = self.client({"port": first.port})
            client.hello()
        with pytest.raises(LinkError):
            client.reconnect(within_s=0.3)
