"""The options that several commands take, said once, and what their values mean.

Options that go together are a dataclass of annotated fields. A command names it as the type of one
parameter, :func:`with_options` gives every field an option of its own, and ``--help`` shows them
together.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_type_hints

import typer

from host.cli import completing
from host.presets import GeneratorName, PresetName
from toolchain.errors import InputError

if TYPE_CHECKING:
    from host.chain.stages import GivenBudget
    from toolchain.compile import FlashBudget
    from toolchain.scenario import OwnTables

SCENARIO = "The scenario"
TABLES = "A scenario of your own"
INSTRUMENTS = "The board and its meter"
NETWORK = "The network on the board"
JOBS = "Boards side by side"

TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="BOARD@WHERE, for example pico@emulator",
        autocompletion=completing.targets,
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="run folder", autocompletion=completing.run_folders),
]
ForceOption = Annotated[bool, typer.Option("--force", help="run it even when nothing has changed")]
NoFlashOption = Annotated[
    bool, typer.Option("--no-flash", help="use what the target runs, after checking its identity")
]
GeneratorOption = Annotated[
    GeneratorName | None,
    typer.Option(
        help="the source article's product, or families of electrical equipment",
        rich_help_panel=SCENARIO,
    ),
]
KernelsOption = Annotated[
    str | None,
    typer.Option(
        help="portable, m0plus or rv32im; by default those of the target's core",
        autocompletion=completing.KERNELS,
        rich_help_panel=NETWORK,
    ),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="networks of your own in place of a training: a run folder, or one with "
        "policy.tflite and policy_fallback.tflite",
        autocompletion=completing.run_folders,
        rich_help_panel=NETWORK,
    ),
]
FlashBudgetOption = Annotated[
    str | None,
    typer.Option(
        metavar="BYTES|smallest|full",
        help="most flash for the network's code and weights; full: as fast as it gets",
        autocompletion=completing.one_of("smallest", "full"),
        rich_help_panel=NETWORK,
    ),
]
EnergyBudgetOption = Annotated[
    str | None,
    typer.Option(
        metavar="J",
        help="J that a day's decisions may take before the fallback network decides, or 'none'; "
        "by default what the board file says",
        rich_help_panel=NETWORK,
    ),
]
MeterOption = Annotated[
    str | None,
    typer.Option(
        metavar="METER",
        help="board, none, ppk2[:PORT],volt=V, joulescope[:SERIAL] or trace:FILE; by default the "
        "board's own where it has one",
        autocompletion=completing.METERS,
        rich_help_panel=INSTRUMENTS,
    ),
]
ShuntOption = Annotated[
    float | None,
    typer.Option(
        metavar="OHM",
        help="shunt beside the board's meter, which the image is then built for; by default what "
        "the board file says",
        rich_help_panel=INSTRUMENTS,
    ),
]
ClockOption = Annotated[
    float | None,
    typer.Option(
        "--clock",
        metavar="MHZ",
        help="core clock that the image is built for, such as 48, 125, 133 or, outside of the "
        "chip's specification, 200; by default what the board file says",
        rich_help_panel=INSTRUMENTS,
    ),
]
LeaseWaitOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="S",
        help="to wait for another process that has the board; not at all by default",
        rich_help_panel=INSTRUMENTS,
    ),
]


@dataclass(frozen=True)
class ScenarioOptions:
    """Which scenario is run; None where the option is not given."""

    preset: Annotated[
        PresetName | None, typer.Option(help="size of the run", rich_help_panel=SCENARIO)
    ] = None
    seed: Annotated[
        int | None, typer.Option(help="seed of the replayed scenario", rich_help_panel=SCENARIO)
    ] = None
    generator: GeneratorOption = None


@dataclass(frozen=True)
class TableOptions:
    """Tables in the generator's place."""

    returns: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="returns of your own, .csv or .parquet, in the generator's place; columns and "
            "units are in docs/SCENARIOS.md",
            rich_help_panel=TABLES,
        ),
    ] = None
    graph: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="material graph of your own, .graphml", rich_help_panel=TABLES
        ),
    ] = None
    nodes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="the graph's nodes, .csv or .parquet; goes with --edges",
            rich_help_panel=TABLES,
        ),
    ] = None
    edges: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="the graph's edges, .csv or .parquet", rich_help_panel=TABLES
        ),
    ] = None

    def own(self) -> OwnTables:
        """The same for the chain."""
        from toolchain.scenario import OwnTables

        return OwnTables(self.returns, self.graph, self.nodes, self.edges)


