"""Figures that are counted, not judged: memory by section, layers, baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from host.diff.run import DiffedRun


@dataclass(frozen=True)
class Counted:
    """A count of both runs.

    Attributes:
        group: region of memory, or network.
        name: section or layer.
        unit: of the values.
        a: of run A; None where it is not there, or not known.
        b: of run B.
    """

    group: str
    name: str
    unit: str
    a: float | None
    b: float | None

    @property
    def change(self) -> float | None:
        """B less A; None unless both are there."""
        return None if self.a is None or self.b is None else self.b - self.a

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "change": self.change}


def memory_parts(a: DiffedRun, b: DiffedRun) -> list[Counted]:
    """B of flash and RAM by section, those that both lack left out."""
    details = [run.metrics["memory_footprint"]["detail"] for run in (a, b)]
    parts = []
    for region in ("flash", "ram"):
        of_a, of_b = (detail.get(f"{region}_parts", {}) for detail in details)
        for name in dict.fromkeys([*of_a, *of_b]):
            size_a, size_b = of_a.get(name, 0), of_b.get(name, 0)
            if size_a or size_b:
                parts.append(Counted(region, name, "B", size_a, size_b))
    return parts


def layer_parts(a: DiffedRun, b: DiffedRun) -> list[Counted]:
    """Cycles and B of flash of every layer, as the compiler reckons them (modelled)."""
    parts = []
    for network in dict.fromkeys([*a.networks, *b.networks]):
        of_a, of_b = ((run.networks.get(network) or {}).get("layers", []) for run in (a, b))
        for index in range(max(len(of_a), len(of_b))):
            layer_a, layer_b = (x[index] if index < len(x) else {} for x in (of_a, of_b))
            name = f"{index} {_shape(layer_a)}"
            if _shape(layer_a) != _shape(layer_b):
                name += f" / {_shape(layer_b)}"
            for unit, key in (("cycles", "cycles"), ("B", "flash_bytes")):
                values = (layer.get(key) for layer in (layer_a, layer_b))
                parts.append(Counted(network, name, unit, *values))
    return [part for part in parts if part.a is not None or part.b is not None]


def _shape(layer: Mapping[str, Any]) -> str:
    if not layer:
        return "none"
    return f"{layer['input_shape'][-1]}-{layer['output_shape'][-1]}"


@dataclass(frozen=True)
class BaselineChange:
    """A policy on the replayed scenario of either run.

    Attributes:
        policy: its name.
        value_eur_a: realised in run A, EUR.
        value_eur_b: realised in run B.
        quality_a: decision quality in run A; None where it is undefined.
        quality_b: in run B.
    """

    policy: str
    value_eur_a: float | None
    value_eur_b: float | None
    quality_a: float | None
    quality_b: float | None

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def baseline_changes(a: DiffedRun, b: DiffedRun) -> list[BaselineChange]:
    """All baselines of both runs."""
    of_a, of_b = a.result["baselines"], b.result["baselines"]
    nothing: dict[str, None] = {}
    return [
        BaselineChange(
            name,
            of_a.get(name, nothing).get("value_eur"),
            of_b.get(name, nothing).get("value_eur"),
            of_a.get(name, nothing).get("decision_quality"),
            of_b.get(name, nothing).get("decision_quality"),
        )
        for name in dict.fromkeys([*of_a, *of_b])
    ]
