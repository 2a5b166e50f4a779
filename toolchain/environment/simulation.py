"""The task itself: day by day, what arrived is shown, decided and sent to the facilities."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from toolchain.environment import features
from toolchain.environment.disposition import N_DISPOSITIONS, Disposition
from toolchain.environment.network import Network, decay, network, slot_values_eur
from toolchain.environment.node import node_days
from toolchain.environment.outcomes import Outcomes, outcomes
from toolchain.environment.rows import rows_table
from toolchain.errors import InputError
from toolchain.scenario import Scenario

ObservationTransform = Callable[[np.ndarray, int], np.ndarray]
"""From the true states float32 (k, 24) and the day to those that the policy sees."""

UNDECIDED = -1
"""Action of a product that arrived while the node was dead."""


@dataclass(frozen=True, eq=False)
class DayBatch:
    """The returns of one day, as they are before any of them is executed.

    Attributes:
        day: from 0.
        products: int64 (k,), ids in order of arrival.
        states: float32 (k, 24), see :data:`~toolchain.environment.FEATURE_NAMES`.
        masks: bool (k, 5), dispositions that may be chosen; DISPOSE always may.
        margins_eur: float64 (k, 5), expected unit margin at the nearest facility without any wait,
            whether or not it has a slot; -inf where the condition forbids it. Not perturbed.
    """

    day: int
    products: np.ndarray
    states: np.ndarray
    masks: np.ndarray
    margins_eur: np.ndarray


Policy = Callable[[DayBatch], np.ndarray]
"""From a day's batch to int (k,) actions that its masks allow."""


