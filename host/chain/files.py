"""Files that the user names: read, or it is said why not; a place is tried before work is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from toolchain.errors import InputError


def read_bytes(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", hint="check the file's name and its rights"
        ) from error


def read_array(path: Path) -> np.ndarray:
    """The array of an ``.npy`` file.

    Raises:
        InputError: it cannot be read, or is no such file.
    """
    hint = "save it with numpy.save, one row an inference"
    try:
        array: Any = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", hint=hint) from error
    # A header is parsed as Python, whose parser has errors of many kinds, and the lengths in it may
    # be more than there is memory.
    except Exception as error:
        # numpy takes whatever it does not know for pickled objects, and advises to load them.
        reason = "" if "pickle" in str(error) else f": {error}"
        raise InputError(f"{path} is not an .npy array of numbers{reason}", hint=hint) from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays, or none", hint=hint)
    return array


def require_writable(path: Path) -> None:
    """Refuse a file that could not be written, before what would go into it is computed.

    Raises:
        InputError: its folder is not there or may not be written, or it is a folder itself.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint="name a file")
    if not path.parent.is_dir():
        raise InputError(
            f"{path}: there is no folder {path.parent}", hint="make it first, or name another place"
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(
            f"{path} may not be written", hint="check its rights, or name another place"
        )


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an ``.npy`` file of exactly this name, whatever its suffix.

    Raises:
        InputError: it cannot be written.
    """
    try:
        with path.open("wb") as file:
            np.save(file, array)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}", hint="name another place"
        ) from error
