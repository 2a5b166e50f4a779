"""Commands that measure: a benchmark, networks side by side, one network, the board itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from host.cli.held import held
from host.cli.options import (
    BudgetOptions,
    ClockOption,
    FlashBudgetOption,
    ForceOption,
    InstrumentOptions,
    KernelsOption,
    LeaseWaitOption,
    NoFlashOption,
    OutOption,
    PolicyOption,
    ScenarioOptions,
    TableOptions,
    TargetArgument,
    clock_hz,
    file_budget,
)
from host.cli.output import JsonOption, command_line, doing, messages, print_json, results


class EngineName(StrEnum):
    """Engines that ``infer`` can be told to use."""

    AOT = "aot"
    TFLM = "tflm"
    FLOAT = "float"


class CompilerOption(StrEnum):
    """Compilers that ``infer`` can be told to use."""

    ZIG = "zig"
    GCC = "gcc"


def bench(
    target: TargetArgument,
    scenario: ScenarioOptions,
    tables: TableOptions,
    budgets: BudgetOptions,
    instruments: InstrumentOptions,
    policy: PolicyOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    no_flash: NoFlashOption = False,
    lease_wait: LeaseWaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole chain and print the eleven metrics.

    Examples:
        jouleloop bench pico@emulator --preset quick --seed 42
        jouleloop bench pico@emulator --returns returns.csv --nodes nodes.csv --edges edges.csv
        jouleloop bench pico@emulator --policy models/mine
        jouleloop bench pico@/dev/ttyUSB0 --meter ppk2,volt=5.0
    """
    with doing("starting"):
        from host.chain import bench as run_bench
        from host.report import print_result

    with held(target, lease_wait):
        result, folder = run_bench(
            target,
            preset=scenario.preset,
            seed=scenario.seed,
            out=out,
            force=force,
            flash=not no_flash,
            command=command_line(),
            console=messages,
            generator=scenario.generator,
            tables=tables.own(),
            policy=policy,
            flash_budget=budgets.flash,
            energy_budget=budgets.energy_budget,
            meter=instruments.meter,
            shunt_ohm=instruments.shunt,
            clock_hz=instruments.clock_hz,
        )
    if as_json:
        print_json(result)
    else:
        print_result(result, folder, results())


