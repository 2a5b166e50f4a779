"""A comparison of small networks on the emulated Pico: stages, resuming, files."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from host.chain.settings import PRESETS, PresetName, Settings
from host.chain.stages import QUANTIZE, Chain
from host.compare import board as compare_board
from host.compare import network as compare_network
from host.compare import stages as compare_stages
from host.compare.command import compare
from host.compare.console import print_comparison
from host.compare.network import compared_networks
from host.compare.page import render
from host.compare.result import CSV_FILE, PAGE_FILE, _energy_provenance, read_comparison
from host.compare.stages import COMPARISON, Comparison
from host.meter import MeterChoice
from host.replay import WindowPlan
from host.run import RunFolder, read_json
from host.target import parse_target
from toolchain.compile.float_synthetic import reference_float_network
from toolchain.compile.synthetic import reference_network
from toolchain.environment import N_DISPOSITIONS, N_FEATURES
from toolchain.errors import IdentityError, InputError

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

TARGET = parse_target("pico@emulator")
SMALL = replace(PRESETS[PresetName.QUICK], n_products=40, horizon_days=20, window_s=0.02)
FEW = {name: compare_network.QUANTIZED[name] for name in ("int8", "fallback")}
MODELS = {
    "policy_float.tflite": (reference_float_network, (N_FEATURES, 8, N_DISPOSITIONS)),
    "policy.tflite": (reference_network, (N_FEATURES, 8, N_DISPOSITIONS)),
    "policy_fallback.tflite": (reference_network, (N_FEATURES, N_DISPOSITIONS)),
}


PROVENANCES = {
    "decision_quality": "modelled",
    "latency": "emulated",
    "energy": "emulated",
    "memory": "emulated",
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Iterator[tuple[Comparison, list[str]]]:
    """A comparison of three networks that ran, and the stages that it ran."""
    root = tmp_path_factory.mktemp("compare")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOULELOOP_STATE", str(root / "state"))
        patch.delenv("TFLM_ROOT", raising=False)
        patch.setitem(PRESETS, PresetName.QUICK, SMALL)
        patch.setattr(compare_network, "QUANTIZED", FEW)
        patch.setattr(compare_stages, "WindowPlan", partial(WindowPlan, repeats=2))
        chain = Chain(RunFolder(root / "run", "test"), Settings(), Console(quiet=True))
        chain.generate()

        def quantize(path: Path) -> None:
            for name, (make, widths) in MODELS.items():
                (path / name).write_bytes(make(widths, np.random.default_rng(3)))

        stage = replace(QUANTIZE, needs=("generate",))
        chain.run_stage(stage, {"variants": True}, quantize)
        comparison = Comparison(chain, TARGET, MeterChoice(), 5)
        comparison.run()
        yield comparison, list(chain.folder.stages)


def test_every_stage_ran_and_none_runs_again(compared):
    comparison, stages = compared
    assert stages == [
        "generate", "quantize", "compare-images", "compare-board", "compare-quality", "compare"
    ]  # fmt: skip
    finished = {name: entry["finished"] for name, entry in comparison.chain.folder.stages.items()}
    comparison.run()
    again = comparison.chain.folder.stages
    assert {name: entry["finished"] for name, entry in again.items()} == finished


def test_the_result_has_every_figure_of_every_network(compared):
    comparison, _ = compared
    result = read_comparison(comparison.chain.folder.artifact(COMPARISON.name))
    assert list(result["networks"]) == ["float32", "int8", "fallback"]
    entries = result["networks"]
    for entry in entries.values():
        assert entry["decisions_by_the_board"] == 40
        assert entry["energy"]["provenance"] == "emulated"
        assert entry["decision_quality"]["samples"] == 5 - result["undefined"]
        assert entry["flash_bytes"] > entry["network_bytes"] > 0 and entry["ram_bytes"] > 0
        share = entry["correct_share"]["value"]
        per_correct = entry["joules_per_correct_decision"]["total"]["value"]
        assert per_correct == pytest.approx(entry["energy"]["value"] / share)
    energy = {name: entry["energy"]["value"] for name, entry in entries.items()}
    assert energy["fallback"] < energy["int8"] < energy["float32"]
    latency = {name: entry["latency"]["value"] for name, entry in entries.items()}
    for name in entries:  # by cycles and the stated current, but for the window's own loop
        assert energy[name] == pytest.approx(latency[name] * 0.125, rel=0.25)
    assert entries["float32"]["agreement"] == 1.0
    assert result["pareto_front"][0] == "fallback"
    assert ["float32", "int8"] in [[t["given"], t["taken"]] for t in result["trades"]]
    assert '"1% of accuracy for 40% of energy"' in result["statement"]


def test_the_csv_the_page_and_the_terminal_show_it(compared):
    comparison, _ = compared
    path = comparison.chain.folder.artifact(COMPARISON.name)
    result = read_comparison(path)
    rows = list(csv.DictReader((path / CSV_FILE).open(encoding="utf-8")))
    assert [row["network"] for row in rows] == list(result["networks"])
    assert float(rows[1]["energy_j"]) == result["networks"]["int8"]["energy"]["value"]
    assert {row["target"] for row in rows} == {"pico@emulator"}
    provenances = {name: rows[1][f"{name}_provenance"] for name in PROVENANCES}
    assert provenances == PROVENANCES
    page = (path / PAGE_FILE).read_text(encoding="utf-8")
    assert "Accuracy against joules" in page and "Pareto front" in page
    assert 'src="http' not in page
    console = Console(record=True, width=120, quiet=False, file=(path.parent / "out").open("w"))
    print_comparison(result, path, console)
    text = console.export_text()
    for shown in (*result["networks"], "per correct decision", "Pareto front", "1% of accuracy"):
        assert shown in text
    assert "energy emulated, memory emulated, latency emulated" in text
    assert "meter: ina228" in text and "ina228" in page


def test_what_measured_is_named_and_nothing_is_not(compared, tmp_path: Path):
    comparison, _ = compared
    folder = comparison.chain.folder
    result = read_comparison(folder.artifact(COMPARISON.name))
    measured = read_json(folder.artifact("compare-board") / "int8.json")["meter"]
    assert result["meter"] == measured and measured["kind"] == "ina228"
    assert measured["provenance"] == result["energy_provenance"] == "emulated"
    entries = {"a": {"energy": {"provenance": "unavailable"}}}
    assert _energy_provenance(entries) == "unavailable"
    entries |= {"b": {"energy": {"provenance": "measured"}}}
    assert _energy_provenance(entries) == "measured"
    bare = result | {
        "provenance": "measured",
        "meter": {"kind": "none", "reason": "no power meter answers on the board's I2C bus"},
        "energy_provenance": "unavailable",
    }
    console = Console(record=True, width=160, file=(tmp_path / "out").open("w"))
    print_comparison(bare, tmp_path, console)
    text = console.export_text()
    assert "energy unavailable, memory measured" in text and "meter: no power meter" in text
    assert "no power meter answers" in render(bare)


def test_the_page_is_whole_in_a_browser(compared, browsed):
    comparison, _ = compared
    path = comparison.chain.folder.artifact(COMPARISON.name)
    with browsed((path / PAGE_FILE).read_text(encoding="utf-8"), scheme="dark") as page:
        assert page.problems == []
        assert page.requests == [page.url]
        plots = ["total", "idle-subtracted", "per-correct"]
        assert [f.get_attribute("id") for f in page.locator("figure").all()] == [
            f"plot-{key}" for key in plots
        ]
        for key in plots:
            assert page.locator(f"#chart-{key} .scatterlayer .point").count() >= 3, key
            assert page.locator(f"#plot-{key} details tbody tr").count() == 3, key
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_an_interrupted_attempt_has_finished_is_kept(compared, tmp_path: Path, monkeypatch):
    comparison, _ = compared
    folder = comparison.chain.folder
    quantized = folder.artifact("quantize")
    networks = compared_networks(quantized, quantized, with_tflm=False)
    path = tmp_path / "board"
    shutil.copytree(folder.artifact("compare-board"), path)
    missing = (path / "int8.json").read_text()
    (path / "int8.json").unlink()
    ran = []

    def instead(network, *given):
        ran.append(network.name)
        (path / "int8.json").write_text(missing)

    monkeypatch.setattr(compare_board, "_run_network", instead)
    arguments = (networks, tmp_path, None, TARGET, None, MeterChoice(), path, Console(quiet=True))
    compare_board.run_on_board(*arguments)
    assert ran == ["int8"]
    other = json.loads(missing)
    other["identity"]["chip_id"] = "another"
    (path / "int8.json").write_text(json.dumps(other))
    with pytest.raises(IdentityError, match="int8 on another"):
        compare_board.run_on_board(*arguments)


def test_too_few_scenarios_are_refused():
    with pytest.raises(InputError, match="at least 5"):
        compare(
            "pico@emulator",
            preset=None,
            seed=None,
            generator=None,
            out=None,
            n_scenarios=4,
            meter=None,
            clock_hz=None,
            shunt_ohm=None,
            force=False,
            command="",
            console=Console(quiet=True),
        )


def test_the_example_of_the_documents(compared, tmp_path: Path, monkeypatch, capsys) -> None:
    """As docs/API.md has it, over the networks that are there."""
    comparison, _ = compared
    shutil.copytree(comparison.chain.folder.path, tmp_path / "runs" / "pico-quick-42")
    monkeypatch.chdir(tmp_path)
    for made in ("train", "quantize"):  # the networks of these tests were trained by nobody
        monkeypatch.setattr(Chain, made, lambda self, **options: False)
    document = (Path(__file__).parents[2] / "docs" / "API.md").read_text(encoding="utf-8")
    section = document.partition("## Accuracy against joules\n")[2]
    exec(section.partition("```python\n")[2].partition("```")[0], {})
    out = capsys.readouterr().out
    for name in ("float32", "int8", "fallback"):
        assert re.search(rf"^{name}: quality 0\.\d+, [\d.]+ uJ a correct decision$", out, re.M)
    assert re.search(r"^nothing is better than: .*fallback", out, re.M)
    again = RunFolder(Path("runs/pico-quick-42"), "").stages
    before = comparison.chain.folder.stages
    assert again["compare-board"] == before["compare-board"], "the board was not asked again"
