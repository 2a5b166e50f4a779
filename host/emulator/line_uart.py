"""The emulated RP2040's UART with FIFOs that interrupt by level, and a transmitter that takes time.

``rp2040py`` hands every byte over as soon as it is written. Here it goes through a FIFO of 32 and a
shift register at the baud rate, with the flags and the interrupt that a PL011 has for that
(RP2040 datasheet 4.2). It also interrupts for every byte that comes in; here the receiver does so
when its FIFO has filled to the level that the firmware chose, or when the line has been silent for
32 bits and fewer bytes are waiting (4.2.6).
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
LEVELS = (4, 8, 16, 24, 28)
"""Bytes in a FIFO, by the level select: the transmitter interrupts when so few are left, the
receiver when so many have come."""
RX_TIMEOUT_BITS = 32
UARTRTINTR = 1 << 6


class LineUart(RPUART):
    """Takes the place of one of ``rp2040py``'s UARTs in an emulated chip."""

    def __init__(self, mcu: RP2040, index: int, wall: WallClock) -> None:
        former = mcu.uart[index]
        super().__init__(mcu, former.name, former.irq, former.dreq)
        self._waiting: deque[int] = deque()
        self._shifting: int | None = None
        self._shifted = wall.create_alarm(self._byte_sent)
        self._silence = wall.create_alarm(self._line_silent)
        self._silence_awaited = False
        self._levels = 2 << 3 | 2
        mcu.uart[index] = self
        mcu.peripherals[0x40034 + 4 * index] = self

    @property
    def sending(self) -> bool:
        """Whether bytes are on their way out."""
        return self._shifting is not None

    @property
    def receiving(self) -> bool:
        """Whether bytes wait in the FIFO for more to come, or for the line to fall silent."""
        return self._silence_awaited

    @property
    def byte_nanos(self) -> float:
        """Time of one byte on the line."""
        return BITS_PER_BYTE * self._bit_nanos

    @property
    def _bit_nanos(self) -> float:
        if not self.enabled or not self.baud_divider:
            return 1e9 / 115_200
        return 1e9 / self.baud_rate

    def reset(self) -> None:
        """As after power-on; what was being sent is cut off."""
        super().reset()
        self._waiting.clear()
        self._shifting = None
        self._shifted.cancel()
        self._await_silence(False)
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

    def read_uint32(self, offset: int) -> int:
        """A register is read."""
        value: int = super().read_uint32(offset)
        if offset == registers.UARTDR:
            if self.rx_fifo.item_count < self._rx_level:
                self._interrupt_status &= ~registers.UARTRXINTR
            if self.rx_fifo.empty:
                self._interrupt_status &= ~UARTRTINTR
                self._await_silence(False)
            self.check_interrupts()
        return value

    def feed_byte(self, value: int) -> None:
        """A byte has come in."""
        self.rx_fifo.push(value)
        if self.rx_fifo.item_count >= self._rx_level:
            self._interrupt_status |= registers.UARTRXINTR
        self._await_silence(True)
        self.check_interrupts()

    def _await_silence(self, awaited: bool) -> None:
        self._silence_awaited = awaited
        if awaited:
            self._silence.schedule(RX_TIMEOUT_BITS * self._bit_nanos)
        else:
            self._silence.cancel()

    def _line_silent(self) -> None:
        self._silence_awaited = False
        self._interrupt_status |= UARTRTINTR
        self.check_interrupts()

    @property
    def _rx_level(self) -> int:
        return self._level(self._levels >> 3) if self.fifos_enabled else 1

    @property
    def _tx_level(self) -> int:
        return self._level(self._levels)

    @staticmethod
    def _level(select: int) -> int:
        return LEVELS[min(select & 7, len(LEVELS) - 1)]

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
