"""Every meter on the emulated bus, driven by the firmware, against what the supply really gave."""

from __future__ import annotations

import pytest

from host.emulator import ina226
from toolchain.protocol import (
    ErrorCode,
    HelloRequest,
    MeterKind,
    MeterReply,
    MeterRequest,
    WindowKind,
    WindowMeter,
    WindowReply,
    WindowRequest,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

METERS = ("ina219", "ina226", "ina228")
SHUNT_OHM = 0.1
SUPPLY_V = 5.0


def row(turns: int) -> bytes:
    return bytes([3]) + turns.to_bytes(4, "little")


def plain(kind: WindowKind, duration_us: int = 0, iterations: int = 0, **changes) -> WindowRequest:
    meter = changes.get("meter", WindowMeter.BOARD)
    return WindowRequest(kind, 0, meter, iterations, duration_us, 0)


def decisions(iterations: int, *rows: bytes) -> WindowRequest:
    kind = WindowKind.INFERENCE
    return WindowRequest(kind, 0, WindowMeter.BOARD, iterations, 0, len(rows), b"".join(rows))


WINDOWS = {
    "idle": plain(WindowKind.IDLE, 100_000),
    "inference": decisions(2_500, row(500)),
    "sleep": plain(WindowKind.SLEEP, 100_000),
    "link": plain(WindowKind.LINK, iterations=1_000),
}


def power_w(reply: WindowReply, meter: MeterReply) -> float:
    """Mean power, from the meter's own counts and scales."""
    if meter.energy_lsb_pj:
        return reply.energy * meter.energy_lsb_pj * 1e-12 / (reply.elapsed_us * 1e-6)
    shunt_v = reply.shunt_voltage * meter.shunt_voltage_lsb_nv * 1e-9
    bus_v = reply.bus_voltage * meter.bus_voltage_lsb_nv * 1e-9
    return shunt_v / (meter.shunt_uohm * 1e-6) * bus_v


def resolution_w(reply: WindowReply, meter: MeterReply) -> float:
    """One count of power, and one conversion at the end of an accumulating meter's window."""
    if meter.energy_lsb_pj:
        lost = meter.conversion_us / reply.elapsed_us * power_w(reply, meter)
        # A count of the current that every conversion is rounded to, and one of the energy.
        step_w = meter.charge_lsb_pc * 1e-12 * SUPPLY_V
        return lost + step_w + meter.energy_lsb_pj * 1e-12 / (reply.elapsed_us * 1e-6)
    return meter.shunt_voltage_lsb_nv * 1e-9 / (meter.shunt_uohm * 1e-6) * SUPPLY_V


@pytest.mark.parametrize("kind", METERS)
def test_windows_agree_with_the_supply_within_the_meters_resolution(bench, kind: str) -> None:
    board = bench(kind)
    meter = board.ask(MeterRequest())
    for name, request in WINDOWS.items():
        reply = board.window(request)
        true_s, true_a = board.gated()
        error_w = abs(power_w(reply, meter) - true_a * SUPPLY_V)
        assert error_w <= resolution_w(reply, meter), f"{kind}, {name}"
        # The window begins before the gate rises and ends after it falls, by some us of the core's
        # and the I2C write that halts an accumulating meter.
        assert 0 <= reply.elapsed_us * 1e-6 - true_s < 150e-6, f"{kind}, {name}"
        assert reply.gate == 3


@pytest.mark.parametrize("kind", METERS)
def test_each_is_told_by_its_ids_or_its_behaviour(bench, kind: str) -> None:
    board = bench(kind)
    expected = MeterKind[kind.upper()]
    assert board.ask(HelloRequest()).meter == expected
    reply = board.ask(MeterRequest())
    ids = {"ina219": (0, 0), "ina226": (0x5449, 0x2260), "ina228": (0x5449, 0x2281)}
    assert (reply.kind, reply.address) == (expected, 0x40)
    assert (reply.manufacturer_id, reply.device_id) == ids[kind]
    assert reply.shunt_uohm == 100_000
    accumulates = kind == "ina228"
    assert bool(reply.energy_lsb_pj) == bool(reply.charge_lsb_pc) == accumulates
    scales = {"ina219": (10_000, 4_000_000), "ina226": (2_500, 1_250_000)}
    if not accumulates:
        assert (reply.shunt_voltage_lsb_nv, reply.bus_voltage_lsb_nv) == scales[kind]


def test_without_a_meter_only_a_window_of_the_hosts_runs(bench) -> None:
    board = bench(metered=False)
    assert board.ask(HelloRequest()).meter == MeterKind.NONE
    assert board.refusal(MeterRequest())[0] == ErrorCode.NO_METER
    assert board.refusal(WINDOWS["idle"]) == (ErrorCode.NO_METER, 0)
    assert board.gate == []
    reply = board.window(plain(WindowKind.IDLE, 20_000, meter=WindowMeter.HOST))
    assert reply.gate == 3
    assert 20_000 <= reply.elapsed_us < 20_050
    assert (reply.covered_us, reply.shunt_voltage, reply.energy, reply.bus_voltage) == (0, 0, 0, 0)


@pytest.mark.parametrize("kind", METERS)
def test_the_bus_rests_while_the_gate_is_high(bench, kind: str) -> None:
    board = bench(kind)
    used: list[bool] = []
    start = board.pico.meter.start
    board.pico.meter.start = lambda: (
        used.append(bool(board.gate) and board.gate[-1][2]),
        start(),
    )
    board.window(WINDOWS["idle"])
    assert len(used) > 4
    assert not any(used)
    used.clear()
    board.window(plain(WindowKind.IDLE, 20_000, meter=WindowMeter.HOST))
    assert used == [], "the meter was touched in a window of the host's"


@pytest.mark.parametrize(
    ("kind", "duration_us", "least_share"),
    [
        ("ina226", 20_000, 0.7),
        ("ina226", 1_000_000, 0.7),
        ("ina226", 20_000_000, 1024 * (8_244 + 140) / 20e6 * 0.999),
        ("ina219", 2_000, 0.7),
        ("ina219", 80_000, 0.8),
        ("ina219", 1_000_000, 68_100 / 1e6),
    ],
)
def test_one_conversion_covers_what_it_can_of_a_window(
    bench, kind: str, duration_us: int, least_share: float
) -> None:
    reply = bench(kind).window(plain(WindowKind.IDLE, duration_us))
    assert least_share * duration_us <= reply.covered_us
    # Even the slowest part, whose conversion takes 10.2 % more, had ended.
    assert reply.covered_us * 1.102 <= reply.elapsed_us


@pytest.mark.parametrize(("kind", "duration_us"), [("ina219", 650), ("ina226", 300)])
def test_a_window_shorter_than_any_conversion_is_refused(bench, kind: str, duration_us: int):
    board = bench(kind)
    refused = board.refusal(plain(WindowKind.IDLE, duration_us))
    assert refused == (ErrorCode.COVERAGE, duration_us)
    assert board.gate == []


@pytest.mark.parametrize("kind", ["ina219", "ina226"])
def test_a_window_that_ends_before_the_conversion_is_refused(bench, kind: str) -> None:
    board = bench(kind)
    # The rehearsal sees the slow rows only, and expects a window of ten times its length.
    rows = [row(3_000)] * 16 + [row(1)] * 184
    code, us = board.refusal(decisions(200, *rows))
    assert code == ErrorCode.COVERAGE
    assert 1_000 < us < 3_000
    assert len(board.gate) == 2, "it was refused without having been tried"
    assert board.window(decisions(200, row(1_000))).iterations == 200


def test_the_flag_alone_does_not_make_a_conversion_the_windows(bench) -> None:
    """This part is ready in time; the slowest that the datasheet allows would not have been."""
    board = bench("ina226")
    flags: list[int] = []
    load = board.pico.meter._load

    def spy(register: int) -> int:
        value = load(register)
        if register == ina226.MASK_ENABLE:
            flags.append(value)
        return value

    board.pico.meter._load = spy
    # The rehearsal sees the first half of the rows only, and expects half as much again as will be.
    rows = [row(300)] * 16 + [row(20)] * 16
    code, us = board.refusal(decisions(32 * 16, *rows))
    assert code == ErrorCode.COVERAGE
    assert us > 0
    assert flags[-1] & ina226.CVRF, "the conversion had not even ended"


@pytest.mark.parametrize("kind", METERS)
def test_a_saturated_shunt_refuses_the_window(bench, kind: str) -> None:
    # 25 mA over 16 ohm are 400 mV; the ranges end at 40, 81.92 and 40.96 mV.
    board = bench(kind, true_ohm=16.0)
    assert board.refusal(WINDOWS["idle"])[0] == ErrorCode.METER


@pytest.mark.parametrize("kind", METERS)
def test_a_meter_that_vanishes_inside_the_window_refuses_it(bench, kind: str) -> None:
    board = bench(kind)
    pin = board.pico.rp2040.gpio[board.board.meter.gate_pin]
    address = board.pico.meter.address

    def unplug(level: int, _before: int) -> None:
        board.pico.meter.address = 0x7F if level == 1 else board.pico.meter.address

    forget = pin.add_listener(unplug)
    assert board.refusal(WINDOWS["idle"])[0] == ErrorCode.METER
    forget()
    board.pico.meter.address = address
    assert board.window(WINDOWS["idle"]).gate == 3


@pytest.mark.parametrize(("level", "seen"), [(False, 0b10), (True, 0b01)], ids=["low", "high"])
def test_a_gate_pin_that_is_held_is_reported(bench, level: bool, seen: int) -> None:
    board = bench()
    board.pico.gate_stuck_at = level
    assert board.window(WINDOWS["idle"]).gate == seen
    board.pico.gate_stuck_at = None
    assert board.window(WINDOWS["idle"]).gate == 3
