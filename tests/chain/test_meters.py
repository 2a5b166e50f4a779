"""Which meter measures a replay, and what becomes of its windows."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from host.chain import replay as stage
from host.link import BoardClient
from host.replay import NOMINAL, WindowPlan, variants

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def test_the_emulated_boards_power_states(finished_run: tuple[Path, dict]) -> None:
    """The firmware's sleep, the meter's registers and the stated currents give one figure."""
    _, result = finished_run
    states, model = result["power_states"], result["energy_model"]
    assert states["reasons"] == {}
    assert {states[name]["provenance"] for name in states if name != "reasons"} == {"emulated"}
    for name, current in (("idle_w", "waiting"), ("sleep_w", "sleeping"), ("run_w", "running")):
        expected_w = model["supply_v"] * model["current_a"][current]["value"]
        assert states[name]["value"] == pytest.approx(expected_w, rel=0.02), name
    full = result["metrics"]["energy_per_decision"]["detail"]["modes"]["full"]["detail"]
    assert states["inference_j"]["value"] == full["total_j"]
    # A byte at 115,200 baud takes ten bits' time, in which the core waits.
    byte_j = 10 / 115_200 * states["idle_w"]["value"]
    assert states["link_j_per_byte"]["value"] == pytest.approx(byte_j, rel=0.03)
    assert 0 < states["wake_up_j"]["value"] < 1e-4


def test_the_meters_gain_is_in_every_uncertainty(finished_run: tuple[Path, dict]) -> None:
    _, result = finished_run
    gain = result["meter"]["accuracy"]["gain_uncertainty"]
    # Shunt 1 %, INA228 0.05 % twice, its clock 0.5 %.
    assert gain == pytest.approx(math.sqrt(0.01**2 + 2 * 0.0005**2 + 0.005**2) / math.sqrt(3))
    detail = result["metrics"]["energy_per_decision"]["detail"]
    for name in ("total", "idle_subtracted"):
        parts = detail[f"{name}_uncertainty_parts_j"]
        assert parts["gain"] == pytest.approx(gain * detail[f"{name}_j"])
        assert detail[f"{name}_uncertainty_j"] == pytest.approx(math.hypot(*parts.values()))
    assert result["power_states"]["run_w"]["uncertainty"] > gain * 0.1


def test_the_windows_and_the_meter_are_shown(finished_run: tuple[Path, dict], cli) -> None:
    folder, result = finished_run
    assert result["windows"] == {"run": 30, "refused": 0}  # two modes and four states, five each
    code, out, _ = cli("report", "--out", folder)
    assert code == 0
    assert "power states by ina228 on board" in out and "one wake-up, above sleep" in out
    page = (folder / "report" / "report.html").read_text()
    assert "Power states" in page and "datasheet SLYS022A" in page


@pytest.mark.parametrize(
    ("meter", "message"),
    [
        ("ppk2,volt=5", "is emulated and draws nothing"),
        ("joulescope", "is emulated and draws nothing"),
        ("multimeter", "is no meter"),
    ],
)
def test_a_meter_that_cannot_see_the_board_is_refused(
    finished_run: tuple[Path, dict], cli, meter: str, message: str
) -> None:
    folder, _ = finished_run
    code, _, err = cli("replay", "pico@emulator", "--out", folder, "--meter", meter)
    assert code == 2
    assert message in err and "next:" in err


@pytest.fixture
def short_replay(
    finished_run: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the run whose replay has one variant and few windows."""
    copy = tmp_path / "copy"
    shutil.copytree(finished_run[0], copy)
    monkeypatch.setattr(
        stage, "variants", lambda *a: (v for v in variants(*a) if v.name == NOMINAL)
    )
    monkeypatch.setattr(
        "host.chain.windows.WindowPlan", lambda window_s, **_: WindowPlan(window_s / 3, repeats=3)
    )
    return copy


