"""How good each network's decisions are over held-out scenarios, by its bit-exact reference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from host.compare.network import FLOAT, ComparedNetwork, policy_of
from host.metrics import decision_quality
from host.run import write_json
from host.score.job import held_out_seed
from host.score.workers import default_workers, in_processes
from toolchain.environment import UNDECIDED, DayBatch, Optimum, hindsight_optimum, rollout
from toolchain.policy.choice import choose
from toolchain.scenario import Basis, Scenario, scenario_like

QUALITY_NAME = "compare-quality"
"""Of the stage that :func:`judge_networks` fills."""


@dataclass(frozen=True)
class Judged:
    """One network on one scenario.

    Attributes:
        quality: decision quality; None where the optimum is no better than the floor.
        decisions: that were made; a dead node makes none.
        correct: of them, those that are the hindsight optimum's for the same product.
        equal_to_float: of the states that the float policy meets there, those on which the network
            decides as it does.
        states: that the float policy meets.
    """

    quality: float | None
    decisions: int
    correct: int
    equal_to_float: int
    states: int


def correct_decisions(rows: pa.Table, optimum: Optimum) -> tuple[int, int]:
    """How many decisions were made, and how many of them are the hindsight optimum's.

    A decision is correct when it names the disposition that the optimum assigns to that product.
    The optimum knows all arrivals and outcomes, so not even the best causal policy is always
    correct; but it is the same for every network, and favours none of them, as the float policy's
    own decisions would.
    """
    action = rows["action"].to_numpy()
    made = action != UNDECIDED
    correct = action[made] == optimum.disposition[: len(action)][made]
    return int(made.sum()), int(correct.sum())


def judge_scenario(scenario: Scenario, models: Mapping[str, bytes]) -> dict[str, Judged]:
    """Decide one scenario with every network.

    Args:
        scenario: to decide.
        models: ``.tflite`` by name; :data:`FLOAT` must be one of them.
    """
    optimum = hindsight_optimum(scenario)
    states, masks, wanted = _visits(scenario, models[FLOAT])
    judged: dict[bytes, Judged] = {}  # two engines may run one model, with the same decisions
    for model in models.values():
        if model in judged:
            continue
        policy = policy_of(model)
        rows = rollout(scenario, policy)
        decisions, correct = correct_decisions(rows, optimum)
        chosen = choose(policy.outputs(policy.quantize(states)), masks)
        judged[model] = Judged(
            quality=decision_quality(rows, optimum).value,
            decisions=decisions,
            correct=correct,
            equal_to_float=int((chosen == wanted).sum()),
            states=len(states),
        )
    return {name: judged[model] for name, model in models.items()}


def judge_networks(
    networks: Sequence[ComparedNetwork], basis: Basis, seed: int, n_scenarios: int, path: Path
) -> Iterator[int]:
    """Judge every network on held-out scenarios; yields each one's index once ``INDEX.json`` is in
    ``path``.

    Scenarios that an interrupted attempt has finished are not decided again; they are those of
    ``jouleloop score`` with the same seed.

    Args:
        networks: float32 among them.
        basis: what the scenarios are drawn like.
        seed: that their seeds follow from.
        n_scenarios: how many.
        path: folder of the results.
    """
    models = {network.name: network.model for network in networks}
    missing = [index for index in range(n_scenarios) if not (path / f"{index}.json").is_file()]
    yield from (index for index in range(n_scenarios) if index not in missing)
    if not missing:
        return
    job = partial(_judge_held_out, models=models, basis=basis, seed=seed)
    workers = min(default_workers(), len(missing))
    if workers == 1:
        for index in missing:
            write_json(path / f"{index}.json", job(index))
            yield index
        return
    for index, judged in in_processes(job, missing, workers):
        write_json(path / f"{index}.json", judged)
        yield index


def read_judged(path: Path, n_scenarios: int) -> dict[str, list[Judged]]:
    """What :func:`judge_networks` left, by network, in the scenarios' order."""
    judged: dict[str, list[Judged]] = {}
    for index in range(n_scenarios):
        entries = json.loads((path / f"{index}.json").read_text(encoding="utf-8"))["networks"]
        for name, entry in entries.items():
            judged.setdefault(name, []).append(Judged(**entry))
    return judged


def _judge_held_out(
    index: int, *, models: Mapping[str, bytes], basis: Basis, seed: int
) -> dict[str, object]:
    scenario = scenario_like(basis, held_out_seed(seed, index))
    judged = judge_scenario(scenario, models)
    return {
        "index": index,
        "seed": scenario.seed,
        "sha256": scenario.sha256,
        "networks": {name: asdict(entry) for name, entry in judged.items()},
    }


def _visits(scenario: Scenario, model: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States that the float policy meets, their masks, and what it decides."""
    policy = policy_of(model)
    days: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def recorded(batch: DayBatch) -> np.ndarray:
        actions = policy(batch)
        days.append((batch.states, batch.masks, actions))
        return actions

    rollout(scenario, recorded)
    states, masks, actions = (np.concatenate(column) for column in zip(*days, strict=True))
    return states, masks, actions
