"""Post-training INT8 quantization with TensorFlow's converter."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from toolchain.errors import MissingDependencyError, ModelError
from toolchain.policy.dense import DensePolicy


def import_tensorflow() -> Any:
    """TensorFlow, quiet.

    Raises:
        MissingDependencyError: the ``train`` extra is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        with _without_chatter():
            import tensorflow
    except ImportError as error:
        raise MissingDependencyError(
            "TensorFlow is not installed; training and quantizing need it",
            hint="pip install 'jouleloop[train]'",
        ) from error
    return tensorflow


def to_keras(policy: DensePolicy) -> Any:
    """The same network as a Keras model (batch of any size, float32)."""
    keras = import_tensorflow().keras
    layers = [keras.Input((policy.widths[0],))]
    for index, width in enumerate(policy.widths[1:]):
        last = index + 2 == len(policy.widths)
        layers.append(keras.layers.Dense(width, activation=None if last else "relu"))
    model = keras.Sequential(layers)
    model.set_weights(
        [array for pair in zip(policy.weights, policy.biases, strict=True) for array in pair]
    )
    return model


def convert(policy: DensePolicy, calibration: np.ndarray | None) -> bytes:
    """Convert to a ``.tflite``.

    Args:
        policy: the float network.
        calibration: (n, n_in) float32 states that set the activations' ranges, for INT8 weights,
            activations, input and output; None for a float32 model.

    Returns:
        The file's bytes.

    Raises:
        ModelError: there is nothing to calibrate on.
    """
    if calibration is not None and len(calibration) == 0:
        raise ModelError("no calibration states: the policy visited none")
    tensorflow = import_tensorflow()
    model = to_keras(policy)

    @tensorflow.function(
        input_signature=[tensorflow.TensorSpec((1, policy.widths[0]), tensorflow.float32)]
    )
    def infer(states: Any) -> Any:
        return model(states)

    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
        [infer.get_concrete_function()], infer
    )
    if calibration is not None:
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [row[None].astype(np.float32)] for row in calibration
        )
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tensorflow.int8
        converter.inference_output_type = tensorflow.int8
    try:
        with _without_chatter(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bytes(converter.convert())
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"TensorFlow's converter refused the network: {error}") from error


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """TensorFlow's C++ writes to the file descriptors themselves; keep that off the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as sink, contextlib.redirect_stdout(io.StringIO()):
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            yield
        finally:
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])