def _play(windows: list[dict], file: Path, falsify: Callable[[int, float], float]) -> None:
    """What an instrument at the board's supply and gate pin would have recorded, at 20 kHz."""
    rows = ["time_s,current_a,voltage_v,gate"]

    def record(seconds: float, amps: float, gate: int) -> None:
        for _ in range(round(seconds * 20_000)):
            rows.append(f"{(len(rows) - 1) / 20_000:.6f},{amps},5.0,{gate}")

    for index, window in enumerate(windows):
        amps = 0.02 if window["kind"] == "idle" else 0.025
        record(0.002, 0.02, 0)
        record(falsify(index, window["elapsed_us"] * 1e-6), amps, 1)
    record(0.002, 0.02, 0)
    file.write_text("\n".join(rows) + "\n")


def test_a_trace_is_attached_after_the_run_without_the_board(
    short_replay: Path, cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "recording.csv"
    _play([{"kind": "idle", "elapsed_us": 5_000}], file, lambda index, seconds: seconds)
    os.utime(file, (1e9, 1e9))
    command = (
        "replay",
        "pico@emulator",
        "--out",
        short_replay,
        "--meter",
        f"trace:{file},gain=0.01,step=1e-5",
    )
    code, _, err = cli(*command)
    assert code == 1
    assert "before the windows were run" in err and "the same command again" in " ".join(
        err.split()
    )
    run = json.loads((short_replay / ".replay.partial" / "windows_run.json").read_text())
    assert [w["warm_up"] for w in run["windows"]].count(False) == 9

    def no_board(*arguments: object, **named: object) -> None:
        raise AssertionError("the board is not needed any more")

    monkeypatch.setattr(BoardClient, "open", no_board)
    _play(run["windows"][1:], file, lambda index, seconds: seconds)
    code, _, err = cli(*command)
    assert code == 1
    assert f"the board ran {len(run['windows'])} windows" in " ".join(err.split())

    _play(run["windows"], file, lambda index, s: s * 1.1 if index == 2 else s)
    code, _, err = cli(*command)
    assert code == 0, err
    windows = json.loads((short_replay / "replay" / "windows.json").read_text())
    assert [w["accepted"] for w in windows] == [True, False] + 7 * [True]
    assert "the gate was high for" in windows[1]["reason"]
    assert windows[1]["reason"] in " ".join(err.split())
    busy = next(w for w in windows if w["kind"] == "inference")
    assert busy["energy_j"] == pytest.approx(0.125 * busy["elapsed_s"], rel=0.02)
    meter = json.loads((short_replay / "replay" / "meter.json").read_text())
    assert meter["kind"] == "trace" and len(meter["settings"]["sha256"]) == 64
    provenance = json.loads((short_replay / "replay" / "provenance.json").read_text())
    assert provenance["energy"] == "emulated"  # a trace makes no emulated board a physical one


def test_without_a_meter_the_energy_is_unavailable(short_replay: Path, cli) -> None:
    code, _, err = cli("replay", "pico@emulator", "--out", short_replay, "--meter", "none")
    assert code == 0, err
    assert "energy: unavailable, no meter was to measure (--meter none)" in " ".join(err.split())
    assert json.loads((short_replay / "replay" / "windows.json").read_text()) == []


def test_another_shunt_is_built_into_the_image(short_replay: Path, cli) -> None:
    before = json.loads((short_replay / "build" / "image.json").read_text())
    command = ("replay", "pico@emulator", "--out", short_replay, "--meter", "none")
    code, _, err = cli(*command, "--shunt", "0.1")
    assert code == 0, err
    after = json.loads((short_replay / "build" / "image.json").read_text())
    assert after["image_sha256"] != before["image_sha256"]
    manifest = json.loads((short_replay / "manifest.json").read_text())
    for stage_name in ("build", "replay"):
        meter = manifest["stages"][stage_name]["parameters"]["board"]["meter"]
        assert meter["shunt_ohm"] == 0.1
    code, _, err = cli(*command, "--shunt", "0")
    assert code == 2
    assert "a shunt of 0.0 ohm" in err
