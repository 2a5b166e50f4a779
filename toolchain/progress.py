"""What shows that something is under way: on a terminal a bar or a turning line, else one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)


def nowhere() -> Console:
    """A console that shows nothing."""
    return Console(quiet=True)


def bars(console: Console | None, *columns: ProgressColumn) -> Progress:
    """Bars for what is counted; none where nobody watches.

    Args:
        console: where they are drawn, if it is a terminal.
        columns: of a bar, in place of its name, itself, the count and the time that went by.
    """
    usual = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(
        *(columns or usual),
        console=console,
        transient=True,
        disable=console is None or not console.is_terminal,
    )


@contextmanager
def working(console: Console | None, what: str) -> Iterator[None]:
    """Show that something is under way which cannot be counted.

    Within it, bars and further such lines stand below this one.

    Args:
        console: where that is shown; a file or pipe gets one line.
        what: is being done.
    """
    if console is None:
        yield
        return
    if not console.is_terminal:
        console.print(f"{what} ...", markup=False, soft_wrap=True)
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with bars(console, *columns) as line:
        line.add_task(what, total=None)
        yield
