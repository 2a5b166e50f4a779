"""The whole ``result.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from host.result.flows import Layers, MaterialFlows
from host.result.metrics import Composite, MaterialCircularityIndicator, Metrics
from host.result.node import BatteryLife, EnergySaving, Meter, PowerStates, Windows
from host.result.policy import (
    Agreement,
    Baselines,
    GivenQuantization,
    GivenTraining,
    Quantization,
    Training,
)
from host.result.strict import Count, Sha256, Strict
from toolchain.board import EmulatorModel

RESULT_SCHEMA = 1
"""Of ``result.json``; a change that an older reader would misread has another number."""


class Identity(Strict):
    """What answered."""

    board: str
    chip_id: str = Field(pattern="^[0-9a-f]+$")
    """Of the chip, hex."""
    firmware: str
    engine: Literal["aot", "tflm", "float"]
    image_sha256: Sha256
    """Of the image's inputs."""
    model_sha256: Sha256
    fallback_sha256: Sha256 | Literal[""]
    """Empty where the image has no fallback."""
    clock_hz: int = Field(gt=0)
    protocol: Count
    """Version of the link's."""
    meter: str
    """On the board's bus."""
    n_inputs: Count
    n_outputs: Count
    input_element: str
    output_element: str
    max_payload: Count
    """B of a frame."""
    arena_bytes: Count
    outside_specification: bool
    """The clock is faster than the chip's maker specifies."""


class ReplayedScenario(Strict):
    """What was replayed."""

    sha256: Sha256
    seed: Count
    generator: str
    products: Count
    days: Count


class Result(Strict):
    """What a benchmark leaves: every figure with its unit, its provenance and its detail."""

    schema_: Literal[1] = Field(alias="schema")
    """Of this file; a change that an older reader would misread has another number."""
    jouleloop: str
    """Version that made it."""
    target: str
    """BOARD[@WHERE]."""
    counts: Literal["cycles", "instructions"]
    """What the board's counter counts."""
    identity: Identity
    scenario: ReplayedScenario
    metrics: Metrics
    composite: Composite
    """The article's weighted sum."""
    composite_log: Composite
    """The same with energy, waste and bytes on a logarithmic scale of the board's budgets."""
    material_circularity_indicator: MaterialCircularityIndicator
    energy_saving: EnergySaving
    power_states: PowerStates
    windows: Windows
    battery_life: BatteryLife
    meter: Meter
    baselines: Baselines
    agreement: Agreement
    quantization: Quantization | GivenQuantization
    training: Training | GivenTraining
    layers: Layers
    """The policy's inference by layer, of another program than the one that was replayed."""
    material_flows: MaterialFlows
    energy_model: EmulatorModel | None
    """What the emulated supply assumes; null where the board is physical."""
    environment: dict[str, str]
    """Versions of what decides the figures."""
    command: str
    """That made the folder's last stage."""
    reproduce: list[str]
    """Command lines that make the run again in another folder, in order."""
