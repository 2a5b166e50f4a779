"""The command that a report gives to make its run again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from host.chain.reproduce import reproduce_commands
from host.chain.settings import Settings
from host.presets import GeneratorName
from host.run import RunFolder
from host.target import parse_target

SETTINGS = Settings(seed=9)
SCENARIO = "--preset quick --seed 9 --generator article"


@pytest.fixture
def folder(tmp_path: Path):
    """A run folder that records these parameters."""

    def make(**stages: dict) -> RunFolder:
        entries = {name: {"parameters": parameters} for name, parameters in stages.items()}
        manifest = {"schema": 1, "jouleloop": "0", "stages": entries}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        return RunFolder(tmp_path, "test")

    return make


def test_a_plain_run_is_one_command(folder) -> None:
    run = folder(
        train={"algorithm": "imitation", "seeds": SETTINGS.sizes.seeds, "board": "pico"},
        quantize={"method": "post-training", "variants": False},
        compile={"kernels": "m0plus", "flash_budget": None},
        replay={"energy_budget_asked": None, "meter": None},
    )
    assert reproduce_commands(run, parse_target("pico@emulator"), SETTINGS) == [
        f"jouleloop bench pico@emulator {SCENARIO} --out runs/again"
    ]


def test_a_policy_that_was_given_is_to_be_given_again(folder) -> None:
    given = {"given": {"policy.tflite": "ab" * 32}}
    run = folder(train=given | {"board": "pico"}, quantize=given, compile={}, replay={})
    assert reproduce_commands(run, parse_target("pico@emulator"), SETTINGS) == [
        f"jouleloop bench pico@emulator {SCENARIO} --policy POLICY_DIR --out runs/again"
    ]


def test_every_setting_that_was_given_is_in_it(folder) -> None:
    run = folder(
        train={"algorithm": "ppo", "seeds": 3, "board": "pico"},
        quantize={"method": "quantization-aware", "variants": True},
        compile={"kernels": "m0plus", "flash_budget": 9000},
        replay={"energy_budget_asked": "0", "meter": "ppk2,volt=5.0"},
    )
    target = parse_target("pico@/dev/ttyUSB0", clock_hz=48_000_000, shunt_ohm=0.1)
    settings = replace(SETTINGS, generator=GeneratorName.WEEE, tables={"returns": "ab" * 32})
    scenario = "--preset quick --seed 9 --generator weee --returns RETURNS_FILE"
    assert reproduce_commands(run, target, settings) == [
        f"jouleloop generate {scenario} --out runs/again",
        "jouleloop train --algorithm ppo --seeds 3 --board pico --out runs/again",
        "jouleloop quantize --method quantization-aware --variants --out runs/again",
        f"jouleloop bench pico@/dev/ttyUSB0 {scenario} --flash-budget 9000 --energy-budget 0 "
        "--meter ppk2,volt=5.0 --clock 48 --shunt 0.1 --out runs/again",
    ]
