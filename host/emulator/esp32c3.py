"""The emulated ESP32-C3: a flash image in ``labwired``, a meter on its I2C bus, bytes on its UART.

Time is virtual. It advances by the cycles that the board file assumes for every executed
instruction, jumps to the next event while the core waits for an interrupt, and stands still while
nothing but the host could wake it: how slow the host is never shows in a figure. What the core
counts, its time and what the meter integrates agree, all by that assumption.

Of the watchdogs the one that the firmware feeds is there, timer group 0's; those that it stops are
not, nor the super watchdog, which feeds itself. The interrupt matrix and the system timer's
comparators are read from the registers that the firmware has written; an interrupt is taken when
the core waits.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable
from pathlib import Path

from host.emulator.labwired_core import (
    FROM_PLL,
    RESET_BY_SOFTWARE,
    RESET_BY_WATCHDOG,
    RTC_OPTIONS0,
    SYSCLK_CONF,
    TICK_HZ,
    LabwiredCore,
)
from host.emulator.labwired_meter import MeterOnBus, describe
from host.emulator.labwired_watchdog import Watchdog
from host.emulator.meters import METERS
from host.emulator.supply import Supply
from toolchain.board import Board
from toolchain.errors import InputError
from toolchain.protocol import EMULATED_CHIP_IDS

BITS_PER_BYTE = 10  # start, 8 data, stop
STEP_S = 20e-6
"""Longest stretch that is executed without a look at the bus: less than a byte takes there."""
HANDLER_STEP_S = 3e-6
"""The first after an interrupt, which may have little to do."""
STEPS = 100
"""Of them at a time."""

_UART = 0x6000_0000
_UART_INT_ENA, _UART_CLKDIV, _UART_STATUS = _UART + 0x0C, _UART + 0x14, _UART + 0x1C
_UART_CONF1 = _UART + 0x24
SILENCE_BYTES = 2
"""After which the receiver's timeout comes (uart.c of the port)."""
_FLUSH_STEP_S = 20e-6  # 128 bytes at the fastest divisor
_FLUSH_STEPS = 50
_INT_RX, _INT_TX_EMPTY = 1 << 8 | 1 << 0, 1 << 1
_TX_EMPTY_BYTES = 32
_SYSTIMER = 0x6002_3000
_CONF, _INT_ENA = _SYSTIMER, _SYSTIMER + 0x64
_MATRIX = 0x600C_2000
_ENABLE, _PRIORITY, _THRESHOLD = _MATRIX + 0x104, _MATRIX + 0x114, _MATRIX + 0x194
_SOURCE_UART, _SOURCE_SYSTIMER = 21, 37
_WAKE, _HEARTBEAT = 0, 1
"""Comparators of the system timer; the second only feeds the watchdog (timers.c of the port)."""
_GPIO_OUT = 0x6000_4004
_GATE = """\
board_io:
  - id: gate
    kind: button
    peripheral: gpio
    pin: {pin}
    signal: input
    active_high: true
"""
_PERIP_CLK_EN0, _UART_CLOCKED = 0x600C_0010, 1 << 2
_PLL_OFF = 1 << 10
_CRYSTAL_HZ = 40e6


class _Alarm:
    """An alarm in virtual time, rung by :meth:`EmulatedEsp32c3.run`."""

    def __init__(self, now_s: Callable[[], float], callback: Callable[[], None]) -> None:
        self.due_s: float | None = None
        self._now_s = now_s
        self._callback = callback

    def schedule(self, delta_nanos: float) -> None:
        """Ring once, so many nanoseconds from now."""
        self.due_s = self._now_s() + delta_nanos * 1e-9

    def cancel(self) -> None:
        """Do not ring."""
        self.due_s = None

    def ring(self) -> None:
        """Call back if it is due."""
        if self.due_s is not None and self.due_s <= self._now_s():
            self.due_s = None
            self._callback()


