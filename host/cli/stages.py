"""Commands that run one stage on a run folder, and those that work on a single .tflite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from host.cli.completing import KERNELS, boards, one_of, run_folders
from host.cli.held import held
from host.cli.options import (
    ClockOption,
    EnergyBudgetOption,
    FlashBudgetOption,
    ForceOption,
    LeaseWaitOption,
    MeterOption,
    NoFlashOption,
    OutOption,
    ScenarioOptions,
    ShuntOption,
    TableOptions,
    TargetArgument,
    clock_hz,
    file_budget,
    given_budget,
    run_folder,
)
from host.cli.output import JsonOption, command_line, doing, messages, print_json, results
from toolchain.errors import InputError


def _stage(
    name: str,
    out: Path | None,
    *,
    as_json: bool,
    force: bool,
    target: str | None = None,
    scenario: ScenarioOptions | None = None,
    flash: bool = True,
    **others: Any,
) -> None:
    """Run a stage and say what it left; ``others`` are those of ``run_stage``."""
    folder = run_folder(out, name)
    with doing("starting"):
        from host.chain import run_stage

    scenario = scenario or ScenarioOptions()
    summary = run_stage(
        name,
        folder,
        target=target,
        preset=scenario.preset,
        seed=scenario.seed,
        generator=scenario.generator,
        force=force,
        flash=flash,
        command=command_line(),
        console=messages,
        **others,
    )
    if as_json:
        print_json(summary)
    else:
        state = "made" if summary["ran"] else "unchanged"
        print(f"{name}: {state}, {summary['folder']}")


def generate(
    scenario: ScenarioOptions,
    tables: TableOptions,
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Generate the scenario: material graph and product returns, or take your own.

    Examples:
        jouleloop generate --out runs/mine --preset quick --seed 7
        jouleloop generate --out runs/mine --returns returns.csv --graph graph.graphml
    """
    _stage("generate", out, as_json=as_json, force=force, scenario=scenario, tables=tables.own())


