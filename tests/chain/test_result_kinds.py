"""Results of runs that lack something: a meter, a training. Each is one that the schema allows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from host.chain import report_run
from host.chain.commands import recorded_settings
from host.chain.given import GivenPolicy
from host.chain.stages import Chain
from host.chain.windows import why_unmeasured
from host.diff import Verdict, diff_runs
from host.meter import parse_meter
from host.run import RunFolder, RunState, list_runs, sha256_file

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


@pytest.fixture
def copied(finished_run: tuple[Path, dict], tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change; the build's files are not."""
    source, path = finished_run[0], tmp_path / "copy"
    path.mkdir()
    for entry in source.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.name in ("generate", "compile", "build", "profile"):
            (path / entry.name).symlink_to(entry)
        elif entry.is_dir():
            shutil.copytree(entry, path / entry.name)
        else:
            shutil.copy(entry, path)
    return path


def put(path: Path, files: dict[str, object]) -> None:
    """Other files of the replay, as if it had left them; None for one that it had not."""
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    recorded = manifest["stages"]["replay"]["files"]
    for name, value in files.items():
        if value is None:
            (path / "replay" / name).unlink()
            del recorded[name]
            continue
        (path / "replay" / name).write_text(json.dumps(value), encoding="utf-8")
        recorded[name] = sha256_file(path / "replay" / name)
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_without_a_meter(copied: Path, finished_run: tuple[Path, dict]) -> None:
    reason = why_unmeasured(parse_meter("none"))
    provenance = {"provenance": "emulated", "target": "pico@emulator", "energy": "emulated"}
    put(
        copied,
        {
            "windows.json": [],
            "windows_run.json": None,
            "meter.json": {"kind": "none", "reason": reason},
            "provenance.json": provenance | {"unmeasured": reason},
        },
    )
    result = report_run(copied)
    energy = result["metrics"]["energy_per_decision"]
    assert (energy["value"], energy["provenance"]) == (None, "unavailable")
    assert energy["detail"]["reason"] == reason
    assert result["composite"]["value"] is None
    (run,) = list_runs(copied)
    assert run.state is RunState.FINISHED, run.reason
    assert run.figures["energy_per_decision"].value is None
    made = diff_runs(finished_run[0], copied)
    verdicts = {change.name: (change.verdict, change.reason) for change in made.metrics}
    assert verdicts["energy_uj.total"] == (Verdict.UNAVAILABLE, f"B: {reason}")
    assert verdicts["latency_us.median"][0] is Verdict.NOISE


def test_with_a_policy_that_is_given(copied: Path, finished_run: tuple[Path, dict]) -> None:
    folder = RunFolder(copied, "test")
    networks = copied.parent / "networks"
    networks.mkdir()
    for name in ("policy.tflite", "policy_fallback.tflite"):
        shutil.copy(copied / "quantize" / name, networks)
    given = GivenPolicy.read(networks)
    settings = recorded_settings(folder)
    chain = Chain(folder, settings, Console(quiet=True), policy=given)
    assert chain.train(board="pico")
    assert chain.quantize()
    result = report_run(copied)
    assert set(result["training"]) == {"given", "sizing"}
    assert "float_policy" not in result["baselines"]
    made = diff_runs(finished_run[0], copied)
    assert {change.verdict for change in made.metrics} == {Verdict.NOISE}, "the same networks"
    assert ("policy", "quantization") in {(s.group, s.name) for s in made.settings}
