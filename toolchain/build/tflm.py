"""A TensorFlow Lite Micro tree that the user has built: where it is, and what is wrong with it.

The project neither contains nor builds that library. ``TFLM_ROOT`` names its tree; the library is
under the tree's ``gen/``, or ``TFLM_LIB`` names it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import BuildError, MissingDependencyError

LIBRARY = "libtensorflow-microlite.a"

_INTERPRETER = Path("tensorflow/lite/micro/micro_interpreter.h")
_DOWNLOADS = Path("tensorflow/lite/micro/tools/make/downloads")
_DOWNLOADED_INCLUDES = ("flatbuffers/include", "gemmlowp", "ruy")
_ARCHIVE_MAGIC = b"!<arch>\n"
_HEADER_FOLDERS = ("tensorflow/lite", *(f"{_DOWNLOADS}/{name}" for name in _DOWNLOADED_INCLUDES))


@dataclass(frozen=True)
class TflmTree:
    """A tree that can be linked.

    Attributes:
        root: its top folder.
        library: the static library.
    """

    root: Path
    library: Path

    @property
    def includes(self) -> tuple[Path, ...]:
        """Folders of headers."""
        return (self.root, *(self.root / _DOWNLOADS / name for name in _DOWNLOADED_INCLUDES))

    def identity(self) -> dict[str, str]:
        """SHA-256, in hex, of the library and of all headers with their names."""
        headers = hashlib.sha256()
        for folder in _HEADER_FOLDERS:
            for path in sorted((self.root / folder).rglob("*.h")):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                headers.update(f"{path.relative_to(self.root).as_posix()}\n{digest}\n".encode())
        library = hashlib.sha256(self.library.read_bytes()).hexdigest()
        return {"tflm_library": library, "tflm_headers": headers.hexdigest()}


def find_tflm(core: str, environment: Mapping[str, str] = os.environ) -> TflmTree:
    """Find the user's tree and library.

    Args:
        core: the board's core, as TensorFlow Lite Micro names its build folders.
        environment: where ``TFLM_ROOT`` and ``TFLM_LIB`` are looked up.

    Raises:
        MissingDependencyError: it is not there, or not complete; the message says what is needed.
    """
    needed = (
        f"build TensorFlow Lite Micro's static library for {core} with arm-none-eabi-g++, then set "
        f"TFLM_ROOT to its tree (and TFLM_LIB to the library if it is not under gen/)"
    )
    text = environment.get("TFLM_ROOT", "")
    if not text:
        raise MissingDependencyError(
            "the engine tflm links a TensorFlow Lite Micro tree, and TFLM_ROOT is not set",
            hint=needed,
        )
    root = Path(text).expanduser().resolve()
    wanted = (_INTERPRETER, *(_DOWNLOADS / name for name in _DOWNLOADED_INCLUDES))
    missing = [path.as_posix() for path in wanted if not (root / path).exists()]
    if missing:
        raise MissingDependencyError(
            f"TFLM_ROOT is {root}, which lacks {', '.join(missing)}", hint=needed
        )
    library = environment.get("TFLM_LIB", "")
    found = Path(library).expanduser().resolve() if library else _only_library(root, core, needed)
    try:
        with found.open("rb") as file:
            magic = file.read(len(_ARCHIVE_MAGIC))
    except OSError as error:
        raise MissingDependencyError(
            f"{found} cannot be read: {error.strerror}", hint=needed
        ) from error
    if magic != _ARCHIVE_MAGIC:
        raise MissingDependencyError(f"{found} is not a static library", hint=needed)
    return TflmTree(root, found)


def find_cxx(gcc: Path) -> Path:
    """The C++ compiler beside a C compiler, with its standard library.

    Raises:
        MissingDependencyError: either is not installed.
    """
    hint = (
        "install the whole Arm GNU toolchain (on Debian: gcc-arm-none-eabi and "
        "libstdc++-arm-none-eabi-newlib)"
    )
    name = gcc.name.replace("gcc", "g++")
    found = shutil.which(name, path=str(gcc.parent)) or shutil.which(name)
    if found is None:
        raise MissingDependencyError(f"{name} is not installed", hint=hint)
    for library in ("libstdc++_nano.a", "libc_nano.a"):
        try:
            run = subprocess.run(
                [found, "-mcpu=cortex-m0plus", "-mthumb", f"-print-file-name={library}"],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BuildError(f"{found} does not run: {error}") from error
        # A library that is not found is printed as it was asked for.
        if not Path(run.stdout.strip()).is_absolute():
            raise MissingDependencyError(f"{found} has no {library}", hint=hint)
    return Path(found)


def _only_library(root: Path, core: str, needed: str) -> Path:
    libraries = sorted((root / "gen").rglob(LIBRARY))
    fitting = [path for path in libraries if core in path.relative_to(root).as_posix()]
    if len(fitting) == 1:
        return fitting[0]
    if not libraries:
        raise MissingDependencyError(f"there is no {LIBRARY} under {root / 'gen'}", hint=needed)
    names = ", ".join(str(path.relative_to(root)) for path in fitting or libraries)
    reason = "several are" if fitting else "none is, by its folder's name,"
    raise MissingDependencyError(
        f"of the libraries under TFLM_ROOT {reason} for {core}: {names}",
        hint="set TFLM_LIB to the one to link",
    )
