"""What the firmware tells the chip at start, register by register.

The emulator has no PLL and ignores most of this, so nothing else here would notice a wrong value
that keeps a physical board from running. Sections are the RP2040 datasheet's.
"""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

PLL_SYS = 0x40028


@pytest.fixture
def started(pico_with, recording_pll):
    pico = pico_with("engine_sum")
    pico.pll = pico.mcu.peripherals[PLL_SYS] = recording_pll()
    pico.run(0.01)
    return pico


def test_the_pll_makes_125_mhz_from_the_crystal(started):
    pll = started.pll
    prim = pll.registers[pll.PRIM]
    postdiv1, postdiv2 = prim >> 16 & 7, prim >> 12 & 7
    vco_hz = 12_000_000 / (pll.registers[pll.CS] & 0x3F) * pll.registers[pll.FBDIV_INT]
    assert 750e6 <= vco_hz <= 1600e6
    assert vco_hz / postdiv1 / postdiv2 == 125e6
    assert postdiv1 >= postdiv2
    # VCO, PLL and post dividers powered; the order is that of 2.18.3.
    assert pll.registers[pll.PWR] & (1 << 0 | 1 << 3 | 1 << 5) == 0
    writes = [offset for offset, _ in pll.log]
    assert writes == [pll.CS, pll.FBDIV_INT, pll.PWR, pll.PRIM, pll.PWR]


def test_the_clocks_run_from_crystal_and_pll(started):
    clocks = started.mcu.clocks
    assert clocks.ref_ctrl & 3 == 2  # the crystal (2.15.7)
    assert clocks.sys_ctrl & 1 == 1 and clocks.sys_ctrl >> 5 & 7 == 0  # the system PLL
    assert clocks.sys_div == 0x100
    assert clocks.peri_ctrl & 1 << 11 and clocks.peri_ctrl >> 5 & 7 == 0  # clk_sys
    assert started.mcu.xosc.read_uint32(0x04) & 1 << 31


def test_the_timer_ticks_at_one_megahertz(pico_with):
    pico = pico_with("engine_sum")
    writes: list[tuple[int, int]] = []
    watchdog = pico.mcu.watchdog
    write = watchdog.write_uint32

    def record(offset: int, value: int) -> None:
        writes.append((offset, value))
        write(offset, value)

    watchdog.write_uint32 = record
    pico.run(0.01)
    # TICK (4.7.6): enabled, 12 cycles of clk_ref, which is the 12 MHz crystal.
    assert (0x2C, 1 << 9 | 12) in writes


def test_the_uart_is_set_to_the_board_files_rate_and_frame(started):
    uart = started.mcu.uart[0]
    assert abs(uart.baud_rate / 115_200 - 1) < 0.001
    assert uart.word_length == 8 and uart.fifos_enabled
    assert uart._line_ctrl_register & 0b1110 == 0, "no parity, one stop bit (4.2.8)"
    assert uart.enabled and uart.tx_enabled and uart.rx_enabled


def test_the_pins_have_their_functions_and_pulls(started):
    gpio = started.mcu.gpio
    uart, i2c, sio = 2, 3, 5  # 2.19.2
    functions = {0: uart, 1: uart, 2: sio, 4: i2c, 5: i2c}
    assert {pin: gpio[pin].function_select for pin in functions} == functions
    for pin in (1, 4, 5):
        assert gpio[pin].input_enable and gpio[pin].pullup_enabled
        assert not gpio[pin].pulldown_enabled
    for pin in functions:
        assert not gpio[pin].output_disable
    assert started.mcu.sio.gpio_output_enable == 1 << 2
    assert started.mcu.sio.gpio_value == 0


def test_the_meters_bus_is_a_fast_mode_master_within_its_limits(started):
    i2c = started.mcu.i2c[0]
    assert i2c.control & 1 and i2c.control & 1 << 6  # master, slave disabled (4.3.17)
    assert i2c.control >> 1 & 3 == 2 and i2c.control & 1 << 5  # fast mode, restarts
    # 4.3.14.4.6: SCL is high for HCNT + SPKLEN + 7 and low for LCNT + 1 cycles of 8 ns.
    high_ns = 8 * (i2c.fs_clock_high_period + i2c._spikelen + 7)
    low_ns = 8 * (i2c.fs_clock_low_period + 1)
    assert high_ns >= 600 and low_ns >= 1300
    assert 350_000 < 1e9 / (high_ns + low_ns) <= 400_000


def test_what_is_used_is_taken_out_of_reset(pico_with):
    pico = pico_with("engine_sum")
    resets = pico.mcu.resets
    resets._reset = 0x1FFFFFF
    pico.run(0.01)
    # I2C0, IO_BANK0, PADS_BANK0, PLL_SYS, PLL_USB, TIMER, UART0, USBCTRL (2.14.3)
    used = 1 << 3 | 1 << 5 | 1 << 8 | 1 << 12 | 1 << 13 | 1 << 21 | 1 << 22 | 1 << 24
    assert resets._reset == 0x1FFFFFF & ~used
