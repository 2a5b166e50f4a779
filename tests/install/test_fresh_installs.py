"""Installs in fresh environments: without TensorFlow it replays, compares, reports; with it trains.

A third one is an old gateway: NumPy 1.x, and tflite-runtime in ai-edge-litert's place. Run with
``pytest -m install``; needs the network for pip, and some minutes.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from host.chain import settings
from host.chain.settings import PRESETS, PresetName

pytestmark = pytest.mark.install
TINY = {
    "n_products": 60,
    "horizon_days": 30,
    "training_scenarios": 4,
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
        chain.quantize(variants=True)
        chain.compile(load_board("pico"))
        chain.build(load_board("pico"))
    return path


def replay_and_report(fresh, run: Path) -> None:
    replayed = fresh.run("-c", PATCH, "replay", "pico@emulator", "--out", run)
    assert replayed.returncode == 0, replayed.stderr
    reported = fresh.run("-c", PATCH, "report", "--out", run, "--json")
    assert reported.returncode == 0, reported.stderr
    result = json.loads(reported.stdout)
    assert result["agreement"]["equal_to_int8_reference"] is True
    assert result["metrics"]["decision_quality"]["value"] is not None
    assert (run / "report" / "report.html").exists()


def score(fresh, policy: Path, run: Path) -> dict:
    """What a policy is worth on scenarios like the run folder's, by the command line."""
    out = fresh.folder / f"score-{policy.stem}"
    scored = fresh.run(
        *("-c", PATCH, "score", policy, "--like", run, "--out", out, "--workers", "1", "--json")
    )
    assert scored.returncode == 0, scored.stderr
    return json.loads(scored.stdout)


def runtimes(fresh, run: Path) -> list[str]:
    """What runs the INT8 and the float model there, and its NumPy."""
    code = (
        "import sys, numpy; from pathlib import Path; from toolchain.quantize import HostModel\n"
        "for name in ('policy', 'policy_float'):\n"
        "    host = HostModel((Path(sys.argv[1]) / f'{name}.tflite').read_bytes())\n"
        "    assert host.scores(numpy.zeros((1, 24), 'float32')).shape == (1, 5)\n"
        "    print(host.runtime)\n"
        "print(numpy.__version__)"
    )
    ran = fresh.run("-c", code, run / "quantize")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_without_the_training_extra_it_replays_compares_and_reports(
    prepared_run, checkout, fresh_environment, tmp_path
):
    fresh = fresh_environment(tmp_path, str(checkout))
    assert not fresh.has("tensorflow") and not fresh.has("numba") and not fresh.has("onnx")
    run = shutil.copytree(prepared_run, tmp_path / "run")
    replay_and_report(fresh, run)
    compared = fresh.run("-c", PATCH, "compare", "pico@emulator", "--out", run, "--json")
    assert compared.returncode == 0, compared.stderr
    assert "train: as it was made, since TensorFlow, numba, onnx not installed" in compared.stderr
    networks = set(json.loads(compared.stdout)["networks"])
    assert networks >= {"float32", "int8", "int16", "pruned", "narrow", "fallback"}
    assert score(fresh, run, run)["difference"] is not None
    assert all(line.startswith("ai-edge-litert") for line in runtimes(fresh, run)[:2])
    trained = fresh.run("-c", PATCH, "train", "--out", run, "--force")
    assert trained.returncode == 1
    assert "TensorFlow" in trained.stderr and "jouleloop[train]" in trained.stderr
    assert "Traceback" not in trained.stderr


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="tflite-runtime has no wheel for it")
def test_a_gateway_with_numpy_1_and_tflite_runtime_replays_and_reports(
    prepared_run, checkout, fresh_environment, tmp_path
):
    # From 23 on pyarrow needs NumPy 2, without saying so to pip.
    fresh = fresh_environment(tmp_path, str(checkout), "numpy<2", "pyarrow<23")
    fresh.pip("uninstall", "--yes", "ai-edge-litert")
    fresh.pip("install", "tflite-runtime==2.14.0", "numpy<2")
    run = shutil.copytree(prepared_run, tmp_path / "run")
    replay_and_report(fresh, run)
    int8, float32, numpy = runtimes(fresh, run)
    assert int8 == float32 == "tflite-runtime 2.14.0"
    assert numpy.startswith("1.")
    scored = score(fresh, run / "quantize" / "policy_float.tflite", run)
    assert scored["job"]["ran_by"] == {"policy_float": "tflite-runtime 2.14.0"}


def test_with_the_training_extra_it_trains_and_quantizes(checkout, fresh_environment, tmp_path):
    fresh = fresh_environment(tmp_path, f"{checkout}[train]")
    out = tmp_path / "run"
    for stage in (("generate", "--preset", "quick"), ("train", "--seeds", "2"), ("quantize",)):
        done = fresh.run("-c", PATCH, *stage, "--out", out)
        assert done.returncode == 0, done.stderr
    training = json.loads((out / "train" / "training.json").read_text())
    assert len(training["seeds"]) == 2 and training["quality"]["sd"] is not None
    assert (out / "train" / "policy.onnx").stat().st_size > 1_000
    assert (out / "quantize" / "policy.tflite").stat().st_size > 1_000
