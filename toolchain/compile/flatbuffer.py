"""Reads a ``.tflite`` container without trusting it.

FlatBuffers has no verifier in Python: an offset may point anywhere, a length may be anything. So
every vector's length is bounded before it is walked, every slice is checked against the file, and
whatever the generated accessors stumble over becomes a :class:`ModelError`. What leaves this module
is plain Python data; what it *means* is checked in :mod:`toolchain.compile.reader`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from toolchain.errors import ModelError

MAX_MODEL_BYTES = 16 * 2**20
"""Larger files are refused before they are parsed: the RP2040 addresses 16 MiB of flash."""

MAX_TENSORS = 4096
"""Most tensors, operators and buffers of a model."""

MAX_RANK = 8
"""Most dimensions of a tensor."""

MAX_OPERANDS = 64
"""Most inputs or outputs of one operator."""

_MAX_NAME_BYTES = 256
_TENSOR_NAME_SLOT = 10
_CUSTOM_CODE_SLOT = 6

_SCHEMA_VERSION = 3
_IDENTIFIER = b"TFL3"
_SMALLEST_FILE = 8
_EXPORT_AGAIN = "check that the file is complete, or export the model again"

MALFORMED: tuple[type[Exception], ...] = (
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    AssertionError,
    MemoryError,
)
"""What FlatBuffers' accessors raise when an offset leads astray."""


def _names(namespace: type) -> dict[int, str]:
    return {v: k for k, v in vars(namespace).items() if isinstance(v, int)}


OPERATOR_NAMES: dict[int, str] = _names(tflite.BuiltinOperator)
"""Names of the operator codes, as the schema has them."""

TYPE_NAMES: dict[int, str] = {v: k.lower() for v, k in _names(tflite.TensorType).items()}
"""Names of the element types, in lower case."""

_ACTIVATION_NAMES = _names(tflite.ActivationFunctionType)


@dataclass(frozen=True)
class RawTensor:
    """A tensor as the file has it."""

    index: int
    name: str
    dtype: str
    """Element type in lower case, such as ``int8``."""
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    """Like ``shape`` with -1 for a dynamic dimension; empty when the file has none."""
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    quantized_dimension: int
    data: NDArray[np.uint8] | None
    """Constant content, a view of the file; ``None`` for what is computed at run time."""
    is_variable: bool
    is_sparse: bool


@dataclass(frozen=True)
class RawOperator:
    """An operator as the file has it."""

    index: int
    name: str
    inputs: tuple[int, ...]
    """Tensor indices; -1 for an optional input that is not there."""
    outputs: tuple[int, ...]
    options: dict[str, Any]
    """Options of the operators that the compiler knows, by name."""


