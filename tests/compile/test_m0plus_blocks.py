"""The packed multiplication and the cost table, on this host."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolchain.compile import read_network
from toolchain.compile.cost import Cost
from toolchain.compile.m0plus_blocks import BLOCKS, instruction_cost
from toolchain.compile.m0plus_listing import Listing
from toolchain.compile.m0plus_packed import PackedLayer, byte_pairs, output_pairs, plan_loops
from toolchain.compile.m0plus_packed import Place as PairPlace
from toolchain.compile.staircase import fit_staircase
from toolchain.compile.tflite_writer import DenseSpec, dense_network

CODES = st.integers(-128, 127)


def packed_layer(weights, low=-128, high=127):
    rows = np.array(weights, np.int8)
    spec = DenseSpec(rows, np.zeros(len(rows), np.int32), (0.01,), 0.5, 0)
    layer = read_network(dense_network(0.05, 0, [spec])).layers[0]
    stairs = fit_staircase(layer, low, high)
    assert stairs is not None
    return PackedLayer(layer, stairs, byte_pairs(rows.shape[1]), low, high)


def core_sum(packed, inputs, couples_joined):
    """What muls, adds, asrs and adcs gather from one row of weights, modulo 2^32."""
    words = packed.words[0].astype(np.int64)
    products = []
    for word, (low, high) in zip(words.tolist(), packed.pairs, strict=True):
        upper = 0 if high is None else int(inputs[high])
        x = (int(inputs[low]) + (upper << 16)) & 0xFFFF_FFFF
        products.append(x * word & 0xFFFF_FFFF)
    total, pair = 0, 0
    while pair < len(products):
        value = products[pair]
        if pair % 2 == 0 and pair + 1 < len(products) and couples_joined[pair // 2]:
            value = (value + products[pair + 1]) & 0xFFFF_FFFF
            pair += 1
        signed = value - (1 << 32) if value >> 31 else value
        total += (signed >> 16) + (value >> 15 & 1)
        pair += 1
    return total


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(-128, 127), min_size=8, max_size=8),
    st.lists(CODES, min_size=8, max_size=8),
    st.integers(1, 6),
)
def test_the_packed_sum_is_the_sum(weights, inputs, divisor):
    """For any weights that are admitted, and joined wherever the compiler would join."""
    row = [int(w / divisor) for w in weights]
    packed = packed_layer([row])
    if not packed.runs():
        return
    expected = -int(np.dot(row, inputs))
    joined = packed.couples_joined()[0]
    assert core_sum(packed, inputs, [False] * 4) == expected
    assert core_sum(packed, inputs, joined) == expected


def test_the_bounds_are_the_bounds():
    """At the corners: the largest couple that is joined is exact, the next one is not."""
    corners = np.array(np.meshgrid(*[[-128, 127]] * 4)).reshape(4, -1).T
    for row, admitted in (([63, 64, 64, 64], True), ([127, 64, 64, 64], False)):
        packed = packed_layer([row])
        assert packed.couples_joined()[0].tolist() == [admitted]
        exact = [core_sum(packed, x, [True]) == -int(np.dot(row, x)) for x in corners]
        assert all(exact) == admitted


def test_two_weights_of_minus_128_in_a_pair():
    assert packed_layer([[-128, 127, 127, -127]]).runs()
    packed = packed_layer([[-128, 0, -128, 0]])
    assert not packed.runs()
    assert core_sum(packed, [-128, 0, -128, 0], [False]) != -(2 * 128 * 128)


def test_a_smaller_range_of_codes_joins_more():
    row = [[100, 100, 100, 100]]
    assert not packed_layer(row).couples_joined().any()
    assert packed_layer(row, low=-64, high=63).couples_joined().all()


@pytest.mark.parametrize("n", range(1, 14))
def test_every_input_is_in_one_pair(n):
    found = [i for pair in byte_pairs(n) for i in pair if i is not None]
    assert sorted(found) == list(range(n))


@pytest.mark.parametrize("n_outputs", [1, 2, 3, 4, 5, 6, 7, 8, 13])
@pytest.mark.parametrize("to_bytes", [True, False])
@pytest.mark.parametrize("price", [0.0, 3.0])
def test_loops_compute_every_output_once(n_outputs, to_bytes, price):
    weights = np.random.default_rng(n_outputs).integers(-127, 128, (n_outputs, 12))
    packed = packed_layer(weights)
    joined = packed.couples_joined()
    for source in (PairPlace(frame_offset=0), PairPlace(symbol="wide")):
        loops = plan_loops(packed, source, to_bytes=to_bytes, cycles_per_byte=price)
        order = [output for loop in loops for output in loop.outputs]
        assert sorted(order) == list(range(n_outputs))
        assert not to_bytes or order == list(range(n_outputs))
        pairs = output_pairs(loops)
        assert [i for pair in pairs for i in pair if i is not None] == order
        for loop in loops:
            for place, couples in enumerate(loop.joined):
                for output in loop.outputs[place :: loop.width]:
                    assert joined[output][sorted(couples)].all()


@pytest.mark.parametrize(
    ("text", "cycles", "n_bytes"),
    [
        ("muls  r6, r5, r6", 1, 2),
        ("ldr   r5, [sp, #12]   @ pair 3", 2, 2),
        ("ldmia r0!, {r1, r2, r3, r4}", 5, 2),
        ("push  {r4-r7, lr}", 6, 2),
        ("pop   {r4-r7, pc}", 8, 2),
        ("bne   .Lback", 2, 2),
        ("bl    .Lfar", 3, 4),
        ("", 0, 0),
    ],
)
def test_instruction_costs(text, cycles, n_bytes):
    assert instruction_cost(text) == Cost(cycles, n_bytes)


def test_an_unknown_instruction_has_no_cost():
    with pytest.raises(KeyError):
        instruction_cost("sdiv r0, r1, r2")


def test_a_listing_adds_up():
    listing, body = Listing(), Listing()
    body.block("jl_column4")
    listing.instruction("mov r1, r2")
    listing.repeat(body, 10)
    column = BLOCKS["jl_column4"].cost
    assert listing.cost == Cost(1 + 10 * column.cycles, 2 + column.n_bytes)
    assert listing.used == {"jl_column4"}
