"""What the emulated board draws from its supply, by the state of its core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from toolchain.board import EmulatorModel


class CoreClock(Protocol):
    """What the supply model reads of an emulated core."""

    def now_s(self) -> float:
        """Virtual seconds since the start."""

    def busy_s(self) -> float:
        """Virtual seconds in which the core executed instructions."""


@dataclass(frozen=True)
class Supply:
    """Two-state supply: one current while the core runs, another while it waits.

    The currents and their sources are the board file's ``[emulator.current_a]``. Charge follows
    from the time in each state, so an average over any interval is exact for this model.
    """

    clock: CoreClock
    running_a: float
    waiting_a: float
    supply_v: float

    @classmethod
    def of(cls, model: EmulatorModel, clock: CoreClock) -> Supply:
        """The supply that a board file describes."""
        return cls(
            clock=clock,
            running_a=model.current_a.running.value,
            waiting_a=model.current_a.waiting.value,
            supply_v=model.supply_v,
        )

    def charge_c(self) -> float:
        """Coulomb drawn since the start."""
        busy_s = self.clock.busy_s()
        return busy_s * self.running_a + (self.clock.now_s() - busy_s) * self.waiting_a
