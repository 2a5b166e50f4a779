"""``hil.json``: what ``jouleloop hil`` leaves and prints with ``--json``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from host.result.strict import AtLeast0, Strict

Word = Literal["measured", "emulated", "modelled", "unavailable"]


class HilMetric(Strict):
    """A metric as in ``result.json``, whose schema has its detail."""

    value: float | None
    unit: str
    provenance: Word
    detail: dict[str, Any]


class HilComparison(Strict):
    """One figure beside the baseline's."""

    figure: str
    """In the words of docs/HIL.md, such as latency_us.median."""
    unit: str
    provenance: Word
    value: float | None
    """Null where there is none; the reason says why."""
    uncertainty: AtLeast0 | None
    """Standard, in the unit."""
    baseline: float | None
    tolerance: AtLeast0 | None
    """By which it may get worse; null where its noise is not known."""
    reason: str
    """Where the tolerance comes from, or why there is no value."""
    verdict: Literal["within", "improved", "regressed", "missing", "new", "unjudged"]
    change: float | None
    """Relative."""


class HilTarget(Strict):
    """One board."""

    target: str
    """BOARD[@WHERE]."""
    status: Literal["done", "usage", "invalid"]
    error: str | None
    """Why there is no result."""
    seconds: AtLeast0
    run: str
    """The run folder."""
    identity: dict[str, Any] | None
    """What answered; null without a result."""
    metrics: dict[str, HilMetric] | None
    comparisons: list[HilComparison]
    notes: list[str]
    """In what else the run differs from the baseline's."""


class HilReport(Strict):
    """Boards against a baseline."""

    schema_: Literal[1] = Field(alias="schema")
    """Of this file; a change that an older reader would misread has another number."""
    jouleloop: str
    exit_code: Literal[0, 1, 2, 3]
    """0 pass, 1 a figure got worse, 2 usage, 3 a measurement is invalid."""
    targets: list[HilTarget] = Field(min_length=1)
