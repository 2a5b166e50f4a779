"""The reference of a replay: networks of either element type, with a fallback or without."""

from __future__ import annotations

import numpy as np
import pytest

from host.replay.reference import Reference
from toolchain.compile.synthetic import reference_network
from toolchain.errors import ModelError
from toolchain.protocol import Element, Mode
from toolchain.quantize import QuantizedPolicy


def policy(element: Element, seed: int = 1) -> QuantizedPolicy:
    return QuantizedPolicy(reference_network((6, 8, 4), np.random.default_rng(seed), element))


def states(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    masks = rng.random((n, 4)) < 0.5
    masks[~masks.any(axis=1), 1] = True
    return rng.normal(0, 1, (n, 6)).astype(np.float32), masks


@pytest.mark.parametrize("element", [Element.INT8, Element.INT16])
def test_one_network_decides_every_row(element: Element) -> None:
    rng = np.random.default_rng(3)
    network = policy(element)
    reference = Reference(network)
    rows, masks = states(rng, 50)
    inputs = reference.quantize(rows)
    actions, outputs = reference.decide(inputs, masks, np.full(50, Mode.FULL))
    assert inputs.dtype == outputs.dtype == np.dtype(element.name.lower())
    np.testing.assert_array_equal(outputs, network.outputs(inputs))
    scores = np.where(masks, outputs.astype(int), -(2**20))
    np.testing.assert_array_equal(actions, scores.argmax(axis=1))
    assert len(np.unique(actions)) > 1


def test_each_row_by_the_network_of_its_mode() -> None:
    full, fallback = policy(Element.INT16, 1), policy(Element.INT16, 2)
    rows, masks = states(np.random.default_rng(4), 40)
    reference = Reference(full, fallback)
    modes = np.arange(40) % 2
    inputs = reference.quantize(rows)
    _, outputs = reference.decide(inputs, masks, modes)
    np.testing.assert_array_equal(outputs[::2], full.outputs(inputs[::2]))
    np.testing.assert_array_equal(outputs[1::2], fallback.outputs(inputs[1::2]))


def test_networks_of_two_types_are_refused() -> None:
    with pytest.raises(ModelError, match=r"dtype is int8, the policy's is int16"):
        Reference(policy(Element.INT16), policy(Element.INT8))
