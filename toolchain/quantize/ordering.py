"""Scores that eight bits hold better, with the same decisions.

A decision is the order of a few scores, so what they have in common may be taken off them, and how
bad the bad ones are need not be known. A trained network spends most of its output's range on
both: the scores of a state move up and down together, and hopeless actions fall without end. Here
the last layer loses, as far as a linear function of its inputs can say it, the best allowed score;
then a floor, a ReLU, cuts off what is far below. The output's step becomes two to four times finer
and more decisions survive (docs/POLICY.md has the figures); nothing is added to the program.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from toolchain.errors import InputError
from toolchain.policy.dense import DensePolicy
from toolchain.quantize.dense_network import Activation, DenseNetwork

_RIDGE = 0.1
"""Against the mean square of the last layer's inputs. Without it the common part is taken off more
exactly, but by weights so large that their own rounding costs more than is won."""

_MARGIN = 0.25
"""Of the best scores' spread, that the floor lies below the lowest of them."""


def narrowed(policy: DensePolicy, states: np.ndarray, masks: np.ndarray) -> DenseNetwork:
    """The network with the common part taken off its scores, and a floor under them.

    Args:
        policy: the float policy.
        states: (n, n_in) float32 that it visits.
        masks: (n, n_out) bool, true where allowed.

    Returns:
        a network with outputs of at least 0. It decides as the policy does, but for states whose
        best allowed score is below the floor: none of those given, and few of others.

    Raises:
        InputError: there are no states.
    """
    if len(states) == 0:
        raise InputError("no states to find the range of the scores on")
    network = DenseNetwork.of_policy(policy)
    last = network.layers[-1]
    inputs = np.asarray(states, dtype=np.float32)
    for layer in network.layers[:-1]:
        inputs = layer(inputs)
    best = _best(inputs @ last.weight + last.bias, masks)
    common, level = _ridge(inputs.astype(np.float64), best)
    weight = last.weight - common[:, None]
    bias = last.bias - level
    best = _best(inputs @ weight + bias, masks)
    floor = best.min() - _MARGIN * np.ptp(best)
    final = replace(
        last,
        weight=weight.astype(np.float32),
        bias=(bias - floor).astype(np.float32),
        activation=Activation.RELU,
    )
    return DenseNetwork((*network.layers[:-1], final))


def _best(scores: np.ndarray, masks: np.ndarray) -> np.ndarray:
    best: np.ndarray = np.where(masks, scores, -np.inf).max(axis=1)
    return best


def _ridge(inputs: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, float]:
    """Slopes and level of the linear function of the inputs that is closest to ``wanted``."""
    centre, middle = inputs.mean(axis=0), float(wanted.mean())
    moved = inputs - centre
    square = moved.T @ moved / len(inputs)
    # A layer whose every unit is dead has nothing to take off, and needs no zero on the diagonal.
    square += (_RIDGE * np.mean(inputs**2) or 1.0) * np.eye(inputs.shape[1])
    slopes = np.linalg.solve(square, moved.T @ (wanted - middle) / len(inputs))
    return slopes, middle - float(centre @ slopes)
