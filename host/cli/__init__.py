"""The command line: what one can want to do, as subcommands in groups.

A command is a function of the group's module; :data:`COMMANDS` lists them in the order of
``--help``. Only :func:`main` and ``hil`` catch :class:`~toolchain.errors.JouleloopError`. Heavy
packages are imported by the command that needs them, when it runs.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from host.cli import ci, desk, measure, results, stages
from host.cli.completing import whole_words
from host.cli.exits import ExitCode, exit_code
from host.cli.options import with_options
from host.cli.output import OutputOptions, begin, settle, tell, tell_defect, tell_error
from toolchain import __version__

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
    "Results": (results.runs, results.show, results.diff, results.report, results.score),
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
    epilog="[bold]Examples[/bold]\n"
    "jouleloop bench pico@emulator\n"
    "jouleloop compare pico@emulator\n"
    "jouleloop hil pico@emulator --baseline baseline.json\n\n"
    "Each COMMAND --help has more. Exit codes: "
    + ", ".join(f"{code.value} {code.name.lower()}" for code in ExitCode)
    + " (docs/COMMANDS.md).",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        print(f"jouleloop {__version__}")
        raise typer.Exit


def jouleloop(
    output: OutputOptions,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """What comes before a command's name."""
    settle(output)


def examples(command: Callable[..., None]) -> tuple[str, list[str]]:
    """A command's description and its examples, from its docstring.

    Returns:
        paragraphs without line breaks, and the examples, one command each.
    """
    text, _, lines = (inspect.getdoc(command) or "").partition("\nExamples:\n")
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return "\n\n".join(paragraphs).strip(), [x.strip() for x in lines.splitlines() if x.strip()]


def _register(command: Callable[..., None], group: str) -> None:
    text, lines = examples(command)
    app.command(
        name=command.__name__.rstrip("_"),
        help=text,
        epilog="\n".join(["[bold]Examples[/bold]", *(x.replace("[", r"\[") for x in lines)]),
        rich_help_panel=group,
    )(with_options(command, beside=OutputOptions, settle=settle))


app.callback()(with_options(jouleloop))
for _group, _commands in COMMANDS.items():
    for _command in _commands:
        _register(_command, _group)


def main() -> None:
    """Entry of the ``jouleloop`` command; errors go to stderr, without a traceback."""
    begin()
    try:
        with whole_words(os.environ):
            app(prog_name="jouleloop")
    except SystemExit as leaving:
        if leaving.code == ExitCode.INTERRUPTED:  # typer turns KeyboardInterrupt into this
            tell("interrupted; what was done is kept, the same command goes on from there")
        raise
    except Exception as error:
        code = exit_code(error)
        (tell_defect if code is ExitCode.DEFECT else tell_error)(error)
        sys.exit(code)
