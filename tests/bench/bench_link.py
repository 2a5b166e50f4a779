"""How much of a line's time a replay spends on payload, and what the board needs beside it.

    python tests/bench/bench_link.py

The firmware's POSIX port decides batches of 64 rows behind a line that lets bytes pass at a UART's
rate (10 bits a byte, both directions at once) and not faster. Payload are the messages' own bytes;
header, CRC, COBS and pauses are what the share lacks. With one request in flight, the line stands
still while the board answers; the table shows both.

Then the Pico's own image decides such batches over USB, in the emulator's virtual time: which share
of the time its core works, and which share it decides. A link that were the bottleneck would leave
the core waiting. The time that a real host takes to answer is not in it.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np

from host.emulator import NativeBoard
from host.emulator.rp2040 import FLASH_BASE, EmulatedPico
from host.link import BoardClient, Transport, decide_rows, open_port
from host.link.client import DECIDED_ROW
from toolchain import protocol as wire
from toolchain.board import load_board
from toolchain.build import build_image, uf2
from toolchain.compile import compile_model, kernels_for_core
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network

BAUD = 115_200
BATCH = 64
BATCHES = 40
BYTE_S = 10 / BAUD
USB_BATCHES = 10
PATIENCE = 1000.0
"""The emulator may be so much slower than the board that it is."""


class PacedTransport:
    """A line that takes its time: a byte is there when its last bit has passed."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.timeout: float | None = None
        self._out: deque[tuple[float, bytes]] = deque()
        self._out_free_s = self._in_free_s = 0.0
        self._in: deque[tuple[float, int]] = deque()
        self._wake = threading.Condition()
        threading.Thread(target=self._send, daemon=True).start()

    def write(self, data: bytes, /) -> int:
        with self._wake:
            for start in range(0, len(data), 64):
                part = data[start : start + 64]
                self._out_free_s = max(self._out_free_s, time.monotonic()) + len(part) * BYTE_S
                self._out.append((self._out_free_s, part))
            self._wake.notify()
        return len(data)

    def _send(self) -> None:
        while True:
            with self._wake:
                while not self._out:
                    self._wake.wait()
                at_s, part = self._out.popleft()
            time.sleep(max(0.0, at_s - time.monotonic()))
            self.inner.write(part)

    @property
    def in_waiting(self) -> int:
        for byte in self.inner.read(self.inner.in_waiting) if self.inner.in_waiting else b"":
            self._in_free_s = max(self._in_free_s, time.monotonic()) + BYTE_S
            self._in.append((self._in_free_s, byte))
        now_s = time.monotonic()
        return sum(at_s <= now_s for at_s, _ in self._in)

    def read(self, size: int = 1, /) -> bytes:
        end_s = time.monotonic() + (self.timeout or 0.0)
        while not (ready := self.in_waiting) and time.monotonic() < end_s:
            time.sleep(0.0005)
        return bytes(self._in.popleft()[1] for _ in range(min(size, ready)))

    def reset_input_buffer(self) -> None:
        self._in.clear()
        self.inner.reset_input_buffer()

    def close(self) -> None:
        self.inner.close()


class EmulatedUsb:
    """The serial line of an emulated Pico's USB socket, in its virtual time."""

    def __init__(self, image: Path) -> None:
        board = load_board("pico")
        address, flash = uf2.read(image, family_id=board.image.uf2_family_id)
        self._received = bytearray()
        content = bytes(address - FLASH_BASE) + flash
        self.pico = EmulatedPico(board, content, "bench", lambda _: None, self._received.extend)
        self.timeout: float | None = None

    def write(self, data: bytes, /) -> int:
        self.pico.feed_usb(data)
        return len(data)

    @property
    def in_waiting(self) -> int:
        return len(self._received)

    def read(self, size: int = 1, /) -> bytes:
        while not self._received and not self.pico.idle:
            self.pico.run()
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def reset_input_buffer(self) -> None:
        self._received.clear()

    def close(self) -> None:
        """Power off: nothing is held."""


