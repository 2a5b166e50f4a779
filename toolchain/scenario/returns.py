"""Product returns: a frozen store of columns, and what every column may hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from toolchain.errors import ScenarioError
from toolchain.scenario.factors import MATERIALS


class Column(NamedTuple):
    """What a column of the returns table holds."""

    name: str
    dtype: str
    unit: str
    low: float
    high: float
    gloss: str


COLUMNS = (
    Column("product", "int64", "1", 0, math.inf, "id, unique"),
    Column("return_day", "int32", "day", 0, math.inf, "day of the return, from 0, sorted"),
    Column("collection_node", "int32", "1", 0, math.inf, "graph node where it was handed in"),
    Column("family", "int8", "1", 0, 127, "product family"),
    Column("stream", "int8", "1", 0, 1, "0 end of life, 1 commercial return"),
    Column("age_years", "float64", "year", 0, 200, "age"),
    Column("mechanical_wear", "float64", "1", 0, 1, "0 as new"),
    Column("corrosion", "float64", "1", 0, 1, "0 as new"),
    Column("electronic_health", "float64", "1", 0, 1, "1 as new"),
    Column("cosmetic_damage", "float64", "1", 0, 1, "0 as new"),
    Column("battery_cycles", "int32", "1", 0, 100_000, "charge cycles so far"),
    Column("aluminum_kg", "float64", "kg", 0, 1_000, "mass of aluminium"),
    Column("steel_kg", "float64", "kg", 0, 1_000, "mass of steel"),
    Column("copper_kg", "float64", "kg", 0, 1_000, "mass of copper"),
    Column("plastics_kg", "float64", "kg", 0, 1_000, "mass of plastics"),
    Column("rare_earths_kg", "float64", "kg", 0, 1_000, "mass of rare earths"),
    Column("other_kg", "float64", "kg", 0, 1_000, "mass of glass, concrete, foam and the like"),
    Column("components", "int32", "1", 0, 10_000, "components that could be harvested"),
    Column("new_value_eur", "float64", "EUR", 0, 1e6, "price of the product when new"),
    Column("current_value_eur", "float64", "EUR", 0, 1e6, "price as it is, at prices of 1"),
    Column("remanufacture_draw", "float64", "1", 0, 1, "latent: below the odds, it succeeds"),
    Column("harvest_draw", "float64", "1", 0, 1, "latent: quantile of the working components"),
)
"""Columns of the returns table in order. The latent ones decide outcomes and are never shown to a
policy."""


@dataclass(frozen=True, eq=False)
class Returns:
    """One array per column of :data:`COLUMNS`, all of length n, sorted by ``return_day``.

    The arrays are made read-only. Values are not checked here; :func:`check_returns` does.

    Raises:
        ScenarioError: the columns' lengths differ.
    """

    product: np.ndarray
    return_day: np.ndarray
    collection_node: np.ndarray
    family: np.ndarray
    stream: np.ndarray
    age_years: np.ndarray
    mechanical_wear: np.ndarray
    corrosion: np.ndarray
    electronic_health: np.ndarray
    cosmetic_damage: np.ndarray
    battery_cycles: np.ndarray
    aluminum_kg: np.ndarray
    steel_kg: np.ndarray
    copper_kg: np.ndarray
    plastics_kg: np.ndarray
    rare_earths_kg: np.ndarray
    other_kg: np.ndarray
    components: np.ndarray
    new_value_eur: np.ndarray
    current_value_eur: np.ndarray
    remanufacture_draw: np.ndarray
    harvest_draw: np.ndarray

    def __post_init__(self) -> None:
        lengths = set()
        for column in COLUMNS:
            array = np.ascontiguousarray(getattr(self, column.name), dtype=column.dtype)
            if array.flags.writeable:
                array = array.view()
                array.flags.writeable = False
            object.__setattr__(self, column.name, array)
            lengths.add(array.shape)
        if len(lengths) != 1 or len(next(iter(lengths))) != 1:
            raise ScenarioError(
                f"returns: columns of shapes {sorted(lengths)}, must be one length",
                hint="give every column one value for each product",
            )

    def __len__(self) -> int:
        return len(self.product)

    def columns(self) -> dict[str, np.ndarray]:
        """The arrays by name, in the order of :data:`COLUMNS`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def materials_kg(self) -> np.ndarray:
        """float64 (n, 6): mass of each of :data:`~toolchain.scenario.factors.MATERIALS`."""
        return np.stack([getattr(self, f"{material}_kg") for material in MATERIALS], axis=1)

    @property
    def mass_kg(self) -> np.ndarray:
        """float64 (n,): mass of each product."""
        total: np.ndarray = self.materials_kg.sum(axis=1)
        return total


