"""A flash budget of a run folder: compiled for, recorded, and kept until another one is given."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def test_build_compiles_for_the_budget_and_remembers_it(
    cli, finished_run: tuple[Path, dict], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run[0], run)

    def build(*arguments: str) -> tuple[bool, dict]:
        code, out, err = cli("build", "pico@emulator", "--out", run, "--json", *arguments)
        assert code == 0, err
        return json.loads(out)["ran"], json.loads((run / "compile" / "model.json").read_text())

    ran, full = build()
    assert not ran and full["flash_budget"] is None
    ran, small = build("--flash-budget", "smallest")
    assert ran and small["flash_budget"] == "smallest"
    assert small["flash_bytes"] < full["flash_bytes"]
    assert not build()[0]
    code, out, err = cli("compile", "--out", run, "--json")
    assert code == 0, err
    assert json.loads(out)["ran"] is False
    ran, again = build("--flash-budget", "full")
    assert ran and again["files"] == full["files"]


def test_a_budget_that_cannot_be_kept_leaves_the_folder_as_it_was(
    cli, finished_run: tuple[Path, dict], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run[0], run)
    before = (run / "compile" / "model.json").read_bytes()
    code, _, err = cli("build", "pico@emulator", "--out", run, "--flash-budget", "100")
    assert code == 2
    assert "at least" in err
    assert (run / "compile" / "model.json").read_bytes() == before
