"""The main job, end to end, on the emulated Pico; nothing in the path is mocked."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from host.chain.quantization import FALLBACK_FILE, MODEL_FILE
from host.flash import open_target
from host.metrics import METRIC_NAMES
from host.replay import Reference, energy_budget, replay
from host.replay.journal import read_journal
from host.target import parse_target
from toolchain.build import load_image
from toolchain.protocol import WindowRequest
from toolchain.quantize import QuantizedPolicy
from toolchain.scenario import load_scenario

ENERGY_BUDGET = "1.6e-5"
"""J, as in conftest.py."""

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
    cycles = result["energy_saving"]["as_decided"]["median_cycles"]
    model = result["energy_model"]
    running_w = model["supply_v"] * model["current_a"]["running"]["value"]
    waiting_w = model["supply_v"] * model["current_a"]["waiting"]["value"]
    for mode in ("full", "fallback"):
        seconds = cycles[mode] / result["identity"]["clock_hz"]
        of_mode = energy["modes"][mode]["detail"]
        # The loop around the decisions of a window takes some cycles of its own.
        around_s = 120 / result["identity"]["clock_hz"]
        # Half of what the meter cannot tell apart: a uniform law's width is sqrt(12) of its figure.
        total, net = (
            of_mode["total_uncertainty_parts_j"],
            of_mode["idle_subtracted_uncertainty_parts_j"],
        )
        half_j = total["resolution"] * math.sqrt(12) / 2
        assert of_mode["total_j"] == pytest.approx(
            seconds * running_w, abs=around_s * running_w + half_j
        )
        net_w = running_w - waiting_w
        half_idle_j = net["baseline"] * math.sqrt(12) / 2
        assert of_mode["idle_subtracted_j"] == pytest.approx(
            seconds * net_w, abs=around_s * net_w + half_j + half_idle_j
        )
        assert of_mode["idle_power_w"] == pytest.approx(waiting_w, rel=0.02)
        assert len(of_mode["windows_j"]) == 5


def test_one_row_per_decision_with_the_boards_own_count(finished_run: tuple[Path, dict]) -> None:
    folder, result = finished_run
    rows = pq.read_table(folder / "replay" / "nominal.parquet")
    assert rows.num_rows == result["scenario"]["products"] == 90
    cycles = rows["cycles"].to_numpy()
    full = rows["mode"].to_numpy(zero_copy_only=False) == "full"
    macs = result["quantization"]["fallback"]["full_macs"]
    assert cycles[full].min() > macs  # no core does more than one multiply-accumulate a cycle
    assert cycles[~full].max() < cycles[full].min() / 3
    assert len(np.unique(cycles)) < 50  # the same code on other numbers


def test_the_fallback_decides_what_the_days_budget_does_not_reach(
    finished_run: tuple[Path, dict],
) -> None:
    folder, result = finished_run
    rows = pq.read_table(folder / "replay" / "nominal.parquet").to_pylist()
    saving = result["energy_saving"]
    assert saving["budget_j_per_decision_cycle"] == float(ENERGY_BUDGET)
    modes = []
    for day in sorted({row["day"] for row in rows}):
        spent_j = 0.0
        for row in (row for row in rows if row["day"] == day):
            assert row["mode"] == ("fallback" if spent_j >= float(ENERGY_BUDGET) else "full")
            spent_j += row["cycles"] * saving["energy_j_per_cycle"]
            modes.append(row["mode"])
    counts = {mode: modes.count(mode) for mode in ("full", "fallback")}
    assert min(counts.values()) > 0, "the budget must bind on some days, but not on all"
    assert saving["as_decided"]["decisions"] == counts
    assert 0 < saving["decision_cycles_at_the_budget"] < saving["decision_cycles"]

    alone = pq.read_table(folder / "replay" / "fallback_only.parquet")
    assert set(alone["mode"].to_pylist()) == {"fallback"}


def test_quality_and_joules_of_both_modes_are_in_the_result(
    finished_run: tuple[Path, dict],
) -> None:
    folder, result = finished_run
    saving = result["energy_saving"]
    full, fallback = saving["full_only"], saving["fallback_only"]
    mixed = saving["as_decided"]
    assert fallback["energy_per_decision_j"] < full["energy_per_decision_j"] / 3
    shares = [mixed["decisions"][mode] / 90 for mode in ("full", "fallback")]
    expected_j = (
        shares[0] * full["energy_per_decision_j"] + shares[1] * fallback["energy_per_decision_j"]
    )
    assert mixed["energy_per_decision_j"] == pytest.approx(expected_j)
    metrics = result["metrics"]
    assert mixed["energy_per_decision_j"] == metrics["energy_per_decision"]["value"]
    assert mixed["decision_quality"] == metrics["decision_quality"]["value"]
    baselines = result["baselines"]
    assert full["decision_quality"] == baselines["int8_policy"]["decision_quality"]
    assert mixed["decision_quality"] == baselines["int8_on_board"]["decision_quality"]
    assert {entry["energy_provenance"] for entry in (full, fallback, mixed)} == {"emulated"}
    page = (folder / "report" / "report.html").read_text()
    assert "What a decision costs" in page and "fallback only" in page


def test_battery_life_follows_from_the_runs_own_power_states(
    finished_run: tuple[Path, dict],
) -> None:
    folder, result = finished_run
    life, states, metrics = (result[k] for k in ("battery_life", "power_states", "metrics"))
    assert (life["provenance"], life["power_states"]) == ("modelled", "emulated")
    case = next(c for c in life["cases"] if c["carrier"] == "ESP-NOW")
    assert case["decisions_per_day"] == 90 / 45 and case["policy"] == "one batch a day"
    energy = case["energy_j_per_day"]
    assert energy["decisions"] == pytest.approx(2 * states["inference_j"]["value"])
    assert energy["sleep"] == pytest.approx(86_400 * states["sleep_w"]["value"], rel=1e-6)
    assert energy["wake_ups"] == pytest.approx(states["wake_up_j"]["value"])
    wired = next(c for c in life["cases"] if c["carrier"] == "wired link")
    sent = 2 * metrics["comms_overhead"]["value"] * states["link_j_per_byte"]["value"]
    assert wired["energy_j_per_day"]["communication"] == pytest.approx(sent)
    page = (folder / "report" / "report.html").read_text()
    assert "Battery life" in page and "The node that dies of its messages" in page


def test_the_image_holds_both_networks(finished_run: tuple[Path, dict]) -> None:
    folder, result = finished_run
    for key, name in (("model_sha256", "policy"), ("fallback_sha256", "policy_fallback")):
        data = (folder / "quantize" / f"{name}.tflite").read_bytes()
        assert result["identity"][key] == hashlib.sha256(data).hexdigest()
    size = json.loads((folder / "build" / "size.json").read_text())
    assert 0 < size["fallback"] < size["network"] / 3


def test_the_board_decides_as_the_reference(finished_run: tuple[Path, dict]) -> None:
    _, result = finished_run
    assert result["agreement"]["equal_to_int8_reference"]
    assert result["agreement"]["rows"] == 90 * 9  # nominal, six perturbed, shifted, fallback alone
    on_board = result["baselines"]["int8_on_board"]
    assert on_board["value_eur"] <= result["baselines"]["hindsight_optimum"]["value_eur"]


@pytest.fixture
def replay_nominal(finished_run: tuple[Path, dict], tmp_path: Path, monkeypatch):
    """Replays the run's scenario to its image, with as many rows in a frame as is asked for."""
    folder, _ = finished_run
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))
    models = [(folder / "quantize" / name).read_bytes() for name in (MODEL_FILE, FALLBACK_FILE)]
    reference = Reference(*map(QuantizedPolicy, models))
    scenario = load_scenario(folder / "generate")
    target = parse_target("pico@emulator")

    def run(asked: str, rows_in_a_frame: int, whole_days: int | None = None) -> pa.Table:
        budget = energy_budget(target.board, asked)
        journal = tmp_path / "journal.jsonl"
        with open_target(target, load_image(folder / "build")) as (client, _):
            client.max_payload = WindowRequest.fixed().size + rows_in_a_frame * (1 + 24)
            arguments = (client, scenario, reference, budget, journal)
            if whole_days is not None:
                decide, days = client.decide, iter(range(whole_days))

                def broken_off(inputs, masks, *, period):
                    if next(days, None) is None:
                        decide(inputs[:1], masks[:1], period=period)
                        raise KeyboardInterrupt
                    return decide(inputs, masks, period=period)

                client.decide = broken_off
                with pytest.raises(KeyboardInterrupt):
                    replay(*arguments)
                client.decide = decide
            return replay(*arguments).rows

    return run


