"""Fixtures that compile generated programs for this host, many at a time."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from toolchain.compile import CompiledModel, compile_model
from toolchain.compile.host_program import KERNELS_DIR, run_compiler

Runner = Callable[[NDArray[Any]], NDArray[Any]]


@pytest.fixture(scope="session", autouse=True)
def _host_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep built host programs out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOULELOOP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def build_batch(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Runner]]:
    """Compile many models with one compiler call; gives one runner per model."""

    def build(models: Sequence[bytes]) -> list[Runner]:
        folder = tmp_path_factory.mktemp("batch")
        compiled: list[CompiledModel] = []
        sources: list[Path] = []
        for i, data in enumerate(models):
            compiled.append(compile_model(data, folder / str(i), name=f"network {i}"))
            wrapper = folder / f"network_{i}.c"
            wrapper.write_text(
                f'#define jl_model_run run_{i}\n#include "{i}/jl_model.c"\n', encoding="ascii"
            )
            sources.append(wrapper)
        library = folder / "batch.so"
        run_compiler(
            [
                "-std=c11",
                "-O1",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-shared",
                "-fPIC",
                "-fno-sanitize=undefined",
                f"-I{KERNELS_DIR}",
                "-o",
                str(library),
            ],
            [*sources, *sorted(KERNELS_DIR.glob("*.c"))],
        )
        loaded = ctypes.CDLL(str(library))
        return [_runner(loaded[f"run_{i}"], c) for i, c in enumerate(compiled)]

    return build


def _runner(function: Callable[[int, int], None], compiled: CompiledModel) -> Runner:
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p]  # type: ignore[attr-defined]
    function.restype = None  # type: ignore[attr-defined]

    dtype = compiled.input.dtype

    def run(inputs: NDArray[Any]) -> NDArray[Any]:
        outputs = np.zeros((len(inputs), compiled.n_outputs), dtype)
        # Fresh arrays of whole words: the program may ask for aligned buffers.
        source = np.zeros(-(-compiled.input.n_bytes // 4), np.int32)
        target = np.zeros(-(-compiled.output.n_bytes // 4), np.int32)
        for i, row in enumerate(inputs):
            source.view(dtype)[: compiled.n_inputs] = row
            function(source.ctypes.data, target.ctypes.data)
            outputs[i] = target.view(dtype)[: compiled.n_outputs]
        return outputs

    return run