@dataclass(frozen=True)
class RawModel:
    """The only subgraph of a model."""

    tensors: tuple[RawTensor, ...]
    operators: tuple[RawOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def parse(data: bytes) -> RawModel:
    """Read the container.

    Args:
        data: the file's bytes.

    Raises:
        ModelError: not a ``.tflite``, damaged, larger than :data:`MAX_MODEL_BYTES`, with more than
            one subgraph, or with an index that is out of range.
    """
    if len(data) > MAX_MODEL_BYTES:
        raise ModelError(
            f"the model has {len(data)} bytes, the limit is {MAX_MODEL_BYTES}",
            hint="use a smaller network; this one fits no board",
        )
    if len(data) < _SMALLEST_FILE or data[4:8] != _IDENTIFIER:
        raise ModelError(
            f"not a .tflite: {len(data)} bytes, identifier {bytes(data[4:8])!r}, expected "
            f"{_IDENTIFIER!r} at byte 4",
            hint="give a file that TensorFlow Lite's converter wrote",
        )
    try:
        return _Parser(bytes(data)).model()
    except MALFORMED as error:
        raise ModelError(
            f"the .tflite of {len(data)} bytes is damaged or cut off: {error}",
            hint=_EXPORT_AGAIN,
        ) from error


class _Parser:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._model = tflite.Model.GetRootAs(data, 0)

    def model(self) -> RawModel:
        model = self._model
        if model.Version() != _SCHEMA_VERSION:
            raise ModelError(
                f"schema version {model.Version()}, supported: {_SCHEMA_VERSION}",
                hint=_EXPORT_AGAIN,
            )
        subgraphs = self._bounded("subgraphs", model.SubgraphsLength())
        if subgraphs != 1:
            raise ModelError(
                f"the model has {subgraphs} subgraphs, supported: exactly 1",
                hint="export an inference function without control flow",
            )
        graph = model.Subgraphs(0)
        tensor_count = self._bounded("tensors", graph.TensorsLength())
        tensors = tuple(self._tensor(i, graph.Tensors(i)) for i in range(tensor_count))
        operator_count = self._bounded("operators", graph.OperatorsLength())
        operators = tuple(
            self._operator(i, graph.Operators(i), tensor_count) for i in range(operator_count)
        )
        inputs = self._indices("the model's inputs", graph.InputsLength, graph.Inputs, tensor_count)
        outputs = self._indices(
            "the model's outputs", graph.OutputsLength, graph.Outputs, tensor_count
        )
        return RawModel(tensors, operators, inputs, outputs)

    def _bounded(self, what: str, length: int, limit: int = MAX_TENSORS) -> int:
        if length > limit:
            raise ModelError(f"{what}: {length}, the limit is {limit}", hint=_EXPORT_AGAIN)
        return length

    def _integers(
        self, what: str, length: Callable[[], int], item: Callable[[int], int], limit: int
    ) -> tuple[int, ...]:
        return tuple(item(i) for i in range(self._bounded(what, length(), limit)))

    def _indices(
        self,
        what: str,
        length: Callable[[], int],
        item: Callable[[int], int],
        tensor_count: int,
        lowest: int = 0,
    ) -> tuple[int, ...]:
        indices = self._integers(what, length, item, MAX_OPERANDS)
        for index in indices:
            if not lowest <= index < tensor_count:
                raise ModelError(
                    f"{what}: tensor index {index} is not in {lowest}..{tensor_count - 1}",
                    hint=_EXPORT_AGAIN,
                )
        return indices

    def _numbers(self, what: str, length: int, as_numpy: Callable[[], Any], dtype: Any) -> Any:
        """A numeric vector as a view of the file: many may overlap, so none is copied."""
        if length == 0:
            return np.zeros(0, dtype)
        if length * np.dtype(dtype).itemsize > len(self._data):
            raise ModelError(
                f"{what}: {length} elements in a file of {len(self._data)} bytes",
                hint=_EXPORT_AGAIN,
            )
        return as_numpy()

    def _text(self, table: Any, slot: int) -> str:
        """A string field; the generated accessor would copy as many bytes as the file claims."""
        offset = table.Offset(slot)
        if offset == 0:
            return ""
        length = min(table.VectorLen(offset), _MAX_NAME_BYTES)
        start = table.Vector(offset)
        return self._data[start : start + length].decode("utf-8", errors="replace")

    def _buffer(self, what: str, index: int) -> NDArray[np.uint8] | None:
        count = self._bounded("buffers", self._model.BuffersLength())
        if not 0 <= index < count:
            raise ModelError(
                f"{what}: buffer index {index} is not in 0..{count - 1}", hint=_EXPORT_AGAIN
            )
        buffer = self._model.Buffers(index)
        if buffer.Offset() > 1 or buffer.Size() > 1:
            raise ModelError(
                f"{what}: its data lies outside of the FlatBuffer, which is not supported",
                hint="export a model below 2 GB without external buffers",
            )
        # Buffer 0 is the schema's "no data"; other tensors may share any empty one.
        length = buffer.DataLength()
        if index == 0 or length == 0:
            return None
        data: NDArray[np.uint8] = self._numbers(what, length, buffer.DataAsNumpy, np.uint8)
        return data

    def _tensor(self, index: int, tensor: Any) -> RawTensor:
        name = self._text(tensor._tab, _TENSOR_NAME_SLOT)
        what = f"tensor {index} ({name!r})"
        quantization = tensor.Quantization()
        scales, zero_points, dimension = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
        if quantization is not None:
            scales = self._numbers(
                f"{what} scales",
                quantization.ScaleLength(),
                quantization.ScaleAsNumpy,
                np.float32,
            )
            zero_points = self._numbers(
                f"{what} zero points",
                quantization.ZeroPointLength(),
                quantization.ZeroPointAsNumpy,
                np.int64,
            )
            dimension = quantization.QuantizedDimension()
        return RawTensor(
            index=index,
            name=name,
            dtype=TYPE_NAMES.get(tensor.Type(), f"type {tensor.Type()}"),
            shape=self._integers(f"{what} rank", tensor.ShapeLength, tensor.Shape, MAX_RANK),
            shape_signature=self._integers(
                f"{what} rank", tensor.ShapeSignatureLength, tensor.ShapeSignature, MAX_RANK
            ),
            scales=scales,
            zero_points=zero_points,
            quantized_dimension=dimension,
            data=self._buffer(what, tensor.Buffer()),
            is_variable=tensor.IsVariable(),
            is_sparse=tensor.Sparsity() is not None,
        )

    def _operator(self, index: int, operator: Any, tensor_count: int) -> RawOperator:
        code_count = self._bounded("operator codes", self._model.OperatorCodesLength())
        code_index = operator.OpcodeIndex()
        if not 0 <= code_index < code_count:
            raise ModelError(
                f"operator {index}: code index {code_index} is not in 0..{code_count - 1}",
                hint=_EXPORT_AGAIN,
            )
        entry = self._model.OperatorCodes(code_index)
        # Files from before the schema had room for codes above 127 use only the deprecated field.
        code = max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode())
        name = OPERATOR_NAMES.get(code, f"operator code {code}")
        if name == "CUSTOM":
            name = f"CUSTOM {self._text(entry._tab, _CUSTOM_CODE_SLOT)!r}"
        what = f"operator {index} ({name})"
        return RawOperator(
            index=index,
            name=name,
            inputs=self._indices(
                f"{what} inputs", operator.InputsLength, operator.Inputs, tensor_count, -1
            ),
            outputs=self._indices(
                f"{what} outputs", operator.OutputsLength, operator.Outputs, tensor_count
            ),
            options=self._options(what, name, operator),
        )

    def _options(self, what: str, name: str, operator: Any) -> dict[str, Any]:
        kinds = {
            "FULLY_CONNECTED": (
                tflite.BuiltinOptions.FullyConnectedOptions,
                tflite.FullyConnectedOptions,
            ),
            "SOFTMAX": (tflite.BuiltinOptions.SoftmaxOptions, tflite.SoftmaxOptions),
        }
        if name not in kinds:
            return {}
        expected, accessor = kinds[name]
        table = operator.BuiltinOptions()
        if table is None or operator.BuiltinOptionsType() != expected:
            raise ModelError(
                f"{what}: options of type {operator.BuiltinOptionsType()}, expected {expected}",
                hint=_EXPORT_AGAIN,
            )
        options = accessor()
        options.Init(table.Bytes, table.Pos)
        if name == "SOFTMAX":
            return {"beta": options.Beta()}
        activation = options.FusedActivationFunction()
        return {
            "activation": _ACTIVATION_NAMES.get(activation, f"activation {activation}"),
            "weights_format": options.WeightsFormat(),
            "bias_type": TYPE_NAMES.get(options.QuantizedBiasType(), "unknown"),
        }
