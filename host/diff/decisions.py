"""Which products were decided otherwise, where both runs replayed the same scenario."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from host.diff.figures import other_scenario
from host.diff.run import DiffedRun
from toolchain.environment.disposition import Disposition
from toolchain.errors import RunFolderError

UNDECIDED = "node dead"
NAMES = (UNDECIDED, *(disposition.name for disposition in Disposition))
"""By ``action`` + 1 of the rows."""


@dataclass(frozen=True)
class DecisionChanges:
    """The decisions of the nominal replays.

    Attributes:
        products: that were replayed.
        changed: decided otherwise.
        realised: that came to another disposition, also by a lack of capacity.
        modes: decided by the other network.
        value_eur_a: realised by run A, EUR.
        value_eur_b: realised by run B.
        dispositions: of the matrix's rows (run A) and columns (run B).
        matrix: how many products were decided as the row in A and as the column in B.
    """

    products: int
    changed: int
    realised: int
    modes: int
    value_eur_a: float
    value_eur_b: float
    dispositions: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]

    @property
    def share(self) -> float:
        """Of the products, decided otherwise."""
        return self.changed / max(1, self.products)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "share": self.share}


def decision_changes(a: DiffedRun, b: DiffedRun) -> DecisionChanges | None:
    """Which decisions differ; None where the scenarios do, or rows are not known.

    Raises:
        RunFolderError: the rows are not those of one scenario.
    """
    if other_scenario(a, b) or a.rows is None or b.rows is None:
        return None
    if not a.rows["product"].equals(b.rows["product"]):
        raise RunFolderError(
            f"{a.path} and {b.path} name one scenario, but their rows are of other products",
            hint="replay one of them anew with 'jouleloop bench'",
        )
    of_a, of_b = (_column(rows, "action") + 1 for rows in (a.rows, b.rows))
    matrix = np.zeros((len(NAMES), len(NAMES)), dtype=int)
    np.add.at(matrix, (of_a, of_b), 1)
    used = [i for i in range(len(NAMES)) if i or matrix[i].any() or matrix[:, i].any()]
    return DecisionChanges(
        products=a.rows.num_rows,
        changed=int((of_a != of_b).sum()),
        realised=int((_column(a.rows, "realised") != _column(b.rows, "realised")).sum()),
        modes=int((_column(a.rows, "mode") != _column(b.rows, "mode")).sum()),
        value_eur_a=float(_column(a.rows, "value_eur").sum()),
        value_eur_b=float(_column(b.rows, "value_eur").sum()),
        dispositions=tuple(NAMES[i] for i in used),
        matrix=tuple(tuple(int(matrix[i, j]) for j in used) for i in used),
    )


def _column(rows: pa.Table, name: str) -> np.ndarray:
    values: np.ndarray = rows[name].to_numpy()
    return values
