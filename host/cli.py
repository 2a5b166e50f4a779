"""The command line: one subcommand a stage, and ``bench`` for all of them.

Only this module catches :class:`~toolchain.errors.JouleloopError`. Heavy packages are imported by
the subcommand that needs them.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from host.chain.settings import PresetName
from toolchain import __version__
from toolchain.errors import InputError, JouleloopError

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="jouleloop",
    help="What a circular-economy decision costs on a microcontroller.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
messages = Console(stderr=True, highlight=False)

TargetArgument = Annotated[
    str, typer.Argument(metavar="TARGET", help="BOARD@WHERE, for example pico@emulator")
]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="run folder")]
PresetOption = Annotated[PresetName | None, typer.Option(help="size of the run")]
SeedOption = Annotated[int | None, typer.Option(help="seed of the replayed scenario")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON on stdout")]
ForceOption = Annotated[bool, typer.Option("--force", help="run it even when nothing has changed")]
NoFlashOption = Annotated[
    bool, typer.Option("--no-flash", help="use what the target runs, after checking its identity")
]


def _command() -> str:
    return shlex.join(["jouleloop", *sys.argv[1:]])


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


def _version(value: bool) -> None:
    if value:
        print(f"jouleloop {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """What a circular-economy decision costs on a microcontroller."""


@app.command()
def bench(
    target: TargetArgument,
    preset: PresetOption = None,
    seed: SeedOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
    force: ForceOption = False,
    no_flash: NoFlashOption = False,
) -> None:
    """Run the whole chain and print the eleven metrics.

    Example: jouleloop bench pico@emulator --preset quick --seed 42
    """
    from host.chain import bench as run_bench
    from host.report import print_result

    result, folder = run_bench(
        target,
        preset=preset,
        seed=seed,
        out=out,
        force=force,
        flash=not no_flash,
        command=_command(),
        console=messages,
    )
    if as_json:
        _print_json(result)
    else:
        print_result(result, folder, Console(highlight=False))


def _stage(
    name: str,
    out: Path | None,
    *,
    target: str | None = None,
    preset: PresetName | None = None,
    seed: int | None = None,
    force: bool = False,
    flash: bool = True,
    as_json: bool = False,
) -> None:
    from host.chain import run_stage

    if out is None:
        raise InputError(
            f"'jouleloop {name}' works on a run folder", hint="name one with --out DIR"
        )
    summary = run_stage(
        name,
        out,
        target=target,
        preset=preset,
        seed=seed,
        force=force,
        flash=flash,
        command=_command(),
        console=messages,
    )
    if as_json:
        _print_json(summary)
    else:
        state = "made" if summary["ran"] else "unchanged"
        print(f"{name}: {state}, {summary['folder']}")


@app.command()
def generate(
    out: OutOption = None,
    preset: PresetOption = None,
    seed: SeedOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Generate the scenario: material graph and product returns.

    Example: jouleloop generate --out runs/mine --preset quick --seed 7
    """
    _stage("generate", out, preset=preset, seed=seed, force=force, as_json=as_json)


@app.command()
def train(out: OutOption = None, force: ForceOption = False, as_json: JsonOption = False) -> None:
    """Train the float policy on scenarios of its own seeds.

    Example: jouleloop train --out runs/mine
    """
    _stage("train", out, force=force, as_json=as_json)


@app.command()
def quantize(
    out: OutOption = None, force: ForceOption = False, as_json: JsonOption = False
) -> None:
    """Quantize the policy to an INT8 .tflite, calibrated on states that it visits.

    Example: jouleloop quantize --out runs/mine
    """
    _stage("quantize", out, force=force, as_json=as_json)


