"""Quantize: the float policy to an INT8 ``.tflite``, and its reference on the host."""

from toolchain.quantize.int8 import Int8Policy
from toolchain.quantize.post_training import convert, to_keras

__all__ = ["Int8Policy", "convert", "to_keras"]
