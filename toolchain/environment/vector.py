"""Many scenarios in lockstep: the simulation's twin for training, one product of each a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from toolchain.environment import features
from toolchain.environment.disposition import N_DISPOSITIONS, Disposition
from toolchain.environment.network import Network, decay, network, placed_eur, waited_eur
from toolchain.environment.node import node_days
from toolchain.environment.outcomes import Gains, Outcomes, outcomes
from toolchain.environment.rows import rows_table
from toolchain.environment.simulation import UNDECIDED
from toolchain.errors import InputError
from toolchain.scenario import Scenario

_LIMITED = N_DISPOSITIONS - 1


@dataclass(frozen=True, eq=False)
class VectorBatch:
    """The next product of each of B scenarios.

    Attributes:
        active: bool (B,), False where all products are decided; the rest is zero there, and only
            DISPOSE is allowed.
        products: int64 (B,), ids.
        states: float32 (B, 24), as of the start of the product's day.
        masks: bool (B, 5).
    """

    active: np.ndarray
    products: np.ndarray
    states: np.ndarray
    masks: np.ndarray


class VectorSimulation:
    """B scenarios, each decided product by product, with the semantics of :class:`Simulation`.

    States, masks, values and rows equal the simulation's bit for bit (a test compares them). It
    keeps about 8 bytes for each scenario, product and facility.

    Args:
        scenarios: at least one, of the same horizon and longest wait; sizes may differ.

    Raises:
        InputError: no scenario, or different horizons or waits.
        ScenarioError: a loop of a scenario's graph is open.
    """

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        spans = {(s.parameters.horizon_days, s.parameters.max_wait_days) for s in scenarios}
        if len(spans) != 1:
            raise InputError(
                f"{len(scenarios)} scenarios of (horizon_days, max_wait_days) {sorted(spans)}",
                hint="give at least one, all with the same horizon and longest wait",
            )
        self.scenarios = tuple(scenarios)
        (horizon, self._max_wait) = spans.pop()
        self._envs = np.arange(len(scenarios))
        self._decay = decay(self._max_wait)
        self._outcomes: list[Outcomes] = [outcomes(s) for s in scenarios]
        self._networks: list[Network] = [network(s) for s in scenarios]
        self._lay_out_facilities(horizon + self._max_wait)
        self._lay_out_products(horizon)
        self.reset()

    @property
    def done(self) -> np.ndarray:
        """bool (B,), whether every return of a scenario is decided."""
        finished: np.ndarray = self._next >= self._count
        return finished

    def reset(self) -> None:
        """Start again with the same scenarios."""
        self._free = self._slots.copy()
        self._facility = self._nearest_disposal.copy()
        self._wait_days = np.zeros_like(self._facility)
        self._action = np.full_like(self._facility, UNDECIDED)
        self._next = self._next_alive[:, 0].copy()
        shape = (len(self._envs), self._kind.shape[0])
        self._wait = np.zeros(shape, dtype=np.int64)
        self._seen_wait = np.zeros(shape, dtype=np.int64)
        self._free_share = np.zeros((len(self._envs), _LIMITED))
        self._batch: VectorBatch | None = None
        self._start_days(self._envs[~self.done])

    def observe(self) -> VectorBatch:
        """The next product of each scenario."""
        if self._batch is None:
            active = ~self.done
            index = np.minimum(self._next, self._count - 1)
            expected = self._slot_eur(self._envs, index, self._seen_wait)
            best = np.maximum.reduceat(expected, self._first[:-1], axis=1)
            masks = np.isfinite(best)
            masks[:, Disposition.DISPOSE] = True
            masks[~active, : Disposition.DISPOSE] = False
            states = self._features[self._envs, index]
            gains = best[:, : Disposition.DISPOSE] - best[:, [Disposition.DISPOSE]]
            states[:, features.GAIN_FEATURES] = features.encode_gains(gains)
            states[:, features.CAPACITY_FEATURES] = features.encode_capacity(self._free_share)
            states[~active] = 0.0
            products = np.where(active, self._product[self._envs, index], 0)
            self._batch = VectorBatch(active, products, states, masks)
        return self._batch

    def execute(self, actions: np.ndarray) -> np.ndarray:
        """Execute the next product of each scenario.

        Args:
            actions: integers (B,); those of finished scenarios are ignored.

        Returns:
            float64 (B,), realised values in EUR; 0 where finished.

        Raises:
            InputError: wrong shape or type, or an action out of range or masked; nothing is
                executed then.
        """
        batch = self.observe()
        actions = self._checked(np.asarray(actions), batch)
        envs = np.flatnonzero(batch.active)
        index = self._next[envs]
        expected = self._slot_eur(envs, index, self._wait[envs])
        expected[self._kind[None, :] != actions[envs, None]] = -np.inf
        chosen = expected.argmax(axis=1)
        full = np.isneginf(expected[np.arange(len(envs)), chosen])
        chosen = np.where(full, self._nearest_disposal[envs, index], chosen)
        wait = self._wait[envs, chosen]
        self._action[envs, index] = actions[envs]
        self._facility[envs, index] = chosen
        self._wait_days[envs, index] = wait
        values = np.zeros(len(self._envs))
        values[envs] = self._realised_eur(envs, index, chosen, wait)
        limited = chosen < self._first[_LIMITED]
        self._take_slots(envs[limited], chosen[limited], wait[limited])
        self._go_on(envs)
        return values

    def floor_eur(self) -> np.ndarray:
        """What disposing of each next product would be worth, float64 (B,); 0 where finished."""
        index = np.minimum(self._next, self._count - 1)
        disposal = self._nearest_disposal[self._envs, index]
        value = self._realised_eur(self._envs, index, disposal, np.zeros_like(disposal))
        return np.where(self.done, 0.0, value)

    def rows(self, env: int) -> pa.Table:
        """One row per decided product of one scenario, as :meth:`Simulation.rows`."""
        upto = int(self._next[env])
        net = self._networks[env]
        own = np.flatnonzero(self._real[env])
        local = np.searchsorted(own, self._facility[env, :upto])
        count = int(self._count[env])
        padded = self._facility[env, :upto]
        return rows_table(
            self.scenarios[env],
            self._outcomes[env],
            net,
            action=self._action[env, :upto],
            facility=local,
            wait_days=self._wait_days[env, :upto],
            value_eur=self._realised_eur(
                np.full(upto, env), np.arange(upto), padded, self._wait_days[env, :upto]
            ),
            node_alive=self._alive[env, :count][:upto],
        )

    def _lay_out_facilities(self, days: int) -> None:
        """Pad the facilities of each disposition to the most that any scenario has."""
        counts = np.array([np.diff(net.first) for net in self._networks])
        most = counts.max(axis=0)
        self._first = np.concatenate([[0], np.cumsum(most)])
        self._kind = np.repeat(np.arange(N_DISPOSITIONS), most)
        shape = (len(self._networks), len(self._kind))
        collections = max(net.distance_km.shape[0] for net in self._networks)
        self._real = np.zeros(shape, dtype=bool)
        self._onward_km = np.zeros(shape)
        self._distance_km = np.full((shape[0], collections, shape[1]), np.inf)
        self._slots = np.zeros((shape[0], int(self._first[_LIMITED]), days), dtype=np.int32)
        for env, net in enumerate(self._networks):
            for kind in range(N_DISPOSITIONS):
                low, high = net.first[kind], net.first[kind + 1]
                place = slice(self._first[kind], self._first[kind] + high - low)
                self._real[env, place] = True
                self._onward_km[env, place] = net.onward_km[low:high]
                self._distance_km[env, : len(net.distance_km), place] = net.distance_km[:, low:high]
                if kind < _LIMITED:
                    self._slots[env, place] = net.slots[low:high]
        by_kind = np.add.reduceat(self._slots, self._first[:_LIMITED], axis=1)
        self._slots_before = np.zeros((shape[0], _LIMITED, days + 1), dtype=np.int64)
        np.cumsum(by_kind, axis=2, out=self._slots_before[:, :, 1:])

    def _lay_out_products(self, horizon: int) -> None:
        envs = len(self.scenarios)
        self._count = np.array([len(s.returns) for s in self.scenarios])
        most = int(self._count.max())

        def padded(parts: list[np.ndarray], fill: float = 0) -> np.ndarray:
            shape = (envs, most, *parts[0].shape[1:])
            whole = np.full(shape, fill, dtype=parts[0].dtype)
            for env, part in enumerate(parts):
                whole[env, : len(part)] = part
            return whole

        def gains(chosen: list[Gains]) -> Gains:
            names = Gains.__dataclass_fields__
            return Gains(**{name: padded([getattr(g, name) for g in chosen]) for name in names})

        self._expected = gains([o.expected for o in self._outcomes])
        self._realised = gains([o.realised for o in self._outcomes])
        self._product = padded([s.returns.product for s in self.scenarios])
        self._day = padded([s.returns.return_day.astype(np.int64) for s in self.scenarios], -1)
        self._mass_kg = padded([s.returns.mass_kg for s in self.scenarios])
        self._collection = padded([net.collection for net in self._networks])
        alive, states = [], []
        for scenario, net in zip(self.scenarios, self._networks, strict=True):
            day = scenario.returns.return_day
            node = node_days(scenario.parameters.node, np.bincount(day, minlength=horizon))
            alive.append(node.alive[day])
            states.append(features.day_features(scenario.returns, net, node))
        self._placed = self._place(self._expected, padded([o.feasible for o in self._outcomes]))
        self._alive = padded(alive)
        self._features = padded(states)
        # From each product on, the first that the node decides; the count when there is none.
        position = np.where(self._alive, np.arange(most)[None, :], self._count[:, None])
        following = np.minimum.accumulate(position[:, ::-1], axis=1)[:, ::-1]
        self._next_alive = np.concatenate([following, self._count[:, None]], axis=1)
        rows = self._envs[:, None]
        away = self._distance_km[rows, self._collection, self._first[_LIMITED] :]
        self._nearest_disposal = self._first[_LIMITED] + away.argmin(axis=2)

    def _start_days(self, envs: np.ndarray) -> None:
        """Note where the first free slots are and what is free, at the start of the day."""
        if len(envs) == 0:
            return
        day = self._day[envs, self._next[envs]]
        days = day[:, None] + np.arange(self._max_wait + 1)
        window = self._free[envs[:, None], :, days].transpose(0, 2, 1)
        is_free = window > 0
        wait = np.where(is_free.any(axis=2), is_free.argmax(axis=2), UNDECIDED)
        limited = self._first[_LIMITED]
        self._wait[envs, :limited] = wait
        self._seen_wait[envs, :limited] = wait
        free = np.add.reduceat(window.sum(axis=2, dtype=np.int64), self._first[:_LIMITED], axis=1)
        total = self._slots_before[envs, :, day + self._max_wait + 1]
        total = total - self._slots_before[envs, :, day]
        self._free_share[envs] = free / np.maximum(total, 1)

    def _place(self, gains: Gains, feasible: np.ndarray) -> np.ndarray:
        """:func:`placed_eur` of every product at every facility, (B, n, F); -inf if infeasible."""
        shape = (*self._product.shape, len(self._kind))
        placed = np.full(shape, -np.inf)
        for env, count in enumerate(self._count):
            own = slice(0, int(count))
            value = placed_eur(
                fixed_eur=gains.fixed_eur[env, own][:, self._kind],
                second_leg_kg=gains.second_leg_kg[env, own][:, self._kind],
                transport_eur_per_kg_km=gains.transport_eur_per_kg_km[env, own, None],
                mass_kg=self._mass_kg[env, own, None],
                distance_km=self._distance_km[env, self._collection[env, own]],
                onward_km=self._onward_km[env],
            )
            placed[env, own] = np.where(feasible[env, own][:, self._kind], value, -np.inf)
        return placed

    def _slot_eur(self, envs: np.ndarray, index: np.ndarray, wait: np.ndarray) -> np.ndarray:
        """Expected value at each facility's earliest free slot; -inf when it may not go there."""
        value = waited_eur(
            self._expected.fading_eur[envs, index][:, self._kind],
            self._placed[envs, index],
            self._expected.storage_eur_per_day[envs, index][:, None],
            wait,
            self._decay,
        )
        value[wait < 0] = -np.inf
        return value

    def _realised_eur(
        self, envs: np.ndarray, index: np.ndarray, facility: np.ndarray, wait: np.ndarray
    ) -> np.ndarray:
        gains, kind = self._realised, self._kind[facility]
        placed = placed_eur(
            fixed_eur=gains.fixed_eur[envs, index, kind],
            second_leg_kg=gains.second_leg_kg[envs, index, kind],
            transport_eur_per_kg_km=gains.transport_eur_per_kg_km[envs, index],
            mass_kg=self._mass_kg[envs, index],
            distance_km=self._distance_km[envs, self._collection[envs, index], facility],
            onward_km=self._onward_km[envs, facility],
        )
        fading = gains.fading_eur[envs, index, kind]
        storage = gains.storage_eur_per_day[envs, index]
        return waited_eur(fading, placed, storage, wait, self._decay)

    def _take_slots(self, envs: np.ndarray, facility: np.ndarray, wait: np.ndarray) -> None:
        day = self._day[envs, self._next[envs]]
        self._free[envs, facility, day + wait] -= 1
        days = day[:, None] + np.arange(self._max_wait + 1)
        window = self._free[envs[:, None], facility[:, None], days] > 0
        self._wait[envs, facility] = np.where(window.any(axis=1), window.argmax(axis=1), UNDECIDED)

    def _go_on(self, envs: np.ndarray) -> None:
        self._batch = None
        day = self._day[envs, self._next[envs]]
        self._next[envs] = self._next_alive[envs, self._next[envs] + 1]
        left = self._next[envs] < self._count[envs]
        envs, day = envs[left], day[left]
        self._start_days(envs[self._day[envs, self._next[envs]] != day])

    def _checked(self, actions: np.ndarray, batch: VectorBatch) -> np.ndarray:
        if actions.shape != self._envs.shape or actions.dtype.kind not in "iu":
            raise InputError(
                f"actions of shape {actions.shape} and type {actions.dtype}, must be integers of "
                f"shape {self._envs.shape}",
                hint="give one action for each scenario",
            )
        actions = np.where(batch.active, actions, Disposition.DISPOSE)
        bad = (actions < 0) | (actions >= N_DISPOSITIONS)
        bad |= ~batch.masks[self._envs, actions.clip(0, N_DISPOSITIONS - 1)]
        if bad.any():
            env = int(np.argmax(bad))
            allowed = ", ".join(Disposition(int(a)).name for a in np.flatnonzero(batch.masks[env]))
            raise InputError(
                f"scenario {env}, product {batch.products[env]}: action {actions[env]} is masked "
                "or out of range",
                hint=f"choose one of {allowed}",
            )
        return actions
