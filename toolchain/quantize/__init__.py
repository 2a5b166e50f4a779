"""Quantize: the float policy to an INT8 ``.tflite``, and its reference on the host."""

from toolchain.quantize.dense_network import Activation, DenseLayer, DenseNetwork
from toolchain.quantize.int8 import Int8Policy
from toolchain.quantize.onnx_import import read_onnx
from toolchain.quantize.post_training import Precision, convert, to_keras
from toolchain.quantize.runtime import HostModel

__all__ = [
    "Activation",
    "DenseLayer",
    "DenseNetwork",
    "HostModel",
    "Int8Policy",
    "Precision",
    "convert",
    "read_onnx",
    "to_keras",
]
