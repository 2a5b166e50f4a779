"""What is compared: one policy in several precisions and sizes, each on an engine of the board."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from host.chain.quantization import FALLBACK_FILE, FLOAT_MODEL_FILE, MODEL_FILE
from toolchain.compile import network_kind
from toolchain.errors import RunFolderError
from toolchain.protocol import Engine
from toolchain.quantize import FloatPolicy, QuantizedPolicy

BoardPolicy: TypeAlias = QuantizedPolicy | FloatPolicy
"""A network as the board must compute it, run on the host."""

FLOAT = "float32"
"""Name of the network that every other one is compared with."""


@dataclass(frozen=True)
class ComparedNetwork:
    """One line of the comparison.

    Attributes:
        name: what it is called in tables.
        engine: what computes it on the board.
        model: the ``.tflite``.
        what: one sentence on how it was made.
    """

    name: str
    engine: Engine
    model: bytes
    what: str

    def policy(self) -> BoardPolicy:
        """Its reference on the host."""
        return policy_of(self.model)


def policy_of(model: bytes) -> BoardPolicy:
    """The reference of a ``.tflite``: float32, or quantized.

    Raises:
        ModelError: it cannot be used.
    """
    return FloatPolicy(model) if network_kind(model) == FLOAT else QuantizedPolicy(model)


QUANTIZED = {
    "int8": (MODEL_FILE, "int8 weights and activations"),
    "int16": ("policy_int16_activations.tflite", "int8 weights, int16 activations"),
    "pruned": ("policy_pruned.tflite", "half of the weights 0, int8"),
    "narrow": ("policy_narrow.tflite", "half of the hidden widths, int8"),
    "fallback": (FALLBACK_FILE, "the energy-saving mode's head, int8"),
}
"""Files and descriptions of the networks that the engine aot runs, by name."""


def compared_networks(
    quantized: Path, variants: Path, *, with_tflm: bool
) -> tuple[ComparedNetwork, ...]:
    """The networks of a run folder, float32 first.

    Args:
        quantized: folder of the quantize stage.
        variants: folder with the other compressions; may be the same.
        with_tflm: the int8 network by TensorFlow Lite Micro's interpreter as well.

    Raises:
        RunFolderError: a file is missing.
    """

    def read(name: str) -> bytes:
        for folder in (quantized, variants):
            if (folder / name).is_file():
                return (folder / name).read_bytes()
        raise RunFolderError(
            f"neither {quantized} nor {variants} has {name}",
            hint="run the same command with --force, which makes them anew",
        )

    what = "the policy as it was trained"
    networks = [ComparedNetwork(FLOAT, Engine.FLOAT, read(FLOAT_MODEL_FILE), what)]
    networks += [
        ComparedNetwork(name, Engine.AOT, read(file), what)
        for name, (file, what) in QUANTIZED.items()
    ]
    if with_tflm:
        what = "the int8 network by TensorFlow Lite Micro's interpreter"
        networks.append(ComparedNetwork("int8 tflm", Engine.TFLM, read(MODEL_FILE), what))
    return tuple(networks)
