"""Physical time behind a core whose clock changes.

``rp2040py`` moves its own clock by 8 ns for every core cycle, whatever the firmware makes of its
PLL. That is kept, since the compiled core is fast with it, and taken for what it is: a count of
core cycles. Physical time is that count divided by the clock that the core has at the moment, and
what does not run from the core's clock (timer, watchdog, lines, meters, USB) is given this clock in
the place of rp2040py's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

NANOS_PER_CYCLE = 8.0
"""Of rp2040py's own clock."""


class Alarm(Protocol):
    """A virtual-time alarm, as the emulator's clocks make them."""

    def schedule(self, delta_nanos: float) -> None:
        """Fire after this many nanoseconds, instead of when it was to."""

    def cancel(self) -> None:
        """Do not fire."""


class CoreClock(Protocol):
    """What is used of rp2040py's clock."""

    @property
    def nanos(self) -> float:
        """Nanoseconds, at 8 ns a cycle."""

    def create_alarm(self, callback: Callable[[], None]) -> Alarm:
        """An alarm that calls back."""


class WallAlarm:
    """An :class:`Alarm` in physical time."""

    def __init__(self, wall: WallClock, callback: Callable[[], None]) -> None:
        self.due = 0.0
        self._wall = wall
        self._callback = callback
        self._inner = wall.core.create_alarm(self._fire)

    def schedule(self, delta_nanos: float) -> None:
        """As :meth:`Alarm.schedule`."""
        self.due = self._wall.nanos + delta_nanos
        self._wall.armed.add(self)
        self.aim()

    def aim(self) -> None:
        """Set rp2040py's alarm by the clock that the core has now."""
        left = max(0.0, self.due - self._wall.nanos)
        self._inner.schedule(left / self._wall.nanos_per_core_nano)

    def cancel(self) -> None:
        """As :meth:`Alarm.cancel`."""
        self._wall.armed.discard(self)
        self._inner.cancel()

    def _fire(self) -> None:
        self._wall.armed.discard(self)
        self._wall.settle(self.due)
        self._callback()


class WallClock:
    """Physical time, as the crystal counts it.

    Args:
        core: rp2040py's clock.

    Attributes:
        armed: alarms that have not fired.
    """

    def __init__(self, core: CoreClock) -> None:
        self.core = core
        self.armed: set[WallAlarm] = set()
        self.nanos_per_core_nano = 1.0
        self._since_core = core.nanos
        self._since = core.nanos

    @property
    def nanos(self) -> float:
        """Nanoseconds since the start."""
        return self._since + (self.core.nanos - self._since_core) * self.nanos_per_core_nano

    @property
    def micros(self) -> float:
        """Microseconds since the start."""
        return self.nanos / 1000

    def create_alarm(self, callback: Callable[[], None]) -> WallAlarm:
        """An alarm in this time."""
        return WallAlarm(self, callback)

    def settle(self, nanos: float) -> None:
        """Say what time it is, so that the roundings of many conversions do not add up."""
        self._since, self._since_core = nanos, self.core.nanos

    def set_core_hz(self, hz: float) -> None:
        """From now on a core cycle takes ``1 / hz`` seconds."""
        self.settle(self.nanos)
        self.nanos_per_core_nano = 1e9 / NANOS_PER_CYCLE / hz
        for alarm in sorted(self.armed, key=lambda alarm: alarm.due):
            alarm.aim()
