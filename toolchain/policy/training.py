"""Training several seeds with one command, and the rule by which one of them ships."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from toolchain.errors import InputError
from toolchain.policy import imitation, ppo
from toolchain.policy.algorithm import Algorithm
from toolchain.policy.checkpoint import CHECKPOINT
from toolchain.policy.dense import DensePolicy
from toolchain.policy.imitation import ImitationKnobs
from toolchain.policy.ppo import PpoKnobs
from toolchain.policy.reward import ExchangeRate, node_cost_eur
from toolchain.policy.validation import Validation
from toolchain.progress import bars
from toolchain.scenario import Scenario

CHOICE = "highest mean decision quality on the validation scenarios; of equals the lowest seed"
"""The rule by which one of several seeds ships."""

POLICY_FILE = "policy.npz"


@dataclass(frozen=True)
class TrainingPlan:
    """What is trained.

    Attributes:
        algorithm: how.
        knobs: the algorithm's, of the first seed.
        seeds: how many, counted up from the knobs' seed.
    """

    algorithm: Algorithm
    knobs: ImitationKnobs | PpoKnobs
    seeds: int = 1

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"{self.seeds} seeds, must be at least 1", hint="choose --seeds 5")
        wanted = PpoKnobs if self.algorithm == Algorithm.PPO else ImitationKnobs
        if not isinstance(self.knobs, wanted):
            raise InputError(f"{self.algorithm} needs {wanted.__name__}")


def train_seeds(
    plan: TrainingPlan,
    scenarios: Sequence[Scenario],
    validation: Sequence[Scenario],
    folder: Path,
    progress: Console | None = None,
) -> tuple[DensePolicy, dict[str, Any]]:
    """Train every seed and choose one by :data:`CHOICE`.

    Args:
        plan: algorithm, knobs and number of seeds.
        scenarios: to learn on.
        validation: to choose on; neither learnt on nor reported.
        folder: gets ``seed-N/`` with each seed's policy and TensorBoard logs. A seed that is
            complete there is not trained again, an interrupted one goes on from its checkpoint.
        progress: where a bar is drawn, if it is a terminal.

    Returns:
        the chosen policy, and JSON values: algorithm, seeds with their quality, its spread.

    Raises:
        InputError: no scenario to choose on.
        MissingDependencyError: TensorFlow is not installed.
    """
    if not validation:
        raise InputError("no validation scenario, at least one is needed to choose a seed on")
    judge = Validation(validation)
    first = plan.knobs.seed
    policies: list[DensePolicy] = []
    entries: list[dict[str, Any]] = []
    with bars(progress) as bar:
        task = bar.add_task("training", total=plan.seeds * _steps(plan))
        for number in range(plan.seeds):
            bar.update(task, description=f"seed {number + 1} of {plan.seeds}")
            place = folder / f"seed-{first + number}"
            policy, summary = _one_seed(
                plan, first + number, scenarios, validation, place, lambda: bar.advance(task)
            )
            quality = judge.quality(policy)
            policies.append(policy)
            entries.append(
                {
                    "seed": first + number,
                    "quality": float(quality.mean()),
                    "quality_by_scenario": quality.tolist(),
                    **summary,
                }
            )
    means = np.array([entry["quality"] for entry in entries])
    chosen = int(means.argmax())
    rate = plan.knobs.rate if isinstance(plan.knobs, PpoKnobs) else ExchangeRate()
    cost = np.concatenate([node_cost_eur(scenario, rate) for scenario in scenarios])
    return policies[chosen], {
        "algorithm": str(plan.algorithm),
        "widths": list(policies[chosen].widths),
        "training_scenarios": len(scenarios),
        "validation_scenarios": len(validation),
        "choice": CHOICE,
        "chosen_seed": entries[chosen]["seed"],
        "quality": {
            "mean": float(means.mean()),
            "sd": float(means.std(ddof=1)) if len(means) > 1 else None,
            "min": float(means.min()),
            "max": float(means.max()),
        },
        "node_cost": {
            "eur_per_j": rate.eur_per_j,
            "eur_per_message": rate.eur_per_message,
            "mean_eur_per_decision": float(cost.mean()),
        },
        "seeds": entries,
    }


def _one_seed(
    plan: TrainingPlan,
    seed: int,
    scenarios: Sequence[Scenario],
    validation: Sequence[Scenario],
    place: Path,
    on_step: Callable[[], None],
) -> tuple[DensePolicy, dict[str, Any]]:
    finished = place / "summary.json"
    if finished.exists():
        for _ in range(_steps(plan)):
            on_step()
        try:
            summary: dict[str, Any] = json.loads(finished.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"{finished} cannot be read: {error}",
                hint="run 'jouleloop train --force', which begins anew, or delete the file",
            ) from error
        return DensePolicy.load(place / POLICY_FILE), summary
    place.mkdir(parents=True, exist_ok=True)
    knobs = replace(plan.knobs, seed=seed)
    if isinstance(knobs, PpoKnobs):
        policy, summary = ppo.train(scenarios, validation, knobs, folder=place, on_step=on_step)
    else:
        policy, summary = imitation.train(
            scenarios, validation, knobs, folder=place, on_step=on_step
        )
    policy.save(place / POLICY_FILE)
    partial = place / ".summary.json"
    text = json.dumps(summary, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(finished)
    (place / CHECKPOINT).unlink(missing_ok=True)
    return policy, json.loads(text)


def _steps(plan: TrainingPlan) -> int:
    if isinstance(plan.knobs, PpoKnobs):
        return ppo.n_steps(plan.knobs)
    return imitation.n_steps(plan.knobs)
