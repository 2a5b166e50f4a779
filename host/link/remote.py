"""Ports on other machines: ``rfc2217://HOST:PORT`` and ``socket://HOST:PORT``, over pyserial."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import serial

POLL_S = 0.02
"""Longest that a read waits in pyserial before it looks at its own time limit."""


@dataclass
class RemotePort:
    """A port of pyserial's whose time limit is kept here.

    With RFC 2217, pyserial negotiates the line anew whenever a port's time limit is set, and knows
    none for writing; so the port keeps one short limit, and reads are repeated.

    Attributes:
        port: of pyserial's.
        timeout: s that a read waits for its first byte; None for ever.
    """

    port: Any
    timeout: float | None

    @property
    def in_waiting(self) -> int:
        """Bytes that have come in."""
        waiting: int = self.port.in_waiting
        return waiting

    def write(self, data: bytes) -> int | None:
        """Send bytes."""
        written: int | None = self.port.write(data)
        return written

    def read(self, size: int = 1) -> bytes:
        """At most ``size`` bytes; none when the time is over."""
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        while True:
            data: bytes = self.port.read(size)
            if data or (deadline is not None and time.monotonic() >= deadline):
                return data

    def reset_input_buffer(self) -> None:
        """Drop what has come in and was not read."""
        self.port.reset_input_buffer()

    def close(self) -> None:
        """Release the port."""
        self.port.close()


def open_remote(url: str, baud: int, timeout_s: float) -> RemotePort:
    """Open a URL of pyserial's.

    Raises:
        serial.SerialException: nothing serves it.
        ValueError: pyserial knows no such URL.
    """
    return RemotePort(serial.serial_for_url(url, baudrate=baud, timeout=POLL_S), timeout_s)
