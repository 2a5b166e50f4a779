"""Any other ``.tflite`` as a policy, so that what no board here runs can be scored all the same."""

from __future__ import annotations

import threading

import numpy as np

from toolchain.compile.flatbuffer import parse
from toolchain.environment import DayBatch
from toolchain.policy.choice import choose
from toolchain.quantize.quantized import QuantizedPolicy
from toolchain.quantize.runtime import HostModel

_OF_A_BOARD = {"int8", "int16"}


class HostPolicy:
    """A ``.tflite`` of any precision and operators, run by the host's runtime.

    Args:
        model: the file's bytes.

    Raises:
        ModelError: the runtime refuses the file.
        MissingDependencyError: no runtime is installed.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._of_thread = threading.local()
        first = self._host()
        self.n_inputs, self.n_outputs = first.input.n_values, first.output.n_values
        self.runtime = first.runtime
        """What runs it, with its version."""

    def __call__(self, batch: DayBatch) -> np.ndarray:
        """The policy as the environment's rollout wants it."""
        return choose(self._host().scores(batch.states), batch.masks)

    def _host(self) -> HostModel:
        """This thread's own, since an interpreter has one memory."""
        if not hasattr(self._of_thread, "model"):
            self._of_thread.model = HostModel(self.model)
        model: HostModel = self._of_thread.model
        return model


def policy_on_host(model: bytes) -> QuantizedPolicy | HostPolicy:
    """A ``.tflite`` as a policy: by TFLite Micro where both ends are codes, as a board decides.

    Everything else (float32, float16 weights, dynamic range, float32 at the ends of an INT8
    network) goes through the adapter, whose last bits are the runtime's.

    Args:
        model: the file's bytes.

    Raises:
        ModelError: it cannot be used.
        MissingDependencyError: what runs it is not installed.
    """
    raw = parse(model)
    ends = {raw.tensors[index].dtype for index in (*raw.inputs, *raw.outputs)}
    return QuantizedPolicy(model) if ends <= _OF_A_BOARD else HostPolicy(model)