def check_returns(
    columns: Mapping[str, np.ndarray],
    *,
    source: str,
    horizon_days: int | None = None,
    collection_nodes: list[int] | None = None,
) -> Returns:
    """Check a table column by column and make it a :class:`Returns`.

    Args:
        columns: one array (n,) for each of :data:`COLUMNS`; others are refused.
        source: name of the file or place, for the message.
        horizon_days: return days must be below it.
        collection_nodes: collection nodes must be among them.

    Raises:
        ScenarioError: a column is missing, unknown or of another type, or a value is missing, not
            finite, out of range, unsorted or repeated; says the row, from 0.
    """
    names = [column.name for column in COLUMNS]
    for name in names:
        if name not in columns:
            raise ScenarioError(
                f"{source}: column {name!r} is missing; found {', '.join(columns) or 'no column'}",
                hint=f"the table needs the columns {', '.join(names)}",
            )
    for name in columns:
        if name not in names:
            raise ScenarioError(
                f"{source}: unknown column {name!r}", hint="remove it, or correct its name"
            )
    if len(columns["product"]) == 0:
        raise ScenarioError(f"{source}: no rows", hint="a scenario needs at least one return")
    for column in COLUMNS:
        _check_column(column, np.asarray(columns[column.name]), source)
    mass = sum(np.asarray(columns[f"{material}_kg"], dtype=np.float64) for material in MATERIALS)
    weightless = np.asarray(mass) <= 0
    _refuse_first(weightless, np.asarray(mass), source, "*_kg", "give it a mass", "kg in total")
    day = np.asarray(columns["return_day"])
    _refuse_first(np.diff(day, prepend=day[:1]) < 0, day, source, "return_day", "sort by it")
    if horizon_days is not None:
        beyond = day >= horizon_days
        limit = f"must be below the horizon of {horizon_days} days"
        _refuse_first(beyond, day, source, "return_day", "raise horizon_days", limit)
    product = np.asarray(columns["product"])
    _, first = np.unique(product, return_index=True)
    repeated = np.ones(len(product), dtype=bool)
    repeated[first] = False
    _refuse_first(repeated, product, source, "product", "number the products", "is repeated")
    if collection_nodes is not None:
        node = np.asarray(columns["collection_node"])
        stray = ~np.isin(node, collection_nodes)
        limit = "is not a collection node of the graph"
        _refuse_first(stray, node, source, "collection_node", "use one of its nodes", limit)
    return Returns(**{name: np.asarray(columns[name]) for name in names})


def _check_column(column: Column, values: np.ndarray, source: str) -> None:
    wanted = np.dtype(column.dtype)
    fits = values.dtype == wanted or (wanted.kind == "f" and values.dtype.kind in "iuf")
    fits = fits or (wanted.kind == "i" and values.dtype.kind in "iu")
    if not fits:
        raise ScenarioError(
            f"{source}: column {column.name!r} is of type {values.dtype}, must be {column.dtype}",
            hint=f"store {column.gloss} in {column.unit}",
        )
    if wanted.kind == "f":
        bad = ~np.isfinite(values)
        _refuse_first(bad, values, source, column.name, "give it a value", "is not a number")
    high = min(column.high, float(np.iinfo(wanted).max)) if wanted.kind == "i" else column.high
    outside = (values < column.low) | (values > high)
    limit = f"must be {column.low:g} to {high:g} {column.unit}"
    _refuse_first(outside, values, source, column.name, "correct the value", limit)


def _refuse_first(
    bad: np.ndarray,
    values: np.ndarray,
    source: str,
    name: str,
    hint: str,
    limit: str = "must not be below the row before",
) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise ScenarioError(
            f"{source}: column {name!r}, row {row}: {values[row]} {limit}", hint=hint
        )
