"""The result as one self-contained HTML page: plots inside, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pyarrow as pa
from plotly.offline import get_plotlyjs

from host.metrics.days import ReplayDays
from host.metrics.metric import Provenance
from host.metrics.window import NORMAL_95
from host.report.console import ENERGY_SAVING_ROWS, budget_text
from host.report.figures import typeset, typeset_spread
from host.report.plots import energy, node, score, task
from host.report.power import POWER_STATES, uncertain
from host.report.theme import DARK, LIGHT, dark_for_light
from host.report.words import METRICS, POLICIES, PROVENANCES, SIGNS, spoken

TEMPLATES = Path(__file__).parent
HEADLINES = (
    "decision_quality",
    "energy_per_decision",
    "inference_latency",
    "material_circularity",
)
"""Metrics at the top of the page."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the page shows beside the result.

    Attributes:
        rows: of the nominal replay, with the board's ``cycles`` and ``mode``.
        days: of the same.
        windows: energy windows that count or were refused, as in ``windows.json``.
        ran: all windows, warm-ups included, as in ``windows_run.json``; empty where it is missing.
        comparison: ``comparison.json`` of the same policy; None where there is none.
        stages: the manifest's entries by stage.
    """

    rows: pa.Table
    days: ReplayDays
    windows: Sequence[Mapping[str, Any]] = ()
    ran: Sequence[Mapping[str, Any]] = ()
    comparison: Mapping[str, Any] | None = None
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def render(result: Mapping[str, Any], evidence: Evidence) -> str:
    """The page.

    Args:
        result: as in ``result.json``.
        evidence: what else it shows.
    """
    saving = result["energy_saving"]
    energy_provenance = saving["full_only"]["energy_provenance"]
    metrics = result["metrics"]
    plots = (
        score.composite_parts(result),
        score.baselines(result["baselines"]),
        score.quality_against_joules(result, evidence.comparison),
        energy.energy_windows(evidence.windows, evidence.ran, result["meter"], energy_provenance),
        node.latency(result, evidence.rows),
        node.layers(result["layers"]),
        node.memory(metrics["memory_footprint"]),
        task.flows(result["material_flows"]),
        task.days(evidence.days, saving),
        task.robustness(metrics["robustness_score"]),
        task.adaptation(metrics["adaptability_rate"]),
    )
    return (
        page_environment(TEMPLATES)
        .get_template("page.html.j2")
        .render(
            result=result,
            evidence=evidence,
            plots={plot.key: plot for plot in plots if plot is not None},
            headlines=HEADLINES,
            definitions=METRICS,
            policies=POLICIES,
            refused=[window for window in evidence.windows if not window["accepted"]],
            budget=budget_text(saving).replace(" uJ", "\u00a0µJ"),
            energy_saving_rows=ENERGY_SAVING_ROWS,
            power_states=POWER_STATES,
            most_lost=score.most_lost(result["composite"]),
            spreads=_spreads(metrics),
            widths=_widths(result),
        )
    )


def _widths(result: Mapping[str, Any]) -> list[int]:
    """Of the policy's layers, inputs first; empty where nothing tells."""
    if "widths" in result["training"]:
        return list(result["training"]["widths"])
    layers = result["layers"]["layers"]
    return (
        [layers[0]["input_shape"][-1], *(x["output_shape"][-1] for x in layers)] if layers else []
    )


def page_environment(*folders: Path) -> jinja2.Environment:
    """Templates in these folders, with what all pages share: style, script, formats."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["spoken"] = spoken
    environment.filters["sentence"] = lambda text: text[:1].upper() + text[1:]
    environment.globals |= {
        "typeset": typeset,
        "uncertain": lambda figure: uncertain(figure).replace(" u", " µ"),
        "light": LIGHT,
        "dark": DARK,
        "dark_for_light": dark_for_light(),
        "plotly_js": get_plotlyjs(),
        "signs": SIGNS,
        "provenances": PROVENANCES,
    }
    return environment


def _spreads(metrics: Mapping[str, Any]) -> dict[str, str]:
    """What stands beside a metric's value: its uncertainty, or the spread that it is taken from."""
    told = {}
    energy_j = metrics["energy_per_decision"]["detail"].get("total_uncertainty_j")
    if energy_j is not None:
        value = metrics["energy_per_decision"]["value"]
        told["energy_per_decision"] = (
            f"{typeset_spread(value, NORMAL_95 * energy_j, 'J')} (95 %, meter)"
        )
    assumed = metrics["energy_per_decision"]["detail"].get("assumed_range_j")
    if assumed is not None:
        low, high = (typeset(end, "J") for end in assumed)
        told["energy_per_decision"] += f"; {low} to {high} by the assumed cycles"
    latency = metrics["inference_latency"]
    if latency["value"] is not None:
        detail = latency["detail"]
        told["inference_latency"] = (
            f"p95 {typeset(detail['p95_s'], 's')}, longest {typeset(detail['max_s'], 's')}"
        )
    memory = metrics["memory_footprint"]["detail"]
    told["memory_footprint"] = (
        f"flash {typeset(memory['flash_bytes'], 'B')}, RAM {typeset(memory['ram_bytes'], 'B')}"
    )
    comms = metrics["comms_overhead"]
    if comms["value"] is not None:
        each = comms["detail"]["messages_per_decision"]
        told["comms_overhead"] = f"{each:.3g} messages per decision"
    quality = metrics["decision_quality"]
    if quality["provenance"] != Provenance.UNAVAILABLE:
        detail = quality["detail"]
        told["decision_quality"] = (
            f"{detail['value_eur']:,.0f} of {detail['optimum_eur']:,.0f} EUR, one scenario"
        )
    circularity = metrics["material_circularity"]
    if circularity["value"] is not None:
        detail = circularity["detail"]
        told["material_circularity"] = (
            f"{detail['mass_reentered_kg']:,.0f} of {detail['mass_kg']:,.0f} kg"
        )
    adaptability = metrics["adaptability_rate"]
    if adaptability["value"] is not None:
        back = adaptability["detail"]["days"]
        told["adaptability_rate"] = "never back" if back is None else f"back after {back} days"
    return told
