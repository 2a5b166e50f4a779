"""How much of a line's time a replay spends on payload, and what the board needs beside it.

    python tests/bench/bench_link.py

The firmware's POSIX port decides batches of 64 rows behind a line that lets bytes pass at a UART's
rate (10 bits a byte, both directions at once) and not faster. Payload are the messages' own bytes;
header, CRC, COBS and pauses are what the share lacks. With one request in flight, the line stands
still while the board answers; the table shows both.
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
from host.link import BoardClient, Transport, decide_rows, open_port
from host.link.client import DECIDED_ROW
from toolchain import protocol as wire
from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.compile import compile_model
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network

BAUD = 115_200
BATCH = 64
BATCHES = 40
BYTE_S = 10 / BAUD


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


def measure(program: Path, window: int) -> dict[str, float | int]:
    """Decide all batches with so many requests in flight."""
    rng = np.random.default_rng(3)
    inputs = rng.integers(-128, 128, (BATCH * BATCHES, REFERENCE_SHAPES["M"][0])).astype(np.int8)
    masks = np.ones((len(inputs), REFERENCE_SHAPES["M"][-1]), bool)
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
        compile_model(reference_network(REFERENCE_SHAPES["M"], rng), model)
        program = build_image(load_board("native"), model, Path(folder) / "build").program
        for window in (1, wire.WINDOW):
            print(json.dumps(measure(program, window)))


if __name__ == "__main__":
    main()
