"""What holds for every test: no run folder is left with a result that its schema does not allow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

SCHEMA = Path(__file__).parents[1] / "docs" / "schema" / "result-1.json"


@pytest.fixture(scope="session", autouse=True)
def every_result_is_valid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hold every ``result.json`` that this process' tests left in a run folder against docs/."""
    yield
    reports = (
        file
        for file in tmp_path_factory.getbasetemp().rglob("report/result.json")
        if (file.parents[1] / "manifest.json").is_file()
    )
    found = list(reports)
    if not found:
        return
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    wrong = [
        f"{file}: {error.json_path}: {error.message[:300]}"
        for file in found
        for error in validator.iter_errors(json.loads(file.read_text(encoding="utf-8")))
    ]
    assert not wrong, "\n".join(wrong[:10])
