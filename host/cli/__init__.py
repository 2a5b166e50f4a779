"""The command line: what one can want to do, as subcommands in groups.

A command is a function of the group's module; :data:`COMMANDS` lists them in the order of
``--help``. Only :func:`main` and ``hil`` catch :class:`~toolchain.errors.JouleloopError`. Heavy
packages are imported by the command that needs them, when it runs.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from host.cli import ci, desk, measure, results, stages
from host.cli.options import with_options
from host.cli.output import tell, tell_error
from toolchain import __version__
from toolchain.errors import InputError, JouleloopError

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Measure": (
        measure.bench,
        measure.compare,
        measure.infer,
        measure.profile,
        measure.calibrate,
    ),
    "Put it into CI": (ci.hil, ci.campaign),
    "The board on the desk": (desk.doctor, desk.boards, desk.ports, desk.flash),
    "Results": (results.runs, results.show, results.report, results.score),
    "One stage each": (
        stages.generate,
        stages.train,
        stages.quantize,
        stages.compile_,
        stages.build,
        stages.replay,
    ),
    "A network from elsewhere": (stages.import_,),
}
"""The commands by what one wants to do."""

app = typer.Typer(
    name="jouleloop",
    help="What a circular-economy decision costs on a microcontroller.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


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


def examples(command: Callable[..., None]) -> tuple[str, list[str]]:
    """A command's docstring without its examples, and the examples, one a line."""
    text, _, lines = (inspect.getdoc(command) or "").partition("\nExamples:\n")
    return text.strip(), [line.strip() for line in lines.splitlines() if line.strip()]


def _register(command: Callable[..., None], group: str) -> None:
    text, lines = examples(command)
    app.command(
        name=command.__name__.rstrip("_"),
        help=text,
        # Typer joins lines, but not paragraphs.
        epilog="\n\n".join(["[bold]Examples[/bold]", *(x.replace("[", r"\[") for x in lines)]),
        rich_help_panel=group,
    )(with_options(command))


for _group, _commands in COMMANDS.items():
    for _command in _commands:
        _register(_command, _group)


def main() -> None:
    """Entry of the ``jouleloop`` command; errors go to stderr, without a traceback."""
    try:
        app(standalone_mode=True)
    except JouleloopError as error:
        tell_error(error)
        sys.exit(EXIT_USAGE if isinstance(error, InputError) else EXIT_ERROR)
    except SystemExit as leaving:
        if leaving.code == EXIT_INTERRUPTED:  # typer turns KeyboardInterrupt into this
            tell("interrupted; what was done is kept, the same command goes on from there")
        raise
