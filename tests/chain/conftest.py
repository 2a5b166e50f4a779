"""One small run on the emulated board, made once and shared by the tests of the chain."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from host.chain import settings
from host.chain.settings import PRESETS, PresetName

SMALL = replace(
    PRESETS[PresetName.QUICK],
    n_products=90,
    horizon_days=45,
    training_scenarios=2,
    rounds=0,
    epochs=4,
    calibration_states=60,
    window_s=0.03,
)


ENERGY_BUDGET = "1.6e-5"
"""J: some three decisions, which the small scenario has more of on some days but not on all."""


@pytest.fixture(scope="session")
def small_preset() -> settings.Preset:
    return SMALL


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Run the command line in this process; returns exit code, stdout and stderr."""
    from host import cli as module

    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))
    monkeypatch.setitem(settings.PRESETS, PresetName.QUICK, SMALL)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["jouleloop", *map(str, arguments)])
        capfd.readouterr()
        try:
            module.main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A complete run folder of the small preset and its result."""
    from rich.console import Console

    from host.chain import bench

    root = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOULELOOP_STATE", str(root / "state"))
        patch.setitem(settings.PRESETS, PresetName.QUICK, SMALL)
        result, path = bench(
            "pico@emulator",
            preset=None,
            seed=7,
            out=root / "run",
            force=False,
            flash=True,
            command="test",
            energy_budget=ENERGY_BUDGET,
            console=Console(quiet=True),
        )
    return path, result
