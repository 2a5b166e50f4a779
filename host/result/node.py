"""What the node draws and how long it lives: budget, power states, meter, battery, supply."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field

from host.metrics.battery import BatteryFactors
from host.result.strict import AtLeast0, Computed, Count, OnBoard, Share, Strict


class Saving(Strict):
    """The decisions of one network, or as the energy budget mixed both."""

    decision_quality: float | None
    decided_by: Literal["board", "reference on the host"]
    decisions: dict[Literal["full", "fallback"], Count]
    energy_per_decision_j: float | None
    """J, board total; null where no window says."""
    idle_subtracted_j: float | None
    """J above idle."""
    energy_provenance: OnBoard | Literal["unavailable"]
    median_cycles: dict[Literal["full", "fallback"], AtLeast0 | None] | None = None
    """Of one decision by network, where the board counts cycles."""
    median_instructions: dict[Literal["full", "fallback"], AtLeast0 | None] | None = None
    """The same where it counts instructions."""


class EnergySaving(Strict):
    """What the fallback costs in quality and saves in energy."""

    budget_j_per_decision_cycle: AtLeast0 | None
    """J of a day's decisions; null without a budget."""
    energy_j_per_cycle: AtLeast0 | None
    """J that the board books for each cycle."""
    energy_j_per_cycle_source: str | None
    """Whose figure that is: the board file's, or a calibration's."""
    accounting: Computed
    decision_cycles: Count
    """Days on which something was decided."""
    decision_cycles_at_the_budget: Count
    """Of these, the ones that reached it."""
    full_only: Saving
    fallback_only: Saving
    as_decided: Saving


class Power(Strict):
    """A mean power, with its standard uncertainty in W."""

    value: float
    uncertainty: AtLeast0
    unit: Literal["W"]
    provenance: OnBoard


class Energy(Strict):
    """An energy, with its standard uncertainty in J."""

    value: float
    uncertainty: AtLeast0
    unit: Literal["J"]
    provenance: OnBoard


class PowerStates(Strict):
    """What the node draws in each state; null where it was not measured, with a reason below."""

    idle_w: Power | None
    """Waiting for interrupts, clocks running."""
    sleep_w: Power | None
    """As deep asleep as the firmware lets it."""
    run_w: Power | None
    """Deciding, one decision after the other."""
    inference_j: Energy | None
    """One decision of the full network, board total."""
    inference_idle_subtracted_j: Energy | None
    """The same above idle."""
    wake_up_j: Energy | None
    """Falling asleep and waking up once, above sleep."""
    link_j_per_byte: Energy | None
    """One byte sent to the host, board total meanwhile."""
    reasons: dict[str, str]
    """Why a figure is null, by its name."""


class Windows(Strict):
    """Energy windows of all kinds."""

    run: Count
    refused: Count


class Limit(Strict):
    """Limit of an error and where it comes from."""

    limit: AtLeast0
    source: str


class MeterAccuracy(Strict):
    """How far the meter's gain and zero may be off."""

    gain_uncertainty: AtLeast0
    """Relative, standard."""
    gains: dict[str, Limit]
    """Relative limits by what is off."""
    offset_a: Limit
    """Limit of the zero, A."""


class MeterUsed(Strict):
    """The instrument that measured."""

    kind: str
    """Such as ina228 or ppk2."""
    serial: str
    """Of the individual; empty where it has none."""
    provenance: OnBoard
    sample_rate_hz: AtLeast0
    range_a: AtLeast0
    """A, the largest current that it measures."""
    resolution: str
    """Its last digit, with unit."""
    gate: str
    """How it knows a window's ends."""
    accuracy: MeterAccuracy
    settings: dict[str, Any]
    """What else was chosen, units in the names."""


class NoMeter(Strict):
    """Nothing measured."""

    kind: Literal["none"]
    reason: str = Field(min_length=1)


Meter: TypeAlias = MeterUsed | NoMeter


class DayEnergies(Strict):
    """J of one day by what they are for."""

    sleep: float
    decisions: float
    wake_ups: float
    communication: float
    total: float
    uncertainty: AtLeast0
    """Standard, of the total, from the power states."""


class Days(Strict):
    """Days on one cell, with bounds: ranges of cell and message, and of what was measured."""

    value: AtLeast0
    low: AtLeast0
    high: AtLeast0


class BatteryCase(Strict):
    """One carrier and message policy at one rate of decisions."""

    duty_cycle: Literal["scenario", "busy"]
    carrier: str
    policy: str
    """When messages are sent."""
    decisions_per_day: AtLeast0
    messages_per_day: AtLeast0
    energy_j_per_day: DayEnergies
    communication_share: Share
    """Of the whole day's energy."""
    communication_share_awake: Share
    """Of what is not sleep."""
    life_days: dict[str, Days]
    """By cell."""


class BatteryLives(Strict):
    """How long the node lives, from its power states and stated assumptions."""

    provenance: Computed
    power_states: OnBoard
    cases: list[BatteryCase] = Field(min_length=1)
    statement: str
    assumptions: BatteryFactors


class NoBatteryLife(Strict):
    """No life can be told."""

    provenance: Literal["unavailable"]
    reason: str = Field(min_length=1)
    cases: list[BatteryCase] = Field(max_length=0)


BatteryLife: TypeAlias = BatteryLives | NoBatteryLife
