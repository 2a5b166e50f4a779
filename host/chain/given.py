"""A policy that is given: networks made elsewhere take the place of training and quantizing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from host.chain.quantization import (
    FALLBACK_FILE,
    FLOAT_MODEL_FILE,
    MODEL_FILE,
    SUMMARY_FILE,
)
from host.chain.settings import GIVEN
from host.run import MANIFEST, RunFolder, write_json
from toolchain.board import Board
from toolchain.compile import Network, read_network
from toolchain.environment import require_task_shape
from toolchain.errors import InputError, ModelError
from toolchain.policy.calibration import Calibration
from toolchain.policy.sizing import NetworkCost, keys_of, layers_cost, limit_use, missed_limits
from toolchain.quantize import FloatPolicy, QuantizedPolicy, require_same_edges

NEEDED = (MODEL_FILE, FALLBACK_FILE)
FILES = (*NEEDED, FLOAT_MODEL_FILE)


@dataclass(frozen=True)
class GivenPolicy:
    """The networks of a policy, checked to fit the task and each other.

    Attributes:
        source: where they were read from, for messages.
        files: the ``.tflite`` by name, as ``quantize`` leaves them: the policy and its fallback,
            and the float32 policy where it was given.
    """

    source: Path
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, path: Path) -> GivenPolicy:
        """Read a folder of networks, or the ones of a run folder.

        Raises:
            InputError: it is not there, lacks a network, or has one of other inputs or outputs.
            ModelError: a network is broken or not supported.
            RunFolderError: a run folder without a quantized policy, or with an altered one.
        """
        if not path.is_dir():
            what = "is not a folder" if path.exists() else "is not there"
            raise InputError(
                f"--policy {path}: {what}",
                hint=f"name a run folder, or a folder with {MODEL_FILE}, {FALLBACK_FILE} and, for "
                f"the comparison with float32, {FLOAT_MODEL_FILE}",
            )
        folder = RunFolder(path, "").artifact("quantize") if (path / MANIFEST).exists() else path
        return cls._of(folder, path)

    @classmethod
    def recorded(cls, folder: RunFolder) -> GivenPolicy | None:
        """The policy that a run folder was given; None where it was trained there.

        Raises:
            RunFolderError: its files were altered.
        """
        if GIVEN not in folder.stages.get("train", {}).get("parameters", {}):
            return None
        return cls._of(folder.artifact("train"), folder.path)

    @classmethod
    def _of(cls, folder: Path, source: Path) -> GivenPolicy:
        missing = [name for name in NEEDED if not (folder / name).is_file()]
        if missing:
            found = ", ".join(sorted(file.name for file in folder.glob("*.tflite"))) or "none"
            raise InputError(
                f"--policy {source}: there is no {' and no '.join(missing)}; its networks: {found}",
                hint="give the INT8 policy and the cheaper network that decides once the energy "
                "budget is spent",
            )
        there = [name for name in FILES if (folder / name).is_file()]
        try:
            policy = cls(source, {name: (folder / name).read_bytes() for name in there})
        except OSError as error:
            raise InputError(
                f"--policy {source} cannot be read: {error}", hint="check the files' rights"
            ) from error
        policy.check()
        return policy

    @property
    def sha256(self) -> dict[str, str]:
        """Hex SHA-256 of each file, by its name."""
        return {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}

    def check(self) -> None:
        """Refuse networks that do not fit the task or each other.

        Raises:
            InputError: one has other inputs or outputs.
            ModelError: one is broken, not supported, or the fallback takes other input codes.
        """
        made: dict[str, QuantizedPolicy | FloatPolicy] = {}
        for name, data in self.files.items():
            kind = FloatPolicy if name == FLOAT_MODEL_FILE else QuantizedPolicy
            try:
                made[name] = kind(data)
            except ModelError as error:
                raise ModelError(
                    f"{self.source / name}: {error.message}", hint=error.hint
                ) from error
            shape = made[name].n_inputs, made[name].n_outputs
            require_task_shape(self.source / name, *shape)
        full, fallback = (made[name] for name in NEEDED)
        assert isinstance(full, QuantizedPolicy) and isinstance(fallback, QuantizedPolicy)
        try:
            require_same_edges(full, fallback)
        except ModelError as error:
            raise ModelError(
                f"{self.source}: {error.message}",
                hint="quantize the fallback with the policy's calibration data",
            ) from error

    def networks(self) -> tuple[Network, Network]:
        """The policy and its fallback."""
        policy, fallback = (read_network(self.files[name], name) for name in NEEDED)
        return policy, fallback

    def sizing(self, board: Board, calibration: Calibration | None) -> dict[str, Any]:
        """What the networks take of a board's limits, by its cost model, as JSON values.

        The fallback's flash and RAM count beside the policy's, as both are in the image.

        Args:
            board: whose limits; nothing is checked where it has none, or no cost model.
            calibration: the board's own; its cost model takes the board file's place.

        Raises:
            InputError: they break a limit.
        """
        limits = board.limits
        model = board.cost_model if calibration is None else calibration.cost_model
        about: dict[str, Any] = {"board": board.name, "cost": None, "use": None}
        if limits is None or model is None:
            return about
        policy, fallback = (
            layers_cost(_multiplying(network), model, board.cpu.clock_hz, limits.decisions_per_s)
            for network in self.networks()
        )
        both = NetworkCost(
            **asdict(policy)
            | {
                "flash_bytes": policy.flash_bytes + fallback.flash_bytes,
                "ram_bytes": policy.ram_bytes + fallback.ram_bytes,
            }
        )
        missed = missed_limits(both, limits)
        if missed:
            raise InputError(
                f"--policy {self.source} does not fit board {board.name}: it takes "
                f"{'; '.join(missed.values())}",
                hint=f"give a smaller network, or raise {keys_of(missed)} in the board "
                "file's [limits]",
            )
        return about | {"cost": asdict(both), "use": limit_use(both, limits)}

    def write(self, path: Path) -> None:
        """Leave the files in a folder."""
        for name, data in self.files.items():
            (path / name).write_bytes(data)

    def write_quantized(self, path: Path) -> None:
        """Leave in the quantize stage's folder what the later stages read, judged by nothing."""
        self.write(path)
        policy, fallback = self.networks()
        summary = {
            "method": GIVEN,
            GIVEN: self.sha256,
            "model_bytes": len(self.files[MODEL_FILE]),
            "macs": policy.macs,
            "fallback": {
                "tflite_bytes": len(self.files[FALLBACK_FILE]),
                "macs": fallback.macs,
                "full_macs": policy.macs,
            },
        }
        write_json(path / SUMMARY_FILE, summary)


def _multiplying(network: Network) -> list[tuple[int, int, int]]:
    """MACs, inputs and outputs of the layers that a cost model knows."""
    return [
        (layer.macs, layer.input.n_values, layer.output.n_values)
        for layer in network.layers
        if layer.macs
    ]
