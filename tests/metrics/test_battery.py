"""Battery life by hand: a day's joules, a cell's days, and the node that dies of its messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from host.metrics import PowerFigure, PowerStates, Provenance
from host.metrics.battery import (
    DAILY_BATCH,
    EVERY_DECISION,
    WIRED,
    Day,
    battery_factors,
    battery_life,
    day_energy,
    life_days,
)
from toolchain.errors import InputError


def figure(value: float, unit: str, uncertainty: float = 0.0) -> PowerFigure:
    return PowerFigure(value, uncertainty, unit, Provenance.EMULATED)


STATES = PowerStates(
    sleep_w=figure(1e-3, "W", 1e-5),
    inference_j=figure(8e-6, "J"),
    wake_up_j=figure(2e-3, "J"),
    link_j_per_byte=figure(1e-5, "J"),
)


def test_a_day_by_hand():
    # 100 decisions of 10 ms: 1 s awake. Sleep 86,399 s x 1 mW; 100 x 8 uJ; 4 x 2 mJ; 2 x 0.5 J.
    energy = day_energy(Day(100, 4, 2), STATES, 0.01, 0.5)
    assert energy.sleep_j == pytest.approx(86.399)
    assert energy.decisions_j == pytest.approx(8e-4)
    assert energy.wake_ups_j == pytest.approx(8e-3)
    assert energy.communication_j == pytest.approx(1.0)
    assert energy.total_j == pytest.approx(87.4078)
    assert energy.uncertainty_j == pytest.approx(0.86399)
    assert energy.communication_share == pytest.approx(1.0 / 87.4078)
    assert energy.communication_share_awake == pytest.approx(1.0 / 1.0088)


def test_bytes_on_the_link_are_communication():
    energy = day_energy(Day(10, 1, link_bytes=400), STATES, 0.01, 0.5)
    assert energy.communication_j == pytest.approx(4e-3)


def test_a_cells_life_by_hand():
    assert life_days(24.0, 2400.0, 0.0) == pytest.approx(100.0)
    # It loses 36.525 % a year: 0.1 % a day of 2,400 J, so 2.4 J beside the node's 21.6.
    assert life_days(21.6, 2400.0, 0.36525) == pytest.approx(100.0)
    assert life_days(0.0, 2400.0, 0.01) == pytest.approx(36525.0)


def test_a_missing_state_is_named_and_a_day_has_only_so_many_seconds():
    asleep = replace(STATES, sleep_w=None, reasons={"sleep_w": "no sleep window can be used"})
    with pytest.raises(InputError, match="no sleep window"):
        day_energy(Day(1, 1), asleep, 0.01, 0.0)
    with pytest.raises(InputError, match="a day has 86400 s"):
        day_energy(Day(1e9, 1), STATES, 0.01, 0.0)
    life = battery_life(asleep, 1e-4, 10.0, 35.0)
    assert life["provenance"] == "unavailable" and life["cases"] == []
    assert "no sleep window" in life["reason"]


def cases_of(life: dict, duty_cycle: str) -> dict[tuple[str, str], dict]:
    return {
        (case["carrier"], case["policy"]): case
        for case in life["cases"]
        if case["duty_cycle"] == duty_cycle
    }


def test_the_node_that_dies_of_its_messages_is_visible():
    life = battery_life(STATES, 1e-4, 4.0, 35.0)
    assert life["provenance"] == "modelled" and life["power_states"] == "emulated"
    busy = cases_of(life, "busy")
    dead, batched = (busy["Wi-Fi, DHCP, HTTP", policy] for policy in (EVERY_DECISION, DAILY_BATCH))
    # 1,440 x 1.7 J against 86.4 J of sleep and 2.9 J of wake-ups.
    assert dead["energy_j_per_day"]["communication"] == pytest.approx(2448.0)
    assert dead["communication_share"] == pytest.approx(
        2448 / (2448 + 86.4 + 2.88 + 0.0115), rel=1e-3
    )
    assert dead["life_days"]["CR2032"]["value"] < 1.0 < batched["life_days"]["CR2032"]["value"]
    # A day's 4,320 B are four segments.
    assert batched["messages_per_day"] == 4
    assert batched["energy_j_per_day"]["communication"] == pytest.approx(6.8)
    assert batched["communication_share"] < 0.1
    assert f"{dead['communication_share']:.1%} of the energy" in life["statement"]
    assert "Wi-Fi, DHCP, HTTP" in life["statement"] and "one batch a day" in life["statement"]


def test_a_batch_has_as_many_messages_as_its_decisions_fill():
    life = battery_life(STATES, 1e-4, 10.0, 35.0)
    scenario = cases_of(life, "scenario")
    assert scenario["LoRa SF9", DAILY_BATCH]["messages_per_day"] == 3  # 30 B in 13 B messages
    assert scenario["ESP-NOW", DAILY_BATCH]["messages_per_day"] == 1
    assert scenario["LoRa SF9", EVERY_DECISION]["messages_per_day"] == 10
    assert scenario[WIRED, DAILY_BATCH]["energy_j_per_day"]["communication"] == pytest.approx(
        3.5e-3
    )
    unwired = battery_life(replace(STATES, link_j_per_byte=None), 1e-4, 10.0, 35.0)
    assert (WIRED, DAILY_BATCH) not in cases_of(unwired, "scenario")


def test_bounds_lie_around_the_life_and_follow_the_assumptions():
    life = battery_life(STATES, 1e-4, 10.0, 35.0)
    for case in life["cases"]:
        for days in case["life_days"].values():
            assert 0 < days["low"] < days["value"] < days["high"]
    case = cases_of(life, "scenario")["Wi-Fi, MQTT", EVERY_DECISION]
    cell, radio = battery_factors().cells["18650"], battery_factors().carriers["Wi-Fi, MQTT"]
    rest_j = case["energy_j_per_day"]["total"] - 10 * radio.message_j.value
    half = 1.959964 * case["energy_j_per_day"]["uncertainty"]
    expected = life_days(
        rest_j + 10 * radio.message_j.high + half,
        cell.energy_j.low,
        cell.self_discharge_per_year.high,
    )
    assert case["life_days"]["18650"]["low"] == pytest.approx(expected)


def test_every_constant_has_unit_and_source():
    factors = battery_factors()
    named = [
        f for group in (factors.cells, factors.carriers) for part in group.values() for _, f in part
    ]
    named += [f for _, f in factors.duty_cycle]
    assert len(named) == 16
    assert all(f.unit and f.source for f in named)
