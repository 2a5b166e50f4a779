"""The days that a replay has had decided, kept in a file until it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TextIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolchain.errors import RunFolderError

Byte = Annotated[int, Field(ge=0, le=0xFF)]
Count = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]


class Day(BaseModel):
    """One day's decisions, and what crossed the line for them.

    Attributes:
        day: of the scenario.
        actions: the chosen outputs' indices, in order of arrival.
        modes: the :class:`~toolchain.protocol.Mode` of each.
        cycles: of each, by the board's own count.
        bytes: in both directions.
        messages: frames, likewise.
        retries: requests that were repeated.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    day: Count
    actions: list[Byte]
    modes: list[Byte]
    cycles: list[Count]
    bytes: Count
    messages: Count
    retries: Count

    def write(self, log: TextIO) -> None:
        """Append it; a host that is killed right afterwards has it."""
        log.write(self.model_dump_json() + "\n")
        log.flush()


def read_journal(path: Path) -> list[Day]:
    """The days in a journal. A last line that was cut off by a crash is cut off the file as well.

    Raises:
        RunFolderError: a whole line is not a day.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with path.open("r+b") as file:
            file.truncate(end)
    days = []
    for number, line in enumerate(content[:end].splitlines(), start=1):
        try:
            days.append(Day.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise RunFolderError(
                f"{path}, line {number} cannot be read: {where + ': ' if where else ''}"
                f"{first['msg']}",
                hint="delete the file to replay from the first day",
            ) from error
    return days


def check_day(found: Day, day: int, products: int, path: Path) -> None:
    """Make sure that a journal's day is the one that is next, with all its decisions.

    Raises:
        RunFolderError: it is not.
    """
    lengths = [len(found.actions), len(found.modes), len(found.cycles)]
    if found.day != day or lengths != [products] * len(lengths):
        raise RunFolderError(
            f"{path}: day {found.day} with {' / '.join(map(str, lengths))} actions / modes / "
            f"cycles stands where day {day} with {products} of each is expected",
            hint="delete the file to replay from the first day",
        )
