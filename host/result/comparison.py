"""``comparison.json``: what ``jouleloop compare`` leaves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from host.result.metrics import DecisionQuality, InferenceLatency, ModeEnergyDetail
from host.result.model import ReplayedScenario
from host.result.node import Meter
from host.result.strict import Computed, Count, OnBoard, Sha256, Share, Strict, Unavailable
from toolchain.board import EmulatorModel, Sourced

Silicon = Literal["measured", "emulated"]


class Compared(Strict):
    """What answered, as far as all networks have it in common."""

    board: str
    chip_id: str
    clock_hz: int = Field(gt=0)
    firmware: str
    outside_specification: bool


class QualityInterval(Strict):
    """Mean decision quality over the held-out scenarios, with its bootstrap interval."""

    mean: float
    low: float
    high: float
    confidence: Share
    samples: Count
    """Scenarios."""
    provenance: Computed


class Bounds(Strict):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class JoulesPerCorrect(Strict):
    """J of one decision over the share of correct ones; null without a meter."""

    total: Bounds | None
    """Board total."""
    idle_subtracted: Bounds | None
    """Above idle."""


class NetworkEnergyDetail(ModeEnergyDetail):
    """J of one decision, and what was assumed where an emulator knows no cycles."""

    cycles_per_instruction: Sourced | None = None
    """That an emulator assumed of the real core."""
    assumed_range_j: tuple[float, float] | None = None
    """J, board total, over that assumption's range."""


class NetworkEnergy(Strict):
    """J of one decision, board total: the median over energy windows."""

    value: float
    unit: Literal["J"]
    provenance: OnBoard
    detail: NetworkEnergyDetail


class NetworkEntry(Strict):
    """One network."""

    engine: Literal["aot", "tflm", "float"]
    what: str
    decision_quality: QualityInterval
    decision_quality_on_board: Annotated[
        DecisionQuality | Unavailable[Literal["1"]], Field(discriminator="provenance")
    ]
    """On the run's scenario, every decision made by the board."""
    agreement: Share
    """With the float policy, on the states that it meets."""
    correct_share: Bounds
    """Decisions that name the hindsight optimum's disposition."""
    joules_per_correct_decision: JoulesPerCorrect
    decisions_by_the_board: Count
    equal_to_reference: Literal[True]
    """A single difference would have failed the command."""
    latency: Annotated[
        InferenceLatency | Unavailable[Literal["s"]], Field(discriminator="provenance")
    ]
    energy: Annotated[NetworkEnergy | Unavailable[Literal["J"]], Field(discriminator="provenance")]
    flash_bytes: Count
    """B of the image."""
    ram_bytes: Count
    """B, the deepest stack included."""
    memory_provenance: Silicon
    """Of both."""
    network_bytes: Count
    """B of the network's code and constants."""
    network_memory: str
    """That the network is run from."""
    model_sha256: Sha256
    image_sha256: Sha256


Triple = tuple[float, float, float]


class TradeEntry(Strict):
    """Changing from one network to another; each share with its 95 % interval."""

    given: str
    """The network that is left."""
    taken: str
    quality_lost: Triple
    """Share of the mean quality; negative is a gain."""
    energy_saved: Triple
    """Share of a decision's board total."""
    energy_saved_idle_subtracted: Triple | None
    """The same above idle."""
    holds: bool
    """Within ``limits``, by the figures."""
    holds_surely: bool
    """Within them at the unfavourable ends of the intervals."""


class TradeLimits(Strict):
    """The article's trade."""

    given_up: Share
    """Most quality that it gives up."""
    saved: Share
    """Least energy that it saves."""


class ComparisonResult(Strict):
    """Networks by quality and joules on one board."""

    schema_: Literal[1] = Field(alias="schema")
    """Of this file; a change that an older reader would misread has another number."""
    jouleloop: str
    target: str
    """BOARD[@WHERE]."""
    provenance: Silicon
    """Of the board."""
    identity: Compared
    counts: Literal["cycles", "instructions"]
    """What is counted of a program there."""
    meter: Meter
    """What measured the networks' windows."""
    energy_provenance: OnBoard | Literal["unavailable"]
    """Of the networks' joules: the weakest of those that have a figure."""
    scenario: ReplayedScenario
    held_out_scenarios: Count
    undefined: Count
    """Of these, the ones where nothing was to be decided."""
    networks: dict[str, NetworkEntry] = Field(min_length=1)
    pareto_front: list[str]
    """Networks that no other beats in quality and board-total J at once."""
    trades: list[TradeEntry]
    limits: TradeLimits
    statement: str
    definitions: dict[str, str]
    energy_model: EmulatorModel | None
    """What the emulated supply assumes; null where the board is physical."""
    command: str