def measure_usb(image: Path, window: int) -> dict[str, float | int | str]:
    """Decide batches over the emulated Pico's USB, with so many requests in flight."""
    inputs, masks = _rows(USB_BATCHES)
    transport = EmulatedUsb(image)
    client = BoardClient(transport, "usb", BAUD, PATIENCE)
    client.hello()
    client.max_payload = wire.DecideRequest.fixed().size + BATCH * (1 + inputs.shape[1])
    client.decide(inputs[:BATCH], masks[:BATCH], period=1)
    client.line.window = window
    pico, before = transport.pico, client.traffic.copy()
    started_s, busy_s = pico.now_s(), pico.busy_s()
    decided = client.decide(inputs, masks, period=2)
    elapsed_s, worked_s = pico.now_s() - started_s, pico.busy_s() - busy_s
    used = client.traffic - before
    return {
        "line": "USB, emulated",
        "in_flight": window,
        "batch": BATCH,
        "bytes_per_s": round(used.bytes_total / elapsed_s),
        "rows_per_s": round(len(inputs) / elapsed_s, 1),
        "core_works_share": round(worked_s / elapsed_s, 4),
        "core_decides_share": round(
            int(decided.cycles.sum()) / load_board("pico").cpu.clock_hz / elapsed_s, 4
        ),
        "retries": used.retries,
    }


def _rows(batches: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    n_inputs, n_outputs = REFERENCE_SHAPES["M"][0], REFERENCE_SHAPES["M"][-1]
    inputs = rng.integers(-128, 128, (BATCH * batches, n_inputs)).astype(np.int8)
    return inputs, np.ones((len(inputs), n_outputs), bool)


def measure(program: Path, window: int) -> dict[str, float | int | str]:
    """Decide all batches with so many requests in flight."""
    inputs, masks = _rows(BATCHES)
    with NativeBoard(program) as board:
        client = BoardClient(PacedTransport(open_port(board.port, BAUD)), board.port, BAUD)
        client.hello()
        request = wire.DecideRequest.fixed().size
        client.max_payload = request + BATCH * (1 + inputs.shape[1])
        before = client.traffic.copy()
        client.line.window = window
        started = time.monotonic()
        client.decide(inputs, masks, period=1)
        seconds = time.monotonic() - started
        used = client.traffic - before
    sent = BATCHES * request + len(decide_rows(inputs, masks))
    received = BATCHES * wire.DecideReply.fixed().size + len(inputs) * DECIDED_ROW.itemsize
    return {
        "line": "UART, paced",
        "in_flight": window,
        "batch": BATCH,
        "bytes_sent": used.bytes_sent,
        "bytes_received": used.bytes_received,
        "payload_share_of_bytes": round((sent + received) / used.bytes_total, 4),
        "payload_share_of_line_time": round(sent * BYTE_S / seconds, 4),
        "rows_per_s": round(len(inputs) / seconds, 1),
        "retries": used.retries,
    }


def main() -> None:
    """Entry of the script."""
    with tempfile.TemporaryDirectory(prefix="jouleloop-") as folder:
        model = Path(folder) / "model"
        rng = np.random.default_rng(1)
        network = reference_network(REFERENCE_SHAPES["M"], rng)
        compile_model(network, model)
        program = build_image(load_board("native"), model, Path(folder) / "build").program
        for window in (1, wire.WINDOW):
            print(json.dumps(measure(program, window)))
        pico = load_board("pico")
        tuned = Path(folder) / "tuned"
        compile_model(network, tuned, kernels=kernels_for_core(pico.cpu.core))
        image = build_image(pico, tuned, Path(folder) / "pico").program
        for window in (1, wire.WINDOW):
            print(json.dumps(measure_usb(image, window)))


if __name__ == "__main__":
    main()