class EmulatedEsp32c3:
    """One board: feed it bytes, run it, take the bytes it sent.

    Args:
        board: the board file.
        image: the BIN in its flash.
        serial: text that the chip's MAC address is derived from; the same text, the same board.
        on_byte: called with every byte that the firmware sends on its UART.
        metered: whether the board's meter is on its bus.

    Attributes:
        chip_id: the MAC address that follows from ``serial``, as HELLO tells it.
        supply: what the board draws; None where its board file has no emulator.
        gate_stuck_at: the level that something holds the gate pin at; None: nothing does.
        bytes_slept_over: bytes of the host that came while the UART's clock was gated.
    """

    def __init__(
        self,
        board: Board,
        image: Path,
        serial: str,
        on_byte: Callable[[int], None],
        *,
        metered: bool = True,
    ) -> None:
        # Locally administered and no group's, so that it is no manufacturer's.
        mark = EMULATED_CHIP_IDS[1]
        self.chip_id = mark + hashlib.sha256(serial.encode()).digest()[: 8 - len(mark)]
        self._on_byte = on_byte
        self._byte_ticks = BITS_PER_BYTE * TICK_HZ / board.link.baud
        self._incoming: deque[int] = deque()
        self._next_arrival = self._silent_at = 0.0
        self.bytes_slept_over = 0

        wiring = board.meter if metered else None
        system = f"name: {board.name}\nchip: {_chip_file()}\n"
        if wiring is None:
            system += "external_devices: []\n"
        else:
            kind = METERS[wiring.kind]
            system += describe(wiring.address, wiring.sda_pin, wiring.scl_pin)
        self._gate_bit = 0 if board.meter is None else 1 << board.meter.gate_pin
        if board.meter is not None:
            system += _GATE.format(pin=board.meter.gate_pin)
        self._gate_high = False
        self.gate_stuck_at: bool | None = None
        model = board.emulator
        assumed = None if model is None else model.cycles_per_instruction
        self._cycles_per_instruction = 1.0 if assumed is None else assumed.value
        self._core = LabwiredCore(image, self.chip_id, system, self._cycles_per_instruction)

        self._watchdog = Watchdog(self._core)
        self.core_hz = float(self._core.clock_hz)
        self.core_v = 1.1
        self.plls_on = 1
        self.deeply_asleep = False
        self.supply = None if board.emulator is None else Supply(board.emulator, self)
        self._alarms: list[_Alarm] = []
        self._meter: MeterOnBus | None = None
        if wiring is not None and self.supply is not None:
            meter = kind(wiring.address, self.supply, wiring.shunt_ohm, self._create_alarm)
            self._meter = MeterOnBus(meter)

    def _follow_gate(self) -> None:
        """A pin follows what drives it, which labwired leaves out; or something holds it."""
        driven = bool(self._core.read(_GPIO_OUT) & self._gate_bit)
        level = driven if self.gate_stuck_at is None else self.gate_stuck_at
        if level != self._gate_high:
            self._gate_high = level
            self._core.sim.set_pin("gate", level)

    # -- CoreState ------------------------------------------------------------------------------

    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self._core.now_s

    def cycles(self) -> float:
        """Cycles of the instructions that were executed, since the start."""
        return self._core.executed * self._cycles_per_instruction

    def _create_alarm(self, callback: Callable[[], None]) -> _Alarm:
        alarm = _Alarm(self.now_s, callback)
        self._alarms.append(alarm)
        return alarm

    def _follow_clocks(self) -> None:
        """See what the firmware has made of its clocks."""
        read = self._core.read
        hz = float(self._core.clock_hz) if read(SYSCLK_CONF) & FROM_PLL else _CRYSTAL_HZ
        plls_on = 0 if read(RTC_OPTIONS0) & _PLL_OFF else 1
        asleep = not read(_PERIP_CLK_EN0) & _UART_CLOCKED
        if (hz, plls_on, asleep) != (self.core_hz, self.plls_on, self.deeply_asleep):
            if self.supply is not None:
                self.supply.settle()
            self.core_hz, self.plls_on, self.deeply_asleep = hz, plls_on, asleep

    # -- the line -------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Put bytes on the board's receive line; they arrive one by one at its baud rate."""
        if not self._incoming:
            self._next_arrival = self._core.ticks + self._byte_ticks
        self._incoming.extend(data)

    def feed_usb(self, data: bytes) -> None:
        """Write to the USB serial line.

        Raises:
            InputError: always: labwired has no USB host.
        """
        raise InputError("the emulated board's USB socket is empty")

    def _arrive(self) -> None:
        now = self._core.ticks
        arrived = bytearray()
        while self._incoming and self._next_arrival <= now:
            arrived.append(self._incoming.popleft())
            self._silent_at = self._next_arrival + SILENCE_BYTES * self._byte_ticks
            self._next_arrival += self._byte_ticks
        if self.deeply_asleep:
            self.bytes_slept_over += len(arrived)
        elif arrived:
            self._core.sim.send_bytes(bytes(arrived))

    # -- interrupts -----------------------------------------------------------------------------

    def _sending(self) -> bool:
        return bool(self._core.read(_UART_STATUS) >> 16 & 0x3FF)

    def _sources(self) -> list[int]:
        """What asks for an interrupt now."""
        read = self._core.read
        sources = [_SOURCE_SYSTIMER + n for n, at in self._armed() if at <= self._core.ticks]
        enabled, status = read(_UART_INT_ENA), read(_UART_STATUS)
        received, left = status & 0x3FF, status >> 16 & 0x3FF
        full = received >= read(_UART_CONF1) & 0x1FF or self._core.ticks >= self._silent_at
        if (enabled & _INT_RX and received and full) or (
            enabled & _INT_TX_EMPTY and left < _TX_EMPTY_BYTES
        ):
            sources.append(_SOURCE_UART)
        return sources

    def _received(self) -> bool:
        return bool(self._core.read(_UART_STATUS) & 0x3FF)

    def _armed(self) -> list[tuple[int, int]]:
        """Comparators that are on, with their times."""
        read = self._core.read
        conf, enabled = read(_CONF), read(_INT_ENA)
        return [
            (n, read(_SYSTIMER + 0x1C + 8 * n) << 32 | read(_SYSTIMER + 0x20 + 8 * n))
            for n in (_WAKE, _HEARTBEAT)
            if conf >> (24 - n) & 1 and enabled >> n & 1
        ]

    def _line(self) -> int | None:
        """The line of the core on which an interrupt is pending and enabled."""
        read = self._core.read
        for source in self._sources():
            line = read(_MATRIX + 4 * source) & 31
            if read(_ENABLE) >> line & 1 and read(_PRIORITY + 4 * line) >= read(_THRESHOLD):
                return line
        return None

    # -- running --------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Only the host can wake the core: it waits, no byte is under way, no timer is armed.

        The heartbeat is no such timer: a core that waits with nothing else would wake, feed the
        watchdog and wait again for ever. Without it the watchdog is one.
        """
        if (
            not self._core.waiting
            or self._incoming
            or self._received()
            or self._sending()
            or self._line() is not None
        ):
            return False
        armed = {n for n, _ in self._armed()}
        return not armed - {_HEARTBEAT} and (bool(armed) or self._watchdog.due_s is None)

    def run(self) -> None:
        """Run for at most some milliseconds of virtual time; returns at once when :attr:`idle`."""
        for _ in range(STEPS):
            self._arrive()
            longest_s = STEP_S
            if self._core.waiting:
                if not self._end_wait():
                    if self.idle:
                        return
                    continue
                longest_s = HANDLER_STEP_S
            self._core.run_for(self._step_s(longest_s))
            self._hand_over()
            self._look()
            if self._core.asks_for_reset:
                self._reset(RESET_BY_SOFTWARE)
            elif self._watchdog.expired:
                self._reset(RESET_BY_WATCHDOG)

    def _reset(self, cause: int) -> None:
        self._core.reset(cause)
        self._watchdog.restart()

    def _look(self) -> None:
        """After the core has executed: clocks, gate, the meter's conversions, its bus."""
        self._watchdog.follow()
        self._follow_clocks()
        self._follow_gate()
        self._ring()
        if self._meter is not None:
            self._meter.follow(self._core.sim)

    def _ring(self) -> None:
        for alarm in self._alarms:
            alarm.ring()

    def _step_s(self, longest_s: float) -> float:
        left_s = [alarm.due_s - self.now_s() for alarm in self._alarms if alarm.due_s is not None]
        return max(1e-9, min([longest_s, *left_s]))

    def _end_wait(self) -> bool:
        """An interrupt for a core that waits; else let time pass, unless only the host could."""
        line = self._line()
        if line is not None:
            self._core.interrupt(line)
            return True
        if self._sending():
            self._send_while_waiting()
        elif not self.idle:
            self._pass(self._until_next_event())
            if self._watchdog.expired:
                self._reset(RESET_BY_WATCHDOG)
        return False

    def _pass(self, ticks: int) -> None:
        """Skip so much time, with a halt wherever an alarm is due."""
        end = self._core.ticks + ticks
        while (left := end - self._core.ticks) > 0:
            self._core.skip(max(1, min([left, *self._ticks_to_alarms()])))
            self._ring()

    def _ticks_to_alarms(self) -> list[int]:
        now_s = self.now_s()
        return [
            math.ceil((alarm.due_s - now_s) * TICK_HZ)
            for alarm in self._alarms
            if alarm.due_s is not None
        ]

    def _hand_over(self) -> int:
        sent = self._core.sim.read_uart_bytes()
        for byte in sent:
            self._on_byte(byte)
        return len(sent)

    def _send_while_waiting(self) -> None:
        """Empty the transmitter's FIFO at once, and let the time pass that the line takes for it.

        Executing a core that waits, byte time by byte time, would come to the same.
        """
        core = self._core
        divisor = core.read(_UART_CLKDIV)
        core.write(_UART_CLKDIV, [1])
        for _ in range(_FLUSH_STEPS):
            core.run_for(_FLUSH_STEP_S)
            if not self._sending():
                break
        core.write(_UART_CLKDIV, [divisor])
        self._pass(round(self._hand_over() * self._byte_ticks))

    def _until_next_event(self) -> int:
        """Ticks that nothing happens in, at least 1."""
        times = [float(at) for _, at in self._armed()]
        received = self._core.read(_UART_STATUS) & 0x3FF
        if self._incoming:
            # Nothing comes of a byte before the FIFO is full enough, or the line silent.
            room = max(1, (self._core.read(_UART_CONF1) & 0x1FF) - received)
            bytes_ahead = min(len(self._incoming), room)
            times.append(self._next_arrival + (bytes_ahead - 1) * self._byte_ticks)
        elif received:
            times.append(self._silent_at)
        due_s = self._watchdog.due_s
        if due_s is not None:
            left_s = max(0.0, due_s - self.now_s())
            times.append(self._core.ticks + math.ceil(left_s * TICK_HZ))
        return max(1, int(min(times) - self._core.ticks) + 1)


def _chip_file() -> Path:
    """labwired's own description of the chip."""
    import labwired

    return Path(labwired.__file__).parent / "configs" / "chips" / "esp32c3.yaml"
