"""A scenario's folder: ``returns.parquet``, ``graph.graphml`` and ``scenario.json``."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree.ElementTree import ParseError

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolchain.errors import ScenarioError
from toolchain.scenario.graph import check_graph, nodes_of_type
from toolchain.scenario.parameters import ScenarioParameters
from toolchain.scenario.regime import Outage, Regime
from toolchain.scenario.returns import COLUMNS, Returns, check_returns
from toolchain.scenario.scenario import Scenario

RETURNS_FILE = "returns.parquet"
GRAPH_FILE = "graph.graphml"
SCENARIO_FILE = "scenario.json"


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
    pq.write_table(pa.table(dict(scenario.returns.columns())), folder / RETURNS_FILE)
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
    try:
        graph = nx.read_graphml(path, node_type=int)
    except (OSError, ParseError, nx.NetworkXException, ValueError, KeyError) as error:
        raise ScenarioError(
            f"{path}: cannot be read as GraphML: {error}", hint="generate the scenario again"
        ) from error
    if not graph.is_directed() or graph.is_multigraph():
        raise ScenarioError(
            f"{path}: must be a directed graph without parallel edges",
            hint='set edgedefault="directed" and merge parallel edges',
        )
    check_graph(graph, str(path))
    return graph


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
