"""What the scores of many scenarios say: means with intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from host.metrics import Provenance, bootstrap_interval
from host.score.job import CIRCULAR
from toolchain import __version__
from toolchain.environment import BASELINES

SCHEMA = 1
_BOOTSTRAP = 0xB007


def summarise(
    results: Sequence[Mapping[str, Any]], subject: str, seed: int, job: Mapping[str, Any]
) -> dict[str, Any]:
    """Sum up the results of a benchmark.

    A scenario whose quality is undefined (its optimum is the floor) is left out for all policies
    alike, and counted. Intervals are percentile bootstraps over scenarios, 95 %. The best causal
    baseline is the one of the highest mean over the same scenarios, the subject itself excepted,
    so that a difference to it is, if anything, too small.

    Args:
        results: of :func:`~host.score.job.score_scenario`, by index.
        subject: the policy that is compared with the baselines.
        seed: of the bootstrap.
        job: the job's JSON values.

    Returns:
        JSON values of the result schema.
    """
    names = list(results[0]["policies"])
    used = [r for r in results if all(_quality(r, name) is not None for name in names)]
    summary: dict[str, Any] = {
        "schema": SCHEMA,
        "jouleloop": __version__,
        "policy": subject,
        "provenance": Provenance.MODELLED.value,
        "job": dict(job),
        "scenarios": [
            {"index": r["index"], "seed": r["seed"], "sha256": r["sha256"]} for r in results
        ],
        "undefined": len(results) - len(used),
        "hindsight_optimum_eur": float(np.mean([r["optimum_eur"] for r in results])),
        "policies": {},
        "best_causal_baseline": None,
        "difference": None,
    }
    qualities = {name: np.array([_quality(r, name) for r in used], dtype=float) for name in names}
    for name in names:
        entries = [r["policies"][name] for r in results]
        summary["policies"][name] = {
            "decision_quality": _interval(qualities[name], seed),
            "value_eur": float(np.mean([entry["value_eur"] for entry in entries])),
            **{metric: _mean([entry[metric] for entry in entries]) for metric in CIRCULAR},
            "stopped": sum(entry["stopped_day"] is not None for entry in entries),
        }
    rivals = [name for name in names if name in BASELINES and name != subject]
    if used and rivals:
        best = max(rivals, key=lambda name: float(qualities[name].mean()))
        summary["best_causal_baseline"] = best
        summary["difference"] = _interval(qualities[subject] - qualities[best], seed)
    return summary


def _quality(result: Mapping[str, Any], name: str) -> float | None:
    quality: float | None = result["policies"][name]["decision_quality"]
    return quality


def _interval(values: np.ndarray, seed: int) -> dict[str, Any] | None:
    """The same resamples of scenarios for every policy, so that figures can be compared."""
    if len(values) == 0:
        return None
    return asdict(bootstrap_interval(values, np.random.default_rng([_BOOTSTRAP, seed])))


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
