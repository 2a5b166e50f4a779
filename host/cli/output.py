"""Where the command line writes: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console

OUTPUT = "What is printed"

JsonOption = Annotated[
    bool, typer.Option("--json", help="print the result as JSON", rich_help_panel=OUTPUT)
]


@dataclass(frozen=True)
class OutputOptions:
    """What every command takes, before its name or after it."""

    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="nothing but results and errors", rich_help_panel=OUTPUT
        ),
    ] = False
    no_color: Annotated[
        bool,
        typer.Option(
            "--no-color",
            help="no colours on a terminal either; so does NO_COLOR in the environment",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    debug: Annotated[
        bool,
        typer.Option("--debug", help="show an error's traceback", rich_help_panel=OUTPUT),
    ] = False


messages = Console(stderr=True, highlight=False)
"""Progress, and what is said beside a result."""

_errors = Console(stderr=True, highlight=False)
_debug = False


def begin() -> None:
    """Write as every command does that is given no option about it."""
    global _debug
    _debug = messages.quiet = False
    messages.no_color = _errors.no_color = bool(os.environ.get("NO_COLOR"))


def settle(options: OutputOptions) -> None:
    """Write as these options say, beside those that were settled before."""
    global _debug
    _debug |= options.debug
    messages.quiet |= options.quiet
    if options.no_color:
        messages.no_color = _errors.no_color = True


def results() -> Console:
    """The console that results in words go to."""
    return Console(highlight=False, no_color=messages.no_color)


def print_json(value: Any) -> None:
    """Print a result as JSON, which has no NaN."""
    print(json.dumps(value, indent=2, allow_nan=False))


def tell(line: str) -> None:
    """Say something beside the result, just as it is."""
    messages.print(line, markup=False, soft_wrap=True)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Show on a terminal that a command is at something which may take more than two seconds.

    Packages are part of that: what reads a network or a table takes a second or two to import.
    """
    from toolchain.progress import working

    with working(messages if messages.is_terminal else None, what):
        yield


def tell_error(error: BaseException | str) -> None:
    """Say what went wrong and what to do next; with ``--debug``, where."""
    if _debug and isinstance(error, BaseException):
        traceback.print_exception(error, file=sys.stderr)
    _errors.print(f"error: {error}", style="red", markup=False, soft_wrap=True)


def tell_defect(error: BaseException) -> None:
    """Say that Jouleloop itself is at fault, and how to see where."""
    if _debug:
        traceback.print_exception(error, file=sys.stderr)
    remedy = "report it with the traceback above" if _debug else "--debug shows where; report it"
    tell_error(f"a defect of Jouleloop, {type(error).__name__}: {error}\n  next: {remedy}")


def command_line() -> str:
    """The command that was given, to be recorded with what it makes."""
    return shlex.join(["jouleloop", *sys.argv[1:]])
