"""The eleven metrics and the composites, each with its unit, its provenance and its detail."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from host.result.strict import (
    AtLeast0,
    Computed,
    Count,
    OnBoard,
    Share,
    Strict,
    Unavailable,
)
from toolchain.board import Sourced


class CircularityDetail(Strict):
    """Masses of all decided products."""

    mass_reentered_kg: float
    """kg that re-enter a loop."""
    mass_kg: float
    """kg of all decided products."""


class MaterialCircularity(Strict):
    """Mass that re-enters a loop over the mass of all decided products."""

    value: float
    unit: Literal["kg/kg"]
    provenance: Computed
    detail: CircularityDetail


class RecoveryDetail(Strict):
    """Energies of all chosen routes."""

    energy_saved_mj: float
    """MJ of embodied energy saved."""
    energy_invested_mj: float
    """MJ of process and transport."""


class EnergyRecovery(Strict):
    """MJ of embodied energy saved by the chosen routes over MJ invested in them."""

    value: float
    unit: Literal["MJ/MJ"]
    provenance: Computed
    detail: RecoveryDetail


class ReuseDetail(Strict):
    """Components of all decided products."""

    components_reused: AtLeast0
    """That go on being used."""
    components: AtLeast0
    """All of them."""


class ComponentReuseRate(Strict):
    """Components that go on being used over components in all decided products."""

    value: Share
    unit: Literal["1"]
    provenance: Computed
    detail: ReuseDetail


class WasteDetail(Strict):
    """Of all decided products."""

    mass_wasted_kg: float
    """kg that leave every loop."""
    products: Count


class WasteGeneration(Strict):
    """kg that leave every loop, per decided product."""

    value: float
    unit: Literal["kg/product"]
    provenance: Computed
    detail: WasteDetail


class TotalParts(Strict):
    """Parts of the standard uncertainty of the board's total, J; added in quadrature."""

    scatter: AtLeast0
    """Of the windows among themselves."""
    resolution: AtLeast0
    """The meter's last digit."""
    gain: AtLeast0
    """The meter's gain."""
    offset: AtLeast0
    """The meter's zero."""


class NetParts(Strict):
    """Parts of the standard uncertainty of the energy above idle, J; added in quadrature."""

    scatter: AtLeast0
    """Of the windows among themselves."""
    resolution: AtLeast0
    """The meter's last digit."""
    gain: AtLeast0
    """The meter's gain."""
    baseline: AtLeast0
    """The idle windows that are subtracted."""


class Energies(Strict):
    """J of one decision, board total and above idle, with standard uncertainties."""

    total_j: float
    """J, board total."""
    total_uncertainty_j: AtLeast0
    """J, standard."""
    total_uncertainty_parts_j: TotalParts
    idle_subtracted_j: float | None
    """J above idle; null without an idle window."""
    idle_subtracted_uncertainty_j: AtLeast0 | None
    """J, standard."""
    idle_subtracted_uncertainty_parts_j: NetParts | None
    idle_power_w: float | None
    """W while the board waits."""


class ModeEnergyDetail(Energies):
    """J of one decision of one network, and the windows that say so."""

    windows_j: list[float]
    """J of one decision in each accepted window."""
    iterations: list[Count]
    """Decisions in each of them."""
    elapsed_s: list[AtLeast0]
    """s that each of them lasted."""
    idle_windows: Count
    """Accepted ones."""
    refused: list[str]
    """Why a window was not accepted, one entry a window."""


class ModeEnergy(Strict):
    """J of one decision of one network."""

    decisions: Count
    """That it made in the replay."""
    value: float
    unit: Literal["J"]
    provenance: OnBoard
    detail: ModeEnergyDetail


class NoModeEnergy(Unavailable[Literal["J"]]):
    """A network whose windows give no figure."""

    decisions: Count
    """That it made in the replay."""