@app.command(name="compile")
def compile_(
    model: Annotated[
        Path | None, typer.Argument(help="an INT8 .tflite; without it, the run folder's policy")
    ] = None,
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Generate C from an INT8 .tflite: the model as an array, and the ahead-of-time program.

    Examples: jouleloop compile model.tflite -o generated/ ; jouleloop compile --out runs/mine
    """
    if model is None:
        _stage("compile", out, force=force, as_json=as_json)
        return
    from host.chain import compile_file

    if out is None:
        raise InputError("where should the C go?", hint="name a folder with -o DIR")
    summary = compile_file(model, out)
    if as_json:
        _print_json(summary)
    else:
        print(
            f"{model}: {summary['macs']:,} MACs, {summary['weight_bytes']:,} B of weights, "
            f"{summary['arena_bytes']:,} B of arena -> {out}"
        )


@app.command()
def build(
    target: TargetArgument,
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build the firmware image for a board.

    Example: jouleloop build pico@emulator --out runs/mine
    """
    _stage("build", out, target=target, force=force, as_json=as_json)


@app.command()
def flash(
    target: TargetArgument,
    out: OutOption = None,
    no_flash: NoFlashOption = False,
    as_json: JsonOption = False,
) -> None:
    """Flash a run folder's image and check the identity of what answers.

    Example: jouleloop flash pico@emulator --out runs/mine
    """
    from host.chain import flash_run

    if out is None:
        raise InputError("'jouleloop flash' works on a run folder", hint="name one with --out DIR")
    identity = flash_run(target, out, flash=not no_flash)
    if as_json:
        _print_json(identity)
    else:
        print(
            f"{target}: {identity['board']} {identity['chip_id']} runs {identity['engine']} image "
            f"{identity['image_sha256'][:12]}, model {identity['model_sha256'][:12]}"
        )


@app.command()
def replay(
    target: TargetArgument,
    out: OutOption = None,
    force: ForceOption = False,
    no_flash: NoFlashOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replay the scenario to the board and measure its energy windows.

    Example: jouleloop replay pico@emulator --out runs/mine
    """
    _stage("replay", out, target=target, force=force, flash=not no_flash, as_json=as_json)


@app.command()
def report(
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compute the metrics from the rows and write result.json and report.html.

    Example: jouleloop report --out runs/mine
    """
    from host.chain import report_run
    from host.report import print_result

    if out is None:
        raise InputError("'jouleloop report' works on a run folder", hint="name one with --out DIR")
    result = report_run(out, force=force, command=_command(), console=messages)
    if as_json:
        _print_json(result)
    else:
        print_result(result, out, Console(highlight=False))


@app.command()
def infer(
    target: TargetArgument,
    model: Annotated[Path, typer.Option(help="an INT8 .tflite")],
    inputs: Annotated[Path, typer.Option(help=".npy, (n, n_in) int8")],
    out: Annotated[Path, typer.Option("--out", "-o", help=".npy for (n, n_out) int8")],
    no_flash: NoFlashOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run any supported INT8 network on a target and count its cycles.

    Example: jouleloop infer pico@emulator --model m.tflite --inputs x.npy --out y.npy --json
    """
    from host.chain import infer as run_infer

    summary = run_infer(target, model, inputs, out, flash=not no_flash)
    if as_json:
        _print_json(summary)
    else:
        cycles = summary["cycles"]
        memory = summary["memory"]
        print(
            f"{target}: {summary['rows']} inferences, equal to the INT8 reference\n"
            f"cycles      {cycles['min']:,} min, {cycles['median']:,} median, {cycles['max']:,} max"
            f" ({summary['provenance']})\n"
            f"flash       {memory['flash_bytes']:,} B\n"
            f"RAM         {memory['ram_static_bytes']:,} B static, "
            f"{memory['stack_used_bytes']:,} B of stack\n"
            f"outputs     {out}"
        )


def main() -> None:
    """Entry of the ``jouleloop`` command; errors go to stderr, without a traceback."""
    try:
        app(standalone_mode=True)
    except JouleloopError as error:
        messages.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(EXIT_USAGE if isinstance(error, InputError) else EXIT_ERROR)
    except SystemExit as leaving:
        if leaving.code == EXIT_INTERRUPTED:  # typer turns KeyboardInterrupt into this
            messages.print(
                "interrupted; what was done is kept, the same command goes on from there"
            )
        raise


if __name__ == "__main__":
    main()