def train(
    out: OutOption = None,
    algorithm: Annotated[
        str | None,
        typer.Option(help="imitation (default) or ppo", autocompletion=one_of("imitation", "ppo")),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="how many to train; the best on validation ships")
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(
            help="whose limits and cost model size the network; pico if none", autocompletion=boards
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the float policy on scenarios of its own seeds.

    Interrupted, the same command goes on from the last checkpoint.

    Examples:
        jouleloop train --out runs/mine --algorithm imitation --seeds 5
    """
    options = {"algorithm": algorithm, "seeds": seeds, "board": board}
    _stage("train", out, as_json=as_json, force=force, options=options)


def quantize(
    out: OutOption = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="post-training (default) or quantization-aware",
            autocompletion=one_of("post-training", "quantization-aware"),
        ),
    ] = None,
    variants: Annotated[
        bool, typer.Option("--variants", help="also make and judge the other compressions")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="print ranges, saturation and where agreement is lost")
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Quantize the policy to an INT8 .tflite, calibrated on states that it visits.

    Examples:
        jouleloop quantize --out runs/mine
        jouleloop quantize --out runs/mine --report
    """
    options = {"method": method, "variants": variants or None}
    _stage("quantize", out, as_json=as_json and not report, force=force, options=options)
    if report and out is not None:
        with doing("ranges and saturation"):
            from host.chain import quantization_report
            from host.report.quantization import print_quantization

            summary = quantization_report(out)
        if as_json:
            print_json(summary)
        else:
            print_quantization(summary, results())


def import_(
    model: Annotated[Path, typer.Argument(help="a dense network, .onnx")],
    calibration: Annotated[Path, typer.Option(help=".npy, (n, n_in) float32: typical inputs")],
    out: Annotated[Path, typer.Option("--out", "-o", help="where the INT8 .tflite goes")],
    as_json: JsonOption = False,
) -> None:
    """Make an INT8 .tflite from a dense ONNX network that was trained elsewhere.

    Examples:
        jouleloop import model.onnx -o model.tflite --calibration x.npy
    """
    with doing(f"import {model}"):
        from host.chain import import_file

        summary = import_file(model, calibration, out)
    if as_json:
        print_json(summary)
    else:
        print(
            f"{model}: widths {summary['widths']}, {summary['tflite_bytes']:,} B -> {out}; "
            f"largest difference {summary['largest_difference']:.4g} on "
            f"{summary['calibration_rows']} rows"
        )


def compile_(
    model: Annotated[
        Path | None, typer.Argument(help="a quantized .tflite; without it, the run folder's policy")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="run folder; of a MODEL, the folder that its C goes into",
            autocompletion=run_folders,
        ),
    ] = None,
    kernels: Annotated[
        str | None,
        typer.Option(
            help="portable (default), m0plus or rv32im; of a MODEL only", autocompletion=KERNELS
        ),
    ] = None,
    flash_budget: FlashBudgetOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Generate C from a quantized .tflite: the model as an array, and the ahead-of-time program.

    A MODEL gets the portable kernels, plain C for any core, unless --kernels says otherwise; with
    --flash-budget it gets the Pico's, since the portable ones have one size.

    Examples:
        jouleloop compile model.tflite -o generated/
        jouleloop compile model.tflite -o generated/ --flash-budget smallest
        jouleloop compile --out runs/mine
    """
    if model is None:
        if kernels is not None:
            raise InputError(
                "a run folder is compiled with the kernels of its board",
                hint="leave --kernels out, or name a .tflite",
            )
        options = {"flash_budget": given_budget(flash_budget)}
        _stage("compile", out, as_json=as_json, force=force, options=options)
        return
    with doing(f"compile {model}"):
        from host.chain import compile_file

        if out is None:
            raise InputError("where should the C go?", hint="name a folder with -o DIR")
        budget = file_budget(flash_budget)
        summary = compile_file(model, out, kernels=kernels, flash_budget=budget)
    if as_json:
        print_json(summary)
        return
    print(
        f"{model}: {summary['macs']:,} MACs, {summary['weight_bytes']:,} B of weights, "
        f"{summary['arena_bytes']:,} B of arena, kernels {summary['kernels']} -> {out}"
    )
    cycles, flash_bytes = summary["cycles"], summary["flash_bytes"]
    if cycles is not None and flash_bytes is not None:
        print(f"by the cost model: {cycles:,} cycles, {flash_bytes:,} B of flash")


def build(
    target: TargetArgument,
    out: OutOption = None,
    flash_budget: FlashBudgetOption = None,
    clock: ClockOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build the firmware image for a board.

    The network is compiled anew first where --flash-budget says so, or where it was compiled for
    another core.

    Examples:
        jouleloop build pico@emulator --out runs/mine
        jouleloop build pico@emulator --out runs/mine --flash-budget smallest
    """
    _stage(
        "build",
        out,
        as_json=as_json,
        force=force,
        target=target,
        options={"flash_budget": given_budget(flash_budget)},
        clock_hz=clock_hz(clock),
    )


def replay(
    target: TargetArgument,
    out: OutOption = None,
    energy_budget: EnergyBudgetOption = None,
    meter: MeterOption = None,
    shunt: ShuntOption = None,
    force: ForceOption = False,
    no_flash: NoFlashOption = False,
    lease_wait: LeaseWaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay the scenario to the board and measure its energy windows.

    With --shunt the image is built anew for it first.

    Examples:
        jouleloop replay pico@emulator --out runs/mine
        jouleloop replay pico@emulator --out runs/mine --energy-budget 2e-5
        jouleloop replay pico@/dev/ttyUSB0 --out runs/mine --meter trace:recording.csv
    """
    with held(target, lease_wait):
        _stage(
            "replay",
            out,
            as_json=as_json,
            force=force,
            target=target,
            flash=not no_flash,
            options={"energy_budget": energy_budget, "meter": meter},
            shunt_ohm=shunt,
        )
