"""What every disposition of every product is worth, expected and as it really turns out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from toolchain.environment.disposition import N_DISPOSITIONS, Disposition
from toolchain.scenario import Scenario, factors
from toolchain.scenario.regime import daily

REUSE, REMANUFACTURE, HARVEST, RECYCLE, DISPOSE = Disposition


@dataclass(frozen=True, eq=False)
class Gains:
    """Money and mass by product and disposition, before transport and waiting.

    The first three are float64 (n, 5), the last two float64 (n,).

    A product that is processed after ``wait`` days is worth
    ``fading_eur * decay**wait + fixed_eur - storage * wait - transport``, where transport covers
    its whole mass to the facility and ``second_leg_kg`` from there to the next recycler.
    """

    fading_eur: np.ndarray
    fixed_eur: np.ndarray
    second_leg_kg: np.ndarray
    transport_eur_per_kg_km: np.ndarray
    storage_eur_per_day: np.ndarray


@dataclass(frozen=True, eq=False)
class Outcomes:
    """All outcomes of a scenario's n products; see :func:`outcomes`.

    Attributes:
        feasible: bool (n, 5), whether the product's condition allows the disposition.
        success_odds: float64 (n,), probability that remanufacturing succeeds.
        expected: what is known before the decision.
        realised: what the latent draws decide.
        reentered_kg: float64 (n, 5), realised mass that re-enters a loop.
        components_reused: int64 (n, 5), realised components that go on being used.
        saved_mj: float64 (n, 5), realised embodied energy that need not be spent again.
        invested_mj: float64 (n, 5), realised process energy, without the facility's own
            ``energy_per_unit`` and without transport.
    """

    feasible: np.ndarray
    success_odds: np.ndarray
    expected: Gains
    realised: Gains
    reentered_kg: np.ndarray
    components_reused: np.ndarray
    saved_mj: np.ndarray
    invested_mj: np.ndarray


def outcomes(scenario: Scenario) -> Outcomes:
    """Compute every outcome from the products' condition, the day's prices and the latent draws.

    Prices are those of the day of arrival. Remanufacturing succeeds with the odds
    ``logit p = b0 - b1 wear - b2 corrosion``; a failure costs its effort and is recycled.
    Harvesting yields Binomial(components, q) working components,
    ``q = survival (w electronic_health + (1 - w) (1 - wear)) (1 - corrosion)``. The embodied energy
    is that of the primary material (production phase only). Every constant is in ``factors.toml``.
    """
    f = factors()
    r = scenario.returns
    horizon = scenario.parameters.horizon_days
    price = {
        name: daily(scenario.regimes, name, horizon)[r.return_day]
        for name in ("resale", "component", "scrap", "disposal")
    }
    kg = r.materials_kg
    mass = r.mass_kg
    aged = np.exp(-f.per_family("value_decay_per_year")[r.family] * r.age_years)
    handling_eur = f.per_family("handling_eur")[r.family]
    material_yield = f.per_material("recycling_yield")
    recovered_kg = kg @ material_yield
    scrap_eur = price["scrap"] * (kg @ (material_yield * f.per_material("scrap_eur_per_kg")))
    recycle_eur = scrap_eur - f.per_family("recycle_eur_per_kg")[r.family] * mass
    primary_mj = f.per_material("primary_mj_per_kg")
    embodied_mj = kg @ primary_mj
    recycled_saved_mj = kg @ (material_yield * primary_mj)
    recycled_invested_mj = kg @ (material_yield * f.per_material("secondary_mj_per_kg"))

    odds = success_odds(r.mechanical_wear, r.corrosion)
    success = r.remanufacture_draw < odds
    works = component_odds(r.electronic_health, r.mechanical_wear, r.corrosion)
    harvested = np.where(
        r.components > 0, stats.binom.ppf(r.harvest_draw, np.maximum(r.components, 1), works), 0
    )
    harvested = np.maximum(harvested, 0).astype(np.int64)
    count = np.maximum(r.components, 1)
    harvested_share = f.harvest.component_mass_share.value * harvested / count
    expected_share = f.harvest.component_mass_share.value * np.where(r.components > 0, works, 0)
    component_eur = f.harvest.component_value_share_of_new.value * r.new_value_eur * aged / count
    component_eur = component_eur * price["component"]
    restored_eur = f.remanufacture.price_share_of_new.value * r.new_value_eur * aged
    restored_eur = restored_eur * price["resale"]
    effort_eur = f.remanufacture.cost_share_of_new.value * r.new_value_eur
    opening_eur = f.harvest.cost_share_of_handling.value * handling_eur
    opening_eur = opening_eur + f.harvest.cost_eur_per_component.value * r.components

    def gains(restored: np.ndarray, working: np.ndarray, share: np.ndarray) -> Gains:
        zero = np.zeros(len(r))
        fading = [r.current_value_eur * price["resale"], restored * restored_eur]
        fading += [working * component_eur, zero, zero]
        fixed = [-handling_eur, (1 - restored) * recycle_eur - effort_eur]
        fixed += [(1 - share) * recycle_eur - opening_eur, recycle_eur]
        fixed += [-f.dispose.cost_eur_per_kg.value * price["disposal"] * mass]
        legs = [zero, (1 - restored) * mass, (1 - share) * mass, zero, zero]
        return Gains(
            fading_eur=np.stack(fading, 1),
            fixed_eur=np.stack(fixed, 1),
            second_leg_kg=np.stack(legs, 1),
            transport_eur_per_kg_km=f.per_family("transport_eur_per_kg_km")[r.family],
            storage_eur_per_day=f.storage.cost_share_of_handling_per_day.value * handling_eur,
        )

    replaced = f.remanufacture.replaced_mass_share.value
    remanufacture_mj = f.remanufacture.energy_share_of_new.value * embodied_mj
    by_disposition = {
        "reentered_kg": [
            mass,
            np.where(success, (1 - replaced) * mass, recovered_kg),
            harvested_share * mass + (1 - harvested_share) * recovered_kg,
            recovered_kg,
            0 * mass,
        ],
        "components_reused": [
            r.components,
            np.where(success, np.floor((1 - replaced) * r.components), 0),
            harvested,
            0 * harvested,
            0 * harvested,
        ],
        "saved_mj": [
            f.reuse.displaced_share.value * embodied_mj,
            np.where(
                success, f.remanufacture.displaced_share.value * embodied_mj, recycled_saved_mj
            ),
            harvested_share * embodied_mj + (1 - harvested_share) * recycled_saved_mj,
            recycled_saved_mj,
            0 * mass,
        ],
        "invested_mj": [
            np.full(len(r), f.reuse.energy_mj.value),
            remanufacture_mj + np.where(success, 0, recycled_invested_mj),
            f.harvest.energy_mj.value + (1 - harvested_share) * recycled_invested_mj,
            recycled_invested_mj,
            0 * mass,
        ],
    }
    stacked = {name: np.stack(parts, 1) for name, parts in by_disposition.items()}
    return Outcomes(
        feasible=_feasible(scenario),
        success_odds=odds,
        expected=gains(odds, works * r.components, expected_share),
        realised=gains(success.astype(np.float64), harvested, harvested_share),
        reentered_kg=stacked["reentered_kg"],
        components_reused=stacked["components_reused"].astype(np.int64),
        saved_mj=stacked["saved_mj"],
        invested_mj=stacked["invested_mj"],
    )


def success_odds(wear: np.ndarray, corrosion: np.ndarray) -> np.ndarray:
    """Probability that remanufacturing succeeds, (n,); falls with wear and corrosion."""
    f = factors().remanufacture
    logit = f.success_intercept.value - f.success_per_wear.value * wear
    logit = logit - f.success_per_corrosion.value * corrosion
    odds: np.ndarray = 1.0 / (1.0 + np.exp(-logit))
    return odds


def component_odds(electronics: np.ndarray, wear: np.ndarray, corrosion: np.ndarray) -> np.ndarray:
    """Probability that a component still works and survives disassembly, (n,)."""
    f = factors().harvest
    weight = f.electronics_weight.value
    works = weight * electronics + (1.0 - weight) * (1.0 - wear)
    odds: np.ndarray = f.survival_share.value * works * (1.0 - corrosion)
    return odds


def _feasible(scenario: Scenario) -> np.ndarray:
    f = factors()
    r = scenario.returns
    feasible = np.ones((len(r), N_DISPOSITIONS), dtype=bool)
    feasible[:, REUSE] = (
        (r.electronic_health >= f.reuse.min_electronic_health.value)
        & (r.mechanical_wear <= f.reuse.max_wear.value)
        & (r.corrosion <= f.reuse.max_corrosion.value)
    )
    feasible[:, REMANUFACTURE] = (r.mechanical_wear <= f.remanufacture.max_wear.value) & (
        r.corrosion <= f.remanufacture.max_corrosion.value
    )
    feasible[:, HARVEST] = r.components > 0
    return feasible
