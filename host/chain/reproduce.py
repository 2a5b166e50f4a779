"""The commands that make a run again, from what its manifest records."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from host.chain.quantization import METHODS
from host.chain.settings import GIVEN, Settings
from host.run import RunFolder
from host.target import Target
from toolchain.board import Board, load_board
from toolchain.policy.algorithm import Algorithm

AGAIN = "runs/again"
"""Another folder than the run's own, where every stage would be found unchanged."""


def reproduce_commands(folder: RunFolder, target: Target, settings: Settings) -> list[str]:
    """Command lines that make the run again in a new folder, with every setting that was given.

    A setting that only a stage's own subcommand takes gets that subcommand, before ``bench`` goes
    on with what it left. What the board file says is not repeated: its version is the project's.

    Args:
        folder: with all stages up to the replay.
        target: that was replayed to.
        settings: of the scenario.
    """
    scenario = ["--preset", str(settings.preset), "--seed", str(settings.seed)]
    scenario += ["--generator", str(settings.generator)]
    for role in settings.tables:
        scenario += [f"--{role}", f"{role.upper()}_FILE"]
    train, quantize, compiled, replayed = (
        folder.stages.get(name, {}).get("parameters", {})
        for name in ("train", "quantize", "compile", "replay")
    )
    if GIVEN in train:
        scenario += ["--policy", "POLICY_DIR"]
    first: list[str] = []
    training = _options(train, {"algorithm": Algorithm.IMITATION, "seeds": settings.sizes.seeds})
    method = _options(quantize, {"method": METHODS[0]})
    method += ["--variants"] if quantize.get("variants") else []
    if training or method:
        board = ["--board", train["board"]] if "board" in train else []
        first = [
            _line("generate", scenario),
            _line("train", [*training, *board]),
            _line("quantize", method),
        ]
    given = {
        "flash-budget": compiled.get("flash_budget"),
        "energy-budget": replayed.get("energy_budget_asked"),
        "meter": replayed.get("meter"),
        **_built_for(target.board),
    }
    options = [part for name, value in given.items() if value for part in (f"--{name}", f"{value}")]
    return [*first, _line("bench", [str(target), *scenario, *options])]


def _options(recorded: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Options of what was recorded and is not the default."""
    return [
        part
        for name, default in defaults.items()
        if recorded.get(name, default) != default
        for part in (f"--{name}", str(recorded[name]))
    ]


def _built_for(board: Board) -> dict[str, str]:
    """The clock in MHz and the shunt in ohm, where they are not the board file's."""
    file, given = load_board(board.name), {}
    if board.cpu.clock_hz != file.cpu.clock_hz:
        given["clock"] = f"{board.cpu.clock_hz / 1e6:g}"
    if board.meter and file.meter and board.meter.shunt_ohm != file.meter.shunt_ohm:
        given["shunt"] = f"{board.meter.shunt_ohm:g}"
    return given


def _line(subcommand: str, arguments: Iterable[str]) -> str:
    return shlex.join(["jouleloop", subcommand, *arguments, "--out", AGAIN])
