"""Columns of a table: type, unit and range, and the error that names the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from toolchain.errors import ScenarioError


class Column(NamedTuple):
    """What a column of a table holds; ``dtype`` is a numpy name, ``str``, or ``name``
    for what is given by its name or number."""

    name: str
    dtype: str
    unit: str
    low: float
    high: float
    gloss: str

    @property
    def span(self) -> str:
        """Range and unit, for a message."""
        unit = "" if self.unit == "1" else f" {self.unit}"
        low, high = (f"{end:g}" if isinstance(end, float) else str(end) for end in self[3:5])
        return f"{low} to {high}{unit}"

    @property
    def asked(self) -> str:
        """What it holds and the unit, for a hint."""
        return self.gloss if self.unit in ("1", "-") else f"{self.gloss}, in {self.unit}"


@dataclass(frozen=True)
class Source:
    """Where a table came from, for the message.

    Attributes:
        name: of the file or place.
        first_line: line of the file on which row 0 is; None when it has no lines.
    """

    name: str
    first_line: int | None = None

    def row(self, row: int) -> str:
        """How a row is named; rows count from 0."""
        return (
            f"row {row}" if self.first_line is None else f"row {row} (line {row + self.first_line})"
        )


def check_column(column: Column, values: np.ndarray, source: Source) -> None:
    """Check one column's type, and that every value is a number in range.

    Raises:
        ScenarioError: says source, column, row, value and limit.
    """
    wanted = np.dtype(column.dtype)
    fits = values.dtype == wanted or (wanted.kind == "f" and values.dtype.kind in "iuf")
    fits = fits or (wanted.kind == "i" and values.dtype.kind in "iu")
    if not fits:
        raise ScenarioError(
            f"{source.name}: column {column.name!r} is of type {values.dtype}, must be "
            f"{column.dtype}",
            hint=f"store {column.asked}",
        )
    if wanted.kind == "f":
        bad = ~np.isfinite(values)
        refuse_first(bad, values, source, column.name, "give it a value", "is not a number")
    if wanted.kind == "i":  # in whole numbers, for a float rounds the largest ones up
        column = column._replace(high=int(min(column.high, np.iinfo(wanted).max)))
    outside = (values < column.low) | (values > column.high)
    limit = f"must be {column.span}"
    refuse_first(outside, values, source, column.name, "correct the value", limit)


def refuse_first(
    bad: np.ndarray,
    values: np.ndarray,
    source: Source,
    name: str,
    hint: str,
    limit: str = "must not be below the row before",
) -> None:
    """Refuse the first row that is marked bad (n,).

    Raises:
        ScenarioError: a row is.
    """
    if bad.any():
        row = int(np.argmax(bad))
        raise ScenarioError(
            f"{source.name}: column {name!r}, {source.row(row)}: {values[row]} {limit}", hint=hint
        )


def check_names(found: list[str], required: list[str], optional: list[str], source: Source) -> None:
    """Check that a table has the columns that it needs, no other, and none twice.

    Raises:
        ScenarioError: says which column.
    """
    for name in required:
        if name not in found:
            raise ScenarioError(
                f"{source.name}: column {name!r} is missing; found "
                f"{', '.join(found) or 'no column'}",
                hint=f"the table needs the columns {', '.join(required)}",
            )
    for name in found:
        if name not in required and name not in optional:
            raise ScenarioError(
                f"{source.name}: unknown column {name!r}", hint="remove it, or correct its name"
            )
        if found.count(name) > 1:
            raise ScenarioError(
                f"{source.name}: column {name!r} is there {found.count(name)} times",
                hint="keep one of them",
            )
