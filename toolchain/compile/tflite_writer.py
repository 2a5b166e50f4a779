"""Writes quantized ``.tflite`` networks from plain arrays, without a converter.

The container is built with the schema's own FlatBuffers builders. What is written need not be a
network that anything accepts: tests write broken ones with it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

_DTYPES: dict[str, tuple[int, Any]] = {
    "int8": (tflite.TensorType.INT8, np.int8),
    "int16": (tflite.TensorType.INT16, np.int16),
    "int32": (tflite.TensorType.INT32, np.int32),
    "int64": (tflite.TensorType.INT64, np.int64),
    "float32": (tflite.TensorType.FLOAT32, np.float32),
}


@dataclass(frozen=True, eq=False)
class TensorSpec:
    """A tensor to write."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    """A key of ``_DTYPES``, such as ``int8``."""
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    data: NDArray[Any] | None = None
    """Constant content; ``None`` for an activation."""
    name: str = "tensor"


@dataclass(frozen=True, eq=False)
class OperatorSpec:
    """An operator to write; tensors by their position."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    activation: str = "NONE"
    """Fused into FULLY_CONNECTED."""
    beta: float = 1.0
    """Of SOFTMAX."""
    bias_dtype: str = "float32"
    """Of FULLY_CONNECTED without a bias: the type of its sums; the schema's default is no type."""


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """A model to write."""

    tensors: tuple[TensorSpec, ...]
    operators: tuple[OperatorSpec, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    description: str = field(default="jouleloop synthetic")


def write_tflite(spec: ModelSpec) -> bytes:
    """Serialise a model; equal specs give equal bytes."""
    builder = flatbuffers.Builder(1024)
    # Buffer 0 is the schema's empty one; constants follow in the order of the tensors.
    constants = [t.data for t in spec.tensors if t.data is not None]
    buffers = [_buffer(builder, None), *(_buffer(builder, c) for c in constants)]
    buffer_index = 0
    tensors = []
    for tensor in spec.tensors:
        if tensor.data is not None:
            buffer_index += 1
        tensors.append(_tensor(builder, tensor, buffer_index if tensor.data is not None else 0))
    names = sorted({operator.name for operator in spec.operators})
    codes = [_operator_code(builder, name) for name in names]
    operators = [_operator(builder, op, names.index(op.name)) for op in spec.operators]
    graph = _subgraph(builder, spec, tensors, operators)
    description = builder.CreateString(spec.description)
    buffer_vector = _vector(builder, buffers)
    code_vector = _vector(builder, codes)
    graph_vector = _vector(builder, [graph])
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, code_vector)
    tflite.ModelAddSubgraphs(builder, graph_vector)
    tflite.ModelAddDescription(builder, description)
    tflite.ModelAddBuffers(builder, buffer_vector)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def _vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _buffer(builder: flatbuffers.Builder, data: NDArray[Any] | None) -> int:
    vector = None
    if data is not None:
        raw = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        # TensorFlow Lite Micro reads weights in place, so they must be aligned in the file.
        builder.StartVector(1, len(raw), 16)
        builder.head = builder.head - len(raw)
        builder.Bytes[builder.head : builder.head + len(raw)] = raw.tobytes()
        vector = builder.EndVector()
    tflite.BufferStart(builder)
    if vector is not None:
        tflite.BufferAddData(builder, vector)
    return int(tflite.BufferEnd(builder))


def _tensor(builder: flatbuffers.Builder, tensor: TensorSpec, buffer_index: int) -> int:
    type_code, _ = _DTYPES[tensor.dtype]
    name = builder.CreateString(tensor.name)
    shape = builder.CreateNumpyVector(np.array(tensor.shape, np.int32))
    quantization = None
    if tensor.scales:
        scales = builder.CreateNumpyVector(np.array(tensor.scales, np.float32))
        zero_points = builder.CreateNumpyVector(np.array(tensor.zero_points, np.int64))
        tflite.QuantizationParametersStart(builder)
        tflite.QuantizationParametersAddScale(builder, scales)
        tflite.QuantizationParametersAddZeroPoint(builder, zero_points)
        quantization = tflite.QuantizationParametersEnd(builder)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, type_code)
    tflite.TensorAddBuffer(builder, buffer_index)
    tflite.TensorAddName(builder, name)
    if quantization is not None:
        tflite.TensorAddQuantization(builder, quantization)
    return int(tflite.TensorEnd(builder))


def _operator_code(builder: flatbuffers.Builder, name: str) -> int:
    code = getattr(tflite.BuiltinOperator, name)
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, 127))
    tflite.OperatorCodeAddVersion(builder, 1)
    tflite.OperatorCodeAddBuiltinCode(builder, code)
    return int(tflite.OperatorCodeEnd(builder))


