"""The comparison's result: JSON values, one CSV line a network, and the page."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from host.compare import figures as f
from host.compare.board import ON_BOARD_NAME
from host.compare.network import ComparedNetwork
from host.compare.page import render
from host.compare.quality import QUALITY_NAME, Judged, read_judged
from host.metrics import Provenance, decision_quality, pareto_front, weakest
from host.result import write_checked
from host.result.comparison import ComparisonResult
from host.run import RunFolder, read_json
from host.target import Target
from toolchain import __version__
from toolchain.environment import hindsight_optimum
from toolchain.scenario import Scenario

SCHEMA = 1
RESULT_FILE, CSV_FILE, PAGE_FILE = "comparison.json", "comparison.csv", "comparison.html"

IDENTITY = ("board", "chip_id", "clock_hz", "firmware")
"""What all networks have in common of what answered."""

DEFINITIONS = {
    "decision_quality": "METRICS.md's, mean over the held-out scenarios; 95 % bootstrap interval "
    "over them; decided on the host by the reference that the board equals",
    "decision_quality_on_board": "the same on the run's scenario, every decision made by the board",
    "agreement": "share of the states that the float policy meets in the held-out scenarios on "
    "which the network decides as it does",
    "correct_share": "share of the decisions that name the disposition which the hindsight optimum "
    "assigns to that product; it knows all arrivals and outcomes, so no causal policy is always "
    "correct, but it favours no network, as the float policy's own decisions would",
    "joules_per_correct_decision": "J of one decision over the share of correct ones",
    "energy": "J of one decision by energy windows on the target: board total, and above idle",
    "latency": "the board's own count of each decision of the run's scenario; where an emulator "
    "counts instructions, those times assumed or calibrated cycles of each, which the joules of "
    "its windows follow too (cycles_per_instruction in the detail of both)",
    "pareto_front": "networks that no other beats in decision quality and board-total J at once",
}


def write_comparison(
    folder: RunFolder,
    target: Target,
    networks: Sequence[ComparedNetwork],
    scenario: Scenario,
    seed: int,
    n_scenarios: int,
    path: Path,
) -> None:
    """Fill the stage's folder: ``comparison.json``, ``comparison.csv``, ``comparison.html``.

    Args:
        folder: with the stages that ran on the board and on the host.
        target: what the networks ran on.
        networks: in the order of the table.
        scenario: that was replayed to the board.
        seed: of the bootstraps.
        n_scenarios: held-out ones.
        path: of the stage.
    """
    on_board = folder.artifact(ON_BOARD_NAME)
    judged = read_judged(folder.artifact(QUALITY_NAME), n_scenarios)
    ran = {network.name: read_json(on_board / f"{network.name}.json") for network in networks}
    lines = [_line(name, judged[name], entry) for name, entry in ran.items()]
    used = f.defined_everywhere(lines)
    optimum = hindsight_optimum(scenario)
    entries = {}
    for network, line in zip(networks, lines, strict=True):
        rows = pq.read_table(on_board / f"{network.name}.parquet")
        entries[network.name] = {
            "engine": network.engine.name.lower(),
            "what": network.what,
            "decision_quality": asdict(f.quality_interval(line, used, seed))
            | {"provenance": Provenance.MODELLED.value},
            "decision_quality_on_board": decision_quality(rows, optimum).as_dict(),
            "agreement": f.agreement(line),
            **_correct(line, seed),
            **_from_board(ran[network.name]),
        }
    found = f.trades(lines, used, seed)
    result = {
        "schema": SCHEMA,
        "jouleloop": __version__,
        "target": str(target),
        "provenance": target.provenance.value,
        "identity": target.labelled(
            {name: next(iter(ran.values()))["identity"][name] for name in IDENTITY}
        ),
        "counts": target.counts,
        "meter": next(iter(ran.values()))["meter"],
        "energy_provenance": _energy_provenance(entries),
        "scenario": {
            "sha256": scenario.sha256,
            "seed": scenario.seed,
            "generator": scenario.parameters.generator,
            "products": len(scenario.returns),
            "days": scenario.parameters.horizon_days,
        },
        "held_out_scenarios": n_scenarios,
        "undefined": int((~used).sum()),
        "networks": entries,
        "pareto_front": _front(entries),
        "trades": [asdict(t) | {"holds": t.holds, "holds_surely": t.holds_surely} for t in found],
        "limits": {"given_up": f.GIVEN_UP, "saved": f.SAVED},
        "statement": f.statement(found),
        "definitions": DEFINITIONS,
        "energy_model": target.energy_model,
        "command": folder.command,
    }
    write_checked(path / RESULT_FILE, result, ComparisonResult)
    _write_csv(result, path / CSV_FILE)
    (path / PAGE_FILE).write_text(render(result), encoding="utf-8")


def _energy_provenance(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The weakest of the networks' that have a figure; unavailable where none has."""
    found = {entry["energy"]["provenance"] for entry in entries.values()}
    figures = [Provenance(one) for one in found if one != Provenance.UNAVAILABLE]
    return str(weakest(figures) if figures else Provenance.UNAVAILABLE)


