"""What the emulated board draws from its supply, by the state of its core and clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from toolchain.board import EmulatorModel


class CoreState(Protocol):
    """What the supply model reads of an emulated core."""

    @property
    def core_hz(self) -> float:
        """Its clock."""

    @property
    def core_v(self) -> float:
        """Its voltage."""

    @property
    def plls_on(self) -> int:
        """PLLs that are powered."""

    @property
    def deeply_asleep(self) -> bool:
        """Whether its clocks are gated while it waits."""

    def now_s(self) -> float:
        """Virtual seconds since the start."""

    def cycles(self) -> float:
        """Core cycles in which it executed instructions, since the start."""


@dataclass(frozen=True)
class _Mark:
    """Up to where the charge is added up."""

    now_s: float
    cycles: float


class Supply:
    """Current by state: the core executes, waits with its clocks running, or sleeps deeply.

    The currents, their dependence on clock and core voltage, and their sources are the board
    file's ``[emulator]``. Charge follows from the time in each state, so an average over any
    interval is exact for this model.

    Args:
        model: the board file's.
        core: whose state it follows; :meth:`settle` is called before that changes, other than
            between executing and waiting.
    """

    def __init__(self, model: EmulatorModel, core: CoreState) -> None:
        self.supply_v = model.supply_v
        self._model = model
        self._core = core
        self._charge_c = 0.0
        self._mark = _Mark(core.now_s(), core.cycles())

    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self._core.now_s()

    def charge_c(self) -> float:
        """Coulomb drawn since the start."""
        core, model = self._core, self._model
        elapsed_s = core.now_s() - self._mark.now_s
        busy_s = (core.cycles() - self._mark.cycles) / core.core_hz
        running_a = model.awake_a(core.core_hz, core.core_v, running=True)
        if core.deeply_asleep:
            resting_a = model.asleep_a(core.plls_on)
        else:
            resting_a = model.awake_a(core.core_hz, core.core_v, running=False)
        return self._charge_c + busy_s * running_a + (elapsed_s - busy_s) * resting_a

    def settle(self) -> None:
        """Add up what was drawn in the state that is about to end."""
        self._charge_c = self.charge_c()
        self._mark = _Mark(self._core.now_s(), self._core.cycles())
