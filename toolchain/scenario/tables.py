"""A user's own tables, CSV or Parquet, read column by column as the columns are declared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from toolchain.errors import ScenarioError
from toolchain.scenario.columns import Column, Source, check_names

SUFFIXES = (".csv", ".parquet")
"""What a table's name may end in."""

_FIRST_LINE = 2


def read_columns(
    path: Path,
    columns: tuple[Column, ...],
    optional: tuple[str, ...] = (),
    sparse: tuple[str, ...] = (),
) -> tuple[dict[str, np.ndarray], Source]:
    """Read a table into arrays of the declared types; ranges are not checked here.

    A CSV has a header line and commas; every cell is read by its column's type. Integers may be
    stored in any integer type.

    Args:
        path: ends in ``.csv`` or ``.parquet``.
        columns: all that the table may have.
        optional: names of those that it need not have.
        sparse: names of float columns whose cells may be empty; nan there.

    Returns:
        arrays (n,) by name, numbers or objects (text), and how rows are named in messages.

    Raises:
        ScenarioError: the file cannot be read, a column is missing, unknown or there twice, or
            a cell is empty or not of its column's type (says the row).
    """
    table, source = _read(path)
    names = list(table.column_names)
    required = [column.name for column in columns if column.name not in optional]
    check_names(names, required, list(optional), source)
    if table.num_rows == 0:
        raise ScenarioError(f"{source.name}: no rows", hint="the table needs at least one")
    declared = {column.name: column for column in columns}
    arrays = {}
    for name in names:
        values, column = table[name], declared[name]
        arrays[name] = _typed(_filled(values) if name in sparse else values, column, source)
    return arrays, source


def _read(path: Path) -> tuple[pa.Table, Source]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ScenarioError(
            f"{path}: the name ends in {suffix!r}, must be one of {', '.join(SUFFIXES)}",
            hint="store the table as CSV or Parquet",
        )
    try:
        if suffix == ".parquet":
            return pq.ParquetFile(path).read(), Source(str(path))
        return _read_csv(path), Source(str(path), _FIRST_LINE)
    except OSError as error:
        why = error.strerror or str(error)
        raise ScenarioError(f"{path}: {why}", hint="name a CSV or Parquet file") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        hint = "store it as CSV (UTF-8, commas, one header line) or as Parquet"
        raise ScenarioError(
            f"{path}: cannot be read as {suffix[1:]}: {error}", hint=hint
        ) from error


def _read_csv(path: Path) -> pa.Table:
    """All cells as text: a guessed type would hide which cell is wrong."""
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    if not header.strip():
        raise ScenarioError(f"{path}: no header line", hint="start it with the columns' names")
    names = [name.strip().strip('"') for name in header.rstrip("\r\n").split(",")]
    for separator in (";", "\t"):
        if len(names) == 1 and separator in header:
            raise ScenarioError(
                f"{path}: the header line has no comma, but {separator!r}",
                hint="separate the columns by commas",
            )
    uneven: list[pa.csv.InvalidRow] = []

    def refuse(row: pa.csv.InvalidRow) -> str:
        uneven.append(row)
        return "error"

    try:
        return pa.csv.read_csv(
            path,
            # Only a single thread knows the number of a line.
            read_options=pa.csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False),
            parse_options=pa.csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=refuse),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if not uneven:
            raise
        row = Source(str(path), _FIRST_LINE).row(uneven[0].number - _FIRST_LINE)
        cells = uneven[0].actual_columns
        raise ScenarioError(
            f"{path}: {row}: {cells} cells, but the header line has {len(names)}",
            hint="give every row one cell for each column",
        ) from error


def _filled(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Empty cells and nulls as nan, in text as in numbers."""
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        text = pc.utf8_trim_whitespace(values)
        return pc.if_else(pc.fill_null(pc.equal(text, ""), True), "nan", text)
    if pa.types.is_integer(values.type):
        values = pc.cast(values, pa.float64())
    return pc.fill_null(values, float("nan")) if pa.types.is_floating(values.type) else values


def _typed(values: pa.ChunkedArray, column: Column, source: Source) -> np.ndarray:
    if pa.types.is_dictionary(values.type):  # as pandas stores categories
        values = pc.cast(values, values.type.value_type)
    if values.null_count:
        _refuse(source, column, int(np.argmax(values.is_null().to_numpy())), "no value")
    kind = "U" if column.dtype in ("str", "name") else np.dtype(column.dtype).kind
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        text = pc.utf8_trim_whitespace(values)
        if kind == "U":
            return _text(text, column, source)
        return _numbers(text, column, source, int if kind == "i" else float)
    number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if column.dtype == "str" or not number:
        wanted = {"str": "text", "name": "text or a whole number"}.get(column.dtype, column.dtype)
        raise ScenarioError(
            f"{source.name}: column {column.name!r} is of type {values.type}, must be {wanted}",
            hint=f"store {column.asked}",
        )
    array: np.ndarray = values.to_numpy()
    return array


def _text(text: pa.ChunkedArray, column: Column, source: Source) -> np.ndarray:
    array: np.ndarray = text.to_numpy()
    empty = array == ""
    if empty.any():
        _refuse(source, column, int(np.argmax(empty)), "no value")
    return array


def _numbers(
    text: pa.ChunkedArray, column: Column, source: Source, parse: Callable[[str], float]
) -> np.ndarray:
    try:
        array: np.ndarray = pc.cast(text, pa.int64() if parse is int else pa.float64()).to_numpy()
        return array
    except pa.ArrowInvalid:
        numbers = []
        for row, cell in enumerate(text.to_pylist()):
            try:
                numbers.append(parse(cell))
            except ValueError:
                what = "no value" if cell == "" else f"{cell!r} is not {_KIND[parse]}"
                _refuse(source, column, row, what)
            if parse is int and not -(2**63) <= numbers[-1] < 2**63:
                _refuse(source, column, row, f"{cell} is too large for a number of 64 bits")
        return np.array(numbers)


_KIND: dict[Callable[[str], float], str] = {int: "a whole number", float: "a number"}


def _refuse(source: Source, column: Column, row: int, what: str) -> None:
    raise ScenarioError(
        f"{source.name}: column {column.name!r}, {source.row(row)}: {what}",
        hint=f"give {column.asked}",
    )
