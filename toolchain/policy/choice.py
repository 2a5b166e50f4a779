"""From scores to a disposition: the best allowed one, the lowest index on a tie.

The firmware's DECIDE does the same, so a decision is the same wherever it is made.
"""

from __future__ import annotations

import numpy as np

from toolchain.errors import InputError


def choose(scores: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The best allowed action of each row.

    Args:
        scores: (n, n_actions), any real dtype.
        masks: (n, n_actions) bool, true where allowed.

    Returns:
        (n,) int64 actions.

    Raises:
        InputError: a row allows nothing.
    """
    if len(masks) and not masks.any(axis=1).all():
        row = int(np.flatnonzero(~masks.any(axis=1))[0])
        raise InputError(f"row {row}: the mask allows no action")
    return np.where(masks, np.asarray(scores, dtype=np.float64), -np.inf).argmax(axis=1)
