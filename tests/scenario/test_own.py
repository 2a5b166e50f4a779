"""Tables of one's own: read, refused with the row, and more scenarios of their kind."""

from pathlib import Path

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from toolchain.errors import ScenarioError
from toolchain.scenario import (
    COLUMNS,
    EDGE_COLUMNS,
    FAMILIES,
    NODE_COLUMNS,
    OPTIONAL,
    CircularSupplyChainGenerator,
    OwnTables,
    ScenarioParameters,
    load_scenario,
    own_scenario,
    save_scenario,
    scenario_like,
)

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = ScenarioParameters(generator="weee", n_nodes=15, n_products=30, horizon_days=40)


@pytest.fixture(scope="module")
def source():
    return CircularSupplyChainGenerator(4, PARAMETERS).generate()


@pytest.fixture
def files(source, tmp_path):
    """Write the scenario's parts as a user would; returns the tables by role."""
    columns = {n: c for n, c in source.returns.columns().items() if n not in OPTIONAL[:2]}
    columns["family"] = [FAMILIES[code] for code in columns["family"]]
    pa.csv.write_csv(pa.table(columns), tmp_path / "returns.csv")
    pq.write_table(pa.table(dict(source.returns.columns())), tmp_path / "returns.parquet")
    nx.write_graphml(source.graph, tmp_path / "graph.graphml")
    nodes = ["node,type,capacity,energy_per_unit,co2_per_unit"]
    for node, d in source.graph.nodes(data=True):
        nodes.append(
            f"{node},{d['type']},{d['capacity']},{d['energy_per_unit']},{d['co2_per_unit']}"
        )
    edges = ["source,target,flow_type,distance"]
    for tail, head, d in source.graph.edges(data=True):
        edges.append(f"{tail},{head},{d['flow_type']},{d['distance']}")
    (tmp_path / "nodes.csv").write_text("\n".join(nodes) + "\n")
    (tmp_path / "edges.csv").write_text("\n".join(edges) + "\n")
    return tmp_path


def _tables(files, **replaced):
    names = {"returns": "returns.csv", "nodes": "nodes.csv", "edges": "edges.csv"} | replaced
    return OwnTables(**{role: files / name for role, name in names.items() if name})


def test_csv_tables_become_the_scenario(source, files, tmp_path):
    scenario = own_scenario(_tables(files), 9, ScenarioParameters())
    parameters = scenario.parameters
    assert (parameters.generator, parameters.own_graph) == ("own", True)
    assert (parameters.n_nodes, parameters.n_products) == (15, 30)
    assert parameters.horizon_days == source.returns.return_day[-1] + 1
    for column in COLUMNS:
        if column.name not in OPTIONAL[:2]:
            mine = getattr(scenario.returns, column.name)
            assert mine == pytest.approx(getattr(source.returns, column.name), rel=1e-12)
    assert not np.array_equal(scenario.returns.harvest_draw, source.returns.harvest_draw)
    assert set(scenario.graph.edges) == set(source.graph.edges)
    # Slots follow from the capacities, as in a generated graph of the same load.
    per_day = 30 / parameters.horizon_days
    slots = sum(d.get("slots_per_day", 0) for _, d in scenario.graph.nodes(data=True))
    assert slots == pytest.approx(per_day * (0.25 + 0.22 + 0.25 + 0.45))
    save_scenario(scenario, tmp_path / "saved")
    assert load_scenario(tmp_path / "saved").sha256 == scenario.sha256


