"""What the command ends with: the exit codes, and which error gives which."""

from __future__ import annotations

from enum import IntEnum

from toolchain.errors import InputError, JouleloopError


class ExitCode(IntEnum):
    """Exit codes of every command, with what they mean."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """A number with its meaning."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    DONE = 0, "done; hil: every figure is within its tolerance"
    ERROR = (
        1,
        "an error; hil, diff --exit-code: a figure got worse by more than its noise; doctor: "
        "something is missing",
    )
    USAGE = 2, "what was given cannot be used: an option, a file, a target, a run folder"
    INVALID = 3, "hil and campaign: a measurement is invalid or missing"
    DEFECT = 70, "a defect of Jouleloop itself; --debug shows where"
    INTERRUPTED = 130, "interrupted by Ctrl-C; the same command goes on from there"


def exit_code(error: BaseException) -> ExitCode:
    """The exit code of what was raised out of a command.

    An :class:`OSError` is the machine's: a full disk, a folder that may not be written.
    """
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, InputError):
        return ExitCode.USAGE
    if isinstance(error, JouleloopError | OSError):
        return ExitCode.ERROR
    return ExitCode.DEFECT
