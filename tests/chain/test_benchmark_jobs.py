"""A job of ``jouleloop hil`` over a run that the emulated board has really made."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from host.chain import settings
from host.hil import FIGURE_KINDS, Figures, Job, Scenario, Status, Variant, Verdict, compare
from host.hil.baseline import made_entry
from host.hil.worker import run_job, take_trained
from host.presets import PresetName
from host.run import RunFolder

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

ENERGY_BUDGET = "1.6e-5"
"""That the finished run was made with, as it was written."""


@pytest.fixture
def job(finished_run, small_preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job whose folder has all that the finished run has made."""
    monkeypatch.setitem(settings.PRESETS, PresetName.QUICK, small_preset)
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))
    scenario, variant = Scenario(seed=7), Variant(energy_budget=ENERGY_BUDGET)
    job = Job("mine", "pico@emulator", tmp_path / "job", scenario, variant)
    shutil.copytree(finished_run[0], job.run_folder)
    return job


def test_a_job_goes_on_with_its_run_and_compares_equal_to_itself(job: Job, finished_run) -> None:
    outcome = run_job(Job.from_json(job.to_json()), Console(file=io.StringIO()))
    assert (outcome.status, outcome.error) == (Status.DONE, "")
    outcome.write()
    outcome = type(outcome).read(job)
    before, after = (RunFolder(p, "").stages["replay"] for p in (finished_run[0], job.run_folder))
    assert after == before, "the board was not asked again"
    assert outcome.result["metrics"] == finished_run[1]["metrics"]
    entry = made_entry(outcome)
    report = compare(outcome, entry)
    assert {c.verdict for c in report.comparisons} == {Verdict.WITHIN}
    assert {c.figure for c in report.comparisons} == {kind.name for kind in FIGURE_KINDS}
    figures = Figures(outcome.result["metrics"], "pico")
    assert figures.latency_us.median.provenance == "emulated"
    assert figures.energy_uj.total.uncertainty > 0


def test_an_error_of_the_chain_becomes_the_outcome(job: Job) -> None:
    wrong = Job("mine", job.target, job.folder, job.scenario, Variant(energy_budget="much"))
    outcome = run_job(wrong, Console(file=io.StringIO()))
    assert outcome.status is Status.USAGE
    assert "much" in outcome.error
    other = Job("mine", "pico@E66038B7FFFFFFFF", job.folder, job.scenario, job.variant)
    outcome = run_job(other, Console(file=io.StringIO()))
    assert outcome.status is Status.INVALID, "a board that is not there is no usage error"
    assert "no such board is plugged in" in outcome.error


@pytest.mark.long
def test_a_run_that_is_given_its_own_policy_ends_the_same(job: Job, finished_run) -> None:
    folder, trained = finished_run
    variant = job.variant.model_copy(update={"policy": str(folder)})
    outcome = run_job(replace(job, variant=variant), Console(file=io.StringIO()))
    assert (outcome.status, outcome.error) == (Status.DONE, "")
    assert outcome.result["metrics"] == trained["metrics"]
    assert outcome.result["agreement"] == trained["agreement"]
    assert set(outcome.result["training"]) == {"given", "sizing"}
    # The float32 network on the host is the board's order of sums; the trained one is numpy's.
    ours, theirs = (r["baselines"] for r in (outcome.result, trained))
    assert set(ours) == set(theirs)
    assert ours["int8_policy"] == theirs["int8_policy"]


def test_a_job_takes_a_policy_that_others_share(job: Job, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "run"
    take_trained(job.run_folder, mine)
    assert (mine / "train" / "policy.npz").exists()
    marker = mine / "replay" / "marker"
    marker.touch()
    take_trained(job.run_folder, mine)
    assert marker.exists(), "what has the same policy is kept"
