"""What holds for every test: no run leaves a result that the published schema does not allow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

SCHEMAS = Path(__file__).parents[1] / "docs" / "schema"
MADE_BY = {
    "result.json": ("report", "result-1.json"),
    "comparison.json": ("compare", "comparison-1.json"),
}
"""Files that a run folder's stages leave: the stage, and the schema."""


@pytest.fixture(scope="session", autouse=True)
def every_result_is_valid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hold what this process' tests left in run folders against docs/schema."""
    yield
    wrong = []
    for name, (stage, schema) in MADE_BY.items():
        for file in tmp_path_factory.getbasetemp().rglob(f"{stage}/{name}"):
            if _as_it_was_made(file, stage):
                wrong += _errors(file, SCHEMAS / schema)
    assert not wrong, "\n".join(wrong[:10])


def _as_it_was_made(file: Path, stage: str) -> bool:
    """Whether a stage left it so, and no test has altered it since, which some do on purpose."""
    manifest = file.parents[1] / "manifest.json"
    try:
        recorded = json.loads(manifest.read_text(encoding="utf-8"))["stages"][stage]["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(recorded.get(file.name) == hashlib.sha256(file.read_bytes()).hexdigest())


def _errors(file: Path, schema: Path) -> list[str]:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    found = validator.iter_errors(json.loads(file.read_text(encoding="utf-8")))
    return [f"{file}: {error.json_path}: {error.message[:300]}" for error in found]
