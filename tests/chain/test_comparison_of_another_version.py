"""A report shows no comparison that another version left, and says what to do."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from rich.console import Console

from host.chain.measure import _comparison
from host.run import RunFolder, Stage, write_json
from host.target import parse_target


def test_it_is_left_out_and_the_command_that_makes_it_anew_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", "")
    earlier = {"schema": 1, "target": "pico@emulator", "networks": {"int8": {"model_sha256": "0"}}}
    folder.run(
        Stage("compare", (), (), ()), {}, lambda path: write_json(path / "comparison.json", earlier)
    )
    said = io.StringIO()
    assert _comparison(folder, "0", parse_target("pico@emulator"), Console(file=said)) is None
    assert f"jouleloop compare pico@emulator --out {folder.path}" in said.getvalue()
    shutil.rmtree(folder.path)  # what is left is held against the schema