def _with_slots(source, files, suffix, without=()):
    """A node table as GraphML tools write it: empty where a node has no slots."""
    nodes = list(source.graph.nodes(data=True))
    table = pa.table(
        {
            "node": [node for node, _ in nodes],
            **{
                name: [data[name] for _, data in nodes]
                for name in ("type", "capacity", "energy_per_unit", "co2_per_unit")
            },
            "slots_per_day": [
                None if node in without else data.get("slots_per_day") for node, data in nodes
            ],
        }
    )
    write = pa.csv.write_csv if suffix == "csv" else pq.write_table
    write(table, files / f"slots.{suffix}")
    return _tables(files, nodes=f"slots.{suffix}")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_only_limited_facilities_need_slots(source, files, suffix):
    scenario = own_scenario(_with_slots(source, files, suffix), 9, ScenarioParameters())
    slots = {n: d.get("slots_per_day") for n, d in scenario.graph.nodes(data=True)}
    assert slots == {n: d.get("slots_per_day") for n, d in source.graph.nodes(data=True)}
    assert None in slots.values()
    limited = [node for node, value in slots.items() if value is not None]
    tables = _with_slots(source, files, suffix, without=limited[:1])
    row = list(source.graph.nodes).index(limited[0])
    with pytest.raises(ScenarioError, match=f"'slots_per_day', row {row}.*other facilities"):
        own_scenario(tables, 9, ScenarioParameters())


def test_parquet_and_graphml_keep_what_they_hold(source, files):
    tables = OwnTables(returns=files / "returns.parquet", graph=files / "graph.graphml")
    scenario = own_scenario(tables, 9, ScenarioParameters())
    assert np.array_equal(scenario.returns.harvest_draw, source.returns.harvest_draw)
    assert dict(scenario.graph.nodes(data=True)) == dict(source.graph.nodes(data=True))
    assert own_scenario(tables, 9, ScenarioParameters()).sha256 == scenario.sha256


def test_a_graph_alone_gets_generated_returns(source, files):
    scenario = own_scenario(OwnTables(graph=files / "graph.graphml"), 5, PARAMETERS)
    assert scenario.parameters.generator == "weee"
    assert len(scenario.returns) == 30
    other = scenario_like(scenario, 6)
    assert other.graph is scenario.graph
    assert not np.array_equal(other.returns.age_years, scenario.returns.age_years)


def test_returns_alone_get_a_graph_and_collection_nodes(files):
    table = pyarrow.csv.read_csv(files / "returns.csv").drop_columns(["collection_node"])
    pa.csv.write_csv(table, files / "bare.csv")
    tables = _tables(files, returns="bare.csv", nodes=None, edges=None)
    scenario = own_scenario(tables, 5, ScenarioParameters(n_nodes=20))
    assert scenario.graph.number_of_nodes() == 20
    kinds = {scenario.graph.nodes[int(n)]["type"] for n in scenario.returns.collection_node}
    assert kinds == {"collection"}
    # With its own nodes, the table does not fit a graph that it does not know.
    with pytest.raises(ScenarioError, match=r"row 0 \(line 2\): \d+ is not a collection node"):
        own_scenario(_tables(files, nodes=None, edges=None), 5, ScenarioParameters(n_nodes=8))


def test_more_scenarios_are_resampled_rows(files):
    scenario = own_scenario(_tables(files), 9, ScenarioParameters())
    one, same, other = (scenario_like(scenario, seed) for seed in (1, 1, 2))
    assert one.sha256 == same.sha256 != other.sha256
    assert len(one.returns) == len(scenario.returns)
    assert (np.diff(one.returns.return_day) >= 0).all()
    assert one.returns.product.tolist() == list(range(30))
    original = {
        (day, node, age)
        for day, node, age in zip(
            scenario.returns.return_day,
            scenario.returns.collection_node,
            scenario.returns.age_years,
            strict=True,
        )
    }
    drawn = list(
        zip(
            one.returns.return_day,
            one.returns.collection_node,
            one.returns.age_years,
            strict=True,
        )
    )
    assert set(drawn) < original
    assert len(set(drawn)) < len(drawn)
    assert len(np.unique(one.returns.remanufacture_draw)) == 30
    assert one.regimes != scenario.regimes


def _edit(path, line, change):
    lines = path.read_text().splitlines()
    cells = lines[line - 1].split(",")
    change(cells)
    lines[line - 1] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")


def _put(index, value):
    def change(cells):
        cells[index] = value

    return change


