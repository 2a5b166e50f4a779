"""The golden output: TensorFlow Lite Micro's own interpreter, from its Python wheel.

Other runtimes differ from it by one code here and there; see FACTS.md, section 6.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.flatbuffer import MALFORMED
from toolchain.compile.reader import read_network
from toolchain.errors import InputError, MissingDependencyError, ModelError

_ARENA_BYTES = 1 << 20
"""Room for the interpreter's structures, beside what the model's size suggests."""

_REFUSALS: tuple[type[Exception], ...] = (RuntimeError, *MALFORMED)
"""What the wheel raises: its Python part parses the whole file, unlike :func:`read_network`."""


def golden(data: bytes, inputs: NDArray[Any]) -> NDArray[Any]:
    """Run a supported network with TensorFlow Lite Micro.

    Args:
        data: a ``.tflite`` that :func:`read_network` accepts. It is read first, because the
            interpreter itself trusts its input.
        inputs: (n, n_inputs), of the file's own input type: int8, int16, or float32 where the file
            begins with a QUANTIZE.

    Returns:
        (n, n_outputs), of the file's own output type: int8, int16, or float32 where it ends with
        a DEQUANTIZE.

    Raises:
        ModelError: the network is not supported, or the interpreter refuses it.
        InputError: ``inputs`` has another shape or type.
        MissingDependencyError: the ``tflite-micro`` wheel is not installed.
    """
    return GoldenModel(data).run(inputs)


class GoldenModel:
    """The same for a network that is run again and again: read once, with one interpreter.

    An interpreter has one memory, so an object is for one thread.

    Args:
        data: as of :func:`golden`.

    Raises:
        ModelError: as :func:`golden`.
        MissingDependencyError: as :func:`golden`.
    """

    def __init__(self, data: bytes) -> None:
        network = read_network(data)
        self._n_inputs, self._n_outputs = network.input.n_values, network.output.n_values
        self._input_type = np.dtype(np.float32) if network.float_input else network.input.dtype
        self._output_type = np.dtype(np.float32) if network.float_output else network.output.dtype
        self._interpreter = _interpreter(data)

    def run(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """(n, n_inputs) to (n, n_outputs), of the types of :func:`golden`.

        Raises:
            ModelError: the interpreter answers in another type.
            InputError: ``inputs`` has another shape or type.
        """
        rows = checked_rows(inputs, self._n_inputs, self._input_type)
        return _run(self._interpreter, rows, self._n_outputs, self._output_type)


def run_interpreter(
    data: bytes, rows: NDArray[Any], n_outputs: int, output_type: np.dtype[Any]
) -> NDArray[Any]:
    """Run a file that has been read and checked with TensorFlow Lite Micro.

    Args:
        data: the ``.tflite``.
        rows: (n, n_inputs), of the file's own input type.
        n_outputs: values of one output row.
        output_type: of the file.

    Returns:
        (n, n_outputs) of ``output_type``.

    Raises:
        ModelError: the interpreter refuses it, or answers in another type.
        MissingDependencyError: the ``tflite-micro`` wheel is not installed.
    """
    return _run(_interpreter(data), rows, n_outputs, output_type)


def _run(
    interpreter: Any, rows: NDArray[Any], n_outputs: int, output_type: np.dtype[Any]
) -> NDArray[Any]:
    shape = tuple(interpreter.get_input_details(0)["shape"])
    outputs = np.empty((len(rows), n_outputs), output_type)
    for i, row in enumerate(rows):
        interpreter.set_input(row.reshape(shape), 0)
        interpreter.invoke()
        result = np.asarray(interpreter.get_output(0))
        if result.dtype != output_type:
            raise ModelError(
                f"the interpreter's output is {result.dtype}, expected {output_type}",
                hint="report this with the model: the reader and the runtime disagree",
            )
        outputs[i] = result.reshape(-1)
    return outputs


def checked_rows(inputs: NDArray[Any], n_inputs: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The inputs as rows without gaps.

    Raises:
        InputError: not (n, n_inputs) of ``dtype``.
    """
    if inputs.shape != (len(inputs), n_inputs) or inputs.dtype != dtype:
        raise InputError(
            f"inputs of shape {inputs.shape} and type {inputs.dtype}, expected "
            f"(n, {n_inputs}) and {dtype}",
            hint="one row per inference, of the model's own input type",
        )
    return np.ascontiguousarray(inputs)


def _interpreter(data: bytes) -> Any:
    try:
        runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    except ImportError as error:
        raise MissingDependencyError(
            f"tflite-micro is not installed: {error}",
            hint="pip install tflite-micro (there are wheels for Linux on x86-64)",
        ) from error
    try:
        return runtime.Interpreter.from_bytes(data, arena_size=10 * len(data) + _ARENA_BYTES)
    except _REFUSALS as error:
        raise ModelError(
            f"TensorFlow Lite Micro refuses the model: {error}",
            hint="its own message is on the standard error output",
        ) from error
