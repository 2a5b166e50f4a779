"""``result.json``: no invalid one is written, and what is read is one."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from host.result import read_result, write_result
from toolchain.errors import RunFolderError

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def test_a_result_that_the_schema_does_not_allow_is_not_written(
    finished_run: tuple[Path, dict], tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    for key, value in (
        ("unknown", 1),
        ("counts", "instants"),
        ("windows", {"run": -1, "refused": 0}),
        ("windows", {"run": "30", "refused": 0}),
    ):
        wrong = copy.deepcopy(finished_run[1]) | {key: value}
        with pytest.raises(ValueError, match=key):
            write_result(file, wrong)
    without = {key: value for key, value in finished_run[1].items() if key != "meter"}
    with pytest.raises(ValueError, match="meter"):
        write_result(file, without)
    assert not file.exists()
    write_result(file, finished_run[1])
    assert read_result(file) == finished_run[1]


def test_a_result_of_another_schema_is_refused(
    finished_run: tuple[Path, dict], tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    file.write_text(json.dumps(finished_run[1] | {"schema": 2, "jouleloop": "9.9"}), "utf-8")
    with pytest.raises(RunFolderError, match=r"schema 2 \(jouleloop '9.9'\).*reads schema 1") as e:
        read_result(file)
    assert "the version that made it" in str(e.value)
    file.write_text(json.dumps({**finished_run[1], "baselines": {}}), "utf-8")
    with pytest.raises(RunFolderError, match=r"baselines\.always_dispose"):
        read_result(file)
    file.write_text("[1]", "utf-8")
    with pytest.raises(RunFolderError, match="schema None"):
        read_result(file)
    file.write_text("{", "utf-8")
    with pytest.raises(RunFolderError, match="cannot be read"):
        read_result(file)


def test_the_rows_are_there_as_csv_and_parquet(finished_run: tuple[Path, dict]) -> None:
    report = finished_run[0] / "report"
    table, text = pq.read_table(report / "rows.parquet"), pyarrow.csv.read_csv(report / "rows.csv")
    assert table.column_names == text.column_names
    assert table.num_rows == text.num_rows == finished_run[1]["scenario"]["products"]
    assert table["value_eur"].to_pylist() == text["value_eur"].to_pylist()
    replayed = pq.read_table(finished_run[0] / "replay" / "nominal.parquet")
    assert table.equals(replayed)
