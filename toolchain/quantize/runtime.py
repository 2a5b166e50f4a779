"""The one adapter through which a ``.tflite`` of any precision is run on the host.

The golden INT8 output is TensorFlow Lite Micro's (:func:`toolchain.compile.golden`); the runtimes
here differ from it by one code now and then, so nothing that is compared bit by bit goes through
them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from toolchain.errors import InputError, MissingDependencyError, ModelError

RUNTIMES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
"""Distributions that can run a ``.tflite``, the preferred one first, and their modules."""


@dataclass(frozen=True)
class Edge:
    """Input or output: real = scale * (code - zero_point); scale 0 where it is float."""

    n_values: int
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


class HostModel:
    """A ``.tflite`` with one input and one output, batch 1, ready to run on the host.

    Args:
        data: the file's bytes.
        runtime: a key of :data:`RUNTIMES`; None for the first that is installed.

    Raises:
        InputError: an unknown runtime.
        MissingDependencyError: none of the runtimes, or not the named one, is installed.
        ModelError: the runtime refuses the file.
    """

    def __init__(self, data: bytes, runtime: str | None = None) -> None:
        self.runtime, module = _load(runtime)
        try:
            # Without delegates: they write to the terminal, and differ between versions.
            plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            self._interpreter = module.Interpreter(
                model_content=data, num_threads=1, experimental_op_resolver_type=plain
            )
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self.runtime} refuses the model: {error}") from error
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(f"{len(inputs)} inputs and {len(outputs)} outputs, must be one each")
        self._where = (inputs[0]["index"], outputs[0]["index"], tuple(inputs[0]["shape"]))
        self.input, self.output = _edge(inputs[0]), _edge(outputs[0])

    def run(self, rows: np.ndarray) -> np.ndarray:
        """(n, n_in) of the input's type to (n, n_out) of the output's type.

        Raises:
            InputError: another shape or type.
        """
        if rows.ndim != 2 or rows.shape[1] != self.input.n_values or rows.dtype != self.input.dtype:
            raise InputError(
                f"inputs of shape {rows.shape} and type {rows.dtype}, expected "
                f"(n, {self.input.n_values}) {self.input.dtype}"
            )
        source, target, shape = self._where
        results = np.empty((len(rows), self.output.n_values), self.output.dtype)
        for index, row in enumerate(rows):
            self._interpreter.set_tensor(source, row.reshape(shape))
            self._interpreter.invoke()
            results[index] = self._interpreter.get_tensor(target).reshape(-1)
        return results

    def scores(self, states: np.ndarray) -> np.ndarray:
        """(n, n_in) float32 to (n, n_out) float32, through the edges' quantization."""
        rows = np.ascontiguousarray(states, dtype=np.float32)
        if self.input.scale:
            codes = _round(rows / np.float32(self.input.scale)) + self.input.zero_point
            limits = np.iinfo(self.input.dtype)
            rows = np.clip(codes, limits.min, limits.max).astype(self.input.dtype)
        outputs = self.run(rows)
        if not self.output.scale:
            return outputs
        real = (outputs.astype(np.float64) - self.output.zero_point) * self.output.scale
        return real.astype(np.float32)


def _round(values: np.ndarray) -> np.ndarray:
    """Half away from zero, as TFLite quantizes."""
    return np.trunc(values + np.copysign(0.5, values))


def _load(runtime: str | None) -> tuple[str, Any]:
    if runtime is not None and runtime not in RUNTIMES:
        raise InputError(f"unknown runtime {runtime!r}", hint=f"use one of {', '.join(RUNTIMES)}")
    for name in [runtime] if runtime else RUNTIMES:
        try:
            module = importlib.import_module(RUNTIMES[name])
        except ImportError:
            continue
        return f"{name} {metadata.version(name)}", module
    raise MissingDependencyError(
        f"{runtime or ' and '.join(RUNTIMES)} not installed; running a .tflite on the host needs "
        "one of them",
        hint=f"pip install {runtime or next(iter(RUNTIMES))}",
    )


def _edge(details: dict[str, Any]) -> Edge:
    scale, zero_point = details["quantization"]
    n_values = int(np.prod(details["shape"]))
    return Edge(n_values, np.dtype(details["dtype"]), float(scale), int(zero_point))
