"""The board's own meters, from what the firmware replies, by hand."""

from types import SimpleNamespace

import pytest

from host.meter import BoardMeter
from host.metrics import Provenance
from toolchain.errors import MeasurementError
from toolchain.protocol import MeterKind, MeterReply, WindowMeter

ELAPSED_S = 0.1


def _meter(kind, *, shunt_uohm, energy_lsb_pj=0, charge_lsb_pc=0, shunt_lsb_nv=0, bus_lsb_nv):
    reply = MeterReply(
        kind=kind,
        address=0x40,
        manufacturer_id=0x5449,
        device_id=0x2281,
        shunt_calibration=0,
        shunt_uohm=shunt_uohm,
        conversion_us=300,
        energy_lsb_pj=energy_lsb_pj,
        charge_lsb_pc=charge_lsb_pc,
        shunt_voltage_lsb_nv=shunt_lsb_nv,
        bus_voltage_lsb_nv=bus_lsb_nv,
    )
    client = SimpleNamespace(meter=lambda: reply)
    identity = SimpleNamespace(meter=kind.name.lower(), board="pico", chip_id="e6")
    return BoardMeter(client, identity, Provenance.EMULATED)


@pytest.fixture
def ina228():
    # CURRENT_LSB 0.5 uA: ENERGY counts 16 x 3.2 x that in J, CHARGE that in C; VBUS 195.3125 uV.
    return _meter(
        MeterKind.INA228,
        shunt_uohm=15_000,
        energy_lsb_pj=25_600_000,
        charge_lsb_pc=500_000,
        bus_lsb_nv=195_312,
    )


@pytest.fixture
def ina226():
    return _meter(MeterKind.INA226, shunt_uohm=100_000, shunt_lsb_nv=2_500, bus_lsb_nv=1_250_000)


def test_an_accumulating_meter_counts_energy(ina228, window_reply) -> None:
    reading = ina228.read(window_reply(ELAPSED_S, energy=488, charge=5_000, bus_voltage=25_600))
    # Half a count and half a conversion are what was cut off on average.
    energy_j = 488.5 * 25.6e-6 * (1 + 150e-6 / ELAPSED_S)
    assert reading.energy_j == pytest.approx(energy_j)
    assert reading.voltage_v == pytest.approx(5.0, rel=1e-5)
    # One count, and one conversion of 300 us that an end may have cut off.
    assert reading.digit_j == pytest.approx(25.6e-6)
    assert reading.ends_j == pytest.approx(energy_j / ELAPSED_S * 300e-6)
    assert reading.resolution_j == reading.digit_j + reading.ends_j
    assert reading.edge_s is None
    assert reading.refusals == ()
    assert ina228.bounded_by is WindowMeter.BOARD


def test_an_averaging_meter_multiplies(ina226, window_reply) -> None:
    reading = ina226.read(window_reply(ELAPSED_S, shunt_voltage=1_000, bus_voltage=4_000))
    # 2.5 mV over 0.1 ohm are 25 mA, at 5 V 125 mW.
    assert reading.energy_j == pytest.approx(0.0125)
    # A step of the shunt voltage is 25 uA (125 uW), one of the bus voltage 31.25 uW.
    digit_w = (125e-6**2 + 31.25e-6**2) ** 0.5
    assert reading.digit_j == pytest.approx(digit_w * ELAPSED_S)
    assert reading.ends_j == pytest.approx(0.125 * 300e-6)


def test_what_an_averaging_meter_did_not_see_drew_the_mean(ina226, window_reply) -> None:
    changed = {"shunt_voltage": 1_000, "bus_voltage": 4_000}
    most = ina226.read(window_reply(ELAPSED_S, covered_us=41_000, **changed))
    assert most.energy_j == pytest.approx(0.0125)
    assert most.refusals == ()
    little = ina226.read(window_reply(ELAPSED_S, covered_us=39_000, **changed))
    assert "of 0.0390 of the window's 0.1000 s" in little.refusals[0]
    nothing = ina226.read(window_reply(ELAPSED_S, covered_us=0, **changed))
    assert nothing.refusals == ("the meter converted nothing within the window",)


@pytest.mark.parametrize(
    ("gate", "reason"),
    [(0, "rise and to fall"), (1, "fall"), (2, "rise")],
)
def test_a_gate_that_was_not_seen_is_refused(ina228, window_reply, gate, reason) -> None:
    reply = window_reply(ELAPSED_S, energy=488, charge=5_000, bus_voltage=25_600, gate=gate)
    assert ina228.read(reply).refusals == (f"the gate pin was not seen to {reason}",)


def test_a_mean_at_the_end_of_the_range_is_refused(ina226, window_reply) -> None:
    # 81.92 mV is the INA226's range, 32,768 steps.
    full = ina226.read(window_reply(ELAPSED_S, shunt_voltage=32_767, bus_voltage=4_000))
    assert "fills the meter's range of 0.8192 A" in full.refusals[0]
    below = ina226.read(window_reply(ELAPSED_S, shunt_voltage=32_000, bus_voltage=4_000))
    assert below.refusals == ()


def test_a_shunt_the_wrong_way_round_is_refused(ina226, ina228, window_reply) -> None:
    wrong = "the shunt is wired the wrong way round"
    reading = ina226.read(window_reply(ELAPSED_S, shunt_voltage=-1_000, bus_voltage=4_000))
    assert wrong in reading.refusals[0]
    reply = window_reply(ELAPSED_S, energy=488, charge=2**40 - 5_000, bus_voltage=25_600)
    assert wrong in ina228.read(reply).refusals[0]


def test_a_meter_that_converts_once_has_a_longest_window(ina226, ina228) -> None:
    ina219 = _meter(MeterKind.INA219, shunt_uohm=100_000, shunt_lsb_nv=10_000, bus_lsb_nv=4_000_000)
    # 128 samples of 532 us, which must be of two fifths of a window.
    assert 0.14 < ina219.longest_s < 128 * 532e-6 / 0.4
    assert ina226.longest_s > 10
    assert ina228.longest_s == float("inf")


def test_it_says_what_it_is(ina228, ina226) -> None:
    description = ina228.describe()
    assert description.kind == "ina228"
    assert description.provenance is Provenance.EMULATED
    assert description.range_a == pytest.approx(0.04096 / 0.015)
    assert description.settings["shunt_ohm"] == pytest.approx(0.015)
    assert description.resolution == "2.56e-05 J"
    assert description.sample_rate_hz == pytest.approx(1 / 300e-6)
    assert ina226.describe().resolution == "2.5e-05 A"


def test_a_board_without_a_meter_is_refused() -> None:
    identity = SimpleNamespace(meter="none", board="pico", chip_id="e6")
    with pytest.raises(MeasurementError, match="no power meter answers") as caught:
        BoardMeter(SimpleNamespace(), identity, Provenance.MEASURED)
    assert "--meter" in caught.value.hint
