"""Run folders in the terminal: their list, one stage, one metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from host.report.figures import format_value
from host.run.folder import RunFolder
from host.run.listing import ListedFigure, ListedRun, RunState
from host.run.reading import BENCH_STAGES
from toolchain import __version__
from toolchain.errors import InputError

RUNS_SCHEMA = 1
LOG_COLUMNS = 160
"""Width of a table where the output is no terminal."""
LIST_SHOWN = 8
"""Values of a list that are shown."""
SCORES = ("composite", "composite_log", "material_circularity_indicator")
"""Figures of a result beside the eleven metrics."""


def runs_as_json(runs: Sequence[ListedRun], folder: Path) -> dict[str, Any]:
    """The list as JSON values."""
    return {
        "schema": RUNS_SCHEMA,
        "jouleloop": __version__,
        "folder": str(folder),
        "runs": [run.as_dict() for run in runs],
    }


def print_runs(runs: Sequence[ListedRun], folder: Path, console: Console) -> None:
    """Print a line a run, and beneath it what is wrong with those that are not finished."""
    if not runs:
        console.print(f"no run folder under {folder}; 'jouleloop bench' makes one", markup=False)
        return
    if not console.is_terminal:
        console.width = max(console.width, LOG_COLUMNS)
    table = Table(box=None, pad_edge=False)
    for title in ("run", "target", "scenario"):
        table.add_column(title, no_wrap=title != "run", overflow="fold")
    table.add_column("stages")
    table.add_column("finished", no_wrap=True)
    for title in ("composite", "J per decision", "latency"):
        table.add_column(title, justify="right")
    for run in runs:
        scenario = " ".join(str(x) for x in (run.preset, run.seed, run.generator) if x)
        table.add_row(
            escape(str(run.path)),
            run.target or "-",
            scenario or "-",
            _stages_text(run),
            _when(run.finished),
            *(
                _figure_text(run.figures.get(name))
                for name in ("composite", "energy_per_decision", "inference_latency")
            ),
            style="red" if run.state is RunState.BROKEN else None,
        )
    console.print(table)
    for run in runs:
        if run.reason:
            text = f"{run.path}: {run.state}, {run.reason}"
            console.print(f"{text}; {run.next}" if run.next else text, markup=False, soft_wrap=True)


def _stages_text(run: ListedRun) -> str:
    done = sum(stage in run.stages for stage in BENCH_STAGES)
    more = [stage for stage in run.stages if stage not in BENCH_STAGES]
    text = f"{done} of {len(BENCH_STAGES)}" if run.state is not RunState.FINISHED else "all"
    if "compare" in more:
        text += ", compare"
    return f"{text} ({run.state})" if run.state in (RunState.BROKEN, RunState.TRAINED) else text


def _when(finished: str) -> str:
    if not finished:
        return "-"
    return datetime.fromisoformat(finished).astimezone().strftime("%Y-%m-%d %H:%M")


def _figure_text(figure: ListedFigure | None) -> str:
    if figure is None:
        return "-"
    return f"{format_value(figure.value, figure.unit)} {figure.provenance}".removeprefix("- ")


def shown_stage(run: RunFolder, stage: str) -> dict[str, Any]:
    """The manifest's entry of a stage, as JSON values."""
    entry: dict[str, Any] = run.stages[stage]
    return {"stage": stage, "folder": str(run.path / stage), **entry}


def print_stage(entry: Mapping[str, Any], console: Console) -> None:
    """Print a stage: when and by which command, from what, and which files it left."""
    if not console.is_terminal:
        console.width = max(console.width, LOG_COLUMNS)
    lines = {
        "folder": entry["folder"],
        "command": entry["command"],
        "finished": f"{entry['finished']}, after {entry['seconds']:g} s",
        "made from": ", ".join(f"{k} {v[:12]}" for k, v in entry["inputs"].items()) or "-",
        "code": entry["code"][:12],
        "packages": ", ".join(f"{k} {v}" for k, v in entry["packages"].items() if v) or "-",
    }
    for name, text in lines.items():
        console.print(f"{name:<10} {text}", markup=False, soft_wrap=True)
    console.print()
    console.print(_two_columns("parameter", "value", _flat(entry["parameters"])))
    console.print()
    table = Table(box=None, pad_edge=False)
    table.add_column("file")
    table.add_column("SHA-256")
    for name, digest in entry["files"].items():
        table.add_row(escape(name), digest)
    console.print(table)


def _two_columns(first: str, second: str, lines: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    table.add_column(second, overflow="fold")
    for name, text in lines.items():
        table.add_row(escape(name), escape(text))
    return table


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    lines: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            lines |= _flat(value, f"{prefix}{name}.")
        else:
            lines[prefix + name] = _text(value)
    return lines


def _text(value: Any) -> str:
    """As people read it; ``--json`` has all digits and all values."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        shown = ", ".join(_text(item) for item in value[:LIST_SHOWN])
        return f"{shown}, ... ({len(value)})" if value[LIST_SHOWN:] else shown or "-"
    return "-" if value is None else str(value)


def shown_metric(result: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A metric or score of a result with its definition, as JSON values.

    Raises:
        InputError: the result has none of that name.
    """
    from host.result.definition import definition

    if name in SCORES:
        metric = result[name]
    elif name in result["metrics"]:
        metric = result["metrics"][name]
    else:
        known = [*result["metrics"], *SCORES, *BENCH_STAGES]
        raise InputError(
            f"a run has no metric and no stage {name!r}", hint=f"name one of {', '.join(known)}"
        )
    return {"name": name, "definition": definition(name), **metric}


def print_metric(metric: Mapping[str, Any], console: Console) -> None:
    """Print a metric, what it is, and all that the result knows of it."""
    if not console.is_terminal:
        console.width = max(console.width, LOG_COLUMNS)
    value = format_value(metric["value"], metric["unit"])
    console.print(f"{metric['name']}  {value}  {metric['provenance']}", style="bold", markup=False)
    console.print(metric["definition"], markup=False, soft_wrap=True)
    console.print()
    console.print(_two_columns("detail", "value", _flat(metric["detail"])))
