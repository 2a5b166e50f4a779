"""A scenario's folder: round trip, and an error for everything that can be wrong with it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from toolchain.errors import ScenarioError
from toolchain.scenario import (
    COLUMNS,
    CircularSupplyChainGenerator,
    Outage,
    Scenario,
    ScenarioParameters,
    load_scenario,
    save_scenario,
)


@pytest.fixture
def folder(tmp_path):
    scenario = CircularSupplyChainGenerator(9, ScenarioParameters(n_products=40)).generate()
    save_scenario(scenario, tmp_path)
    return tmp_path


def _replace(folder, name, change):
    path = folder / "returns.parquet"
    table = pq.read_table(path)
    values = change(table[name].to_numpy().copy())
    column = values if isinstance(values, pa.Array) else pa.array(values)
    pq.write_table(table.set_column(table.column_names.index(name), name, column), path)


def test_round_trip_keeps_the_identity(tmp_path):
    base = CircularSupplyChainGenerator(9, ScenarioParameters(n_products=40)).generate()
    outages = (Outage(node=3, from_day=1, to_day=9),)
    scenario = Scenario(base.parameters, 9, base.graph, base.returns, base.regimes, outages)
    save_scenario(scenario, tmp_path / "a" / "b")
    loaded = load_scenario(tmp_path / "a" / "b")
    assert loaded.sha256 == scenario.sha256
    assert loaded.parameters == scenario.parameters
    assert loaded.regimes == scenario.regimes
    assert loaded.outages == outages
    for name, column in scenario.returns.columns().items():
        assert np.array_equal(getattr(loaded.returns, name), column)


@pytest.mark.parametrize("name", [column.name for column in COLUMNS])
def test_missing_column_is_refused(folder, name):
    path = folder / "returns.parquet"
    pq.write_table(pq.read_table(path).drop_columns([name]), path)
    with pytest.raises(ScenarioError, match=f"returns.parquet: column '{name}' is missing"):
        load_scenario(folder)


def _set(row, value):
    def change(values):
        values[row] = value
        return values

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("steel_kg", _set(3, -0.5), r"'steel_kg', row 3: -0.5 must be 0 to 1000 kg"),
        ("steel_kg", _set(4, np.nan), r"'steel_kg', row 4: nan is not a number"),
        ("steel_kg", _set(4, np.inf), r"'steel_kg', row 4: inf is not a number"),
        ("corrosion", _set(0, 1.5), r"'corrosion', row 0: 1.5 must be 0 to 1"),
        ("return_day", _set(7, 364), r"'return_day', row 8: \d+ must not be below the row before"),
        ("return_day", _set(39, 365), r"'return_day', row 39: 365 must be below the horizon"),
        ("product", _set(5, 4), r"'product', row 5: 4 is repeated"),
        ("collection_node", _set(2, 49_999), r"'collection_node', row 2: 49999 is not a coll"),
        ("battery_cycles", _set(6, -1), r"'battery_cycles', row 6: -1 must be 0 to 100000"),
        ("age_years", lambda v: v.astype(str), r"'age_years' is of type object, must be float64"),
        ("components", lambda v: v + 0.5, r"'components' is of type float64, must be int32"),
        (
            "components",
            lambda v: pa.array([None, *v[1:].tolist()], pa.int32()),
            r"'components', row 0: no value",
        ),
    ],
)
def test_impossible_values_are_refused(folder, name, change, message):
    _replace(folder, name, change)
    with pytest.raises(ScenarioError, match=message) as caught:
        load_scenario(folder)
    assert "returns.parquet" in caught.value.message
    assert caught.value.hint


def test_product_without_mass_is_refused(folder):
    for material in ("aluminum", "steel", "copper", "plastics", "rare_earths", "other"):
        _replace(folder, f"{material}_kg", _set(2, 0.0))
    with pytest.raises(ScenarioError, match=r"row 2: 0.0 kg in total"):
        load_scenario(folder)


def test_changed_value_breaks_the_identity(folder):
    _replace(folder, "steel_kg", _set(3, 0.5))
    with pytest.raises(ScenarioError, match="SHA-256"):
        load_scenario(folder)


def test_unknown_column_and_empty_table_are_refused(folder):
    path = folder / "returns.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("colour", pa.array([1] * 40)), path)
    with pytest.raises(ScenarioError, match="unknown column 'colour'"):
        load_scenario(folder)
    pq.write_table(table.slice(0, 0), path)
    with pytest.raises(ScenarioError, match="no rows"):
        load_scenario(folder)


@pytest.mark.parametrize("name", ["returns.parquet", "graph.graphml", "scenario.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "noise"])
def test_damaged_file_is_refused(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "truncated": content[: len(content) // 2],
                "noise": np.random.default_rng(0).bytes(500),
            }[damage]
        )
    with pytest.raises(ScenarioError, match=name):
        load_scenario(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", 2, "schema"),
        ("regimes", [], "regimes"),
        ("regimes", [{"from_day": 3}], r"regimes start on days \[3\]"),
        ("seed", "x", "seed"),
        ("colour", 1, "colour"),
    ],
)
def test_impossible_head_is_refused(folder, key, value, message):
    path = folder / "scenario.json"
    head = json.loads(path.read_text())
    head[key] = value
    path.write_text(json.dumps(head))
    with pytest.raises(ScenarioError, match=message):
        load_scenario(folder)
