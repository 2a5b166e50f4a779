"""The facilities of a scenario as arrays: distances, slots by day, and the value of a slot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolchain.environment.disposition import N_DISPOSITIONS, Disposition
from toolchain.environment.outcomes import Gains
from toolchain.errors import ScenarioError
from toolchain.scenario import FACILITY_TYPES, Scenario, check_graph, factors, nodes_of_type
from toolchain.scenario.regime import daily

_GOLDEN = 0.6180339887498949
_UNLIMITED = 2**30
_SLOT_FACTORS = ("reuse_slots", "remanufacture_slots", "harvest_slots", "recycle_slots")


@dataclass(frozen=True, eq=False)
class Network:
    """F facilities, grouped by disposition, and the C collection nodes that feed them.

    Attributes:
        node: int64 (F,), graph node of each facility.
        disposition: int64 (F,), what it does; sorted.
        first: int64 (6,), facilities of disposition ``a`` are ``first[a]:first[a + 1]``.
        collection: int64 (n,), index of each product's collection node.
        distance_km: float64 (C, F), from the collection nodes; inf without a link.
        onward_km: float64 (F,), to the next recycler; 0 where nothing goes on.
        energy_mj: float64 (F,), the facility's energy for one product.
        slots: int64 (F, horizon + max_wait), products it can process on each day.
    """

    node: np.ndarray
    disposition: np.ndarray
    first: np.ndarray
    collection: np.ndarray
    distance_km: np.ndarray
    onward_km: np.ndarray
    energy_mj: np.ndarray
    slots: np.ndarray


def network(scenario: Scenario) -> Network:
    """Lay out a scenario's facilities.

    A facility with ``slots_per_day`` s has ``ceil(s - u)`` slots on a day, where u runs through the
    golden-ratio sequence from a phase of its own: integer, evenly spread, s on average, and never
    fewer on any day when s is larger. Disposal is unlimited.

    Raises:
        ScenarioError: a loop of the graph is open, or an outage is not of a limited facility.
    """
    graph = scenario.graph
    check_graph(graph)
    groups = [nodes_of_type(graph, kind) for kind in FACILITY_TYPES]
    node = np.array([n for group in groups for n in group])
    disposition = np.repeat(np.arange(N_DISPOSITIONS), [len(group) for group in groups])
    first = np.searchsorted(disposition, np.arange(N_DISPOSITIONS + 1))
    column = {int(n): index for index, n in enumerate(node)}
    collection, which = np.unique(scenario.returns.collection_node, return_inverse=True)
    distance = np.full((len(collection), len(node)), np.inf)
    for row, source in enumerate(collection):
        for _, target, data in graph.out_edges(int(source), data=True):
            if target in column:
                distance[row, column[target]] = data["distance"]
    onward = np.zeros(len(node))
    for index, (n, kind) in enumerate(zip(node, disposition, strict=True)):
        if kind in (Disposition.REMANUFACTURE, Disposition.HARVEST):
            onward[index] = min(
                data["distance"]
                for _, target, data in graph.out_edges(int(n), data=True)
                if graph.nodes[target]["type"] == "recycling"
            )
    return Network(
        node=node,
        disposition=disposition,
        first=first,
        collection=which,
        distance_km=distance,
        onward_km=onward,
        energy_mj=np.array([graph.nodes[int(n)]["energy_per_unit"] for n in node]),
        slots=_slots(scenario, node, disposition),
    )


def _slots(scenario: Scenario, node: np.ndarray, disposition: np.ndarray) -> np.ndarray:
    parameters = scenario.parameters
    days = parameters.horizon_days + parameters.max_wait_days
    slots = np.full((len(node), days), _UNLIMITED, dtype=np.int64)
    day = np.arange(days)
    for index, (n, kind) in enumerate(zip(node, disposition, strict=True)):
        if kind == Disposition.DISPOSE:
            continue
        rate = scenario.graph.nodes[int(n)]["slots_per_day"]
        rate = rate * daily(scenario.regimes, _SLOT_FACTORS[kind], days)
        u = ((day + 1 + 7 * int(n)) * _GOLDEN) % 1.0
        slots[index] = np.ceil(rate - u).clip(min=0)
    limited = {int(n): i for i, n in enumerate(node) if disposition[i] != Disposition.DISPOSE}
    for outage in scenario.outages:
        if outage.node not in limited:
            kind = scenario.graph.nodes.get(outage.node, {}).get("type", "no node of the graph")
            raise ScenarioError(
                f"outage of node {outage.node}, which is {kind}; only a facility with limited "
                "slots can stand still, and disposal must stay possible",
                hint=f"name a node of {', '.join(FACILITY_TYPES[: Disposition.DISPOSE])}",
            )
        slots[limited[outage.node], outage.from_day : outage.to_day] = 0
    return slots


def decay(max_wait_days: int) -> np.ndarray:
    """What is left of a fading value after 0 to ``max_wait_days`` days, (max_wait_days + 1,)."""
    per_day = factors().condition.value_decay_per_week.value / 7.0
    left: np.ndarray = np.exp(-per_day * np.arange(max_wait_days + 1))
    return left


def slot_values_eur(
    gains: Gains,
    net: Network,
    mass_kg: np.ndarray,
    products: np.ndarray,
    facilities: np.ndarray,
    wait_days: np.ndarray,
    decay_left: np.ndarray,
) -> np.ndarray:
    """Value of processing products at facilities after waiting, in EUR.

    Args:
        gains: expected or realised.
        net: the facilities.
        mass_kg: (n,), of all products.
        products: indices into the n products.
        facilities: indices into the F facilities.
        wait_days: integers of at least 0.
        decay_left: see :func:`decay`.

    Returns:
        float64 of the three index arrays' common (broadcast) shape; -inf without a link.
    """
    kind = net.disposition[facilities]
    placed = placed_eur(
        fixed_eur=gains.fixed_eur[products, kind],
        second_leg_kg=gains.second_leg_kg[products, kind],
        transport_eur_per_kg_km=gains.transport_eur_per_kg_km[products],
        mass_kg=mass_kg[products],
        distance_km=net.distance_km[net.collection[products], facilities],
        onward_km=net.onward_km[facilities],
    )
    fading = gains.fading_eur[products, kind]
    return waited_eur(fading, placed, gains.storage_eur_per_day[products], wait_days, decay_left)


def placed_eur(
    *,
    fixed_eur: np.ndarray,
    second_leg_kg: np.ndarray,
    transport_eur_per_kg_km: np.ndarray,
    mass_kg: np.ndarray,
    distance_km: np.ndarray,
    onward_km: np.ndarray,
) -> np.ndarray:
    """What does not depend on the wait, after transport; arrays of one (broadcast) shape."""
    carried_kg_km = mass_kg * distance_km + second_leg_kg * onward_km
    value: np.ndarray = fixed_eur - transport_eur_per_kg_km * carried_kg_km
    return value


def waited_eur(
    fading_eur: np.ndarray,
    placed: np.ndarray,
    storage_eur_per_day: np.ndarray,
    wait_days: np.ndarray,
    decay_left: np.ndarray,
) -> np.ndarray:
    """The value after a wait: :func:`placed_eur`, plus what has not faded, less storage."""
    value: np.ndarray = fading_eur * decay_left[wait_days] + placed
    value = value - storage_eur_per_day * wait_days
    return value
