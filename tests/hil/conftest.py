"""Results as a benchmark leaves them, from made-up cycles and windows; a fake worker."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import metrics as m
from host.hil import Job, JobRunner, Outcome, Status
from host.metrics import EnergyWindow, Metric, Provenance

FAKE_WORKER = Path(__file__).with_name("fake_worker.py")
CLOCK_HZ = 125_000_000


def windows(each_j: float, spread: float, gain: float = 0.0) -> list[EnergyWindow]:
    """Five windows of 1000 decisions in 60 ms, one idle one."""
    factors = (1 - spread, 1 - spread / 2, 1.0, 1 + spread / 2, 1 + spread)
    busy = [
        EnergyWindow(
            "inference",
            1000,
            0.06,
            1000 * each_j * factor,
            1e-9,
            True,
            mode="full",
            gain_uncertainty=gain,
        )
        for factor in factors
    ]
    return [*busy, EnergyWindow("idle", 0, 0.06, 3e-3, 1e-9, True, gain_uncertainty=gain)]


@pytest.fixture
def make_result() -> Callable[..., dict[str, Any]]:
    """Make the parts of a ``result.json`` that are compared."""

    def make(
        *,
        board: str = "pico",
        provenance: str = "emulated",
        cycles: Any = (7200, 7200, 7300),
        each_j: float | None = 6.5e-6,
        spread: float = 0.0,
        gain: float = 0.0,
        flash: int = 20_000,
        stack: int = 704,
        quality: float = 0.85,
        robustness: float = 0.95,
        model: str = "aa" * 32,
        link_bytes: int = 24_000,
        scenario: str = "dd" * 32,
        decisions: str = "ee" * 32,
        given: str | None = None,
        outside: bool = False,
    ) -> dict[str, Any]:
        of = Provenance(provenance)
        energy = (
            m.unavailable("J", "no power meter answers")
            if each_j is None
            else m.energy_of_modes(windows(each_j, spread, gain), {"full": 600}, of)
        )
        metrics = {
            "inference_latency": m.inference_latency(np.asarray(cycles), CLOCK_HZ, of),
            "energy_per_decision": energy,
            "memory_footprint": m.memory_footprint(
                {"text": flash}, {"data": 20_000, "deepest stack": stack}, of
            ),
            "comms_overhead": m.comms_overhead(link_bytes, 300, 600, of),
            "decision_quality": Metric(quality, "1", Provenance.MODELLED),
            "robustness_score": Metric(robustness, "1", Provenance.MODELLED),
            "adaptability_rate": Metric(0.7, "1", Provenance.MODELLED, {"rolling": [0.5] * 99}),
            "material_circularity": Metric(0.66, "kg/kg", Provenance.MODELLED),
            "energy_recovery": Metric(4.3, "MJ/MJ", Provenance.MODELLED),
            "component_reuse_rate": Metric(0.4, "1", Provenance.MODELLED),
            "waste_generation": Metric(1.5, "kg/product", Provenance.MODELLED),
        }
        return {
            "target": board,
            "identity": {
                "board": board,
                "chip_id": "12bdc57ecc109971",
                "engine": "aot",
                "image_sha256": "bb" * 32,
                "model_sha256": model,
                "fallback_sha256": "cc" * 32,
                "clock_hz": CLOCK_HZ,
                "meter": "ina228",
                "outside_specification": outside,
            },
            "scenario": {"sha256": scenario},
            "training": {"given": {"policy.tflite": given}}
            if given
            else {"quality": {"mean": 0.84, "sd": None}},
            "agreement": {"decisions_sha256": decisions},
            "metrics": {name: metric.as_dict() for name, metric in metrics.items()},
            "composite": {"value": 0.77},
            "composite_log": {"value": 0.66},
        }

    return make


@pytest.fixture
def outcome_of(tmp_path: Path) -> Callable[..., Outcome]:
    """The outcome of a job that ended with a result."""

    def make(result: dict[str, Any], target: str = "pico@emulator", retries: int = 0) -> Outcome:
        job = Job(target, target, tmp_path / "jobs")
        return Outcome(job, Status.DONE, 1.0, copy.deepcopy(result), retries)

    return make


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Have jobs done by the fake worker, which does as told: by job name, target or ``*``."""
    plan = tmp_path / "plan.json"
    monkeypatch.setenv("FAKE_WORKER", str(plan))
    monkeypatch.setenv("JOULELOOP_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))
    worker = partial(JobRunner, worker=(sys.executable, str(FAKE_WORKER)))
    for module in ("command", "campaign", "under_test"):
        monkeypatch.setattr(f"host.hil.{module}.JobRunner", worker)

    def tell(does: dict[str, Any]) -> None:
        plan.write_text(json.dumps(does), encoding="utf-8")

    return tell
