"""Many scenarios in lockstep: the simulation's twin for training, one product of each a step."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
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
_NEVER = np.iinfo(np.int16).max
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_SCENARIOS_PER_THREAD = 512
"""Fewer take less time than waking a thread up."""


@cache
def _threads() -> ThreadPoolExecutor:
    """The threads that take a share of the scenarios each, beside the one that asks."""
    return ThreadPoolExecutor(max(1, _CORES - 1), thread_name_prefix="scenarios")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_threads.cache_clear)


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
        self._decay = decay(self._max_wait)
        n_shares = min(_CORES, max(1, len(scenarios) // _SCENARIOS_PER_THREAD))
        ends = np.linspace(0, len(scenarios), n_shares + 1).astype(np.int64)
        self._shares = list(itertools.pairwise(ends))
        self._outcomes: list[Outcomes] = [outcomes(s) for s in scenarios]
        self._networks: list[Network] = [network(s) for s in scenarios]
        days = horizon + self._max_wait
        self._layout = kernels.Layout(
            **self._facilities(days), **self._products(horizon), **self._scales()
        )
        self.reset()

    @property
    def done(self) -> np.ndarray:
        """bool (B,), whether every return of a scenario is decided."""
        finished: np.ndarray = self._state.upcoming >= self._layout.n_products
        return finished

    def reset(self) -> None:
        """Start again with the same scenarios."""
        envs, facilities = self._layout.onward_km.shape
        self._state = self._kernels.State(
            upcoming=self._first_alive.copy(),
            next_free=self._layout.openings[0, :, self._kernels.AT].copy(),
            left=self._layout.openings[0, :, self._kernels.LEFT].copy(),
            seen_wait=np.zeros((envs, facilities), dtype=np.int16),
            seen_best=np.full((envs, _LIMITED), -1, dtype=np.int16),
            booked=np.zeros((envs, self._max_wait + 1, _LIMITED), dtype=np.int32),
            booked_ahead=np.zeros((envs, _LIMITED), dtype=np.int32),
            window_start=np.zeros(envs, dtype=np.int64),
            capacity=np.zeros((envs, _LIMITED), dtype=np.float32),
            taken=self._untaken.copy(),
        )
        self._batches = itertools.cycle([self._new_batch(), self._new_batch()])
        self._batch, self._seen = next(self._batches)
        nothing = np.zeros(envs, dtype=np.int64)
        self._step(True, nothing, np.empty(envs))

    def observe(self) -> VectorBatch:
        """The next product of each scenario; the same object until it is executed.

        Its arrays hold until the :meth:`execute` after that: memory that is used again is several
        times faster than new memory. Copy what you keep.
        """
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
        actions = self._checked(np.asarray(actions), self._batch)
        values = np.empty(len(self.scenarios))
        self._batch, self._seen = next(self._batches)
        self._step(False, actions, values)
        return values

    def floor_eur(self) -> np.ndarray:
        """What disposing of each next product would be worth, float64 (B,); 0 where finished."""
        floor: np.ndarray = self._seen.floor_eur.copy()
        return floor

    def rows(self, env: int) -> pa.Table:
        """One row per decided product of one scenario, as :meth:`Simulation.rows`."""
        upto = int(self._state.upcoming[env])
        net, out = self._networks[env], self._outcomes[env]
        scenario = self.scenarios[env]
        action, facility, wait = self._state.taken[:upto, env].astype(np.int64).T
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

    def _step(self, first_day: bool, actions: np.ndarray, values: np.ndarray) -> None:
        """Run the kernel over all scenarios, a share of them in each thread."""
        arguments = (first_day, actions, values, *self._layout, *self._state, *self._seen)
        (own, *others) = self._shares
        running = [_threads().submit(self._kernels.step, *share, *arguments) for share in others]
        self._kernels.step(*own, *arguments)
        for share in running:
            share.result()

    def _new_batch(self) -> tuple[VectorBatch, Any]:
        """A batch to be filled, and what a kernel fills it through."""
        envs = len(self.scenarios)
        batch = VectorBatch(
            active=np.empty(envs, dtype=np.bool_),
            products=np.empty(envs, dtype=np.int64),
            states=np.empty((envs, features.N_FEATURES), dtype=np.float32),
            masks=np.empty((envs, N_DISPOSITIONS), dtype=np.bool_),
        )
        seen = self._kernels.Seen(
            np.empty(envs), batch.active, batch.products, batch.masks, batch.states
        )
        return batch, seen

    def _facilities(self, days: int) -> dict[str, Any]:
        """The limited facilities, one row a scenario, padded at the end."""
        k = self._kernels
        nets = self._networks
        envs = len(nets)
        most = max(int(net.first[_LIMITED]) for net in nets)
        collections = max(len(net.distance_km) for net in nets)
        onward_km = np.zeros((envs, most))
        distance_km = np.full((envs, collections, most), np.inf)
        most_slots = max(int(net.slots[: net.first[_LIMITED]].max()) for net in nets)
        slots = np.zeros((days, envs, most), dtype=np.int32)
        ahead = np.zeros((days + self._max_wait + 1, envs, _LIMITED), dtype=np.int64)
        for env, net in enumerate(nets):
            own = slice(0, int(net.first[_LIMITED]))
            onward_km[env, own] = net.onward_km[own]
            distance_km[env, : len(net.distance_km), own] = net.distance_km[:, own]
            slots[:, env, own] = net.slots[own].T
            by_kind = np.add.reduceat(net.slots[own], net.first[:_LIMITED], axis=0)
            np.cumsum(by_kind.T, axis=0, out=ahead[1 : days + 1, env])
        ahead[days + 1 :] = ahead[days]
        openings = np.zeros(
            (days + 1, envs, 2, most), dtype=np.int16 if most_slots <= _NEVER else np.int32
        )
        openings[days, :, k.AT] = _NEVER
        for day in range(days - 1, -1, -1):
            closed = slots[day] == 0
            openings[day, :, k.AT] = np.where(closed, openings[day + 1, :, k.AT], day)
            openings[day, :, k.LEFT] = np.where(closed, openings[day + 1, :, k.LEFT], slots[day])
        return {
            "first": np.array([net.first[: _LIMITED + 1] for net in nets]),
            "distance_km": distance_km,
            "onward_km": onward_km,
            "openings": openings,
            "window_slots": ahead[self._max_wait + 1 :] - ahead[:days],
        }

    def _products(self, horizon: int) -> dict[str, Any]:
        """The products, one column a scenario, padded at the end."""
        k = self._kernels
        envs = len(self.scenarios)
        count = np.array([len(s.returns) for s in self.scenarios])
        most = int(count.max())
        made = {
            "keys": np.zeros((most, envs, k.N_KEYS), dtype=np.int32),
            "ids": np.zeros((most, envs), dtype=np.int64),
            "features": np.zeros((most, envs, features.N_FEATURES), dtype=np.float32),
            "expected": np.zeros((most, envs, k.N_FIELDS)),
            "realised": np.zeros((most, envs, k.N_FIELDS)),
        }
        self._first_alive = np.zeros(envs, dtype=np.int64)
        self._untaken = np.zeros((most, envs, k.N_TAKEN), dtype=np.int32)
        self._untaken[..., k.ACTION] = UNDECIDED
        self._alive: list[np.ndarray] = []
        bits = 1 << np.arange(_LIMITED)
        for env, (scenario, net, out) in enumerate(
            zip(self.scenarios, self._networks, self._outcomes, strict=True)
        ):
            returns = scenario.returns
            day = returns.return_day
            n = len(returns)
            node = node_days(scenario.parameters.node, np.bincount(day, minlength=horizon))
            alive = node.alive[day]
            self._alive.append(alive)
            # From each product on, the first that the node decides; the count when there is none.
            position = np.append(np.where(alive, np.arange(n), n), n)
            following = np.minimum.accumulate(position[::-1])[::-1]
            self._first_alive[env] = following[0]
            made["keys"][:n, env, k.DAY] = day
            made["keys"][:n, env, k.COLLECTION] = net.collection
            made["keys"][:n, env, k.FEASIBLE] = out.feasible[:, :_LIMITED] @ bits
            made["keys"][:n, env, k.NEXT] = following[1:]
            made["ids"][:n, env] = returns.product
            made["features"][:n, env] = features.day_features(returns, net, node)
            nearest = self._nearest_disposal(scenario, net, out)
            made["keys"][:n, env, k.NEAREST] = self._untaken[:n, env, k.FACILITY] = nearest
            for name, gains in (("expected", out.expected), ("realised", out.realised)):
                made[name][:n, env] = self._records(gains, net, returns.mass_kg, nearest)
        return {"n_products": count, **made}

    def _scales(self) -> dict[str, Any]:
        return {
            # What waits longer than the longest wait is worth nothing, at a place of its own.
            "decay": np.append(self._decay, 0.0),
            "gain_scale": features.GAIN_SCALE,
            "gain_column": features.GAIN_FEATURES.start,
            "capacity_column": features.CAPACITY_FEATURES.start,
            "fades": all(
                (out.expected.fading_eur >= 0).all()
                and (out.expected.storage_eur_per_day >= 0).all()
                for out in self._outcomes
            ),
        }

    def _nearest_disposal(self, scenario: Scenario, net: Network, out: Outcomes) -> np.ndarray:
        """The facility (n,) where each product is disposed of: the best, without any wait."""
        products = np.arange(len(scenario.returns))[:, None]
        facilities = np.arange(net.first[Disposition.DISPOSE], len(net.node))[None]
        value = slot_values_eur(
            out.expected,
            net,
            scenario.returns.mass_kg,
            products,
            facilities,
            np.zeros_like(facilities),
            self._decay,
        )
        nearest: np.ndarray = net.first[Disposition.DISPOSE] + value.argmax(axis=1)
        return nearest

    def _records(
        self, gains: Gains, net: Network, mass_kg: np.ndarray, nearest: np.ndarray
    ) -> np.ndarray:
        """The products' records (n, N_FIELDS) that the kernels read."""
        k = self._kernels
        products = np.arange(len(mass_kg))
        by_kind = np.stack([gains.fading_eur, gains.fixed_eur, gains.second_leg_kg], axis=2)
        record = np.empty((len(mass_kg), k.N_FIELDS))
        record[:, k.MASS] = mass_kg
        record[:, k.RATE] = gains.transport_eur_per_kg_km
        record[:, k.STORAGE] = gains.storage_eur_per_day
        record[:, k.FLOOR] = slot_values_eur(
            gains, net, mass_kg, products, nearest, np.zeros_like(nearest), self._decay
        )
        record[:, k.FIRST_KIND :] = by_kind[:, :_LIMITED].reshape(len(mass_kg), -1)
        return record

    def _checked(self, actions: np.ndarray, batch: VectorBatch) -> np.ndarray:
        if actions.shape != batch.active.shape or actions.dtype.kind not in "iu":
            raise InputError(
                f"actions of shape {actions.shape} and type {actions.dtype}, must be integers of "
                f"shape {batch.active.shape}",
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
