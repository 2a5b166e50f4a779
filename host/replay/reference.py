"""What the board must decide: the quantized networks of its modes, on the host."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from toolchain.errors import ModelError
from toolchain.policy.choice import choose
from toolchain.protocol import Mode
from toolchain.quantize import FloatPolicy, QuantizedPolicy, require_same_edges


class Reference:
    """The networks of an image: TFLite Micro's own interpreter, or float32 in the board's order.

    Args:
        full: the image's own.
        fallback: the cheaper one; None where the image has none.

    Raises:
        ModelError: they do not take the same inputs, or have other outputs.
    """

    def __init__(
        self, full: QuantizedPolicy | FloatPolicy, fallback: QuantizedPolicy | None = None
    ) -> None:
        policies: dict[Mode, QuantizedPolicy | FloatPolicy] = {Mode.FULL: full}
        if fallback is not None:
            if not isinstance(full, QuantizedPolicy):
                raise ModelError(
                    "a float32 network and a fallback: only a quantized network has one",
                    hint="leave the fallback out",
                )
            require_same_edges(full, fallback)
            policies[Mode.FALLBACK] = fallback
        self.policies: Mapping[Mode, QuantizedPolicy | FloatPolicy] = policies
        self.n_inputs = full.n_inputs

    def quantize(self, states: np.ndarray) -> np.ndarray:
        """(n, n_in) float states to codes, for either network."""
        return self.policies[Mode.FULL].quantize(states)

    def decide(
        self, inputs: np.ndarray, masks: np.ndarray, modes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decide every row with the network of its mode.

        Args:
            inputs: (n, n_in) codes.
            masks: (n, n_actions) bool.
            modes: (n,) integers of :class:`~toolchain.protocol.Mode`.

        Returns:
            (n,) actions, and the (n, n_actions) codes that they were chosen by.
        """
        outputs = np.zeros(masks.shape, dtype=self.policies[Mode.FULL].dtype)
        for mode, policy in self.policies.items():
            chosen = modes == mode
            if chosen.any():
                outputs[chosen] = policy.outputs(inputs[chosen])
        return choose(outputs, masks), outputs
