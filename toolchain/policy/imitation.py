"""Training by imitation of a rollout teacher, with dataset aggregation. One file, top to bottom.

1. A price rule starts from the duals of the hindsight optimum and is tuned (:mod:`.prices`).
2. Round 0: the rule decides the training scenarios; a lookahead says what every allowed action
   would have been worth on the states that it met (:mod:`.lookahead`); the network is fitted.
3. Each further round: the network decides, its own states get their lessons, all lessons so far
   are fitted again (Ross & Bagnell 2014, arXiv 1406.5979: AggreVaTe).

The loss is the regret in EUR that the policy expects to leave over the allowed dispositions, which
is linear in the noisy lessons, so that their noise averages out; less some entropy; and in round
0 plus the cross-entropy to the rule's choice. The round that ships is the one with the highest
expected value on the validation scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolchain.environment import N_DISPOSITIONS, N_FEATURES
from toolchain.errors import InputError
from toolchain.policy.checkpoint import load_checkpoint, save_checkpoint
from toolchain.policy.dense import DensePolicy
from toolchain.policy.kernel import Decider, Packed, pack, roll_out
from toolchain.policy.late_tensorflow import import_tensorflow
from toolchain.policy.lookahead import Lessons, teach
from toolchain.policy.prices import PriceRule, mean_dual_prices, tune_prices
from toolchain.scenario import Scenario

THREADS = 2
"""Threads of the rollouts; the result does not depend on it."""

_LESSONS = tuple(Lessons.__dataclass_fields__)


@dataclass(frozen=True)
class ImitationKnobs:
    """Everything that can be turned.

    Attributes:
        seed: of the search, the samples, the weights and the batches.
        hidden: widths of the two hidden layers.
        rounds: of dataset aggregation after the first fit.
        epochs: over the data in each fit.
        states_per_scenario: lessons from each training scenario and round.
        lookahead_days: days that an action's consequences are followed.
        price_scenarios: training scenarios that the price rule is tuned on.
        generations: of the price rule's search.
        population: candidates in each generation.
        batch_size: states per step.
        learning_rate: of Adam, falling to zero by a cosine over each fit.
        entropy: its weight in the loss, against the mean regret.
        cross_entropy: weight of the rule's choice in round 0.
    """

    seed: int
    hidden: tuple[int, int] = (64, 32)
    rounds: int = 2
    epochs: int = 30
    states_per_scenario: int = 300
    lookahead_days: int = 30
    price_scenarios: int = 12
    generations: int = 20
    population: int = 40
    batch_size: int = 256
    learning_rate: float = 3e-3
    entropy: float = 0.02
    cross_entropy: float = 0.5


def train(
    scenarios: Sequence[Scenario],
    validation: Sequence[Scenario],
    knobs: ImitationKnobs,
    *,
    folder: Path,
    on_step: Callable[[], None] = lambda: None,
) -> tuple[DensePolicy, dict[str, Any]]:
    """Train one seed.

    Args:
        scenarios: to learn on; their seeds should not be those of any evaluation.
        validation: to choose the best round on; other seeds again.
        knobs: see :class:`ImitationKnobs`.
        folder: gets TensorBoard logs, and a checkpoint after each round, from which the same call
            goes on after an interruption and ends in the same policy.
        on_step: called :func:`n_steps` times.

    Returns:
        the policy, and JSON values: knobs, the price rule, and each round's figures.

    Raises:
        InputError: the network has not two hidden layers.
        MissingDependencyError: TensorFlow is not installed.
    """
    if len(knobs.hidden) != 2:
        raise InputError(f"hidden widths {knobs.hidden}: the teacher runs networks of two layers")
    tensorflow = import_tensorflow()
    tensorflow.keras.utils.set_random_seed(knobs.seed)
    tensorflow.config.experimental.enable_op_determinism()
    packed, held_out = [pack(s) for s in scenarios], [pack(s) for s in validation]
    writer = tensorflow.summary.create_file_writer(str(folder / "tensorboard"))
    model = network(tensorflow, (N_FEATURES, *knobs.hidden, N_DISPOSITIONS))
    with ThreadPoolExecutor(THREADS) as pool:
        arrays, done = load_checkpoint(folder, asdict(knobs))
        if not arrays:
            rule, history = tune_prices(
                mean_dual_prices(scenarios[:3]),
                packed[: knobs.price_scenarios],
                np.random.default_rng([knobs.seed, 1]),
                generations=knobs.generations,
                population=knobs.population,
                pool=pool,
            )
            done = {"rule_eur": history, "rounds": []}
            lessons: list[Lessons] = []
            policies: list[DensePolicy] = []
        else:
            rule = PriceRule(arrays["prices"], scenarios[0].parameters.horizon_days)
            lessons = [Lessons(*(arrays[name] for name in _LESSONS))]
            policies = [_stored(arrays, index) for index in range(len(done["rounds"]))]
            model.set_weights(keras_weights(policies[-1]))
        for _ in range(len(policies) * knobs.epochs):
            on_step()
        for index in range(len(policies), knobs.rounds + 1):
            decider = _decider(policies[-1], rule) if policies else rule.decider()
            lessons.append(
                teach(
                    packed,
                    decider,
                    np.random.default_rng([knobs.seed, 2, index]),
                    states_per_scenario=knobs.states_per_scenario,
                    lookahead_days=knobs.lookahead_days,
                    pool=pool,
                )
            )
            data = Lessons.joined(lessons)
            with writer.as_default():
                loss = _fit(tensorflow, model, data, knobs, index, on_step)
            policies.append(dense_policy(model))
            value = _mean_eur(held_out, _decider(policies[-1], rule), pool)
            entry = {"states": len(data.states), "loss": loss, "validation_eur": value}
            done["rounds"].append(entry)
            with writer.as_default():
                tensorflow.summary.scalar("validation_eur", value, step=index)
            stored = {"prices": rule.prices} | {name: getattr(data, name) for name in _LESSONS}
            for number, policy in enumerate(policies):
                for layer, array in enumerate(keras_weights(policy)):
                    stored[f"policy_{number}_{layer}"] = array
            save_checkpoint(folder, stored, done, asdict(knobs))
        rule_eur = _mean_eur(held_out, rule.decider(), pool)
    writer.close()
    best = int(np.argmax([entry["validation_eur"] for entry in done["rounds"]]))
    return policies[best], {
        "knobs": asdict(knobs),
        "prices": rule.prices.tolist(),
        "rule_validation_eur": rule_eur,
        "rounds": done["rounds"],
        "chosen_round": best,
    }


def n_steps(knobs: ImitationKnobs) -> int:
    """Calls of ``on_step`` in one training."""
    return (knobs.rounds + 1) * knobs.epochs


def network(tensorflow: Any, widths: tuple[int, ...]) -> Any:
    """A dense ReLU network as a Keras model; inputs first, outputs last."""
    layers = [tensorflow.keras.Input((widths[0],))]
    layers += [
        tensorflow.keras.layers.Dense(width, activation="relu", kernel_initializer="he_normal")
        for width in widths[1:-1]
    ]
    layers.append(tensorflow.keras.layers.Dense(widths[-1]))
    return tensorflow.keras.Sequential(layers)


def dense_policy(model: Any) -> DensePolicy:
    """The policy with a Keras model's weights."""
    arrays = model.get_weights()
    return DensePolicy(tuple(arrays[0::2]), tuple(arrays[1::2]))