class Modes(Strict):
    """Both networks of the image."""

    full: Annotated[ModeEnergy | NoModeEnergy, Field(discriminator="provenance")]
    fallback: Annotated[ModeEnergy | NoModeEnergy, Field(discriminator="provenance")]


class EnergyDetail(Energies):
    """J of one decision of the replay: the mean over both networks' decisions."""

    modes: Modes
    cycles_per_instruction: Sourced | None = None
    """That an emulator assumed of the real core; what a decision takes is proportional to it."""
    assumed_range_j: tuple[float, float] | None = None
    """J, board total, over that assumption's range."""


class EnergyPerDecision(Strict):
    """J that the node spends on one decision, board total: the median over energy windows."""

    value: float
    unit: Literal["J"]
    provenance: OnBoard
    detail: EnergyDetail


class FlashParts(Strict):
    """B of flash by part."""

    startup: Count
    text: Count
    rodata: Count
    fast_code: Count = Field(alias="fast code")
    """Copied into RAM at start."""
    network: Count
    """Code and constants of both networks."""
    data_image: Count = Field(alias="data image")
    """First values of the data section."""


class RamParts(Strict):
    """B of RAM by part."""

    data: Count
    bss: Count
    fast_code: Count = Field(alias="fast code")
    network: Count
    """0 where the network is run from flash."""
    deepest_stack: Count = Field(alias="deepest stack")
    """The deepest stack that the board saw."""


class MemoryLimits(Strict):
    """What there is, in B."""

    flash_bytes: Count
    """Of the board."""
    ram_bytes: Count
    """Of the board."""
    stack_bytes: Count
    """That the image reserves."""


class MemoryDetail(Strict):
    """Flash and RAM apart."""

    flash_bytes: Count
    ram_bytes: Count
    flash_parts: FlashParts
    ram_parts: RamParts
    limits: MemoryLimits


class MemoryFootprint(Strict):
    """B of flash and RAM, summed; the linked program's sections and the deepest stack seen."""

    value: AtLeast0
    unit: Literal["B"]
    provenance: OnBoard
    detail: MemoryDetail


class LatencyDetail(Strict):
    """Quantiles, and what was counted."""

    p95_s: AtLeast0
    """s, 95th percentile."""
    max_s: AtLeast0
    """s, the slowest decision."""
    clock_hz: float = Field(gt=0)
    """Hz of the core that counted."""
    decisions: Count
    median_cycles: AtLeast0 | None = None
    """Median count of a decision, where the board counts cycles."""
    median_instructions: AtLeast0 | None = None
    """Median count of a decision, where it counts instructions."""
    cycles_per_instruction: Sourced | None = None
    """Of the real core: an assumption or a calibration's, by which instructions are time."""


class InferenceLatency(Strict):
    """s of on-board time of one decision: the median."""

    value: AtLeast0
    unit: Literal["s"]
    provenance: OnBoard
    detail: LatencyDetail


class CommsDetail(Strict):
    """What crossed the link in the nominal replay, retries included."""

    bytes_total: Count
    """B in both directions."""
    messages: Count
    """Frames in both directions."""
    decisions: Count
    messages_per_decision: AtLeast0


class CommsOverhead(Strict):
    """B on the link in both directions per decision, framing and retries included."""

    value: AtLeast0
    unit: Literal["B/decision"]
    provenance: OnBoard
    detail: CommsDetail


class QualityDetail(Strict):
    """Values that the quality is made of."""

    unclipped: float
    value_eur: float
    """EUR realised by the policy."""
    floor_eur: float
    """EUR of always disposing."""
    optimum_eur: float
    """EUR of the hindsight optimum of the same scenario."""
    optimum_gap: AtLeast0
    """Relative gap that the solver left."""


class DecisionQuality(Strict):
    """clip((V - V_floor) / (V_opt - V_floor), 0, 1)."""

    value: Share
    unit: Literal["1"]
    provenance: Computed
    detail: QualityDetail


