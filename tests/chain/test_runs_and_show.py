"""``jouleloop runs`` and ``jouleloop show`` on a run that is finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host.metrics import METRIC_NAMES
from host.run import BENCH_STAGES, RunState, list_runs

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def test_a_finished_run_is_listed_with_its_figures(cli, finished_run: tuple[Path, dict]) -> None:
    folder, result = finished_run
    (run,) = (run for run in list_runs(folder.parent) if run.path == folder)
    assert run.state is RunState.FINISHED, run.reason
    assert [stage for stage in run.stages if stage in BENCH_STAGES] == list(BENCH_STAGES)
    assert (run.target, run.preset, run.seed) == ("pico@emulator", "quick", 7)
    energy = result["metrics"]["energy_per_decision"]
    assert run.figures["energy_per_decision"].value == energy["value"]
    assert run.figures["energy_per_decision"].provenance == "emulated"
    code, out, err = cli("runs", folder.parent, "--json")
    assert code == 0, err
    (listed,) = (entry for entry in json.loads(out)["runs"] if entry["path"] == str(folder))
    assert listed == json.loads(json.dumps(run.as_dict()))
    code, out, err = cli("runs", folder.parent)
    assert code == 0, err
    assert "emulated" in out


def test_an_altered_result_is_listed_as_broken(
    finished_run: tuple[Path, dict], tmp_path: Path
) -> None:
    folder, result = finished_run
    copy = tmp_path / "run"
    copy.mkdir()
    for entry in folder.iterdir():
        if entry.name != "report":
            (copy / entry.name).symlink_to(entry)
    (copy / "report").mkdir()
    for file in (folder / "report").iterdir():
        (copy / "report" / file.name).write_bytes(file.read_bytes())
    (copy / "report" / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (run,) = list_runs(tmp_path)
    assert run.state is RunState.BROKEN
    assert "not those that the manifest records" in run.reason


def test_show_prints_the_result_a_metric_or_a_stage(cli, finished_run: tuple[Path, dict]) -> None:
    folder, result = finished_run
    code, out, err = cli("show", folder, "--json")
    assert code == 0, err
    assert json.loads(out) == result
    code, out, err = cli("show", folder)
    assert code == 0, err
    assert "composite_log" in out
    for name in (*METRIC_NAMES, "composite", "material_circularity_indicator"):
        code, out, err = cli("show", folder, name, "--json")
        assert code == 0, err
        shown = json.loads(out)
        assert shown["definition"], name
        expected = result["metrics"].get(name) or result[name]
        assert {key: shown[key] for key in expected} == expected
    code, out, err = cli("show", folder, "inference_latency")
    assert "p95_s" in out
    code, out, err = cli("show", folder, "build")
    assert code == 0, err
    assert "firmware.uf2" in out
    assert "board.cpu.clock_hz" in out
    code, out, err = cli("show", folder, "build", "--json")
    assert json.loads(out)["parameters"]["board"]["name"] == "pico"


def test_show_says_what_there_is_to_show(cli, finished_run: tuple[Path, dict], tmp_path) -> None:
    code, _, err = cli("show", finished_run[0], "latency")
    assert code == 2
    assert "no metric and no stage 'latency'" in err
    assert "inference_latency" in err
    code, _, err = cli("show", tmp_path)
    assert code == 2
    assert "not a run folder" in err
