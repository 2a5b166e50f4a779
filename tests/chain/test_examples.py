"""The examples of docs/API.md, run as they stand there; tests/compare runs the third."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from host.chain import settings
from host.hil import JobRunner, Scenario, hil
from host.presets import PresetName
from toolchain.errors import InputError

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

ROOT = Path(__file__).resolve().parents[2]
WORKER = (sys.executable, str(Path(__file__).with_name("small_worker.py")))
LINES = 13
"""Of an example, blank lines and imports included."""


def examples() -> dict[str, list[str]]:
    """The Python of each section."""
    sections = re.split(r"^## ", (ROOT / "docs" / "API.md").read_text(encoding="utf-8"), flags=re.M)
    return {
        section.partition("\n")[0]: re.findall(r"```python\n(.*?)```", section, re.S)
        for section in sections
    }


BENCH, HIL, COMPARE = (
    examples()[title]
    for title in ("Bench a board", "Hardware in the loop, in CI", "Accuracy against joules")
)


@pytest.fixture
def here(finished_run, small_preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A working folder; what an example runs goes on with the finished run, but for its report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("JOULELOOP_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setitem(settings.PRESETS, PresetName.QUICK, small_preset)

    def prepare(folder: str) -> None:
        shutil.copytree(finished_run[0], tmp_path / folder)
        shutil.rmtree(tmp_path / folder / "report")

    return prepare


def test_they_are_short() -> None:
    for text in (*BENCH, *HIL, *COMPARE):
        assert len(text.splitlines()) <= LINES


def test_bench_a_board(here, finished_run, capsys: pytest.CaptureFixture[str]) -> None:
    here("runs/pico-quick-7")
    (text,) = BENCH
    exec(text, {})
    out, err = capsys.readouterr()
    assert not err
    quality = finished_run[1]["metrics"]["decision_quality"]["value"]
    assert f"decision_quality: {quality} 1 (modelled)\n" in out
    assert re.search(r"^energy_per_decision: .* J \(emulated\)$", out, re.M)
    assert f"composite: {finished_run[1]['composite']['value']:.3f}\n" in out
    page = Path(out.splitlines()[-1].removeprefix("page: "))
    assert page == Path("runs/pico-quick-7/report/report.html")
    assert page.is_file()


def test_hil_in_ci(here, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The call and the test of the plugin, over one run of a worker in a process of its own."""
    call, plugin = HIL
    monkeypatch.setattr("host.hil.command.JobRunner", partial(JobRunner, worker=WORKER))
    here("runs/hil/pico@emulator/run")
    hil(["pico@emulator"], baseline="baseline.json", update=True, scenario=Scenario(seed=7))
    with pytest.raises(SystemExit) as left:
        exec(call, {})
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert re.search(r"^latency_us.median: [\d.]+ us, within \(baseline [\d.]+\)$", out, re.M)
    assert Path("report.xml").is_file()

    Path("runs/pytest/pico@emulator").mkdir(parents=True)
    Path("runs/hil/pico@emulator").rename("runs/pytest/pico@emulator/default")
    Path("test_board.py").write_text(plugin, encoding="utf-8")
    Path("conftest.py").write_text(
        "from functools import partial\nfrom host.hil import JobRunner, under_test\n"
        f"under_test.JobRunner = partial(JobRunner, worker={WORKER!r})\n",
        encoding="utf-8",
    )
    options = ("-q", "-p", "no:cacheprovider", "--target", "pico@emulator")
    loaded = () if _installed() else ("-p", "host.plugin")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *loaded, *options, "--baseline", "baseline.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def _installed() -> bool:
    """Whether pytest finds the plugin by itself."""
    from importlib.metadata import entry_points

    return any(point.name == "jouleloop" for point in entry_points(group="pytest11"))


def test_names_are_checked(here) -> None:
    from host.chain import bench, infer, run_stage

    with pytest.raises(InputError, match="unknown preset 'tiny'"):
        bench("pico@emulator", preset="tiny")
    with pytest.raises(InputError, match="unknown generator 'cars'"):
        run_stage("generate", "run", generator="cars")
    with pytest.raises(InputError, match="unknown stage 'cook'"):
        run_stage("cook", _generated())
    with pytest.raises(InputError, match="'replay' needs a target"):
        run_stage("replay", _generated())
    with pytest.raises(InputError, match="unknown engine 'gpu'"):
        infer("pico@emulator", "m.tflite", "x.npy", "y.npy", engine="gpu")


def _generated() -> Path:
    from host.chain import run_stage

    assert run_stage("generate", "run")["folder"] == str(Path("run") / "generate")
    return Path("run")
