"""The command line: one subcommand a stage, and ``bench`` for all of them.

Only this module catches :class:`~toolchain.errors.JouleloopError`. Heavy packages are imported by
the subcommand that needs them.
"""

from __future__ import annotations

import json
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from host.presets import GeneratorName, PresetName
from toolchain import __version__
from toolchain.errors import InputError, JouleloopError

if TYPE_CHECKING:
    from host.chain.stages import GivenBudget
    from toolchain.compile import FlashBudget
    from toolchain.scenario import OwnTables

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


class EngineName(StrEnum):
    """Engines that ``infer`` can be told to use."""

    AOT = "aot"
    TFLM = "tflm"
    FLOAT = "float"


class CompilerOption(StrEnum):
    """Compilers that ``infer`` can be told to use."""

    ZIG = "zig"
    GCC = "gcc"


TargetArgument = Annotated[
    str, typer.Argument(metavar="TARGET", help="BOARD@WHERE, for example pico@emulator")
]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="run folder")]
PresetOption = Annotated[PresetName | None, typer.Option(help="size of the run")]
SeedOption = Annotated[int | None, typer.Option(help="seed of the replayed scenario")]
GeneratorOption = Annotated[
    GeneratorName | None,
    typer.Option(help="the source article's product, or families of electrical equipment"),
]
ReturnsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="returns of your own, .csv or .parquet, in the generator's place; columns and units "
        "are in docs/SCENARIOS.md",
    ),
]
GraphOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="material graph of your own, .graphml")
]
NodesOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="the graph's nodes, .csv or .parquet; goes with --edges"),
]
EdgesOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="the graph's edges, .csv or .parquet")
]
EnergyBudgetOption = Annotated[
    str | None,
    typer.Option(
        metavar="J",
        help="J that a day's decisions may take before the fallback network decides, or 'none'; "
        "by default what the board file says",
    ),
]
MeterOption = Annotated[
    str | None,
    typer.Option(
        metavar="METER",
        help="board, none, ppk2[:PORT],volt=V, joulescope[:SERIAL] or trace:FILE; by default the "
        "board's own where it has one",
    ),
]
ShuntOption = Annotated[
    float | None,
    typer.Option(
        metavar="OHM",
        help="shunt beside the board's meter, which the image is then built for; by default what "
        "the board file says",
    ),
]
ClockOption = Annotated[
    float | None,
    typer.Option(
        "--clock",
        metavar="MHZ",
        help="core clock that the image is built for, such as 48, 125, 133 or, outside of the "
        "chip's specification, 200; by default what the board file says",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON on stdout")]
ForceOption = Annotated[bool, typer.Option("--force", help="run it even when nothing has changed")]
FlashBudgetOption = Annotated[
    str | None,
    typer.Option(
        metavar="BYTES|smallest|full",
        help="most flash for the network's code and weights; full: as fast as it gets",
    ),
]
KernelsOption = Annotated[
    str | None,
    typer.Option(help="portable, m0plus or rv32im; by default those of the target's core"),
]
NoFlashOption = Annotated[
    bool, typer.Option("--no-flash", help="use what the target runs, after checking its identity")
]

TimeLimitOption = Annotated[
    float | None,
    typer.Option(
        min=1, metavar="S", help="of each board; one that takes longer is given up [3600]"
    ),
]
LeaseWaitOption = Annotated[
    float | None,
    typer.Option(min=0, metavar="S", help="to wait for another process that has a board [600]"),
]
EmulatorsOption = Annotated[
    int | None, typer.Option(min=1, help="emulated boards that run at once; one a core by default")
]


def _command() -> str:
    return shlex.join(["jouleloop", *sys.argv[1:]])


def _flash_budget(text: str | None) -> GivenBudget:
    if text is None or text in ("smallest", "full"):
        return cast("GivenBudget", text)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InputError(
            f"--flash-budget {text!r} is neither a number of bytes above 0, 'smallest' nor 'full'",
            hint="for example --flash-budget 16000",
        )
    return int(text)


def _file_budget(text: str | None) -> FlashBudget:
    """The same for a command that keeps nothing, where full speed is what is not limited."""
    budget = _flash_budget(text)
    return None if budget == "full" else budget


def _clock_hz(mhz: float | None) -> int | None:
    if mhz is not None and not 0 < mhz < 1e6:
        raise InputError(f"--clock {mhz} is no clock in MHz", hint="for example --clock 48")
    return None if mhz is None else round(mhz * 1e6)


def _given(kind: type[Any], options: dict[str, Any]) -> Any:
    """The options that are given, as what they are options of; None when none is."""
    given = {name: value for name, value in options.items() if value is not None}
    return kind(**given) if given else None


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
    generator: GeneratorOption = None,
    returns: ReturnsOption = None,
    graph: GraphOption = None,
    nodes: NodesOption = None,
    edges: EdgesOption = None,
    out: OutOption = None,
    flash_budget: FlashBudgetOption = None,
    energy_budget: EnergyBudgetOption = None,
    meter: MeterOption = None,
    shunt: ShuntOption = None,
    clock: ClockOption = None,
    as_json: JsonOption = False,
    force: ForceOption = False,
    no_flash: NoFlashOption = False,
) -> None:
    """Run the whole chain and print the eleven metrics.

    Examples: jouleloop bench pico@emulator --preset quick --seed 42 ; jouleloop bench
    pico@emulator --returns returns.csv --nodes nodes.csv --edges edges.csv ; jouleloop bench
    pico@/dev/ttyUSB0 --meter ppk2,volt=5.0
    """
    from host.chain import bench as run_bench
    from host.report import print_result
    from toolchain.scenario import OwnTables

    result, folder = run_bench(
        target,
        preset=preset,
        seed=seed,
        out=out,
        force=force,
        flash=not no_flash,
        command=_command(),
        console=messages,
        generator=generator,
        tables=OwnTables(returns, graph, nodes, edges),
        flash_budget=_flash_budget(flash_budget),
        energy_budget=energy_budget,
        meter=meter,
        shunt_ohm=shunt,
        clock_hz=_clock_hz(clock),
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
    generator: GeneratorName | None = None,
    tables: OwnTables | None = None,
    options: dict[str, Any] | None = None,
    clock_hz: int | None = None,
    shunt_ohm: float | None = None,
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
        generator=generator,
        tables=tables,
        options=options,
        clock_hz=clock_hz,
        shunt_ohm=shunt_ohm,
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
    generator: GeneratorOption = None,
    returns: ReturnsOption = None,
    graph: GraphOption = None,
    nodes: NodesOption = None,
    edges: EdgesOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Generate the scenario: material graph and product returns, or take your own.

    Examples: jouleloop generate --out runs/mine --preset quick --seed 7 ; jouleloop generate
    --out runs/mine --returns returns.csv --graph graph.graphml
    """
    from toolchain.scenario import OwnTables

    _stage(
        "generate",
        out,
        preset=preset,
        seed=seed,
        force=force,
        as_json=as_json,
        generator=generator,
        tables=OwnTables(returns, graph, nodes, edges),
    )


@app.command()
def train(
    out: OutOption = None,
    algorithm: Annotated[str | None, typer.Option(help="imitation (default) or ppo")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="how many to train; the best on validation ships")
    ] = None,
    board: Annotated[
        str | None, typer.Option(help="whose limits and cost model size the network [pico]")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the float policy on scenarios of its own seeds.

    Interrupted, the same command goes on from the last checkpoint.

    Example: jouleloop train --out runs/mine --algorithm imitation --seeds 5
    """
    options = {"algorithm": algorithm, "seeds": seeds, "board": board}
    _stage("train", out, force=force, as_json=as_json, options=options)


@app.command()
def quantize(
    out: OutOption = None,
    method: Annotated[
        str | None, typer.Option(help="post-training (default) or quantization-aware")
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

    Examples: jouleloop quantize --out runs/mine ; jouleloop quantize --out runs/mine --report
    """
    options = {"method": method, "variants": variants or None}
    _stage("quantize", out, force=force, as_json=as_json and not report, options=options)
    if report and out is not None:
        from host.chain import quantization_report
        from host.report.quantization import print_quantization

        summary = quantization_report(out)
        if as_json:
            _print_json(summary)
        else:
            print_quantization(summary, Console(highlight=False))


@app.command(name="import")
def import_(
    model: Annotated[Path, typer.Argument(help="a dense network, .onnx")],
    calibration: Annotated[Path, typer.Option(help=".npy, (n, n_in) float32: typical inputs")],
    out: Annotated[Path, typer.Option("--out", "-o", help="where the INT8 .tflite goes")],
    as_json: JsonOption = False,
) -> None:
    """Make an INT8 .tflite from a dense ONNX network that was trained elsewhere.

    Example: jouleloop import model.onnx -o model.tflite --calibration x.npy
    """
    from host.chain import import_file

    summary = import_file(model, calibration, out)
    if as_json:
        _print_json(summary)
    else:
        print(
            f"{model}: widths {summary['widths']}, {summary['tflite_bytes']:,} B -> {out}; "
            f"largest difference {summary['largest_difference']:.4g} on "
            f"{summary['calibration_rows']} rows"
        )


@app.command(name="compile")
def compile_(
    model: Annotated[
        Path | None, typer.Argument(help="a quantized .tflite; without it, the run folder's policy")
    ] = None,
    out: OutOption = None,
    kernels: Annotated[
        str | None, typer.Option(help="portable (default), m0plus or rv32im; of a MODEL only")
    ] = None,
    flash_budget: FlashBudgetOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Generate C from a quantized .tflite: the model as an array, and the ahead-of-time program.

    A MODEL gets the portable kernels, plain C for any core, unless --kernels says otherwise; with
    --flash-budget it gets the Pico's, since the portable ones have one size.

    Examples: jouleloop compile model.tflite -o generated/ ; jouleloop compile model.tflite -o
    generated/ --flash-budget smallest ; jouleloop compile --out runs/mine
    """
    if model is None:
        if kernels is not None:
            raise InputError(
                "a run folder is compiled with the kernels of its board",
                hint="leave --kernels out, or name a .tflite",
            )
        options = {"flash_budget": _flash_budget(flash_budget)}
        _stage("compile", out, force=force, as_json=as_json, options=options)
        return
    from host.chain import compile_file

    if out is None:
        raise InputError("where should the C go?", hint="name a folder with -o DIR")
    budget = _file_budget(flash_budget)
    summary = compile_file(model, out, kernels=kernels, flash_budget=budget)
    if as_json:
        _print_json(summary)
        return
    print(
        f"{model}: {summary['macs']:,} MACs, {summary['weight_bytes']:,} B of weights, "
        f"{summary['arena_bytes']:,} B of arena, kernels {summary['kernels']} -> {out}"
    )
    cycles, flash_bytes = summary["cycles"], summary["flash_bytes"]
    if cycles is not None and flash_bytes is not None:
        print(f"by the cost model: {cycles:,} cycles, {flash_bytes:,} B of flash")


@app.command()
def build(
    target: TargetArgument,
    out: OutOption = None,
    flash_budget: FlashBudgetOption = None,
    clock: ClockOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build the firmware image for a board; with --flash-budget, compile the network anew for it.

    Examples: jouleloop build pico@emulator --out runs/mine ; jouleloop build pico@emulator --out
    runs/mine --flash-budget smallest
    """
    options = {"flash_budget": _flash_budget(flash_budget)}
    _stage(
        "build",
        out,
        target=target,
        force=force,
        as_json=as_json,
        options=options,
        clock_hz=_clock_hz(clock),
    )


@app.command()
def flash(
    target: TargetArgument,
    out: OutOption = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="an image instead of a run folder's")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="msc|picoboot|swd[:PROBE]|...",
            help="how it is written; by default the first way of the board that works",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="write it even where the target runs it already")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be done, and change nothing")
    ] = False,
    no_flash: NoFlashOption = False,
    as_json: JsonOption = False,
) -> None:
    """Flash a run's image (by default the newest run's) and check the identity of what answers.

    Examples: jouleloop flash pico ; jouleloop flash pico@e660583883724a32 --out runs/mine ;
    jouleloop flash pico --image firmware.uf2 --method picoboot
    """
    from host.chain import flash_run

    def tell(line: str) -> None:
        messages.print(line, markup=False, soft_wrap=True)

    summary = flash_run(
        target,
        out,
        file=image,
        flash=not no_flash,
        method=method,
        force=force,
        dry_run=dry_run,
        tell=tell,
    )
    if as_json:
        _print_json(summary)
    elif dry_run:
        print(f"{target}: {summary['file']}", *summary["steps"], sep="\n  ")
    else:
        print(
            f"{target}: {'written' if summary['written'] else 'unchanged'}; {summary['board']} "
            f"{summary['chip_id']} runs {summary['engine']} image "
            f"{summary['image_sha256'][:12]}, model {summary['model_sha256'][:12]}"
        )


@app.command()
def replay(
    target: TargetArgument,
    out: OutOption = None,
    energy_budget: EnergyBudgetOption = None,
    meter: MeterOption = None,
    shunt: ShuntOption = None,
    force: ForceOption = False,
    no_flash: NoFlashOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replay the scenario to the board and measure its energy windows.

    With --shunt the image is built anew for it first.

    Examples: jouleloop replay pico@emulator --out runs/mine ; jouleloop replay pico@emulator
    --out runs/mine --energy-budget 2e-5 ; jouleloop replay pico@/dev/ttyUSB0 --out runs/mine
    --meter trace:recording.csv
    """
    _stage(
        "replay",
        out,
        target=target,
        force=force,
        flash=not no_flash,
        as_json=as_json,
        options={"energy_budget": energy_budget, "meter": meter},
        shunt_ohm=shunt,
    )


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
def score(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY", help="a run folder, a .npz, a .tflite, or the name of a baseline"
        ),
    ],
    scenarios: Annotated[int, typer.Option(help="held-out scenarios, at least 20")] = 20,
    like: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="run folder whose kind of scenarios is used"),
    ] = None,
    preset: Annotated[PresetName | None, typer.Option(help="size of the scenarios")] = None,
    generator: GeneratorOption = None,
    seed: Annotated[
        int | None, typer.Option(help="that the scenarios' own seeds follow from")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder of the results; the same one goes on"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="processes on this machine; one a core by default")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler to run on, tcp://HOST:8786"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a policy beside every baseline, over scenarios that it has not seen.

    The result does not depend on the workers; a run that broke off goes on where it was.

    Examples: jouleloop score runs/mine ; jouleloop score bid_price --scenarios 100 --generator
    weee ; jouleloop score policy.tflite --scheduler tcp://cluster:8786
    """
    from host.score import print_score
    from host.score import score as run_score

    summary, file = run_score(
        policy,
        n_scenarios=scenarios,
        like=like,
        preset=preset,
        generator=generator,
        seed=seed,
        out=out,
        workers=workers,
        scheduler=scheduler,
        console=messages,
    )
    if as_json:
        _print_json(summary)
    else:
        print_score(summary, file, Console(highlight=False))


@app.command()
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
        CompilerOption | None, typer.Option(help="what builds the image [zig; tflm: gcc]")
    ] = None,
    kernels: KernelsOption = None,
    flash_budget: FlashBudgetOption = None,
    clock: ClockOption = None,
    no_flash: NoFlashOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run any supported network on a target, check its outputs and count its cycles.

    Examples: jouleloop infer pico@emulator --model m.tflite --inputs x.npy --out y.npy --json ;
    jouleloop infer pico@emulator --engine float --model f.tflite --inputs x.npy --out y.npy
    """
    from host.chain import infer as run_infer
    from toolchain.protocol import Engine

    summary = run_infer(
        target,
        model,
        inputs,
        out,
        flash=not no_flash,
        engine=Engine[engine.name],
        compiler=None if compiler is None else compiler.value,
        kernels=kernels,
        flash_budget=_file_budget(flash_budget),
        clock_hz=_clock_hz(clock),
    )
    if as_json:
        _print_json(summary)
    else:
        agreement = (
            "equal to the reference"
            if summary["equal_to_reference"]
            else f"within {summary['largest_difference']:.1e} of the reference"
        )
        print(f"{target}: {summary['rows']} inferences by {summary['engine']}, {agreement}")
        memory = summary["memory"]
        if memory is None:
            print("cycles, memory: unavailable, since a process of this machine is no board")
        else:
            what = "cycles" if summary["instructions"] is None else "instructions"
            counted = summary[what]
            print(
                f"{what:<13}{counted['min']:,} min, {counted['median']:,} median, "
                f"{counted['max']:,} max ({summary['provenance']})\n"
                f"flash        {memory['flash_bytes']:,} B\n"
                f"RAM          {memory['ram_static_bytes']:,} B static, "
                f"{memory['stack_used_bytes']:,} B of stack"
            )
        print(f"outputs      {out}")


@app.command()
def profile(
    target: TargetArgument,
    model: Annotated[Path, typer.Option(help="a quantized .tflite")],
    kernels: KernelsOption = None,
    flash_budget: FlashBudgetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the cycles of every layer on a target, and hold them against the theoretical minimum.

    Example: jouleloop profile pico@emulator --model m.tflite
    """
    from host.chain import profile as run_profile
    from host.report.profile import print_profile

    summary = run_profile(target, model, kernels=kernels, flash_budget=_file_budget(flash_budget))
    if as_json:
        _print_json(summary)
    else:
        print_profile(summary, Console(highlight=False))


@app.command()
def compare(
    target: TargetArgument,
    preset: PresetOption = None,
    seed: SeedOption = None,
    generator: GeneratorOption = None,
    out: OutOption = None,
    scenarios: Annotated[
        int, typer.Option(help="held-out scenarios that quality is averaged over")
    ] = 20,
    meter: MeterOption = None,
    shunt: ShuntOption = None,
    clock: ClockOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare float32, int8, int16, pruned, narrow and fallback networks: accuracy against joules.

    Uses the scenario and policy of a run folder of 'bench', or makes them; goes on where it was.

    Examples: jouleloop compare pico@emulator ; jouleloop compare pico@emulator --out runs/mine
    --json
    """
    from host.compare import compare as run_compare
    from host.compare import print_comparison

    result, path = run_compare(
        target,
        preset=preset,
        seed=seed,
        generator=generator,
        out=out,
        n_scenarios=scenarios,
        meter=meter,
        clock_hz=_clock_hz(clock),
        shunt_ohm=shunt,
        force=force,
        command=_command(),
        console=messages,
    )
    if as_json:
        _print_json(result)
    else:
        print_comparison(result, path, Console(highlight=False))


@app.command()
def calibrate(
    target: TargetArgument,
    quick: Annotated[
        bool, typer.Option("--quick", help="fewer networks, for a first look")
    ] = False,
    window_s: Annotated[
        float, typer.Option(min=0.01, max=60, help="shortest energy window, s of the board's clock")
    ] = 0.055,
    meter: MeterOption = None,
    shunt: ShuntOption = None,
    clock: ClockOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="let an emulated calibration replace a measured one")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit cycles and joules to micro-benchmarks on the target, and keep it as its calibration.

    Sizing and every modelled figure take the calibration from then on. It is kept only where it
    predicts networks that no fit has seen.

    Examples: jouleloop calibrate pico@emulator ; jouleloop calibrate pico@/dev/ttyACM0 --window-s 1
    """
    from host.calibrate import calibrate as run_calibrate
    from host.calibrate import print_calibration
    from toolchain.errors import MeasurementError

    made = run_calibrate(
        target,
        quick=quick,
        window_s=window_s,
        meter=meter,
        clock_hz=_clock_hz(clock),
        shunt_ohm=shunt,
        force=force,
        console=messages,
    )
    if as_json:
        _print_json(made.as_json())
    else:
        print_calibration(made, Console(highlight=False))
    if made.complaints:
        raise MeasurementError(
            f"the calibration of {target} is not kept: {made.complaints[0]}",
            hint="lengthen the windows with --window-s, or leave out --quick",
        )


@app.command()
def doctor(
    target: Annotated[
        str | None, typer.Argument(metavar="[TARGET]", help="look at what this target needs")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is there and what is missing, each with its remedy; exit code 1 if something is.

    Examples: jouleloop doctor ; jouleloop doctor pico
    """
    from dataclasses import asdict

    from host.doctor import examine, healthy, print_findings

    findings = examine(target)
    if as_json:
        _print_json({"healthy": healthy(findings), "findings": [asdict(f) for f in findings]})
    else:
        print_findings(findings, Console(highlight=False))
    if not healthy(findings):
        raise typer.Exit(EXIT_ERROR)


@app.command()
def boards(as_json: JsonOption = False) -> None:
    """List the boards that Jouleloop knows, and which of them are plugged in.

    Example: jouleloop boards --json
    """
    from host.doctor import boards_as_json, list_boards, print_boards

    listed = list_boards()
    if as_json:
        _print_json(boards_as_json(listed))
    else:
        print_boards(listed, Console(highlight=False))


@app.command()
def ports(as_json: JsonOption = False) -> None:
    """List the serial ports and what answers on them; no board is reset.

    Example: jouleloop ports
    """
    from host.doctor import ask_ports, print_ports
    from host.plugged import Machine

    answers = ask_ports(Machine())
    if as_json:
        _print_json([answer.as_json() for answer in answers])
    else:
        print_ports(answers, Console(highlight=False))


@app.command()
def hil(
    targets: Annotated[
        list[str], typer.Argument(metavar="TARGET...", help="boards, for example pico@emulator")
    ],
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="accepted figures to compare with, .json")
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="write them into --baseline instead")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JUnit XML, a case per figure")
    ] = None,
    openmetrics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="OpenMetrics text, for Prometheus")
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Markdown; GITHUB_STEP_SUMMARY gets it in any case"),
    ] = None,
    preset: PresetOption = None,
    seed: SeedOption = None,
    generator: GeneratorOption = None,
    out: OutOption = None,
    flash_budget: FlashBudgetOption = None,
    energy_budget: EnergyBudgetOption = None,
    meter: MeterOption = None,
    shunt: ShuntOption = None,
    clock: ClockOption = None,
    no_flash: NoFlashOption = False,
    time_limit: TimeLimitOption = None,
    lease_wait: LeaseWaitOption = None,
    emulators: EmulatorsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Benchmark boards side by side and hold them against a baseline, for CI.

    Exit codes: 0 pass, 1 a figure got worse by more than its noise, 2 usage, 3 a measurement is
    invalid. docs/HIL.md has the tolerances.

    Examples: jouleloop hil pico@emulator --baseline baseline.json --update-baseline ; jouleloop hil
    pico@emulator pico@/dev/ttyACM0 --baseline baseline.json --junit report.xml
    """
    from host.hil import Scenario, Variant, print_hil
    from host.hil import as_json as reports_as_json
    from host.hil import hil as run_hil
    from host.hil.command import EXIT_INVALID, LEASE_WAIT_S, TIME_LIMIT_S

    scenario = {"preset": preset, "seed": seed, "generator": generator}
    variant = {
        "flash_budget": _flash_budget(flash_budget),
        "energy_budget": energy_budget,
        "meter": meter,
        "shunt_ohm": shunt,
        "clock_mhz": clock,
    }
    try:
        reports, code = run_hil(
            targets,
            baseline=baseline,
            update=update_baseline,
            scenario=_given(Scenario, scenario),
            variant=_given(Variant, variant),
            out=out,
            junit=junit,
            openmetrics=openmetrics,
            summary=summary,
            flash=not no_flash,
            time_limit_s=TIME_LIMIT_S if time_limit is None else time_limit,
            lease_wait_s=LEASE_WAIT_S if lease_wait is None else lease_wait,
            emulators=emulators,
            command=_command(),
            console=messages,
        )
    except InputError:
        raise
    except JouleloopError as error:  # 1 means a regression here
        messages.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_INVALID) from error
    if as_json:
        _print_json(reports_as_json(reports, code))
    else:
        print_hil(reports, Console(highlight=False))
    raise typer.Exit(code)


@app.command()
def campaign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="campaign, .toml (docs/HIL.md)")],
    out: OutOption = None,
    time_limit: TimeLimitOption = None,
    lease_wait: LeaseWaitOption = None,
    emulators: EmulatorsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Benchmark many boards, scenarios and variants, into one table.

    A campaign that broke off goes on where it was. Exit code 3 when a benchmark has no result.

    Example: jouleloop campaign campaign.toml --out runs/campaign
    """
    from host.hil.campaign import print_campaign, run_campaign
    from host.hil.command import EXIT_INVALID, LEASE_WAIT_S, TIME_LIMIT_S

    table, complete = run_campaign(
        file,
        out=out,
        time_limit_s=TIME_LIMIT_S if time_limit is None else time_limit,
        lease_wait_s=LEASE_WAIT_S if lease_wait is None else lease_wait,
        emulators=emulators,
        command=_command(),
        console=messages,
    )
    if as_json:
        _print_json(table.to_pylist())
    else:
        print_campaign(table, Console(highlight=False))
    raise typer.Exit(0 if complete else EXIT_INVALID)


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
