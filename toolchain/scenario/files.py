"""A scenario's folder: ``returns.parquet``, ``graph.graphml`` and ``scenario.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolchain.errors import ScenarioError
from toolchain.scenario.columns import Column
from toolchain.scenario.generator import CircularSupplyChainGenerator
from toolchain.scenario.graph import EDGE_COLUMNS, NODE_COLUMNS, check_graph, nodes_of_type
from toolchain.scenario.parameters import ScenarioParameters
from toolchain.scenario.regime import Outage, Regime
from toolchain.scenario.returns import COLUMNS, Returns, check_returns
from toolchain.scenario.scenario import Scenario

RETURNS_FILE = "returns.parquet"
GRAPH_FILE = "graph.graphml"
SCENARIO_FILE = "scenario.json"

_ROW_GROUP = 131_072


class _Head(BaseModel):
    """What ``scenario.json`` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: int = Field(alias="schema", ge=1, le=1)
    sha256: str
    seed: int = Field(ge=0)
    parameters: ScenarioParameters
    regimes: tuple[Regime, ...] = Field(min_length=1)
    outages: tuple[Outage, ...]


def save_scenario(scenario: Scenario, folder: Path) -> None:
    """Write a scenario into a folder, which is made if need be.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(dict(scenario.returns.columns()))
    pq.write_table(table, folder / RETURNS_FILE, row_group_size=_ROW_GROUP)
    nx.write_graphml(scenario.graph, folder / GRAPH_FILE)
    head = {
        "schema": 1,
        "sha256": scenario.sha256,
        "seed": scenario.seed,
        "parameters": scenario.parameters.model_dump(mode="json"),
        "regimes": [regime.model_dump(mode="json") for regime in scenario.regimes],
        "outages": [outage.model_dump(mode="json") for outage in scenario.outages],
    }
    text = json.dumps(head, indent=2, sort_keys=True) + "\n"
    (folder / SCENARIO_FILE).write_text(text, encoding="utf-8")


def save_product_returns(
    generator: CircularSupplyChainGenerator, path: Path, n_products: int | None = None
) -> None:
    """Draw returns and write them to Parquet piece by piece, in bounded memory.

    The file is the same as that of a table that was drawn in one piece.

    Args:
        generator: draws them.
        path: of the file.
        n_products: how many; None for the parameters' number.

    Raises:
        ScenarioError: as :meth:`CircularSupplyChainGenerator.iterate_product_returns`.
        OSError: the file cannot be written.
    """
    schema = pa.schema([(column.name, pa.from_numpy_dtype(column.dtype)) for column in COLUMNS])
    with pq.ParquetWriter(path, schema) as writer:
        for part in generator.iterate_product_returns(n_products, _ROW_GROUP):
            writer.write_table(pa.table(dict(part.columns())), row_group_size=_ROW_GROUP)


def load_scenario(folder: Path) -> Scenario:
    """Read a scenario's folder, check every column, and check that it is what was saved.

    Raises:
        ScenarioError: a file is missing or broken, a column or value is impossible (says file,
            column, row, value and limit), a loop of the graph is open, or the content does not
            have the SHA-256 that ``scenario.json`` states.
    """
    head = _read_head(folder / SCENARIO_FILE)
    graph = read_graph(folder / GRAPH_FILE)
    returns = read_returns(
        folder / RETURNS_FILE,
        horizon_days=head.parameters.horizon_days,
        collection_nodes=nodes_of_type(graph, "collection"),
    )
    scenario = Scenario(head.parameters, head.seed, graph, returns, head.regimes, head.outages)
    if scenario.sha256 != head.sha256:
        raise ScenarioError(
            f"{folder / SCENARIO_FILE}: SHA-256 {head.sha256[:12]}, but the folder's content and "
            f"this version's factors.toml give {scenario.sha256[:12]}",
            hint="generate the scenario again",
        )
    return scenario


def read_graph(path: Path) -> nx.DiGraph:
    """Read and check a material graph in GraphML.

    Raises:
        ScenarioError: the file is missing or broken, or the graph is not circular.
    """
    graph = graph_from_graphml(path)
    check_graph(graph, str(path))
    return graph


def graph_from_graphml(path: Path) -> nx.DiGraph:
    """Read a directed graph in GraphML; attributes that no graph of ours has are left out.

    Raises:
        ScenarioError: the file is missing or broken, or is not a simple directed graph.
    """
    try:
        graph = nx.read_graphml(path, node_type=int)
    except (OSError, ParseError, nx.NetworkXException, ValueError, KeyError) as error:
        raise ScenarioError(
            f"{path}: cannot be read as GraphML: {error}",
            hint="number the nodes from 0, and store them with the attributes' types",
        ) from error
    if not graph.is_directed() or graph.is_multigraph():
        raise ScenarioError(
            f"{path}: must be a directed graph without parallel edges",
            hint='set edgedefault="directed" and merge parallel edges',
        )
    plain = nx.DiGraph()
    for node, data in graph.nodes(data=True):
        plain.add_node(node, **_known(data, NODE_COLUMNS))
    for tail, head, data in graph.edges(data=True):
        plain.add_edge(tail, head, **_known(data, EDGE_COLUMNS))
    return plain


def _known(data: dict[str, Any], columns: tuple[Column, ...]) -> dict[str, Any]:
    """The declared attributes, whole numbers as float64 where that is their type."""
    known = {column.name: column.dtype for column in columns}
    return {
        name: float(value) if known[name] == "float64" and type(value) is int else value
        for name, value in data.items()
        if name in known
    }


def read_returns(
    path: Path,
    *,
    horizon_days: int | None = None,
    collection_nodes: list[int] | None = None,
) -> Returns:
    """Read and check a returns table in Parquet; see :func:`check_returns`.

    Raises:
        ScenarioError: the file is missing or broken, or a column or value is impossible.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ScenarioError(
            f"{path}: cannot be read as Parquet: {error}", hint="generate the scenario again"
        ) from error
    known = {column.name for column in COLUMNS}
    columns: dict[str, np.ndarray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and name in known:
            row = int(np.argmax(column.is_null().to_numpy()))
            raise ScenarioError(
                f"{path}: column {name!r}, row {row}: no value", hint="give it a value"
            )
        columns[name] = column.to_numpy()
    return check_returns(
        columns, source=str(path), horizon_days=horizon_days, collection_nodes=collection_nodes
    )


def _read_head(path: Path) -> _Head:
    try:
        head = _Head.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(
            f"{path}: {key}: {first['msg']} (value: {first.get('input')!r})",
            hint="generate the scenario again",
        ) from error
    except (OSError, ValueError) as error:
        raise ScenarioError(
            f"{path}: cannot be read: {error}", hint="give the folder of a generated scenario"
        ) from error
    starts = [regime.from_day for regime in head.regimes]
    if starts[0] != 0 or starts != sorted(set(starts)):
        raise ScenarioError(
            f"{path}: regimes start on days {starts}, must start at 0 and rise",
            hint="sort the regimes",
        )
    return head
