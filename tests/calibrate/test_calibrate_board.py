"""Micro-benchmarks on the emulated Pico, and what the command keeps."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from host.calibrate import MicroBenchmark, calibration_of, designed_set, observe
from host.calibrate import command as calibrate_command
from host.calibrate.measure import Observed, ObservedNetwork
from host.chain.windows import live_meter
from host.link import Identity
from host.replay import WindowPlan
from host.target import parse_target
from toolchain.errors import InputError
from toolchain.policy.calibration import Calibration, calibration_file, kept_calibration

TARGET = parse_target("pico@emulator")


@pytest.mark.firmware
@pytest.mark.emulator
def test_the_board_decides_and_its_windows_agree_with_its_cycles(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path))
    benchmarks = [
        MicroBenchmark((24, 16, 5), energy=True),
        MicroBenchmark((24, 16, 5), "flash"),
    ]
    observed = observe(
        TARGET, benchmarks, WindowPlan(0.02, 1), live_meter(None, TARGET), Console(quiet=True)
    )
    in_sram, in_flash = observed.networks
    assert [network.benchmark for network in observed.networks] == benchmarks
    macs = 24 * 16 + 16 * 5
    assert macs < in_sram.cycles < 6 * macs
    assert in_flash.cycles == pytest.approx(in_sram.cycles, rel=0.1)
    assert in_sram.flash_bytes > macs and in_flash.windows == ()
    (window,) = in_sram.windows
    assert window.accepted, window.reason
    currents = TARGET.board.emulator
    running_w = currents.supply_v * currents.current_a.running.value
    seconds = in_sram.cycles / observed.identity.clock_hz
    # The loop around the decisions of a window takes some cycles of its own.
    assert window.each_j == pytest.approx(running_w * seconds, rel=0.1)
    kinds = {state.kind: state for state in observed.states}
    assert set(kinds) == {"idle", "sleep", "wake", "link"}
    assert all(state.accepted for state in observed.states), kinds
    assert kinds["sleep"].power_w < kinds["idle"].power_w < running_w


@pytest.mark.long
@pytest.mark.firmware
@pytest.mark.emulator
@pytest.mark.parametrize("target", ["pico@emulator", "esp32c3@emulator"])
def test_a_calibration_from_end_to_end_is_kept(target: str, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path))
    made = calibrate_command.calibrate(target, quick=True)
    assert made.complaints == ()
    assert kept_calibration(tmp_path, parse_target(target).board) == made.calibration
    evidence = made.calibration.evidence
    assert {"idle_s", "sleep_s", "wake_up", "byte"} < set(evidence.fits["energy"].coefficients)
    assert max(abs(network.cycles_error) for network in evidence.held_out) < 0.05
    assert evidence.fits["cycles"].r2 > 0.999


def made_up(identity: Identity, *, wrong: float = 1.0) -> Observed:
    networks = []
    for index, benchmark in enumerate(designed_set(quick=True)):
        cycles = 100.0 * sum(benchmark.widths[1:]) + 500 + 7 * index
        cycles *= wrong if benchmark.held_out else 1.0
        macs = sum(a * b for a, b in pairwise(benchmark.widths))
        networks.append(ObservedNetwork(benchmark, cycles, 2 * macs + 60 * sum(benchmark.widths)))
    return Observed(identity, tuple(networks), ())


@pytest.fixture
def run(identity, tmp_path: Path, monkeypatch, capsys):
    """Runs ``jouleloop calibrate`` on made-up observations; returns exit code, stdout, stderr."""
    from host import cli

    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path))

    def run(wrong: float, *options: str) -> tuple[int, str, str]:
        observed = made_up(identity(), wrong=wrong)
        monkeypatch.setattr(calibrate_command, "observe", lambda *given: observed)
        monkeypatch.setattr(
            sys, "argv", ["jouleloop", "calibrate", "pico@emulator", "--quick", *options]
        )
        try:
            cli.main()
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
        text = capsys.readouterr()
        return code, text.out, text.err

    return run


def test_a_good_calibration_is_kept_and_shown(run, tmp_path: Path):
    code, out, _ = run(1.0)
    assert code == 0
    for shown in ("output (activation)", "24-40-20-5 sram", "kept, for held-out cycles are within"):
        assert shown in out
    kept = kept_calibration(tmp_path, TARGET.board)
    assert kept is not None and kept.provenance == "emulated"
    assert kept.evidence.target == "pico@emulator"
    code, out, _ = run(1.0, "--json")
    assert code == 0 and json.loads(out)["kept"] is True


def test_a_bad_one_is_shown_but_not_kept(run, tmp_path: Path):
    code, out, err = run(1.5, "--json")
    assert code == 1
    assert json.loads(out)["kept"] is False
    assert "is not kept: 24-40-20-5 sram" in err and "next:" in err
    assert kept_calibration(tmp_path, TARGET.board) is None


def test_an_emulated_calibration_does_not_take_a_measured_ones_place(run, identity, tmp_path: Path):
    measured = calibration_of(made_up(identity()), TARGET).model_copy(
        update={"provenance": "measured"}
    )
    measured.save(calibration_file(tmp_path, TARGET.board))
    code, _, err = run(1.0)
    assert code == 2 and "was measured on a board" in err and "--force" in err
    assert kept_calibration(tmp_path, TARGET.board) == measured
    code, out, _ = run(1.0, "--force")
    assert code == 0
    assert kept_calibration(tmp_path, TARGET.board).provenance == "emulated"
    # What a board has measured is not made anew without it.
    aside = calibration_file(tmp_path, TARGET.board).with_suffix(".measured.json")
    assert Calibration.load(aside, TARGET.board) == measured
    assert f"took the place of: {aside}" in out


def test_a_trace_is_no_meter_for_several_images():
    with pytest.raises(InputError, match="flashes several images"):
        live_meter("trace:x.csv", TARGET)


def test_each_clock_has_a_file_of_its_own(tmp_path: Path):
    slow = replace(TARGET, board=parse_target("pico@emulator", clock_hz=48_000_000).board)
    files = {calibration_file(tmp_path, target.board).name for target in (TARGET, slow)}
    assert files == {"calibration-125MHz.json", "calibration-48MHz.json"}
