"""A run that is killed at any moment and started again ends in the same result."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from host.chain import settings

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

LIMIT_S = 900.0
"""Nothing takes so long, on however slow a machine."""
VARIANTS = 9
ENERGY_BUDGET = "1.6e-5"  # the finished run's

RUN = """
import json, signal, sys
from pathlib import Path
from rich.console import Console
from host.chain import bench, settings
from host.chain.settings import PRESETS, Preset, PresetName

# A shell that runs the tests in the background has its children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.PRESETS[PresetName.QUICK] = Preset(**json.loads(sys.argv[2]))
bench("pico@emulator", preset=None, seed=7, out=Path(sys.argv[1]), force=False, flash=True,
      command="test", console=Console(stderr=True), energy_budget=sys.argv[3])
"""


@pytest.fixture
def start(tmp_path: Path, small_preset: settings.Preset):
    """Starts the run in a process of its own, on a folder."""
    environment = os.environ | {"JOULELOOP_STATE": str(tmp_path / "state")}
    root = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = root

    def run(folder: Path) -> subprocess.Popen:
        command = [sys.executable, "-c", RUN, str(folder), json.dumps(asdict(small_preset))]
        command.append(ENERGY_BUDGET)
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    return run


def unreplayed(finished: Path, folder: Path) -> Path:
    """A copy of a finished run that lacks its last two stages."""
    shutil.copytree(finished, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for stage in ("replay", "report"):
        del manifest["stages"][stage]
        shutil.rmtree(folder / stage)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def journal_lines(folder: Path, variant: str) -> int:
    file = folder / ".replay.partial" / f"{variant}.journal.jsonl"
    return file.read_text().count("\n") if file.exists() else 0


def windows_began(folder: Path) -> bool:
    """All variants are there; nothing after the windows is."""
    partial = folder / ".replay.partial"
    return (
        len(list(partial.glob("*.parquet"))) == VARIANTS and not (partial / "windows.json").exists()
    )


MOMENTS: dict[str, tuple[Callable[[Path], bool], signal.Signals]] = {
    "in the first days": (lambda folder: journal_lines(folder, "nominal") >= 3, signal.SIGKILL),
    "in a later variant": (
        lambda folder: len(list((folder / ".replay.partial").glob("*.journal.jsonl"))) >= 4,
        signal.SIGKILL,
    ),
    "by Ctrl-C": (
        lambda folder: len(list((folder / ".replay.partial").glob("*.journal.jsonl"))) >= 6,
        signal.SIGINT,
    ),
    "in the windows": (windows_began, signal.SIGKILL),
}


@pytest.mark.parametrize(
    "moments",
    [
        ["in a later variant"],
        pytest.param(list(MOMENTS), id="again and again", marks=pytest.mark.long),
    ],
)
def test_killed_and_started_again_the_result_is_the_same_byte_for_byte(
    finished_run: tuple[Path, dict], start, tmp_path: Path, moments: list[str]
) -> None:
    finished, _ = finished_run
    folder = unreplayed(finished, tmp_path / "run")
    for moment in moments:
        reached, sent = MOMENTS[moment]
        process = start(folder)
        deadline = time.monotonic() + LIMIT_S
        while not reached(folder):
            assert process.poll() is None, f"{moment}: {process.communicate()[1]}"
            assert time.monotonic() < deadline, moment
            time.sleep(0.005)
        process.send_signal(sent)
        process.communicate(timeout=LIMIT_S)
        assert process.returncode != 0, moment
        assert not (folder / "report").exists()
    process = start(folder)
    _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    for name in ("report/result.json", "replay/link.json", "replay/windows.json"):
        assert (folder / name).read_bytes() == (finished / name).read_bytes(), name
    for file in sorted((finished / "replay").glob("*.parquet")):
        assert pq.read_table(folder / "replay" / file.name).equals(pq.read_table(file)), file.name
