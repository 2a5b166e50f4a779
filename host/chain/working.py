"""The temporary folder of a command that builds an image and keeps none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolchain.errors import BuildError


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder that is removed afterwards, unless a build failed: its error names the log in it."""
    folder = Path(tempfile.mkdtemp(prefix="jouleloop-"))
    failed = False
    try:
        yield folder
    except BuildError:
        failed = True
        raise
    finally:
        if not failed:
            shutil.rmtree(folder, ignore_errors=True)
