"""Compile: any supported INT8 ``.tflite`` to C, with the golden reference to compare it with."""

from toolchain.compile.compiled import (
    CompiledModel,
    LayerInfo,
    TensorInfo,
    compile_model,
    load_compiled,
)
from toolchain.compile.edges import dequantize, quantize
from toolchain.compile.golden import golden
from toolchain.compile.host_program import HostProgram
from toolchain.compile.network import (
    Elementwise,
    FullyConnected,
    Layer,
    Network,
    Reshape,
    Softmax,
    Tensor,
)
from toolchain.compile.reader import SUPPORTED_OPERATORS, read_network

__all__ = [
    "SUPPORTED_OPERATORS",
    "CompiledModel",
    "Elementwise",
    "FullyConnected",
    "HostProgram",
    "Layer",
    "LayerInfo",
    "Network",
    "Reshape",
    "Softmax",
    "Tensor",
    "TensorInfo",
    "compile_model",
    "dequantize",
    "golden",
    "load_compiled",
    "quantize",
    "read_network",
]
