"""The board's own meters on the emulated Pico: firmware, registers and host together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from host.flash import open_target
from host.meter import BoardMeter
from host.metrics import Provenance, power_states
from host.replay import WindowPlan, measure_windows
from host.target import parse_target
from toolchain.board import with_shunt
from toolchain.build import Image, build_image
from toolchain.compile import compile_model
from toolchain.compile.synthetic import reference_network
from toolchain.protocol import Mode, WindowKind

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

SHUNT_OHM = 0.5
BOARD = with_shunt(parse_target("pico@emulator").board, SHUNT_OHM)
PLAN = WindowPlan(0.3, repeats=2, kinds=(WindowKind.IDLE, WindowKind.SLEEP, WindowKind.WAKE))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    root = tmp_path_factory.mktemp("pico")
    data = reference_network((6, 9, 3), np.random.default_rng(1))
    compiled = compile_model(data, root / "c", name="m", kernels="m0plus")
    return build_image(BOARD, compiled.folder, root / "b")


@pytest.mark.parametrize("kind", ["ina219", "ina226", "ina228"])
def test_each_meter_measures_the_stated_currents(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path))
    fitted = BOARD.model_copy(update={"meter": BOARD.meter.model_copy(update={"kind": kind})})
    target = replace(parse_target("pico@emulator"), board=fitted)
    with open_target(target, image) as (client, identity):
        meter = BoardMeter(client, identity, target.provenance)
        inputs, masks = np.zeros((4, 6), dtype=np.int8), np.ones((4, 3), dtype=bool)
        windows = measure_windows(client, identity, meter, inputs, masks, [Mode.FULL], PLAN)
    description = meter.describe()
    assert description.kind == kind == identity.meter
    assert description.provenance is Provenance.EMULATED
    assert description.accuracy.gains["shunt"].limit == 0.01
    states = power_states(windows, target.provenance)
    currents, supply_v = BOARD.emulator.current_a, BOARD.emulator.supply_v
    assert states.idle_w.value == pytest.approx(supply_v * currents.waiting.value, rel=0.01)
    if kind == "ina219":
        # A step of 10 uV over half an ohm is 20 uA, and 1.5 mA has only 75 of them.
        assert states.sleep_w is None
        reasons = {window.reason for window in windows if window.kind == "sleep"}
        assert reasons
        assert all("of the meter's last digit are needed" in reason for reason in reasons)
        # It converts for 68 ms at the most, so its windows are not as long as the plan says.
        assert max(window.elapsed_s for window in windows if window.kind == "idle") < 0.17
    else:
        assert states.sleep_w.value == pytest.approx(supply_v * currents.sleeping.value, rel=0.02)
