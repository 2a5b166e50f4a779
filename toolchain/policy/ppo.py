"""Training by masked proximal policy optimisation. One file, top to bottom, CleanRL's manner.

Actor and critic are networks of their own; forbidden dispositions are masked on the logits (Huang
& Ontanon, arXiv 2006.14171); advantages are generalised (Schulman et al., arXiv 1506.02438), the
objective is clipped (arXiv 1707.06347). The environment is
:class:`~toolchain.environment.VectorSimulation`: each step decides the next product of every
training scenario. The reward is the realised value over disposal, less what the node spent at the
stated exchange rate. One pass over all products is one update cycle's unit: at its end the
scenarios start again, and a checkpoint is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from toolchain.environment import N_DISPOSITIONS, N_FEATURES, VectorSimulation
from toolchain.policy.checkpoint import load_checkpoint, save_checkpoint
from toolchain.policy.dense import DensePolicy
from toolchain.policy.imitation import dense_policy, network
from toolchain.policy.late_tensorflow import import_tensorflow
from toolchain.policy.reward import ExchangeRate, node_cost_eur
from toolchain.policy.validation import Validation
from toolchain.scenario import Scenario


@dataclass(frozen=True)
class PpoKnobs:
    """Everything that can be turned.

    Attributes:
        seed: of the weights, the actions and the batches.
        hidden: widths of the hidden layers, of actor and critic alike.
        passes: over all products of all training scenarios.
        steps: decisions of each scenario between two updates.
        epochs: over the steps in each update.
        batch_size: decisions in a minibatch.
        learning_rate: of Adam, falling linearly to zero.
        discount: of the next decision's worth.
        smoothing: lambda of the advantages.
        clip: of the ratio of odds.
        entropy: its weight in the loss.
        value_weight: of the critic's squared error in the loss.
        max_gradient: norm that gradients are clipped to.
        reward_eur: EUR that one unit of reward stands for.
        rate: exchange rate of the node's joules and messages.
    """

    seed: int
    hidden: tuple[int, int] = (64, 32)
    passes: int = 30
    steps: int = 100
    epochs: int = 4
    batch_size: int = 512
    learning_rate: float = 1e-3
    discount: float = 0.99
    smoothing: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    value_weight: float = 0.5
    max_gradient: float = 0.5
    reward_eur: float = 20.0
    rate: ExchangeRate = field(default_factory=ExchangeRate)


@dataclass(frozen=True)
class _Steps:
    """T steps of B scenarios; all float32 (T, B) but the first three."""

    states: np.ndarray
    masks: np.ndarray
    actions: np.ndarray
    log_odds: np.ndarray
    values: np.ndarray
    rewards: np.ndarray
    active: np.ndarray


def train(
    scenarios: Sequence[Scenario],
    validation: Sequence[Scenario],
    knobs: PpoKnobs,
    *,
    folder: Path,
    on_step: Callable[[], None] = lambda: None,
) -> tuple[DensePolicy, dict[str, Any]]:
    """Train one seed.

    Args:
        scenarios: to learn on, all with one horizon; their seeds should not be those of any
            evaluation.
        validation: to say how well it goes; other seeds again.
        knobs: see :class:`PpoKnobs`.
        folder: gets TensorBoard logs, and a checkpoint after each pass, from which the same call
            goes on after an interruption and ends in the same policy.
        on_step: called :func:`n_steps` times.

    Returns:
        the policy of the last pass, and JSON values: knobs and each pass's figures.

    Raises:
        InputError: the scenarios differ in their horizon.
        MissingDependencyError: TensorFlow is not installed.
    """
    tensorflow = import_tensorflow()
    tensorflow.keras.utils.set_random_seed(knobs.seed)
    tensorflow.config.experimental.enable_op_determinism()
    simulation = VectorSimulation(scenarios)
    costs = [node_cost_eur(scenario, knobs.rate) for scenario in scenarios]
    places = [{int(p): i for i, p in enumerate(s.returns.product)} for s in scenarios]
    most = max(len(scenario.returns) for scenario in scenarios)
    judge = Validation(validation)
    actor = network(tensorflow, (N_FEATURES, *knobs.hidden, N_DISPOSITIONS))
    critic = network(tensorflow, (N_FEATURES, *knobs.hidden, 1))
    variables = actor.trainable_variables + critic.trainable_variables
    optimizer = tensorflow.keras.optimizers.Adam(knobs.learning_rate, epsilon=1e-5)
    optimizer.build(variables)
    writer = tensorflow.summary.create_file_writer(str(folder / "tensorboard"))
    kept = [*variables, *optimizer.variables]

    @tensorflow.function
    def look(states: Any, masks: Any) -> Any:
        logits = actor(states) + (masks - 1.0) * 1e9
        return tensorflow.nn.log_softmax(logits), critic(states)[:, 0]

    @tensorflow.function
    def update(batch: Any) -> Any:
        states, masks, actions, old_log_odds, advantages, returns, active = batch
        share = active / tensorflow.maximum(tensorflow.reduce_sum(active), 1.0)
        with tensorflow.GradientTape() as tape:
            log_odds = tensorflow.nn.log_softmax(actor(states) + (masks - 1.0) * 1e9)
            chosen = tensorflow.reduce_sum(
                tensorflow.one_hot(actions, N_DISPOSITIONS) * log_odds, 1
            )
            ratio = tensorflow.exp(chosen - old_log_odds)
            clipped = tensorflow.clip_by_value(ratio, 1.0 - knobs.clip, 1.0 + knobs.clip)
            gain = tensorflow.minimum(ratio * advantages, clipped * advantages)
            spread = -tensorflow.reduce_sum(tensorflow.exp(log_odds) * log_odds * masks, 1)
            error = tensorflow.square(critic(states)[:, 0] - returns)
            each = -gain - knobs.entropy * spread + knobs.value_weight * error
            loss = tensorflow.reduce_sum(share * each)
        gradients, _ = tensorflow.clip_by_global_norm(
            tape.gradient(loss, variables), knobs.max_gradient
        )
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    arrays, done = load_checkpoint(folder, asdict(knobs))
    passes: list[dict[str, float]] = done.get("passes", [])
    for index, variable in enumerate(kept if arrays else []):
        variable.assign(arrays[f"variable_{index}"])
    for _ in passes:
        on_step()
    for number in range(len(passes), knobs.passes):
        rng = np.random.default_rng([knobs.seed, number])
        optimizer.learning_rate.assign(knobs.learning_rate * (1.0 - number / knobs.passes))
        simulation.reset()
        total_eur, losses = 0.0, []
        for start in range(0, most, knobs.steps):
            length = min(knobs.steps, most - start)
            steps, last, gained = _play(
                simulation, look, costs, places, length, rng, knobs.reward_eur
            )
            total_eur += gained
            advantages = _advantages(steps, last, knobs)
            losses += _learn(tensorflow, update, steps, advantages, rng, knobs)
        quality = float(judge.quality(dense_policy(actor)).mean())
        passes.append(
            {
                "reward_eur": total_eur / len(scenarios),
                "loss": float(np.mean(losses)),
                "validation_quality": quality,
            }
        )
        with writer.as_default():
            for name, value in passes[-1].items():
                tensorflow.summary.scalar(name, value, step=number)
        stored = {f"variable_{index}": np.asarray(v) for index, v in enumerate(kept)}
        save_checkpoint(folder, stored, {"passes": passes}, asdict(knobs))
        on_step()
    writer.close()
    return dense_policy(actor), {"knobs": asdict(knobs), "passes": passes}


def n_steps(knobs: PpoKnobs) -> int:
    """Calls of ``on_step`` in one training."""
    return knobs.passes


def _play(
    simulation: VectorSimulation,
    look: Callable[[Any, Any], Any],
    costs: Sequence[np.ndarray],
    places: Sequence[dict[int, int]],
    length: int,
    rng: np.random.Generator,
    reward_eur: float,
) -> tuple[_Steps, np.ndarray, float]:
    """Decide the next ``length`` products of each scenario by drawing from the actor.

    Returns:
        the steps, the critic's value (B,) of what comes next, and the sum of the rewards in EUR.
    """
    columns: dict[str, list[np.ndarray]] = {name: [] for name in _Steps.__dataclass_fields__}
    total = 0.0
    for _ in range(length):
        batch = simulation.observe()
        masks = batch.masks.astype(np.float32)
        log_odds, values = (np.asarray(part) for part in look(batch.states, masks))
        noise = rng.gumbel(size=log_odds.shape)
        actions = np.where(batch.masks, log_odds + noise, -np.inf).argmax(axis=1)
        spent = np.array(
            [
                cost[place[int(product)]] if active else 0.0
                for cost, place, product, active in zip(
                    costs, places, batch.products, batch.active, strict=True
                )
            ]
        )
        floor = simulation.floor_eur()
        gained = np.where(batch.active, simulation.execute(actions) - floor - spent, 0.0)
        total += float(gained.sum())
        taken = log_odds[np.arange(len(actions)), actions]
        # The batch's own arrays are used again.
        states, active = batch.states.copy(), batch.active.copy()
        row = (states, masks, actions, taken, values, gained / reward_eur, active)
        for name, part in zip(columns, row, strict=True):
            columns[name].append(part)
    batch = simulation.observe()
    _, last = look(batch.states, batch.masks.astype(np.float32))
    steps = _Steps(**{name: np.stack(parts) for name, parts in columns.items()})
    return steps, np.where(batch.active, np.asarray(last), 0.0), total


def _advantages(steps: _Steps, last: np.ndarray, knobs: PpoKnobs) -> np.ndarray:
    """Generalised advantages, float64 (T, B); a finished scenario is worth nothing further."""
    advantages = np.zeros(steps.rewards.shape)
    ahead = np.zeros(len(last))
    following = last
    for step in range(len(advantages))[::-1]:
        error = steps.rewards[step] + knobs.discount * following - steps.values[step]
        ahead = (error + knobs.discount * knobs.smoothing * ahead) * steps.active[step]
        advantages[step] = ahead
        following = np.where(steps.active[step], steps.values[step], 0.0)
    return advantages


def _learn(
    tensorflow: Any,
    update: Callable[[Any], Any],
    steps: _Steps,
    advantages: np.ndarray,
    rng: np.random.Generator,
    knobs: PpoKnobs,
) -> list[float]:
    """Some epochs over the steps; returns each minibatch's loss."""
    returns = advantages + steps.values
    flat = [
        column.reshape(-1, *column.shape[2:])
        for column in (steps.states, steps.masks, steps.actions, steps.log_odds)
    ]
    flat += [column.reshape(-1) for column in (advantages, returns, steps.active)]
    playing = np.flatnonzero(flat[-1])
    flat = [column[playing] for column in flat]
    advantage = flat[4]
    flat[4] = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    kinds = (np.float32, np.float32, np.int64, *[np.float32] * 4)
    columns = [column.astype(kind) for column, kind in zip(flat, kinds, strict=True)]
    batch = min(knobs.batch_size, len(playing))
    losses = []
    for _ in range(knobs.epochs):
        order = rng.permutation(len(playing))
        for start in range(0, len(order) - batch + 1, batch):
            part = order[start : start + batch]
            losses.append(float(update([tensorflow.constant(c[part]) for c in columns])))
    return losses
