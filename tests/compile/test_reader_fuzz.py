"""Damage of every kind to a sound file: an error or a network, never a crash, never a hang."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolchain.compile import read_network
from toolchain.compile.emit import emit_program
from toolchain.compile.kernel_sets import KERNEL_SETS
from toolchain.compile.program import plan_program
from toolchain.compile.synthetic import reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite
from toolchain.errors import ModelError
from toolchain.protocol import Element


def every_operator():
    """A float-edged chain with every operator that there is."""
    row, softmax = (1, 4), (1 / 256,)
    weights = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)
    tensors = (
        TensorSpec(row, "float32"),
        TensorSpec(row, "int8", (0.1,), (1,)),
        TensorSpec((4, 4), "int8", (0.1,) * 4, (0,) * 4, weights),
        TensorSpec((4,), "int32", (0.01,) * 4, (0,) * 4, np.arange(4, dtype=np.int32)),
        TensorSpec(row, "int8", (0.2,), (2,)),
        TensorSpec((1, 2, 2), "int8", (0.2,), (2,)),
        TensorSpec((1, 2, 2), "int8", (0.3,), (-128,)),
        TensorSpec((1, 2, 2), "int8", (0.3,), (-128,)),
        TensorSpec((1, 2, 2), "int8", (0.05,), (3,)),
        TensorSpec((1, 2, 2), "int8", (1 / 128,), (0,)),
        TensorSpec((1, 2, 2), "int8", softmax, (-128,)),
        TensorSpec((1, 2, 2), "int8", softmax, (-128,)),
        TensorSpec((1, 2, 2), "float32"),
    )
    names = ("RESHAPE", "RELU", "RELU6", "QUANTIZE", "TANH", "LOGISTIC", "SOFTMAX", "DEQUANTIZE")
    operators = (
        OperatorSpec("QUANTIZE", (0,), (1,)),
        OperatorSpec("FULLY_CONNECTED", (1, 2, 3), (4,)),
        *(OperatorSpec(name, (4 + i,), (5 + i,)) for i, name in enumerate(names)),
    )
    return write_tflite(ModelSpec(tensors, operators, (0,), (12,)))


def every_wide_operator():
    """The same of int16 activations."""
    row = (1, 4)
    weights = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)
    tensors = (
        TensorSpec(row, "float32"),
        TensorSpec(row, "int16", (0.001,), (0,)),
        TensorSpec((4, 4), "int8", (0.1,) * 4, (0,) * 4, weights),
        TensorSpec((4,), "int64", (0.0001,) * 4, (0,) * 4, np.arange(4, dtype=np.int64) << 40),
        TensorSpec(row, "int16", (0.002,), (0,)),
        TensorSpec((1, 2, 2), "int16", (0.002,), (0,)),
        TensorSpec((1, 2, 2), "int16", (0.003,), (0,)),
        TensorSpec((1, 2, 2), "int16", (0.003,), (0,)),
        TensorSpec((1, 2, 2), "int16", (0.0005,), (0,)),
        TensorSpec((1, 2, 2), "float32"),
    )
    names = ("RESHAPE", "RELU", "RELU6", "QUANTIZE", "DEQUANTIZE")
    operators = (
        OperatorSpec("QUANTIZE", (0,), (1,)),
        OperatorSpec("FULLY_CONNECTED", (1, 2, 3), (4,)),
        *(OperatorSpec(name, (4 + i,), (5 + i,)) for i, name in enumerate(names)),
    )
    return write_tflite(ModelSpec(tensors, operators, (0,), (9,)))


BASES = (
    reference_network((5, 4, 3), np.random.default_rng(0)),
    reference_network((5, 4, 3), np.random.default_rng(0), Element.INT16),
    every_operator(),
    every_wide_operator(),
)

LARGEST_FOR_ALL_KERNELS = 2_000
"""Bytes of weights."""

# What lengths, offsets and indices turn into when they go wrong.
WORDS = st.sampled_from(
    [0, 1, 2, 4, 255, 256, 0x7FFF, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]
)


@st.composite
def damaged(draw):
    """A sound file with up to eight bits, bytes or words changed, bytes put in, or its end cut."""
    data = bytearray(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 8))):
        where = draw(st.integers(0, len(data) - 1))
        kind = draw(st.sampled_from(["bit", "byte", "word", "insert", "cut"]))
        if kind == "bit":
            data[where] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte":
            data[where] = draw(st.integers(0, 255))
        elif kind == "word":
            where -= where % 4
            data[where : where + 4] = draw(WORDS).to_bytes(4, "little")
        elif kind == "insert":
            data[where:where] = draw(st.binary(min_size=1, max_size=8))
        elif where > 8 and draw(st.integers(0, 4)) == 0:
            del data[where:]
    return bytes(data)


def compiles_or_refuses(data):
    try:
        program = plan_program(read_network(data))
    except ModelError as error:
        assert error.message and error.hint
        return False
    # Damage that makes a layer wide may take the cost models long; their reading is the same.
    small = program.network.weight_bytes <= LARGEST_FOR_ALL_KERNELS
    for kernels in KERNEL_SETS.values() if small else [KERNEL_SETS["portable"]]:
        files = emit_program(program, data, kernels).files
        assert all(text.isascii() for text in files.values())
    return True


def test_the_undamaged_files_compile():
    assert all(compiles_or_refuses(data) for data in BASES)


# The deadline is what makes a hang a failure.
@settings(max_examples=1500, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(damaged())
def test_damage(data):
    compiles_or_refuses(data)


@settings(max_examples=300, deadline=2000)
@given(st.binary(max_size=400))
def test_noise(data):
    assert not compiles_or_refuses(data)


@settings(max_examples=300, deadline=2000)
@given(st.binary(max_size=400))
def test_noise_behind_the_identifier(data):
    assert not compiles_or_refuses(b"\x10\x00\x00\x00TFL3" + data)