def _operator(builder: flatbuffers.Builder, operator: OperatorSpec, code_index: int) -> int:
    inputs = builder.CreateNumpyVector(np.array(operator.inputs, np.int32))
    outputs = builder.CreateNumpyVector(np.array(operator.outputs, np.int32))
    options, options_type = _options(builder, operator)
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code_index)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(builder, options_type)
        tflite.OperatorAddBuiltinOptions(builder, options)
    return int(tflite.OperatorEnd(builder))


def _options(builder: flatbuffers.Builder, operator: OperatorSpec) -> tuple[int | None, int]:
    if operator.name == "FULLY_CONNECTED":
        tflite.FullyConnectedOptionsStart(builder)
        tflite.FullyConnectedOptionsAddFusedActivationFunction(
            builder, getattr(tflite.ActivationFunctionType, operator.activation)
        )
        tflite.FullyConnectedOptionsAddQuantizedBiasType(builder, _DTYPES[operator.bias_dtype][0])
        options = tflite.FullyConnectedOptionsEnd(builder)
        return options, tflite.BuiltinOptions.FullyConnectedOptions
    if operator.name == "SOFTMAX":
        tflite.SoftmaxOptionsStart(builder)
        tflite.SoftmaxOptionsAddBeta(builder, operator.beta)
        return tflite.SoftmaxOptionsEnd(builder), tflite.BuiltinOptions.SoftmaxOptions
    if operator.name == "RESHAPE":
        tflite.ReshapeOptionsStart(builder)
        return tflite.ReshapeOptionsEnd(builder), tflite.BuiltinOptions.ReshapeOptions
    return None, 0


def _subgraph(
    builder: flatbuffers.Builder, spec: ModelSpec, tensors: list[int], operators: list[int]
) -> int:
    name = builder.CreateString("main")
    tensor_vector = _vector(builder, tensors)
    operator_vector = _vector(builder, operators)
    inputs = builder.CreateNumpyVector(np.array(spec.inputs, np.int32))
    outputs = builder.CreateNumpyVector(np.array(spec.outputs, np.int32))
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, tensor_vector)
    tflite.SubGraphAddInputs(builder, inputs)
    tflite.SubGraphAddOutputs(builder, outputs)
    tflite.SubGraphAddOperators(builder, operator_vector)
    tflite.SubGraphAddName(builder, name)
    return int(tflite.SubGraphEnd(builder))


@dataclass(frozen=True, eq=False)
class DenseSpec:
    """One FULLY_CONNECTED layer of a dense network."""

    weights: NDArray[np.int8]
    """(n_outputs, n_inputs)."""
    bias: NDArray[Any] | None
    """(n_outputs,) int32, or int64 with int16 activations."""
    weight_scales: tuple[float, ...]
    """One, or one per output."""
    output_scale: float
    output_zero_point: int
    activation: str = "NONE"


def dense_network(
    input_scale: float, input_zero_point: int, layers: Sequence[DenseSpec], dtype: str = "int8"
) -> bytes:
    """A chain of FULLY_CONNECTED layers as a ``.tflite``; ``dtype`` is that of its activations."""
    n_inputs = layers[0].weights.shape[1]
    tensors = [TensorSpec((1, n_inputs), dtype, (input_scale,), (input_zero_point,), name="in")]
    operators = []
    source, source_scale = 0, np.float32(input_scale)
    for i, layer in enumerate(layers):
        n_outputs = len(layer.weights)
        operands = [source, len(tensors)]
        tensors.append(
            TensorSpec(
                layer.weights.shape,
                "int8",
                layer.weight_scales,
                (0,) * len(layer.weight_scales),
                layer.weights,
                f"weights{i}",
            )
        )
        if layer.bias is not None:
            operands.append(len(tensors))
            products = source_scale * np.array(layer.weight_scales, np.float32)
            tensors.append(
                TensorSpec(
                    layer.bias.shape,
                    str(layer.bias.dtype),
                    tuple(float(p) for p in products),
                    (0,) * len(products),
                    layer.bias,
                    f"bias{i}",
                )
            )
        target = len(tensors)
        tensors.append(
            TensorSpec(
                (1, n_outputs),
                dtype,
                (layer.output_scale,),
                (layer.output_zero_point,),
                name=f"layer{i}",
            )
        )
        operators.append(
            OperatorSpec("FULLY_CONNECTED", tuple(operands), (target,), layer.activation)
        )
        source, source_scale = target, np.float32(layer.output_scale)
    return write_tflite(ModelSpec(tuple(tensors), tuple(operators), (0,), (source,)))
