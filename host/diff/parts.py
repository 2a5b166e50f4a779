"""Figures that are counted, not judged: memory by section, layers, baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

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
        provenance_a: how run A's came about; empty where the program itself says.
        provenance_b: of run B.
    """

    group: str
    name: str
    unit: str
    a: float | None
    b: float | None
    provenance_a: str = ""
    provenance_b: str = ""

    @property
    def change(self) -> float | None:
        """B less A; None unless both are there and of one provenance."""
        if self.a is None or self.b is None or self.provenance_a != self.provenance_b:
            return None
        return self.b - self.a

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
    """Cycles or instructions and B of flash of every layer of both networks.

    The policy's counts are those of the result, which says what counted or reckoned them; the
    fallback's are what the compiler reckons.
    """
    parts = []
    for network, of_a, of_b in (
        ("full", a.result["layers"], b.result["layers"]),
        ("fallback", _compiled(a.networks, "fallback"), _compiled(b.networks, "fallback")),
    ):
        layers_a, layers_b = of_a["layers"], of_b["layers"]
        for index in range(max(len(layers_a), len(layers_b))):
            in_a, in_b = (x[index] if index < len(x) else None for x in (layers_a, layers_b))
            shapes = [_shape(layer) for layer in (in_a, in_b) if layer]
            name = f"{index} {' / '.join(dict.fromkeys(shapes))}"
            parts += _counts(network, name, (of_a, in_a), (of_b, in_b))
    return parts


_OfLayer: TypeAlias = tuple[Mapping[str, Any], Mapping[str, Any] | None]


def _counts(network: str, name: str, a: _OfLayer, b: _OfLayer) -> list[Counted]:
    """What one inference takes in a layer, by what was counted, and the layer's flash."""
    (of_a, in_a), (of_b, in_b) = a, b
    parts = []
    for unit in dict.fromkeys(of.get("counted", "") for of, layer in (a, b) if layer):
        count_a, count_b = (
            layer["count"] if layer and of["counted"] == unit else None for of, layer in (a, b)
        )
        provenances = of_a["provenance"], of_b["provenance"]
        parts.append(Counted(network, name, unit, count_a, count_b, *provenances))
    size_a, size_b = (layer["flash_bytes"] if layer else None for layer in (in_a, in_b))
    parts.append(Counted(network, name, "B", size_a, size_b))
    return [part for part in parts if part.a is not None or part.b is not None]


def _compiled(networks: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A compiled network in the shape of the result's ``layers``."""
    network = networks.get(name) or {"layers": []}
    layers = [{**layer, "count": layer.get("cycles")} for layer in network["layers"]]
    for layer in layers:
        layer.setdefault("flash_bytes", None)
    return {"provenance": "modelled", "counted": "cycles", "layers": layers}


def _shape(layer: Mapping[str, Any]) -> str:
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
