"""TensorFlow, imported late and quietly; only training and quantizing need it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from toolchain.errors import MissingDependencyError

_PACKAGES = {"tensorflow": "TensorFlow", "numba": "numba", "onnx": "onnx"}


def missing_for_training() -> tuple[str, ...]:
    """What of the ``train`` extra is not installed; found without importing it."""
    return tuple(
        name for module, name in _PACKAGES.items() if importlib.util.find_spec(module) is None
    )


def require_training() -> None:
    """Check that the ``train`` extra is installed, without importing it.

    Raises:
        MissingDependencyError: it is not; names what is missing.
    """
    missing = missing_for_training()
    if missing:
        raise MissingDependencyError(
            f"{', '.join(missing)} not installed; training and quantizing need it",
            hint="pip install 'jouleloop[train]'",
        )


def import_tensorflow() -> Any:
    """TensorFlow, quiet.

    Raises:
        MissingDependencyError: the ``train`` extra is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        with without_chatter():
            return importlib.import_module("tensorflow")
    except ImportError as error:
        raise MissingDependencyError(
            "TensorFlow is not installed; training and quantizing need it",
            hint="pip install 'jouleloop[train]'",
        ) from error


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """TensorFlow's C++ writes to the file descriptors themselves; keep that off the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as sink, contextlib.redirect_stdout(io.StringIO()):
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            yield
        finally:
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])
