"""The float32 policy's ``.tflite`` on the host: what a board with the float engine must decide."""

from __future__ import annotations

import numpy as np

from toolchain.compile import read_float_network, run_float
from toolchain.environment import DayBatch
from toolchain.policy.choice import choose
from toolchain.protocol import Element


class FloatPolicy:
    """A float32 ``.tflite``, computed in the board's order and rounding.

    Args:
        model: the file's bytes.

    Raises:
        ModelError: it cannot be used.
    """

    element = Element.FLOAT32
    dtype = np.dtype(np.float32)

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._network = read_float_network(model)
        self.n_inputs = self._network.n_inputs
        self.n_outputs = self._network.n_outputs

    def quantize(self, states: np.ndarray) -> np.ndarray:
        """(n, n_in) float states as the line takes them: float32, not rounded any further."""
        return np.ascontiguousarray(states, dtype=np.float32)

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """(n, n_in) float32 to (n, n_out) float32."""
        return run_float(self._network, inputs)

    def __call__(self, batch: DayBatch) -> np.ndarray:
        """The policy as the environment's rollout wants it."""
        return choose(self.outputs(self.quantize(batch.states)), batch.masks)
