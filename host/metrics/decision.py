"""How good the decisions are: against hindsight, under perturbations, and after a shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from host.metrics.metric import UNITS, Metric, Provenance, unavailable
from toolchain.environment import Optimum, Perturbation
from toolchain.errors import InputError

ROLLING_DAYS = 14
"""Days of the window that adaptability looks at."""

RECOVERED_SHARE = 0.95
"""Share of the best policy's level at which a policy counts as back."""

_PACE_DAYS = 30.0
_UNDEFINED = 1e-6


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float
    confidence: float
    samples: int


def decision_quality(
    rows: pa.Table, optimum: Optimum, provenance: Provenance = Provenance.MODELLED
) -> Metric:
    """clip((V - V_floor) / (V_opt - V_floor), 0, 1); unclipped in ``detail``.

    V is the realised value, V_floor that of always disposing, V_opt the hindsight optimum of the
    same scenario. Unavailable when V_opt is about V_floor: nothing was to be decided.

    Raises:
        InputError: the rows are not those of the optimum's scenario.
    """
    unit = UNITS["decision_quality"]
    values = _values_eur(rows, optimum)
    quality = _quality(float(values.sum()), optimum.floor_eur, optimum.value_eur)
    detail = {
        "value_eur": float(values.sum()),
        "floor_eur": optimum.floor_eur,
        "optimum_eur": optimum.value_eur,
        "optimum_gap": optimum.gap,
    }
    if quality is None:
        return unavailable(unit, "the hindsight optimum is no better than the floor", **detail)
    clipped = min(1.0, max(0.0, quality))
    return Metric(clipped, unit, provenance, {"unclipped": quality, **detail})


def robustness_score(
    nominal_quality: float | None,
    perturbed_quality: Mapping[str, float | None],
    provenance: Provenance = Provenance.MODELLED,
) -> Metric:
    """Mean over the perturbation set of quality(perturbed) / quality(nominal), each in [0, 1].

    Each ratio is clipped before the mean, so that a lucky gain under one perturbation cannot make
    up for a loss under another; the ratios are in ``detail`` as they are.

    Args:
        nominal_quality: decision quality without perturbation; None when undefined.
        perturbed_quality: decision quality under each of :class:`Perturbation`.
        provenance: of the decisions.

    Raises:
        InputError: a perturbation is missing or unknown.
    """
    unit = UNITS["robustness_score"]
    if set(perturbed_quality) != set(Perturbation):
        raise InputError(
            f"perturbations {sorted(perturbed_quality)}, must be {sorted(Perturbation)}",
            hint="replay the policy under each of the set",
        )
    if nominal_quality is None or nominal_quality <= 0:
        return unavailable(unit, f"the nominal quality is {nominal_quality}, must be above 0")
    undefined = [name for name, quality in perturbed_quality.items() if quality is None]
    if undefined:
        return unavailable(unit, f"quality is undefined under {', '.join(undefined)}")
    ratios = {
        str(name): float(quality) / nominal_quality
        for name, quality in perturbed_quality.items()
        if quality is not None
    }
    score = float(np.mean(np.clip(list(ratios.values()), 0.0, 1.0)))
    return Metric(score, unit, provenance, {"ratios": ratios, "nominal_quality": nominal_quality})


