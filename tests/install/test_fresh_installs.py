"""Both installs in fresh environments: without TensorFlow it replays and reports, with it trains.

Run with ``pytest -m install``; needs the network for pip.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from host.chain import settings
from host.chain.settings import PRESETS, PresetName

pytestmark = pytest.mark.install
ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "n_products": 60,
    "horizon_days": 30,
    "training_scenarios": 2,
    "validation_scenarios": 1,
    "rounds": 0,
    "epochs": 3,
    "generations": 2,
    "states_per_scenario": 40,
    "calibration_states": 40,
    "window_s": 0.03,
    "seeds": 1,
}
PATCH = f"""
import sys
from dataclasses import replace
from host.chain import settings
from host.chain.settings import PRESETS, PresetName
settings.PRESETS[PresetName.QUICK] = replace(PRESETS[PresetName.QUICK], **{TINY!r})
from host.cli import main
sys.argv = ["jouleloop", *sys.argv[1:]]
main()
"""


class Environment:
    """A virtual environment with the project installed, run from outside of the checkout."""

    def __init__(self, folder: Path, extras: str) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        self.python = folder / "venv" / "bin" / "python"
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"{ROOT}{extras}"], check=True, cwd=folder)

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
        )

    def cli(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return self.run("-c", PATCH, *arguments)

    def has(self, module: str) -> bool:
        return self.run("-c", f"import {module}").returncode == 0


@pytest.fixture(scope="module")
def prepared_run(tmp_path_factory, request) -> Path:
    """A run folder up to its image, made here."""
    from host.chain.stages import Chain
    from host.run import RunFolder
    from toolchain.board import load_board

    path = tmp_path_factory.mktemp("prepared") / "run"
    with pytest.MonkeyPatch.context() as patch:
        tiny = replace(PRESETS[PresetName.QUICK], **TINY)
        patch.setitem(settings.PRESETS, PresetName.QUICK, tiny)
        chain = Chain(RunFolder(path, "test"), settings.Settings(seed=9), Console(quiet=True))
        chain.generate()
        chain.train()
        chain.quantize()
        chain.compile()
        chain.build(load_board("pico"))
    return path


def test_without_the_training_extra_it_replays_compares_and_reports(prepared_run, tmp_path):
    fresh = Environment(tmp_path, "")
    assert not fresh.has("tensorflow") and not fresh.has("numba") and not fresh.has("onnx")
    replayed = fresh.cli("replay", "pico@emulator", "--out", prepared_run)
    assert replayed.returncode == 0, replayed.stderr
    reported = fresh.cli("report", "--out", prepared_run, "--json")
    assert reported.returncode == 0, reported.stderr
    result = json.loads(reported.stdout)
    assert result["agreement"]["equal_to_int8_reference"] is True
    assert result["metrics"]["decision_quality"]["value"] is not None
    assert (prepared_run / "report" / "report.html").exists()
    runs = fresh.run(
        "-c",
        "import sys; from pathlib import Path; from toolchain.quantize import HostModel; "
        "print(HostModel(Path(sys.argv[1]).read_bytes()).runtime)",
        prepared_run / "quantize" / "policy.tflite",
    )
    assert runs.stdout.startswith("ai-edge-litert"), runs.stderr
    trained = fresh.cli("train", "--out", prepared_run, "--force")
    assert trained.returncode == 1
    assert "TensorFlow" in trained.stderr and "jouleloop[train]" in trained.stderr
    assert "Traceback" not in trained.stderr


def test_with_the_training_extra_it_trains_and_quantizes(tmp_path):
    fresh = Environment(tmp_path, "[train]")
    out = tmp_path / "run"
    for stage in (("generate", "--preset", "quick"), ("train", "--seeds", "2"), ("quantize",)):
        done = fresh.cli(*stage, "--out", out)
        assert done.returncode == 0, done.stderr
    training = json.loads((out / "train" / "training.json").read_text())
    assert len(training["seeds"]) == 2 and training["quality"]["sd"] is not None
    assert (out / "train" / "policy.onnx").stat().st_size > 1_000
    assert (out / "quantize" / "policy.tflite").stat().st_size > 1_000