@dataclass(frozen=True)
class InstrumentOptions:
    """How fast the board runs and what measures it."""

    meter: MeterOption = None
    shunt: ShuntOption = None
    clock: ClockOption = None

    @property
    def clock_hz(self) -> int | None:
        """Core clock in Hz; None for the board file's."""
        return clock_hz(self.clock)


@dataclass(frozen=True)
class BudgetOptions:
    """How much flash the network may take, and how much energy its decisions."""

    flash_budget: FlashBudgetOption = None
    energy_budget: EnergyBudgetOption = None

    @property
    def flash(self) -> GivenBudget:
        """The flash budget's value; None where it is not given."""
        return given_budget(self.flash_budget)


@dataclass(frozen=True)
class JobOptions:
    """How long the benchmarks of several boards may take and wait."""

    time_limit: Annotated[
        float | None,
        typer.Option(
            min=1,
            metavar="S",
            help="of each board; one that takes longer is given up [3600]",
            rich_help_panel=JOBS,
        ),
    ] = None
    lease_wait: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="S",
            help="to wait for another process that has a board [600]",
            rich_help_panel=JOBS,
        ),
    ] = None
    emulators: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="emulated boards that run at once; one a core by default",
            rich_help_panel=JOBS,
        ),
    ] = None

    def limits(self) -> dict[str, Any]:
        """The same as ``hil`` and ``run_campaign`` take it."""
        from host.hil.command import LEASE_WAIT_S, TIME_LIMIT_S

        return {
            "time_limit_s": TIME_LIMIT_S if self.time_limit is None else self.time_limit,
            "lease_wait_s": LEASE_WAIT_S if self.lease_wait is None else self.lease_wait,
            "emulators": self.emulators,
        }


def with_options(
    command: Callable[..., None],
    *,
    beside: type[Any] | None = None,
    settle: Callable[[Any], None] | None = None,
) -> Callable[..., None]:
    """A command whose parameters are dataclasses of options, as one of their fields.

    Typer makes an option of every parameter; a dataclass becomes a parameter for each field.

    Args:
        command: to be given to Typer.
        beside: options that the command takes as well without knowing of them.
        settle: is called with those before the command.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _parameters(hints[name])
        else:
            parameters.append(
                parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hints[name])
            )
    if beside is not None:
        parameters += _parameters(beside)

    def taken(kind: type[Any], given: dict[str, Any]) -> Any:
        return kind(**{f.name: given.pop(f.name) for f in fields(kind)})

    @functools.wraps(command)
    def of_fields(**given: Any) -> None:
        if beside is not None and settle is not None:
            settle(taken(beside, given))
        made = {name: taken(kind, given) for name, kind in groups.items()}
        command(**given, **made)

    of_fields.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    of_fields.__annotations__ = {p.name: p.annotation for p in parameters}
    return of_fields


def _parameters(kind: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]
        )
        for f in fields(kind)
    ]


def given_options(options: Any) -> dict[str, Any]:
    """The fields of a dataclass of options that were given, by name."""
    return {name: value for name, value in asdict(options).items() if value is not None}


def given_budget(text: str | None) -> GivenBudget:
    """The value of ``--flash-budget``.

    Raises:
        InputError: it is neither a number of bytes above 0, 'smallest' nor 'full'.
    """
    if text is None or text in ("smallest", "full"):
        return cast("GivenBudget", text)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InputError(
            f"--flash-budget {text!r} is neither a number of bytes above 0, 'smallest' nor 'full'",
            hint="for example --flash-budget 16000",
        )
    return int(text)


def file_budget(text: str | None) -> FlashBudget:
    """The same for a command that keeps nothing, where full speed is what is not limited."""
    budget = given_budget(text)
    return None if budget == "full" else budget


def clock_hz(mhz: float | None) -> int | None:
    """The value of ``--clock`` in Hz.

    Raises:
        InputError: it is no frequency in MHz.
    """
    if mhz is not None and not 0 < mhz < 1e6:
        raise InputError(f"--clock {mhz} is no clock in MHz", hint="for example --clock 48")
    return None if mhz is None else round(mhz * 1e6)


def run_folder(out: Path | None, command: str) -> Path:
    """The run folder of a command that works on one.

    Raises:
        InputError: none is given.
    """
    if out is None:
        raise InputError(
            f"'jouleloop {command}' works on a run folder", hint="name one with --out DIR"
        )
    return out
