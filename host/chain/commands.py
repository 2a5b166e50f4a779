"""What the subcommands do: open the run folder, run one stage or all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from host.chain.files import read_bytes
from host.chain.given import GivenPolicy
from host.chain.settings import GeneratorName, PresetName, Settings
from host.chain.stages import (
    BUILD,
    COMPILE,
    DEFAULT_BOARD,
    GENERATE,
    QUANTIZE,
    TRAIN,
    Chain,
    GivenBudget,
)
from host.presets import GivenGenerator, GivenPreset, generator_name, preset_name
from host.report import RESULT_FILE
from host.run import RUNS, RunFolder, sha256_file
from host.target import Target, parse_target
from toolchain.board import Board, load_board, with_shunt
from toolchain.build.chips import chip_of
from toolchain.compile import FlashBudget, compile_model, kernels_for_core
from toolchain.errors import InputError, RunFolderError, TargetError
from toolchain.progress import nowhere
from toolchain.scenario import OwnTables

PORTABLE = "portable"


def bench(
    target_text: str,
    *,
    preset: GivenPreset = None,
    seed: int | None = None,
    out: Path | str | None = None,
    force: bool = False,
    flash: bool = True,
    command: str = "",
    console: Console | None = None,
    generator: GivenGenerator = None,
    tables: OwnTables | None = None,
    policy: Path | str | None = None,
    flash_budget: GivenBudget = None,
    energy_budget: str | float | None = None,
    meter: str | None = None,
    shunt_ohm: float | None = None,
    clock_hz: int | None = None,
    layers: bool = True,
) -> tuple[dict[str, Any], Path]:
    """Benchmark a board: run every stage that has changed, from the scenario to the report.

    Without any setting, a folder whose scenario was made from tables of one's own goes on with it;
    without ``policy``, one that was given a policy with that.

    Args:
        target_text: ``BOARD@WHERE``, such as ``pico@emulator``.
        preset: size of the run, ``quick`` or ``full``; None for ``quick``.
        seed: of the replayed scenario, 1 to 999999; None for 42.
        out: run folder, where it goes on; None for one under ``runs/`` that is named after the run.
        force: run every stage, even when nothing has changed.
        flash: write the image first; otherwise the target must already run it.
        command: recorded with every stage that is run.
        console: for progress; None for nowhere.
        generator: of the scenarios, ``article`` or ``weee``; None for ``article``.
        policy: run folder, or folder of networks, in the place of a training; see
            :class:`~host.chain.given.GivenPolicy`.
        tables: returns and graph of one's own, in the generator's place.
        flash_budget: most bytes of flash for the network's code and constants, ``"smallest"`` or
            ``"full"``; None for the folder's, or full speed.
        energy_budget: J that a day's decisions may take before the fallback decides, or
            ``"none"``; None for the folder's, or what the board file says.
        meter: as ``--meter``; None for the folder's, or the board's own where it has one.
        shunt_ohm: beside the board's meter; None for the board file's.
        clock_hz: of the core; None for the board file's.
        layers: count the network's cycles by layer as well, where the target is emulated and
            flashed.

    Returns:
        The result, JSON values as in ``docs/schema`` (every figure with ``value``, ``unit`` and
        ``provenance``), and the run folder, whose ``report/`` has the page and the rows.

    Raises:
        InputError: the target, a setting or a table cannot be used.
        MismatchError: a decision of the board is not the reference's.
        JouleloopError: a stage failed; what the stages before it made is kept.
    """
    target = parse_target(target_text, clock_hz=clock_hz, shunt_ohm=shunt_ohm)
    target.require_board()
    given_j = None if energy_budget is None else str(energy_budget)
    tables = tables or OwnTables()
    settings = settings_of(preset, seed, generator, tables)
    given = None if policy is None else GivenPolicy.read(Path(policy))
    path = Path(out) if out else RUNS / _folder_name(target.board.name, settings, given)
    folder = RunFolder(path, command)
    _require_usable(target, meter, given_j, new=not folder.stages)
    recorded = _recorded(folder)
    unset = preset is None and seed is None and generator is None and not tables.files
    if unset and recorded is not None and recorded.tables:
        settings = recorded
    chain = Chain(folder, settings, console or nowhere(), force, tables, given)
    chain.generate()
    # A board without limits of its own, such as the host, runs what is sized for another one.
    chain.train(board=target.board.name if target.board.limits else None)
    chain.quantize()
    chain.compile(target.board, flash_budget)
    chain.build(target.board)
    if layers and flash and target.emulated:
        chain.profile(target)  # first, so that the replay leaves its own image in the flash
    chain.replay(target, flash=flash, energy_budget=given_j, meter=meter)
    chain.report(target)
    return _result(chain.folder), path


def _require_usable(
    target: Target, meter: str | None, energy_budget: str | None, *, new: bool
) -> None:
    """Refuse what build and replay would, before minutes of training are spent on it.

    Args:
        target: the board and where it is.
        meter: as ``--meter``.
        energy_budget: as ``--energy-budget``.
        new: nothing of the run is made yet. Otherwise the board may have played its part already,
            and is looked for when it is needed.

    Raises:
        InputError: the meter or the energy budget is none, or the meter cannot see the target.
        BoardFileError: the chip cannot run at the clock.
        TargetError: the board is not there, or several fit.
    """
    from host.chain.windows import require_usable
    from host.flash.find import find_board
    from host.meter import parse_meter
    from host.plugged import Machine
    from host.replay import energy_budget as budget_of

    choice = parse_meter(meter)
    require_usable(choice, target)
    chip_of(target.board).check(target.board)
    if energy_budget is not None:
        budget_of(target.board, energy_budget)
    # An instrument on the host may be the board's supply, so without it the board may be off.
    if not new or target.emulated or choice.on_host:
        return
    find_board(target, Machine())
    where = target.where
    if where.startswith("/") and not Path(where).exists():
        raise TargetError(
            f"{target}: there is no {where}",
            hint="check the port's name, and that the board is plugged in; 'jouleloop ports' lists "
            "what is there",
        )


def open_chain(
    board: Board,
    *,
    preset: GivenPreset = None,
    seed: int | None = None,
    generator: GivenGenerator = None,
    out: Path | str | None = None,
    command: str = "",
    console: Console | None = None,
) -> Chain:
    """The stages of a run folder: with the settings given, else the folder's own, else the default.

    Args:
        board: names the folder where ``out`` does not.
        preset: size of the run.
        seed: of the replayed scenario.
        generator: of the scenarios.
        out: the folder.
        command: recorded with every stage that is run.
        console: for progress; None for nowhere.

    Raises:
        InputError: the seed is out of range, or a name is unknown.
        RunFolderError: the folder is of another version.
    """
    settings = settings_of(preset, seed, generator, OwnTables())
    path = Path(out) if out else RUNS / _folder_name(board.name, settings)
    folder = RunFolder(path, command)
    settings = settings_of(preset, seed, generator, OwnTables(), _recorded(folder))
    return Chain(folder, settings, console or nowhere())


def run_stage(
    name: str,
    out: Path | str,
    *,
    target: str | None = None,
    preset: GivenPreset = None,
    seed: int | None = None,
    force: bool = False,
    flash: bool = True,
    command: str = "",
    console: Console | None = None,
    generator: GivenGenerator = None,
    tables: OwnTables | None = None,
    options: Mapping[str, Any] | None = None,
    clock_hz: int | None = None,
    shunt_ohm: float | None = None,
) -> dict[str, Any]:
    """Run one stage on a run folder, unless nothing has changed.

    Args:
        name: ``generate``, ``train``, ``quantize``, ``compile``, ``build`` or ``replay``.
        out: run folder.
        target: of ``build`` and ``replay``, ``BOARD@WHERE``.
        preset: of ``generate``; None for the folder's, or ``quick``.
        seed: likewise; None for the folder's, or 42.
        force: run it even when nothing has changed.
        flash: of ``replay``: write the image first.
        command: recorded with the stage.
        console: for progress; None for nowhere.
        generator: of ``generate``; None for the folder's, or ``article``.
        tables: of ``generate``: returns and graph of one's own.
        options: those of the stage's method of :class:`~host.chain.stages.Chain`; with a flash
            budget, or for a board of another core, ``build`` compiles anew first.
        clock_hz: of ``build``; what comes after it keeps to it.
        shunt_ohm: of ``replay``, which builds the image anew for that shunt first.

    Returns:
        JSON values: ``stage``, ``ran``, ``folder`` and the manifest's entry.

    Raises:
        InputError: no such stage, or one of a board without a target.
        JouleloopError: it failed, or a stage that it needs is missing.
    """
    out = Path(out)
    folder = RunFolder(out, command)
    tables = tables or OwnTables()
    if name == GENERATE.name:
        recorded = _recorded(folder)
        settings = settings_of(preset, seed, generator, tables, recorded)
    else:
        settings = recorded_settings(folder)
    chain = Chain(folder, settings, console or nowhere(), force, tables)
    if name == "replay" and target is not None:
        built = _as_built(folder, parse_target(target))
        if shunt_ohm is not None:
            built = replace(built, board=with_shunt(built.board, shunt_ohm))
            chain.build(built.board)
        ran = chain.replay(built, flash=flash, **(options or {}))
    elif name == BUILD.name and target is not None:
        board = parse_target(target, clock_hz=clock_hz).board
        flash_budget = options["flash_budget"] if options else None
        if flash_budget is not None or _compiled_for_another_core(folder, board):
            chain.compile(board, flash_budget)
        ran = chain.build(board)
    else:
        actions: dict[str, Callable[..., bool]] = {
            GENERATE.name: chain.generate,
            TRAIN.name: chain.train,
            QUANTIZE.name: chain.quantize,
            COMPILE.name: partial(chain.compile, load_board(DEFAULT_BOARD)),
        }
        if name in (BUILD.name, "replay"):
            raise InputError(f"'{name}' needs a target", hint="name one, such as 'pico@emulator'")
        if name not in actions:
            raise InputError(f"unknown stage {name!r}", hint=f"use one of {', '.join(actions)}")
        ran = actions[name](**(options or {}))
    return {"stage": name, "ran": ran, "folder": str(out / name), **folder.stages[name]}


def _compiled_for_another_core(folder: RunFolder, board: Board) -> bool:
    """Whether the folder's C has the kernels of a core that is not the board's."""
    entry = folder.stages.get(COMPILE.name)
    return entry is not None and entry["parameters"]["kernels"] != kernels_for_core(board.cpu.core)


def report_run(
    out: Path | str, *, force: bool = False, command: str = "", console: Console | None = None
) -> dict[str, Any]:
    """Compute the metrics of a run folder whose replay is complete, and write its report.

    Args:
        out: run folder.
        force: even when nothing has changed.
        command: recorded with the stage.
        console: for progress; None for nowhere.

    Returns:
        The result, as :func:`bench` returns it.

    Raises:
        RunFolderError: a stage is missing, or of an earlier version.
    """
    folder = RunFolder(Path(out), command)
    replayed = json.loads((folder.artifact("replay") / "provenance.json").read_text("utf-8"))
    chain = Chain(folder, recorded_settings(folder), console or nowhere(), force)
    chain.report(_as_built(folder, parse_target(replayed["target"])))
    return _result(folder)


def compile_file(
    model: Path | str,
    out: Path | str,
    *,
    kernels: str | None = None,
    flash_budget: FlashBudget = None,
) -> dict[str, Any]:
    """Compile one ``.tflite`` to C.

    Without ``kernels`` it gets the portable ones, which are C for any core; they have one size, so
    with a flash budget it gets those of the default board's core.

    Args:
        model: quantized ``.tflite``.
        out: folder for the C.
        kernels: ``portable``, ``m0plus`` or ``rv32im``.
        flash_budget: most bytes of code and constants, or ``"smallest"``; None for full speed.

    Returns:
        JSON values of :class:`~toolchain.compile.CompiledModel`: MACs, bytes, cycles by the cost
        model.

    Raises:
        ModelError: the network is not supported.
        InputError: the model cannot be read, or the budget cannot be kept.
    """
    model = Path(model)
    if kernels is None and flash_budget is not None:
        kernels = kernels_for_core(load_board(DEFAULT_BOARD).cpu.core)
    compiled = compile_model(
        read_bytes(model),
        Path(out),
        name=model.stem,
        kernels=kernels or PORTABLE,
        flash_budget=flash_budget,
    )
    return compiled.model_dump(mode="json", by_alias=True)


def settings_of(
    preset: GivenPreset,
    seed: int | None,
    generator: GivenGenerator,
    tables: OwnTables,
    recorded: Settings | None = None,
) -> Settings:
    """The settings that are given, then those that a folder records, then the defaults.

    Raises:
        InputError: the seed is out of range, a name is unknown, or a table cannot be read.
    """
    base = recorded or Settings()
    files = {role: _sha256(path) for role, path in tables.files.items()}
    return Settings(
        preset_name(preset) or base.preset,
        base.seed if seed is None else seed,
        generator_name(generator) or base.generator,
        files or base.tables,
    )


def recorded_settings(folder: RunFolder) -> Settings:
    """The settings that a run folder's scenario was made with.

    Raises:
        RunFolderError: it has no scenario.
    """
    settings = _recorded(folder)
    if settings is None:
        raise RunFolderError(
            f"{folder.path} has no scenario", hint=f"run 'jouleloop generate --out {folder.path}'"
        )
    return settings


def _recorded(folder: RunFolder) -> Settings | None:
    entry = folder.stages.get(GENERATE.name)
    if entry is None:
        return None
    given = entry["parameters"]
    return Settings(
        PresetName(given["preset"]),
        given["seed"],
        GeneratorName(given["generator"]),
        given.get("tables", {}),
    )


def _as_built(folder: RunFolder, target: Target) -> Target:
    """The target with the clock and shunt that the folder's image was built for."""
    entry = folder.stages.get(BUILD.name)
    if entry is None or entry["parameters"]["board"]["name"] != target.board.name:
        return target  # the stage that needs the image says what is missing
    return replace(target, board=Board.model_validate(entry["parameters"]["board"]))


def _folder_name(board: str, settings: Settings, policy: GivenPolicy | None = None) -> str:
    if settings.tables:
        kind = "own-" + _digest(settings.tables)
    else:
        kind = "" if settings.generator is Settings.generator else str(settings.generator)
    given = "" if policy is None else "policy-" + _digest(policy.sha256)
    return "-".join(
        part for part in (board, kind, given, str(settings.preset), str(settings.seed)) if part
    )


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(files.values()).encode()).hexdigest()[:8]


def _sha256(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", hint="check the file's name and its rights"
        ) from error


def _result(folder: RunFolder) -> dict[str, Any]:
    file = folder.artifact("report") / RESULT_FILE
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return result
