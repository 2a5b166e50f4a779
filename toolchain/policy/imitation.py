"""Training: imitation of the teacher's prices, with dataset aggregation (DAgger).

Round 0 learns on the states that the teacher's own choices lead to; each further round adds the
states that the policy reached by itself (Ross, Gordon & Bagnell 2011, arXiv 1011.0686). The loss is
the regret in EUR that the policy expects to leave, plus a share of the cross-entropy to the
teacher's soft choice, both over the allowed dispositions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from toolchain.environment import DayBatch, Simulation
from toolchain.policy.choice import choose
from toolchain.policy.dense import DensePolicy
from toolchain.policy.teacher import teacher_scores_eur
from toolchain.scenario import Scenario


@dataclass(frozen=True)
class ImitationKnobs:
    """Everything that can be turned.

    Attributes:
        seed: of the weights and the batches.
        hidden: widths of the hidden layers.
        rounds: of dataset aggregation after the first fit.
        epochs: over the data in each fit.
        batch_size: states per step.
        learning_rate: of Adam, falling to zero by a cosine over each fit.
        temperature_eur: softness of the teacher's choice.
        cross_entropy: its share in the loss.
    """

    seed: int
    hidden: tuple[int, ...] = (64, 32)
    rounds: int = 1
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 3e-3
    temperature_eur: float = 5.0
    cross_entropy: float = 0.3


@dataclass(frozen=True)
class _Samples:
    """States with the teacher's scores over disposal, and what was allowed."""

    states: np.ndarray
    masks: np.ndarray
    scores_eur: np.ndarray


def train(
    scenarios: Sequence[Scenario], knobs: ImitationKnobs, progress: Console | None = None
) -> tuple[DensePolicy, dict[str, Any]]:
    """Train a float policy.

    Args:
        scenarios: to learn on; their seeds should not be those of the evaluation.
        knobs: see :class:`ImitationKnobs`.
        progress: where a progress bar is drawn.

    Returns:
        the policy, and JSON values: knobs, states, and loss and teacher's choice by round.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
    """
    from toolchain.quantize.post_training import import_tensorflow

    tensorflow = import_tensorflow()
    tensorflow.keras.utils.set_random_seed(knobs.seed)
    tensorflow.config.experimental.enable_op_determinism()
    scores = [teacher_scores_eur(scenario) for scenario in scenarios]
    samples = [
        _visit(scenario, score, None) for scenario, score in zip(scenarios, scores, strict=True)
    ]
    model = _network(tensorflow, samples[0].states.shape[1], samples[0].masks.shape[1], knobs)
    rounds: list[dict[str, float]] = []
    with Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=progress,
        transient=True,
        disable=progress is None or not progress.is_terminal,
    ) as bar:
        task = bar.add_task("epochs", total=(knobs.rounds + 1) * knobs.epochs)
        for index in range(knobs.rounds + 1):
            data = _Samples(
                *(np.concatenate([getattr(s, name) for s in samples]) for name in _FIELDS)
            )
            loss = _fit(tensorflow, model, data, knobs, index, lambda: bar.advance(task))
            policy = _policy(model)
            equal = np.mean(
                choose(policy.scores(data.states), data.masks)
                == choose(data.scores_eur, data.masks)
            )
            rounds.append({"states": len(data.states), "loss": loss, "teacher": float(equal)})
            if index < knobs.rounds:
                samples += [
                    _visit(scenario, score, policy)
                    for scenario, score in zip(scenarios, scores, strict=True)
                ]
    summary = {
        "algorithm": "imitation with dataset aggregation",
        "widths": list(policy.widths),
        "scenarios": len(scenarios),
        "rounds": rounds,
    }
    return policy, summary


_FIELDS = ("states", "masks", "scores_eur")


def _visit(scenario: Scenario, scores: np.ndarray, policy: DensePolicy | None) -> _Samples:
    """Roll out the policy (None: the teacher) and keep what it saw with the teacher's scores."""
    position = {int(product): i for i, product in enumerate(scenario.returns.product)}
    simulation = Simulation(scenario)
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    while not simulation.done:
        batch: DayBatch = simulation.observe()
        teacher = scores[[position[int(product)] for product in batch.products]]
        usable = batch.masks & np.isfinite(teacher)
        seen.append((batch.states, usable, np.where(usable, teacher, 0.0)))
        simulation.execute(choose(teacher, usable) if policy is None else policy(batch))
    return _Samples(*(np.concatenate(part) for part in zip(*seen, strict=True)))


def _network(tensorflow: Any, n_inputs: int, n_outputs: int, knobs: ImitationKnobs) -> Any:
    layers = [tensorflow.keras.Input((n_inputs,))]
    layers += [
        tensorflow.keras.layers.Dense(width, activation="relu", kernel_initializer="he_normal")
        for width in knobs.hidden
    ]
    layers.append(tensorflow.keras.layers.Dense(n_outputs))
    return tensorflow.keras.Sequential(layers)


def _fit(
    tensorflow: Any,
    model: Any,
    data: _Samples,
    knobs: ImitationKnobs,
    index: int,
    on_epoch: Any,
) -> float:
    """One fit over all samples; returns the last epoch's mean loss."""
    n_batches = max(1, len(data.states) // knobs.batch_size)
    schedule = tensorflow.keras.optimizers.schedules.CosineDecay(
        knobs.learning_rate, knobs.epochs * n_batches
    )
    optimizer = tensorflow.keras.optimizers.Adam(schedule)
    best = np.where(data.masks, data.scores_eur, -np.inf).max(axis=1, keepdims=True)
    regret = np.where(data.masks, best - data.scores_eur, 0.0)
    scale = float(np.mean(regret[data.masks])) or 1.0
    soft = np.where(data.masks, np.exp(-regret / knobs.temperature_eur), 0.0)
    soft /= soft.sum(axis=1, keepdims=True)
    columns = [
        tensorflow.constant(column, tensorflow.float32)
        for column in (data.states, data.masks, regret / scale, soft)
    ]

    @tensorflow.function
    def step(states: Any, masks: Any, regrets: Any, softened: Any) -> Any:
        with tensorflow.GradientTape() as tape:
            logits = model(states, training=True) + (masks - 1.0) * 1e9
            log_odds = tensorflow.nn.log_softmax(logits)
            expected_regret = tensorflow.reduce_sum(tensorflow.exp(log_odds) * regrets, 1)
            cross_entropy = -tensorflow.reduce_sum(softened * log_odds * masks, 1)
            loss = tensorflow.reduce_mean(expected_regret + knobs.cross_entropy * cross_entropy)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    rng = np.random.default_rng([knobs.seed, index])
    loss = 0.0
    for _ in range(knobs.epochs):
        order = rng.permutation(len(data.states))[: n_batches * knobs.batch_size]
        losses = [
            step(*(tensorflow.gather(column, part) for column in columns))
            for part in np.array_split(order, n_batches)
        ]
        loss = float(np.mean([float(value) for value in losses]))
        on_epoch()
    return loss


def _policy(model: Any) -> DensePolicy:
    arrays = model.get_weights()
    return DensePolicy(tuple(arrays[0::2]), tuple(arrays[1::2]))
