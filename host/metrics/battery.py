"""How long the node lives on a battery, and what its messages have to do with it.

Computed from the power states that a meter has measured (:class:`host.metrics.PowerStates`) and
the constants of ``battery.toml``: what a cell holds, what a message takes. The node sleeps, wakes
up, decides, sends, and sleeps again. The source article's node died because its policy exhausted
the battery with communication; a message takes thousands of decisions' energy, so what decides is
how many are sent: one for every decision, or one batch a day.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from host.metrics.metric import Provenance
from host.metrics.power import PowerStates
from host.metrics.window import NORMAL_95
from toolchain.errors import InputError
from toolchain.scenario.factors import Factor

DAY_S = 86_400.0
YEAR_DAYS = 365.25
EVERY_DECISION, DAILY_BATCH = "one for every decision", "one batch a day"
"""Message policies. A node that tells every decision wakes up for each."""
WIRED = "wired link"
_NEEDED = ("sleep_w", "inference_j", "wake_up_j")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(_Strict):
    """A battery."""

    energy_j: Factor
    self_discharge_per_year: Factor
    """Share of the whole charge."""


class Carrier(_Strict):
    """A radio."""

    message_j: Factor
    payload_bytes: Factor
    """Of one message."""


class DutyCycle(_Strict):
    """How busy a node is."""

    busy_decisions_per_day: Factor
    message_bytes_per_decision: Factor


class BatteryFactors(_Strict):
    """The constants of ``battery.toml``."""

    cells: dict[str, Cell]
    carriers: dict[str, Carrier]
    duty_cycle: DutyCycle


@lru_cache(maxsize=1)
def battery_factors() -> BatteryFactors:
    """The constants, read and validated once."""
    text = Path(__file__).with_name("battery.toml").read_text(encoding="utf-8")
    return BatteryFactors.model_validate(tomllib.loads(text))


@dataclass(frozen=True)
class Day:
    """What a node does on one day.

    Attributes:
        decisions: that it makes.
        wake_ups: from sleep.
        messages: that it sends by radio.
        link_bytes: that cross its wired link.
    """

    decisions: float
    wake_ups: float
    messages: float = 0.0
    link_bytes: float = 0.0


@dataclass(frozen=True)
class DayEnergy:
    """J of one day by what they are for, and their standard uncertainty from the power states.

    All states were measured by one meter, whose gain error is common to them, so their
    uncertainties are added as they are.
    """

    sleep_j: float
    decisions_j: float
    wake_ups_j: float
    communication_j: float
    uncertainty_j: float

    @property
    def total_j(self) -> float:
        """J of the day."""
        return self.sleep_j + self.decisions_j + self.wake_ups_j + self.communication_j

    @property
    def communication_share(self) -> float:
        """Of the whole day."""
        return self.communication_j / self.total_j

    @property
    def communication_share_awake(self) -> float:
        """Of what the node does beside sleeping."""
        awake_j = self.total_j - self.sleep_j
        return self.communication_j / awake_j if awake_j > 0 else 0.0


def day_energy(day: Day, states: PowerStates, inference_s: float, message_j: float) -> DayEnergy:
    """What a day takes.

    Args:
        day: what the node does.
        states: must have sleep, inference and wake-up; the link's where bytes cross it.
        inference_s: of one decision; the rest of the day is slept.
        message_j: of one radio message.

    Raises:
        InputError: a state is missing, or the day is too short for the decisions.
    """
    awake_s = day.decisions * inference_s
    if awake_s > DAY_S:
        raise InputError(
            f"{day.decisions:g} decisions of {inference_s:g} s take {awake_s:g} s, a day has "
            f"{DAY_S:g} s",
            hint="reckon with fewer decisions a day",
        )
    amounts = {
        "sleep_w": DAY_S - awake_s,
        "inference_j": day.decisions,
        "wake_up_j": day.wake_ups,
        "link_j_per_byte": day.link_bytes,
    }
    values, uncertainty_j = {}, 0.0
    for name, amount in amounts.items():
        figure = getattr(states, name)
        if figure is None:
            if amount:
                raise InputError(
                    f"no {name}: {states.reasons.get(name, 'it was not measured')}",
                    hint="measure the power states with 'jouleloop bench'",
                )
            values[name] = 0.0
            continue
        values[name] = amount * figure.value
        uncertainty_j += amount * figure.uncertainty
    return DayEnergy(
        sleep_j=values["sleep_w"],
        decisions_j=values["inference_j"],
        wake_ups_j=values["wake_up_j"],
        communication_j=values["link_j_per_byte"] + day.messages * message_j,
        uncertainty_j=uncertainty_j,
    )


def life_days(total_j_per_day: float, cell_j: float, self_discharge_per_year: float) -> float:
    """Days until a cell is empty; what it loses by itself is a constant share of its charge."""
    return cell_j / (total_j_per_day + cell_j * self_discharge_per_year / YEAR_DAYS)


def battery_life(
    states: PowerStates,
    inference_s: float,
    decisions_per_day: float,
    link_bytes_per_decision: float,
) -> dict[str, Any]:
    """The node's life on each cell, by how busy it is, what it sends with, and how often.

    Each life has two bounds: the far ends of the ranges of the cell, of its self-discharge and of a
    message's energy, and of the 95 % interval of what the meter measured, in the same direction.
    What an emulator assumes of the board's currents, how busy the node is and what a message holds
    are not varied.

    Args:
        states: measured or emulated.
        inference_s: of one decision.
        decisions_per_day: of the scenario.
        link_bytes_per_decision: that crossed the wired link in both directions, framing included;
            each is taken to cost what a sent one does.

    Returns:
        JSON values: ``cases``, the ``assumptions`` by name, a ``statement``, and ``provenance``,
        which is modelled; or unavailable, with a ``reason``.

    Raises:
        InputError: a day is too short for the decisions.
    """
    missing = [name for name in _NEEDED if getattr(states, name) is None]
    if missing:
        reason = "; ".join(states.reasons.get(name, f"no {name}") for name in missing)
        return {"provenance": Provenance.UNAVAILABLE.value, "reason": reason, "cases": []}
    factors = battery_factors()
    busy = factors.duty_cycle.busy_decisions_per_day.value
    cases = []
    for duty_cycle, decisions in (("scenario", decisions_per_day), ("busy", busy)):
        for carrier, policy, day in _days(decisions, link_bytes_per_decision, states):
            cases.append(
                {
                    "duty_cycle": duty_cycle,
                    **_case(carrier, policy, day, states, inference_s, factors),
                }
            )
    assert states.sleep_w is not None
    return {
        "provenance": Provenance.MODELLED.value,
        "power_states": str(states.sleep_w.provenance),
        "cases": cases,
        "statement": _statement(cases),
        "assumptions": factors.model_dump(mode="json"),
    }


def _days(
    decisions: float, link_bytes: float, states: PowerStates
) -> Iterator[tuple[str, str, Day]]:
    """Carriers and message policies with what the node does on a day."""
    factors = battery_factors()
    if states.link_j_per_byte is not None:
        yield WIRED, DAILY_BATCH, Day(decisions, 1, link_bytes=decisions * link_bytes)
    batch_bytes = decisions * factors.duty_cycle.message_bytes_per_decision.value
    for name, carrier in factors.carriers.items():
        messages = math.ceil(batch_bytes / carrier.payload_bytes.value)
        yield name, DAILY_BATCH, Day(decisions, 1, messages)
        yield name, EVERY_DECISION, Day(decisions, decisions, decisions)


def _case(
    name: str,
    policy: str,
    day: Day,
    states: PowerStates,
    inference_s: float,
    factors: BatteryFactors,
) -> dict[str, Any]:
    carrier = factors.carriers.get(name)
    ends = (0.0, 0.0, 0.0)
    if carrier is not None:
        ends = (carrier.message_j.value, carrier.message_j.low, carrier.message_j.high)
    energy, cheapest, dearest = (day_energy(day, states, inference_s, j) for j in ends)
    half = NORMAL_95 * energy.uncertainty_j
    return {
        "carrier": name,
        "policy": policy,
        "decisions_per_day": day.decisions,
        "messages_per_day": day.messages,
        "energy_j_per_day": {
            "sleep": energy.sleep_j,
            "decisions": energy.decisions_j,
            "wake_ups": energy.wake_ups_j,
            "communication": energy.communication_j,
            "total": energy.total_j,
            "uncertainty": energy.uncertainty_j,
        },
        "communication_share": energy.communication_share,
        "communication_share_awake": energy.communication_share_awake,
        "life_days": {
            cell_name: {
                "value": life_days(
                    energy.total_j, cell.energy_j.value, cell.self_discharge_per_year.value
                ),
                "low": life_days(
                    dearest.total_j + half, cell.energy_j.low, cell.self_discharge_per_year.high
                ),
                "high": life_days(
                    max(0.0, cheapest.total_j - half),
                    cell.energy_j.high,
                    cell.self_discharge_per_year.low,
                ),
            }
            for cell_name, cell in factors.cells.items()
        },
    }


def _statement(cases: list[dict[str, Any]]) -> str:
    """The article's dead node: the busy node's shortest life, beside its daily batches."""
    busy = [case for case in cases if case["duty_cycle"] == "busy"]
    dead = max(busy, key=lambda case: case["energy_j_per_day"]["total"])
    batch = next(
        case
        for case in busy
        if case["carrier"] == dead["carrier"] and case["policy"] == DAILY_BATCH
    )
    cell = max(dead["life_days"], key=lambda name: dead["life_days"][name]["value"])

    def told(case: Mapping[str, Any]) -> str:
        return (
            f"{case['communication_share']:.1%} of the energy is communication, "
            f"{case['life_days'][cell]['value']:,.1f} days on one {cell}"
        )

    return (
        f"The node that dies of its messages: at {dead['decisions_per_day']:,.0f} decisions a day, "
        f"one message for every decision by {dead['carrier']}: {told(dead)}; one batch a day: "
        f"{told(batch)}"
    )
