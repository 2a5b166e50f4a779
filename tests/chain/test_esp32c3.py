"""``infer`` on the second chip: integer and float networks; what it counts are instructions."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from host.calibrate import MicroBenchmark, measure
from host.chain import infer
from host.chain.windows import live_meter
from host.cli import app
from host.replay import WindowPlan
from host.report.profile import print_profile
from host.target import parse_target
from toolchain.compile import compile_model
from toolchain.compile.float_synthetic import FloatDenseSpec, float_network
from toolchain.compile.instruction_count import count_instructions
from toolchain.compile.synthetic import reference_network
from toolchain.protocol import Engine

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

TARGET = "esp32c3@emulator"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))


def test_an_integer_network_is_bit_exact_and_its_instructions_are_counted(tmp_path: Path):
    model, inputs, out = tmp_path / "m.tflite", tmp_path / "x.npy", tmp_path / "y.npy"
    model.write_bytes(reference_network((16, 32, 16, 4), np.random.default_rng(3)))
    rows = np.random.default_rng(4).integers(-128, 128, (40, 16)).astype(np.int8)
    np.save(inputs, rows)
    arguments = ["infer", TARGET, "--model", str(model), "--inputs", str(inputs)]
    run = CliRunner().invoke(app, [*arguments, "--out", str(out), "--json"])
    assert run.exit_code == 0, run.output
    summary = json.loads(run.stdout)
    assert summary["equal_to_reference"] is True and summary["rows"] == 40
    assert summary["cycles"] is None, "labwired counts no cycles"
    instructions = summary["instructions"]["median"]
    assert 4 * summary["macs"] < instructions < 6 * summary["macs"]
    assert summary["provenance"] == "emulated"
    assert summary["identity"]["meter"] == "ina228"


def test_a_float_network_stays_within_its_bound_at_the_other_clock(tmp_path: Path):
    model, inputs = tmp_path / "f.tflite", tmp_path / "x.npy"
    rng = np.random.default_rng(5)
    layers = [
        FloatDenseSpec(rng.normal(0, 1, (n_out, n_in)).astype(np.float32), None, "RELU")
        for n_in, n_out in ((6, 8), (8, 4))
    ]
    model.write_bytes(float_network(layers, ["LOGISTIC", "SOFTMAX"]))
    np.save(inputs, rng.normal(0, 1, (10, 6)).astype(np.float32))
    out = tmp_path / "y.npy"
    summary = infer(
        TARGET, model, inputs, out, flash=True, engine=Engine.FLOAT, clock_hz=80_000_000
    )
    assert summary["identity"]["clock_hz"] == 80_000_000
    assert 0 <= summary["largest_difference"] <= summary["difference_bound"]
    assert summary["instructions"] is not None


def test_what_is_counted():
    assert parse_target(TARGET).counts == "instructions"
    assert parse_target("pico@emulator").counts == "cycles"
    assert parse_target("esp32c3@/dev/ttyUSB0").counts == "cycles", "silicon counts cycles"


def test_micro_benchmarks_are_counted_and_their_joules_follow():
    target, board = parse_target(TARGET), parse_target("esp32c3@/dev/ttyUSB0")
    benchmark = MicroBenchmark((24, 16, 5), energy=True)
    with measure._images_ahead(target, [benchmark]) as images:
        data, image = images[0].result()
        plan = WindowPlan(0.02, 1)
        ran = measure._run(target, benchmark, data, image, plan, live_meter(None, target))
        # What counts a physical board's instructions: the same image on its emulator.
        of_board = measure._instructions(
            board, np.array([1]), lambda twin: measure._decide_on(twin, benchmark, data, image)
        )
    network = ran.network
    assert of_board == network.instructions
    assumed = target.cycles_per_instruction.value
    assert network.cycles == pytest.approx(assumed * network.instructions, rel=1e-3)
    (window,) = network.windows
    assert window.accepted, window.reason
    model = target.board.emulator
    running_w = model.supply_v * model.current_a.running.value
    seconds = network.cycles / ran.identity.clock_hz
    assert window.each_j == pytest.approx(running_w * seconds, rel=0.1)
    assert ran.meter.kind == "ina228" and str(ran.meter.provenance) == "emulated"


def test_a_profile_has_instructions_by_layer(tmp_path: Path):
    data = reference_network((16, 32, 16, 4), np.random.default_rng(3))
    model = tmp_path / "m.tflite"
    model.write_bytes(data)
    run = CliRunner().invoke(app, ["profile", TARGET, "--model", str(model), "--json"])
    assert run.exit_code == 0, run.output
    summary = json.loads(run.stdout)
    assert summary["counts"] == "instructions" and "cycles" not in summary
    layers = [layer["instructions"] for layer in summary["layers"]]
    whole = summary["instructions"]["median"]
    assert sum(layers) + summary["outside_layers"]["instructions"] == whole
    assert layers[0] > layers[1] > layers[2] > 64
    # Another way to count: the program alone, without firmware.
    compiled = compile_model(data, tmp_path / "model", kernels="rv32im")
    (alone,) = count_instructions([compiled], [np.zeros((1, 16), np.int8)])
    assert whole == pytest.approx(alone.instructions[0], rel=0.02)
    shown = io.StringIO()
    print_profile(summary, Console(file=shown, width=140))
    assert "instructions by layer" in shown.getvalue() and "one off" in shown.getvalue()
    assert "cycles/MAC" not in shown.getvalue()
