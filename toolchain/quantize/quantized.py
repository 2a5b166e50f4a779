"""A quantized policy on the host: the reference that the board's decisions must equal."""

from __future__ import annotations

import threading

import numpy as np

from toolchain.compile import GoldenModel, quantize, read_network
from toolchain.environment import DayBatch
from toolchain.errors import ModelError
from toolchain.policy.choice import choose


class QuantizedPolicy:
    """A policy's ``.tflite``, run by TFLite Micro's own interpreter.

    Args:
        model: the file's bytes; int8 or int16 at both ends.

    Raises:
        ModelError: it cannot be used.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._of_thread = threading.local()
        network = read_network(model)
        if network.float_input or network.float_output:
            raise ModelError(
                "the model's ends are float32, a policy's must be int8 or int16",
                hint="export with inference_input_type and inference_output_type tf.int8",
            )
        self._input = network.input
        self.n_inputs = network.input.n_values
        self.n_outputs = network.output.n_values
        self.element = network.element
        """Of inputs and outputs, as on the line."""
        self.dtype = network.input.dtype
        """The same for numpy."""
        self.input_scale = network.input.scale
        self.input_zero_point = network.input.zero_point

    def quantize(self, states: np.ndarray) -> np.ndarray:
        """(n, n_in) float states to codes, as TFLite quantizes: round half away from zero."""
        return quantize(states, self._input)

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """(n, n_in) codes to (n, n_out) codes."""
        return self._interpreter().run(inputs)

    def _interpreter(self) -> GoldenModel:
        """This thread's own; making one takes as long as hundreds of inferences."""
        if not hasattr(self._of_thread, "model"):
            self._of_thread.model = GoldenModel(self.model)
        model: GoldenModel = self._of_thread.model
        return model

    def __call__(self, batch: DayBatch) -> np.ndarray:
        """The policy as the environment's rollout wants it."""
        return choose(self.outputs(self.quantize(batch.states)), batch.masks)