@pytest.mark.parametrize(
    ("file", "line", "change", "message"),
    [
        ("returns.csv", 4, _put(5, "old"), r"'age_years', row 2 \(line 4\): 'old' is not a num"),
        ("returns.csv", 5, _put(5, ""), r"'age_years', row 3 \(line 5\): no value"),
        ("returns.csv", 5, _put(5, "nan"), r"'age_years', row 3 \(line 5\): nan is not a number"),
        ("returns.csv", 6, _put(1, "1.5"), r"'return_day', row 4 \(line 6\): '1.5' is not a whole"),
        ("returns.csv", 31, _put(1, "3650"), r"'return_day', row 29 \(line 31\).*below 3650"),
        ("returns.csv", 2, _put(6, "1.2"), r"'mechanical_wear', row 0 \(line 2\): 1.2 must be 0"),
        ("returns.csv", 3, _put(3, '"boat"'), r"'family', row 1 \(line 3\): boat is unknown"),
        ("returns.csv", 3, _put(2, "1000"), r"'collection_node', row 1 \(line 3\): 1000 is not"),
        ("returns.csv", 7, _put(0, "0"), r"'product', row 5 \(line 7\): 0 is repeated"),
        ("returns.csv", 1, _put(5, '"years"'), r"column 'age_years' is missing"),
        ("returns.csv", 4, _put(0, "9" * 20), r"'product', row 2 \(line 4\): 9+ is too large"),
        ("returns.csv", 4, lambda c: c.pop(), r"row 2 \(line 4\): 19 cells, but the header.* 20"),
        ("returns.csv", 1, lambda c: c.append('"colour"'), r"row 0 \(line 2\): 20 cells, but"),
        ("nodes.csv", 3, _put(1, "shop"), r"'type', row 1 \(line 3\): shop must be one of extr"),
        ("nodes.csv", 3, _put(2, "-1"), r"'capacity', row 1 \(line 3\): -1.0 must be 0"),
        ("nodes.csv", 3, _put(0, "0"), r"'node', row 1 \(line 3\): 0 is repeated"),
        ("nodes.csv", 4, _put(0, "x"), r"'node', row 2 \(line 4\): 'x' is not a whole number"),
        ("edges.csv", 2, _put(3, "0"), r"'distance', row 0 \(line 2\): 0.0 must be 0.001"),
        ("edges.csv", 2, _put(1, "99"), r"'target', row 0 \(line 2\): 99 is not a node"),
    ],
)
def test_a_wrong_cell_is_named(files, file, line, change, message):
    _edit(files / file, line, change)
    with pytest.raises(ScenarioError, match=f"{file}.*{message}") as caught:
        own_scenario(_tables(files), 1, ScenarioParameters())
    assert caught.value.hint


def _without_slots(source, capacity):
    graph = source.graph.copy()
    for _, data in graph.nodes(data=True):
        data.pop("slots_per_day", None)
        data["capacity"] = capacity
        if capacity is None:
            del data["capacity"]
    return graph


@pytest.mark.parametrize(
    ("capacity", "message"),
    [
        (0.0, "all nodes of type 'use' have a capacity of 0, so that no slots"),
        (None, "node 0: capacity is None, must be a number of 0 to 1e"),
        ("big", "node 0: capacity is 'big'"),
    ],
)
def test_no_slots_are_shared_out_without_capacities(source, tmp_path, capacity, message):
    nx.write_graphml(_without_slots(source, capacity), tmp_path / "g.graphml")
    with pytest.raises(ScenarioError, match=f"g.graphml: {message}"):
        own_scenario(OwnTables(graph=tmp_path / "g.graphml"), 1, PARAMETERS)


def test_categories_are_read_as_their_names(source, files):
    table = pq.read_table(files / "returns.parquet")
    names = pa.array([FAMILIES[code] for code in source.returns.family]).dictionary_encode()
    table = table.set_column(table.column_names.index("family"), "family", names)
    pq.write_table(table, files / "categories.parquet")
    tables = OwnTables(returns=files / "categories.parquet", graph=files / "graph.graphml")
    scenario = own_scenario(tables, 9, ScenarioParameters())
    assert np.array_equal(scenario.returns.family, source.returns.family)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("stream", pa.array([True] * 30), "'stream' is of type bool, must be int8"),
        ("age_years", pa.array([[1.0]] * 30), r"'age_years' is of type list<.*>, must be float64"),
        ("family", pa.array([1.5] * 30), "'family' is of type (double|float64), must be"),
        ("product", pa.array([2**63] * 30, pa.uint64()), r"'product', row 0: 9\d+8 must be 0 to 9"),
    ],
)
def test_another_type_is_refused(files, column, values, message):
    table = pq.read_table(files / "returns.parquet")
    table = table.set_column(table.column_names.index(column), column, values)
    pq.write_table(table, files / "typed.parquet")
    with pytest.raises(ScenarioError, match=message):
        own_scenario(_tables(files, returns="typed.parquet"), 1, ScenarioParameters())