class RobustnessRatios(Strict):
    """Quality under each perturbation over the nominal one, unclipped."""

    sensor_noise: float
    stuck_feature: float
    missing_features: float
    calibration_drift: float
    corrupted_calibration: float
    shifted_conditions: float


class RobustnessDetail(Strict):
    """What the mean is of."""

    ratios: RobustnessRatios
    nominal_quality: float


class RobustnessScore(Strict):
    """Mean over the perturbations of quality(perturbed) / quality(nominal), clipped to [0, 1]."""

    value: Share
    unit: Literal["1"]
    provenance: Computed
    detail: RobustnessDetail


class AdaptabilityDetail(Strict):
    """The way back after the regime shift."""

    days: Count | None
    """Days until the quality is back; null when it never is."""
    shift_day: Count
    """First day of the new regime."""
    reference: str
    """The best policy in the new regime."""
    reference_level: float
    """Its quality there."""
    rolling_quality: list[float | None]
    """Over 14 days of arrivals, by their first day; null where nothing was to be decided."""
    reference_rolling_quality: list[float | None]
    """The same of the reference."""


class AdaptabilityRate(Strict):
    """1 / (1 + d/30), d days after a regime shift until quality is back; 0 when it never is."""

    value: Share
    unit: Literal["1"]
    provenance: Computed
    detail: AdaptabilityDetail


class Metrics(Strict):
    """The eleven metrics (docs/RESULTS.md)."""

    material_circularity: Annotated[
        MaterialCircularity | Unavailable[Literal["kg/kg"]], Field(discriminator="provenance")
    ]
    energy_recovery: Annotated[
        EnergyRecovery | Unavailable[Literal["MJ/MJ"]], Field(discriminator="provenance")
    ]
    component_reuse_rate: Annotated[
        ComponentReuseRate | Unavailable[Literal["1"]], Field(discriminator="provenance")
    ]
    waste_generation: Annotated[
        WasteGeneration | Unavailable[Literal["kg/product"]], Field(discriminator="provenance")
    ]
    energy_per_decision: Annotated[
        EnergyPerDecision | Unavailable[Literal["J"]], Field(discriminator="provenance")
    ]
    memory_footprint: MemoryFootprint
    inference_latency: Annotated[
        InferenceLatency | Unavailable[Literal["s"]], Field(discriminator="provenance")
    ]
    comms_overhead: Annotated[
        CommsOverhead | Unavailable[Literal["B/decision"]], Field(discriminator="provenance")
    ]
    decision_quality: Annotated[
        DecisionQuality | Unavailable[Literal["1"]], Field(discriminator="provenance")
    ]
    robustness_score: Annotated[
        RobustnessScore | Unavailable[Literal["1"]], Field(discriminator="provenance")
    ]
    adaptability_rate: Annotated[
        AdaptabilityRate | Unavailable[Literal["1"]], Field(discriminator="provenance")
    ]


class CompositeDetail(Strict):
    """What the weighted sum is of, by metric."""

    weights: dict[str, Share]
    scores: dict[str, float]
    """0 to 1 each."""
    provenances: dict[str, OnBoard]


class CompositeScore(Strict):
    """A weighted sum of scores from 0 to 1, of the weakest provenance among them."""

    value: float
    unit: Literal["1"]
    provenance: OnBoard
    detail: CompositeDetail


Composite: TypeAlias = Annotated[
    CompositeScore | Unavailable[Literal["1"]], Field(discriminator="provenance")
]


class IndicatorDetail(Strict):
    """What the indicator is made of."""

    linear_flow_index: float
    utility: float
    """Life of the products, the one chosen for them included, over the average of their kind."""


class Indicator(Strict):
    """The Ellen MacArthur Foundation's Material Circularity Indicator."""

    value: float
    unit: Literal["1"]
    provenance: Computed
    detail: IndicatorDetail


MaterialCircularityIndicator: TypeAlias = Annotated[
    Indicator | Unavailable[Literal["1"]], Field(discriminator="provenance")
]
