"""The emulated INA226 against figures worked out by hand from its datasheet."""

from __future__ import annotations

import pytest

from host.emulator import ina226
from host.emulator.ina226 import Ina226

TRIGGERED, CONTINUOUS = 3, 7


@pytest.fixture
def meter(clock, load) -> Ina226:
    return Ina226(0x40, load(0.025, 0.020), 0.1, clock.create_alarm)


def write(meter: Ina226, register: int, value: int) -> None:
    meter.start()
    for byte in (register, value >> 8, value & 0xFF):
        assert meter.write(byte)


def read(meter: Ina226, register: int) -> int:
    meter.start()
    meter.write(register)
    return meter.read() << 8 | meter.read()


def test_ids_and_reset_values(meter: Ina226) -> None:
    assert read(meter, ina226.MANUFACTURER_ID) == 0x5449  # "TI"
    assert read(meter, ina226.DIE_ID) == 0x2260
    assert read(meter, ina226.CONFIG) == 0x4127
    write(meter, ina226.CONFIG, 0x4003)
    write(meter, ina226.CONFIG, 0x8000)
    assert read(meter, ina226.CONFIG) == 0x4127


def test_a_triggered_conversion_is_done_once_and_flagged(meter: Ina226, clock) -> None:
    write(meter, ina226.CALIBRATION, 2048)
    write(meter, ina226.CONFIG, 0x4000 | TRIGGERED)  # 140 us each, no averages
    clock.advance_us(279)
    assert not read(meter, ina226.MASK_ENABLE) & ina226.CVRF
    assert read(meter, ina226.VSHUNT) == 0
    clock.advance_us(1)
    # 20 mA * 0.1 ohm / 2.5 uV = 800; 5 V / 1.25 mV = 4000; 800 * 4000 / 20000 = 160.
    assert read(meter, ina226.VSHUNT) == read(meter, ina226.CURRENT) == 800
    assert read(meter, ina226.VBUS) == 4000
    assert read(meter, ina226.POWER) == 160
    assert read(meter, ina226.MASK_ENABLE) == ina226.CVRF
    assert read(meter, ina226.MASK_ENABLE) == 0, "reading did not clear the flag"
    clock.busy = True
    clock.advance_us(10_000)
    assert read(meter, ina226.VSHUNT) == 800
    assert read(meter, ina226.MASK_ENABLE) == 0


def test_the_average_is_of_every_samples_shunt_voltage(meter: Ina226, clock) -> None:
    # 4 averages of 1100 us of shunt and 140 us of bus voltage: 4960 us.
    write(meter, ina226.CONFIG, 0x4000 | 1 << 9 | 4 << 3 | TRIGGERED)
    clock.advance_us(1240)  # one sample at 20 mA
    clock.busy = True
    clock.advance_us(3 * 1240 - 1)
    assert not read(meter, ina226.MASK_ENABLE) & ina226.CVRF
    clock.advance_us(1)
    assert read(meter, ina226.MASK_ENABLE) & ina226.CVRF
    assert read(meter, ina226.VSHUNT) == 950  # (800 + 3 * 1000) / 4


def test_a_new_setting_aborts_the_running_conversion(meter: Ina226, clock) -> None:
    write(meter, ina226.CONFIG, 0x4000 | TRIGGERED)
    clock.advance_us(200)
    write(meter, ina226.CONFIG, 0x4000 | TRIGGERED)
    clock.advance_us(200)
    assert not read(meter, ina226.MASK_ENABLE) & ina226.CVRF
    clock.advance_us(80)
    assert read(meter, ina226.MASK_ENABLE) & ina226.CVRF


def test_continuous_conversions_go_on(meter: Ina226, clock) -> None:
    write(meter, ina226.CONFIG, 0x4000 | CONTINUOUS)
    clock.advance_us(280)
    assert read(meter, ina226.VSHUNT) == 800
    clock.busy = True
    clock.advance_us(280)
    assert read(meter, ina226.VSHUNT) == 1000


def test_a_shunt_beyond_the_range_gives_the_last_code(clock, load) -> None:
    meter = Ina226(0x40, load(1.0, 1.0), 0.1, clock.create_alarm)  # 100 mV of 81.92
    write(meter, ina226.CALIBRATION, 4096)
    write(meter, ina226.CONFIG, 0x4000 | TRIGGERED)
    clock.advance_us(280)
    assert read(meter, ina226.VSHUNT) == 0x7FFF
    assert read(meter, ina226.MASK_ENABLE) & ina226.OVF  # 32767 * 4096 / 2048 does not fit
