"""The list of run folders: how far each got, and what is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from host.run import BENCH_STAGES, RunFolder, RunState, Stage, find_run, finished_run, list_runs
from toolchain.errors import InputError, RunFolderError

COMMAND = "jouleloop bench pico@emulator --seed 7"


def make_run(path: Path, *stages: str) -> RunFolder:
    """A run folder with some stages of a benchmark, each of one small file."""
    folder = RunFolder(path, COMMAND)
    parameters = {
        "generate": {"preset": "quick", "seed": 7, "generator": "article", "tables": {}},
        "build": {"board": {"name": "pico"}},
        "replay": {"target": "pico@emulator"},
    }
    for name in stages:
        folder.run(
            Stage(name, (), ("toolchain/errors.py",)),
            parameters.get(name, {}),
            lambda place: (place / "artifact.txt").write_text("made") and None,
        )
    return folder


def only(folder: Path):
    (run,) = list_runs(folder)
    return run


def test_an_unfinished_run_says_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    make_run(tmp_path / "run", *BENCH_STAGES[:5])
    run = only(tmp_path)
    assert run.state is RunState.UNFINISHED
    assert run.reason == "replay is missing"
    assert run.next == f"'{COMMAND}' goes on where it broke off"
    assert (run.target, run.preset, run.seed, run.generator) == ("pico", "quick", 7, "article")
    assert run.stages == BENCH_STAGES[:5]
    (tmp_path / "run" / ".replay.partial").mkdir()
    assert only(tmp_path).reason == "replay was interrupted"
    assert only(tmp_path).interrupted == ("replay",)


def test_a_run_that_did_not_get_through_its_first_stage_is_listed(tmp_path: Path) -> None:
    (tmp_path / "run" / ".generate.partial").mkdir(parents=True)
    run = only(tmp_path)
    assert run.state is RunState.UNFINISHED
    assert run.reason == "generate was interrupted"


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("{", "cannot be read"),
        ("[]", "not a manifest"),
        ('{"schema": 99, "stages": {}}', "schema 99"),
        ('{"schema": 1, "stages": {"generate": 3}}', "is not a manifest"),
        ('{"schema": 1, "stages": {"generate": {}}}', "is not a manifest"),
    ],
)
def test_a_broken_manifest_is_a_line_and_not_a_crash(
    tmp_path: Path, manifest: str, reason: str
) -> None:
    make_run(tmp_path / "whole", "generate")
    make_run(tmp_path / "run", "generate")
    (tmp_path / "run" / "manifest.json").write_text(manifest)
    states = {run.path.name: run for run in list_runs(tmp_path)}
    assert states["run"].state is RunState.BROKEN
    assert reason in states["run"].reason
    assert states["whole"].state is RunState.UNFINISHED


def test_lost_files_and_a_lost_manifest_are_broken(tmp_path: Path) -> None:
    make_run(tmp_path / "run", *BENCH_STAGES)
    (tmp_path / "run" / "build" / "artifact.txt").unlink()
    assert only(tmp_path).state is RunState.BROKEN
    assert only(tmp_path).reason == "build has lost artifact.txt"
    (tmp_path / "run" / "manifest.json").unlink()
    assert only(tmp_path).state is RunState.BROKEN
    assert "no manifest.json, but generate, train" in only(tmp_path).reason


def test_a_run_without_a_result_of_this_schema_is_broken(tmp_path: Path) -> None:
    make_run(tmp_path / "run", *BENCH_STAGES)
    assert only(tmp_path).state is RunState.BROKEN
    assert "result.json cannot be read" in only(tmp_path).reason


def test_nested_runs_are_found_and_their_insides_are_not(tmp_path: Path) -> None:
    make_run(tmp_path / "hil" / "pico@emulator" / "run", "generate")
    make_run(tmp_path / "campaign" / "c" / "jobs" / "pico" / "default" / "a" / "run", "generate")
    inner = tmp_path / "hil" / "pico@emulator" / "run" / "generate"
    shutil.copytree(inner.parent, tmp_path / "copy")
    shutil.copytree(tmp_path / "copy", inner / "run")
    assert len(list_runs(tmp_path)) == 3


def test_a_jobs_outcome_says_more_of_its_run(tmp_path: Path) -> None:
    job = tmp_path / "hil" / "pico"
    make_run(job / "run", *BENCH_STAGES[:3])
    outcome = {"status": "invalid", "error": "/dev/ttyACM0 is not there\n  next: plug it in"}
    (job / "outcome.json").write_text(json.dumps(outcome))
    assert only(tmp_path).state is RunState.UNFINISHED
    assert only(tmp_path).reason == "compile is missing, /dev/ttyACM0 is not there"
    (job / "outcome.json").write_text(json.dumps({"status": "done", "error": ""}))
    assert only(tmp_path).state is RunState.TRAINED
    assert only(tmp_path).reason == ""


def test_the_newest_comes_first(tmp_path: Path) -> None:
    for name, finished in (("old", "2026-01-01T00:00:00+00:00"), ("new", "2026-02-01T00:00:00+00")):
        make_run(tmp_path / name, "generate")
        file = tmp_path / name / "manifest.json"
        manifest = json.loads(file.read_text())
        manifest["stages"]["generate"]["finished"] = finished
        file.write_text(json.dumps(manifest))
    assert [run.path.name for run in list_runs(tmp_path)] == ["new", "old"]


def test_what_is_no_run_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list_runs() == []
    with pytest.raises(InputError, match="is not a folder"):
        list_runs(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match="there is no run folder nowhere"):
        find_run("nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match=r"it has no manifest\.json"):
        find_run("empty")
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="is a file"):
        find_run("file")
    make_run(tmp_path / "runs" / "mine", "generate")
    assert find_run("mine") == Path("runs/mine")
    with pytest.raises(RunFolderError, match="stage 'train' is missing, and after it quantize"):
        finished_run(find_run("mine"))
