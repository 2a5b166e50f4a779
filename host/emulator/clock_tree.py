"""The emulated RP2040's clocks: PLLs, multiplexers, gates, and the core voltage.

``rp2040py`` keeps these registers without effect, or not at all. Here they decide at what clock the
core runs (RP2040 datasheet 2.15, 2.18), and what is gated while it sleeps (2.11.2, 2.15.3.5). The
crystal is taken to be stable at once, and a PLL to lock after ``PLL_LOCK_S``.
"""

from __future__ import annotations

from collections.abc import Callable

from rp2040py.peripherals import clocks as registers
from rp2040py.peripherals.clocks import RPClocks
from rp2040py.peripherals.peripheral import BasePeripheral
from rp2040py.peripherals.ppb import RPPPB
from rp2040py.peripherals.vreg_and_chip_reset import VREG, RPVREGAndChipReset
from rp2040py.rp2040 import RP2040

from host.emulator.wall_clock import WallClock
from toolchain.errors import TargetError

XOSC_HZ = 12e6
ROSC_HZ = 6.5e6
"""Of the ring oscillator that the chip starts from; nominal (datasheet 2.17)."""
PLL_LOCK_S = 50e-6
"""Assumption: the datasheet gives no figure."""

SLEEP_EN0, SLEEP_EN1 = 0xA8, 0xAC
GATES = {0xA0: 0xFFFF_FFFF, 0xA4: 0x7FFF, SLEEP_EN0: 0xFFFF_FFFF, SLEEP_EN1: 0x7FFF}
"""WAKE_EN and SLEEP_EN with their values after a reset."""
GATE_TIMER, GATE_UART = 1 << 5, {0: 0b11 << 6, 1: 0b11 << 8}
"""Bits of SLEEP_EN1."""
MOST_GATED = 0b11 << 10 | GATE_TIMER
"""Bits of SLEEP_EN1 that a deep sleep may leave: the timer, and the USB controller's clocks."""

SCR, SLEEPDEEP = 0xD10, 1 << 2

CS, PWR, FBDIV_INT, PRIM = 0x0, 0x4, 0x8, 0xC
PLL_RESET = {CS: 1, PWR: 0x2D, FBDIV_INT: 0, PRIM: 0x77000}
PWR_VCO, PWR_POSTDIV, PWR_PLL = 1 << 5, 1 << 3, 1 << 0
PLL_ADDRESSES = {"sys": 0x40028, "usb": 0x4002C}


class Pll(BasePeripheral):
    """One PLL (2.18.4); it gives its clock once it has locked."""

    def __init__(self, mcu: RP2040, name: str, wall: WallClock, on_change: Callable[[], None]):
        super().__init__(mcu, name)
        self._wall = wall
        self._on_change = on_change
        self._registers = dict(PLL_RESET)
        self._powered_nanos = 0.0

    @property
    def powered(self) -> bool:
        """Whether its oscillator draws current."""
        return not self._registers[PWR] & (PWR_VCO | PWR_PLL)

    @property
    def locked(self) -> bool:
        """Whether its clock is what its dividers say."""
        return self.powered and self._wall.nanos >= self._powered_nanos + PLL_LOCK_S * 1e9

    @property
    def hz(self) -> float:
        """Of its output; 0 when there is none."""
        prim = self._registers[PRIM]
        dividers = (self._registers[CS] & 0x3F) * (prim >> 16 & 7) * (prim >> 12 & 7)
        if not self.locked or self._registers[PWR] & PWR_POSTDIV or not dividers:
            return 0.0
        return XOSC_HZ * self._registers[FBDIV_INT] / dividers

    def reset(self) -> None:
        """As after power-on."""
        self._registers = dict(PLL_RESET)

    def read_uint32(self, offset: int) -> int:
        """A register."""
        return self._registers.get(offset, 0) | (self.locked << 31 if offset == CS else 0)

    def write_uint32(self, offset: int, value: int) -> None:
        """A register was written."""
        before = self.powered
        self._registers[offset] = value
        if self.powered and not before:
            self._powered_nanos = self._wall.nanos
        self._on_change()


