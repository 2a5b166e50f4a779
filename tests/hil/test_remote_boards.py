"""Boards on other machines: pyserial's RFC 2217 server, and a plain socket, on loopback."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import serial
import serial.rfc2217

from host.emulator import NativeBoard
from host.link import BoardClient, open_port
from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.errors import LinkError

pytestmark = pytest.mark.firmware

ENGINE = Path(__file__).parents[1] / "firmware" / "fixtures" / "engine_count.c"
BAUD = 115_200


class Terminal(serial.Serial):
    """A pseudo-terminal as a serial port: it has no modem lines."""

    cts = dsr = ri = cd = property(lambda self: False)

    def _update_dtr_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass


class PortServer:
    """Puts a serial port on the network, for one client after the other, like ser2net does."""

    def __init__(self, port: str, scheme: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.port = Terminal(port, BAUD, timeout=0.01)
        self.with_rfc2217 = scheme == "rfc2217"
        self.clients = 0
        self.connection: socket.socket | None = None
        self.stopped = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while not self.stopped:
            with suppress(OSError):
                self.connection, _ = self.listener.accept()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.clients += 1
                with self.connection:
                    self.serve_client(self.connection)

    def serve_client(self, connection: socket.socket) -> None:
        lock = threading.Lock()
        done = threading.Event()

        def send(data: bytes) -> None:
            with lock:
                connection.sendall(data)

        manager = None
        if self.with_rfc2217:
            link = type("Link", (), {"write": staticmethod(send)})()
            manager = serial.rfc2217.PortManager(self.port, link)

        def from_port() -> None:
            with suppress(OSError, serial.SerialException):
                while not done.is_set():
                    data = self.port.read(max(1, self.port.in_waiting))
                    if data:
                        send(b"".join(manager.escape(data)) if manager else data)

        reader = threading.Thread(target=from_port, daemon=True)
        reader.start()
        try:
            while data := connection.recv(1024):
                self.port.write(b"".join(manager.filter(data)) if manager else data)
        finally:
            done.set()
            reader.join()

    def drop(self) -> None:
        """Break the connection off."""
        assert self.connection is not None
        self.connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.stopped = True
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with suppress(OSError):
            self.drop()
        self.thread.join(5)
        self.port.close()


@contextmanager
def served(program: Path, scheme: str) -> Iterator[PortServer]:
    with NativeBoard(program, serial="remote") as board:
        server = PortServer(board.port, scheme)
        try:
            yield server
        finally:
            server.close()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("native")
    (folder / "model.json").write_text(json.dumps({"sha256": "5a010203" + "00" * 28}))
    board = load_board("native")
    return build_image(board, folder, folder / "image", engine_sources=[ENGINE]).program


@pytest.mark.parametrize("scheme", ["rfc2217", "socket"])
def test_a_board_on_another_machine_answers_like_one_here(
    program: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    with NativeBoard(program, serial="remote") as board, BoardClient.open(board.port, BAUD) as here:
        identity = here.hello()
        rows = rng.integers(-128, 128, (300, identity.n_inputs)).astype(np.int8)
        expected, _ = here.infer(rows, identity.n_outputs)
    with served(program, scheme) as server, BoardClient.open(server.url, BAUD) as client:
        found = client.hello()
        assert found == identity
        outputs, _ = client.infer(rows, identity.n_outputs)
        assert (outputs == expected).all()
        assert client.traffic.retries == 0
        negotiated: list[object] = []
        monkeypatch.setattr(
            serial.rfc2217.Serial,
            "rfc2217_send_subnegotiation",
            lambda port, *given: negotiated.append(given),
        )
        for _ in range(20):
            client.status()
        assert not negotiated, "the line is negotiated once, not for each request"


@pytest.mark.parametrize("scheme", ["rfc2217", "socket"])
def test_a_connection_that_breaks_off_is_made_again_to_the_same_board(
    program: Path, scheme: str
) -> None:
    with served(program, scheme) as server, BoardClient.open(server.url, BAUD) as client:
        identity = client.hello()
        server.drop()
        with pytest.raises(LinkError):
            for _ in range(10):
                client.status()
        assert client.reconnect(within_s=10) == identity
        client.status()
        assert server.clients == 2


@pytest.mark.parametrize("url", ["rfc2217://127.0.0.1:{port}", "socket://127.0.0.1:{port}"])
def test_where_nothing_serves_the_port_the_error_names_it(url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LinkError, match=f"127.0.0.1:{port}.* cannot be opened"):
        open_port(url.format(port=port), BAUD)


@contextmanager
def served_by_ser2net(program: Path, folder: Path) -> Iterator[str]:
    """The configuration of docs/HIL.md, with another port and device."""
    text = (Path(__file__).parents[2] / "docs" / "HIL.md").read_text(encoding="utf-8")
    (documented,) = re.findall(r"^    connection: .*\n(?:    .+\n)+", text, re.MULTILINE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    with NativeBoard(program, serial="remote") as board:
        settings = textwrap.dedent(documented).replace("tcp,4000", f"tcp,127.0.0.1,{number}")
        settings = re.sub(r"/dev/serial/by-id/[^,]+", board.port, settings)
        assert board.port in settings and str(number) in settings
        (folder / "ser2net.yaml").write_text(f"%YAML 1.1\n---\n{settings}", encoding="utf-8")
        # In the foreground, with errors on stderr.
        command = ["ser2net", "-n", "-d", "-l", "-c", folder / "ser2net.yaml"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            # A pseudo-terminal has no modem lines, whose setting ser2net then does not acknowledge.
            yield f"rfc2217://127.0.0.1:{number}?ign_set_control"
        finally:
            server.kill()
            server.communicate()


@contextmanager
def client_of(url: str) -> Iterator[BoardClient]:
    """One client, as soon as the server is there and has let go of the one before."""
    deadline = time.monotonic() + 20
    while True:
        try:
            opened = BoardClient.open(url, BAUD)
            break
        except LinkError:
            assert time.monotonic() < deadline, "ser2net serves nobody"
            time.sleep(0.2)
    with opened as client:
        yield client


@pytest.mark.skipif(shutil.which("ser2net") is None, reason="ser2net is not installed")
def test_the_documented_ser2net_serves_a_board_to_one_client_at_a_time(
    program: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    with served_by_ser2net(program, tmp_path) as url:
        for _ in range(2):
            with client_of(url) as client:
                identity = client.hello()
                assert identity.board == "native"
                rows = rng.integers(-128, 128, (300, identity.n_inputs)).astype(np.int8)
                outputs, _ = client.infer(rows, identity.n_outputs)
                assert len(outputs) == 300
                assert client.traffic.retries == 0
                number = int(url.removeprefix("rfc2217://127.0.0.1:").partition("?")[0])
                with socket.create_connection(("127.0.0.1", number), 5) as second:
                    said = b"".join(iter(lambda: second.recv(1000), b""))
                assert b"in use" in said
                client.status()
