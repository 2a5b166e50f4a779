"""The composite scores: the article's, and the one that can see microjoules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from host.metrics.metric import METRIC_NAMES, Metric, unavailable, weakest
from toolchain.board import Budget, Budgets
from toolchain.errors import InputError

DEFAULT_WEIGHTS: dict[str, float] = {
    "material_circularity": 0.25,
    "energy_per_decision": 0.20,
    "decision_quality": 0.20,
    "waste_generation": 0.15,
    "robustness_score": 0.10,
    "comms_overhead": 0.10,
}
"""The article's weights."""

_SHARES = (
    "material_circularity",
    "component_reuse_rate",
    "decision_quality",
    "robustness_score",
    "adaptability_rate",
)
"""Metrics that are scores from 0 to 1 as they are."""

_TOLERANCE = 1e-9


def composite(metrics: Mapping[str, Metric], weights: Mapping[str, float] | None = None) -> Metric:
    """The article's weighted sum.

    Energy is scored 1/(1 + E), waste 1/(1 + w), bytes 1/(1 + c/1000); metrics from 0 to 1 are
    taken as they are. It cannot see microjoules: 8 uJ score 0.99999.

    Args:
        metrics: by name; must contain every weighted one.
        weights: of the article's six metrics, component_reuse_rate or adaptability_rate, adding
            up to 1; None for :data:`DEFAULT_WEIGHTS`.

    Returns:
        a score from 0 to 1, of the weakest provenance of its parts; unavailable when a part is.

    Raises:
        InputError: a weight of an unknown name or below 0, a sum other than 1, a metric missing
            or negative.
    """
    scores: dict[str, Callable[[float], float]] = {
        "energy_per_decision": lambda energy_j: 1 / (1 + energy_j),
        "waste_generation": lambda waste_kg: 1 / (1 + waste_kg),
        "comms_overhead": lambda size: 1 / (1 + size / 1000),
    }
    return _weighted(metrics, weights, scores)


def composite_log(
    metrics: Mapping[str, Metric], budgets: Budgets, weights: Mapping[str, float] | None = None
) -> Metric:
    """The composite with energy, waste and bytes on the logarithmic scale of the board's budgets.

    Each is scored 1 - log10(x / best) / log10(budget / best), clipped to [0, 1].

    Args:
        metrics: as for :func:`composite`.
        budgets: of the board file.
        weights: as for :func:`composite`.

    Raises:
        InputError: as :func:`composite`, or a budget that is not above its best.
    """
    scores = {
        "energy_per_decision": log_score(budgets.energy_per_decision_j),
        "waste_generation": log_score(budgets.waste_kg_per_product),
        "comms_overhead": log_score(budgets.comms_bytes_per_decision),
    }
    return _weighted(metrics, weights, scores)


def log_score(budget: Budget) -> Callable[[float], float]:
    """The score 1 at ``best`` or below, 0 at ``budget`` or above, logarithmic in between.

    Raises:
        InputError: the budget is not above its best.
    """
    if not budget.budget > budget.best:
        raise InputError(
            f"budget {budget.budget:g} must be above best {budget.best:g}",
            hint="correct [budget] in the board file",
        )

    def score(x: float) -> float:
        if x <= budget.best:
            return 1.0
        used = math.log10(x / budget.best) / math.log10(budget.budget / budget.best)
        return max(0.0, 1.0 - used)

    return score


def _weighted(
    metrics: Mapping[str, Metric],
    weights: Mapping[str, float] | None,
    scores: Mapping[str, Callable[[float], float]],
) -> Metric:
    chosen = {k: w for k, w in _checked(weights).items() if w > 0}
    missing = [name for name in chosen if name not in metrics]
    if missing:
        raise InputError(
            f"no metric {', '.join(missing)}; given: {', '.join(metrics)}",
            hint="compute it, or give weights without it",
        )
    parts: dict[str, float] = {}
    for name in chosen:
        value = metrics[name].value
        if value is None:
            reason = metrics[name].detail.get("reason", "unknown")
            return unavailable("1", f"{name} is unavailable: {reason}", weights=dict(chosen))
        if value < 0:
            raise InputError(f"{name} is {value:g}, must be at least 0", hint="check its source")
        parts[name] = scores[name](value) if name in scores else value
    return Metric(
        value=math.fsum(chosen[name] * score for name, score in parts.items()),
        unit="1",
        provenance=weakest(metrics[name].provenance for name in chosen),
        detail={
            "weights": dict(chosen),
            "scores": parts,
            "provenances": {name: metrics[name].provenance.value for name in chosen},
        },
    )


def _checked(weights: Mapping[str, float] | None) -> dict[str, float]:
    if weights is None:
        return dict(DEFAULT_WEIGHTS)
    known = [name for name in METRIC_NAMES if name in DEFAULT_WEIGHTS or name in _SHARES]
    unknown = [name for name in weights if name not in known]
    if unknown:
        raise InputError(
            f"unknown weight {', '.join(unknown)}", hint=f"use names among {', '.join(known)}"
        )
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"weight {name} is {weight}, must be at least 0", hint="correct it")
    total = math.fsum(weights.values())
    if abs(total - 1) > _TOLERANCE:
        raise InputError(f"the weights add up to {total:g}, must be 1", hint="scale them")
    return dict(weights)