class ClockTree(RPClocks):
    """Takes the place of ``rp2040py``'s clock block, regulator and PLLs in an emulated chip.

    Args:
        mcu: the chip.
        wall: its physical time, which follows the core's clock.

    Attributes:
        before_change: called before anything changes that the supply's current depends on.
    """

    def __init__(self, mcu: RP2040, wall: WallClock) -> None:
        super().__init__(mcu, "CLOCKS")
        self._wall = wall
        self.before_change: Callable[[], None] = lambda: None
        self._gates = dict(GATES)
        self.core_hz = ROSC_HZ
        self.core_v = 1.10
        self.sleep_deep = False
        self.plls = {name: Pll(mcu, f"PLL_{name}", wall, self._update) for name in PLL_ADDRESSES}
        self.plls_on = 0
        mcu.clocks = self
        mcu.peripherals[0x40008] = self
        for name, key in PLL_ADDRESSES.items():
            mcu.peripherals[key] = self.plls[name]
        mcu.vreg_and_chip_reset = mcu.peripherals[0x40064] = _Regulator(mcu, self)
        # Made while rp2040py still says 125 MHz: SysTick counts its clock, which is core cycles.
        mcu.ppb = _SystemControl(mcu, self)
        self._apply()

    # -- what others read -----------------------------------------------------------------------

    @property
    def deeply_asleep(self) -> bool:
        """Whether a core that waits has all clocks gated but what a deep sleep may leave.

        Both cores must sleep deeply for the gates to close; the second one does from the boot ROM
        on (datasheet 2.11.2, 2.8.2).
        """
        least = self._gates[SLEEP_EN0] == 0 and not self._gates[SLEEP_EN1] & ~MOST_GATED
        return self.sleep_deep and least

    def uart_gated(self, index: int, waiting: bool) -> bool:
        """Whether a UART stands still, while the core waits or not."""
        gates = self._gates[SLEEP_EN1]
        return self.sleep_deep and waiting and gates & GATE_UART[index] != GATE_UART[index]

    # -- registers ------------------------------------------------------------------------------

    def reset(self) -> None:
        """As after a reset: from the ring oscillator, nothing gated."""
        super().reset()
        self._gates = dict(GATES)
        for pll in self.plls.values():
            pll.reset()
        self._update()

    def read_uint32(self, offset: int) -> int:
        """A register."""
        return self._gates[offset] if offset in self._gates else super().read_uint32(offset)

    def write_uint32(self, offset: int, value: int) -> None:
        """A register was written."""
        if offset in self._gates:
            self.before_change()
            self._gates[offset] = value & GATES[offset]
        else:
            super().write_uint32(offset, value)
            self._update()

    def set_sleep_deep(self, deep: bool) -> None:
        """SLEEPDEEP of the core's system control register."""
        self.before_change()
        self.sleep_deep = deep

    def set_core_v(self, volts: float) -> None:
        """The regulator's output."""
        self.before_change()
        self.core_v = volts

    def _update(self) -> None:
        self.before_change()
        self._apply()

    def _apply(self) -> None:
        self.plls_on = sum(pll.powered for pll in self.plls.values())
        hz = self._sys_hz()
        if hz <= 0:
            raise TargetError(
                "the program stopped the clock that its core runs from",
                hint="change a clock while nothing runs from it; see firmware/port/rp2040/clocks.c",
            )
        if hz != self.core_hz or self.rp2040.clk_sys != round(hz):
            self.core_hz = hz
            self.rp2040.clk_sys = self.rp2040.clk_peri = round(hz)
            self._wall.set_core_hz(hz)

    def _sys_hz(self) -> float:
        if not self.sys_ctrl & 1:
            # CLK_REF: the ring oscillator, or the crystal.
            return XOSC_HZ if self.ref_ctrl & 3 == 2 else ROSC_HZ
        sources = (self.plls["sys"].hz, self.plls["usb"].hz, ROSC_HZ, XOSC_HZ)
        auxiliary = self.sys_ctrl >> 5 & 7
        divider = self.read_uint32(registers.CLK_SYS_DIV) / 256
        return sources[auxiliary] / divider if auxiliary < len(sources) and divider else 0.0


class _Regulator(RPVREGAndChipReset):
    """The voltage regulator (2.10.6): its output is reached, and in regulation, at once."""

    ROK = 1 << 12

    def __init__(self, mcu: RP2040, tree: ClockTree) -> None:
        super().__init__(mcu, "VREG_AND_CHIP_RESET")
        self._tree = tree

    def read_uint32(self, offset: int) -> int:
        value: int = super().read_uint32(offset)
        return value | self.ROK if offset == VREG else value

    def write_uint32(self, offset: int, value: int) -> None:
        super().write_uint32(offset, value)
        if offset == VREG:
            # Steps of 50 mV from 0.85 V at 6; all below are 0.80 V.
            step = value >> 4 & 0xF
            self._tree.set_core_v(0.80 if step < 6 else 0.85 + 0.05 * (step - 6))


class _SystemControl(RPPPB):
    """The core's own peripherals, with the system control register's SLEEPDEEP."""

    def __init__(self, mcu: RP2040, tree: ClockTree) -> None:
        self._tree = tree  # the base class resets itself
        super().__init__(mcu, "PPB")

    def reset(self) -> None:
        super().reset()
        self._tree.set_sleep_deep(False)

    def read_uint32(self, offset: int) -> int:
        if offset == SCR:
            return SLEEPDEEP if self._tree.sleep_deep else 0
        value: int = super().read_uint32(offset)
        return value

    def write_uint32(self, offset: int, value: int) -> None:
        if offset == SCR:
            self._tree.set_sleep_deep(bool(value & SLEEPDEEP))
        else:
            super().write_uint32(offset, value)
