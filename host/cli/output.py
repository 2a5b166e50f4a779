"""Where the command line writes: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

from rich.console import Console

messages = Console(stderr=True, highlight=False)


def results() -> Console:
    """The console that results in words go to."""
    return Console(highlight=False)


def print_json(value: Any) -> None:
    """Print a result as JSON, which has no NaN."""
    print(json.dumps(value, indent=2, allow_nan=False))


def tell(line: str) -> None:
    """Say something beside the result, just as it is."""
    messages.print(line, markup=False, soft_wrap=True)


def tell_error(error: Exception) -> None:
    """Say what went wrong and what to do next."""
    messages.print(f"error: {error}", style="red", markup=False, soft_wrap=True)


def command_line() -> str:
    """The command that was given, to be recorded with what it makes."""
    return shlex.join(["jouleloop", *sys.argv[1:]])
