"""The figures of a benchmarked board in the words of the field: ``board.latency_us.median < 150``.

A figure is a float that knows its unit, how it came about and how sure it is. It is read from a
``result.json`` (or from a baseline, which has the same metrics), and nothing is computed here that
is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from host.metrics import Provenance
from toolchain.errors import InputError, MeasurementError


class Figure(float):
    """One figure; compares and computes like the float that it is.

    Attributes:
        name: in the words of the field, such as ``latency_us.median``.
        unit: of the value.
        provenance: how it came about.
        uncertainty: standard uncertainty in the same unit; None where none is known.
        of: what it is a figure of, such as the target.
    """

    name: str
    unit: str
    provenance: Provenance
    uncertainty: float | None
    of: str

    def __new__(
        cls,
        value: float,
        *,
        name: str,
        unit: str,
        provenance: Provenance,
        uncertainty: float | None = None,
        of: str = "",
    ) -> Self:
        """As of the class."""
        figure = super().__new__(cls, value)
        figure.name, figure.unit, figure.of = name, unit, of
        figure.provenance, figure.uncertainty = provenance, uncertainty
        return figure

    def __repr__(self) -> str:
        return f"{self.text} ({self.provenance})"

    @property
    def text(self) -> str:
        """Value, uncertainty and unit."""
        unit = "" if self.unit == "1" else f" {self.unit}"
        if self.uncertainty is None:
            return f"{float(self):.6g}{unit}"
        return f"{float(self):.6g} ± {self.uncertainty:.2g}{unit}"


@dataclass(frozen=True)
class FigureKind:
    """Where a figure is in a result.

    Attributes:
        name: in the words of the field.
        metric: of ``result.json`` that it belongs to.
        unit: that it is given in.
        scale: of the result's own unit to that.
        detail: entry of the metric's detail; None for the metric's value.
        uncertainty: entry of the detail with its standard uncertainty.
        uncertainty_parts: entry of the detail with that by cause.
    """

    name: str
    metric: str
    unit: str
    scale: float = 1.0
    detail: str | None = None
    uncertainty: str | None = None
    uncertainty_parts: str | None = None

    def value(self, metric: Mapping[str, Any]) -> float | None:
        """The figure in its unit; None where the metric has none."""
        found = metric["value"] if self.detail is None else metric["detail"].get(self.detail)
        return None if found is None else found * self.scale

    def spread(self, metric: Mapping[str, Any]) -> float | None:
        """Its standard uncertainty in its unit."""
        found = metric["detail"].get(self.uncertainty) if self.uncertainty else None
        return None if found is None else found * self.scale


def _energy(name: str, entry: str) -> FigureKind:
    return FigureKind(
        f"energy_uj.{name}",
        "energy_per_decision",
        "uJ",
        1e6,
        detail=f"{entry}_j",
        uncertainty=f"{entry}_uncertainty_j",
        uncertainty_parts=f"{entry}_uncertainty_parts_j",
    )


FIGURE_KINDS: tuple[FigureKind, ...] = (
    FigureKind("latency_us.median", "inference_latency", "us", 1e6),
    FigureKind("latency_us.p95", "inference_latency", "us", 1e6, "p95_s"),
    FigureKind("latency_us.max", "inference_latency", "us", 1e6, "max_s"),
    _energy("total", "total"),
    _energy("idle_subtracted", "idle_subtracted"),
    FigureKind("flash_bytes", "memory_footprint", "B", detail="flash_bytes"),
    FigureKind("ram_bytes", "memory_footprint", "B", detail="ram_bytes"),
    FigureKind("comms.bytes_per_decision", "comms_overhead", "B"),
    FigureKind("comms.messages_per_decision", "comms_overhead", "1", 1.0, "messages_per_decision"),
    FigureKind("quality", "decision_quality", "1"),
    FigureKind("robustness", "robustness_score", "1"),
    FigureKind("adaptability", "adaptability_rate", "1"),
    FigureKind("material_circularity", "material_circularity", "kg/kg"),
    FigureKind("energy_recovery", "energy_recovery", "MJ/MJ"),
    FigureKind("component_reuse", "component_reuse_rate", "1"),
    FigureKind("waste_kg", "waste_generation", "kg/product"),
)
"""Every figure that has a name, in the order of reports."""

_BY_NAME = {kind.name: kind for kind in FIGURE_KINDS}


class Figures:
    """The figures of one result, by attribute or by name.

    Args:
        metrics: those of ``result.json``.
        of: what they are figures of, for messages.
    """

    def __init__(self, metrics: Mapping[str, Mapping[str, Any]], of: str) -> None:
        self.metrics = metrics
        self.of = of

    def __getitem__(self, name: str) -> Figure:
        """The figure of a name such as ``latency_us.median``.

        Raises:
            InputError: there is no such figure.
            MeasurementError: the result has no value of it.
        """
        kind = figure_kind(name)
        metric = self.metrics.get(kind.metric)
        value = None if metric is None else kind.value(metric)
        if metric is None or value is None:
            reason = "it was not measured" if metric is None else metric["detail"].get("reason")
            raise MeasurementError(
                f"{name} of {self.of} is unavailable: {reason or 'the result has no value of it'}",
                hint=f"ask has({name!r}) first where that is to be expected",
            )
        return Figure(
            value,
            name=name,
            unit=kind.unit,
            provenance=Provenance(metric["provenance"]),
            uncertainty=kind.spread(metric),
            of=self.of,
        )

    def has(self, name: str) -> bool:
        """Whether there is a value of a figure.

        Raises:
            InputError: there is no such figure.
        """
        kind = figure_kind(name)
        metric = self.metrics.get(kind.metric)
        return metric is not None and kind.value(metric) is not None

    def __iter__(self) -> Iterator[Figure]:
        return (self[kind.name] for kind in FIGURE_KINDS if self.has(kind.name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return group_or_figure(name, self.__getitem__)


class FigureGroup:
    """The figures under one name, such as the median, p95 and max of ``latency_us``."""

    def __init__(self, name: str, get: Callable[[str], Figure]) -> None:
        self._name = name
        self._get = get

    def __getattr__(self, name: str) -> Figure:
        full = f"{self._name}.{name}"
        if full not in _BY_NAME:
            raise AttributeError(f"{self._name} has no figure {name!r}, but {self!r}")
        return self._get(full)

    def __repr__(self) -> str:
        members = [kind.name for kind in FIGURE_KINDS if kind.name.startswith(f"{self._name}.")]
        return ", ".join(members)


def group_or_figure(name: str, get: Callable[[str], Figure]) -> Figure | FigureGroup:
    """What an attribute of a board is: a figure, or a group of them.

    Raises:
        AttributeError: neither is called so.
    """
    if name in _BY_NAME:
        return get(name)
    if any(known.startswith(f"{name}.") for known in _BY_NAME):
        return FigureGroup(name, get)
    raise AttributeError(f"there is no figure {name!r}; known: {', '.join(_BY_NAME)}")


def figure_kind(name: str) -> FigureKind:
    """The kind of a figure's name.

    Raises:
        InputError: there is no such figure.
    """
    if name not in _BY_NAME:
        raise InputError(
            f"there is no figure {name!r}", hint=f"known figures: {', '.join(_BY_NAME)}"
        )
    return _BY_NAME[name]
