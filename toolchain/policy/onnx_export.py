"""The float policy as ONNX: Gemm and Relu, nothing else."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from toolchain import __version__
from toolchain.errors import MissingDependencyError
from toolchain.policy.dense import DensePolicy

OPSET = 17
"""Operator set of the export; Gemm and Relu have not changed since 14."""

IR_VERSION = 8
"""File format that belongs to the operator set, so that older runtimes read it."""


def import_onnx() -> Any:
    """The onnx package.

    Raises:
        MissingDependencyError: the ``train`` extra is not installed.
    """
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise MissingDependencyError(
            "onnx is not installed; reading and writing ONNX needs it",
            hint="pip install 'jouleloop[train]'",
        ) from error


def export_onnx(policy: DensePolicy) -> bytes:
    """The policy as an ONNX file, checked by ``onnx.checker``.

    Input ``states`` float32 (n, n_in), output ``scores`` float32 (n, n_out), n free.

    Raises:
        MissingDependencyError: the ``train`` extra is not installed.
    """
    onnx = import_onnx()
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    nodes, constants, value = [], [], "states"
    last = len(policy.weights) - 1
    for index, (weight, bias) in enumerate(zip(policy.weights, policy.biases, strict=True)):
        for kind, array in (("weight", weight), ("bias", bias)):
            array = np.ascontiguousarray(array, dtype=np.float32)
            constants.append(onnx.numpy_helper.from_array(array, f"{kind}_{index}"))
        result = "scores" if index == last else f"sum_{index}"
        inputs = [value, f"weight_{index}", f"bias_{index}"]
        nodes.append(helper.make_node("Gemm", inputs, [result], f"dense_{index}"))
        if index != last:
            value = f"hidden_{index}"
            nodes.append(helper.make_node("Relu", [result], [value], f"relu_{index}"))
    graph = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info("states", float32, ["n", policy.widths[0]])],
        [helper.make_tensor_value_info("scores", float32, ["n", policy.widths[-1]])],
        constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="jouleloop",
        producer_version=__version__,
    )
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
