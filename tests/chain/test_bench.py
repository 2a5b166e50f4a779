"""The main job, end to end, on the emulated Pico; nothing in the path is mocked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from host.metrics import METRIC_NAMES

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def test_eleven_metrics_and_none_unavailable(finished_run: tuple[Path, dict]) -> None:
    _, result = finished_run
    assert tuple(result["metrics"]) == METRIC_NAMES
    for name, metric in result["metrics"].items():
        assert metric["value"] is not None, name
        assert metric["provenance"] in ("emulated", "modelled"), name
    for name in ("composite", "composite_log"):
        assert 0 < result[name]["value"] < 1
    assert result["identity"]["board"] == "pico"
    assert result["identity"]["meter"] == "ina228"


def test_the_boards_metrics_are_emulated_never_measured(finished_run: tuple[Path, dict]) -> None:
    _, result = finished_run
    for name in (
        "energy_per_decision",
        "memory_footprint",
        "inference_latency",
        "comms_overhead",
    ):
        assert result["metrics"][name]["provenance"] == "emulated"
    assert result["energy_model"]["current_a"]["running"]["source"]


def test_energy_follows_from_cycles_and_the_stated_currents(
    finished_run: tuple[Path, dict],
) -> None:
    """The meter, the firmware's window and the cycle counts are three paths to one figure."""
    _, result = finished_run
    energy = result["metrics"]["energy_per_decision"]["detail"]
    cycles = result["metrics"]["inference_latency"]["detail"]["median_cycles"]
    model = result["energy_model"]
    seconds = cycles / result["identity"]["clock_hz"]
    running_w = model["supply_v"] * model["current_a"]["running"]["value"]
    waiting_w = model["supply_v"] * model["current_a"]["waiting"]["value"]
    assert energy["total_j"] == pytest.approx(seconds * running_w, rel=0.03)
    assert energy["idle_subtracted_j"] == pytest.approx(seconds * (running_w - waiting_w), rel=0.1)
    assert energy["idle_power_w"] == pytest.approx(waiting_w, rel=0.02)
    assert len(energy["windows_j"]) == 5


def test_one_row_per_decision_with_the_boards_own_count(finished_run: tuple[Path, dict]) -> None:
    folder, result = finished_run
    rows = pq.read_table(folder / "replay" / "nominal.parquet")
    assert rows.num_rows == result["scenario"]["products"] == 90
    cycles = rows["cycles"].to_numpy()
    assert cycles.min() > 3744  # no core does more than one multiply-accumulate a cycle
    assert len(np.unique(cycles)) < 50  # the same code on other numbers


def test_the_board_decides_as_the_reference(finished_run: tuple[Path, dict]) -> None:
    _, result = finished_run
    on_board, reference = result["baselines"]["int8_on_board"], result["baselines"]["int8_policy"]
    assert on_board["value_eur"] == pytest.approx(reference["value_eur"], abs=1e-9)
    assert on_board["value_eur"] <= result["baselines"]["hindsight_optimum"]["value_eur"]


def test_comms_overhead_is_what_the_frames_weigh(finished_run: tuple[Path, dict]) -> None:
    folder, result = finished_run
    link = json.loads((folder / "replay" / "link.json").read_text())["nominal"]
    rows = pq.read_table(folder / "replay" / "nominal.parquet")
    days = len(set(rows["day"].to_pylist()))
    # A day is a request and a reply: 6 B header, 2 B count, 4 B CRC, COBS and delimiter each; a row
    # is 1 + 24 B there and 1 + 4 B back.
    assert link["bytes"] == 90 * 30 + days * 2 * (6 + 2 + 4 + 2)
    assert link["messages"] == 2 * days
    assert result["metrics"]["comms_overhead"]["value"] == link["bytes"] / 90


def test_nothing_is_run_again(finished_run: tuple[Path, dict], cli) -> None:
    folder, result = finished_run
    code, out, err = cli("bench", "pico@emulator", "--seed", 7, "--out", folder, "--json")
    assert code == 0, err
    assert err.count("unchanged") == 7
    assert json.loads(out) == result


def test_the_terminal_shows_every_metric_and_the_paths(
    finished_run: tuple[Path, dict], cli
) -> None:
    folder, _ = finished_run
    code, out, _ = cli("report", "--out", folder)
    assert code == 0
    for name in (*METRIC_NAMES, "composite", "composite_log", "hindsight_optimum"):
        assert name in out
    assert str(folder / "report" / "result.json") in out
    assert str(folder / "report" / "report.html") in out


def test_a_replay_that_broke_off_ends_in_the_same_rows(
    finished_run: tuple[Path, dict], cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from host.link import BoardClient

    folder, _ = finished_run
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    decide = BoardClient.decide
    calls = 0

    def cut(self, inputs, masks):
        nonlocal calls
        calls += 1
        if calls > 20:
            raise KeyboardInterrupt
        return decide(self, inputs, masks)

    monkeypatch.setattr(BoardClient, "decide", cut)
    code, _, err = cli("replay", "pico@emulator", "--out", copy, "--force")
    assert code == 130
    assert "kept" in err
    days_before = (copy / ".replay.partial" / "nominal.journal.jsonl").read_text().count("\n")
    assert days_before == 20
    assert pq.read_table(copy / "replay" / "nominal.parquet").num_rows == 90  # the old one is there

    calls = -10_000
    # --force starts from an empty folder, so the resumed attempt must not be forced; the old stage
    # is dropped from the manifest to make it due.
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["stages"]["replay"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = cli("replay", "pico@emulator", "--out", copy)
    assert code == 0, err
    for file in sorted((folder / "replay").glob("*.parquet")):
        assert pq.read_table(copy / "replay" / file.name).equals(pq.read_table(file)), file.name
    assert (copy / "replay" / "link.json").read_bytes() == (
        folder / "replay" / "link.json"
    ).read_bytes()


def test_a_decision_other_than_the_references_fails_the_command(
    finished_run: tuple[Path, dict], cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from host.link import BoardClient

    folder, _ = finished_run
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    decide = BoardClient.decide

    def wrong(self, inputs, masks):
        actions, cycles = decide(self, inputs, masks)
        actions = actions.copy()
        actions[-1] = (actions[-1] + 1) % 5
        return actions, cycles

    monkeypatch.setattr(BoardClient, "decide", wrong)
    code, _, err = cli("replay", "pico@emulator", "--out", copy, "--force")
    assert code == 1
    assert "the INT8 reference" in err
