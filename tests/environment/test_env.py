"""The Gymnasium environment: its contract, and that it is the same task."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from toolchain.environment import DispositionEnv, Simulation, hindsight_optimum
from toolchain.errors import InputError
from toolchain.scenario import CircularSupplyChainGenerator, ScenarioParameters

SMALL = ScenarioParameters(n_nodes=12, n_products=40, horizon_days=30)


@pytest.mark.parametrize("fixed", [True, False])
def test_passes_gymnasiums_checker(fixed):
    scenario = CircularSupplyChainGenerator(1, SMALL).generate() if fixed else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(DispositionEnv(scenario, SMALL), skip_render_check=True)


def test_docstring_has_the_sections():
    text = DispositionEnv.__doc__ or ""
    for section in (
        "Description",
        "Action Space",
        "Observation Space",
        "Rewards",
        "Starting State",
        "Episode End",
        "Info",
        "Arguments",
    ):
        assert f"## {section}\n" in text


def test_equals_the_simulation():
    scenario = CircularSupplyChainGenerator(2, SMALL).generate()
    env, simulation = DispositionEnv(scenario), Simulation(scenario)
    rng = np.random.default_rng(0)
    state, info = env.reset(seed=0)
    rewards = 0.0
    while not simulation.done:
        batch = simulation.observe()
        actions = []
        for k, product in enumerate(batch.products):
            assert info["product"] == product
            assert info["day"] == batch.day
            assert np.array_equal(info["action_mask"], batch.masks[k])
            assert np.array_equal(env.action_masks(), batch.masks[k])
            assert np.array_equal(state, batch.states[k])
            actions.append(int(rng.choice(np.flatnonzero(batch.masks[k]))))
            state, reward, terminated, truncated, info = env.step(actions[-1])
            assert not info["refused"]
            rewards += reward
        values = simulation.execute(np.array(actions))
        assert info["value_eur"] == pytest.approx(values[-1])
        assert not truncated
        assert terminated == simulation.done
    assert env.simulation.rows().equals(simulation.rows())
    total = simulation.rows()["value_eur"].to_numpy().sum()
    floor = hindsight_optimum(scenario).floor_eur
    assert rewards * 100 == pytest.approx(total - floor)


def test_masked_action_is_disposal_and_says_so(make_scenario):
    env = DispositionEnv(make_scenario([{"electronic_health": 0.0}, {}]))
    env.reset(seed=0)
    _, reward, _, _, info = env.step(0)
    assert info["refused"]
    assert reward == 0.0
    _, reward, terminated, _, info = env.step(0)
    assert not info["refused"]
    assert terminated
    # The other product took no slot, so this one is sold at once: 45.6 EUR over -0.6 EUR.
    assert reward == pytest.approx(0.462)
    assert env.simulation.rows()["realised"].to_pylist() == [4, 0]


def test_new_scenario_each_episode_reproducible_by_seed():
    env = DispositionEnv(parameters=SMALL)
    shas = []
    for seed in (5, None, 5, None):
        env.reset(seed=seed)
        shas.append(env.simulation.scenario.sha256)
    assert shas[:2] == shas[2:]
    assert shas[0] != shas[1]


def test_misuse_is_refused(make_scenario):
    env = DispositionEnv(make_scenario([{}]))
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    with pytest.raises(InputError, match="action 5"):
        env.step(5)
    for action in (1.5, "0", None, np.array([1])):
        with pytest.raises(InputError, match="must be an integer"):
            env.step(action)
    env.step(np.array(4))  # as policies of other libraries give it
    with pytest.raises(InputError, match="all 1 returns are decided"):
        env.step(4)
