"""The emulated INA219 against figures worked out by hand from its datasheet."""

from __future__ import annotations

import pytest

from host.emulator import ina219
from host.emulator.ina219 import Ina219

TRIGGERED = 3
GAIN_1 = 0 << 11
V32 = 1 << 13


@pytest.fixture
def meter(clock, load) -> Ina219:
    return Ina219(0x40, load(0.025, 0.020), 0.1, clock.create_alarm)


def write(meter: Ina219, register: int, value: int) -> None:
    meter.start()
    for byte in (register, value >> 8, value & 0xFF):
        assert meter.write(byte)


def read(meter: Ina219, register: int) -> int:
    meter.start()
    meter.write(register)
    return meter.read() << 8 | meter.read()


def test_it_has_no_id_but_reset_values(meter: Ina219) -> None:
    assert read(meter, ina219.CONFIG) == 0x399F
    assert {read(meter, register) for register in (0x3E, 0x3F, 0xFE, 0xFF)} == {0}
    write(meter, ina219.CALIBRATION, 0x1001)
    assert read(meter, ina219.CALIBRATION) == 0x1000, "bit 0 cannot be set"
    write(meter, ina219.CONFIG, 0x8000)
    assert (read(meter, ina219.CONFIG), read(meter, ina219.CALIBRATION)) == (0x399F, 0)


def test_a_triggered_conversion_is_done_once_and_flagged(meter: Ina219, clock) -> None:
    write(meter, ina219.CALIBRATION, 4096)
    write(meter, ina219.CONFIG, V32 | GAIN_1 | 3 << 7 | 3 << 3 | TRIGGERED)  # 12 bits, 532 us each
    clock.advance_us(1063)
    assert not read(meter, ina219.VBUS) & ina219.CNVR
    clock.advance_us(1)
    # 20 mA * 0.1 ohm / 10 uV = 200; 5 V / 4 mV = 1250; 200 * 1250 / 5000 = 50.
    assert read(meter, ina219.VSHUNT) == read(meter, ina219.CURRENT) == 200
    assert read(meter, ina219.VBUS) == 1250 << 3 | ina219.CNVR
    assert read(meter, ina219.POWER) == 50
    assert not read(meter, ina219.VBUS) & ina219.CNVR, "reading the power did not clear the flag"
    clock.busy = True
    clock.advance_us(10_000)
    assert read(meter, ina219.VSHUNT) == 200


def test_128_samples_take_68_ms_and_are_averaged(meter: Ina219, clock) -> None:
    write(meter, ina219.CONFIG, V32 | GAIN_1 | 0 << 7 | 0xF << 3 | TRIGGERED)
    clock.advance_us(34_050)
    clock.busy = True  # the second half
    clock.advance_us(34_050)
    assert not read(meter, ina219.VBUS) & ina219.CNVR, "the bus voltage has not been converted"
    clock.advance_us(84)
    assert read(meter, ina219.VBUS) & ina219.CNVR
    assert read(meter, ina219.VSHUNT) == 225


@pytest.mark.parametrize(("gain", "most"), [(0, 4000), (1, 8000), (2, 16_000), (3, 32_000)])
def test_a_shunt_beyond_the_range_gives_its_end(clock, load, gain: int, most: int) -> None:
    meter = Ina219(0x40, load(5.0, 5.0), 0.1, clock.create_alarm)  # 500 mV
    write(meter, ina219.CONFIG, V32 | gain << 11 | 3 << 3 | TRIGGERED)
    clock.advance_us(700)
    assert read(meter, ina219.VSHUNT) == most


def test_a_current_that_does_not_fit_is_flagged(meter: Ina219, clock) -> None:
    write(meter, ina219.CALIBRATION, 0xFFFE)
    clock.busy = True
    write(meter, ina219.CONFIG, V32 | GAIN_1 | 3 << 7 | 3 << 3 | TRIGGERED)
    clock.advance_us(1064)
    assert not read(meter, ina219.VBUS) & ina219.OVF  # 250 * 65534 / 4096 = 3999
    strong = Ina219(0x40, meter._load_current, 1.5, clock.create_alarm)  # 37.5 mV
    write(strong, ina219.CALIBRATION, 0xFFFE)
    write(strong, ina219.CONFIG, V32 | GAIN_1 | 3 << 7 | 3 << 3 | TRIGGERED)
    clock.advance_us(1064)
    assert read(strong, ina219.VBUS) & ina219.OVF  # 3750 * 65534 / 4096 = 59,998
