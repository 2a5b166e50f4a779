"""The published JSON schemas, generated from the models: ``python -m host.result.document``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from host.result.comparison import ComparisonResult
from host.result.hil import HilReport
from host.result.model import RESULT_SCHEMA, Result

FOLDER = Path(__file__).parents[2] / "docs" / "schema"

PUBLISHED: dict[str, tuple[type[BaseModel], str]] = {
    f"result-{RESULT_SCHEMA}.json": (Result, "Jouleloop: result.json"),
    "comparison-1.json": (ComparisonResult, "Jouleloop: comparison.json"),
    "hil-1.json": (HilReport, "Jouleloop: hil.json"),
}
"""Schemas by file name: the model, and the title."""


class _Untitled(GenerateJsonSchema):
    """Without a title that only repeats the field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a model, as JSON values."""
    made = model.model_json_schema(schema_generator=_Untitled, by_alias=True)
    return {"$schema": GenerateJsonSchema.schema_dialect, **made, "title": title}


def documents() -> dict[str, str]:
    """Every published schema's text, by file name."""
    return {
        name: json.dumps(json_schema(model, title), indent=2) + "\n"
        for name, (model, title) in PUBLISHED.items()
    }


def write_documents(folder: Path = FOLDER) -> None:
    """Write them all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_documents()
