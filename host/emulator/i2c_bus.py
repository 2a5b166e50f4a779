"""The emulated RP2040's I2C bus with a device on it, in the time that bytes take there."""

from __future__ import annotations

from collections.abc import Callable

from rp2040py.peripherals.i2c import RPI2C, I2CMode
from rp2040py.rp2040 import RP2040

from host.emulator.ina import Ina
from host.emulator.wall_clock import NANOS_PER_CYCLE


class I2cBus:
    """Joins a device to one of ``rp2040py``'s I2C controllers.

    Args:
        mcu: the chip; its controllers' periods are in its core's cycles.
        index: which controller.
        device: what is on the bus; None: nothing, and no address is acknowledged.
    """

    def __init__(self, mcu: RP2040, index: int, device: Ina | None) -> None:
        self._controller: RPI2C = mcu.i2c[index]
        self._device = device
        self._next: Callable[[], None] = lambda: None
        self._alarm = mcu.clock.create_alarm(lambda: self._next())
        self._controller.on_start = self._start
        self._controller.on_connect = self._connect
        self._controller.on_write_byte = self._write
        self._controller.on_read_byte = self._read
        self._controller.on_stop = self._controller.complete_stop

    def _after(self, bits: int, action: Callable[[], None]) -> None:
        period = self._controller.scl_low_period + self._controller.scl_high_period
        self._next = action
        self._alarm.schedule(bits * period * NANOS_PER_CYCLE)

    def _start(self, _repeated: bool) -> None:
        if self._device is not None:
            self._device.start()
        self._after(1, self._controller.complete_start)

    def _connect(self, address: int, _mode: I2CMode) -> None:
        acknowledged = self._device is not None and address == self._device.address
        self._after(9, lambda: self._controller.complete_connect(acknowledged))

    def _write(self, value: int) -> None:
        acknowledged = self._device is not None and self._device.write(value)
        self._after(9, lambda: self._controller.complete_write(acknowledged))

    def _read(self, _acknowledge: bool) -> None:
        value = 0xFF if self._device is None else self._device.read()
        self._after(9, lambda: self._controller.complete_read(value))
