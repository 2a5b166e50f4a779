"""The emulated UART's receiver: it interrupts by level or by silence, as a PL011 does."""

from __future__ import annotations

import pytest
from rp2040py.peripherals import uart as registers
from rp2040py.rp2040 import RP2040

from host.emulator.line_uart import UARTIFLS, UARTRTINTR, LineUart
from host.emulator.wall_clock import WallClock

BAUD = 115_200
BIT_NANOS = 1e9 / BAUD
QUARTER, FIFOS, ENABLED = 1 << 3, 1 << 4, 1 << 0


class Line:
    """A receiver that a program has set up, and the time on its line."""

    def __init__(self, *, fifos: bool = True) -> None:
        mcu = RP2040()
        self.clock = mcu.clock
        self.uart = LineUart(mcu, 0, WallClock(mcu.clock))
        divisor = round(64 * mcu.clk_peri / (16 * BAUD))
        for register, value in (
            (registers.UARTIBRD, divisor // 64),
            (registers.UARTFBRD, divisor % 64),
            (registers.UARTLCR_H, FIFOS if fifos else 0),
            (UARTIFLS, QUARTER),
            (registers.UARTIMSC, registers.UARTRXINTR | UARTRTINTR),
            (registers.UARTCR, ENABLED | registers.RXE | registers.TXE),
        ):
            self.uart.write_uint32(register, value)

    def receive(self, count: int, *, after_bits: float = 10) -> None:
        """So many bytes come in, one every ``after_bits``."""
        for value in range(count):
            self.wait(after_bits)
            self.uart.feed_byte(value)

    def wait(self, bits: float) -> None:
        self.clock.tick(bits * BIT_NANOS)

    def take(self, count: int) -> list[int]:
        """The program reads so many."""
        return [self.uart.read_uint32(registers.UARTDR) for _ in range(count)]

    @property
    def interrupts(self) -> int:
        return self.uart.read_uint32(registers.UARTIMIS)


def test_the_eighth_byte_interrupts_and_not_the_first() -> None:
    line = Line()
    line.receive(7)
    assert line.interrupts == 0
    line.receive(1)
    assert line.interrupts == registers.UARTRXINTR
    assert line.take(1) == [0]
    assert line.interrupts == 0, "fewer than eight are left"


@pytest.mark.parametrize("count", [1, 7])
def test_a_silence_of_32_bits_interrupts_for_what_is_waiting(count: int) -> None:
    line = Line()
    line.receive(count)
    assert line.uart.receiving
    line.wait(31.5)
    assert line.interrupts == 0
    line.wait(1)
    assert line.interrupts == UARTRTINTR
    assert not line.uart.receiving
    assert line.take(count) == list(range(count))
    assert line.interrupts == 0


def test_another_byte_puts_the_silence_off() -> None:
    line = Line()
    line.receive(5, after_bits=31)
    assert line.interrupts == 0
    line.wait(33)
    assert line.interrupts == UARTRTINTR


def test_no_silence_is_awaited_where_nothing_is_waiting() -> None:
    line = Line()
    line.receive(8)
    line.take(8)
    assert not line.uart.receiving
    line.wait(100)
    assert line.interrupts == 0


def test_without_its_fifos_every_byte_interrupts() -> None:
    line = Line(fifos=False)
    line.receive(1)
    assert line.interrupts == registers.UARTRXINTR
    assert line.take(1) == [0]
    assert line.interrupts == 0


def test_a_reset_forgets_what_came() -> None:
    line = Line()
    line.receive(3)
    line.uart.reset()
    assert not line.uart.receiving
    line.wait(100)
    assert line.uart.read_uint32(registers.UARTIRIS) & UARTRTINTR == 0
