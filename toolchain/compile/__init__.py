"""Compile: any supported ``.tflite`` to C, with the golden reference to compare it with."""

from toolchain.compile.compiled import (
    CompiledModel,
    LayerInfo,
    TensorInfo,
    compile_model,
    load_compiled,
)
from toolchain.compile.cycle_count import CycleCount, measure_cycles
from toolchain.compile.edges import dequantize, quantize
from toolchain.compile.float_compiled import CompiledFloat, compile_float
from toolchain.compile.float_network import FloatNetwork
from toolchain.compile.float_reader import network_kind, read_float_network
from toolchain.compile.float_reference import error_bound, golden_float, run_float
from toolchain.compile.golden import GoldenModel, golden
from toolchain.compile.host_program import HostProgram
from toolchain.compile.kernel_set import MARKS_PER_LAYER, FlashBudget
from toolchain.compile.kernel_sets import KERNEL_SETS, kernels_for_core, kernels_on_core
from toolchain.compile.minimum import BASIS as MINIMUM_BASIS
from toolchain.compile.minimum import minimum_cycles
from toolchain.compile.network import (
    Elementwise,
    FullyConnected,
    Layer,
    Network,
    Rescale,
    Reshape,
    Softmax,
    Tensor,
)
from toolchain.compile.reader import SUPPORTED_OPERATORS, read_network

__all__ = [
    "KERNEL_SETS",
    "MARKS_PER_LAYER",
    "MINIMUM_BASIS",
    "SUPPORTED_OPERATORS",
    "CompiledFloat",
    "CompiledModel",
    "CycleCount",
    "Elementwise",
    "FlashBudget",
    "FloatNetwork",
    "FullyConnected",
    "GoldenModel",
    "HostProgram",
    "Layer",
    "LayerInfo",
    "Network",
    "Rescale",
    "Reshape",
    "Softmax",
    "Tensor",
    "TensorInfo",
    "compile_float",
    "compile_model",
    "dequantize",
    "error_bound",
    "golden",
    "golden_float",
    "kernels_for_core",
    "kernels_on_core",
    "load_compiled",
    "measure_cycles",
    "minimum_cycles",
    "network_kind",
    "quantize",
    "read_float_network",
    "read_network",
    "run_float",
]
