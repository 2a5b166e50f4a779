"""The figures as OpenMetrics text, for Prometheus' textfile collector or a push gateway."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest

from host.hil.compare import TargetReport
from host.hil.words import is_outside

BASE_UNITS = {"us": ("seconds", 1e-6), "uJ": ("joules", 1e-6), "B": ("bytes", 1.0)}
"""OpenMetrics' names of units, and the factor to them; others are ratios or have no base unit."""


def write_openmetrics(reports: Sequence[TargetReport], path: Path) -> None:
    """Write the figures of all targets, with baselines and verdicts, as one exposition."""
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}

    def put(name: str, help_: str, unit: str, labels: dict[str, str], value: float) -> None:
        if name not in gauges:
            gauges[name] = Gauge(name, help_, list(labels), unit=unit, registry=registry)
        gauges[name].labels(**labels).set(value)

    for report in reports:
        outcome = report.outcome
        target = {"target": outcome.job.name}
        put("jouleloop_up", "Whether the benchmark gave a result", "", target, outcome.error == "")
        put(
            "jouleloop_regressed_figures",
            "Figures that got worse than the baseline by more than their noise",
            "",
            target,
            sum(c.verdict == "regressed" for c in report.comparisons),
        )
        if outcome.result is None:
            continue
        identity = {key: outcome.result["identity"][key] for key in ("board", "chip_id", "engine")}
        identity["outside_specification"] = str(is_outside(outcome.result["identity"])).lower()
        for comparison in report.comparisons:
            base, _, statistic = comparison.figure.partition(".")
            unit, factor = BASE_UNITS.get(comparison.unit, ("", 1.0))
            stem = base.removesuffix("_us").removesuffix("_uj").removesuffix("_bytes")
            if not unit and statistic:
                stem, statistic = f"{base}_{statistic}", ""
            labels = {**target, **identity, "provenance": comparison.provenance}
            if statistic:
                labels["statistic"] = statistic
            about = f"{base} of 'jouleloop hil', in base units"
            for kind, value in (
                ("", comparison.value),
                ("_uncertainty", comparison.uncertainty),
                ("_baseline", comparison.baseline),
            ):
                if value is not None:
                    put(f"jouleloop_{stem}{kind}", about, unit, labels, value * factor)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(generate_latest(registry))
