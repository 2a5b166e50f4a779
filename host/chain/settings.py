"""What a run is made with: the preset's sizes, the seed and the scenario's generator."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from toolchain.errors import InputError

TRAINING_SEED_OFFSET = 1_000_000
"""Training scenarios have seeds ``seed * this + 1, ...``; the replayed scenario's is ``seed``."""


class PresetName(StrEnum):
    """Names of the presets."""

    QUICK = "quick"
    FULL = "full"


GeneratorName = Literal["article", "weee"]
"""Names of the scenario generators."""


@dataclass(frozen=True)
class Preset:
    """Sizes of a run.

    Attributes:
        n_products: returns in a scenario.
        horizon_days: days of a scenario.
        training_scenarios: scenarios that the policy is trained on.
        rounds: of dataset aggregation after the first fit.
        epochs: over the data in each fit.
        calibration_states: on-policy states that set the INT8 ranges.
        window_s: shortest energy window in s of the board's clock.
    """

    n_products: int
    horizon_days: int
    training_scenarios: int
    rounds: int
    epochs: int
    calibration_states: int
    window_s: float


PRESETS = {
    PresetName.QUICK: Preset(600, 180, 12, 1, 30, 500, 0.05),
    PresetName.FULL: Preset(2000, 365, 40, 3, 60, 2000, 1.0),
}


@dataclass(frozen=True)
class Settings:
    """A run's settings, recorded with its first stage.

    Attributes:
        preset: sizes.
        seed: of the replayed scenario; at least 1, so that training seeds never meet it.
        generator: of the scenarios.
    """

    preset: PresetName = PresetName.QUICK
    seed: int = 42
    generator: GeneratorName = "article"

    def __post_init__(self) -> None:
        if not 1 <= self.seed < TRAINING_SEED_OFFSET:
            raise InputError(
                f"seed {self.seed} is out of range (1 to {TRAINING_SEED_OFFSET - 1})",
                hint="choose another --seed",
            )

    @property
    def sizes(self) -> Preset:
        """The preset's sizes."""
        return PRESETS[self.preset]

    @property
    def training_seeds(self) -> range:
        """Seeds of the training scenarios; none is the replayed one's."""
        first = self.seed * TRAINING_SEED_OFFSET + 1
        return range(first, first + self.sizes.training_scenarios)

    def as_parameters(self) -> dict[str, Any]:
        """JSON values for a stage's key."""
        return {"preset": str(self.preset), "seed": self.seed, "generator": self.generator} | {
            "sizes": asdict(self.sizes)
        }
