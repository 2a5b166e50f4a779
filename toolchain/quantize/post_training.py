"""Post-training quantization with TensorFlow's converter."""

from __future__ import annotations

import warnings
from enum import StrEnum
from typing import Any

import numpy as np

from toolchain.errors import InputError, ModelError
from toolchain.policy.dense import DensePolicy
from toolchain.policy.late_tensorflow import import_tensorflow, without_chatter
from toolchain.quantize.dense_network import Activation, DenseNetwork


class Precision(StrEnum):
    """Of weights and activations."""

    INT8 = "int8"
    INT16_ACTIVATIONS = "int16_activations"
    """int8 weights, int16 activations, input and output; the converter calls it experimental."""


def to_keras(policy: DensePolicy | DenseNetwork) -> Any:
    """The same network as a Keras model (batch of any size, float32)."""
    network = DenseNetwork.of_policy(policy) if isinstance(policy, DensePolicy) else policy
    keras = import_tensorflow().keras
    # Names of our own: Keras counts its layers by process, and a file holds their names, so that a
    # model's SHA-256 would depend on what else the process had made.
    layers = [keras.Input((network.widths[0],), name="states")]
    for index, layer in enumerate(network.layers):
        kind = None if layer.activation == Activation.LINEAR else str(layer.activation)
        width = layer.weight.shape[1]
        layers.append(keras.layers.Dense(width, activation=kind, name=f"dense_{index}"))
    model = keras.Sequential(layers, name="network")
    model.set_weights([array for layer in network.layers for array in (layer.weight, layer.bias)])
    return model


def convert(
    policy: DensePolicy | DenseNetwork,
    calibration: np.ndarray | None,
    precision: Precision = Precision.INT8,
) -> bytes:
    """Convert to a ``.tflite``.

    Args:
        policy: the float network.
        calibration: (n, n_in) float32 states that set the activations' ranges; None for a float32
            model.
        precision: of a quantized model, its input and its output.

    Returns:
        The file's bytes.

    Raises:
        InputError: the calibration does not fit the network.
        ModelError: there is nothing to calibrate on, or the converter refuses the network.
        MissingDependencyError: TensorFlow is not installed.
    """
    n_inputs = policy.widths[0]
    if calibration is not None:
        if len(calibration) == 0:
            raise ModelError("no calibration states: the policy visited none")
        if calibration.ndim != 2 or calibration.shape[1] != n_inputs:
            raise InputError(
                f"calibration of shape {calibration.shape}, the network takes (n, {n_inputs})",
                hint="give one row an inference",
            )
        if not np.isfinite(calibration).all():
            raise InputError(
                "calibration has values that are not finite numbers", hint="remove those rows"
            )
    tensorflow = import_tensorflow()
    model = to_keras(policy)

    @tensorflow.function(input_signature=[tensorflow.TensorSpec((1, n_inputs), tensorflow.float32)])
    def infer(states: Any) -> Any:
        return model(states)

    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
        [infer.get_concrete_function()], infer
    )
    if calibration is not None:
        rows = np.ascontiguousarray(calibration, dtype=np.float32)
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[None]] for row in rows)
        sets = tensorflow.lite.OpsSet
        chosen, edges = {
            Precision.INT8: (sets.TFLITE_BUILTINS_INT8, tensorflow.int8),
            Precision.INT16_ACTIVATIONS: (
                sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
                tensorflow.int16,
            ),
        }[precision]
        converter.target_spec.supported_ops = [chosen]
        converter.inference_input_type = edges
        converter.inference_output_type = edges
    try:
        with without_chatter(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bytes(converter.convert())
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"TensorFlow's converter refused the network: {error}") from error
