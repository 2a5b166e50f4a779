"""Where a quantized policy loses agreement with its float original: by range, layer and choice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from toolchain.compile import read_network
from toolchain.compile.network import FullyConnected, Tensor
from toolchain.environment import Disposition
from toolchain.errors import ModelError
from toolchain.policy.choice import choose
from toolchain.quantize.dense_network import DenseNetwork
from toolchain.quantize.quantized import QuantizedPolicy

_NEAR_STEPS = 2.0
"""Output steps below which two scores count as a tie."""


def layer_report(
    network: DenseNetwork, quantized: QuantizedPolicy, states: np.ndarray, masks: np.ndarray
) -> dict[str, Any]:
    """Per-layer figures, and which decisions change.

    A layer's ``equal_decisions_alone`` is the agreement when only its weights and its output are
    rounded and everything else stays float: the layer with the lowest one loses most.

    Args:
        network: the float network that was converted.
        quantized: what became of it, with one FULLY_CONNECTED for each layer.
        states: (n, n_in) float32, n of at least 1.
        masks: (n, n_actions) bool.

    Returns:
        JSON values: ``input``, ``layers``, ``changed`` (counts by float and quantized disposition)
        and ``near_ties``, the share of the changed decisions whose two float scores are within two
        steps of the quantized output.

    Raises:
        ModelError: the model's layers are not the network's.
    """
    layers = [
        layer for layer in read_network(quantized.model).layers if isinstance(layer, FullyConnected)
    ]
    shapes = [layer.weight.shape for layer in network.layers]
    if [layer.weights.shape[::-1] for layer in layers] != shapes:
        raise ModelError(
            f"the model's layers {[layer.weights.shape for layer in layers]} are not those of the "
            f"network, {network.widths}",
            hint="run 'jouleloop quantize' again",
        )
    scores = network(states)
    mine = choose(scores, masks)
    source = layers[0].input
    alone = choose(network(_rounded(states, source)), masks)
    entries, values = [], np.asarray(states, dtype=np.float32)
    for index, (own, layer) in enumerate(zip(network.layers, layers, strict=True)):
        values = own(values)
        scales = np.broadcast_to(layer.weight_scales, (layer.n_outputs,))
        weight = (layer.weights.astype(np.float64) * scales[:, None]).T
        rounded = _with_one_rounded(network, states, index, weight, layer.output)
        entries.append(
            {
                "shape": list(own.weight.shape),
                "weight_scale_min": float(scales.min()),
                "weight_scale_max": float(scales.max()),
                "zero_weights": float(np.mean(layer.weights == 0)),
                **_range_entry(values, layer.output),
                "equal_decisions_alone": float(np.mean(choose(rounded, masks) == mine)),
            }
        )
    theirs = choose(quantized.outputs(quantized.quantize(states)), masks)
    changed = np.flatnonzero(mine != theirs)
    gap = np.abs(scores[changed, mine[changed]] - scores[changed, theirs[changed]])
    pairs: dict[str, int] = {}
    for before, after in zip(mine[changed], theirs[changed], strict=True):
        pair = f"{Disposition(int(before)).name} -> {Disposition(int(after)).name}"
        pairs[pair] = pairs.get(pair, 0) + 1
    near = float(np.mean(gap <= _NEAR_STEPS * layers[-1].output.scale)) if len(changed) else None
    return {
        "input": _range_entry(np.asarray(states), source)
        | {"equal_decisions_alone": float(np.mean(alone == mine))},
        "layers": entries,
        "changed": dict(sorted(pairs.items(), key=lambda item: -item[1])),
        "near_ties": near,
    }


def _with_one_rounded(
    network: DenseNetwork, states: np.ndarray, index: int, weight: np.ndarray, output: Tensor
) -> np.ndarray:
    values = np.asarray(states, dtype=np.float32)
    for place, layer in enumerate(network.layers):
        if place == index:
            values = _rounded(replace(layer, weight=weight)(values), output)
        else:
            values = layer(values)
    return values


def _rounded(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    codes = np.clip(np.round(values / tensor.scale) + tensor.zero_point, *tensor.limits)
    real: np.ndarray = (codes - tensor.zero_point) * tensor.scale
    return real


def _range_entry(values: np.ndarray, tensor: Tensor) -> dict[str, float | int]:
    low, high = ((code - tensor.zero_point) * tensor.scale for code in tensor.limits)
    outside = (values < low - tensor.scale) | (values > high + tensor.scale)
    return {
        "scale": float(tensor.scale),
        "zero_point": int(tensor.zero_point),
        "seen_min": float(values.min()),
        "seen_max": float(values.max()),
        "representable_min": float(low),
        "representable_max": float(high),
        "saturated": float(np.mean(outside)),
    }
