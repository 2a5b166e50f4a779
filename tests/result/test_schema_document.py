"""The published schema is the model's, and says what it must."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from host.metrics import METRIC_NAMES, UNITS, Metric, Provenance, unavailable
from host.result.document import FOLDER, documents
from host.result.model import Result


@pytest.mark.parametrize("name", list(documents()))
def test_the_committed_file_is_what_the_model_gives(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == documents()[name], (
        "run 'python -m host.result.document'"
    )


@pytest.mark.parametrize("name", list(documents()))
def test_it_is_a_schema(name: str) -> None:
    schema = json.loads(documents()[name])
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def of_metric(name: str) -> Draft202012Validator:
    """Validates one metric alone."""
    (document,) = (text for file, text in documents().items() if file.startswith("result-"))
    schema = json.loads(document)
    metric = schema["$defs"]["Metrics"]["properties"][name]
    return Draft202012Validator({"$defs": schema["$defs"], **metric})


def test_every_metric_has_its_unit() -> None:
    (document,) = (text for file, text in documents().items() if file.startswith("result-"))
    metrics = json.loads(document)["$defs"]["Metrics"]
    assert set(metrics["required"]) == set(METRIC_NAMES)
    assert metrics["additionalProperties"] is False
    gap = unavailable("?", "why").as_dict()
    for name, unit in UNITS.items():
        if name == "memory_footprint":  # sections are always known
            continue
        assert of_metric(name).is_valid({**gap, "unit": unit}), name
        assert not of_metric(name).is_valid(gap), name


QUALITY = Metric(
    0.8,
    "1",
    Provenance.MODELLED,
    {"unclipped": 0.8, "value_eur": 8.0, "floor_eur": 0.0, "optimum_eur": 10.0, "optimum_gap": 0.0},
).as_dict()


def test_a_metric_is_valid() -> None:
    assert of_metric("decision_quality").is_valid(QUALITY)


@pytest.mark.parametrize(
    "change",
    [
        {"value": None},
        {"value": "0.8"},
        {"value": 1.2},
        {"unit": "percent"},
        {"provenance": "measured"},
        {"provenance": "guessed"},
        {"detail": {}},
        {"detail": {**QUALITY["detail"], "unknown": 1}},
        {"more": 1},
        {"value": None, "provenance": "unavailable", "detail": {}},
        {"value": None, "provenance": "unavailable", "detail": {"reason": ""}},
        {"value": 0.8, "provenance": "unavailable", "detail": {"reason": "none"}},
    ],
)
def test_a_metric_that_is_none(change: dict) -> None:
    assert not of_metric("decision_quality").is_valid(QUALITY | change)


def test_every_field_of_the_result_is_required() -> None:
    assert all(field.is_required() for field in Result.model_fields.values())