def keras_weights(policy: DensePolicy) -> list[np.ndarray]:
    """Weights and biases in turn, as Keras orders them."""
    return [a for pair in zip(policy.weights, policy.biases, strict=True) for a in pair]


def _fit(
    tensorflow: Any,
    model: Any,
    data: Lessons,
    knobs: ImitationKnobs,
    index: int,
    on_step: Callable[[], None],
) -> float:
    """One fit over all lessons; returns the last epoch's mean loss."""
    batch = min(knobs.batch_size, len(data.states))
    n_batches = len(data.states) // batch
    schedule = tensorflow.keras.optimizers.schedules.CosineDecay(
        knobs.learning_rate, knobs.epochs * n_batches
    )
    optimizer = tensorflow.keras.optimizers.Adam(schedule)
    scale = float(np.mean(data.regret_eur[data.masks])) or 1.0
    imitated = knobs.cross_entropy if index == 0 else 0.0
    states = tensorflow.constant(data.states)
    masks = tensorflow.constant(data.masks, tensorflow.float32)
    regrets = tensorflow.constant(data.regret_eur / scale, tensorflow.float32)
    actions = tensorflow.one_hot(data.actions, N_DISPOSITIONS)

    @tensorflow.function(jit_compile=False)
    def epoch(order: Any) -> Any:
        total = tensorflow.constant(0.0)
        for number in tensorflow.range(n_batches):
            part = order[number * batch : (number + 1) * batch]
            mask = tensorflow.gather(masks, part)
            with tensorflow.GradientTape() as tape:
                logits = model(tensorflow.gather(states, part), training=True)
                log_odds = tensorflow.nn.log_softmax(logits + (mask - 1.0) * 1e9)
                odds = tensorflow.exp(log_odds)
                each = tensorflow.reduce_sum(odds * tensorflow.gather(regrets, part), 1)
                each += knobs.entropy * tensorflow.reduce_sum(odds * log_odds * mask, 1)
                chosen = tensorflow.gather(actions, part)
                each -= imitated * tensorflow.reduce_sum(chosen * log_odds * mask, 1)
                loss = tensorflow.reduce_mean(each)
            variables = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            total += loss
        return total / tensorflow.cast(n_batches, tensorflow.float32)

    rng = np.random.default_rng([knobs.seed, 3, index])
    loss = 0.0
    for number in range(knobs.epochs):
        loss = float(epoch(tensorflow.constant(rng.permutation(len(data.states)))))
        tensorflow.summary.scalar("loss", loss, step=index * knobs.epochs + number)
        on_step()
    return loss


def _decider(policy: DensePolicy, rule: PriceRule) -> Decider:
    weights = tuple(np.ascontiguousarray(weight) for weight in policy.weights)
    return Decider(True, rule.prices, weights, tuple(policy.biases))


def _stored(arrays: dict[str, np.ndarray], index: int) -> DensePolicy:
    layers = [arrays[f"policy_{index}_{layer}"] for layer in range(6)]
    return DensePolicy(tuple(layers[0::2]), tuple(layers[1::2]))


def _mean_eur(scenarios: Sequence[Packed], decider: Decider, pool: ThreadPoolExecutor) -> float:
    values = list(pool.map(lambda scenario: roll_out(scenario, decider)[0], scenarios))
    return float(np.mean(values))
