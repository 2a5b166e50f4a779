"""The INT8 policy on the host: the reference that the board's decisions must equal."""

from __future__ import annotations

import numpy as np

from toolchain.compile import golden, quantize, read_network
from toolchain.environment import DayBatch
from toolchain.policy.choice import choose


class Int8Policy:
    """A policy's ``.tflite``, run by TFLite Micro's own interpreter.

    Args:
        model: the file's bytes; int8 input and output.

    Raises:
        ModelError: it cannot be used.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        network = read_network(model)
        self._input = network.input
        self.n_inputs = network.input.n_values
        self.n_outputs = network.output.n_values
        self.input_scale = network.input.scale
        self.input_zero_point = network.input.zero_point

    def quantize(self, states: np.ndarray) -> np.ndarray:
        """(n, n_in) float states to int8, as TFLite quantizes: round half away from zero."""
        return quantize(states, self._input)

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """(n, n_in) int8 to (n, n_out) int8."""
        return golden(self.model, inputs)

    def __call__(self, batch: DayBatch) -> np.ndarray:
        """The policy as the environment's rollout wants it."""
        return choose(self.outputs(self.quantize(batch.states)), batch.masks)