def compare(
    target: TargetArgument,
    scenario: ScenarioOptions,
    instruments: InstrumentOptions,
    out: OutOption = None,
    scenarios: Annotated[
        int, typer.Option(help="held-out scenarios that quality is averaged over")
    ] = 20,
    force: ForceOption = False,
    lease_wait: LeaseWaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare float32, int8, int16, pruned, narrow and fallback networks: accuracy against joules.

    Uses the scenario and policy of a run folder of 'bench', or makes them; goes on where it was.

    Examples:
        jouleloop compare pico@emulator
        jouleloop compare pico@emulator --out runs/mine --json
    """
    with doing("starting"):
        from host.compare import compare as run_compare
        from host.compare import print_comparison

    with held(target, lease_wait):
        result, path = run_compare(
            target,
            preset=scenario.preset,
            seed=scenario.seed,
            generator=scenario.generator,
            out=out,
            n_scenarios=scenarios,
            meter=instruments.meter,
            clock_hz=instruments.clock_hz,
            shunt_ohm=instruments.shunt,
            force=force,
            command=command_line(),
            console=messages,
        )
    if as_json:
        print_json(result)
    else:
        print_comparison(result, path, results())


def infer(
    target: TargetArgument,
    model: Annotated[
        Path, typer.Option(help="a .tflite: quantized for aot, float32 for float, either for tflm")
    ],
    inputs: Annotated[Path, typer.Option(help=".npy, (n, n_in), of the model's input type")],
    out: Annotated[Path, typer.Option("--out", "-o", help=".npy for (n, n_out)")],
    engine: Annotated[
        EngineName, typer.Option(help="what computes the network on the board")
    ] = EngineName.AOT,
    compiler: Annotated[
        CompilerOption | None,
        typer.Option(help="what builds the image; by default zig, and gcc for tflm"),
    ] = None,
    kernels: KernelsOption = None,
    flash_budget: FlashBudgetOption = None,
    clock: ClockOption = None,
    no_flash: NoFlashOption = False,
    lease_wait: LeaseWaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run any supported network on a target, check its outputs and count its cycles.

    Examples:
        jouleloop infer pico@emulator --model m.tflite --inputs x.npy --out y.npy --json
        jouleloop infer pico@emulator --engine float --model f.tflite --inputs x.npy --out y.npy
    """
    with doing(f"infer on {target}"):
        from host.chain import infer as run_infer
        from toolchain.protocol import Engine

        with held(target, lease_wait):
            summary = run_infer(
                target,
                model,
                inputs,
                out,
                flash=not no_flash,
                engine=Engine[engine.name],
                compiler=None if compiler is None else compiler.value,
                kernels=kernels,
                flash_budget=file_budget(flash_budget),
                clock_hz=clock_hz(clock),
            )
    if as_json:
        print_json(summary)
        return
    agreement = (
        "equal to the reference"
        if summary["equal_to_reference"]
        else f"within {summary['largest_difference']:.1e} of the reference"
    )
    outside = summary["identity"]["outside_specification"]
    print(
        f"{target}: {summary['rows']} inferences by {summary['engine']}, {agreement}"
        + ("; clock outside of the chip's specification" if outside else "")
    )
    memory = summary["memory"]
    if memory is None:
        print("cycles, memory: unavailable, since a process of this machine is no board")
    else:
        what = "cycles" if summary["instructions"] is None else "instructions"
        counted = summary[what]
        median = f"{counted['median']:,.1f}".removesuffix(".0")
        print(
            f"{what:<13}{counted['min']:,} min, {median} median, "
            f"{counted['max']:,} max ({summary['provenance']})\n"
            f"flash        {memory['flash_bytes']:,} B, of which the network "
            f"{memory['network_bytes']:,} B\n"
            f"RAM          {memory['ram_static_bytes']:,} B static, of which the network "
            f"{memory['network_ram_bytes']:,} B; {memory['stack_used_bytes']:,} B of stack"
        )
    print(f"outputs      {out}")


def profile(
    target: TargetArgument,
    model: Annotated[Path, typer.Option(help="a quantized .tflite")],
    kernels: KernelsOption = None,
    flash_budget: FlashBudgetOption = None,
    lease_wait: LeaseWaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the cycles of every layer on a target, and hold them against the theoretical minimum.

    Examples:
        jouleloop profile pico@emulator --model m.tflite
    """
    with doing(f"profile on {target}"):
        from host.chain import profile as run_profile
        from host.report.profile import print_profile

        with held(target, lease_wait):
            summary = run_profile(
                target, model, kernels=kernels, flash_budget=file_budget(flash_budget)
            )
    if as_json:
        print_json(summary)
    else:
        print_profile(summary, results())


def calibrate(
    target: TargetArgument,
    instruments: InstrumentOptions,
    quick: Annotated[
        bool, typer.Option("--quick", help="fewer networks, for a first look")
    ] = False,
    window_s: Annotated[
        float, typer.Option(min=0.01, max=60, help="shortest energy window, s of the board's clock")
    ] = 0.055,
    force: Annotated[
        bool, typer.Option("--force", help="let an emulated calibration replace a measured one")
    ] = False,
    lease_wait: LeaseWaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit cycles and joules to micro-benchmarks on the target, and keep it as its calibration.

    Sizing and every modelled figure take the calibration from then on. It is kept only where it
    predicts networks that no fit has seen.

    Examples:
        jouleloop calibrate pico@emulator
        jouleloop calibrate pico@/dev/ttyACM0 --window-s 1
    """
    with doing("starting"):
        from host.calibrate import calibrate as run_calibrate
        from host.calibrate import print_calibration
        from toolchain.errors import MeasurementError

    with held(target, lease_wait):
        made = run_calibrate(
            target,
            quick=quick,
            window_s=window_s,
            meter=instruments.meter,
            clock_hz=instruments.clock_hz,
            shunt_ohm=instruments.shunt,
            force=force,
            console=messages,
        )
    if as_json:
        print_json(made.as_json())
    else:
        print_calibration(made, results())
    if made.complaints:
        raise MeasurementError(
            f"the calibration of {target} is not kept: {made.complaints[0]}",
            hint=made.next_step,
        )
