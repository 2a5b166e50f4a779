"""Bad input gets the value, the limit and the next step, and a non-zero exit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def scenario_run(cli, tmp_path: Path) -> Path:
    code, _, err = cli("generate", "--out", tmp_path / "run", "--seed", 3)
    assert code == 0, err
    return tmp_path / "run"


def test_an_unknown_target(cli) -> None:
    code, _, err = cli("bench", "picos@emulator")
    assert code == 2
    assert "unknown board 'picos'; known boards: " in err
    assert "next:" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pico@/dev/none-such",), "there is no /dev/none-such"),
        (("pico@E660000000000000",), "no such board is plugged in"),
        (("pico@emulator", "--meter", "xx"), "--meter 'xx' is no meter"),
        (("pico@emulator", "--meter", "ppk2,volt=5"), "is emulated and draws nothing"),
        (("pico@emulator", "--energy-budget", "x"), "energy budget 'x' is not a number"),
        (("pico@emulator", "--clock", "1000"), "cpu.clock_hz 1000000000: the PLL cannot make it"),
        (("esp32c3@emulator", "--clock", "7"), "cpu.clock_hz 7000000"),
    ],
)
def test_what_a_later_stage_would_refuse_is_refused_before_training(
    cli, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = cli("bench", *arguments, "--out", tmp_path / "run")
    assert code == 2
    assert said in err and "next:" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments", [("campaign", "FILE"), ("hil", "pico@emulator", "--baseline", "FILE")]
)
def test_a_file_of_ci_that_cannot_be_read(cli, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "broken"
    file.write_text("{")
    code, _, err = cli(*(str(file) if each == "FILE" else each for each in arguments))
    assert code == 2
    assert f"{file} cannot be read" in err and "next:" in err


def test_a_truncated_model(cli, tmp_path: Path) -> None:
    model = tmp_path / "broken.tflite"
    model.write_bytes(b"\x1c\0\0\0TFL3" + bytes(40))
    code, _, err = cli("compile", model, "-o", tmp_path / "out")
    assert code == 2
    assert "broken" in err
    assert "next:" in err
    assert not (tmp_path / "out").exists()


def test_a_missing_stage_is_named(cli, tmp_path: Path) -> None:
    code, _, err = cli("replay", "pico@emulator", "--out", tmp_path / "none")
    assert code == 2
    assert "next:" in err


def test_a_run_folder_of_another_version(cli, scenario_run: Path) -> None:
    manifest = scenario_run / "manifest.json"
    data = json.loads(manifest.read_text()) | {"schema": 0}
    manifest.write_text(json.dumps(data))
    before = sorted((p, p.read_bytes()) for p in scenario_run.rglob("*") if p.is_file())
    code, _, err = cli("train", "--out", scenario_run)
    assert code == 2
    assert "schema 0" in err
    assert before == sorted((p, p.read_bytes()) for p in scenario_run.rglob("*") if p.is_file())


@pytest.mark.parametrize("damage", ["missing column", "negative mass"])
def test_a_scenario_that_cannot_be(cli, scenario_run: Path, tmp_path: Path, damage: str) -> None:
    from toolchain.errors import ScenarioError
    from toolchain.scenario import load_scenario

    folder = tmp_path / "scenario"
    shutil.copytree(scenario_run / "generate", folder)
    table = pq.read_table(folder / "returns.parquet")
    if damage == "missing column":
        table = table.drop_columns(["steel_kg"])
        message = "column 'steel_kg' is missing"
    else:
        values = table["copper_kg"].to_pylist()
        values[4] = -1.0
        index = table.column_names.index("copper_kg")
        table = table.set_column(index, "copper_kg", pa.array(values))
        message = r"column 'copper_kg', row 4: -1.0 must be 0"
    pq.write_table(table, folder / "returns.parquet")
    with pytest.raises(ScenarioError, match=message) as caught:
        load_scenario(folder)
    assert caught.value.hint


def test_a_scenario_altered_in_the_run_folder_is_refused(cli, scenario_run: Path) -> None:
    table = pq.read_table(scenario_run / "generate" / "returns.parquet")
    pq.write_table(table.slice(1), scenario_run / "generate" / "returns.parquet")
    code, _, err = cli("train", "--out", scenario_run)
    assert code == 2
    assert "not those that the manifest records" in err


def test_a_seed_out_of_range(cli, tmp_path: Path) -> None:
    code, _, err = cli("generate", "--out", tmp_path / "run", "--seed", 0)
    assert code == 2
    assert "seed 0 is out of range (1 to" in err
