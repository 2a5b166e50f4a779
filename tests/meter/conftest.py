"""Emulated instruments: a PPK2 behind a pseudo-terminal, a Joulescope behind its driver's topics.

Both play when a test says what happens on their inputs; nothing is paced by a clock.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolchain.protocol import WindowReply

RESISTORS = (1031.64, 101.65, 10.15, 0.94, 0.043)
ADC_MULT = 1.8 / 163_840
FULL_CODE = 0x3FFF
METADATA = (
    "Calibrated: 0\n"
    + "".join(f"R{i}: {r}\n" for i, r in enumerate(RESISTORS))
    + "".join(f"{name}{i}: 0.0\n" for i in range(5) for name in ("GS", "O", "S", "I"))
    + "".join(f"{name}{i}: 1.0\n" for i in range(5) for name in ("GI", "UG"))
    + "HW: 37292\nIA: 56\nEND\n"
)
ARGUMENTS = {0x0C: 1, 0x0D: 2, 0x11: 1}
"""Bytes behind a command, where there are any."""
PRELUDE = 400


class FakePpk2:
    """A PPK2 as its commands and its 4-byte samples show it; ``port`` is what a driver opens.

    Args:
        current_a: what flows while the gate is high.
        idle_a: and while it is low.
        gate: logic input that carries the gate.
        metadata: what it says of its calibration.
    """

    def __init__(
        self,
        current_a: float = 0.02,
        idle_a: float = 0.01,
        gate: int = 0,
        metadata: str = METADATA,
    ) -> None:
        self.current_a, self.idle_a = current_a, idle_a
        self._gate = gate
        self._metadata = metadata
        self._counter = 0
        self.commands: list[tuple[int, ...]] = []
        self.measuring = False
        self.saturated_range: int | None = None
        self.drop: slice | None = None
        self.stuck: int | None = None
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._unplugged = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._unplugged.is_set():
            ready, _, _ = select.select([self._master], [], [], 0.01)
            if ready:
                (command,) = os.read(self._master, 1)
                count = ARGUMENTS.get(command, 0)
                rest = os.read(self._master, count) if count else b""
                self._obey((command, *rest))

    def _obey(self, command: tuple[int, ...]) -> None:
        self.commands.append(command)
        if command == (0x19,):
            os.write(self._master, self._metadata.encode())
        elif command == (0x07,):
            self.measuring = False
        elif command == (0x06,):
            self.measuring = True
            self._counter = 0
            self.send(PRELUDE, high=False)

    def wait_for(self, opcode: int) -> None:
        """Until a command has come; a port that is closed may lose what is on its way."""
        deadline = time.monotonic() + 5.0
        while all(command[0] != opcode for command in self.commands):
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def play(self, seconds: float) -> None:
        """The gate goes up, and down again after so long."""
        count = round(seconds * 100_000)
        if self.drop is not None:
            self.send(self.drop.start, high=True)
            self._counter += self.drop.stop - self.drop.start
            count -= self.drop.stop
        self.send(count, high=True)
        self.send(PRELUDE, high=False)

    def send(self, count: int, *, high: bool) -> None:
        """So many samples of one level of the gate."""
        level = high if self.stuck is None else bool(self.stuck)
        amps = self.current_a if high else self.idle_a
        chosen = next(r for r in reversed(range(5)) if _code(amps, r) >= 100 or r == 0)
        code = _code(amps, chosen)
        if self.saturated_range is not None and high:
            chosen, code = self.saturated_range, FULL_CODE
        counters = (self._counter + np.arange(count)) & 0x3F
        self._counter += count
        words = code | chosen << 14 | counters << 18 | int(level) << 24 + self._gate
        data = words.astype("<u4").tobytes()
        while data and self.measuring:
            data = data[os.write(self._master, data[:2048]) :]

    def unplug(self) -> None:
        """Take it away."""
        self.measuring = False
        self._unplugged.set()
        self._thread.join()
        os.close(self._slave)
        os.close(self._master)


def _code(amps: float, chosen: int) -> int:
    return min(FULL_CODE, round(amps * RESISTORS[chosen] / (4 * ADC_MULT)))


class FakeJoulescope:
    """``pyjoulescope_driver.Driver`` with one JS220: topics, and blocks of samples as it has them.

    The lowest level that can be emulated without a USB device in the kernel: below it is the
    driver's own compiled code, which finds instruments by libusb.
    """

    PATH = "u/js220/001234"
    RATE_HZ, STEP = 2_000_000, 10
    BLOCK = 500

    def __init__(self) -> None:
        self.paths = [self.PATH]
        self.current_a, self.idle_a, self.volts = 0.02, 0.01, 5.0
        self.range_code = 1
        self.drop_block: int | None = None
        self.refuses: Exception | None = None
        self.published: list[tuple[str, object]] = []
        self.finalized = False
        self._listeners: dict[str, Callable[[str, Any], None]] = {}
        self._sample = 7_000 * self.STEP
        self._turn = threading.Lock()
        self._over = threading.Event()

    def device_paths(self) -> list[str]:
        return self.paths

    def open(self, path: str, mode: str) -> None:
        if self.refuses is not None:
            raise self.refuses
        threading.Thread(target=self._stream, daemon=True).start()

    def _stream(self) -> None:
        """Samples of a low gate, again and again."""
        while not self._over.wait(0.005):
            with self._turn:
                self._send(np.zeros(self.BLOCK, dtype=bool))

    def close(self, path: str) -> None:
        self._over.set()

    def finalize(self) -> None:
        self._over.set()
        self.finalized = True

    def publish(self, topic: str, value: object) -> None:
        self.published.append((topic, value))

    def subscribe(self, topic: str, flags: list[str], listener: Callable[[str, Any], None]) -> None:
        self._listeners[topic] = listener

    def unplug(self) -> None:
        self._over.set()
        self._listeners["@/!remove"]("@/!remove", self.PATH)

    def play(self, seconds: float) -> None:
        """Low for a while, high for so long, low again."""
        high = round(seconds * self.RATE_HZ / self.STEP)
        levels = np.concatenate([np.zeros(603), np.ones(high), np.zeros(1_100)]).astype(bool)
        with self._turn:
            for block, first in enumerate(range(0, len(levels), self.BLOCK)):
                level = levels[first : first + self.BLOCK]
                if block == self.drop_block:
                    self._sample += len(level) * self.STEP
                else:
                    self._send(level)

    def _send(self, level: np.ndarray) -> None:
        """One block of each stream that somebody listens to."""
        amps = np.where(level, self.current_a, self.idle_a).astype(np.float32)
        streams = {
            "i": amps,
            "v": np.full(len(level), self.volts, dtype=np.float32),
            "gpi/0": np.packbits(level, bitorder="little"),
            "i/range": np.where(level, self.range_code, 1).astype(np.uint8),
        }
        for name, data in streams.items():
            topic = f"{self.PATH}/s/{name}/!data"
            if topic not in self._listeners:
                continue
            value = {
                "sample_id": self._sample,
                "sample_rate": self.RATE_HZ,
                "decimate_factor": self.STEP,
                "data": data,
            }
            self._listeners[topic](topic, value)
        self._sample += len(level) * self.STEP


@pytest.fixture
def make_ppk2() -> Callable[..., FakePpk2]:
    """Makes an emulated PPK2."""
    return FakePpk2


@pytest.fixture
def joulescope() -> FakeJoulescope:
    """An emulated Joulescope."""
    return FakeJoulescope()


@pytest.fixture
def window_reply() -> Callable[..., WindowReply]:
    """A board's reply about a window that went well, but for what is said otherwise."""

    def make(elapsed_s: float = 0.05, **changed: int) -> WindowReply:
        us = round(elapsed_s * 1e6)
        values = {
            "iterations": 0,
            "elapsed_us": us,
            "cycles": 0,
            "gate": 0b11,
            "covered_us": us,
            "shunt_voltage": 0,
            "energy": 0,
            "charge": 0,
            "bus_voltage": 0,
            "flags": 0,
        }
        return WindowReply(**{**values, **changed})

    return make


@pytest.fixture
def trace(tmp_path: Path) -> Callable[..., Path]:
    """Writes a trace: pulses of the given lengths, 20 mA at 5 V inside and 10 mA around them."""

    def write(lengths_s: list[float], rate_hz: float = 10_000.0, name: str = "trace.csv") -> Path:
        gate = [np.zeros(50)]
        for length_s in lengths_s:
            gate += [np.ones(round(length_s * rate_hz)), np.zeros(50)]
        level = np.concatenate(gate)
        rows = [
            f"{k / rate_hz:.7f},{0.02 if high else 0.01:.5f},5.0,{int(high)}"
            for k, high in enumerate(level)
        ]
        file = tmp_path / name
        file.write_text("\n".join(["time_s,current_a,voltage_v,gate", *rows]) + "\n")
        return file

    return write
