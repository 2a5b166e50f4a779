"""Every error that Jouleloop raises on purpose.

    JouleloopError
    ├── InputError                what the user gave cannot be used
    │   ├── ScenarioError         a scenario, returns table or material graph
    │   ├── ModelError            a .tflite
    │   │   └── UnsupportedOperatorError
    │   ├── BoardFileError        boards/<name>/board.toml
    │   ├── TargetError           BOARD[@WHERE]
    │   └── RunFolderError        a run folder of another version, or with a stage missing
    ├── MissingDependencyError    an optional extra that is not installed
    ├── BuildError                the compiler or linker said no
    ├── FlashError                an image cannot be written into a board, or did not start there
    ├── LinkError                 the serial line
    │   ├── PortBusyError         another program has the port
    │   ├── PortPermissionError   this user may not open it
    │   ├── LinkTimeoutError      nothing answered in time
    │   ├── ProtocolError         an answer that breaks the protocol
    │   ├── BoardFaultError       the board answered with an error code
    │   └── IdentityError         something else answered than was expected
    ├── MeasurementError          a window or counter that must not be published
    └── MismatchError             the board and the reference disagree

A message gives the value, the limit and what to do next. Only the command line catches.
"""

from typing import ClassVar


class JouleloopError(Exception):
    """Base of all errors that are meant for the user.

    Args:
        message: what is wrong, with the value and the limit.
        hint: the next step, without a trailing period; shown on a line of its own. None for
            ``usual_hint``.

    Attributes:
        usual_hint: the next step where it is the same for most errors of a class; None: it is not.
    """

    usual_hint: ClassVar[str | None] = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.usual_hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  next: {self.hint}"


class InputError(JouleloopError):
    """What the user gave cannot be used."""


class ScenarioError(InputError):
    """A scenario, a returns table or a material graph cannot be used."""


class ModelError(InputError):
    """A .tflite cannot be used: broken, out of range, or not a supported network."""


class UnsupportedOperatorError(ModelError):
    """A .tflite has an operator, or a variant of one, that the compiler does not support."""


class BoardFileError(InputError):
    """A board file is missing, has an unknown key or an impossible value."""

    usual_hint = "correct the board file; boards/pico/board.toml shows every key with its unit"


class TargetError(InputError):
    """A target string names no board, or a place that does not exist."""


class RunFolderError(InputError):
    """A run folder is of another version, or lacks the stage that is asked for."""


class MissingDependencyError(JouleloopError):
    """An optional extra is needed and is not installed."""


class BuildError(JouleloopError):
    """The compiler, the linker or a check of the image failed."""


class FlashError(JouleloopError):
    """An image cannot be written into a board, or did not start there."""


class LinkError(JouleloopError):
    """The serial line failed."""


class PortBusyError(LinkError):
    """Another program has the port."""


class PortPermissionError(LinkError):
    """This user may not open the port."""


class LinkTimeoutError(LinkError):
    """Nothing answered in time."""


class ProtocolError(LinkError):
    """An answer breaks the protocol, or is of another version of it."""


class BoardFaultError(LinkError):
    """The board answered with an error code.

    Args:
        message: as of every error.
        code: the board's, as in :class:`toolchain.protocol.ErrorCode`.
        hint: as of every error.
    """

    def __init__(self, message: str, *, code: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class IdentityError(LinkError):
    """Something else answered than the image, model or board that was expected."""


class MeasurementError(JouleloopError):
    """A window or a counter that must not be published."""


class MismatchError(JouleloopError):
    """The board's result is not the reference's."""
