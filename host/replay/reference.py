"""What the board must decide: the INT8 networks of both its modes, on the host."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from toolchain.policy.choice import choose
from toolchain.protocol import Mode
from toolchain.quantize import Int8Policy, require_same_edges


class Reference:
    """The two networks of an image, run by TFLite Micro's own interpreter.

    Args:
        full: the image's own.
        fallback: the cheaper one.

    Raises:
        ModelError: they do not take the same inputs, or have other outputs.
    """

    def __init__(self, full: Int8Policy, fallback: Int8Policy) -> None:
        require_same_edges(full, fallback)
        self.policies: Mapping[Mode, Int8Policy] = {Mode.FULL: full, Mode.FALLBACK: fallback}
        self.n_inputs = full.n_inputs

    def quantize(self, states: np.ndarray) -> np.ndarray:
        """(n, n_in) float states to int8, for either network."""
        return self.policies[Mode.FULL].quantize(states)

    def decide(
        self, inputs: np.ndarray, masks: np.ndarray, modes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decide every row with the network of its mode.

        Args:
            inputs: (n, n_in) int8.
            masks: (n, n_actions) bool.
            modes: (n,) integers of :class:`~toolchain.protocol.Mode`.

        Returns:
            (n,) actions, and the (n, n_actions) int8 outputs that they were chosen by.
        """
        outputs = np.zeros(masks.shape, dtype=np.int8)
        for mode, policy in self.policies.items():
            chosen = modes == mode
            if chosen.any():
                outputs[chosen] = policy.outputs(inputs[chosen])
        return choose(outputs, masks), outputs
