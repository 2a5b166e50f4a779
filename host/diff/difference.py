"""Two runs side by side: everything that changed, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.diff.change import Change, Verdict, count
from host.diff.composite import CompositeChange, composite_changes
from host.diff.decisions import DecisionChanges, decision_changes
from host.diff.figures import metric_changes, network_changes, other_scenario, power_changes
from host.diff.parts import BaselineChange, Counted, baseline_changes, layer_parts, memory_parts
from host.diff.run import DiffedRun, read_run
from host.diff.settings import Setting, setting_changes
from toolchain import __version__

DIFF_SCHEMA = 1


@dataclass(frozen=True)
class Difference:
    """What changed from run A to run B.

    Attributes:
        a: run A.
        b: run B.
        settings: that differ.
        metrics: every figure of the eleven metrics.
        composites: both, with what moved them.
        networks: figures of each network alone, ``full`` and ``fallback``.
        power_states: what the node draws.
        memory: B by section.
        layers: cycles and B by layer, as compiled.
        decisions: that differ; None where other scenarios were replayed.
        baselines: of either run's scenario.
    """

    a: DiffedRun
    b: DiffedRun
    settings: Sequence[Setting]
    metrics: Sequence[Change]
    composites: Sequence[CompositeChange]
    networks: Mapping[str, Sequence[Change]]
    power_states: Sequence[Change]
    memory: Sequence[Counted]
    layers: Sequence[Counted]
    decisions: DecisionChanges | None
    baselines: Sequence[BaselineChange]

    @property
    def worse(self) -> bool:
        """Whether a figure of the metrics got worse by more than its noise."""
        return any(change.verdict is Verdict.WORSE for change in self.metrics)

    @property
    def same_scenario(self) -> bool:
        """Whether both replayed the same products."""
        return not other_scenario(self.a, self.b)

    @property
    def headline(self) -> str:
        """How many figures of the metrics have which verdict."""
        counts = [(count(self.metrics, verdict), verdict) for verdict in Verdict]
        return ", ".join(f"{n} {verdict}" for n, verdict in counts if n)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "schema": DIFF_SCHEMA,
            "jouleloop": __version__,
            "a": _run(self.a),
            "b": _run(self.b),
            "headline": self.headline,
            "worse": self.worse,
            "settings": [setting.as_dict() for setting in self.settings],
            "metrics": [change.as_dict() for change in self.metrics],
            "composites": [composite.as_dict() for composite in self.composites],
            "networks": {
                name: [change.as_dict() for change in changes]
                for name, changes in self.networks.items()
            },
            "power_states": [change.as_dict() for change in self.power_states],
            "memory": [part.as_dict() for part in self.memory],
            "layers": [part.as_dict() for part in self.layers],
            "decisions": None if self.decisions is None else self.decisions.as_dict(),
            "baselines": [baseline.as_dict() for baseline in self.baselines],
        }


def _run(run: DiffedRun) -> dict[str, Any]:
    result = run.result
    return {
        "run": str(run.path),
        "target": result["target"],
        "provenance": str(run.side.provenance),
        "scenario": result["scenario"],
        "identity": result["identity"],
        "command": result["command"],
    }


def difference(a: DiffedRun, b: DiffedRun) -> Difference:
    """What changed from one run to another that are read already."""
    metrics = metric_changes(a, b)
    return Difference(
        a,
        b,
        setting_changes(a, b),
        metrics,
        composite_changes(a, b, metrics),
        network_changes(a, b),
        power_changes(a, b),
        memory_parts(a, b),
        layer_parts(a, b),
        decision_changes(a, b),
        baseline_changes(a, b),
    )


def diff_runs(a: str | Path, b: str | Path) -> Difference:
    """What changed from one run to another, in figures, with what is noise marked as noise.

    The tolerances are those of ``jouleloop hil`` (:mod:`host.hil.noise`). Figures of another
    provenance, and those that depend on the scenario where another one was replayed, are shown and
    not judged.

    Args:
        a: run folder of a finished ``bench``, or its name under ``runs/``; what B is compared with.
        b: the same; of whatever target, preset, seed and options.

    Raises:
        RunFolderError: one is not a run folder, is not finished, or is of another schema.
    """
    return difference(read_run(a), read_run(b))
