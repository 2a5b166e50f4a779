"""The wheel: what is in it, and that it works by itself in an empty environment, without extras.

Run with ``make wheel``; pip needs the network.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import BytesParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from toolchain import __version__
from toolchain.compile.golden import golden
from toolchain.compile.synthetic import reference_network

pytestmark = [pytest.mark.install, pytest.mark.firmware, pytest.mark.emulator]
CARRIED = {"firmware": "toolchain/firmware", "boards": "toolchain/boards"}


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_holds_the_packages_with_their_data_and_nothing_else(wheel, checkout):
    expected = {}
    for room in ("toolchain", "host", "firmware", "boards"):
        for path in sorted((checkout / room).rglob("*")):
            if path.is_file():
                inside = path.relative_to(checkout / room).as_posix()
                expected[f"{CARRIED.get(room, room)}/{inside}"] = path.read_bytes()
    found = contents(wheel)
    info = f"jouleloop-{__version__}.dist-info"
    assert {name: found[name] for name in found if not name.startswith(info)} == expected
    suffixes = {Path(name).suffix for name in expected}
    assert suffixes >= {".py", ".c", ".h", ".S", ".cc", ".cmake", ".in", ".toml", ".j2"}
    assert not suffixes & {".pyc", ".o", ".elf", ".uf2"}


def test_its_metadata_say_what_it_is(wheel, checkout):
    found = contents(wheel)
    info = f"jouleloop-{__version__}.dist-info"
    metadata = BytesParser().parsebytes(found[f"{info}/METADATA"])
    assert (metadata["Name"], metadata["Version"]) == ("jouleloop", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_payload().strip() == (checkout / "README.md").read_text().strip()
    assert found[f"{info}/licenses/LICENSE"] == (checkout / "LICENSE").read_bytes()
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    required = {re.split(r"[^\w.-]", text)[0] for text in project["dependencies"]}
    unconditional = [text for text in metadata.get_all("Requires-Dist") if "extra ==" not in text]
    assert {re.split(r"[^\w.-]", text)[0] for text in unconditional} == required
    assert set(metadata.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    entries = found[f"{info}/entry_points.txt"].decode()
    assert "jouleloop = host.cli:main" in entries and "jouleloop = host.plugin" in entries


def test_the_source_distribution_builds_the_same_wheel(wheel, checkout, tmp_path):
    build = [sys.executable, "-m", "build", "--outdir", tmp_path, checkout]
    subprocess.run(build, check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


@pytest.fixture(scope="module")
def installed(wheel, fresh_environment, tmp_path_factory):
    return fresh_environment(tmp_path_factory.mktemp("fresh"), str(wheel))


def written(environment) -> set[str]:
    """Files of the installed packages, without the bytecode that Python adds."""
    [site] = environment.bin.parent.glob("lib/python*/site-packages")
    files = (path for room in ("toolchain", "host") for path in (site / room).rglob("*"))
    return {str(path) for path in files if path.is_file() and path.suffix != ".pyc"}


def test_it_infers_in_an_empty_environment(installed, tmp_path):
    before = written(installed)
    assert not any(map(installed.has, ("tensorflow", "numba", "onnx", "pytest")))
    assert installed.jouleloop("--version").stdout == f"jouleloop {__version__}\n"

    doctor = installed.jouleloop("doctor", "--json")
    assert doctor.returncode == 0, doctor.stderr
    assert json.loads(doctor.stdout)["healthy"] is True

    model = reference_network((24, 16, 8, 5), np.random.default_rng(5))
    rows = np.random.default_rng(6).integers(-128, 128, (9, 24)).astype(np.int8)
    (tmp_path / "model.tflite").write_bytes(model)
    np.save(tmp_path / "x.npy", rows)
    for board in ("pico", "esp32c3"):
        out = tmp_path / f"{board}.npy"
        inferred = installed.jouleloop(
            *("infer", f"{board}@emulator", "--model", tmp_path / "model.tflite"),
            *("--inputs", tmp_path / "x.npy", "--out", out, "--json"),
        )
        assert inferred.returncode == 0, inferred.stderr
        assert json.loads(inferred.stdout)["provenance"] == "emulated"
        assert (np.load(out) == golden(model, rows)).all()
    assert written(installed) == before, "the installation is no place to write to"


def test_it_replays_a_policy_that_was_trained_elsewhere(installed, checkout, tmp_path):
    generated = installed.jouleloop("generate", "--out", tmp_path / "generated")
    assert generated.returncode == 0, generated.stderr
    returns = pq.read_table(tmp_path / "generated" / "generate" / "returns.parquet")
    pq.write_table(returns.slice(0, 12), tmp_path / "returns.parquet")
    run = tmp_path / "run"
    benched = installed.jouleloop(
        *("bench", "pico@emulator", "--policy", checkout / "tests" / "hil" / "policy"),
        *("--returns", tmp_path / "returns.parquet", "--out", run, "--json"),
    )
    assert benched.returncode == 0, benched.stderr
    result = json.loads(benched.stdout)
    assert result["agreement"]["equal_to_int8_reference"] is True
    assert result["metrics"]["energy_per_decision"]["provenance"] == "emulated"
    assert (run / "report" / "report.html").stat().st_size > 10_000


def test_it_says_what_training_needs(installed, tmp_path):
    generated = installed.jouleloop("generate", "--out", tmp_path / "run")
    assert generated.returncode == 0, generated.stderr
    trained = installed.jouleloop("train", "--out", tmp_path / "run")
    assert trained.returncode == 1
    assert "TensorFlow" in trained.stderr and "pip install 'jouleloop[train]'" in trained.stderr
    assert "Traceback" not in trained.stderr
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "generate",
        "manifest.json",
    ]
