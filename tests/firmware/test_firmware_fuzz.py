"""The command loop under sanitizers and a coverage-guided fuzzer (tests/firmware/fuzz)."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from toolchain.build import sources

pytestmark = pytest.mark.firmware

RUNS = 200_000
FUZZ = Path(__file__).parent / "fuzz" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("jouleloop_fuzz", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_no_finding(fuzz, tmp_path: Path) -> None:
    compiler = fuzz.choose()
    print(compiler.name, compiler.sanitizers)
    program = fuzz.build(compiler, tmp_path)
    new = tmp_path / "new"
    new.mkdir()
    arguments = [f"-runs={RUNS}", "-seed=1", str(new), str(fuzz.CORPUS)]
    done = fuzz.run(program, arguments, tmp_path / "findings")
    assert done.returncode == 0, done.stdout[-4000:]
    assert fuzz.executions(done.stdout) >= RUNS


PLANTED = {
    "a body that is one byte too long": (
        "core/jl_frame.c",
        "if (receiver->length < sizeof receiver->bytes)",
        "if (receiver->length <= sizeof receiver->bytes)",
    ),
    "a repeated request that is executed": (
        "core/jl_core.c",
        "link->receiver.crc == kept->request_crc",
        "link->receiver.crc != kept->request_crc",
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(
    fuzz, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    file, right, wrong = PLANTED[bug]
    firmware = tmp_path / "firmware"
    shutil.copytree(sources.FIRMWARE_DIR, firmware)
    text = (firmware / file).read_text()
    assert text.count(right) == 1
    (firmware / file).write_text(text.replace(right, wrong))
    monkeypatch.setattr(sources, "FIRMWARE_DIR", firmware)
    program = fuzz.build(fuzz.choose(), tmp_path)
    done = fuzz.run(program, ["-runs=20000", "-seed=1", str(fuzz.CORPUS)], tmp_path / "findings")
    assert done.returncode != 0
    (found,) = (tmp_path / "findings").iterdir()
    again = fuzz.run(program, [str(found)], tmp_path / "again")
    assert again.returncode != 0
