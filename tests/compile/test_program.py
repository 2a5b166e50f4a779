"""Planning: the arena, fusing, and what is executed in place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchain.compile import Elementwise, FullyConnected, read_network
from toolchain.compile.arena import ALIGNMENT_BYTES, Lifetime, plan_arena
from toolchain.compile.program import Region, plan_program
from toolchain.compile.synthetic import reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite

LIFETIMES = st.lists(
    st.builds(
        lambda n, first, length: Lifetime(n, first, first + length),
        st.integers(1, 700),
        st.integers(0, 12),
        st.integers(0, 5),
    ),
    max_size=12,
)


@given(LIFETIMES)
def test_what_lives_together_shares_no_byte(lifetimes):
    plan = plan_arena(lifetimes)
    spans = [(o, o + t.n_bytes) for o, t in zip(plan.offsets, lifetimes, strict=True)]
    for i, (begin, end) in enumerate(spans):
        assert begin % ALIGNMENT_BYTES == 0
        assert end <= plan.n_bytes
        for j in range(i):
            if lifetimes[i].overlaps(lifetimes[j]):
                assert end <= spans[j][0] or spans[j][1] <= begin


def test_a_chain_needs_no_more_than_its_widest_pair():
    widths = [100, 40, 80, 12, 60]
    plan = plan_arena([Lifetime(n, i, i + 1) for i, n in enumerate(widths)])
    assert plan.n_bytes == 140


def test_no_lifetimes_no_arena():
    assert plan_arena([]).n_bytes == 0


def program_of(*stages, scale=0.12, zero_point=-5, activation="NONE", leading=()):
    """[leading operators,] FULLY_CONNECTED 8 -> 6, and the stages (name, shape, scale, zero)."""
    weights = np.random.default_rng(0).integers(-127, 128, (6, 8)).astype(np.int8)
    tensors = [TensorSpec((1, 8), "int8", (0.05,), (3,))]
    operators = []
    for name, shape, out_scale, out_zero in leading:
        tensors.append(TensorSpec(shape, "int8", (out_scale,), (out_zero,)))
        operators.append(OperatorSpec(name, (len(tensors) - 2,), (len(tensors) - 1,)))
    source = len(tensors) - 1
    tensors.append(TensorSpec((6, 8), "int8", (0.01,), (0,), weights))
    tensors.append(TensorSpec((1, 6), "int8", (scale,), (zero_point,)))
    operators.append(
        OperatorSpec("FULLY_CONNECTED", (source, len(tensors) - 2), (len(tensors) - 1,), activation)
    )
    for name, shape, out_scale, out_zero in stages:
        tensors.append(TensorSpec(shape, "int8", (out_scale,), (out_zero,)))
        operators.append(OperatorSpec(name, (len(tensors) - 2,), (len(tensors) - 1,)))
    spec = ModelSpec(tuple(tensors), tuple(operators), (0,), (len(tensors) - 1,))
    return plan_program(read_network(write_tflite(spec)))


def test_a_dense_network_ping_pongs():
    program = plan_program(
        read_network(reference_network((24, 64, 32, 5), np.random.default_rng(1)))
    )
    regions = [(s.source.region, s.target.region) for s in program.steps]
    assert regions == [
        (Region.INPUT, Region.ARENA),
        (Region.ARENA, Region.ARENA),
        (Region.ARENA, Region.OUTPUT),
    ]
    assert program.arena_bytes == 64 + 32


def test_relu_that_only_clamps_is_folded():
    (step,) = program_of(("RELU", (1, 6), 0.12, -5)).steps
    assert step.operators == ("FULLY_CONNECTED", "RELU")
    assert isinstance(step.layer, FullyConnected)
    assert (step.layer.minimum, step.layer.maximum) == (-5, 127)


def test_relu6_is_folded_into_both_bounds():
    (step,) = program_of(("RELU6", (1, 6), 0.12, -5)).steps
    assert (step.layer.minimum, step.layer.maximum) == (-5, -5 + 50)


def test_relu_that_rescales_is_not_folded():
    first, second = program_of(("RELU", (1, 6), 0.05, -128)).steps
    assert isinstance(first.layer, FullyConnected)
    assert isinstance(second.layer, Elementwise)
    # In place: the last buffer is the caller's output.
    assert second.source.region is second.target.region is Region.OUTPUT
    assert first.target.region is Region.OUTPUT


def test_tables_are_composed():
    program = program_of(("QUANTIZE", (1, 6), 0.06, 2), ("TANH", (1, 6), 1 / 128, 0))
    _, second = program.steps
    assert second.operators == ("QUANTIZE", "TANH")


@pytest.mark.parametrize("shape", [(1, 2, 3), (1, 6)])
def test_reshape_costs_nothing(shape):
    (step,) = program_of(("RESHAPE", shape, 0.12, -5)).steps
    assert step.operators == ("FULLY_CONNECTED", "RESHAPE")
    assert step.layer.output.shape == shape


def test_a_leading_reshape_belongs_to_the_layer_behind_it():
    (step,) = program_of(
        leading=(("RESHAPE", (1, 4, 2), 0.05, 3), ("RESHAPE", (1, 8), 0.05, 3))
    ).steps
    assert step.operators == ("RESHAPE", "RESHAPE", "FULLY_CONNECTED")


def test_the_callers_input_is_never_written():
    program = program_of(leading=(("RELU", (1, 8), 0.02, 3),))
    first, second = program.steps
    assert first.source.region is Region.INPUT
    assert first.target.region is Region.ARENA
    assert second.source == first.target
    assert program.arena_bytes == 8
