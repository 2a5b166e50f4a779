"""``bench`` and ``compare`` on the second chip: the whole job but the training, which is shared."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from host.chain import bench, settings
from host.chain.settings import PresetName
from host.chain.stages import QUANTIZE, Chain
from host.compare import compare
from host.compare import network as compare_network
from host.compare import stages as compare_stages
from host.metrics import METRIC_NAMES
from host.replay import WindowPlan
from host.run import read_json, write_json
from host.run.folder import MANIFEST

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

TARGET = "esp32c3@emulator"
WINDOW_S = 0.015
TRAINED = ("generate", "train", "quantize")
FEW = {name: compare_network.QUANTIZED[name] for name in ("int8", "fallback")}
EMULATED = {"energy_per_decision", "memory_footprint", "comms_overhead"}
ENERGY_BUDGET = "8e-6"
"""J: one or two decisions of the full network, on days that mostly have some."""


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    finished_run: tuple[Path, dict],
    small_preset: settings.Preset,
) -> Iterator[Path]:
    """A run folder with the scenario and the policy of the run on the other chip.

    Which board a policy is sized by is the only difference that training has between them.
    """
    root = tmp_path_factory.mktemp("esp32c3")
    trained, _ = finished_run
    path = root / "run"
    for stage in TRAINED:
        shutil.copytree(trained / stage, path / stage)
    manifest = read_json(trained / MANIFEST)
    manifest["stages"] = {name: manifest["stages"][name] for name in TRAINED}
    write_json(path / MANIFEST, manifest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOULELOOP_STATE", str(root / "state"))
        patch.delenv("TFLM_ROOT", raising=False)
        # The emulator executes 3 million instructions a second: windows are as short as may be.
        patch.setitem(settings.PRESETS, PresetName.QUICK, replace(small_preset, window_s=WINDOW_S))
        patch.setattr(Chain, "train", lambda chain, **given: False)
        patch.setattr(Chain, "quantize", lambda chain, **given: False)
        patch.setattr(compare_stages.Comparison, "_variants", lambda comparison: QUANTIZE.name)
        patch.setattr(compare_network, "QUANTIZED", FEW)
        patch.setattr(compare_stages, "WindowPlan", partial(WindowPlan, repeats=2))
        yield path


@pytest.fixture(scope="module")
def result(folder: Path) -> dict:
    made, _ = bench(
        TARGET,
        preset=None,
        seed=7,
        out=folder,
        force=False,
        flash=True,
        command="test",
        energy_budget=ENERGY_BUDGET,
        console=Console(quiet=True),
    )
    return made


@pytest.fixture(scope="module")
def comparison(folder: Path, result: dict) -> tuple[dict, Path]:
    return compare(
        TARGET,
        preset=None,
        seed=7,
        generator=None,
        out=folder,
        n_scenarios=5,
        meter=None,
        clock_hz=None,
        shunt_ohm=None,
        force=False,
        command="test",
        console=Console(quiet=True),
    )


def test_eleven_metrics_say_what_they_are(result: dict):
    assert tuple(result["metrics"]) == METRIC_NAMES
    assert all(metric["value"] is not None for metric in result["metrics"].values())
    provenances = {name: metric["provenance"] for name, metric in result["metrics"].items()}
    assert {name for name, what in provenances.items() if what == "emulated"} == EMULATED
    assert set(provenances.values()) == {"emulated", "modelled"}
    assert result["identity"]["board"] == "esp32c3" and result["identity"]["meter"] == "ina228"
    assert result["counts"] == "instructions"


def test_every_decision_was_the_references_in_both_modes(result: dict):
    agreement, saving = result["agreement"], result["energy_saving"]
    assert agreement["equal_to_int8_reference"] is True and agreement["rows"] > 500
    assert all(count > 0 for count in saving["as_decided"]["decisions"].values())


def test_no_window_was_refused(result: dict):
    assert result["windows"]["run"] > 0 and result["windows"]["refused"] == 0
    states = result["power_states"]
    assert states["sleep_w"]["value"] < states["idle_w"]["value"] < states["run_w"]["value"]


def test_time_joules_and_instructions_are_of_one_assumption(result: dict):
    """Energy of windows, latency of decisions and their instructions are three paths to one."""
    latency, energy = (
        result["metrics"][name]["detail"] for name in ("inference_latency", "energy_per_decision")
    )
    assumed = latency["cycles_per_instruction"]
    assert assumed["low"] < assumed["value"] < assumed["high"] and "assumption" in assumed["source"]
    assert energy["cycles_per_instruction"] == assumed
    low, high = energy["assumed_range_j"]
    assert low < energy["total_j"] < high
    model = result["energy_model"]
    running_w = model["supply_v"] * model["current_a"]["running"]["value"]
    for mode, of_mode in energy["modes"].items():
        instructions = result["energy_saving"]["as_decided"]["median_instructions"][mode]
        seconds = instructions * assumed["value"] / latency["clock_hz"]
        # The loop around the decisions of a window takes some instructions of its own.
        windows = of_mode["detail"]
        each_s = windows["elapsed_s"][0] / windows["iterations"][0]
        assert each_s == pytest.approx(seconds, rel=0.07)
        assert windows["total_j"] == pytest.approx(running_w * seconds, rel=0.07)


def test_the_rows_have_instructions(folder: Path, result: dict):
    rows = list(csv.DictReader((folder / "report" / "rows.csv").open(encoding="utf-8")))
    assert "cycles" not in rows[0]
    counts = [float(row["instructions"]) for row in rows if row["instructions"]]
    assert len(counts) == result["scenario"]["products"]
    assert min(counts) > 100


def test_a_comparison_is_complete(comparison: tuple[dict, Path]):
    made, path = comparison
    assert list(made["networks"]) == ["float32", "int8", "fallback"]
    for entry in made["networks"].values():
        assert entry["equal_to_reference"] is True
        assert entry["energy"]["provenance"] == "emulated"
        assert entry["latency"]["provenance"] == "modelled"
        assert not entry["energy"]["detail"]["refused"]
    assert made["pareto_front"][0] == "fallback"
    assert '"1% of accuracy for 40% of energy"' in made["statement"]
    assert json.loads((path / "comparison.json").read_text(encoding="utf-8")) == made
