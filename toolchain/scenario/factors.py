"""The physical and economic constants of ``factors.toml``, read and validated once."""

from __future__ import annotations

import hashlib
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from toolchain.errors import ScenarioError

FACTORS_FILE = Path(__file__).with_name("factors.toml")
"""The one data file of constants."""

MATERIALS = ("aluminum", "steel", "copper", "plastics", "rare_earths", "other")
"""Materials in the order of every material axis; the article's five, then the inert rest."""

FAMILIES = (
    "article",
    "fridge",
    "washing_machine",
    "flat_tv",
    "laptop",
    "phone",
    "power_tool",
    "e_bike",
)
"""Product families in the order of the returns' ``family`` codes."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Factor(_Strict):
    """A constant with its range, unit and source."""

    value: float
    low: float
    high: float
    unit: str = Field(min_length=1)
    source: str = Field(min_length=1)
    assumption: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} is outside of its range {self.low}..{self.high}")
        return self


class Material(_Strict):
    """Energy, yield and prices of one material."""

    primary_mj_per_kg: Factor
    secondary_mj_per_kg: Factor
    recycling_yield: Factor
    feedstock_eur_per_kg: Factor
    scrap_eur_per_kg: Factor


class Transport(_Strict):
    """Road transport of returned products."""

    energy_mj_per_kg_km: Factor
    co2_kg_per_kg_km: Factor


class Condition(_Strict):
    """How condition and time turn into value."""

    battery_loss_per_500_cycles: Factor
    value_decay_per_week: Factor
    cosmetic_discount: Factor
    value_per_feedstock: Factor
    battery_value_share: Factor


class Reuse(_Strict):
    """Resale as is."""

    energy_mj: Factor
    displaced_share: Factor
    min_electronic_health: Factor
    max_wear: Factor
    max_corrosion: Factor


class Remanufacture(_Strict):
    """Restoring to as good as new; may fail."""

    cost_share_of_new: Factor
    price_share_of_new: Factor
    displaced_share: Factor
    energy_share_of_new: Factor
    replaced_mass_share: Factor
    success_intercept: Factor
    success_per_wear: Factor
    success_per_corrosion: Factor
    max_wear: Factor
    max_corrosion: Factor


class Harvest(_Strict):
    """Taking out the components that still work; the hulk is recycled."""

    cost_share_of_handling: Factor
    cost_eur_per_component: Factor
    component_value_share_of_new: Factor
    component_mass_share: Factor
    survival_share: Factor
    electronics_weight: Factor
    energy_mj: Factor


class CostPerKg(_Strict):
    """A fee on mass."""

    cost_eur_per_kg: Factor


class Storage(_Strict):
    """Waiting for a slot."""

    cost_share_of_handling_per_day: Factor


class Weee(_Strict):
    """The stream of waste electrical and electronic equipment."""

    commercial_share: Factor
    commercial_max_age_years: Factor
    commercial_failed_share: Factor
    failed_share: Factor
    season_swing: Factor
    season_peak_day: Factor
    commercial_season_swing: Factor
    commercial_season_peak_day: Factor
    use_intensity_sd: Factor
    size_sd: Factor
    price_sd: Factor
    wear_at_lifetime: Factor
    corrosion_at_lifetime: Factor
    electronics_at_lifetime: Factor
    cosmetic_at_lifetime: Factor
    process_shape_at_lifetime: Factor
    failed_health_left: Factor
    cycles_shape: Factor


class Article(_Strict):
    """Laws of the source article's returns."""

    return_shape: Factor
    return_scale_days: Factor
    age_shape: Factor
    age_scale_years: Factor
    wear_alpha: Factor
    wear_beta: Factor
    corrosion_alpha: Factor
    corrosion_beta: Factor
    electronics_alpha: Factor
    electronics_beta: Factor
    cosmetic_alpha: Factor
    cosmetic_beta: Factor
    mean_cycles: Factor
    aluminum_high_kg: Factor
    steel_high_kg: Factor
    copper_high_kg: Factor
    plastics_high_kg: Factor
    rare_earths_high_kg: Factor
    components_low: Factor
    components_high: Factor
    age_correlation_wear: Factor
    age_correlation_corrosion: Factor
    age_correlation_electronics: Factor
    age_correlation_cosmetic: Factor
    age_correlation_cycles: Factor


