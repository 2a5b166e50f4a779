"""Quantize: the float policy to a quantized ``.tflite``, and its reference on the host."""

from toolchain.quantize.dense_network import Activation, DenseLayer, DenseNetwork
from toolchain.quantize.fallback import (
    limits_beside_fallback,
    make_fallback,
    require_same_edges,
)
from toolchain.quantize.float_policy import FloatPolicy
from toolchain.quantize.host_policy import HostPolicy, policy_on_host
from toolchain.quantize.onnx_import import read_onnx
from toolchain.quantize.ordering import narrowed
from toolchain.quantize.post_training import Precision, convert, to_keras
from toolchain.quantize.quantized import QuantizedPolicy
from toolchain.quantize.runtime import HostModel

__all__ = [
    "Activation",
    "DenseLayer",
    "DenseNetwork",
    "FloatPolicy",
    "HostModel",
    "HostPolicy",
    "Precision",
    "QuantizedPolicy",
    "convert",
    "limits_beside_fallback",
    "make_fallback",
    "narrowed",
    "policy_on_host",
    "read_onnx",
    "require_same_edges",
    "to_keras",
]
