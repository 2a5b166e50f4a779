"""What the subcommands do: open the run folder, run one stage or all of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from host.chain.settings import PresetName, Settings
from host.chain.stages import BUILD, COMPILE, GENERATE, QUANTIZE, TRAIN, Chain
from host.flash import open_target
from host.report import RESULT_FILE
from host.run import RunFolder
from host.target import parse_target
from toolchain.build import load_image
from toolchain.compile import compile_model
from toolchain.errors import InputError, RunFolderError

RUNS = Path("runs")


def bench(
    target_text: str,
    *,
    preset: PresetName | None,
    seed: int | None,
    out: Path | None,
    force: bool,
    flash: bool,
    command: str,
    console: Console,
) -> tuple[dict[str, Any], Path]:
    """Run every stage; returns the result and the run folder.

    Raises:
        JouleloopError: a stage failed; what the stages before it made is kept.
    """
    target = parse_target(target_text)
    settings = Settings(preset or Settings.preset, Settings.seed if seed is None else seed)
    path = out or RUNS / f"{target.board.name}-{settings.preset}-{settings.seed}"
    chain = Chain(RunFolder(path, command), settings, console, force)
    chain.generate()
    chain.train()
    chain.quantize()
    chain.compile()
    chain.build(target.board)
    chain.replay(target, flash=flash)
    chain.report(target)
    return _result(chain.folder), path


def run_stage(
    name: str,
    out: Path,
    *,
    target: str | None,
    preset: PresetName | None,
    seed: int | None,
    force: bool,
    flash: bool,
    command: str,
    console: Console,
) -> dict[str, Any]:
    """Run one stage on a run folder; returns JSON values about what it left.

    Raises:
        JouleloopError: it failed, or a stage that it needs is missing.
    """
    folder = RunFolder(out, command)
    if name == GENERATE.name:
        recorded = _recorded(folder)
        settings = Settings(
            preset or (recorded.preset if recorded else Settings.preset),
            seed if seed is not None else (recorded.seed if recorded else Settings.seed),
        )
    else:
        settings = _settings(folder)
    chain = Chain(folder, settings, console, force)
    if name == "replay" and target is not None:
        ran = chain.replay(parse_target(target), flash=flash)
    elif name == BUILD.name and target is not None:
        ran = chain.build(parse_target(target).board)
    else:
        actions = {
            GENERATE.name: chain.generate,
            TRAIN.name: chain.train,
            QUANTIZE.name: chain.quantize,
            COMPILE.name: chain.compile,
        }
        ran = actions[name]()
    return {"stage": name, "ran": ran, "folder": str(out / name), **folder.stages[name]}


def report_run(out: Path, *, force: bool, command: str, console: Console) -> dict[str, Any]:
    """Compute the metrics of a run folder whose replay is complete; returns the result."""
    folder = RunFolder(out, command)
    replayed = json.loads((folder.artifact("replay") / "provenance.json").read_text("utf-8"))
    chain = Chain(folder, _settings(folder), console, force)
    chain.report(parse_target(replayed["target"]))
    return _result(folder)


def flash_run(target_text: str, out: Path, *, flash: bool, command: str = "") -> dict[str, Any]:
    """Flash a run folder's image; returns the identity of what answers."""
    folder = RunFolder(out, command)
    image = load_image(folder.artifact(BUILD.name))
    with open_target(parse_target(target_text), image, flash=flash) as (_, identity):
        return asdict(identity)


def compile_file(model: Path, out: Path) -> dict[str, Any]:
    """Compile one ``.tflite``; returns what was made, as JSON values."""
    try:
        data = model.read_bytes()
    except OSError as error:
        raise InputError(f"{model} cannot be read: {error.strerror}") from error
    return compile_model(data, out, name=model.stem).model_dump(mode="json")


def _recorded(folder: RunFolder) -> Settings | None:
    entry = folder.stages.get(GENERATE.name)
    if entry is None:
        return None
    parameters = entry["parameters"]
    return Settings(PresetName(parameters["preset"]), parameters["seed"], parameters["generator"])


def _settings(folder: RunFolder) -> Settings:
    settings = _recorded(folder)
    if settings is None:
        raise RunFolderError(
            f"{folder.path} has no scenario", hint=f"run 'jouleloop generate --out {folder.path}'"
        )
    return settings


def _result(folder: RunFolder) -> dict[str, Any]:
    file = folder.artifact("report") / RESULT_FILE
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return result
