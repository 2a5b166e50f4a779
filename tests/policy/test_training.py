"""Both algorithms learn, repeat themselves, and go on after an interruption."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from toolchain.environment import BASELINES, rollout
from toolchain.errors import InputError
from toolchain.policy import imitation, ppo
from toolchain.policy.algorithm import Algorithm
from toolchain.policy.checkpoint import load_checkpoint, save_checkpoint
from toolchain.policy.dense import DensePolicy
from toolchain.policy.imitation import ImitationKnobs
from toolchain.policy.ppo import PpoKnobs
from toolchain.policy.reward import ExchangeRate, node_cost_eur
from toolchain.policy.training import TrainingPlan, _one_seed, train_seeds
from toolchain.policy.validation import Validation

IMITATION = ImitationKnobs(
    seed=5,
    hidden=(16, 8),
    rounds=1,
    epochs=6,
    states_per_scenario=60,
    generations=3,
    population=8,
    price_scenarios=2,
)
PPO = PpoKnobs(seed=5, hidden=(16, 8), passes=3, steps=40, batch_size=64)
TRAINERS = {"imitation": (imitation, IMITATION), "ppo": (ppo, PPO)}


def same(left: DensePolicy, right: DensePolicy) -> bool:
    pairs = zip(left.weights + left.biases, right.weights + right.biases, strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


class _StopError(Exception):
    pass


@pytest.mark.parametrize("name", TRAINERS)
def test_same_seed_same_policy_even_when_interrupted(name, scenarios, tmp_path):
    module, knobs = TRAINERS[name]
    learn, hold = scenarios[:3], scenarios[3:4]
    whole, summary = module.train(learn, hold, knobs, folder=tmp_path / "whole")
    calls = 0

    def interrupt() -> None:
        nonlocal calls
        calls += 1
        if calls > module.n_steps(knobs) * 2 // 3:
            raise _StopError

    with pytest.raises(_StopError):
        module.train(learn, hold, knobs, folder=tmp_path / "cut", on_step=interrupt)
    steps = []
    resumed, again = module.train(
        learn, hold, knobs, folder=tmp_path / "cut", on_step=lambda: steps.append(1)
    )
    assert same(whole, resumed)
    assert summary == again
    assert len(steps) == module.n_steps(knobs)
    other, _ = module.train(learn, hold, replace(knobs, seed=6), folder=tmp_path / "other")
    assert not same(whole, other)
    assert list((tmp_path / "whole" / "tensorboard").iterdir())


def test_imitation_beats_greedy_on_other_scenarios(scenarios, tmp_path):
    knobs = replace(IMITATION, epochs=25, states_per_scenario=120)
    policy, _ = imitation.train(scenarios[:3], scenarios[3:4], knobs, folder=tmp_path)
    judge = Validation(scenarios[4:])
    greedy = BASELINES["greedy_capacity"](scenarios[0].parameters, 0)
    assert judge.quality(policy).mean() > judge.quality(greedy).mean()
    assert (judge.quality(policy) <= 1).all()


def test_ppo_improves_on_its_first_pass(scenarios, tmp_path):
    knobs = replace(PPO, passes=8)
    _, summary = ppo.train(scenarios[:4], scenarios[4:], knobs, folder=tmp_path)
    rewards = [entry["reward_eur"] for entry in summary["passes"]]
    assert np.mean(rewards[-3:]) > rewards[0]


def test_seeds_are_spread_and_the_best_ships(scenarios, tmp_path):
    plan = TrainingPlan(Algorithm.IMITATION, IMITATION, 2)
    policy, summary = train_seeds(plan, scenarios[:2], scenarios[2:4], tmp_path)
    qualities = [entry["quality"] for entry in summary["seeds"]]
    assert [entry["seed"] for entry in summary["seeds"]] == [5, 6]
    best = int(np.argmax(qualities))
    assert summary["chosen_seed"] == 5 + best
    assert same(policy, DensePolicy.load(tmp_path / f"seed-{5 + best}" / "policy.npz"))
    assert summary["quality"]["sd"] == pytest.approx(np.std(qualities, ddof=1))
    assert not list(tmp_path.rglob("checkpoint.npz"))
    before = (tmp_path / "seed-5" / "policy.npz").stat().st_mtime_ns
    again, repeated = train_seeds(plan, scenarios[:2], scenarios[2:4], tmp_path)
    assert (tmp_path / "seed-5" / "policy.npz").stat().st_mtime_ns == before
    assert same(policy, again) and repeated == summary


def test_wrong_plans_are_refused(scenarios, tmp_path):
    with pytest.raises(InputError, match="0 seeds"):
        TrainingPlan(Algorithm.IMITATION, IMITATION, 0)
    with pytest.raises(InputError, match="PpoKnobs"):
        TrainingPlan(Algorithm.PPO, IMITATION, 1)
    with pytest.raises(InputError, match="no validation"):
        train_seeds(TrainingPlan(Algorithm.PPO, PPO), scenarios[:1], [], tmp_path)
    with pytest.raises(InputError, match="two layers"):
        knobs = replace(IMITATION, hidden=(4, 4, 4))
        imitation.train(scenarios[:1], scenarios[1:2], knobs, folder=tmp_path)


def test_a_broken_checkpoint_or_seed_is_named_and_kept(tmp_path):
    save_checkpoint(tmp_path, {"a": np.ones(3)}, {"passes": []}, {"seed": 1})
    file = tmp_path / "checkpoint.npz"
    assert load_checkpoint(tmp_path, {"seed": 1})[1] == {"passes": []}
    assert load_checkpoint(tmp_path, {"seed": 2}) == ({}, {})
    for broken in (b"", b"noise", file.read_bytes()[:100]):
        file.write_bytes(broken)
        with pytest.raises(InputError, match=r"checkpoint\.npz: not a checkpoint") as caught:
            load_checkpoint(tmp_path, {"seed": 1})
        assert "--force" in caught.value.hint and file.read_bytes() == broken
    (tmp_path / "seed-5").mkdir()
    (tmp_path / "seed-5" / "summary.json").write_text("{")
    plan = TrainingPlan(Algorithm.IMITATION, IMITATION)
    with pytest.raises(InputError, match=r"summary\.json cannot be read"):
        _one_seed(plan, 5, [], [], tmp_path / "seed-5", lambda: None)


W, B = np.zeros((24, 5), np.float32), np.zeros(5, np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"weight_0": W, "bias_0": np.zeros(4, np.float32)}, r"weights \(24, 5\), biases \(4,\)"),
        ({"weight_0": W, "bias_0": B, "weight_1": W, "bias_1": B}, "takes 24 values, gets 5"),
        ({"weight_0": W.astype(np.int8), "bias_0": B}, "is int8 and float32, not float"),
        ({"weight_0": W + np.nan, "bias_0": B}, "not finite"),
        ({"weight_0": W, "bias_1": B}, "bias_0"),
    ],
)
def test_a_policy_that_is_none_is_refused(arrays, message, tmp_path):
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(InputError, match=f"not a policy: .*{message}"):
        DensePolicy.load(tmp_path / "p.npz")


def test_a_broken_policy_is_refused(tmp_path):
    np.savez(tmp_path / "p.npz", weight_0=W, bias_0=B)
    whole = (tmp_path / "p.npz").read_bytes()
    for broken in (b"", b"noise", whole[:200]):
        (tmp_path / "p.npz").write_bytes(broken)
        with pytest.raises(InputError, match="not a policy"):
            DensePolicy.load(tmp_path / "p.npz")


def test_the_nodes_cost_by_hand(scenarios, failing_node):
    scenario = scenarios[0]
    node = scenario.parameters.node
    cost = node_cost_eur(scenario, ExchangeRate(eur_per_j=2.0, eur_per_message=0.5))
    day = scenario.returns.return_day
    today = day == day[10]
    message = (node.energy_per_message_j * 2.0 + 0.5) / today.sum()
    assert cost[10] == pytest.approx(node.energy_per_decision_j * 2.0 + message)
    dead = ~rollout(failing_node, lambda b: np.full(len(b.products), 4))["node_alive"].to_numpy()
    assert dead.any()
    np.testing.assert_array_equal(node_cost_eur(failing_node, ExchangeRate()) == 0, dead)
