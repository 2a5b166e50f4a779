"""The material graph: facilities, their capacities, and the links between them."""

from __future__ import annotations

import networkx as nx
import numpy as np

from toolchain.errors import ScenarioError
from toolchain.scenario.parameters import ScenarioParameters

ARTICLE_TYPES = {
    "extraction": 0.05,
    "manufacturing": 0.20,
    "use": 0.30,
    "collection": 0.15,
    "disassembly": 0.10,
    "remanufacturing": 0.15,
    "recycling": 0.05,
}
"""Node types of the source article and their probabilities."""

NODE_TYPES = (*ARTICLE_TYPES, "disposal")
"""All node types; disposal is a repair, for what leaves every loop must go somewhere."""

FACILITY_TYPES = ("use", "remanufacturing", "disassembly", "recycling", "disposal")
"""Where each disposition takes place, in the order of the dispositions: the second-hand market is
part of use, parts are harvested in disassembly."""

_SLOT_FIELDS = {
    "use": "reuse",
    "remanufacturing": "remanufacture",
    "disassembly": "harvest",
    "recycling": "recycle",
}

_FAR_KM = (10.0, 100.0)
_NEAR_KM = (5.0, 50.0)

_ARTICLE_LINKS = (
    ("use", "disassembly", "reverse_logistics", _FAR_KM),
    ("use", "recycling", "reverse_logistics", _FAR_KM),
    ("collection", "disassembly", "reverse_logistics", _FAR_KM),
    ("collection", "recycling", "reverse_logistics", _FAR_KM),
    ("remanufacturing", "manufacturing", "circular_input", _NEAR_KM),
    ("recycling", "manufacturing", "circular_input", _NEAR_KM),
)
_REPAIR_LINKS = (
    ("extraction", "manufacturing", "virgin_input", _NEAR_KM),
    ("manufacturing", "use", "product", _FAR_KM),
    ("use", "collection", "product_return", _NEAR_KM),
    ("collection", "use", "reverse_logistics", _FAR_KM),
    ("collection", "remanufacturing", "reverse_logistics", _FAR_KM),
    ("collection", "disposal", "disposal", _FAR_KM),
    ("disassembly", "manufacturing", "circular_input", _NEAR_KM),
    ("disassembly", "recycling", "residue", _NEAR_KM),
    ("remanufacturing", "recycling", "residue", _NEAR_KM),
    ("recycling", "disposal", "residue", _NEAR_KM),
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
    names = list(ARTICLE_TYPES)
    drawn = rng.choice(len(names), size=n_nodes, p=list(ARTICLE_TYPES.values()))
    types = [names[index] for index in drawn]
    if parameters.repairs.circular:
        _complete_types(types)
    capacity = rng.lognormal(3.0, 0.5, n_nodes)
    energy = rng.uniform(0.5, 5.0, n_nodes)
    co2 = rng.uniform(0.1, 2.0, n_nodes)
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
    for source, target, flow, (low, high) in links:
        _link(graph, rng, by_type[source], by_type[target], flow, low, high, parameters.max_links)
    _assign_slots(graph, by_type, parameters)
    return graph


def _complete_types(types: list[str]) -> None:
    """Turn nodes of the most frequent types into the missing ones, and some into disposal."""
    for kind, wanted in [(k, 1) for k in ARTICLE_TYPES] + [("disposal", max(1, len(types) // 50))]:
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


def _assign_slots(
    graph: nx.DiGraph, by_type: dict[str, list[int]], parameters: ScenarioParameters
) -> None:
    per_day = parameters.n_products / parameters.horizon_days
    for kind, field in _SLOT_FIELDS.items():
        nodes = by_type[kind]
        total = sum(graph.nodes[node]["capacity"] for node in nodes)
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
    for node, data in graph.nodes(data=True):
        _check_node(node, data, source)
    for tail, head, data in graph.edges(data=True):
        km = data.get("distance")
        if not isinstance(km, float | int) or not np.isfinite(km) or km <= 0:
            raise ScenarioError(
                f"{source}: edge {tail} -> {head}: distance is {km!r}, must be a positive number",
                hint="give every edge its distance in km",
            )
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


def _check_node(node: object, data: dict, source: str) -> None:
    if not isinstance(node, int):
        raise ScenarioError(
            f"{source}: node {node!r} is not an integer", hint="number the nodes from 0"
        )
    if data.get("type") not in NODE_TYPES:
        raise ScenarioError(
            f"{source}: node {node}: type is {data.get('type')!r}",
            hint=f"use one of {', '.join(NODE_TYPES)}",
        )
    names = ["capacity", "energy_per_unit", "co2_per_unit"]
    names += ["slots_per_day"] if data["type"] in _SLOT_FIELDS else []
    for name in names:
        value = data.get(name)
        if not isinstance(value, float | int) or not np.isfinite(value) or value < 0:
            raise ScenarioError(
                f"{source}: node {node}: {name} is {value!r}, must be a number of at least 0",
                hint=f"give the node its {name}",
            )