def read_comparison(path: Path) -> dict[str, Any]:
    """What :func:`write_comparison` left."""
    result: dict[str, Any] = read_json(path / RESULT_FILE)
    return result


def _line(name: str, judged: Sequence[Judged], entry: Mapping[str, Any]) -> f.Line:
    detail = entry["energy"]["detail"]

    def joules(of: str) -> f.Joules | None:
        if detail.get(f"{of}_j") is None:
            return None
        return f.Joules(detail[f"{of}_j"], detail[f"{of}_uncertainty_j"])

    return f.Line(name, tuple(judged), joules("total"), joules("idle_subtracted"))


def _correct(line: f.Line, seed: int) -> dict[str, Any]:
    share = f.correct_share(line, seed)
    per_correct = {
        of: None if joules is None else _bounds(f.joules_per_correct_decision(joules, share))
        for of, joules in (("total", line.total), ("idle_subtracted", line.idle_subtracted))
    }
    return {"correct_share": _bounds(share), "joules_per_correct_decision": per_correct}


def _from_board(entry: Mapping[str, Any]) -> dict[str, Any]:
    memory = entry["memory"]
    detail = memory["detail"]
    return {
        "decisions_by_the_board": entry["decisions"],
        "equal_to_reference": True,  # a single difference would have failed the command
        "latency": entry["latency"],
        "energy": entry["energy"],
        "flash_bytes": detail["flash_bytes"],
        "ram_bytes": detail["ram_bytes"],
        "memory_provenance": memory["provenance"],
        "network_bytes": memory["network_bytes"],
        "network_memory": memory["network_memory"],
        "model_sha256": entry["identity"]["model_sha256"],
        "image_sha256": entry["identity"]["image_sha256"],
    }


def _bounds(bounds: f.Bounds | None) -> dict[str, float] | None:
    return None if bounds is None else dict(zip(("value", "low", "high"), bounds, strict=True))


def _front(entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names on the Pareto front; empty where no energy was measured."""
    names = [name for name, entry in entries.items() if entry["energy"]["value"] is not None]
    front = pareto_front(
        [entries[name]["decision_quality"]["mean"] for name in names],
        [entries[name]["energy"]["value"] for name in names],
    )
    return [names[index] for index in front]


def _write_csv(result: Mapping[str, Any], file: Path) -> None:
    """One line a network; a figure that there is none of stays empty."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        for index, (name, entry) in enumerate(result["networks"].items()):
            columns = {"target": result["target"], **_columns(name, entry)}
            if index == 0:
                writer.writerow(columns)
            writer.writerow(columns.values())


def _columns(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    quality, correct = entry["decision_quality"], entry["correct_share"]
    latency, energy = entry["latency"], entry["energy"]["detail"]
    per_correct = entry["joules_per_correct_decision"]["total"] or {}
    return {
        "network": name,
        "engine": entry["engine"],
        "decision_quality": quality["mean"],
        "decision_quality_low": quality["low"],
        "decision_quality_high": quality["high"],
        "decision_quality_provenance": quality["provenance"],
        "agreement": entry["agreement"],
        "correct_share": correct["value"],
        "correct_share_low": correct["low"],
        "correct_share_high": correct["high"],
        "latency_median_s": latency["value"],
        "latency_p95_s": latency["detail"]["p95_s"],
        "latency_provenance": latency["provenance"],
        "energy_j": energy.get("total_j"),
        "energy_uncertainty_j": energy.get("total_uncertainty_j"),
        "energy_idle_subtracted_j": energy.get("idle_subtracted_j"),
        "energy_idle_subtracted_uncertainty_j": energy.get("idle_subtracted_uncertainty_j"),
        "energy_provenance": entry["energy"]["provenance"],
        "joules_per_correct_decision": per_correct.get("value"),
        "joules_per_correct_decision_low": per_correct.get("low"),
        "joules_per_correct_decision_high": per_correct.get("high"),
        "flash_bytes": entry["flash_bytes"],
        "ram_bytes": entry["ram_bytes"],
        "memory_provenance": entry["memory_provenance"],
        "model_sha256": entry["model_sha256"],
    }