def adaptability_rate(
    rows: pa.Table,
    optimum: Optimum,
    references: Mapping[str, pa.Table],
    shift_day: int,
    provenance: Provenance = Provenance.MODELLED,
) -> Metric:
    """1 / (1 + d/30), d the days after a regime shift until the policy is back; 0 when it never is.

    The policy is back on the first day from which on its quality over 14 days of arrivals is at
    least 95 % of what the best policy for the new regime reaches over the same 14 days; the
    same days, for what can be reached varies with the season. A window belongs to its first day
    and lies behind the shift as a whole, so that a policy that was never thrown back has d = 0. The
    best policy is the reference of the highest quality over all days behind the shift. Unavailable
    when fewer than 14 days lie behind it, or no reference is better than the floor there.

    Args:
        rows: of the policy, over the shifted scenario.
        optimum: of the shifted scenario.
        references: rows of candidates for the best policy of the new regime, by name.
        shift_day: first day of the new regime.
        provenance: of the decisions.

    Raises:
        InputError: rows of another scenario, no reference, or a negative day.
    """
    unit = UNITS["adaptability_rate"]
    if not references:
        raise InputError("no reference policy", hint="give the rows of at least one")
    values = _values_eur(rows, optimum)
    day = rows["day"].to_numpy()
    if shift_day < 0:
        raise InputError(
            f"regime shift on day {shift_day}, must be at least 0", hint="count the days from 0"
        )
    behind_days = int(day.max()) + 1 - shift_day
    if behind_days < ROLLING_DAYS:
        return unavailable(
            unit,
            f"{max(0, behind_days)} days of arrivals lie behind the regime shift on day "
            f"{shift_day}, must be at least {ROLLING_DAYS}",
        )
    candidates = {name: _values_eur(reference, optimum) for name, reference in references.items()}
    behind = day >= shift_day
    levels = {name: _quality_over(behind, own, optimum) for name, own in candidates.items()}
    defined = {name: level for name, level in levels.items() if level is not None and level > 0}
    if not defined:
        return unavailable(unit, f"no reference beats the floor behind day {shift_day}")
    best = max(defined, key=lambda name: defined[name])
    curve: list[float | None] = []
    reference_curve: list[float | None] = []
    for start in range(shift_day, shift_day + behind_days - ROLLING_DAYS + 1):
        window = (day >= start) & (day < start + ROLLING_DAYS)
        curve.append(_quality_over(window, values, optimum))
        reference_curve.append(_quality_over(window, candidates[best], optimum))
    back = [
        d
        for d, (own, level) in enumerate(zip(curve, reference_curve, strict=True))
        if own is not None and level is not None and own >= RECOVERED_SHARE * level
    ]
    detail = {
        "days": back[0] if back else None,
        "shift_day": shift_day,
        "reference": best,
        "reference_level": defined[best],
        "rolling_quality": curve,
        "reference_rolling_quality": reference_curve,
    }
    rate = 1.0 / (1.0 + back[0] / _PACE_DAYS) if back else 0.0
    return Metric(rate, unit, provenance, detail)


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 2_000,
) -> Interval:
    """Percentile bootstrap of the mean.

    Args:
        values: independent figures (n,), such as one quality for each scenario.
        rng: draws the resamples.
        confidence: of the interval, 0 to 1 exclusive.
        resamples: how many.

    Raises:
        InputError: no value, one that is not finite, or a confidence out of range.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) == 0 or not np.isfinite(sample).all():
        raise InputError(
            f"bootstrap over {sample.tolist()}, must be at least one number",
            hint="leave out what is unavailable",
        )
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}, must be between 0 and 1", hint="0.95")
    means = sample[rng.integers(len(sample), size=(resamples, len(sample)))].mean(axis=1)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(sample.mean()), float(low), float(high), confidence, len(sample))


def _values_eur(rows: pa.Table, optimum: Optimum) -> np.ndarray:
    if rows.num_rows != len(optimum.product_value_eur):
        raise InputError(
            f"{rows.num_rows} rows, but an optimum of {len(optimum.product_value_eur)} products",
            hint="finish the replay, and solve the optimum of the same scenario",
        )
    values: np.ndarray = rows["value_eur"].to_numpy()
    return values


def _quality(value_eur: float, floor_eur: float, optimum_eur: float) -> float | None:
    """The unclipped quality; None when the optimum is about the floor."""
    span = optimum_eur - floor_eur
    if span <= _UNDEFINED * max(1.0, abs(floor_eur)):
        return None
    return float((value_eur - floor_eur) / span)


def _quality_over(chosen: np.ndarray, values_eur: np.ndarray, optimum: Optimum) -> float | None:
    floor, best = optimum.product_floor_eur[chosen], optimum.product_value_eur[chosen]
    return _quality(float(values_eur[chosen].sum()), float(floor.sum()), float(best.sum()))
