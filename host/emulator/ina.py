"""What the emulated INA219, INA226 and INA228 have in common: the bus, and the converter's turns.

The converter sees the supply's average over each conversion of the shunt voltage and what the bus
voltage is then. Noise, offset and gain error are not modelled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from host.emulator.wall_clock import Alarm


class Load(Protocol):
    """What flows through the shunt."""

    supply_v: float

    def now_s(self) -> float:
        """Virtual seconds since the start."""

    def charge_c(self) -> float:
        """Coulomb that have flowed since the start."""


@dataclass(frozen=True)
class Slot:
    """One conversion of one channel."""

    is_shunt: bool
    nanos: float


class Ina(ABC):
    """The device on the bus: :meth:`start`, :meth:`write`, :meth:`read` per byte.

    Args:
        address: 7-bit I2C address that it answers to.
        load: what flows through the shunt.
        shunt_ohm: the resistor that is really there (the firmware may be told another).
        create_alarm: makes an alarm in physical time from a callback.
    """

    POINTER_MASK: ClassVar[int] = 0xFF
    REGISTER_BYTES: ClassVar[Mapping[int, int]] = {}
    """Register widths in bytes where they are not 2."""

    def __init__(
        self,
        address: int,
        load: Load,
        shunt_ohm: float,
        create_alarm: Callable[[Callable[[], None]], Alarm],
    ) -> None:
        self.address = address
        self._load_current = load
        self._shunt_ohm = shunt_ohm
        self._alarm = create_alarm(self._slot_ended)
        self._slots: Sequence[Slot] = ()
        self._continuous = False
        self._pointer = 0
        self._written = bytearray()
        self._to_read = b""
        self._reset()

    # -- the bus, one byte at a time ------------------------------------------------------------

    def start(self) -> None:
        """START or repeated START: the next written byte is the register pointer."""
        self._written.clear()
        self._to_read = b""

    def write(self, value: int) -> bool:
        """Take one byte; the first sets the pointer. Returns ACK."""
        self._written.append(value)
        if len(self._written) == 1:
            self._pointer = value & self.POINTER_MASK
        elif len(self._written) == 3:
            self._store(self._pointer, int.from_bytes(self._written[1:3], "big"))
        return len(self._written) <= 3

    def read(self) -> int:
        """Give the next byte of the register that the pointer names."""
        if not self._to_read:
            width = self.REGISTER_BYTES.get(self._pointer, 2)
            self._to_read = self._load(self._pointer).to_bytes(width, "big")
        value, self._to_read = self._to_read[0], self._to_read[1:]
        return value

    # -- what each of them does with its registers and conversions ------------------------------

    @abstractmethod
    def _reset(self) -> None:
        """Power-on."""

    @abstractmethod
    def _store(self, register: int, value: int) -> None:
        """A register was written."""

    @abstractmethod
    def _load(self, register: int) -> int:
        """A register's value, unsigned in its width."""

    @abstractmethod
    def _shunt_converted(self, average_v: float) -> None:
        """A conversion of the shunt voltage has ended."""

    @abstractmethod
    def _bus_converted(self, bus_v: float) -> None:
        """A conversion of the bus voltage has ended."""

    @abstractmethod
    def _turn_ended(self, turn_s: float) -> None:
        """All slots have been converted once."""

    # -- conversions ----------------------------------------------------------------------------

    def _convert(self, slots: Sequence[Slot], *, continuous: bool) -> None:
        """Abort what is being converted and begin anew, with nothing where there are no slots."""
        self._slots = slots
        self._continuous = continuous
        self._slot = 0
        self._alarm.cancel()
        if slots:
            self._begin_slot()

    def _begin_slot(self) -> None:
        self._slot_charge_c = self._load_current.charge_c()
        self._slot_start_s = self._load_current.now_s()
        self._alarm.schedule(self._slots[self._slot].nanos)

    def _slot_ended(self) -> None:
        if self._slots[self._slot].is_shunt:
            elapsed_s = self._load_current.now_s() - self._slot_start_s
            average_a = (self._load_current.charge_c() - self._slot_charge_c) / elapsed_s
            self._shunt_converted(average_a * self._shunt_ohm)
        else:
            self._bus_converted(self._load_current.supply_v)
        self._slot += 1
        if self._slot == len(self._slots):
            self._slot = 0
            self._turn_ended(sum(slot.nanos for slot in self._slots) * 1e-9)
            if not self._continuous:
                self._slots = ()
                return
        self._begin_slot()


def clamped(value: float, bits: int) -> int:
    """The nearest code of a signed register of so many bits; at its end where it does not fit."""
    limit = 1 << bits - 1
    return max(-limit, min(limit - 1, round(value)))
