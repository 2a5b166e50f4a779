"""The watchdog of timer group 0, which ``labwired`` has the registers of and nothing behind them.

Between two stretches of execution the host looks at what the firmware has written: a feed is taken
from its register, and the time since the last one is held against the stages (ESP32-C3 technical
reference manual, 12.2). Writes that the protection would have refused count for nothing.
"""

from __future__ import annotations

from typing import Protocol

_BASE = 0x6001_F000
_CONFIG0, _CONFIG1, _HOLDS = _BASE + 0x48, _BASE + 0x4C, _BASE + 0x50
_FEED, _PROTECT = _BASE + 0x60, _BASE + 0x64
_KEY = 0x50D8_3AA1
_ENABLE, _FROM_CRYSTAL = 1 << 31, 1 << 21
_STAGE_SHIFTS = (29, 27, 25, 23)
_RESETS = (2, 3)
"""Of the core, of the system; 0 is off and 1 an interrupt, which the firmware does not use."""
_CRYSTAL_HZ, _APB_HZ = 40e6, 80e6


class Registers(Protocol):
    """The core whose registers they are."""

    @property
    def now_s(self) -> float:
        """Seconds since power-on."""

    def read(self, address: int) -> int:
        """A register."""

    def write(self, address: int, words: list[int]) -> None:
        """Registers that follow each other."""


class Watchdog:
    """Follows the registers.

    Args:
        core: whose registers they are.

    Attributes:
        feeds: how often it was fed.
    """

    def __init__(self, core: Registers) -> None:
        self._core = core
        self._fed_s = core.now_s
        self.feeds = 0

    def follow(self) -> None:
        """Take what has been written since the last call."""
        core = self._core
        if core.read(_FEED):
            core.write(_FEED, [0])
            if core.read(_PROTECT) == _KEY:
                self._fed_s = core.now_s
                self.feeds += 1
        if not core.read(_CONFIG0) & _ENABLE:
            self._fed_s = core.now_s

    @property
    def due_s(self) -> float | None:
        """When it resets the chip, in seconds since power-on; None where it never will."""
        read = self._core.read
        config = read(_CONFIG0)
        if not config & _ENABLE:
            return None
        clock_hz = _CRYSTAL_HZ if config & _FROM_CRYSTAL else _APB_HZ
        tick_s = (read(_CONFIG1) >> 16) / clock_hz
        due_s = self._fed_s
        for stage, shift in enumerate(_STAGE_SHIFTS):
            due_s += read(_HOLDS + 4 * stage) * tick_s
            if config >> shift & 3 in _RESETS:
                return due_s
        return None

    @property
    def expired(self) -> bool:
        """Whether it resets the chip now."""
        due_s = self.due_s
        return due_s is not None and due_s <= self._core.now_s

    def restart(self) -> None:
        """The chip was reset, by whatever."""
        self._fed_s = self._core.now_s
