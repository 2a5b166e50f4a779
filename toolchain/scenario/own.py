"""A user's own returns and graph in the generator's place, and more scenarios of their kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import numpy as np

from toolchain.errors import ScenarioError
from toolchain.scenario.columns import Column, Source, check_column, refuse_first
from toolchain.scenario.factors import FAMILIES
from toolchain.scenario.files import graph_from_graphml
from toolchain.scenario.generator import CircularSupplyChainGenerator
from toolchain.scenario.graph import (
    EDGE_COLUMNS,
    NODE_COLUMNS,
    NODE_TYPES,
    SLOT_FIELDS,
    assign_slots,
    check_attributes,
    check_graph,
    nodes_of_type,
)
from toolchain.scenario.parameters import MAX_DAYS, MAX_NODES, MIN_NODES, ScenarioParameters
from toolchain.scenario.returns import COLUMNS, Returns, check_returns
from toolchain.scenario.scenario import Scenario
from toolchain.scenario.tables import read_columns

LATENT = ("remanufacture_draw", "harvest_draw")
"""Columns that decide outcomes; drawn from the seed when a table does not have them."""

OPTIONAL = (*LATENT, "collection_node")
"""Columns that a returns table need not have."""

Basis = ScenarioParameters | Scenario
"""What scenarios are drawn like: the generator's parameters, or a scenario of one's own."""

_LATENT_STREAM = 2
_COLLECTION_STREAM = 4
_RESAMPLE_STREAM = 5


@dataclass(frozen=True)
class OwnTables:
    """Files that take the generator's place; those that are None are generated.

    Attributes:
        returns: CSV or Parquet with the columns of :data:`COLUMNS`.
        graph: GraphML; or, in its place, both of:
        nodes: CSV or Parquet with the columns of :data:`NODE_COLUMNS`.
        edges: CSV or Parquet with the columns of :data:`EDGE_COLUMNS`.

    Raises:
        ScenarioError: a graph and tables of a graph, or only one of the two tables.
    """

    returns: Path | None = None
    graph: Path | None = None
    nodes: Path | None = None
    edges: Path | None = None

    def __post_init__(self) -> None:
        if self.graph is not None and (self.nodes is not None or self.edges is not None):
            raise ScenarioError(
                f"two graphs: {self.graph} and {self.nodes or self.edges}",
                hint="give a GraphML file, or a table of nodes and one of edges",
            )
        if (self.nodes is None) != (self.edges is None):
            missing = "nodes" if self.nodes is None else "edges"
            raise ScenarioError(
                f"half a graph: {self.nodes or self.edges}, but no table of {missing}",
                hint="give a table of nodes and one of edges",
            )

    @property
    def files(self) -> dict[str, Path]:
        """The files that are given, by role."""
        given = {"returns": self.returns, "graph": self.graph}
        given |= {"nodes": self.nodes, "edges": self.edges}
        return {role: path for role, path in given.items() if path is not None}

    @property
    def graph_files(self) -> list[Path]:
        """The files that the graph is made from."""
        return [path for role, path in self.files.items() if role != "returns"]


def own_scenario(tables: OwnTables, seed: int, parameters: ScenarioParameters) -> Scenario:
    """Make a scenario with a user's own returns, graph, or both.

    With returns of one's own, the horizon ends with the last return. What the tables do not hold
    is drawn from the seed: latent outcomes, prices, a collection node for each return where the
    table names none, and the graph or the returns when only the other is given. A graph without
    any ``slots_per_day`` gets them as a generated one does.

    Args:
        tables: at least one file.
        seed: of what is drawn, at least 0.
        parameters: of what is drawn; ``generator``, ``own_graph`` and the sizes are replaced by
            what the tables hold.

    Raises:
        ScenarioError: a file cannot be read, or what it holds cannot be used; says file,
            column, row, value and limit.
    """
    if not tables.files:
        raise ScenarioError("no table is given", hint="give returns, a graph, or both")
    changed: dict[str, object] = {}
    columns: dict[str, np.ndarray] = {}
    source = Source("returns")
    if tables.returns is not None:
        columns, source = _read_returns(tables.returns)
        changed |= {"generator": "own", "n_products": len(columns["product"])}
        changed |= {"horizon_days": int(columns["return_day"].max()) + 1}
    own_graph = _read_own_graph(tables)
    if own_graph is not None:
        changed |= {"own_graph": True, "n_nodes": own_graph.number_of_nodes()}
    chosen = ScenarioParameters(**{**dict(parameters), **changed})
    generator = CircularSupplyChainGenerator(seed, chosen)
    if own_graph is None:
        graph = generator.generate_material_graph()
    else:
        graph = own_graph
        limited = [n for kind in SLOT_FIELDS for n in nodes_of_type(graph, kind)]
        source_files = ", ".join(str(path) for path in tables.graph_files)
        if not any(_SLOTS in graph.nodes[node] for node in limited):
            check_attributes(graph, source_files, slots=False)
            assign_slots(graph, chosen, source_files)
        check_graph(graph, source_files)
    if tables.returns is None:
        returns = generator.returns_on(graph)
    else:
        returns = _completed(columns, source, graph, seed, chosen.horizon_days)
    return Scenario(chosen, seed, graph, returns, generator.regimes())


def scenario_like(basis: Basis, seed: int) -> Scenario:
    """Another scenario of the same kind, from a seed of its own.

    For the generator's parameters, or a scenario that the generator made, it is what the generator
    draws. A graph of one's own stays; returns of one's own are drawn from the table with
    replacement, each with its day and collection node, as many as there are, and with latent
    outcomes and prices of their own.

    Args:
        basis: parameters, or a scenario.
        seed: at least 0.

    Raises:
        ScenarioError: the parameters allow no scenario.
    """
    if isinstance(basis, ScenarioParameters):
        return CircularSupplyChainGenerator(seed, basis).generate()
    parameters = basis.parameters
    generator = CircularSupplyChainGenerator(seed, parameters)
    if parameters.generator != "own" and not parameters.own_graph:
        return generator.generate()
    if parameters.generator == "own":
        returns = resampled(basis.returns, seed)
    else:
        returns = generator.returns_on(basis.graph)
    return Scenario(parameters, seed, basis.graph, returns, generator.regimes())


def resampled(returns: Returns, seed: int) -> Returns:
    """As many rows of a table, drawn with replacement, sorted by day, with new latent draws."""
    n = len(returns)
    chosen = np.sort(_stream(seed, _RESAMPLE_STREAM).integers(n, size=n))
    columns = {name: array[chosen] for name, array in returns.columns().items()}
    columns |= {"product": np.arange(n)} | _latent_draws(seed, n)
    return Returns(**columns)


def _read_returns(path: Path) -> tuple[dict[str, np.ndarray], Source]:
    """The columns of a returns table, families by their code, of a known number of days."""
    columns, source = read_columns(path, _TEXT_FAMILIES, OPTIONAL)
    columns["family"] = _family_codes(columns["family"], source)
    by_name = {column.name: column for column in COLUMNS}
    day = columns["return_day"]
    check_column(by_name["return_day"], day, source)
    limit = f"must be below {MAX_DAYS}"
    refuse_first(day >= MAX_DAYS, day, source, "return_day", "count the days from 0", limit)
    return columns, source


def _completed(
    columns: dict[str, np.ndarray],
    source: Source,
    graph: nx.DiGraph,
    seed: int,
    horizon_days: int,
) -> Returns:
    n = len(columns["product"])
    collection = nodes_of_type(graph, "collection")
    drawn = _latent_draws(seed, n)
    node = _stream(seed, _COLLECTION_STREAM).integers(len(collection), size=n)
    drawn["collection_node"] = np.asarray(collection)[node]
    return check_returns(
        {**drawn, **columns},
        source=source.name,
        first_line=source.first_line,
        horizon_days=horizon_days,
        collection_nodes=collection,
    )


def _family_codes(values: np.ndarray, source: Source) -> np.ndarray:
    """Families are given by name or by code."""
    if values.dtype.kind != "O":
        return values
    known = {name: code for code, name in enumerate(FAMILIES)}
    known |= {str(code): code for code in range(len(FAMILIES))}
    bad = ~np.isin(values.astype(str), list(known))
    refuse_first(bad, values, source, "family", f"use one of {', '.join(FAMILIES)}", "is unknown")
    return np.array([known[value] for value in values], dtype=np.int8)


def _read_own_graph(tables: OwnTables) -> nx.DiGraph | None:
    if tables.graph is not None:
        graph = graph_from_graphml(tables.graph)
        source = str(tables.graph)
    elif tables.nodes is not None and tables.edges is not None:
        graph = _graph_from_tables(tables.nodes, tables.edges)
        source = str(tables.nodes)
    else:
        return None
    if not MIN_NODES <= graph.number_of_nodes() <= MAX_NODES:
        raise ScenarioError(
            f"{source}: {graph.number_of_nodes()} nodes, must be {MIN_NODES} to {MAX_NODES}",
            hint=f"a closed loop needs one node of each of {', '.join(NODE_TYPES)}",
        )
    return graph


def _graph_from_tables(nodes: Path, edges: Path) -> nx.DiGraph:
    node_columns, node_source = read_columns(nodes, NODE_COLUMNS, (_SLOTS,), sparse=(_SLOTS,))
    slots = node_columns.pop(_SLOTS, None)
    _check_columns(node_columns, NODE_COLUMNS, node_source)
    ids = node_columns["node"]
    _refuse_repeated(ids, ids, node_source, "node")
    kinds = node_columns["type"]
    bad = ~np.isin(kinds.astype(str), NODE_TYPES)
    limit = f"must be one of {', '.join(NODE_TYPES)}"
    refuse_first(bad, kinds, node_source, "type", "correct the type", limit)
    graph = nx.DiGraph()
    numbers = [name for name in node_columns if name not in ("node", "type")]
    for row, node in enumerate(ids):
        values = {name: float(node_columns[name][row]) for name in numbers}
        graph.add_node(int(node), type=str(kinds[row]), **values)
    if slots is not None:
        limited = np.isin(kinds.astype(str), list(SLOT_FIELDS))
        for row, value in _limited_slots(slots, limited, node_source):
            graph.nodes[int(ids[row])][_SLOTS] = value
    edge_columns, edge_source = read_columns(edges, EDGE_COLUMNS)
    _check_columns(edge_columns, EDGE_COLUMNS, edge_source)
    for end in ("source", "target"):
        bad = ~np.isin(edge_columns[end], ids)
        limit = f"is not a node of {nodes}"
        refuse_first(bad, edge_columns[end], edge_source, end, "add the node", limit)
    tail, head = edge_columns["source"], edge_columns["target"]
    pairs = np.char.add(np.char.add(tail.astype(str), " -> "), head.astype(str))
    _refuse_repeated(pairs, pairs, edge_source, "source")
    flow, km = edge_columns["flow_type"], edge_columns["distance"]
    for row in range(len(tail)):
        ends = int(tail[row]), int(head[row])
        graph.add_edge(*ends, flow_type=str(flow[row]), distance=float(km[row]))
    return graph


def _limited_slots(
    slots: np.ndarray, limited: np.ndarray, source: Source
) -> Iterator[tuple[int, float]]:
    """Row and slots of the nodes that are ``limited`` (n,); none when no such node has any."""
    column = next(column for column in NODE_COLUMNS if column.name == _SLOTS)
    empty = np.isnan(slots.astype(float))
    if (empty | ~limited).all():
        return
    limit = "where other facilities have a value"
    refuse_first(empty & limited, slots, source, _SLOTS, f"give {column.gloss}", limit)
    check_column(column, np.where(empty, column.low, slots), source)
    for row in np.flatnonzero(limited):
        yield int(row), float(slots[row])


def _check_columns(
    values: dict[str, np.ndarray], columns: tuple[Column, ...], source: Source
) -> None:
    for column in columns:
        if column.dtype != "str" and column.name in values:
            check_column(column, values[column.name], source)


def _refuse_repeated(keys: np.ndarray, values: np.ndarray, source: Source, name: str) -> None:
    _, first = np.unique(keys, return_index=True)
    repeated = np.ones(len(keys), dtype=bool)
    repeated[first] = False
    refuse_first(repeated, values, source, name, "keep one of them", "is repeated")


def _latent_draws(seed: int, n: int) -> dict[str, np.ndarray]:
    rng = _stream(seed, _LATENT_STREAM)
    return {name: rng.random(n) for name in LATENT}


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


_SLOTS = "slots_per_day"
_TEXT_FAMILIES = tuple(
    column._replace(dtype="name") if column.name == "family" else column for column in COLUMNS
)
