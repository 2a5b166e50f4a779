"""Cycles per instruction: measured on silicon alone, kept, and what the emulator goes by then."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from rich.console import Console

from host.calibrate import Calibrated, calibration_of, designed_set, print_calibration
from host.calibrate import measure as measuring
from host.calibrate.measure import Observed, ObservedNetwork
from host.link import Identity
from host.target import parse_target
from toolchain.errors import BoardFileError
from toolchain.policy.calibration import Calibration, calibration_file

BOARD = "esp32c3@/dev/ttyUSB0"
EMULATOR = "esp32c3@emulator"
SILICON, EMULATORS = "0000a0764e123456", "000002454d551234"
CYCLES_PER_INSTRUCTION = 1.18


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path))


@pytest.fixture
def made_up(identity: Callable[..., Identity]) -> Callable[..., Observed]:
    """A board whose instructions take cycles of their own, one network's 2 % more than the rest."""

    def make(chip_id: str = SILICON, *, counted: bool = True) -> Observed:
        board = identity(board="esp32c3", chip_id=chip_id, clock_hz=160_000_000)
        return Observed(board, _networks(counted=counted), ())

    return make


def _networks(*, counted: bool) -> tuple[ObservedNetwork, ...]:
    networks = []
    for index, benchmark in enumerate(designed_set(("sram",), quick=True)):
        macs = sum(a * b for a, b in pairwise(benchmark.widths))
        instructions = 2.5 * macs + 57.0 * sum(benchmark.widths[1:]) + 300.0
        cycles = CYCLES_PER_INSTRUCTION * instructions * (1.02 if index == 3 else 1.0)
        n_bytes = 2 * macs + 60 * sum(benchmark.widths) + 40 * len(benchmark.widths)
        networks.append(
            ObservedNetwork(
                benchmark, cycles, n_bytes, instructions=instructions if counted else None
            )
        )
    return tuple(networks)


def test_silicon_has_its_cycles_per_instruction_measured_with_an_interval(made_up):
    calibration = calibration_of(made_up(), parse_target(BOARD))
    figure = calibration.cycles_per_instruction
    assert calibration.provenance == calibration.cycles_provenance == "measured"
    assert figure.value == pytest.approx(CYCLES_PER_INSTRUCTION, rel=0.01)
    # No network's own ratio is outside, and the interval is no wider than the odd one needs.
    assert figure.low <= CYCLES_PER_INSTRUCTION * (1 + 1e-9)
    assert figure.high >= 1.02 * CYCLES_PER_INSTRUCTION * (1 - 1e-9)
    assert figure.high - figure.low < 0.04 * CYCLES_PER_INSTRUCTION
    assert figure.unit == "cycle/instruction"


def test_the_emulator_then_goes_by_it_and_says_so(made_up, tmp_path: Path):
    assumed = parse_target(EMULATOR).cycles_per_instruction
    assert assumed.value == 1.3 and assumed.source.startswith("assumption")
    calibration = calibration_of(made_up(), parse_target(BOARD))
    calibration.save(calibration_file(tmp_path, parse_target(BOARD).board))
    found = parse_target(EMULATOR).cycles_per_instruction
    assert found.value == calibration.cycles_per_instruction.value
    assert (found.low, found.high) == (
        calibration.cycles_per_instruction.low,
        calibration.cycles_per_instruction.high,
    )
    assert found.source.startswith(f"measured: calibration of {BOARD}, chip {SILICON}")
    assert parse_target(BOARD).cycles_per_instruction is None, "silicon counts cycles"
    assert parse_target("pico@emulator").cycles_per_instruction is None
    slower = parse_target(EMULATOR, clock_hz=80_000_000).cycles_per_instruction
    assert slower == assumed, "each clock has a calibration of its own"


def test_an_emulator_never_claims_it(made_up, tmp_path: Path):
    target = parse_target(EMULATOR)
    calibration = calibration_of(made_up(), target)
    assert calibration.provenance == "emulated" and calibration.cycles_provenance == "modelled"
    assert calibration.cycles_per_instruction is None
    assert calibration.evidence.assumed_cycles_per_instruction == target.cycles_per_instruction
    assert "instructions counted, 1.3 cycles each" in calibration.cost_model.source
    calibration.save(calibration_file(tmp_path, target.board))
    assert parse_target(EMULATOR).cycles_per_instruction.source.startswith("assumption")
    # Nor does one behind a port, whose chip says what it is, nor a file that was made to.
    behind = made_up(EMULATORS)
    assert behind.identity.emulated
    assert calibration_of(behind, parse_target(BOARD)).cycles_per_instruction is None
    real = calibration_of(made_up(), parse_target(BOARD)).model_dump(by_alias=True)
    with pytest.raises(ValidationError, match="cannot have cycles per instruction"):
        Calibration.model_validate({**real, "provenance": "emulated"})


def test_without_counted_instructions_there_is_none(made_up):
    calibration = calibration_of(made_up(counted=False), parse_target(BOARD))
    assert calibration.cycles_per_instruction is None
    assert calibration.silicon_cycles_per_instruction is None


def test_a_calibration_that_cannot_be_read_is_refused_not_passed_over(tmp_path: Path):
    file = calibration_file(tmp_path, parse_target(BOARD).board)
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    with pytest.raises(BoardFileError, match="calibrat"):
        parse_target(EMULATOR)


def test_the_twin_counts_a_boards_instructions():
    asked = []

    def decide_on(target):
        asked.append(target)
        return np.array([1300, 1301, 1300])

    board = parse_target(BOARD)
    assert measuring._instructions(board, np.array([9, 9, 9]), decide_on) == 1000
    assert [str(target) for target in asked] == [EMULATOR]
    emulated = parse_target(EMULATOR)
    assert measuring._instructions(emulated, np.array([2600]), decide_on) == 2000
    pico = parse_target("pico@/dev/ttyACM0")
    assert measuring._instructions(pico, np.array([9]), decide_on) is None
    assert len(asked) == 1, "an emulated board counts for itself, a Pico's emulator counts cycles"


@pytest.mark.parametrize("target", [BOARD, EMULATOR])
def test_the_terminal_says_which_it_is(made_up, target: str, tmp_path: Path):
    calibration = calibration_of(made_up(), parse_target(target))
    made = Calibrated(calibration, tmp_path / "x.json", (), outside_specification=True)
    console = Console(record=True, width=300, file=(tmp_path / "out").open("w"))
    print_calibration(made, console)
    text = console.export_text()
    assert "no meter measured" in text and "outside of the chip's specification" in text
    assert ("cycles: modelled, 1.3 (1.1 to 1.6) a counted instruction" in text) == (
        target == EMULATOR
    )
    assert ("cycles per instruction: 1.1" in text) == (target == BOARD)
    assert made.as_json()["outside_specification"] is True
    assert made.as_json()["cycles_provenance"] == calibration.cycles_provenance
