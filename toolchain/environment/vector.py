"""Many scenarios in lockstep: the simulation's twin for training, one product of each a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from toolchain.environment import features
from toolchain.environment.disposition import N_DISPOSITIONS, Disposition
from toolchain.environment.network import Network, decay, network, slot_values_eur
from toolchain.environment.node import node_days
from toolchain.environment.outcomes import Gains, Outcomes, outcomes
from toolchain.environment.rows import rows_table
from toolchain.environment.simulation import UNDECIDED
from toolchain.errors import InputError
from toolchain.scenario import Scenario

_LIMITED = N_DISPOSITIONS - 1
_NEVER = np.array([[2**30, 0]])


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

    States, masks, values and rows equal the simulation's bit for bit (a test compares them). The
    inner loops are compiled by numba at their first use, and kept on disk. It holds about 500 bytes
    for each product.

    Args:
        scenarios: at least one, of the same horizon and longest wait; sizes may differ.

    Raises:
        InputError: no scenario, or different horizons or waits.
        MissingDependencyError: numba is not installed.
        ScenarioError: a loop of a scenario's graph is open.
    """

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        from toolchain.environment import kernels

        spans = {(s.parameters.horizon_days, s.parameters.max_wait_days) for s in scenarios}
        if len(spans) != 1:
            raise InputError(
                f"{len(scenarios)} scenarios of (horizon_days, max_wait_days) {sorted(spans)}",
                hint="give at least one, all with the same horizon and longest wait",
            )
        self._kernels: Any = kernels
        self.scenarios = tuple(scenarios)
        (horizon, self._max_wait) = spans.pop()
        # What waits longer than the longest wait is worth nothing, at a place of its own.
        self._decay = np.append(decay(self._max_wait), 0.0)
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
        envs, facilities = self._onward_km.shape
        self._place = self._first_place.copy()
        self._left = self._slots[self._place, self._kernels.LEFT]
        self._next_free = self._slots[self._place, self._kernels.AT]
        self._free_of_kind = self._slots_of_kind.copy()
        self._taken = self._untaken.copy()
        self._next = self._first_alive.copy()
        # Disposal never waits, so its columns stay as they are here.
        self._seen_wait = np.zeros((envs, facilities), dtype=np.int8)
        # An empty window before day 0.
        self._window_start = np.full(envs, -self._max_wait - 1)
        self._window_free = np.zeros((envs, _LIMITED), dtype=np.int64)
        self._window_slots = np.zeros((envs, _LIMITED), dtype=np.int64)
        self._capacity = np.zeros((envs, _LIMITED), dtype=np.float32)
        self._batch: VectorBatch | None = None
        self._floor_eur = np.zeros(envs)
        for env in np.flatnonzero(~self.done):
            self._kernels.start_day(env, *self._day_state())

    def observe(self) -> VectorBatch:
        """The next product of each scenario."""
        if self._batch is None:
            envs = len(self.scenarios)
            active = np.empty(envs, dtype=np.bool_)
            products = np.empty(envs, dtype=np.int64)
            masks = np.empty((envs, N_DISPOSITIONS), dtype=np.bool_)
            states = np.empty((envs, features.N_FEATURES), dtype=np.float32)
            self._kernels.look(
                self._next,
                self._count,
                self._max_wait,
                self._first,
                self._distance_km,
                self._onward_km,
                self._keys,
                self._expected,
                self._features,
                self._product,
                self._decay,
                self._seen_wait,
                self._capacity,
                features.CAPACITY_FEATURES.start,
                features.GAIN_FEATURES.start,
                features.GAIN_FLOOR_EUR,
                features.GAIN_TOP_EUR,
                features.GAIN_KNEE_EUR,
                features.GAIN_SPAN,
                self._floor_eur,
                active,
                products,
                masks,
                states,
            )
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
        values = np.empty(len(self.scenarios))
        self._kernels.dispatch(
            actions,
            self._count,
            self._distance_km,
            self._onward_km,
            self._expected,
            self._realised,
            self._decay,
            self._taken,
            values,
            *self._day_state(),
        )
        self._batch = None
        return values

    def floor_eur(self) -> np.ndarray:
        """What disposing of each next product would be worth, float64 (B,); 0 where finished."""
        self.observe()
        return self._floor_eur.copy()

    def rows(self, env: int) -> pa.Table:
        """One row per decided product of one scenario, as :meth:`Simulation.rows`."""
        upto = int(self._next[env])
        net, out = self._networks[env], self._outcomes[env]
        scenario = self.scenarios[env]
        action, facility, wait = self._taken[:upto, env].astype(np.int64).T
        products = np.arange(upto)
        return rows_table(
            scenario,
            out,
            net,
            action=action,
            facility=facility,
            wait_days=wait,
            value_eur=slot_values_eur(
                out.realised,
                net,
                scenario.returns.mass_kg,
                products,
                facility,
                wait,
                self._decay,
            ),
            node_alive=self._alive[env][:upto],
        )

    def _day_state(self) -> tuple[Any, ...]:
        """What a kernel needs to start a day, in its order."""
        return (
            self._next,
            self._keys,
            self._max_wait,
            self._first,
            self._slots,
            self._place,
            self._left,
            self._next_free,
            self._free_of_kind,
            self._slots_of_kind,
            self._window_free,
            self._window_slots,
            self._window_start,
            self._seen_wait,
            self._capacity,
        )

    def _lay_out_facilities(self, days: int) -> None:
        """One row of facilities a scenario, as its network orders them, padded at the end."""
        nets = self._networks
        envs = len(nets)
        most = max(len(net.node) for net in nets)
        collections = max(len(net.distance_km) for net in nets)
        self._envs = np.arange(envs)
        self._first = np.array([net.first for net in nets])
        self._onward_km = np.zeros((envs, most))
        self._distance_km = np.full((envs, collections, most), np.inf)
        self._first_place = np.zeros((envs, most), dtype=np.int64)
        lists: list[np.ndarray] = []
        length = 0
        self._slots_of_kind = np.zeros((days, envs, _LIMITED), dtype=np.int32)
        for env, net in enumerate(nets):
            self._onward_km[env, : len(net.node)] = net.onward_km
            self._distance_km[env, : len(net.distance_km), : len(net.node)] = net.distance_km
            own = net.slots[: net.first[_LIMITED]].T
            for facility in range(own.shape[1]):
                days_open = np.flatnonzero(own[:, facility])
                entries = np.stack([days_open, own[days_open, facility]], axis=1)
                lists += [entries, _NEVER]
                self._first_place[env, facility] = length
                length += len(entries) + 1
            self._slots_of_kind[:, env] = np.add.reduceat(own, net.first[:_LIMITED], axis=1)
        self._slots = np.concatenate(lists).astype(np.int32)

    def _lay_out_products(self, horizon: int) -> None:
        k = self._kernels
        envs = len(self.scenarios)
        self._count = np.array([len(s.returns) for s in self.scenarios])
        most = int(self._count.max())
        self._product = np.zeros((most, envs), dtype=np.int64)
        self._keys = np.zeros((most, envs, k.N_KEYS), dtype=np.int32)
        self._first_alive = np.zeros(envs, dtype=np.int64)
        bits = 1 << np.arange(N_DISPOSITIONS)
        self._features = np.zeros((most, envs, features.N_FEATURES), dtype=np.float32)
        self._expected = np.zeros((most, envs, k.N_FIELDS))
        self._realised = np.zeros((most, envs, k.N_FIELDS))
        self._untaken = np.zeros((most, envs, k.N_TAKEN), dtype=np.int32)
        self._untaken[..., k.ACTION] = UNDECIDED
        self._alive: list[np.ndarray] = []
        for env, (scenario, net, out) in enumerate(
            zip(self.scenarios, self._networks, self._outcomes, strict=True)
        ):
            returns = scenario.returns
            day = returns.return_day
            n = len(returns)
            node = node_days(scenario.parameters.node, np.bincount(day, minlength=horizon))
            alive = node.alive[day]
            self._alive.append(alive)
            self._product[:n, env] = returns.product
            # From each product on, the first that the node decides; the count when there is none.
            position = np.append(np.where(alive, np.arange(n), n), n)
            following = np.minimum.accumulate(position[::-1])[::-1]
            self._first_alive[env] = following[0]
            self._keys[:n, env, k.DAY] = day
            self._keys[:n, env, k.COLLECTION] = net.collection
            self._keys[:n, env, k.FEASIBLE] = out.feasible @ bits
            self._keys[:n, env, k.NEXT] = following[1:]
            self._features[:n, env] = features.day_features(returns, net, node)
            self._expected[:n, env] = _record(k, out.expected, returns.mass_kg)
            self._realised[:n, env] = _record(k, out.realised, returns.mass_kg)
            first = int(net.first[Disposition.DISPOSE])
            away_km = net.distance_km[:, first:]
            nearest = first + away_km.argmin(axis=1)
            self._untaken[:n, env, k.FACILITY] = nearest[net.collection]

    def _checked(self, actions: np.ndarray, batch: VectorBatch) -> np.ndarray:
        if actions.shape != self._envs.shape or actions.dtype.kind not in "iu":
            raise InputError(
                f"actions of shape {actions.shape} and type {actions.dtype}, must be integers of "
                f"shape {self._envs.shape}",
                hint="give one action for each scenario",
            )
        actions = actions.astype(np.int64)
        if not batch.active.all():
            actions[~batch.active] = Disposition.DISPOSE
        env = self._kernels.refused(actions, batch.masks)
        if env >= 0:
            allowed = ", ".join(Disposition(int(a)).name for a in np.flatnonzero(batch.masks[env]))
            raise InputError(
                f"scenario {env}, product {batch.products[env]}: action {actions[env]} is masked "
                "or out of range",
                hint=f"choose one of {allowed}",
            )
        return actions


def _record(kernels: ModuleType, gains: Gains, mass_kg: np.ndarray) -> np.ndarray:
    """The products' records (n, N_FIELDS) that the kernels read."""
    record = np.empty((len(mass_kg), kernels.N_FIELDS))
    record[:, kernels.MASS] = mass_kg
    record[:, kernels.RATE] = gains.transport_eur_per_kg_km
    record[:, kernels.STORAGE] = gains.storage_eur_per_day
    by_kind = np.stack([gains.fading_eur, gains.fixed_eur, gains.second_leg_kg], axis=2)
    record[:, kernels.FIRST_KIND :] = by_kind.reshape(len(mass_kg), -1)
    return record
