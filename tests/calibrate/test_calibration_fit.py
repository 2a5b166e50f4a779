"""A calibration from made-up observations: what made them is found, and bad ones are not kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from host.calibrate import MicroBenchmark, designed_set
from host.calibrate.fit import calibration_of, complaints
from host.calibrate.measure import Observed, ObservedNetwork
from host.link import Identity
from host.metrics import EnergyWindow
from host.target import parse_target
from toolchain.errors import BoardFileError, MeasurementError
from toolchain.policy.calibration import FLASH_TERM, LEAST_NETWORKS
from toolchain.policy.sizing import size_policy

TARGET = parse_target("pico@emulator")
CLOCK_HZ = 125_000_000
PER_CYCLE_J, IDLE_W, SLEEP_W, WAKE_J, BYTE_J = 1e-9, 0.1, 0.0075, 7e-6, 9e-6


def cycles_of(benchmark: MicroBenchmark) -> float:
    widths = benchmark.widths
    macs = sum(n_in * n_out for n_in, n_out in pairwise(widths))
    slower = 0.5 * macs if benchmark.runs_from == "flash" else 0.0
    return 2.5 * macs + 20 * sum(widths[1:]) + 10 * (len(widths) - 1) + 560 + slower


def window(kind: str, energy_j: float, seconds: float, iterations: int = 0) -> EnergyWindow:
    mode = "full" if kind == "inference" else ""
    return EnergyWindow(kind, iterations, seconds, energy_j, 1e-6, True, mode=mode)


def network(benchmark: MicroBenchmark) -> ObservedNetwork:
    cycles = cycles_of(benchmark)
    windows = ()
    if benchmark.energy:
        windows = tuple(
            window("inference", n * cycles * PER_CYCLE_J, n * cycles / CLOCK_HZ, n)
            for n in (1000, 2000)
        )
    macs = sum(n_in * n_out for n_in, n_out in pairwise(benchmark.widths))
    flash = 2 * macs + 40 * sum(benchmark.widths[1:]) + 150 * len(benchmark.widths) + 900
    return ObservedNetwork(benchmark, cycles, flash, windows)


STATES = (
    window("idle", IDLE_W * 0.1, 0.1),
    window("idle", IDLE_W * 0.2, 0.2),
    window("sleep", SLEEP_W * 1.0 + WAKE_J, 1.0),
    window("wake", SLEEP_W * 0.5 + 100 * WAKE_J, 0.5, 100),
    window("link", 1000 * BYTE_J, 0.09, 1000),
)


@pytest.fixture
def observed(identity: Callable[..., Identity]) -> Callable[..., Observed]:
    """What a board with a meter did with the designed set."""

    def make(*, quick: bool = False) -> Observed:
        networks = tuple(network(b) for b in designed_set(quick=quick))
        return Observed(identity(meter="ina228"), networks, STATES)

    return make


@pytest.mark.parametrize("quick", [False, True])
def test_what_made_the_observations_is_found(observed, quick: bool):
    calibration = calibration_of(observed(quick=quick), TARGET)
    model, evidence = calibration.cost_model, calibration.evidence
    assert (model.cycles_per_mac, model.cycles_per_output) == pytest.approx((2.5, 20.0))
    assert (model.cycles_per_layer, model.cycles_per_inference) == pytest.approx((10.0, 560.0))
    assert model.energy_j_per_cycle == pytest.approx(PER_CYCLE_J)
    energy = {term: c.value for term, c in evidence.fits["energy"].coefficients.items()}
    assert energy["idle_s"] == pytest.approx(IDLE_W)
    assert energy["sleep_s"] == pytest.approx(SLEEP_W)
    assert energy["wake_up"] == pytest.approx(WAKE_J)
    assert energy["byte"] == pytest.approx(BYTE_J)
    assert evidence.energy_per["mac"].value == pytest.approx(2.5e-9)
    assert evidence.fits["cycles"].coefficients[FLASH_TERM].value == pytest.approx(0.5)
    assert all(abs(held.cycles_error) < 1e-9 for held in evidence.held_out)
    assert evidence.held_out_cycles_r2 == pytest.approx(1.0)
    assert complaints(calibration) == []
    assert (calibration.provenance, calibration.clock_hz) == ("emulated", CLOCK_HZ)


def test_without_windows_of_wake_ups_one_is_part_of_the_sleep(observed):
    states = tuple(replace(s, accepted=s.kind != "wake") for s in STATES)
    fits = calibration_of(replace(observed(), states=states), TARGET).evidence.fits
    energy = {term: c.value for term, c in fits["energy"].coefficients.items()}
    assert "wake_up" not in energy
    assert energy["sleep_s"] == pytest.approx(SLEEP_W + WAKE_J)


def test_the_held_out_networks_are_in_no_fit():
    fitted = {(b.widths, b.runs_from) for b in designed_set() if not b.held_out}
    held_out = {(b.widths, b.runs_from) for b in designed_set() if b.held_out}
    assert not fitted & held_out
    assert {"sram", "flash"} == {runs_from for _, runs_from in fitted}
    assert {"sram", "flash"} == {runs_from for _, runs_from in held_out}


def test_a_held_out_network_that_is_off_is_named_with_its_figures(observed):
    made = observed()
    networks = list(made.networks)
    index = next(i for i, n in enumerate(networks) if n.benchmark.held_out)
    networks[index] = replace(networks[index], cycles=1.06 * networks[index].cycles)
    said = complaints(calibration_of(replace(made, networks=tuple(networks)), TARGET))
    assert len(said) == 1
    assert "24-40-20-5 sram" in said[0] and "limit 5%" in said[0] and "-5.7%" in said[0]


def test_energy_that_is_off_is_named_too(observed):
    made = observed()
    networks = list(made.networks)
    index = next(i for i, n in enumerate(networks) if n.benchmark.held_out and n.windows)
    dear = tuple(replace(w, energy_j=1.2 * w.energy_j) for w in networks[index].windows)
    networks[index] = replace(networks[index], windows=dear)
    (said,) = complaints(calibration_of(replace(made, networks=tuple(networks)), TARGET))
    assert "J a decision predicted" in said and "limit 10%" in said


def test_without_a_meter_cycles_are_fitted_and_the_board_files_energy_is_named(observed):
    made = observed()
    networks = tuple(replace(n, windows=()) for n in made.networks)
    bare = replace(made, networks=networks, states=())
    calibration = calibration_of(bare, TARGET)
    stated = TARGET.board.cost_model
    assert calibration.cost_model.energy_j_per_cycle == stated.energy_j_per_cycle
    assert calibration.cost_model.energy_j_per_byte == stated.energy_j_per_byte
    assert "energy of the board file, for no meter" in calibration.cost_model.source
    assert not calibration.energy_measured and "had no meter" in calibration.energy_from
    sizing = size_policy(TARGET.board, calibration=calibration)
    assert "emulated calibration, energy of the board file" in sizing.reason
    assert calibration_of(made, TARGET).energy_from.startswith("emulated calibration of")
    assert "energy" not in calibration.evidence.fits
    assert calibration.evidence.energy_per == {}
    silent = replace(TARGET, board=TARGET.board.model_copy(update={"cost_model": None}))
    with pytest.raises(BoardFileError, match="no meter answers"):
        calibration_of(bare, silent)


def test_windows_that_were_all_refused_are_no_energy(observed):
    made = observed()
    refused = tuple(
        replace(n, windows=tuple(replace(w, accepted=False, reason="overflow") for w in n.windows))
        for n in made.networks
    )
    with pytest.raises(MeasurementError, match="overflow"):
        calibration_of(replace(made, networks=refused), TARGET)


@pytest.mark.parametrize("quick", [True, False])
def test_a_chip_that_runs_from_sram_alone_has_a_set_that_can_be_fitted(quick):
    benchmarks = designed_set(("sram",), quick=quick)
    assert {b.runs_from for b in benchmarks} == {"sram"}
    fitted = [b for b in benchmarks if not b.held_out]
    assert len(fitted) >= LEAST_NETWORKS
    assert len({len(b.widths) for b in fitted}) >= 2
    assert any(b.held_out for b in benchmarks)
