"""What a run is made with: the preset's sizes, the seed and the scenario's generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from host.presets import GeneratorName, PresetName
from toolchain.errors import InputError

GIVEN = "given"
"""Where a policy that was given stands: the SHA-256 of its files, in place of its training."""
TRAINING_SEED_OFFSET = 1_000_000
"""Training scenarios have seeds ``seed * this + 1, ...``; the replayed scenario's is ``seed``."""


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
        validation_scenarios: scenarios that a seed of the training is chosen on.
        states_per_scenario: lessons from each training scenario and round of imitation.
        generations: of the search for the teacher's first prices.
        passes: of PPO over all products of the training scenarios.
        seeds: that are trained, unless the command says otherwise.
    """

    n_products: int
    horizon_days: int
    training_scenarios: int
    rounds: int
    epochs: int
    calibration_states: int
    window_s: float
    validation_scenarios: int
    states_per_scenario: int
    generations: int
    passes: int
    seeds: int


PRESETS = {
    PresetName.QUICK: Preset(600, 180, 48, 2, 30, 500, 0.05, 4, 300, 20, 40, 1),
    PresetName.FULL: Preset(2000, 365, 60, 3, 30, 2000, 1.0, 8, 600, 20, 120, 5),
}


@dataclass(frozen=True)
class Settings:
    """A run's settings, recorded with its first stage.

    Attributes:
        preset: sizes.
        seed: of the replayed scenario; at least 1, so that training seeds never meet it.
        generator: of the scenarios, or of what a table of one's own does not hold.
        tables: SHA-256 of the files that take the generator's place, by role.
    """

    preset: PresetName = PresetName.QUICK
    seed: int = 42
    generator: GeneratorName = GeneratorName.ARTICLE
    tables: Mapping[str, str] = field(default_factory=dict)

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

    @property
    def validation_seeds(self) -> range:
        """Seeds of the scenarios that a training is chosen on; the next after those."""
        first = self.training_seeds.stop
        return range(first, first + self.sizes.validation_scenarios)

    def as_parameters(self) -> dict[str, Any]:
        """JSON values for a stage's key."""
        return {
            "preset": str(self.preset),
            "seed": self.seed,
            "generator": str(self.generator),
            "tables": dict(self.tables),
            "sizes": asdict(self.sizes),
        }
