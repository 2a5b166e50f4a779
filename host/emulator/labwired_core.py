"""The emulated ESP32-C3's core: ``labwired`` executing an image, and what that emulator lacks.

``labwired`` executes RV32IMC at one cycle per instruction, with the chip's UART, I2C and registers.
Of what the firmware's port needs it has no system timer, no waiting core and, without the boot
ROM's image, no interrupts; its reading of the performance counter is 256 times too high, to shorten
other programs' delays. The port keeps these three in functions of their own
(``firmware/port/esp32c3/core.c``), their addresses before its entry point, and this module puts
code in their place, in memory that the image does not use. Time is the count of instructions, each
of as many cycles as is assumed of the real core, plus the time that was skipped while the core
waited; the performance counter gives the same cycles, so that the program's two clocks agree as a
chip's do. A wait ends with an interrupt that the host has found in the chip's registers. Every
other byte of the program is the image's.

labwired's own UART and I2C keep its seconds, in which an instruction takes one cycle of 160 MHz:
what they transfer while the core executes takes longer by the same factor as the instructions.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from host.emulator.esp_image import write_elf
from toolchain.errors import InputError, MissingDependencyError

TICK_HZ = 16_000_000
"""Of the system timer."""

LABWIRED_HZ = 160_000_000
"""That labwired takes a second for, whatever the firmware makes of its clocks."""

_BASE = 0x4037_C000
"""16 KB of SRAM that a chip whose program is in flash uses as its cache."""
_SKIPPED_LOW, _SKIPPED_HIGH, _WAITING, _LINE, _WAITS_SINCE, _WAITS_AT = (
    _BASE + 4 * n for n in range(6)
)
_TICK_FRACTION, _WHOLE_CYCLES, _CYCLE_FRACTION = (_BASE + 4 * n for n in range(6, 9))
"""What an instruction takes: parts of 2^-32 of a tick, cycles, parts of 2^-32 of a cycle."""
_INSTRUCTIONS_AT, _CYCLES_AT = (_BASE + 4 * n for n in range(9, 11))
"""Both counts, where the time was last asked for."""
_TICKS, _CYCLES, _WAIT = _BASE + 0x40, _BASE + 0x100, _BASE + 0x180

_TICKS_CODE = (
    0xB80025F3,  # again: csrr a1, mcycleh
    0xB0002673,  # csrr a2, mcycle
    0xB80026F3,  # csrr a3, mcycleh
    0xFED59AE3,  # bne a1, a3, again
    0x4037C7B7,  # lui a5, BASE
    0x02C7A223,  # sw a2, INSTRUCTIONS_AT(a5)
    0x01C7A703,  # lw a4, WHOLE_CYCLES(a5)
    0x0207A803,  # lw a6, CYCLE_FRACTION(a5)
    0x02E60733,  # mul a4, a2, a4
    0x03058533,  # mul a0, a1, a6
    0x00A70733,  # add a4, a4, a0
    0x03063833,  # mulhu a6, a2, a6
    0x01070733,  # add a4, a4, a6
    0x02E7A423,  # sw a4, CYCLES_AT(a5)
    0x0187A703,  # lw a4, TICK_FRACTION(a5)
    0x02E58533,  # mul a0, a1, a4       64 by 32 bits, the product less its lowest 32
    0x02E5B5B3,  # mulhu a1, a1, a4
    0x02E63633,  # mulhu a2, a2, a4
    0x00C50533,  # add a0, a0, a2
    0x00C53633,  # sltu a2, a0, a2
    0x00C585B3,  # add a1, a1, a2
    0x0007A683,  # lw a3, SKIPPED_LOW(a5)
    0x0047A703,  # lw a4, SKIPPED_HIGH(a5)
    0x00D50533,  # add a0, a0, a3
    0x00D536B3,  # sltu a3, a0, a3
    0x00E585B3,  # add a1, a1, a4
    0x00D585B3,  # add a1, a1, a3
    0x00008067,  # ret
)

_CYCLES_CODE = (
    0xB0002573,  # csrr a0, mcycle
    0x4037C7B7,  # lui a5, BASE
    0x0247A583,  # lw a1, INSTRUCTIONS_AT(a5)
    0x40B50533,  # sub a0, a0, a1
    0x0207A583,  # lw a1, CYCLE_FRACTION(a5)
    0x02B535B3,  # mulhu a1, a0, a1
    0x01C7A603,  # lw a2, WHOLE_CYCLES(a5)
    0x02C50533,  # mul a0, a0, a2
    0x00B50533,  # add a0, a0, a1
    0x0287A583,  # lw a1, CYCLES_AT(a5)
    0x00B50533,  # add a0, a0, a1
    0x00008067,  # ret
)
"""Cycles since the time was last asked for, so that equal stretches after it count alike, whatever
part of a cycle the instructions before it ended in."""

_WAIT_CODE = (
    0x4037C2B7,  # lui t0, BASE
    0xB0002373,  # csrr t1, mcycle
    0x0062A823,  # sw t1, WAITS_SINCE(t0)
    0x00100313,  # li t1, 1
    0x0062A423,  # sw t1, WAITING(t0)
    0xB0002373,  # again: csrr t1, mcycle
    0x0062AA23,  # sw t1, WAITS_AT(t0)
    0x00C2A383,  # lw t2, LINE(t0)
    0xFE038AE3,  # beqz t2, again
    0x0002A623,  # sw zero, LINE(t0)
    0x0002A423,  # sw zero, WAITING(t0)
    0x34109073,  # csrw mepc, ra        as if the interrupt came when the wait returns
    0x80000337,  # lui t1, 0x80000
    0x00736333,  # or t1, t1, t2
    0x34231073,  # csrw mcause, t1
    0x08000313,  # li t1, 0x80          MPIE: interrupts stay held back afterwards
    0x30033073,  # csrc mstatus, t1
    0x305022F3,  # csrr t0, mtvec
    0xFFC2F293,  # andi t0, t0, -4
    0x00239393,  # slli t2, t2, 2
    0x007282B3,  # add t0, t0, t2
    0x00028067,  # jr t0
)

CPU_PER_CONF, PLL_HZ = 0x600C_0008, (80_000_000, 160_000_000)
SYSCLK_CONF, FROM_PLL = 0x600C_0058, 1 << 10
_CLOCK_STEP_S, _CLOCK_STEPS = 0.5e-6, 4000
"""Short: the clock is chosen some hundred instructions before the time is first asked for."""

MAGIC = 0x33434C4A
"""Before the addresses of the three functions (``vectors.S``)."""

RTC_OPTIONS0, RESET_STATE = 0x6000_8000, 0x6000_8038
RESET_BY_POWER, RESET_BY_SOFTWARE, RESET_BY_WATCHDOG = 1, 3, 7
RTC_FAST_MEMORY, RECORD_BYTES = 0x5000_0000, 64
MAC_LOW, MAC_HIGH = 0x6000_8844, 0x6000_8848

_READ_PERFORMANCE_COUNTER = 0x7E202573  # csrr a0, 0x7e2


class LabwiredCore:
    """An ESP32-C3 that runs an image.

    Args:
        image: as it lies in flash from address 0 on, made by ``esptool elf2image``.
        chip_id: the factory's MAC address, as HELLO tells it.
        system: labwired's YAML description of the chip and what is around it.
        cycles_per_instruction: that an instruction takes.

    Raises:
        InputError: no image, or not this firmware's.
        MissingDependencyError: the ``labwired`` wheel is not installed.
    """

    def __init__(
        self, image: Path, chip_id: bytes, system: str, cycles_per_instruction: float
    ) -> None:
        try:
            self._labwired: Any = importlib.import_module("labwired")
        except ImportError as error:
            raise MissingDependencyError(
                f"labwired is not installed: {error}", hint="pip install labwired"
            ) from error
        self._image, self._system = image, system
        self._chip_id = chip_id
        self._cycles_per_instruction = cycles_per_instruction
        self._skipped = 0
        self._ticks_before = 0
        self._executed_before = 0
        self._waited = 0
        self._power_on(reset_cause=RESET_BY_POWER)

    def _power_on(self, reset_cause: int, record: bytes = b"") -> None:
        with tempfile.TemporaryDirectory(prefix="jouleloop-") as folder:
            elf, system = Path(folder) / "image.elf", Path(folder) / "system.yaml"
            system.write_text(self._system, encoding="utf-8")
            entry = write_elf(self._image, elf)
            try:
                self.sim = self._labwired.Sim(str(elf), system=str(system), uart="uart0")
            except (RuntimeError, ValueError, OSError) as error:
                raise InputError(f"{self._image}: labwired refuses it: {error}") from error
        magic, ticks, cycles, wait = (self.read(entry - 16 + 4 * n) for n in range(4))
        if magic != MAGIC or self.read(cycles) != _READ_PERFORMANCE_COUNTER:
            raise InputError(
                f"{self._image}: is no firmware that the emulator knows its way in",
                hint="build it for this board",
            )
        self.write(_TICKS, _TICKS_CODE)
        self.write(_CYCLES, _CYCLES_CODE)
        self.write(_WAIT, _WAIT_CODE)
        self.write(ticks, [_jump(ticks, _TICKS)])
        self.write(cycles, [_jump(cycles, _CYCLES)])
        self.write(wait, [_jump(wait, _WAIT)])
        self.write(_SKIPPED_LOW, [0, 0, 0, 0])
        self.write(MAC_LOW, [int.from_bytes(self._chip_id[4:], "big")])
        self.write(MAC_HIGH, [int.from_bytes(self._chip_id[2:4], "big")])
        self.write(RESET_STATE, [reset_cause])
        words = (int.from_bytes(record[at : at + 4], "little") for at in range(0, len(record), 4))
        self.write(RTC_FAST_MEMORY, words)
        self._run_to_clock()

    def write(self, address: int, words: Iterable[int]) -> None:
        """Words of memory, or of registers that follow each other."""
        for number, word in enumerate(words):
            self.sim.write_u32(address + 4 * number, word)

    def read(self, address: int) -> int:
        """A word of memory or of a register."""
        return int(self.sim.read_u32(address))

    # -- time -----------------------------------------------------------------------------------

    @property
    def executed(self) -> int:
        """Instructions since power-on, without those of a waiting core."""
        waiting = self._waited + (self.waiting_for if self.waiting else 0)
        return self._executed_before + int(self.sim.cycles) - waiting

    @property
    def now_s(self) -> float:
        """Seconds since power-on."""
        return (self._ticks_before + self.ticks) / TICK_HZ

    @property
    def ticks(self) -> int:
        """Of the system timer, since the last reset."""
        return (int(self.sim.cycles) * self._tick_fraction >> 32) + self._skipped

    def _run_to_clock(self) -> None:
        """Execute up to where the program has chosen its clock; time counts by that."""
        for _ in range(_CLOCK_STEPS):
            if self.read(SYSCLK_CONF) & FROM_PLL:
                break
            self.sim.run_for(_CLOCK_STEP_S)
        self._clock_hz = PLL_HZ[self.read(CPU_PER_CONF) & 1]
        cycles = round(self._cycles_per_instruction * (1 << 32))
        self._tick_fraction = cycles * TICK_HZ // self._clock_hz
        self.write(_TICK_FRACTION, [self._tick_fraction, cycles >> 32, cycles & 0xFFFF_FFFF])

    @property
    def clock_hz(self) -> int:
        """The core's clock while it runs from the PLL."""
        return self._clock_hz

    def run_for(self, seconds: float) -> None:
        """Execute for so long.

        Raises:
            InputError: the program did what the emulator cannot.
        """
        try:
            instructions = seconds * self._clock_hz / self._cycles_per_instruction
            self.sim.run_for(instructions / LABWIRED_HZ)
        except RuntimeError as error:
            raise InputError(f"the emulated core stopped: {error}", hint="report this") from error

    # -- waiting --------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether the core waits for an interrupt."""
        return self.read(_WAITING) != 0

    @property
    def waiting_for(self) -> int:
        """Instructions since it began to wait, by the counter that the program reads.

        ``sim.cycles`` is another one: the two drift apart.
        """
        return (self.read(_WAITS_AT) - self.read(_WAITS_SINCE)) & 0xFFFF_FFFF

    def skip(self, ticks: int) -> None:
        """Let time pass in which a waiting core executes nothing."""
        self._skipped += ticks
        self.write(_SKIPPED_LOW, [self._skipped & 0xFFFF_FFFF, self._skipped >> 32])

    def interrupt(self, line: int) -> None:
        """End the wait with an interrupt on a line of the core."""
        self._waited += self.waiting_for
        self.write(_LINE, [line])

    # -- reset ----------------------------------------------------------------------------------

    @property
    def asks_for_reset(self) -> bool:
        """Whether the program has written the bit that resets the chip."""
        return bool(self.read(RTC_OPTIONS0) & 1 << 31)

    def reset(self, cause: int = RESET_BY_SOFTWARE) -> None:
        """Start anew as after a reset that the RTC's memory is kept over."""
        record = bytes(self.sim.read_memory(RTC_FAST_MEMORY, RECORD_BYTES))
        self._executed_before, self._ticks_before = self.executed, self._ticks_before + self.ticks
        self._skipped = self._waited = 0
        self.sim.close()
        self._power_on(cause, record)


def _jump(source: int, target: int) -> int:
    """``j target`` at ``source``: the J-type's scattered 21 bits (RISC-V, chapter 2.3)."""
    offset = target - source
    bits = offset & 0x1F_FFFF
    return (
        (bits >> 20 & 1) << 31
        | (bits >> 1 & 0x3FF) << 21
        | (bits >> 11 & 1) << 20
        | (bits >> 12 & 0xFF) << 12
        | 0x6F
    )
