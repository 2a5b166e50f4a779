"""Energy windows and the INA228 driver, on the emulated board with a meter on its bus."""

from __future__ import annotations

import pytest

from toolchain.protocol import (
    ErrorCode,
    HelloReply,
    HelloRequest,
    MeterKind,
    MeterReply,
    MeterRequest,
    Mode,
    WindowKind,
    WindowMeter,
    WindowReply,
    WindowRequest,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

GATE_PIN = 2
CONVERSION_US = 300


def loop_row(turns: int, mask: int = 3) -> bytes:
    return bytes([mask]) + turns.to_bytes(4, "little")


def inference(iterations: int, *rows: bytes) -> WindowRequest:
    return WindowRequest(
        WindowKind.INFERENCE, Mode.FULL, WindowMeter.BOARD, iterations, 0, len(rows), b"".join(rows)
    )


def idle(duration_us: int) -> WindowRequest:
    return WindowRequest(WindowKind.IDLE, 0, WindowMeter.BOARD, 0, duration_us, 0)


def run_window(pico, request: WindowRequest, sequence: int = 1) -> WindowReply:
    return WindowReply.decode(pico.request(request, sequence).payload)


def fault(pico, request, sequence: int = 1) -> tuple[ErrorCode, int]:
    error = pico.request(request, sequence).error()
    return ErrorCode(error.code), error.detail


@pytest.fixture
def looping(pico_with, ina228):
    pico = pico_with("engine_loop")
    return pico, ina228(pico)


def test_the_meter_is_found_and_described_with_its_true_scales(looping):
    pico, meter = looping
    assert HelloReply.decode(pico.request(HelloRequest()).payload).meter == MeterKind.INA228
    reply = MeterReply.decode(pico.request(MeterRequest(), 2).payload)
    assert (reply.kind, reply.address) == (MeterKind.INA228, 0x40)
    assert (reply.manufacturer_id, reply.device_id) == (0x5449, 0x2281)
    # By hand: 13107.2e6 * 0.5e-6 A * 0.015 ohm * 4 = 393.216, so SHUNT_CAL is 393 and CURRENT_LSB
    # 393 / (13107.2e6 * 0.015 * 4) = 499.725 nA; 16 * 3.2 of those are 25.5859375 uJ.
    assert reply.shunt_calibration == meter.registers[0x02] == 393
    assert reply.shunt_uohm == 15_000
    assert reply.energy_lsb_pj == 25_585_938
    assert reply.charge_lsb_pc == 499_725
    assert reply.bus_voltage_lsb_nv in (195_312, 195_313)
    assert reply.conversion_us == CONVERSION_US
    assert meter.registers[0x00] & 1 << 4, "ADCRANGE is not +-40.96 mV"


def test_a_window_covers_its_decisions_and_nothing_else(looping):
    pico, meter = looping
    edges: list[tuple[float, int]] = []
    pico.mcu.gpio[GATE_PIN].add_listener(
        lambda value, last: edges.append((pico.clock.nanos, int(value)))
    )
    reply = run_window(pico, inference(200, loop_row(1_000)))

    assert reply.iterations == 200
    # A decision is 3003 cycles of network plus copy and choice (test_firmware_decisions).
    assert 200 * 3_003 < reply.cycles < 200 * (3_003 + 400)
    assert abs(reply.elapsed_us - reply.cycles / 125) <= 2
    conversions = reply.elapsed_us // CONVERSION_US
    assert conversions > 10
    assert abs(reply.energy / meter.ENERGY_PER_CONVERSION - conversions) <= 1
    assert reply.charge == 2**40 - reply.energy * 7 // 1000
    assert reply.bus_voltage == 25_600
    assert reply.flags == 1
    assert (reply.gate, reply.covered_us, reply.shunt_voltage) == (0b11, reply.elapsed_us, 0)

    rises = [nanos for nanos, value in edges if value == 1]
    falls = [nanos for nanos, value in edges if value == 0 and nanos > rises[0]]
    assert len(rises) == len(falls) == 1
    gate_us = (falls[0] - rises[0]) / 1000
    assert reply.elapsed_us - 20 < gate_us <= reply.elapsed_us
    inside = [nanos for nanos in meter.event_nanos if rises[0] < nanos < falls[0]]
    assert inside == [], "the bus was used inside the window"


def test_the_accumulators_are_cleared_while_the_converter_stands(looping):
    pico, meter = looping
    run_window(pico, inference(200, loop_row(1_000)))
    first = list(meter.writes)
    starts = [entry for entry in first if entry[0] in (0x00, 0x01)][-4:]
    assert starts == [(0x01, 0x0000), (0x00, 0x4010), (0x01, 0xB480), (0x01, 0x0000)]
    again = run_window(pico, inference(200, loop_row(1_000)), 2)
    assert again.energy // meter.ENERGY_PER_CONVERSION <= again.elapsed_us // CONVERSION_US


def test_a_window_cycles_through_its_rows(looping):
    pico, _ = looping
    one = run_window(pico, inference(5, loop_row(100), loop_row(10_000)), 1)
    # Rows 0, 1, 0, 1, 0
    turns = 3 * 100 + 2 * 10_000
    assert 3 * turns < one.cycles < 3 * turns + 5 * 400 + 1_000


def test_a_window_beyond_24_bits_of_cycles_is_counted_right(looping):
    pico, _ = looping
    reply = run_window(pico, inference(4, loop_row(1_500_000)))
    assert reply.cycles > 2**24
    assert abs(reply.cycles - 4 * 3 * 1_500_000) < 4 * 400 + 1_000
    assert abs(reply.elapsed_us - reply.cycles / 125) <= 2


def test_an_idle_window_sleeps_for_its_time(looping):
    pico, meter = looping
    pico.run(0.01)
    before = pico.mcu.core.cycles
    reply = run_window(pico, idle(500_000))
    busy = pico.mcu.core.cycles - before
    assert (reply.iterations, reply.cycles) == (0, 0)
    assert 500_000 <= reply.elapsed_us < 500_050
    assert reply.energy == (500_000 // CONVERSION_US) * meter.ENERGY_PER_CONVERSION
    assert busy < 125 * 5_000, "the core was awake for more than 1 % of the window"
    assert not pico.mcu.timer.alarms[0].armed, "an alarm was left behind"


def test_an_idle_window_that_a_byte_disturbs_still_lasts_its_time(looping):
    pico, _ = looping
    data = pico.frame(WindowRequest.TYPE, 1, idle(50_000).encode())
    frames = pico.exchange_all(data + pico.frame(HelloRequest.TYPE, 2), 1.0, 2)
    reply = WindowReply.decode(frames[0].payload)
    assert 50_000 <= reply.elapsed_us < 50_050
    assert frames[1].sequence == 2


def test_a_repeated_window_is_not_run_again(looping):
    pico, meter = looping
    first = pico.request(inference(10, loop_row(100)), 5)
    accesses = len(meter.event_nanos)
    assert pico.request(inference(10, loop_row(100)), 5) == first
    assert len(meter.event_nanos) == accesses


REFUSED_REQUESTS = {
    "no decisions": (inference(0, loop_row(1)), ErrorCode.ARGUMENT, 0),
    "decisions without rows": (inference(5), ErrorCode.COUNT, 0),
    "a row cut off": (
        WindowRequest(WindowKind.INFERENCE, 0, WindowMeter.BOARD, 5, 0, 1, b"\3\1\0"),
        ErrorCode.LENGTH,
        3,
    ),
    "a mask without outputs": (inference(5, loop_row(1, mask=4)), ErrorCode.ARGUMENT, 4),
    "decisions for a time": (
        WindowRequest(WindowKind.INFERENCE, 0, WindowMeter.BOARD, 5, 77, 1, loop_row(1)),
        ErrorCode.ARGUMENT,
        77,
    ),
    "no time": (idle(0), ErrorCode.ARGUMENT, 0),
    "idle decisions": (
        WindowRequest(WindowKind.IDLE, 0, WindowMeter.BOARD, 3, 100, 0),
        ErrorCode.ARGUMENT,
        3,
    ),
    "idle rows": (
        WindowRequest(WindowKind.IDLE, 0, WindowMeter.BOARD, 0, 100, 1),
        ErrorCode.COUNT,
        1,
    ),
    "idle tail": (
        WindowRequest(WindowKind.IDLE, 0, WindowMeter.BOARD, 0, 100, 0, b"abc"),
        ErrorCode.LENGTH,
        3,
    ),
    "unknown kind": (
        WindowRequest(7, 0, WindowMeter.BOARD, 1, 0, 1, loop_row(1)),
        ErrorCode.ARGUMENT,
        7,
    ),
    "unknown meter": (
        WindowRequest(WindowKind.IDLE, 0, 2, 0, 1_000, 0),
        ErrorCode.ARGUMENT,
        2,
    ),
    "a sleep shorter than going there": (
        WindowRequest(WindowKind.SLEEP, 0, WindowMeter.BOARD, 0, 999, 0),
        ErrorCode.ARGUMENT,
        999,
    ),
    "a sleep that repeats": (
        WindowRequest(WindowKind.SLEEP, 0, WindowMeter.BOARD, 2, 5_000, 0),
        ErrorCode.ARGUMENT,
        2,
    ),
    "no wake-ups": (
        WindowRequest(WindowKind.WAKE, 0, WindowMeter.BOARD, 0, 5_000, 0),
        ErrorCode.ARGUMENT,
        0,
    ),
    "wake-ups from no sleep": (
        WindowRequest(WindowKind.WAKE, 0, WindowMeter.BOARD, 5, 0, 0),
        ErrorCode.ARGUMENT,
        0,
    ),
    "wake-ups beyond 32 bits of time": (
        WindowRequest(WindowKind.WAKE, 0, WindowMeter.BOARD, 65_536, 65_536, 0),
        ErrorCode.ARGUMENT,
        65_536,
    ),
    "no bytes": (
        WindowRequest(WindowKind.LINK, 0, WindowMeter.BOARD, 0, 0, 0),
        ErrorCode.ARGUMENT,
        0,
    ),
    "too many bytes": (
        WindowRequest(WindowKind.LINK, 0, WindowMeter.BOARD, 1_000_001, 0, 0),
        ErrorCode.ARGUMENT,
        1_000_001,
    ),
    "bytes for a time": (
        WindowRequest(WindowKind.LINK, 0, WindowMeter.BOARD, 10, 5_000, 0),
        ErrorCode.ARGUMENT,
        5_000,
    ),
    "bytes and rows": (
        WindowRequest(WindowKind.LINK, 0, WindowMeter.BOARD, 10, 0, 1),
        ErrorCode.COUNT,
        1,
    ),
    "unknown mode": (
        WindowRequest(WindowKind.INFERENCE, 2, WindowMeter.BOARD, 5, 0, 1, loop_row(1)),
        ErrorCode.ARGUMENT,
        2,
    ),
    "a mode without a network": (
        WindowRequest(WindowKind.INFERENCE, Mode.FALLBACK, WindowMeter.BOARD, 5, 0, 1, loop_row(1)),
        ErrorCode.NO_FALLBACK,
        1,
    ),
    "an idle mode": (
        WindowRequest(WindowKind.IDLE, 1, WindowMeter.BOARD, 0, 100, 0),
        ErrorCode.ARGUMENT,
        1,
    ),
}


@pytest.mark.parametrize("case", REFUSED_REQUESTS)
def test_a_window_that_means_nothing_is_refused_and_the_meter_left_alone(looping, case):
    pico, meter = looping
    request, code, detail = REFUSED_REQUESTS[case]
    pico.greet()
    meter.event_nanos.clear()  # HELLO looks for it
    assert fault(pico, request) == (code, detail)
    assert meter.event_nanos == []


def test_a_window_for_a_meter_on_the_host_leaves_the_boards_alone(looping):
    pico, meter = looping
    rows = loop_row(1_000)
    request = WindowRequest(WindowKind.INFERENCE, Mode.FULL, WindowMeter.HOST, 100, 0, 1, rows)
    pico.greet()
    meter.event_nanos.clear()
    reply = run_window(pico, request)
    assert meter.event_nanos == []
    assert (reply.iterations, reply.gate) == (100, 3)
    assert abs(reply.elapsed_us - reply.cycles / 125) <= 2
    assert (reply.covered_us, reply.energy, reply.charge, reply.flags) == (0, 0, 0, 0)


def test_a_window_for_a_meter_on_the_host_needs_none_but_its_clocks(pico_with):
    pico = pico_with("engine_loop")
    request = WindowRequest(WindowKind.IDLE, 0, WindowMeter.HOST, 0, 5_000, 0)
    assert 5_000 <= run_window(pico, request).elapsed_us < 5_050
    pico.mcu.ppb.systick_timer.enable = False
    assert fault(pico, request, 2)[0] == ErrorCode.CLOCK


@pytest.mark.parametrize(("held_at", "seen"), [(False, 0b10), (True, 0b01)], ids=["low", "high"])
def test_the_gate_is_read_back_from_its_pad(looping, held_at, seen):
    pico, _ = looping
    assert run_window(pico, idle(1_000)).gate == 0b11
    pico.gate_held_at = held_at
    assert run_window(pico, idle(1_000), 2).gate == seen


def test_a_window_without_a_meter_is_refused_before_anything_runs(pico_with):
    pico = pico_with("engine_loop")
    before = pico.mcu.core.cycles
    assert fault(pico, inference(10, loop_row(1_000_000))) == (ErrorCode.NO_METER, 0)
    assert pico.mcu.core.cycles - before < 1_000_000


def test_another_device_at_the_meters_address_is_no_meter(looping):
    pico, meter = looping
    meter.registers[0x3F] = 0x2260
    assert fault(pico, MeterRequest(), 1) == (ErrorCode.NO_METER, 0)
    meter.registers[0x3F], meter.registers[0x3E] = 0x2281, 0x1234
    assert fault(pico, MeterRequest(), 2) == (ErrorCode.NO_METER, 0)
    meter.registers[0x3F], meter.registers[0x3E] = 0x228A, 0x5449  # a later revision is one
    assert pico.request(MeterRequest(), 3).type == MeterReply.TYPE


def test_a_meter_that_does_not_keep_its_calibration_is_refused(looping):
    pico, meter = looping
    meter.holds_calibration = False
    assert fault(pico, MeterRequest(), 1) == (ErrorCode.METER, 0)
    assert fault(pico, inference(1, loop_row(1)), 2) == (ErrorCode.METER, 0)


@pytest.mark.parametrize("flag", [1 << 11, 1 << 10, 1 << 9], ids=["energy", "charge", "math"])
def test_an_overflow_in_the_meter_refuses_the_window(looping, flag):
    pico, meter = looping
    meter.flags |= flag
    assert fault(pico, inference(10, loop_row(100))) == (ErrorCode.METER, flag | 1)


def test_a_meter_with_a_broken_memory_refuses_the_window(looping):
    pico, meter = looping
    meter.flags = 0
    assert fault(pico, inference(10, loop_row(100))) == (ErrorCode.METER, 0)


def test_a_meter_that_vanishes_inside_the_window_refuses_it(looping):
    pico, meter = looping
    pico.run(0.01)
    start = pico.clock.nanos
    meter.answers = lambda: pico.clock.nanos < start + 20e6
    request = inference(1_000, loop_row(1_500))
    assert fault(pico, request) == (ErrorCode.METER, 0)
    meter.answers = lambda: True
    assert run_window(pico, inference(10, loop_row(100)), 2).iterations == 10


def test_a_bus_that_does_not_move_is_given_up(looping):
    pico, meter = looping
    meter.stuck = True
    assert fault(pico, MeterRequest(), 1)[0] == ErrorCode.NO_METER
    assert pico.request(HelloRequest(), 2).type == HelloReply.TYPE


@pytest.mark.parametrize("clock", ["cycle counter", "timer"])
def test_a_window_is_refused_when_a_clock_stands(looping, clock):
    pico, _ = looping
    pico.run(0.01)
    if clock == "cycle counter":
        pico.mcu.ppb.systick_timer.enable = False
    else:
        pico.mcu.timer._micros = lambda: 1234.0
    for sequence, request in ((1, inference(10, loop_row(100))), (2, idle(1_000))):
        assert fault(pico, request, sequence)[0] == ErrorCode.CLOCK


def test_a_window_is_refused_when_the_clocks_disagree(looping):
    pico, _ = looping
    pico.run(0.01)
    pico.mcu.ppb.systick_timer.frequency = 62_500_000
    assert fault(pico, inference(10, loop_row(100)))[0] == ErrorCode.CLOCK


def test_a_negative_bus_voltage_keeps_its_sign(looping):
    pico, meter = looping
    meter.bus_voltage = -3
    assert run_window(pico, inference(1, loop_row(1))).bus_voltage == -3
