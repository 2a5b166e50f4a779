"""The float policy: a dense ReLU network from states to one score per disposition."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from toolchain.environment import DayBatch
from toolchain.errors import InputError
from toolchain.policy.choice import choose

UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What :func:`numpy.load` and the arrays of an ``.npz`` raise where it is broken."""


@dataclass(frozen=True)
class DensePolicy:
    """Weights of the float network; runs without TensorFlow.

    Attributes:
        weights: per layer (n_in, n_out) float32, Keras's layout.
        biases: per layer (n_out,) float32.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs, hidden widths, outputs."""
        return (self.weights[0].shape[0], *(weight.shape[1] for weight in self.weights))

    def scores(self, states: np.ndarray) -> np.ndarray:
        """(n, n_in) float32 states to (n, n_out) float32 scores."""
        activations = np.asarray(states, dtype=np.float32)
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            activations = activations @ weight + bias
            if index + 1 < len(self.weights):
                activations = np.maximum(activations, 0)
        return activations

    def __call__(self, batch: DayBatch) -> np.ndarray:
        """The policy as the environment's rollout wants it."""
        return choose(self.scores(batch.states), batch.masks)

    def _check(self) -> None:
        width = None
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if weight.ndim != 2 or bias.shape != weight.shape[1:] or 0 in weight.shape:
                raise ValueError(f"layer {index} has weights {weight.shape}, biases {bias.shape}")
            if width not in (None, weight.shape[0]):
                raise ValueError(f"layer {index} takes {weight.shape[0]} values, gets {width}")
            if weight.dtype.kind != "f" or bias.dtype.kind != "f":
                raise ValueError(f"layer {index} is {weight.dtype} and {bias.dtype}, not float")
            if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
                raise ValueError(f"layer {index} has weights that are not finite numbers")
            width = weight.shape[1]

    def save(self, path: Path) -> None:
        """Write an ``.npz``."""
        arrays = {f"weight_{i}": weight for i, weight in enumerate(self.weights)}
        arrays |= {f"bias_{i}": bias for i, bias in enumerate(self.biases)}
        np.savez(path, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path | BinaryIO) -> DensePolicy:
        """Read an ``.npz`` that :meth:`save` wrote.

        Raises:
            InputError: it is not one.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                layers = len(arrays.files) // 2
                if not layers:
                    raise ValueError("it holds no layer")
                policy = cls(
                    tuple(arrays[f"weight_{i}"] for i in range(layers)),
                    tuple(arrays[f"bias_{i}"] for i in range(layers)),
                )
                policy._check()
                return policy
        except UNREADABLE as error:
            raise InputError(
                f"{path}: not a policy: {error}", hint="run 'jouleloop train' again"
            ) from error