def test_another_separator_and_a_missing_file_are_named(files):
    (files / "semi.csv").write_text((files / "returns.csv").read_text().replace(",", ";"))
    with pytest.raises(ScenarioError, match=r"semi\.csv: the header line has no comma, but ';'"):
        own_scenario(_tables(files, returns="semi.csv"), 1, ScenarioParameters())
    with pytest.raises(ScenarioError, match=r"none\.csv: No such file or directory\n"):
        own_scenario(_tables(files, returns="none.csv"), 1, ScenarioParameters())


def test_an_open_loop_and_a_tiny_graph_are_refused(files):
    lines = (files / "edges.csv").read_text().splitlines()
    kept = [line for line in lines if not line.split(",")[2].startswith("disposal")]
    (files / "edges.csv").write_text("\n".join(kept) + "\n")
    with pytest.raises(ScenarioError, match=r"collection node \d+ has no link to any disposal"):
        own_scenario(_tables(files), 1, ScenarioParameters())
    (files / "nodes.csv").write_text(
        "node,type,capacity,energy_per_unit,co2_per_unit\n0,use,1,1,1\n"
    )
    (files / "edges.csv").write_text("source,target,flow_type,distance\n0,0,x,1\n")
    with pytest.raises(ScenarioError, match="1 nodes, must be 8 to 5000"):
        own_scenario(_tables(files), 1, ScenarioParameters())


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00", b"PAR1"])
@pytest.mark.parametrize("name", ["noise.csv", "noise.parquet"])
def test_noise_is_refused(files, name, content):
    (files / name).write_bytes(content)
    with pytest.raises(ScenarioError, match=name):
        own_scenario(_tables(files, returns=name), 1, ScenarioParameters())


def test_impossible_combinations_are_refused(files):
    graph, nodes, edges = (files / n for n in ("graph.graphml", "nodes.csv", "edges.csv"))
    with pytest.raises(ScenarioError, match="two graphs"):
        OwnTables(graph=graph, nodes=nodes, edges=edges)
    with pytest.raises(ScenarioError, match=r"half a graph: .*nodes\.csv, but no table of edges"):
        OwnTables(nodes=nodes)
    with pytest.raises(ScenarioError, match=r"half a graph: .*edges\.csv, but no table of nodes"):
        OwnTables(edges=edges)
    with pytest.raises(ScenarioError, match="no table"):
        own_scenario(OwnTables(), 1, ScenarioParameters())
    with pytest.raises(ScenarioError, match=r"'\.xlsx', must be one of \.csv, \.parquet"):
        own_scenario(_tables(files, returns="r.xlsx"), 1, ScenarioParameters())
    undirected = files / "undirected.graphml"
    nx.write_graphml(nx.path_graph(9), undirected)
    with pytest.raises(ScenarioError, match="must be a directed graph"):
        own_scenario(OwnTables(graph=undirected), 1, ScenarioParameters())


@pytest.mark.parametrize("columns", [COLUMNS, NODE_COLUMNS, EDGE_COLUMNS])
def test_the_document_states_every_column(columns):
    document = (ROOT / "docs" / "SCENARIOS.md").read_text()
    for c in columns:
        kind = "text" if c.dtype == "str" else c.dtype
        span = f"{c.low:g} or more" if c.high == float("inf") else f"{c.low:g} to {c.high:g}"
        span = "-" if c.dtype == "str" else span
        assert f"| `{c.name}` | {kind} | {c.unit} | {span} | {c.gloss} |\n" in document


def test_nothing_is_generated_from_own_returns():
    parameters = ScenarioParameters(generator="own")
    with pytest.raises(ScenarioError, match="a table of your own"):
        CircularSupplyChainGenerator(1, parameters).generate()
