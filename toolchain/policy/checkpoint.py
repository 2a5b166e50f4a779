"""Checkpoints of a training, in the stage's folder while it is not complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from toolchain.errors import InputError
from toolchain.policy.dense import UNREADABLE

CHECKPOINT = "checkpoint.npz"
_STATE = "state_json"
_KNOBS = "knobs_json"


def save_checkpoint(
    folder: Path, arrays: dict[str, np.ndarray], state: dict[str, Any], knobs: dict[str, Any]
) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        folder: where it goes; made when it is not there.
        arrays: to keep.
        state: JSON values to keep.
        knobs: JSON values of the training that it belongs to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{CHECKPOINT}"
    texts = {_STATE: json.dumps(state), _KNOBS: json.dumps(knobs)}
    with partial.open("wb") as file:
        np.savez(file, **arrays, **{name: np.array(text) for name, text in texts.items()})  # type: ignore[arg-type]
    partial.replace(folder / CHECKPOINT)


def load_checkpoint(
    folder: Path, knobs: dict[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the checkpoint; nothing when there is none, or it is of a training with other knobs.

    Returns:
        the arrays and the JSON values.

    Raises:
        InputError: it is there, but broken.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return {}, {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        state, kept = arrays.pop(_STATE), arrays.pop(_KNOBS)
    except UNREADABLE as error:
        raise InputError(
            f"{path}: not a checkpoint: {error}",
            hint="run 'jouleloop train --force', which begins anew, or delete the file",
        ) from error
    if str(kept) != json.dumps(knobs):
        return {}, {}
    return arrays, json.loads(str(state))
