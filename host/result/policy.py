"""Where the policy comes from and what it is worth: training, quantization, baselines."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from host.result.strict import AtLeast0, Count, Sha256, Share, Strict


class BaselineEntry(Strict):
    """One policy on the replayed scenario."""

    value_eur: float
    """EUR realised."""
    decision_quality: Share | None
    """Null where nothing was to be decided."""
    unclipped: float | None
    """The quality before it is clipped to [0, 1]."""


class Baselines(Strict):
    """Policies on the replayed scenario; all but ``int8_on_board`` decided on the host."""

    always_dispose: BaselineEntry
    random: BaselineEntry
    all_recycle: BaselineEntry
    unit_margin: BaselineEntry
    greedy_capacity: BaselineEntry
    bid_price: BaselineEntry
    """Bid prices from the LP's duals."""
    float_policy: BaselineEntry | None = None
    """Before quantization; not there where a policy was given without it."""
    int8_policy: BaselineEntry
    """The quantized policy without an energy budget."""
    int8_on_board: BaselineEntry
    """What the board decided under its energy budget."""
    hindsight_optimum: BaselineEntry


class Agreement(Strict):
    """The board against the reference; a single difference would have failed the command."""

    rows: Count
    """Decisions of all replays."""
    equal_to_int8_reference: bool
    decisions_sha256: Sha256
    """Of what was decided in which mode, of every product of every replay."""


class ValidationQuality(Strict):
    """Decision quality on the validation scenarios."""

    scenarios: Count
    float_: float = Field(alias="float")
    int8: float
    kept: float
    """int8 over float."""


class Range(Strict):
    """What a tensor of the network takes, and what its codes can express."""

    scale: AtLeast0
    zero_point: int
    seen_min: float
    seen_max: float
    representable_min: float
    representable_max: float
    saturated: Share
    """Share of the values outside of what can be expressed."""
    equal_decisions_alone: Share
    """Share of equal decisions when this alone is rounded."""


class LayerRange(Range):
    """A dense layer's weights and outputs."""

    shape: list[Count]
    """Inputs, outputs."""
    weight_scale_min: AtLeast0
    weight_scale_max: AtLeast0
    zero_weights: Share


class LayerReport(Strict):
    """Where quantization costs agreement."""

    input: Range
    layers: list[LayerRange]
    changed: dict[str, Count]
    """Decisions that changed, by ``FROM -> TO``."""
    near_ties: Share | None
    """Share of them within two steps of the output; null when none changed."""


class FallbackTried(Strict):
    """A small network that was distilled from the policy."""

    widths: list[Count]
    macs: Count
    tflite_bytes: Count
    quality: float
    kept: float
    """Of the INT8 policy's validation quality."""
    equal_decisions: Share


class FallbackChosen(FallbackTried):
    """The one that is in the image."""

    full_macs: Count
    full_quality: float
    least_quality_kept: Share
    """Below which a larger one is tried."""
    tried: list[FallbackTried]


class QuantizationLimits(Strict):
    """What a quantization is to keep."""

    least_quality_kept: Share
    least_equal_decisions: Share
    met: bool


class CompressedVariant(Strict):
    """Another compression, of ``quantize --variants``."""

    quality: float
    equal_decisions: Share
    tflite_bytes: Count
    gzip_bytes: Count
    ran_by: str
    widths: list[Count]
    zero_weights: Share | None = None
    """Of a pruned one."""


class Quantization(Strict):
    """From the float policy to INT8."""

    states: Count
    """Held-out states that agreement is counted on."""
    equal_decisions: Share
    """On them, between INT8 and float."""
    saturated_inputs: Share
    method: str
    calibration_states: Count
    model_bytes: Count
    """Of the .tflite."""
    quality: ValidationQuality
    report: LayerReport
    fallback: FallbackChosen
    limits: QuantizationLimits
    variants: dict[str, CompressedVariant] | None = None


class GivenFallback(Strict):
    """The network that was given for when the energy budget is spent."""

    tflite_bytes: Count
    macs: Count
    full_macs: Count


class GivenQuantization(Strict):
    """Of a policy that was given: nothing was quantized here."""

    method: Literal["given"]
    given: dict[str, Sha256]
    """By file."""
    model_bytes: Count
    """Of the .tflite."""
    macs: Count
    fallback: GivenFallback


class SeedsQuality(Strict):
    """Validation quality over the training seeds."""

    mean: float
    sd: AtLeast0 | None
    """Null for a single seed."""
    min: float
    max: float


class NodeCost(Strict):
    """What training charges a decision for the node's joules and messages."""

    eur_per_j: AtLeast0
    eur_per_message: AtLeast0
    mean_eur_per_decision: AtLeast0


class TrainedSeed(BaseModel):
    """One training; what an algorithm records of its own course stands beside these."""

    model_config = ConfigDict(
        extra="allow", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    seed: Count
    quality: float
    """Mean over the validation scenarios."""
    quality_by_scenario: list[float]
    knobs: dict[str, Any]


class NetworkCost(Strict):
    """What one inference is reckoned to take by the cost model."""

    flash_bytes: AtLeast0
    ram_bytes: AtLeast0
    cycles: AtLeast0
    latency_s: AtLeast0
    energy_j: AtLeast0
    ops_per_s: AtLeast0
    """Multiply-accumulates a second at the board's rate of decisions."""


class Sizing(Strict):
    """Why the network is as wide as it is."""

    board: str
    widths: list[Count]
    cost: NetworkCost
    bound_by: str
    """The limit that the next wider network breaks."""
    next_wider: NetworkCost | None
    use: dict[str, AtLeast0]
    """Share of each limit that it uses."""
    cost_model: str
    reason: str


class GivenSizing(Strict):
    """What a given policy takes of the board's limits, together with its fallback."""

    board: str
    cost: NetworkCost | None
    """Null where the board has no limits or no cost model."""
    use: dict[str, AtLeast0] | None
    """Share of each limit that it uses."""


class GivenTraining(Strict):
    """Of a policy that was given: nothing was trained here."""

    given: dict[str, Sha256]
    """By file."""
    sizing: GivenSizing


class Training(Strict):
    """The float policy's training."""

    algorithm: str
    widths: list[Count]
    training_scenarios: Count
    validation_scenarios: Count
    choice: str
    """Which seed ships."""
    chosen_seed: Count
    quality: SeedsQuality
    node_cost: NodeCost
    seeds: list[TrainedSeed]
    sizing: Sizing