class Simulation:
    """One scenario, decided one day at a time.

    Days without arrivals are skipped. All of a day's products are observed at the day's start and
    executed in order of arrival. A product that is sent to a disposition takes, of all facilities
    that its collection node is linked to, the free slot with the highest expected value after
    transport and delay, at most ``max_wait_days`` ahead (on a tie the facility that comes first);
    when the day's earlier products took the last one, it is disposed of. Prices are those of the
    day of arrival. On a day on which the node's battery or message budget is spent, the arrivals
    are disposed of without being observed.

    Args:
        scenario: what to decide.
        perturbation: changes what is observed; see :func:`toolchain.environment.perturbed`.

    Raises:
        ScenarioError: a loop of the scenario's graph is open.
    """

    def __init__(
        self, scenario: Scenario, perturbation: ObservationTransform | None = None
    ) -> None:
        self.scenario = scenario
        self.outcomes: Outcomes = outcomes(scenario)
        self.network: Network = network(scenario)
        self._perturbation = perturbation
        returns = scenario.returns
        n = len(returns)
        horizon = scenario.parameters.horizon_days
        self._max_wait = scenario.parameters.max_wait_days
        self._decay = decay(self._max_wait)
        self._mass_kg = returns.mass_kg
        self._bounds = np.searchsorted(returns.return_day, np.arange(horizon + 1))
        self._node = node_days(scenario.parameters.node, np.diff(self._bounds))
        self._limited = int(self.network.first[Disposition.DISPOSE])
        self._features = features.day_features(returns, self.network, self._node)
        self._free = self.network.slots.copy()
        self._wait = np.zeros(len(self.network.node), dtype=np.int64)
        self._action = np.full(n, UNDECIDED, dtype=np.int64)
        self._facility = np.zeros(n, dtype=np.int64)
        self._wait_days = np.zeros(n, dtype=np.int64)
        self._decided = 0
        self._batch: DayBatch | None = None
        self._first_product = 0
        self._slot_eur = np.zeros((0, len(self.network.node)))
        self._day = -1
        self._advance()

    @property
    def done(self) -> bool:
        """Whether every return is decided."""
        return self._decided == len(self._action)

    @property
    def day(self) -> int:
        """The day that is to be decided next; the horizon when done."""
        return self._day

    @property
    def pending(self) -> int:
        """Products of the current day that are not executed yet; 0 when done."""
        return 0 if self.done else int(self._bounds[self._day + 1]) - self._decided

    def observe(self) -> DayBatch:
        """The next day with arrivals; the same object until the whole day is executed.

        Raises:
            InputError: the simulation is done.
        """
        self._refuse_done()
        if self._batch is None:
            today = slice(int(self._bounds[self._day]), int(self._bounds[self._day + 1]))
            best = self._best_eur()
            masks = np.isfinite(best)
            masks[:, Disposition.DISPOSE] = True
            states = self._features[today].copy()
            gains = best[:, : Disposition.DISPOSE] - best[:, [Disposition.DISPOSE]]
            states[:, features.GAIN_FEATURES] = features.encode_gains(gains)
            states[:, features.CAPACITY_FEATURES] = features.encode_capacity(self._free_share())
            if self._perturbation is not None:
                states = self._perturbation(states, self._day)
                states = np.clip(states, -1.0, 1.0).astype(np.float32)
            self._batch = DayBatch(
                day=self._day,
                products=self.scenario.returns.product[today].copy(),
                states=states,
                masks=masks,
                margins_eur=self._unit_margins(np.arange(today.start, today.stop)),
            )
        return self._batch

    def execute(self, actions: np.ndarray) -> np.ndarray:
        """Execute the rest of the day in order of arrival, and go on to the next one.

        Args:
            actions: integers (k,), one for each product of the day.

        Returns:
            float64 (k,), realised values in EUR.

        Raises:
            InputError: wrong shape or type, an action out of range or masked (nothing is
                executed then), or the simulation is done.
        """
        batch = self.observe()
        actions = np.asarray(actions)
        todo = self.pending
        if actions.shape != (todo,) or actions.dtype.kind not in "iu":
            raise InputError(
                f"day {self._day}: actions of shape {actions.shape} and type {actions.dtype}, "
                f"must be integers of shape ({todo},)",
                hint="give one action for each product of the day",
            )
        masks = batch.masks[len(batch.masks) - todo :]
        for offset, action in enumerate(actions):
            self._refuse_action(int(action), masks[offset], self._decided + offset)
        executed = slice(self._decided, self._decided + todo)
        for action in actions:
            self._dispatch(int(action))
        values = self._realised_eur(executed)
        self._advance()
        return values

    def execute_next(self, action: int) -> float:
        """Execute one product, the next in order of arrival; see :meth:`execute`.

        Returns:
            its realised value in EUR.

        Raises:
            InputError: the action is out of range or masked, or the simulation is done.
        """
        batch = self.observe()
        self._refuse_action(action, batch.masks[len(batch.masks) - self.pending], self._decided)
        index = self._decided
        self._dispatch(action)
        value = float(self._realised_eur(slice(index, index + 1))[0])
        if self._decided == self._bounds[self._day + 1]:
            self._advance()
        return value

    def next_floor_eur(self) -> float:
        """What disposing of the next product would be worth, in EUR.

        Raises:
            InputError: the simulation is done.
        """
        self._refuse_done()
        expected = self._slot_eur[self._decided - self._first_product]
        return float(expected[self._limited :].max())

    @property
    def waste_kg_per_product(self) -> float:
        """kg that left every loop per product decided so far; 0 before the first."""
        upto = slice(0, self._decided)
        if self._decided == 0:
            return 0.0
        kind = self.network.disposition[self._facility[upto]]
        kept = self.outcomes.reentered_kg[np.arange(self._decided), kind]
        return float((self._mass_kg[upto] - kept).mean())

    @property
    def free_slots(self) -> np.ndarray:
        """int64 (F, days), the slots that are left at each facility; a copy."""
        return self._free.copy()

    def copy(self) -> Simulation:
        """A simulation of its own in the same state, for looking ahead."""
        twin = copy(self)
        for name in ("_free", "_wait", "_action", "_facility", "_wait_days", "_slot_eur"):
            setattr(twin, name, getattr(self, name).copy())
        return twin

    def rows(self) -> pa.Table:
        """One row per decided product; see :data:`toolchain.environment.ROW_COLUMNS`."""
        upto = slice(0, self._decided)
        return rows_table(
            self.scenario,
            self.outcomes,
            self.network,
            action=self._action[upto],
            facility=self._facility[upto],
            wait_days=self._wait_days[upto],
            value_eur=self._realised_eur(upto),
            node_alive=self._node.alive[self.scenario.returns.return_day[upto]],
        )

    def _advance(self) -> None:
        """Go to the next day that the node decides; dispose of what it misses on the way."""
        self._batch = None
        horizon = len(self._bounds) - 1
        self._day += 1
        while self._day < horizon:
            arrivals = int(self._bounds[self._day + 1] - self._bounds[self._day])
            if arrivals:
                self._start_day()
                if self._node.alive[self._day]:
                    return
                for _ in range(arrivals):
                    self._dispatch(UNDECIDED)
            self._day += 1

    def _start_day(self) -> None:
        window = self._free[:, self._day : self._day + self._max_wait + 1] > 0
        self._wait = np.where(window.any(axis=1), window.argmax(axis=1), UNDECIDED)
        products = np.arange(self._bounds[self._day], self._bounds[self._day + 1])
        self._first_product = int(products[0])
        everywhere = np.arange(len(self._wait))
        self._slot_eur = self._expected_eur(products[:, None], everywhere[None, :])

    def _expected_eur(self, products: np.ndarray, facilities: np.ndarray) -> np.ndarray:
        """Expected value at each facility's earliest free slot; -inf when it may not go there."""
        wait = self._wait[facilities]
        value = slot_values_eur(
            self.outcomes.expected,
            self.network,
            self._mass_kg,
            products,
            facilities,
            np.maximum(wait, 0),
            self._decay,
        )
        kind = self.network.disposition[facilities]
        return np.where((wait >= 0) & self.outcomes.feasible[products, kind], value, -np.inf)

    def _best_eur(self) -> np.ndarray:
        best: np.ndarray = np.maximum.reduceat(self._slot_eur, self.network.first[:-1], axis=1)
        return best

    def _dispatch(self, action: int) -> None:
        """Send the next product on its way; it takes the best free slot or is disposed of."""
        index = self._decided
        expected = self._slot_eur[index - self._first_product]
        kind = Disposition.DISPOSE if action == UNDECIDED else action
        low, high = self.network.first[kind], self.network.first[kind + 1]
        chosen = int(low + np.argmax(expected[low:high]))
        if expected[chosen] == -np.inf:
            low, high = self.network.first[Disposition.DISPOSE], len(expected)
            chosen = int(low + np.argmax(expected[low:high]))
        wait = int(self._wait[chosen])
        self._action[index] = action
        self._facility[index] = chosen
        self._wait_days[index] = wait
        self._decided += 1
        if chosen < self._limited:
            self._take_slot(chosen, wait)

    def _take_slot(self, facility: int, wait: int) -> None:
        self._free[facility, self._day + wait] -= 1
        if self._free[facility, self._day + wait] > 0:
            return
        window = self._free[facility, self._day : self._day + self._max_wait + 1] > 0
        self._wait[facility] = int(window.argmax()) if window.any() else UNDECIDED
        rest = np.arange(self._decided, self._bounds[self._day + 1])
        if len(rest):
            self._slot_eur[rest - self._first_product, facility] = self._expected_eur(
                rest, np.full(len(rest), facility)
            )

    def _realised_eur(self, span: slice) -> np.ndarray:
        return slot_values_eur(
            self.outcomes.realised,
            self.network,
            self._mass_kg,
            np.arange(span.start, span.stop),
            self._facility[span],
            self._wait_days[span],
            self._decay,
        )

    def _unit_margins(self, products: np.ndarray) -> np.ndarray:
        value = slot_values_eur(
            self.outcomes.expected,
            self.network,
            self._mass_kg,
            products[:, None],
            np.arange(len(self.network.node))[None, :],
            np.zeros((1, 1), dtype=np.int64),
            self._decay,
        )
        best = np.maximum.reduceat(value, self.network.first[:-1], axis=1)
        return np.where(self.outcomes.feasible[products], best, -np.inf)

    def _free_share(self) -> np.ndarray:
        window = slice(self._day, self._day + self._max_wait + 1)
        first = self.network.first[: Disposition.DISPOSE]
        free = np.add.reduceat(self._free[: self._limited, window].sum(axis=1), first)
        total = np.add.reduceat(self.network.slots[: self._limited, window].sum(axis=1), first)
        share: np.ndarray = free / np.maximum(total, 1)
        return share

    def _refuse_done(self) -> None:
        if self.done:
            raise InputError(
                f"all {len(self._action)} returns are decided", hint="start another simulation"
            )

    def _refuse_action(self, action: int, mask: np.ndarray, index: int) -> None:
        product = int(self.scenario.returns.product[index])
        if not 0 <= action < N_DISPOSITIONS:
            raise InputError(
                f"product {product}: action {action}, must be 0 to {N_DISPOSITIONS - 1}",
                hint="choose a Disposition",
            )
        if not mask[action]:
            allowed = ", ".join(Disposition(int(a)).name for a in np.flatnonzero(mask))
            raise InputError(
                f"product {product}: {Disposition(action).name} is masked on day {self._day}",
                hint=f"choose one of {allowed}",
            )


def rollout(
    scenario: Scenario, policy: Policy, perturbation: ObservationTransform | None = None
) -> pa.Table:
    """Decide a whole scenario with a policy.

    Returns:
        one row per product; see :data:`toolchain.environment.ROW_COLUMNS`.

    Raises:
        InputError: the policy chose an action that is out of range or masked.
        ScenarioError: a loop of the scenario's graph is open.
    """
    simulation = Simulation(scenario, perturbation)
    while not simulation.done:
        simulation.execute(policy(simulation.observe()))
    return simulation.rows()