def test_days_in_several_frames_and_one_that_broke_off_give_the_same_rows(
    finished_run: tuple[Path, dict], replay_nominal
) -> None:
    folder, _ = finished_run
    expected = pq.read_table(folder / "replay" / "nominal.parquet")
    assert max(Counter(expected["day"].to_pylist()).values()) > 2 * 2
    assert replay_nominal(ENERGY_BUDGET, 2, whole_days=10).equals(expected)


def test_without_a_budget_every_row_is_the_full_networks(
    finished_run: tuple[Path, dict], replay_nominal
) -> None:
    _, result = finished_run
    rows = replay_nominal("none", 60)
    assert set(rows["mode"].to_pylist()) == {"full"}
    reference = result["baselines"]["int8_policy"]
    assert sum(rows["value_eur"].to_pylist()) == pytest.approx(reference["value_eur"], abs=1e-6)


@pytest.mark.parametrize("budget", ["-1", "lots"])
def test_an_energy_budget_that_is_none_is_refused(
    finished_run: tuple[Path, dict], cli, budget: str
) -> None:
    folder, _ = finished_run
    code, _, err = cli("replay", "pico@emulator", "--out", folder, f"--energy-budget={budget}")
    assert code == 2
    assert "energy budget" in err and "next:" in err


def test_comms_overhead_is_what_the_frames_weigh(finished_run: tuple[Path, dict]) -> None:
    folder, result = finished_run
    link = json.loads((folder / "replay" / "link.json").read_text())["nominal"]
    rows = pq.read_table(folder / "replay" / "nominal.parquet")
    days = len(set(rows["day"].to_pylist()))
    # A day is a request and a reply: 8 B header, 2 B count, 4 B CRC, COBS and delimiter each, and 6
    # B there for the day and the rows before; a row is 1 + 24 B there and 1 + 1 + 4 B back.
    assert link["bytes"] == 90 * 31 + days * (2 * (8 + 2 + 4 + 2) + 6)
    assert link["messages"] == 2 * days
    assert result["metrics"]["comms_overhead"]["value"] == link["bytes"] / 90


