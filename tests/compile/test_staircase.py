"""Requantization as a line: equal to the reference everywhere, or refused."""

import numpy as np
import pytest

from toolchain.compile import read_network
from toolchain.compile.network import FullyConnected
from toolchain.compile.quantization import scale_by
from toolchain.compile.staircase import accumulator_range, fit_staircase
from toolchain.compile.synthetic import REFERENCE_SHAPES, random_network, reference_network
from toolchain.compile.tflite_writer import DenseSpec, dense_network


def dense_layers(data):
    return [layer for layer in read_network(data).layers if isinstance(layer, FullyConnected)]


def reference_codes(layer, output, accumulators):
    index = output if layer.per_channel else 0
    scaled = scale_by(accumulators, int(layer.multipliers[index]), int(layer.shifts[index]))
    return np.clip(scaled + layer.output.zero_point, layer.minimum, layer.maximum)


def assert_equal_where_it_matters(layer, stairs, rng):
    """Every accumulator around each step and each end, and random ones between."""
    least, greatest = accumulator_range(layer, -128, 127)
    for output in range(layer.n_outputs):
        low, high = int(least[output]), int(greatest[output])
        coarse = np.unique(np.linspace(low, high, 4000).astype(np.int64))
        codes = reference_codes(layer, output, coarse)
        jumps = np.flatnonzero(np.diff(codes))
        near = [np.array([low, low + 1, -2, -1, 0, 1, 2, high - 1, high])]
        for jump in jumps[:: max(1, len(jumps) // 40)]:
            a, b = int(coarse[jump]), int(coarse[jump + 1])
            while b - a > 1:
                middle = (a + b) // 2
                same = reference_codes(layer, output, np.array([middle]))[0] == codes[jump]
                a, b = (middle, b) if same else (a, middle)
            near.append(np.arange(a - 2, b + 3))
        tried = np.concatenate([coarse, *near, rng.integers(low, high + 1, 500)])
        tried = np.clip(tried, low, high)
        np.testing.assert_array_equal(
            stairs.codes(output, tried), reference_codes(layer, output, tried)
        )


@pytest.mark.parametrize("name", REFERENCE_SHAPES)
def test_reference_networks(name):
    rng = np.random.default_rng(2)
    bent = []
    for layer in dense_layers(reference_network(REFERENCE_SHAPES[name], rng)):
        stairs = fit_staircase(layer, -128, 127)
        assert stairs is not None
        bent.append(stairs.bent)
        assert_equal_where_it_matters(layer, stairs, rng)
    # ReLU codes are of one sign, the last layer's of both.
    assert bent == [False] * (len(bent) - 1) + [True]


def test_random_layers():
    rng = np.random.default_rng(3)
    fitted = refused = 0
    for _ in range(60):
        for layer in dense_layers(random_network(rng, max_layers=1)):
            stairs = fit_staircase(layer, -128, 127)
            if stairs is None:
                refused += 1
                continue
            fitted += 1
            if layer.n_outputs <= 20:
                assert_equal_where_it_matters(layer, stairs, rng)
    assert fitted > 30
    assert refused > 5


def test_a_wrong_line_is_seen():
    """The comparison above can fail: a slope off by one part in 2^12 changes codes."""
    layer = dense_layers(reference_network((16, 4), np.random.default_rng(4)))[0]
    stairs = fit_staircase(layer, -128, 127)
    assert stairs is not None
    least, greatest = accumulator_range(layer, -128, 127)
    tried = np.arange(int(least[0]), int(greatest[0]) + 1)
    right = stairs.codes(0, tried)
    np.testing.assert_array_equal(right, reference_codes(layer, 0, tried))
    stairs.high[0] += max(1, int(stairs.high[0]) >> 12)
    assert (stairs.codes(0, tried) != right).any()


@pytest.mark.parametrize(
    ("scale", "bias"),
    [(0.01, 2**31 - 1), (0.01, -(2**31)), (2.0**24, 0)],
    ids=["overflow", "underflow", "left shift"],
)
def test_accumulators_that_wrap_are_refused(scale, bias):
    weights = np.full((1, 4), 127, np.int8)
    layer = DenseSpec(weights, np.array([bias], np.int32), (scale,), 0.5, 0)
    assert fit_staircase(dense_layers(dense_network(0.5, 0, [layer]))[0], -128, 127) is None


def test_a_staircase_beyond_the_accumulators():
    """Outputs whose code never changes are a line without a rise."""
    weights = np.array([[1, 0], [-1, 1]], np.int8)
    layer = dense_layers(
        dense_network(0.01, 0, [DenseSpec(weights, np.zeros(2, np.int32), (0.01,), 4.0, 7)])
    )[0]
    stairs = fit_staircase(layer, -128, 127)
    assert stairs is not None
    assert stairs.width.tolist() == [0, 0]
    assert stairs.codes(0, np.arange(-128, 128)).tolist() == [7] * 256
