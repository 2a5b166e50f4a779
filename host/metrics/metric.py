"""What a figure in a report is: a value, its unit, and how it came about."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from toolchain.errors import InputError


class Provenance(StrEnum):
    """How a figure came about, from the strongest to the weakest."""

    MEASURED = "measured"
    """An instrument on a physical board."""
    EMULATED = "emulated"
    """Firmware and instrument driver ran; the silicon was an emulator."""
    MODELLED = "modelled"
    """Computed from a model."""
    UNAVAILABLE = "unavailable"
    """There is no figure; ``detail["reason"]`` says why."""


METRIC_NAMES: tuple[str, ...] = (
    "material_circularity",
    "energy_recovery",
    "component_reuse_rate",
    "waste_generation",
    "energy_per_decision",
    "memory_footprint",
    "inference_latency",
    "comms_overhead",
    "decision_quality",
    "robustness_score",
    "adaptability_rate",
)
"""The eleven metrics, in METRICS.md's order."""

UNITS: dict[str, str] = {
    "material_circularity": "kg/kg",
    "energy_recovery": "MJ/MJ",
    "component_reuse_rate": "1",
    "waste_generation": "kg/product",
    "energy_per_decision": "J",
    "memory_footprint": "B",
    "inference_latency": "s",
    "comms_overhead": "B/decision",
    "decision_quality": "1",
    "robustness_score": "1",
    "adaptability_rate": "1",
}
"""Unit of each metric."""


@dataclass(frozen=True)
class Metric:
    """One figure.

    Args:
        value: in ``unit``; None exactly when the provenance is unavailable.
        unit: SI symbol or ratio; "1" where it has no dimension.
        provenance: how it came about.
        detail: what else is known of it; JSON types only.

    Raises:
        InputError: a value without provenance, a provenance without value, or a value that is
            not finite.
    """

    value: float | None
    unit: str
    provenance: Provenance
    detail: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.value is None) != (self.provenance is Provenance.UNAVAILABLE):
            raise InputError(
                f"a metric of value {self.value} cannot be {self.provenance}",
                hint="give a value, or unavailable() with the reason",
            )
        if self.value is not None and not math.isfinite(self.value):
            raise InputError(
                f"a metric of value {self.value} in {self.unit} is not a number",
                hint="give unavailable() with the reason",
            )

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of the result schema (DESIGN.md, Results)."""
        return {
            "value": self.value,
            "unit": self.unit,
            "provenance": self.provenance.value,
            "detail": self.detail,
        }


def unavailable(unit: str, reason: str, **detail: Any) -> Metric:
    """A metric that there is no figure for, and why."""
    return Metric(None, unit, Provenance.UNAVAILABLE, {"reason": reason, **detail})


def weakest(provenances: Iterable[Provenance]) -> Provenance:
    """The provenance of a figure that is computed from figures of these provenances."""
    order = list(Provenance)
    return max(provenances, key=order.index)
