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
from serial.tools.list_ports_common import ListPortInfo

from host.emulator import NativeBoard
from host.link import BoardClient, Transport, open_port, touch_1200
from host.link.framing import DELIMITER
from host.link.ports import port_finder
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


def test_a_port_that_vanished_before_the_first_word() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    client = BoardClient.open(os.ttyname(slave), 115_200)
    os.close(slave)
    os.close(master)
    with within_limit(), pytest.raises(LinkError, match=r"(?s)broke off: Input/output.*plug"):
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


PORTS = (
    ("/dev/ttyACM0", "e660583883724a32", "1-1:1.0"),
    ("/dev/ttyUSB0", "FT1", "1-2:1.0"),
    ("/dev/ttyUSB1", "FT1", "1-2:1.1"),
    ("/dev/ttyUSB2", "0001", "1-3"),
    ("/dev/ttyUSB3", "0001", "1-4"),
    ("/dev/ttyS0", None, None),
)
AFTERWARDS = {
    "under another name": (0, ("/dev/ttyACM7", "e660583883724a32", "1-1:1.0")),
    "in another socket": (0, ("/dev/ttyACM7", "e660583883724a32", "2-9:1.0")),
    "the second of an adapter's two": (2, ("/dev/ttyUSB9", "FT1", "1-2:1.1")),
    "of two with one serial number": (4, ("/dev/ttyUSB9", "0001", "1-4")),
    "without a serial number": (5, ("/dev/ttyS0", None, None)),
}


class TestFoundAgain:
    """A port after its device was plugged in again, by what the system says of its ports."""

    @staticmethod
    def port(device: str, serial_number: str | None, location: str | None) -> ListPortInfo:
        found = ListPortInfo(device)
        found.serial_number, found.location = serial_number, location
        return found

    @pytest.fixture
    def listed(self, monkeypatch: pytest.MonkeyPatch) -> list[ListPortInfo]:
        ports = [self.port(*port) for port in PORTS]
        monkeypatch.setattr("host.link.ports.list_ports.comports", lambda: list(ports))
        monkeypatch.setattr("host.link.ports.open_port", lambda port, baud: port)
        return ports

    @pytest.mark.parametrize("case", AFTERWARDS)
    def test_it_is_the_same_one(self, listed: list[ListPortInfo], case: str) -> None:
        index, again = AFTERWARDS[case]
        find = port_finder(PORTS[index][0], 115_200)
        listed[index] = self.port(*again)
        listed.sort(key=lambda port: port.device)
        assert find() == again[0]

    def test_one_that_is_not_back_is_named_by_its_serial_number(
        self, listed: list[ListPortInfo]
    ) -> None:
        find = port_finder("/dev/ttyUSB1", 115_200)
        del listed[2]
        with pytest.raises(LinkError, match=r"(?s)serial number FT1 is there.*plug"):
            find()


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
