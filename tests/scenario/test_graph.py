"""The material graph: circular at any size and seed, and refused when a loop is open."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from toolchain.errors import ScenarioError
from toolchain.scenario import (
    FACILITY_TYPES,
    NODE_TYPES,
    CircularSupplyChainGenerator,
    ScenarioParameters,
    check_graph,
    nodes_of_type,
)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), n_nodes=st.integers(8, 120), max_links=st.integers(1, 20))
def test_any_seed_and_size_is_circular(seed, n_nodes, max_links):
    parameters = ScenarioParameters(n_nodes=n_nodes, max_links=max_links)
    graph = CircularSupplyChainGenerator(seed, parameters).generate_material_graph()
    assert graph.number_of_nodes() == n_nodes
    check_graph(graph)
    # Independent of check_graph: every facility of every collection node lies on a cycle.
    makers = nodes_of_type(graph, "manufacturing")
    for node in nodes_of_type(graph, "collection"):
        kinds = {graph.nodes[head]["type"] for head in graph.successors(node)}
        assert kinds >= set(FACILITY_TYPES)
        for head in graph.successors(node):
            if graph.nodes[head]["type"] in ("remanufacturing", "disassembly", "recycling"):
                assert any(nx.has_path(graph, head, maker) for maker in makers)
    collection = nodes_of_type(graph, "collection")
    for maker in makers:
        assert any(nx.has_path(graph, maker, node) for node in collection)


def test_largest_graph_works():
    graph = CircularSupplyChainGenerator(0).generate_material_graph(5_000)
    check_graph(graph)
    assert max(degree for _, degree in graph.out_degree()) <= 16 * len(NODE_TYPES)


def test_node_types_follow_the_articles_probabilities():
    graphs = [CircularSupplyChainGenerator(s).generate_material_graph(200) for s in range(50)]
    mean = {kind: np.mean([len(nodes_of_type(g, kind)) for g in graphs]) for kind in NODE_TYPES}
    # A fiftieth of the nodes is taken from the most frequent type, use, for disposal.
    assert mean["disposal"] == 4
    assert mean["use"] == pytest.approx(0.30 * 200 - 4, abs=3.7)
    assert mean["collection"] == pytest.approx(0.15 * 200, abs=2.9)
    assert mean["recycling"] == pytest.approx(0.05 * 200, abs=1.8)


def test_attributes_follow_the_articles_laws():
    graph = CircularSupplyChainGenerator(11).generate_material_graph(3_000)
    capacity = np.array([data["capacity"] for _, data in graph.nodes(data=True)])
    assert np.log(capacity).mean() == pytest.approx(3.0, abs=0.05)
    assert np.log(capacity).std() == pytest.approx(0.5, abs=0.03)
    for name, low, high in (("energy_per_unit", 0.5, 5.0), ("co2_per_unit", 0.1, 2.0)):
        values = [data[name] for _, data in graph.nodes(data=True)]
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-4
    flows = {"reverse_logistics": (10, 100), "circular_input": (5, 50)}
    for flow, (low, high) in flows.items():
        km = [d["distance"] for *_, d in graph.edges(data=True) if d["flow_type"] == flow]
        assert low <= min(km) < max(km) <= high
        assert np.mean(km) == pytest.approx((low + high) / 2, rel=0.02)


def test_slots_are_shared_in_proportion_to_capacity():
    parameters = ScenarioParameters(n_products=730, horizon_days=365)
    graph = CircularSupplyChainGenerator(2, parameters).generate_material_graph()
    makers = [graph.nodes[n] for n in nodes_of_type(graph, "remanufacturing")]
    total = sum(node["slots_per_day"] for node in makers)
    assert total == pytest.approx(2 * parameters.slots_per_return.remanufacture)
    ratios = [node["slots_per_day"] / node["capacity"] for node in makers]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))


def _small():
    return CircularSupplyChainGenerator(1, ScenarioParameters(n_nodes=8)).generate_material_graph()


@pytest.mark.parametrize("kind", ["recycling", "disposal", "collection", "use", "manufacturing"])
def test_missing_type_is_refused(kind):
    graph = _small()
    graph.remove_nodes_from(nodes_of_type(graph, kind))
    with pytest.raises(ScenarioError, match=f"no node of type '{kind}'"):
        check_graph(graph)


@pytest.mark.parametrize(
    ("tail", "head", "message"),
    [
        ("collection", "remanufacturing", "has no link to any remanufacturing node"),
        ("collection", "disposal", "has no link to any disposal node"),
        ("disassembly", "recycling", "has no link to any recycling node"),
        ("recycling", "manufacturing", "no path to manufacturing"),
        ("manufacturing", "use", "has no path to any collection"),
    ],
)
def test_open_loop_is_refused(tail, head, message):
    graph = _small()
    cut = [
        (u, v)
        for u, v in graph.edges
        if graph.nodes[u]["type"] == tail and graph.nodes[v]["type"] == head
    ]
    graph.remove_edges_from(cut)
    with pytest.raises(ScenarioError, match=message):
        check_graph(graph)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("type", "shop", "type is 'shop'"),
        ("capacity", -1.0, "capacity is -1.0"),
        ("energy_per_unit", float("nan"), "energy_per_unit is nan"),
        ("capacity", True, "capacity is True"),
        ("co2_per_unit", "much", "co2_per_unit is 'much'"),
        ("slots_per_day", None, "slots_per_day is None"),
        ("slots_per_day", 1e9, "slots_per_day is 1000000000.0, must be a number of 0 to 1e.08 1/d"),
    ],
)
def test_impossible_node_is_refused(name, value, message):
    graph = _small()
    node = nodes_of_type(graph, "recycling")[0]
    graph.nodes[node][name] = value
    with pytest.raises(ScenarioError, match=f"node {node}: {message}"):
        check_graph(graph)


@pytest.mark.parametrize("km", [0.0, 40_001.0, float("inf"), float("nan"), True, "far", None])
def test_impossible_distance_is_refused(km):
    graph = _small()
    tail, head = next(iter(graph.edges))
    graph.edges[tail, head]["distance"] = km
    message = f"edge {tail} -> {head}: distance is {km!r}, must be a number of 0.001 to 40000 km"
    with pytest.raises(ScenarioError, match=message):
        check_graph(graph)


@pytest.mark.parametrize("name", [-1, 2**31, "n0"])
def test_impossible_node_id_is_refused(name):
    graph = nx.relabel_nodes(_small(), {0: name})
    with pytest.raises(ScenarioError, match=f"node {name!r}, must be a whole number of 0 to 21474"):
        check_graph(graph)
