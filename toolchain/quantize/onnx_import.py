"""A dense network from ONNX, as PyTorch exports Linear, ReLU, Hardtanh and Softmax."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from toolchain.errors import ModelError, UnsupportedOperatorError
from toolchain.policy.onnx_export import import_onnx
from toolchain.quantize.dense_network import Activation, DenseLayer, DenseNetwork

OPERATORS = ("Gemm", "MatMul", "Add", "Relu", "Clip", "Softmax", "Constant", "Identity")
"""Operators that are understood."""

_REAL = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")

_SUPPORTED = f"supported are {', '.join(OPERATORS)} in one chain"


def read_onnx(data: bytes, folder: Path | None = None) -> DenseNetwork:
    """Read a chain of dense layers.

    Clip must be 0 to 6, or 0 upwards; Softmax must be last and over the last axis.

    Args:
        data: an ONNX file.
        folder: where the files are that hold its weights, if they are not inside; PyTorch's
            exporter leaves one beside the model.

    Raises:
        ModelError: it is not a valid ONNX file, its weights are not found, or it is not one chain
            from one input to one output.
        UnsupportedOperatorError: an operator, or a variant of one, that is not understood; names
            the operator and the node.
        MissingDependencyError: onnx is not installed.
    """
    onnx = import_onnx()
    from google.protobuf.message import DecodeError  # a dependency of onnx

    try:
        model = onnx.load_model_from_string(data)
        _take_weights_in(onnx, model, folder)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError, TypeError) as error:
        raise ModelError(f"not a valid ONNX model: {error}", hint="export it again") from error
    reader = _Reader(onnx, model.graph)
    for index, node in enumerate(model.graph.node):
        reader.read(index, node)
    return reader.finish()


def _take_weights_in(onnx: Any, model: Any, folder: Path | None) -> None:
    outside = [t.name for t in model.graph.initializer if t.external_data]
    if not outside:
        return
    if folder is None:
        raise ModelError(
            f"the weights of {', '.join(outside)} are in a file of their own",
            hint="name the folder of that file, or export with external_data=False",
        )
    try:
        onnx.load_external_data_for_model(model, str(folder))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"the weights of {', '.join(outside)} cannot be read: {error}",
            hint="keep the file that the exporter left beside the model there",
        ) from error


@dataclass
class _Reader:
    """Follows the one value that is not constant through the graph."""

    onnx: Any
    graph: Any

    def __post_init__(self) -> None:
        self.constants = {tensor.name: self._array(tensor) for tensor in self.graph.initializer}
        inputs = [i.name for i in self.graph.input if i.name not in self.constants]
        if len(inputs) != 1 or len(self.graph.output) != 1:
            raise ModelError(
                f"{len(inputs)} inputs and {len(self.graph.output)} outputs, must be one each",
                hint="export the network alone",
            )
        self.value = inputs[0]
        self._check_input(next(i for i in self.graph.input if i.name == self.value))
        self.layers: list[DenseLayer] = []
        self.activated = False
        self.biased = False

    def read(self, index: int, node: Any) -> None:
        """Take one node in."""
        where = f"node {index} {node.name or '(unnamed)'!r}, operator {node.op_type}"
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            raise UnsupportedOperatorError(f"{where}: not supported", hint=_SUPPORTED)
        options = {
            attribute.name: self.onnx.helper.get_attribute_value(attribute)
            for attribute in node.attribute
        }
        if node.op_type == "Constant":
            if "value" not in options:
                self._refuse(where, "a constant that is not a tensor")
            self.constants[node.output[0]] = self._array(options["value"])
            return
        if node.op_type == "Identity" and node.input[0] in self.constants:
            self.constants[node.output[0]] = self.constants[node.input[0]]
            return
        if self.value not in node.input:
            self._refuse(where, f"it does not take {self.value!r}, the result of the one before")
        if self.layers and self.layers[-1].activation == Activation.SOFTMAX:
            self._refuse(where, "something follows the Softmax")
        getattr(self, f"_{node.op_type.lower()}")(where, node, options)
        self.value = node.output[0]

    def finish(self) -> DenseNetwork:
        """The network, when the chain is whole."""
        if not self.layers:
            raise ModelError("the model has no dense layer", hint=_SUPPORTED)
        if self.n_inputs not in (None, self.layers[0].weight.shape[0]):
            raise ModelError(
                f"the model takes {self.n_inputs} values, its first layer "
                f"{self.layers[0].weight.shape[0]}",
                hint="export it again",
            )
        if self.value != self.graph.output[0].name:
            raise ModelError(
                f"the chain of dense layers ends at {self.value!r}, the output is "
                f"{self.graph.output[0].name!r}",
                hint=_SUPPORTED,
            )
        return DenseNetwork(tuple(self.layers))

    def _check_input(self, given: Any) -> None:
        """Refuse what is not one row of real numbers an inference."""
        tensor = given.type.tensor_type
        kinds = self.onnx.TensorProto.DataType
        known = tensor.elem_type in kinds.values()
        kind = kinds.Name(tensor.elem_type) if known else f"of unknown type {tensor.elem_type}"
        if kind not in _REAL:
            raise ModelError(
                f"the input {given.name!r} is {kind}, must be one of {', '.join(_REAL)}",
                hint="export the float network, before it is quantized",
            )
        dims = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
        if not 1 <= len(dims) <= 2:
            raise ModelError(
                f"the input {given.name!r} has {len(dims)} dimensions, must be (n, n_in)",
                hint="export the network for one row an inference",
            )
        self.n_inputs = dims[-1]

    def _identity(self, where: str, node: Any, options: dict[str, Any]) -> None:
        """Changes nothing."""

    def _gemm(self, where: str, node: Any, options: dict[str, Any]) -> None:
        if options.get("transA", 0) or node.input[0] != self.value:
            self._refuse(where, "the activation must be its untransposed first input")
        weight = self._constant(where, node.input[1], 2)
        weight = (weight.T if options.get("transB", 0) else weight) * options.get("alpha", 1.0)
        bias = np.zeros(weight.shape[1], dtype=np.float32)
        if len(node.input) > 2 and node.input[2]:
            given = self._constant(where, node.input[2]) * options.get("beta", 1.0)
            bias = self._row(where, given, weight.shape[1])
        self._append(where, weight, bias)
        self.biased = True

    def _matmul(self, where: str, node: Any, options: dict[str, Any]) -> None:
        if node.input[0] != self.value:
            self._refuse(where, "the activation must be its first input")
        weight = self._constant(where, node.input[1], 2)
        self._append(where, weight, np.zeros(weight.shape[1], dtype=np.float32))
        self.biased = False

    def _add(self, where: str, node: Any, options: dict[str, Any]) -> None:
        other = node.input[1] if node.input[0] == self.value else node.input[0]
        if not self.layers or self.activated or self.biased:
            self._refuse(where, "it does not follow a MatMul, so that it is no bias")
        layer = self.layers[-1]
        bias = self._row(where, self._constant(where, other), layer.weight.shape[1])
        self.layers[-1] = replace(layer, bias=bias)
        self.biased = True

    def _relu(self, where: str, node: Any, options: dict[str, Any]) -> None:
        self._activate(where, Activation.RELU)

    def _clip(self, where: str, node: Any, options: dict[str, Any]) -> None:
        low, high = options.get("min", -np.inf), options.get("max", np.inf)
        given = [*node.input[1:3], "", ""]
        low = self._number(where, given[0]) if given[0] else low
        high = self._number(where, given[1]) if given[1] else high
        endless = high >= float(np.finfo(np.float32).max)
        if low != 0.0 or not (high == 6.0 or endless):
            self._refuse(where, f"clips to {low:g} .. {high:g}, must be 0 .. 6 or 0 upwards")
        self._activate(where, Activation.RELU if endless else Activation.RELU6)

    def _softmax(self, where: str, node: Any, options: dict[str, Any]) -> None:
        if options.get("axis", -1) not in (-1, 1):
            self._refuse(where, f"over axis {options['axis']}, must be the last")
        self._activate(where, Activation.SOFTMAX)

    def _append(self, where: str, weight: np.ndarray, bias: np.ndarray) -> None:
        if self.layers and self.layers[-1].weight.shape[1] != weight.shape[0]:
            self._refuse(where, f"weights {weight.shape} after {self.layers[-1].weight.shape}")
        if 0 in weight.shape:
            self._refuse(where, f"weights {weight.shape}, which are none")
        weight = np.ascontiguousarray(weight, dtype=np.float32)
        if not np.isfinite(weight).all():
            self._refuse(where, "its weights are not all finite numbers")
        self.layers.append(DenseLayer(weight, bias, Activation.LINEAR))
        self.activated = False

    def _activate(self, where: str, activation: Activation) -> None:
        if not self.layers or self.activated:
            self._refuse(where, "it does not follow a dense layer")
        self.layers[-1] = replace(self.layers[-1], activation=activation)
        self.activated = True

    def _constant(self, where: str, name: str, rank: int | None = None) -> np.ndarray:
        if name not in self.constants:
            self._refuse(where, f"its input {name!r} is not a constant")
        array: np.ndarray = np.asarray(self.constants[name])
        if rank is not None and array.ndim != rank:
            self._refuse(where, f"its input {name!r} has rank {array.ndim}, must be {rank}")
        return array

    def _number(self, where: str, name: str) -> float:
        array = self._constant(where, name)
        if array.size != 1:
            self._refuse(where, f"its limit {name!r} has {array.size} values, must be one")
        return float(array.reshape(-1)[0])

    def _array(self, tensor: Any) -> np.ndarray:
        try:
            array: np.ndarray = self.onnx.numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise ModelError(
                f"the constant {tensor.name!r} cannot be read: {error}",
                hint="export it with its weights inside",
            ) from error
        return array

    def _row(self, where: str, array: np.ndarray, width: int) -> np.ndarray:
        if array.size not in (1, width) or array.size != (array.shape or (1,))[-1]:
            self._refuse(where, f"a bias of shape {array.shape} for {width} outputs")
        if not np.isfinite(array).all():
            self._refuse(where, "its bias is not all finite numbers")
        return np.broadcast_to(array.reshape(-1), (width,)).astype(np.float32)

    def _refuse(self, where: str, why: str) -> None:
        raise UnsupportedOperatorError(f"{where}: {why}", hint=_SUPPORTED)
