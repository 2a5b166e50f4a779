"""The material graph: facilities, their capacities, and the links between them."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np

from toolchain.errors import ScenarioError
from toolchain.scenario.columns import Column
from toolchain.scenario.factors import factors
from toolchain.scenario.parameters import ScenarioParameters

ARTICLE_TYPES = (
    "extraction",
    "manufacturing",
    "use",
    "collection",
    "disassembly",
    "remanufacturing",
    "recycling",
)
"""Node types of the source article; their shares are in ``factors.toml``."""

NODE_TYPES = (*ARTICLE_TYPES, "disposal")
"""All node types; disposal is a repair, for what leaves every loop must go somewhere."""

FACILITY_TYPES = ("use", "remanufacturing", "disassembly", "recycling", "disposal")
"""Where each disposition takes place, in the order of the dispositions: the second-hand market is
part of use, parts are harvested in disassembly."""

SLOT_FIELDS = {
    "use": "reuse",
    "remanufacturing": "remanufacture",
    "disassembly": "harvest",
    "recycling": "recycle",
}
"""Node types with limited slots, and their fields of :class:`SlotsPerReturn`."""

NODE_COLUMNS = (
    Column("node", "int64", "1", 0, 2**31 - 1, "id, unique"),
    Column("type", "str", "-", 0, 0, "one of the node types"),
    Column("capacity", "float64", "1", 0, 1e9, "size relative to the other nodes of the type"),
    Column("energy_per_unit", "float64", "MJ", 0, 1e6, "the facility's energy for one product"),
    Column("co2_per_unit", "float64", "kg", 0, 1e6, "the facility's CO2e for one product"),
    Column("slots_per_day", "float64", "1/day", 0, 1e8, "products that it can process a day"),
)
"""Columns of a table of nodes, which are also the attributes of a node. Only the types use,
remanufacturing, disassembly and recycling need slots; when no node has any, they are shared out in
proportion to the capacity."""

EDGE_COLUMNS = (
    Column("source", "int64", "1", 0, 2**31 - 1, "node that it leads from"),
    Column("target", "int64", "1", 0, 2**31 - 1, "node that it leads to"),
    Column("flow_type", "str", "-", 0, 0, "what flows: a name, for the reader"),
    Column("distance", "float64", "km", 0.001, 40_000, "length of the way"),
)
"""Columns of a table of edges; the last two are also the attributes of an edge."""

_FAR = "far"
_NEAR = "near"

_ARTICLE_LINKS = (
    ("use", "disassembly", "reverse_logistics", _FAR),
    ("use", "recycling", "reverse_logistics", _FAR),
    ("collection", "disassembly", "reverse_logistics", _FAR),
    ("collection", "recycling", "reverse_logistics", _FAR),
    ("remanufacturing", "manufacturing", "circular_input", _NEAR),
    ("recycling", "manufacturing", "circular_input", _NEAR),
)
_REPAIR_LINKS = (
    ("extraction", "manufacturing", "virgin_input", _NEAR),
    ("manufacturing", "use", "product", _FAR),
    ("use", "collection", "product_return", _NEAR),
    ("collection", "use", "reverse_logistics", _FAR),
    ("collection", "remanufacturing", "reverse_logistics", _FAR),
    ("collection", "disposal", "disposal", _FAR),
    ("disassembly", "manufacturing", "circular_input", _NEAR),
    ("disassembly", "recycling", "residue", _NEAR),
    ("remanufacturing", "recycling", "residue", _NEAR),
    ("recycling", "disposal", "residue", _NEAR),
)


def generate_graph(rng: np.random.Generator, parameters: ScenarioParameters) -> nx.DiGraph:
    """Draw the article's material graph, repaired so that every loop closes.

    Node attributes: ``type``; ``capacity`` ~ LogNormal(3, 0.5), relative to the other nodes of
    the type; ``energy_per_unit`` ~ U(0.5, 5) MJ; ``co2_per_unit`` ~ U(0.1, 2) kg; and for
    facilities with limited slots ``slots_per_day``, the share of the type's slots in proportion to
    ``capacity``. Edge attributes: ``flow_type`` and ``distance`` in km.

    Repairs (``parameters.repairs.circular``): every type has at least one node, a fiftieth of the
    nodes is ``disposal``, and the links exist that lead from collection to the facilities of every
    disposition and from there back to manufacturing. ``parameters.max_links`` bounds a node's
    links to one type, which the article leaves complete.
    """
    n_nodes = parameters.n_nodes
    laws = factors().graph
    shares = [getattr(laws, f"share_{kind}").value for kind in ARTICLE_TYPES]
    drawn = rng.choice(len(ARTICLE_TYPES), size=n_nodes, p=shares)
    types = [ARTICLE_TYPES[index] for index in drawn]
    if parameters.repairs.circular:
        _complete_types(types)
    capacity = rng.lognormal(laws.capacity_log_mean.value, laws.capacity_log_sd.value, n_nodes)
    energy = rng.uniform(laws.energy_low_mj.value, laws.energy_high_mj.value, n_nodes)
    co2 = rng.uniform(laws.co2_low_kg.value, laws.co2_high_kg.value, n_nodes)
    graph = nx.DiGraph()
    for node, kind in enumerate(types):
        graph.add_node(
            node,
            type=kind,
            capacity=float(capacity[node]),
            energy_per_unit=float(energy[node]),
            co2_per_unit=float(co2[node]),
        )
    by_type = {kind: [n for n, k in enumerate(types) if k == kind] for kind in NODE_TYPES}
    links = _ARTICLE_LINKS + (_REPAIR_LINKS if parameters.repairs.circular else ())
    for source, target, flow, reach in links:
        km = (getattr(laws, f"{reach}_low_km").value, getattr(laws, f"{reach}_high_km").value)
        _link(graph, rng, by_type[source], by_type[target], flow, *km, parameters.max_links)
    assign_slots(graph, parameters)
    return graph


def _complete_types(types: list[str]) -> None:
    """Turn nodes of the most frequent types into the missing ones, and some into disposal."""
    disposal = max(1, int(len(types) * factors().graph.share_disposal.value))
    for kind, wanted in [(k, 1) for k in ARTICLE_TYPES] + [("disposal", disposal)]:
        while types.count(kind) < wanted:
            donor = max(NODE_TYPES, key=types.count)
            types[len(types) - 1 - types[::-1].index(donor)] = kind


def _link(
    graph: nx.DiGraph,
    rng: np.random.Generator,
    sources: list[int],
    targets: list[int],
    flow: str,
    low_km: float,
    high_km: float,
    max_links: int,
) -> None:
    for source in sources:
        chosen = targets
        if len(targets) > max_links:
            picked = rng.choice(len(targets), size=max_links, replace=False)
            chosen = [targets[index] for index in np.sort(picked)]
        for target, km in zip(chosen, rng.uniform(low_km, high_km, len(chosen)), strict=True):
            graph.add_edge(source, target, flow_type=flow, distance=float(km))


def assign_slots(
    graph: nx.DiGraph, parameters: ScenarioParameters, source: str = "material graph"
) -> None:
    """Give every limited facility ``slots_per_day``, its type's slots in proportion to capacity.

    Raises:
        ScenarioError: all facilities of a type have a capacity of 0.
    """
    per_day = parameters.n_products / parameters.horizon_days
    for kind, field in SLOT_FIELDS.items():
        nodes = nodes_of_type(graph, kind)
        total = sum(graph.nodes[node]["capacity"] for node in nodes)
        if nodes and not total > 0:
            raise ScenarioError(
                f"{source}: all nodes of type {kind!r} have a capacity of 0, so that no slots can "
                "be shared out among them",
                hint="give one of them a capacity above 0, or all of them slots_per_day",
            )
        slots = getattr(parameters.slots_per_return, field) * per_day
        for node in nodes:
            graph.nodes[node]["slots_per_day"] = slots * graph.nodes[node]["capacity"] / total


def nodes_of_type(graph: nx.DiGraph, kind: str) -> list[int]:
    """Nodes of one type, sorted."""
    return sorted(node for node, data in graph.nodes(data=True) if data.get("type") == kind)


def check_graph(graph: nx.DiGraph, source: str = "material graph") -> None:
    """Check that every return can be decided and every loop closes.

    From each collection node a link must lead to a facility for every disposition; from each
    remanufacturer and disassembler to a recycler (for what fails there); and from each of them
    and each recycler a path to manufacturing, from where a path must lead back to collection.

    Raises:
        ScenarioError: an attribute is missing or impossible, or a loop is open; names the node.
    """
    check_attributes(graph, source)
    kinds = {kind: nodes_of_type(graph, kind) for kind in NODE_TYPES}
    for kind in ("collection", "manufacturing", *FACILITY_TYPES):
        if not kinds[kind]:
            raise ScenarioError(
                f"{source}: no node of type {kind!r} among {graph.number_of_nodes()} nodes",
                hint="keep repairs.circular on, or add such a node",
            )
    required: dict[str, tuple[str, ...]] = {"collection": FACILITY_TYPES}
    required |= {"remanufacturing": ("recycling",), "disassembly": ("recycling",)}
    for kind, targets in required.items():
        for node in kinds[kind]:
            linked = {graph.nodes[head]["type"] for head in graph.successors(node)}
            for target in targets:
                if target not in linked:
                    raise ScenarioError(
                        f"{source}: {kind} node {node} has no link to any {target} node",
                        hint="keep repairs.circular on, or add the edge with its distance in km",
                    )
    _check_loops(graph, kinds, source)


def check_attributes(
    graph: nx.DiGraph, source: str = "material graph", *, slots: bool = True
) -> None:
    """Check the attributes of every node and edge against :data:`NODE_COLUMNS` and
    :data:`EDGE_COLUMNS`.

    Args:
        graph: the material graph.
        source: name of the file or place, for the message.
        slots: whether limited facilities must have ``slots_per_day``.

    Raises:
        ScenarioError: an attribute is missing, of another type or out of range; names node or edge.
    """
    for node, data in graph.nodes(data=True):
        _check_node(node, data, source, slots)
    for tail, head, data in graph.edges(data=True):
        _check_number(data, _DISTANCE, f"{source}: edge {tail} -> {head}")


def _check_loops(graph: nx.DiGraph, kinds: dict[str, list[int]], source: str) -> None:
    makers = kinds["manufacturing"]
    reaches_makers = _reaching(graph, makers)
    for kind in ("remanufacturing", "disassembly", "recycling"):
        for node in kinds[kind]:
            if node not in reaches_makers:
                raise ScenarioError(
                    f"{source}: {kind} node {node} has no path to manufacturing: its loop is open",
                    hint="add a circular_input edge",
                )
    collected = _reaching(graph, kinds["collection"])
    for maker in makers:
        if maker not in collected:
            raise ScenarioError(
                f"{source}: manufacturing node {maker} has no path to any collection node",
                hint="add the edges manufacturing -> use -> collection",
            )


def _reaching(graph: nx.DiGraph, targets: list[int]) -> set[int]:
    """The nodes from which a path leads to any of the targets, and the targets."""
    seen = set(targets)
    frontier = list(targets)
    while frontier:
        for node in graph.predecessors(frontier.pop()):
            if node not in seen:
                seen.add(node)
                frontier.append(node)
    return seen


def _check_node(node: object, data: dict, source: str, slots: bool) -> None:
    if not isinstance(node, int) or not 0 <= node <= _NODE.high:
        raise ScenarioError(
            f"{source}: node {node!r}, must be a whole number of 0 to {_NODE.high}",
            hint="number the nodes from 0",
        )
    if data.get("type") not in NODE_TYPES:
        raise ScenarioError(
            f"{source}: node {node}: type is {data.get('type')!r}",
            hint=f"use one of {', '.join(NODE_TYPES)}",
        )
    for column in _NODE_NUMBERS:
        _check_number(data, column, f"{source}: node {node}")
    if slots and data["type"] in SLOT_FIELDS:
        _check_number(data, _SLOTS, f"{source}: node {node}")


def _check_number(data: dict, column: Column, place: str) -> None:
    value: Any = data.get(column.name)
    number = isinstance(value, float | int) and not isinstance(value, bool)
    if not number or not column.low <= value <= column.high:
        raise ScenarioError(
            f"{place}: {column.name} is {value!r}, must be a number of {column.span}",
            hint=f"give it {column.asked}",
        )


_NODE, _, *_NODE_NUMBERS, _SLOTS = NODE_COLUMNS
_DISTANCE = EDGE_COLUMNS[-1]
