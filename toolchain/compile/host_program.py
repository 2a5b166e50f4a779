"""Runs a compiled model's C on this machine: the same source, built by ``zig cc`` for the host."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.compiled import CompiledModel, load_compiled
from toolchain.compile.kernel_sets import kernel_set
from toolchain.errors import BuildError, InputError, MissingDependencyError
from toolchain.places import FIRMWARE_DIR

KERNELS_DIR = FIRMWARE_DIR / "kernels"
"""The kernels that generated programs call."""

_BATCH_SOURCE = FIRMWARE_DIR / "engine" / "host" / "jl_host_batch.c"
_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")
_SHARED = ("-shared", "-fPIC", "-fno-sanitize=undefined")
_SHOWN_LINES = 12


def cache_dir() -> Path:
    """Folder of built host programs: ``$JOULELOOP_CACHE``, else the user's cache folder."""
    explicit = os.environ.get("JOULELOOP_CACHE")
    if explicit:
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "jouleloop"


def host_sources(compiled: CompiledModel) -> list[Path]:
    """All C files of a host program, in a fixed order."""
    return [compiled.folder / "jl_model.c", *sorted(KERNELS_DIR.glob("*.c")), _BATCH_SOURCE]


class HostProgram:
    """A compiled model as a shared library in this process.

    The library is built once per content: its name in the cache is the SHA-256 of all sources,
    flags and the compiler's version.

    Raises:
        InputError: the program is for another core than this host's.
        RunFolderError: the folder does not hold a compiled model, or it was changed.
        MissingDependencyError: the ``ziglang`` wheel is not installed.
        BuildError: the compiler refused the program, or the library cannot be loaded.
    """

    def __init__(self, compiled_dir: Path) -> None:
        self.compiled = load_compiled(compiled_dir)
        core = kernel_set(self.compiled.kernels).core
        if core is not None:
            raise InputError(
                f"{compiled_dir}: compiled with the kernels {self.compiled.kernels!r}, which run "
                f"on {core} only",
                hint="compile with the portable kernels, or count it with measure_cycles",
            )
        self.library = build_library(self.compiled)
        try:
            self._run = ctypes.CDLL(str(self.library)).jl_host_run
        except OSError as error:
            raise BuildError(
                f"{self.library} cannot be loaded: {error}",
                hint="delete this file; it is built again",
            ) from error
        self._run.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]
        self._run.restype = None

    def run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Run every row.

        Args:
            inputs: (n, n_inputs) codes, of the input's own type.

        Returns:
            (n, n_outputs) codes, of the output's own type.

        Raises:
            InputError: ``inputs`` has another shape or type.
        """
        rows = checked_rows(inputs, self.compiled)
        outputs = np.empty((len(rows), self.compiled.n_outputs), self.compiled.output.dtype)
        self._run(len(rows), rows.ctypes.data, outputs.ctypes.data)
        return outputs


def checked_rows(inputs: NDArray[Any], compiled: CompiledModel) -> NDArray[Any]:
    """Inputs as contiguous rows.

    Raises:
        InputError: they are not (n, n_inputs) codes of the input's own type.
    """
    dtype = compiled.input.dtype
    if inputs.ndim != 2 or inputs.shape[1] != compiled.n_inputs or inputs.dtype != dtype:
        raise InputError(
            f"inputs of shape {inputs.shape} and type {inputs.dtype}, expected "
            f"(n, {compiled.n_inputs}) and {dtype}",
            hint="one row per inference; toolchain.compile.quantize makes codes of real numbers",
        )
    return np.ascontiguousarray(inputs)


def build_library(compiled: CompiledModel) -> Path:
    """Build, or find in the cache, the shared library of a compiled model.

    Raises:
        MissingDependencyError: the ``ziglang`` wheel is not installed.
        BuildError: the compiler refused the program, or the cache cannot be written.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise MissingDependencyError("ziglang is not installed", hint="pip install ziglang")
    sources = host_sources(compiled)
    headers = [compiled.folder / "jl_model.h", *sorted(KERNELS_DIR.glob("*.h"))]
    library = cache_dir() / "host" / f"{_content_key([*sources, *headers])}.so"
    if library.exists():
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(
            f"{library.parent}: the cache folder cannot be made: {error}",
            hint="name one that can be written with JOULELOOP_CACHE",
        ) from error
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        built = Path(scratch) / library.name
        run_compiler([*_FLAGS, *_SHARED, *_includes(compiled), "-o", str(built)], sources)
        # Renamed into place, so that two processes may build the same program at the same time.
        built.replace(library)
    return library


def run_compiler(arguments: list[str], sources: list[Path]) -> None:
    """Call ``zig cc`` for this host.

    Raises:
        BuildError: it failed; the message holds its first lines.
    """
    command = [sys.executable, "-m", "ziglang", "cc", *arguments, *(str(s) for s in sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shown = "\n".join(done.stderr.splitlines()[:_SHOWN_LINES])
        raise BuildError(
            f"zig cc failed with exit code {done.returncode}:\n{shown}",
            hint="report this with the model: generated C must always compile",
        )


def _includes(compiled: CompiledModel) -> list[str]:
    return [f"-I{compiled.folder}", f"-I{KERNELS_DIR}"]


def _content_key(files: list[Path]) -> str:
    digest = hashlib.sha256()
    parts = [importlib.metadata.version("ziglang"), sys.platform, *_FLAGS, *_SHARED]
    digest.update("\0".join(parts).encode())
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
