"""A board's own cost model: fitted to counts, kept in a file, preferred by the train stage."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from host.chain.settings import Settings
from host.chain.stages import Chain
from host.run import RunFolder
from toolchain.board import load_board
from toolchain.compile import compile_model
from toolchain.compile.cycle_count import measure_cycles
from toolchain.compile.synthetic import reference_network
from toolchain.errors import BoardFileError, InputError
from toolchain.policy.calibration import (
    FLASH_TERM,
    Calibration,
    CountedNetwork,
    calibration_file,
    fit_cost_model,
    kept_calibration,
)
from toolchain.policy.sizing import network_cost

PICO = load_board("pico")
SHAPES = [(24, w, w // 2, 5) for w in (8, 16, 24, 40, 64)] + [(24, 8, 5), (24, 32, 5), (24, 64, 5)]
KEPT = {"weights_in_ram": True, "energy_j_per_cycle": 1e-9, "energy_j_per_byte": 0.0}


def counted(shape) -> CountedNetwork:
    cost = network_cost(shape, PICO.cost_model, 1.0)
    return CountedNetwork(shape, cost.cycles, cost.flash_bytes)


def test_a_fit_finds_the_model_that_made_the_counts():
    fit = fit_cost_model([counted(s) for s in SHAPES], source="here", **KEPT)
    assert fit.cycles.largest_error < 1e-6 and fit.flash_bytes.largest_error < 1e-6
    wanted, found = PICO.cost_model.model_dump(), fit.cost_model.model_dump()
    assert found == pytest.approx(wanted | {"source": "here"})
    assert fit.cycles.r2 == pytest.approx(1.0)
    assert fit.cycles_of(SHAPES[0], "sram") == pytest.approx(counted(SHAPES[0]).cycles)
    with pytest.raises(InputError, match="ran from flash"):
        fit.cycles_of(SHAPES[0], "flash")


def test_kernels_that_take_blocks_compute_what_fills_them_up():
    blocks = PICO.cost_model.model_copy(update={"block": 4})
    # 24-6-5 is computed as 24-8-8: 24 x 8 + 8 x 8 MACs and 16 outputs.
    costs = {shape: network_cost(shape, blocks, 1.0) for shape in [*SHAPES, (24, 6, 5), (24, 8, 8)]}
    assert (
        costs[24, 6, 5].cycles
        == costs[24, 8, 8].cycles
        == pytest.approx(
            blocks.cycles_per_inference
            + 256 * blocks.cycles_per_mac
            + 16 * blocks.cycles_per_output
            + 2 * blocks.cycles_per_layer
        )
    )
    assert costs[24, 6, 5].flash_bytes == costs[24, 8, 8].flash_bytes
    assert costs[24, 6, 5].ops_per_s == 24 * 6 + 6 * 5
    networks = [CountedNetwork(s, costs[s].cycles, costs[s].flash_bytes) for s in SHAPES]
    fit = fit_cost_model(networks, source="here", block=4, **KEPT)
    assert fit.cost_model.block == 4 and fit.cycles.largest_error < 1e-6
    assert fit.cycles_of((24, 6, 5), "sram") == pytest.approx(costs[24, 6, 5].cycles)
    plain = fit_cost_model(networks, source="here", **KEPT)
    assert plain.cycles_of((24, 8, 8), "sram") > 1.05 * costs[24, 8, 8].cycles


def test_what_flash_costs_is_a_coefficient_of_its_own():
    from_flash = [
        CountedNetwork(
            shape, counted(shape).cycles + 3.0 * macs, counted(shape).flash_bytes, "flash"
        )
        for shape, macs in (((24, 8, 5), 232), ((24, 40, 20, 5), 1860), ((24, 64, 64, 5), 5952))
    ]
    both = [*(counted(s) for s in SHAPES), *from_flash]
    fit = fit_cost_model(both, source="here", **KEPT)
    per = dict(zip(fit.terms, fit.cycles.values, strict=True))
    assert per[FLASH_TERM] == pytest.approx(3.0)
    assert fit.cost_model.cycles_per_mac == pytest.approx(PICO.cost_model.cycles_per_mac)
    more = fit.cycles_of((24, 16, 5), "flash") - fit.cycles_of((24, 16, 5), "sram")
    assert more == pytest.approx(3.0 * (24 * 16 + 16 * 5))
    there = fit_cost_model(both, source="here", **(KEPT | {"weights_in_ram": False}))
    per_mac = PICO.cost_model.cycles_per_mac + 3.0
    assert there.cost_model.cycles_per_mac == pytest.approx(per_mac)


def test_a_fit_says_how_far_off_it_is():
    networks = [counted(s) for s in SHAPES]
    networks[3] = CountedNetwork(SHAPES[3], 2 * networks[3].cycles, networks[3].flash_bytes)
    fit = fit_cost_model(networks, source="here", **KEPT)
    assert fit.cycles.largest_error > 0.2 and fit.flash_bytes.largest_error < 1e-6
    assert fit.cycles.r2 < 0.9
    with pytest.raises(InputError, match="3 networks"):
        fit_cost_model(networks[:3], source="here", **KEPT)
    with pytest.raises(InputError, match="1 numbers of layers"):
        fit_cost_model([networks[0]] * 9, source="here", **KEPT)


@pytest.mark.emulator
def test_the_board_files_model_is_within_five_percent_of_counted_cycles(tmp_path):
    model = PICO.cost_model
    for shape in ((24, 20, 10, 5), (24, 56, 28, 5)):  # not among those that it was fitted to
        data = reference_network(shape, np.random.default_rng(4))
        compiled = compile_model(data, tmp_path / str(shape[1]), kernels="m0plus")
        found = measure_cycles(compiled, np.zeros((1, 24), np.int8))
        fitted = network_cost(shape, model, 1.0)
        around = 400
        assert fitted.cycles - around == pytest.approx(float(found.cycles[0]), rel=0.05)
        assert fitted.flash_bytes == pytest.approx(found.flash_bytes, rel=0.15)


def test_a_kept_calibration_comes_back_or_is_refused(tmp_path):
    assert kept_calibration(tmp_path, PICO) is None
    made = Calibration(
        board="pico", clock_hz=125_000_000, provenance="emulated", cost_model=PICO.cost_model
    )
    file = calibration_file(tmp_path, PICO)
    made.save(file)
    assert kept_calibration(tmp_path, PICO) == made
    with pytest.raises(BoardFileError, match="of board 'pico' at 125000000 Hz, not of 'other'"):
        Calibration.load(file, PICO.model_copy(update={"name": "other"}))
    slow = PICO.model_copy(update={"cpu": PICO.cpu.model_copy(update={"clock_hz": 48_000_000})})
    assert kept_calibration(tmp_path, slow) is None
    with pytest.raises(BoardFileError, match="not of 'pico' at 48000000 Hz"):
        Calibration.load(file, slow)
    file.write_text(file.read_text().replace('"cycles_per_mac": ', '"cycles_per_mac": -'))
    with pytest.raises(BoardFileError, match="cycles_per_mac"):
        kept_calibration(tmp_path, PICO)
    file.write_bytes(b"\xff")
    with pytest.raises(BoardFileError, match="cannot be read"):
        kept_calibration(tmp_path, PICO)


def test_the_train_stage_prefers_the_kept_calibration(tmp_path, monkeypatch):
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))
    chain = Chain(RunFolder(tmp_path / "run", "test"), Settings(), Console(record=True, quiet=True))
    said = []
    monkeypatch.setattr(Console, "print", lambda self, text, **_: said.append(text))
    monkeypatch.setattr(Chain, "run_stage", lambda self, stage, parameters, action: parameters)
    plain = chain.train()
    slow = PICO.cost_model.model_copy(update={"cycles_per_mac": 20.0})
    calibration = Calibration(
        board="pico", clock_hz=125_000_000, provenance="measured", cost_model=slow
    )
    calibration.save(calibration_file(tmp_path / "state", PICO))
    calibrated = chain.train()
    assert calibrated["knobs"]["hidden"] < plain["knobs"]["hidden"]
    assert "board file" in said[0] and "measured calibration" in said[1]
    assert "bound by energy_j" in said[0]