def test_nothing_is_run_again(finished_run: tuple[Path, dict], cli) -> None:
    folder, result = finished_run
    code, out, err = cli("bench", "pico@emulator", "--seed", 7, "--out", folder, "--json")
    assert code == 0, err
    assert err.count("unchanged") == 8
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


def test_a_replay_that_broke_off_leaves_its_days_and_the_stage_of_before(
    finished_run: tuple[Path, dict], cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How it goes on, test_killed.py has."""
    from host.link import BoardClient

    folder, _ = finished_run
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    decide = BoardClient.decide
    calls = 0

    def cut(self, inputs, masks, **where):
        nonlocal calls
        calls += 1
        if calls > 20:
            raise KeyboardInterrupt
        return decide(self, inputs, masks, **where)

    monkeypatch.setattr(BoardClient, "decide", cut)
    code, _, err = cli("replay", "pico@emulator", "--out", copy, "--force")
    assert code == 130
    assert "kept" in err
    assert len(read_journal(copy / ".replay.partial" / "nominal.journal.jsonl")) == 20
    assert pq.read_table(copy / "replay" / "nominal.parquet").num_rows == 90


@pytest.mark.parametrize(
    ("what", "message"),
    [("actions", "the reference"), ("modes", "its own cycle counts demand full")],
)
def test_a_decision_other_than_the_references_fails_the_command(
    finished_run: tuple[Path, dict],
    cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    message: str,
) -> None:
    from host.link import BoardClient

    folder, _ = finished_run
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    decide = BoardClient.decide

    def wrong(self, inputs, masks, **where):
        made = decide(self, inputs, masks, **where)
        actions, modes = made.actions.copy(), made.modes.copy()
        if what == "actions":
            actions[-1] = (actions[-1] + 1) % 5
        else:
            modes[-1] ^= 1
        return replace(made, actions=actions, modes=modes)

    monkeypatch.setattr(BoardClient, "decide", wrong)
    code, _, err = cli("replay", "pico@emulator", "--out", copy, "--force")
    assert code == 1
    assert message in err
