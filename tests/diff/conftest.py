"""Runs as a benchmark leaves them, from made-up cycles, windows and decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from host import metrics as m
from host.diff import DiffedRun
from host.hil import Side
from host.metrics import EnergyWindow, Metric, Provenance
from toolchain.board import load_board

CLOCK_HZ = 125_000_000
RUNNING_A = 0.025


def windows(each_j: float, mode: str, gain: float) -> list[EnergyWindow]:
    """Five windows of 1000 decisions in 60 ms; the meter's last digit is 1 nJ a decision."""
    return [
        EnergyWindow(
            "inference", 1000, 0.06, 1000 * each_j, 1e-6, True, mode=mode, gain_uncertainty=gain
        )
        for _ in range(5)
    ]


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., DiffedRun]:
    """Make a run of four products, as ``read_run`` reads it."""

    def make(
        *,
        provenance: str = "emulated",
        cycles: int = 7200,
        each_j: float | None = 6.5e-6,
        gain: float = 0.006,
        quality: float = 0.85,
        circularity: float = 0.66,
        model: str = "aa" * 32,
        scenario: str = "dd" * 32,
        decisions: tuple[int, int] = (500, 100),
        actions: Sequence[int] = (0, 1, 2, 3),
        flash: int = 20_000,
        link_bytes: int = 24_000,
        running_a: float = RUNNING_A,
        layer: tuple[str, str, int] = ("emulated", "cycles", 7000),
        decided: str = "",
        board: str = "pico",
        command: str = "jouleloop bench pico@emulator",
    ) -> DiffedRun:
        of = Provenance(provenance)
        by_mode = dict(zip(("full", "fallback"), decisions, strict=True))
        if each_j is None:
            energy = m.unavailable("J", "no power meter answers")
        else:
            idle = EnergyWindow("idle", 0, 0.06, 3e-3, 1e-6, True, gain_uncertainty=gain)
            run = [*windows(each_j, "full", gain), *windows(each_j / 6, "fallback", gain), idle]
            energy = m.energy_of_modes(run, by_mode, of)
        metrics = {
            "material_circularity": Metric(circularity, "kg/kg", Provenance.MODELLED),
            "energy_recovery": Metric(4.3, "MJ/MJ", Provenance.MODELLED),
            "component_reuse_rate": Metric(0.4, "1", Provenance.MODELLED),
            "waste_generation": Metric(1.5, "kg/product", Provenance.MODELLED),
            "energy_per_decision": energy,
            "memory_footprint": m.memory_footprint(
                {"text": flash, "network": 4000}, {"data": 20_000, "deepest stack": 704}, of
            ),
            "inference_latency": m.inference_latency(np.full(600, cycles), CLOCK_HZ, of),
            "comms_overhead": m.comms_overhead(link_bytes, 300, 600, of),
            "decision_quality": Metric(quality, "1", Provenance.MODELLED),
            "robustness_score": Metric(0.95, "1", Provenance.MODELLED),
            "adaptability_rate": Metric(0.7, "1", Provenance.MODELLED),
        }
        budgets = load_board("pico").budget
        identity = {
            "board": board,
            "chip_id": "12bdc57ecc109971",
            "engine": "aot",
            "image_sha256": "bb" * 32,
            "model_sha256": model,
            "fallback_sha256": "cc" * 32,
            "clock_hz": CLOCK_HZ,
        }
        alone = {
            f"{name}_only": {"decision_quality": quality, "median_cycles": {name: cycles}}
            for name in by_mode
        }
        power = {"value": 0.1, "uncertainty": 0.001, "unit": "W", "provenance": provenance}
        states = m.PowerStates(reasons={"wake_up_j": "no wake window"}).as_dict() | {
            "idle_w": power if each_j is not None else None
        }
        baseline = {"value_eur": 100.0, "decision_quality": quality, "unclipped": quality}
        supply = {"supply_v": 5.0, "current_a": {"running": {"value": running_a}}}
        result: dict[str, Any] = {
            "jouleloop": "0.1.0",
            "target": "pico@emulator" if provenance == "emulated" else "pico",
            "counts": "cycles",
            "identity": identity,
            "scenario": {"sha256": scenario, "seed": 7, "generator": "article", "products": 4},
            "metrics": {name: metric.as_dict() for name, metric in metrics.items()},
            "composite": m.composite(metrics).as_dict(),
            "composite_log": m.composite_log(metrics, budgets).as_dict(),
            "energy_saving": {
                "budget_j_per_decision_cycle": 4e-5,
                "as_decided": {"decisions": by_mode, "median_cycles": {}},
                **alone,
            },
            "power_states": states,
            "meter": {"kind": "ina228", "serial": "1", "settings": {"shunt_ohm": 0.015}},
            "baselines": {"random": baseline, "int8_on_board": baseline},
            "quantization": {"method": "post-training", "fallback": {"widths": [24, 5]}},
            "training": {"quality": {"mean": 0.84, "sd": None}, "widths": [24, 44, 22, 5]},
            "layers": {
                "provenance": layer[0],
                "counted": layer[1],
                "layers": [
                    {
                        "input_shape": [1, 24],
                        "output_shape": [1, 5],
                        "count": layer[2],
                        "flash_bytes": 900,
                    }
                ],
            },
            "energy_model": supply if provenance == "emulated" else None,
            "environment": {"python": "3.11.7"},
            "command": command,
            "reproduce": [command],
        }
        side = Side(
            result["metrics"], identity, of, scenario, result["training"]["quality"], 0, decided
        )
        rows = pa.table(
            {
                "product": range(len(actions)),
                "action": pa.array(actions, pa.int8()),
                "realised": pa.array(actions, pa.int8()),
                "mode": ["full"] * len(actions),
                "value_eur": [10.0 - action for action in actions],
            }
        )
        return DiffedRun(tmp_path / "run", result, side, rows=rows)

    return make
