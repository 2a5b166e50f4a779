"""The Gymnasium environment: one product a step over :class:`Simulation`."""

from __future__ import annotations

import operator
from typing import Any

import gymnasium as gym
import numpy as np

from toolchain.environment.disposition import N_DISPOSITIONS, Disposition
from toolchain.environment.features import N_FEATURES
from toolchain.environment.simulation import ObservationTransform, Simulation
from toolchain.errors import InputError
from toolchain.scenario import CircularSupplyChainGenerator, Scenario, ScenarioParameters

REWARD_EUR = 100.0
"""EUR that one unit of reward stands for."""


class DispositionEnv(gym.Env[np.ndarray, np.int64]):
    """Decide what becomes of each returned product.

    ## Description
    Products are handed in at collection nodes of a circular supply chain. Each is shown as a state
    vector and gets one of five dispositions; facilities have few slots a day, waiting costs value,
    and what a slot is worth to a later product is not known. A day is a batch: all of its products
    are observed as they were before the first of them was executed, so that results equal
    those of :class:`Simulation` and of a board that is sent a day at a time.

    ## Action Space
    ``Discrete(5)``: REUSE, REMANUFACTURE, HARVEST, RECYCLE, DISPOSE. :meth:`action_masks` says
    which may be chosen. A masked action is executed as DISPOSE and ``info["refused"]`` says so
    (:class:`Simulation` itself refuses it with an error).

    ## Observation Space
    ``Box(-1, 1, (24,), float32)``: see :data:`toolchain.environment.FEATURE_NAMES`. After the last
    product it is zero.

    ## Rewards
    The realised value of the product over that of disposing of it, in units of 100 EUR. Their sum
    over an episode is (V - V_floor) / 100 EUR as in METRICS.md.

    ## Starting State
    The first product of a scenario: the given one, or a new one each reset, drawn from
    ``parameters``.

    ## Episode End
    Terminated after the last product; never truncated.

    ## Info
    ``action_mask`` (bool (5,), of the product observed), ``product``, ``day``, and after a step
    ``value_eur`` and ``refused`` of the product that was decided.

    ## Arguments
    ``scenario``: decide this one every episode. ``parameters``: else draw scenarios like this.
    ``perturbation``: changes what is observed.

    Raises:
        ScenarioError: a loop of the scenario's graph is open.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        scenario: Scenario | None = None,
        parameters: ScenarioParameters | None = None,
        perturbation: ObservationTransform | None = None,
    ) -> None:
        self.action_space = gym.spaces.Discrete(N_DISPOSITIONS)
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (N_FEATURES,), np.float32)
        self._scenario = scenario
        self._parameters = parameters if parameters is not None else ScenarioParameters()
        self._perturbation = perturbation
        self._simulation: Simulation | None = None

    @property
    def simulation(self) -> Simulation:
        """The episode's simulation.

        Raises:
            gymnasium.error.ResetNeeded: there is no episode yet.
        """
        if self._simulation is None:
            raise gym.error.ResetNeeded("call reset() before anything else")
        return self._simulation

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: of the scenarios that are drawn from now on.
            options: none are known.

        Returns:
            the first observation, float32 (24,), and its info.
        """
        super().reset(seed=seed)
        scenario = self._scenario
        if scenario is None:
            drawn = int(self.np_random.integers(2**63))
            scenario = CircularSupplyChainGenerator(drawn, self._parameters).generate()
        self._simulation = Simulation(scenario, self._perturbation)
        return self._observation(), self._info()

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Decide one product.

        Args:
            action: a :class:`Disposition`.

        Returns:
            the next observation, the reward, terminated, truncated (always False), and info.

        Raises:
            InputError: the action is no integer or out of range, or the episode has ended.
        """
        simulation = self.simulation
        try:
            chosen = operator.index(action)
        except TypeError as error:
            raise InputError(
                f"action {action!r} of type {type(action).__name__}, must be an integer",
                hint="choose a Disposition",
            ) from error
        refused = 0 <= chosen < N_DISPOSITIONS and not self.action_masks()[chosen]
        floor = simulation.next_floor_eur()
        value = simulation.execute_next(int(Disposition.DISPOSE if refused else chosen))
        info = self._info() | {"value_eur": value, "refused": refused}
        reward = (value - floor) / REWARD_EUR
        return self._observation(), reward, simulation.done, False, info

    def action_masks(self) -> np.ndarray:
        """Which actions may be chosen now, bool (5,)."""
        simulation = self.simulation
        if simulation.done:
            return np.arange(N_DISPOSITIONS) == Disposition.DISPOSE
        masks = simulation.observe().masks
        mask: np.ndarray = masks[len(masks) - simulation.pending]
        return mask

    def _observation(self) -> np.ndarray:
        simulation = self.simulation
        if simulation.done:
            return np.zeros(N_FEATURES, dtype=np.float32)
        states = simulation.observe().states
        state: np.ndarray = states[len(states) - simulation.pending]
        return state.copy()

    def _info(self) -> dict[str, Any]:
        simulation = self.simulation
        info: dict[str, Any] = {"action_mask": self.action_masks(), "day": simulation.day}
        if not simulation.done:
            products = simulation.observe().products
            info["product"] = int(products[len(products) - simulation.pending])
        return info
