"""A supply chain of eight nodes with round figures, and products to order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest

from toolchain.scenario import (
    COLUMNS,
    NodeParameters,
    Outage,
    Regime,
    Returns,
    Scenario,
    ScenarioParameters,
)

KINDS = (
    "extraction",
    "manufacturing",
    "use",
    "collection",
    "disassembly",
    "remanufacturing",
    "recycling",
    "disposal",
)
EDGES = (
    (0, 1, 10.0),
    (1, 2, 10.0),
    (2, 3, 10.0),
    (3, 2, 20.0),  # to the second-hand market
    (3, 4, 30.0),  # to disassembly
    (3, 5, 40.0),  # to remanufacturing
    (3, 6, 50.0),  # to recycling
    (3, 7, 10.0),  # to disposal
    (4, 6, 7.0),
    (5, 6, 5.0),
    (4, 1, 10.0),
    (5, 1, 10.0),
    (6, 1, 10.0),
)
PRODUCT: dict[str, Any] = {
    "collection_node": 3,
    "age_years": 0.0,
    "electronic_health": 1.0,
    "steel_kg": 2.0,
    "components": 10,
    "new_value_eur": 100.0,
    "current_value_eur": 50.0,
    "remanufacture_draw": 0.5,
    "harvest_draw": 0.5,
}


def make_graph(slots: float | dict[str, float]) -> nx.DiGraph:
    graph = nx.DiGraph()
    for node, kind in enumerate(KINDS):
        graph.add_node(node, type=kind, capacity=1.0, energy_per_unit=2.0, co2_per_unit=1.0)
        if kind in ("use", "disassembly", "remanufacturing", "recycling"):
            own = slots[kind] if isinstance(slots, dict) else slots
            graph.nodes[node]["slots_per_day"] = own
    for tail, head, km in EDGES:
        graph.add_edge(tail, head, flow_type="link", distance=km)
    return graph


def make_returns(products: list[dict[str, Any]]) -> Returns:
    rows = [{**PRODUCT, "product": i, **product} for i, product in enumerate(products)]
    return Returns(
        **{c.name: np.array([row.get(c.name, 0) for row in rows], dtype=c.dtype) for c in COLUMNS}
    )


@pytest.fixture(scope="session")
def make_scenario() -> Callable[..., Scenario]:
    """Make a scenario from products (dicts over PRODUCT) and slots per day."""

    def make(
        products: list[dict[str, Any]],
        slots: float | dict[str, float] = 1.0,
        *,
        horizon_days: int = 30,
        max_wait_days: int = 2,
        node: NodeParameters | None = None,
        regimes: tuple[Regime, ...] = (Regime(from_day=0),),
        outages: tuple[Outage, ...] = (),
    ) -> Scenario:
        parameters = ScenarioParameters(
            n_nodes=8,
            n_products=len(products),
            horizon_days=horizon_days,
            max_wait_days=max_wait_days,
            node=node or NodeParameters(),
        )
        graph = make_graph(slots)
        return Scenario(parameters, 0, graph, make_returns(products), regimes, outages)

    return make