class GraphLaws(_Strict):
    """Laws of the source article's material graph, and its repair."""

    share_extraction: Factor
    share_manufacturing: Factor
    share_use: Factor
    share_collection: Factor
    share_disassembly: Factor
    share_remanufacturing: Factor
    share_recycling: Factor
    share_disposal: Factor
    capacity_log_mean: Factor
    capacity_log_sd: Factor
    energy_low_mj: Factor
    energy_high_mj: Factor
    co2_low_kg: Factor
    co2_high_kg: Factor
    far_low_km: Factor
    far_high_km: Factor
    near_low_km: Factor
    near_high_km: Factor


class Capacity(_Strict):
    """Slots per expected return, and the longest wait for one."""

    reuse: Factor
    remanufacture: Factor
    harvest: Factor
    recycle: Factor
    max_wait_days: Factor


class Prices(_Strict):
    """The price process."""

    regime_days: Factor
    persistence: Factor
    volatility: Factor


class Node(_Strict):
    """The deciding node's budgets."""

    battery_j: Factor
    harvest_j_per_day: Factor
    harvest_season: Factor
    energy_per_decision_j: Factor
    energy_per_message_j: Factor
    message_budget_per_day: Factor
    message_days_kept: Factor


class PerturbationSizes(_Strict):
    """Sizes of the perturbations of robustness_score."""

    noise_sd: Factor
    missing_share: Factor
    drift: Factor
    corrupt_gain: Factor
    corrupt_offset: Factor
    condition_shift_sd: Factor


class ShiftSizes(_Strict):
    """Sizes of the regime shifts; each is drawn from its range."""

    resale: Factor
    component: Factor
    scrap: Factor
    reuse_slots: Factor
    outage_days: Factor
    new_family_share: Factor


class Family(_Strict):
    """One product family."""

    share: Factor
    life_shape: Factor
    life_scale_years: Factor
    new_price_eur: Factor
    value_decay_per_year: Factor
    handling_eur: Factor
    transport_eur_per_kg_km: Factor
    recycle_eur_per_kg: Factor
    cycles_per_year: Factor
    components: Factor
    aluminum_kg: Factor
    steel_kg: Factor
    copper_kg: Factor
    plastics_kg: Factor
    rare_earths_kg: Factor
    other_kg: Factor


class Factors(_Strict):
    """All of ``factors.toml``."""

    schema_: int = Field(alias="schema", ge=1, le=1)
    materials: dict[str, Material]
    transport: Transport
    condition: Condition
    reuse: Reuse
    remanufacture: Remanufacture
    harvest: Harvest
    dispose: CostPerKg
    storage: Storage
    article: Article
    graph: GraphLaws
    capacity: Capacity
    prices: Prices
    node: Node
    perturbation: PerturbationSizes
    shift: ShiftSizes
    weee: Weee
    families: dict[str, Family]

    @model_validator(mode="after")
    def _all_materials(self) -> Self:
        if set(self.materials) != set(MATERIALS):
            raise ValueError(f"materials are {sorted(self.materials)}, expected {MATERIALS}")
        if set(self.families) != set(FAMILIES):
            raise ValueError(f"families are {sorted(self.families)}, expected {FAMILIES}")
        total = sum(family.share.value for family in self.families.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the families' shares add up to {total}, must be 1")
        return self

    def per_material(self, name: str) -> np.ndarray:
        """One constant for every material.

        Args:
            name: a field of :class:`Material`.

        Returns:
            float64 (6,), in the order of :data:`MATERIALS`.
        """
        return np.array([getattr(self.materials[m], name).value for m in MATERIALS])

    def per_family(self, name: str) -> np.ndarray:
        """One constant for every family.

        Args:
            name: a field of :class:`Family`.

        Returns:
            float64 (8,), in the order of :data:`FAMILIES`.
        """
        return np.array([getattr(self.families[f], name).value for f in FAMILIES])


@lru_cache(maxsize=1)
def factors() -> Factors:
    """The constants that ship with this version.

    Raises:
        ScenarioError: the data file is broken, or a value is outside of its own range.
    """
    return read_factors(FACTORS_FILE)


@lru_cache(maxsize=1)
def factors_sha256() -> str:
    """Hex SHA-256 of the data file; part of every scenario's identity."""
    return hashlib.sha256(FACTORS_FILE.read_bytes()).hexdigest()


def read_factors(path: Path) -> Factors:
    """Read and validate a file of constants.

    Raises:
        ScenarioError: as :func:`factors`.
    """
    try:
        return Factors.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(
            f"{path.name}: {key}: {first['msg']}",
            hint="every constant needs value, low, high, unit and source",
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(
            f"{path.name}: cannot be read: {error}", hint="reinstall the package"
        ) from error
