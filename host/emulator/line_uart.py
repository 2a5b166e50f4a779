"""The emulated RP2040's UART with a transmitter that takes its time.

``rp2040py`` hands every byte over as soon as it is written. Here it goes through a FIFO of 32 and a
shift register at the baud rate, with the flags and the interrupt that a PL011 has for that
(RP2040 datasheet 4.2).
"""

from __future__ import annotations

from collections import deque

from rp2040py.peripherals import uart as registers
from rp2040py.peripherals.uart import RPUART
from rp2040py.rp2040 import RP2040

from host.emulator.wall_clock import WallClock

BITS_PER_BYTE = 10  # start, 8 data, stop
FIFO_BYTES = 32
UARTIFLS = 0x34
FR_TX_EMPTY, FR_TX_FULL, FR_BUSY = 1 << 7, 1 << 5, 1 << 3
TX_LEVELS = (4, 8, 16, 24, 28)
"""Bytes in the FIFO below which the transmit interrupt comes, by the level select."""


class LineUart(RPUART):
    """Takes the place of one of ``rp2040py``'s UARTs in an emulated chip."""

    def __init__(self, mcu: RP2040, index: int, wall: WallClock) -> None:
        former = mcu.uart[index]
        super().__init__(mcu, former.name, former.irq, former.dreq)
        self._waiting: deque[int] = deque()
        self._shifting: int | None = None
        self._shifted = wall.create_alarm(self._byte_sent)
        self._levels = 2 << 3 | 2
        mcu.uart[index] = self
        mcu.peripherals[0x40034 + 4 * index] = self

    @property
    def sending(self) -> bool:
        """Whether bytes are on their way out."""
        return self._shifting is not None

    @property
    def byte_nanos(self) -> float:
        """Time of one byte on the line."""
        if not self.enabled or not self.baud_divider:
            return 1e9 * BITS_PER_BYTE / 115_200
        return 1e9 * BITS_PER_BYTE / self.baud_rate

    def reset(self) -> None:
        """As after power-on; what was being sent is cut off."""
        super().reset()
        self._waiting.clear()
        self._shifting = None
        self._shifted.cancel()
        self._levels = 2 << 3 | 2

    @property
    def flags(self) -> int:
        """The flag register."""
        received: int = super().flags & ~FR_TX_EMPTY
        return (
            received
            | (0 if self._waiting else FR_TX_EMPTY)
            | (FR_TX_FULL if len(self._waiting) >= FIFO_BYTES else 0)
            | (FR_BUSY if self.sending else 0)
        )

    def check_interrupts(self) -> None:
        """Raise or take back the UART's interrupt."""
        active = bool(self._interrupt_status & self._interrupt_mask)
        self.rp2040.set_interrupt(self.irq, active)

    def write_uint32(self, offset: int, value: int) -> None:
        """A register was written."""
        if offset == registers.UARTDR:
            self._send(value & 0xFF)
        elif offset == UARTIFLS:
            self._levels = value
        else:
            super().write_uint32(offset, value)

    @property
    def _tx_level(self) -> int:
        return TX_LEVELS[min(self._levels & 7, len(TX_LEVELS) - 1)]

    def _send(self, value: int) -> None:
        if self._shifting is None:
            self._shift(value)
        elif len(self._waiting) < FIFO_BYTES:  # a byte too many is lost, as on silicon
            self._waiting.append(value)
        if len(self._waiting) > self._tx_level:
            self._interrupt_status &= ~registers.UARTTXINTR
            self.check_interrupts()

    def _shift(self, value: int) -> None:
        self._shifting = value
        self._shifted.schedule(self.byte_nanos)

    def _byte_sent(self) -> None:
        sent, self._shifting = self._shifting, None
        if self._waiting:
            self._shift(self._waiting.popleft())
            if len(self._waiting) == self._tx_level:
                self._interrupt_status |= registers.UARTTXINTR
                self.check_interrupts()
        if self.on_byte and sent is not None:
            self.on_byte(sent)
