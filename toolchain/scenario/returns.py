"""Product returns: a frozen store of columns, and what every column may hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

from toolchain.errors import ScenarioError
from toolchain.scenario.columns import Column, Source, check_column, check_names, refuse_first
from toolchain.scenario.factors import FAMILIES, MATERIALS

COLUMNS = (
    Column("product", "int64", "1", 0, math.inf, "id, unique"),
    Column("return_day", "int32", "day", 0, math.inf, "day of the return, from 0, sorted"),
    Column("collection_node", "int32", "1", 0, math.inf, "graph node where it was handed in"),
    Column("family", "int8", "1", 0, len(FAMILIES) - 1, "product family, index into FAMILIES"),
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

    def rows(self, first: int, stop: int) -> Returns:
        """The returns ``first`` to ``stop - 1``."""
        return Returns(**{name: array[first:stop] for name, array in self.columns().items()})

    @property
    def materials_kg(self) -> np.ndarray:
        """float64 (n, 6): mass of each of :data:`~toolchain.scenario.factors.MATERIALS`."""
        return np.stack([getattr(self, f"{material}_kg") for material in MATERIALS], axis=1)

    @property
    def mass_kg(self) -> np.ndarray:
        """float64 (n,): mass of each product."""
        total: np.ndarray = self.materials_kg.sum(axis=1)
        return total


def concatenated(parts: Iterable[Returns], n: int) -> Returns:
    """Tables of ``n`` rows in all, one behind the other; each is let go once it is copied."""
    whole = {column.name: np.empty(n, dtype=column.dtype) for column in COLUMNS}
    first = 0
    for part in parts:
        for name, array in part.columns().items():
            whole[name][first : first + len(part)] = array
        first += len(part)
    return Returns(**whole)


def regrouped(parts: Iterator[Returns], rows: int) -> Iterator[Returns]:
    """The same returns in pieces of ``rows``; the last may be shorter."""
    waiting: list[Returns] = []
    held = 0
    for part in parts:
        while held + len(part) >= rows:
            waiting.append(part.rows(0, rows - held))
            part = part.rows(rows - held, len(part))
            yield concatenated(waiting, rows)
            waiting, held = [], 0
        if len(part):
            waiting.append(part)
            held += len(part)
    if waiting:
        yield concatenated(waiting, held)


def check_returns(
    columns: Mapping[str, np.ndarray],
    *,
    source: str,
    first_line: int | None = None,
    horizon_days: int | None = None,
    collection_nodes: list[int] | None = None,
) -> Returns:
    """Check a table column by column and make it a :class:`Returns`.

    Args:
        columns: one array (n,) for each of :data:`COLUMNS`; others are refused.
        source: name of the file or place, for the message.
        first_line: line of the file on which row 0 is, for the message.
        horizon_days: return days must be below it.
        collection_nodes: collection nodes must be among them.

    Raises:
        ScenarioError: a column is missing, unknown or of another type, or a value is missing, not
            finite, out of range, unsorted or repeated; says the row, from 0.
    """
    names = [column.name for column in COLUMNS]
    place = Source(source, first_line)
    check_names(list(columns), names, [], place)
    if len(columns["product"]) == 0:
        raise ScenarioError(f"{source}: no rows", hint="a scenario needs at least one return")
    for column in COLUMNS:
        check_column(column, np.asarray(columns[column.name]), place)
    mass = sum(np.asarray(columns[f"{material}_kg"], dtype=np.float64) for material in MATERIALS)
    weightless = np.asarray(mass) <= 0
    refuse_first(weightless, np.asarray(mass), place, "*_kg", "give it a mass", "kg in total")
    day = np.asarray(columns["return_day"])
    refuse_first(np.diff(day, prepend=day[:1]) < 0, day, place, "return_day", "sort by it")
    if horizon_days is not None:
        beyond = day >= horizon_days
        limit = f"must be below the horizon of {horizon_days} days"
        refuse_first(beyond, day, place, "return_day", "raise horizon_days", limit)
    product = np.asarray(columns["product"])
    _, first = np.unique(product, return_index=True)
    repeated = np.ones(len(product), dtype=bool)
    repeated[first] = False
    refuse_first(repeated, product, place, "product", "number the products", "is repeated")
    if collection_nodes is not None:
        node = np.asarray(columns["collection_node"])
        stray = ~np.isin(node, collection_nodes)
        limit = "is not a collection node of the graph"
        refuse_first(stray, node, place, "collection_node", "use one of its nodes", limit)
    return Returns(**{name: np.asarray(columns[name]) for name in names})
