"""What is scored: a policy as bytes that can be sent to any process, and where it comes from."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from host.run import RunFolder, find_run
from toolchain.environment import (
    BASELINES,
    Policy,
    bid_price_from,
    mean_duals_eur,
    require_task_shape,
)
from toolchain.errors import InputError, JouleloopError, RunFolderError
from toolchain.policy import DensePolicy
from toolchain.quantize import HostPolicy, policy_on_host
from toolchain.scenario import Basis

BID_PRICE = "bid_price"
FLOAT_POLICY = "float_policy"
INT8_POLICY = "int8_policy"

_BUILT = 32


@dataclass(frozen=True)
class PolicySpec:
    """A policy that any process can build for itself.

    Attributes:
        name: in the result.
        kind: ``baseline`` (by name), ``duals`` (bid prices), ``float`` (``.npz``), ``int8`` (a
            ``.tflite`` with codes at both ends) or ``host`` (any other).
        payload: the file, or the four prices as float64; empty for the other baselines.
        ran_by: the host's runtime with its version, of the kind ``host``.
    """

    name: str
    kind: Literal["baseline", "duals", "float", "int8", "host"]
    payload: bytes = b""
    ran_by: str = ""

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of what it decides by."""
        return hashlib.sha256(f"{self.kind}\0{self.name}\0".encode() + self.payload).hexdigest()


def baseline_specs(basis: Basis, seed: int) -> tuple[PolicySpec, ...]:
    """Every baseline; bid prices are estimated here, once, and not by every worker."""
    specs = []
    for name in BASELINES:
        if name == BID_PRICE:
            duals = np.asarray(mean_duals_eur(basis, seed), dtype="<f8")
            specs.append(PolicySpec(name, "duals", duals.tobytes()))
        else:
            specs.append(PolicySpec(name, "baseline"))
    return tuple(specs)


def read_policies(policy: str) -> tuple[PolicySpec, ...]:
    """The policies that an argument names.

    Args:
        policy: a run folder (its float and its INT8 policy), a ``.npz``, a ``.tflite``, or the
            name of a baseline.

    Returns:
        the policies, the one that would ship last; none for a baseline's name.

    Raises:
        InputError: there is no such thing, or it does not fit the task's states and actions.
        RunFolderError: a run folder without a trained policy.
        ModelError: a ``.tflite`` that cannot be used.
    """
    if policy in BASELINES:
        return ()
    path = Path(policy)
    if path.is_dir():
        return _of_run_folder(path)
    makers = {".npz": _float, ".tflite": _tflite}
    if path.suffix not in makers or not path.is_file():
        raise InputError(
            f"no policy {policy!r}: neither a run folder, a .npz or .tflite file, nor a baseline",
            hint=f"the baselines are {', '.join(BASELINES)}",
        )
    return (makers[path.suffix](path, path.stem),)


def build_policy(spec: PolicySpec, basis: Basis, seed: int) -> Policy:
    """The policy itself; the same object for the same specification in one process."""
    if spec.kind == "baseline":
        return BASELINES[spec.name](basis, seed)
    return _built(spec)


@lru_cache(maxsize=_BUILT)
def _built(spec: PolicySpec) -> Policy:
    if spec.kind == "duals":
        return bid_price_from(np.frombuffer(spec.payload, dtype="<f8"))
    if spec.kind == "float":
        return DensePolicy.load(io.BytesIO(spec.payload))
    policy = policy_on_host(spec.payload)
    runtime = policy.runtime if isinstance(policy, HostPolicy) else ""
    if runtime != spec.ran_by:
        raise JouleloopError(
            f"{spec.name} would be run by {runtime} here, the job says {spec.ran_by}",
            hint="install the same runtime on every worker",
        )
    return policy


def _of_run_folder(path: Path) -> tuple[PolicySpec, ...]:
    folder = RunFolder(find_run(path), "")
    specs = []
    if "train" in folder.stages and (file := folder.artifact("train") / "policy.npz").is_file():
        specs.append(_float(file, FLOAT_POLICY))
    if "quantize" in folder.stages:
        specs.append(_tflite(folder.artifact("quantize") / "policy.tflite", INT8_POLICY))
    if not specs:
        raise RunFolderError(
            f"{path} has no trained policy; it has: {', '.join(folder.stages) or 'nothing'}",
            hint=f"run 'jouleloop train --out {path}'",
        )
    return tuple(specs)


def _float(path: Path, name: str) -> PolicySpec:
    data = _read(path)
    policy = DensePolicy.load(path)
    require_task_shape(path, policy.widths[0], policy.widths[-1])
    return PolicySpec(name, "float", data)


def _tflite(path: Path, name: str) -> PolicySpec:
    data = _read(path)
    policy = policy_on_host(data)
    require_task_shape(path, policy.n_inputs, policy.n_outputs)
    if isinstance(policy, HostPolicy):
        return PolicySpec(name, "host", data, policy.runtime)
    return PolicySpec(name, "int8", data)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", hint="check the file's rights"
        ) from error
