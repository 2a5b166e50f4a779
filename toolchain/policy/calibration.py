"""A board's own cost model: fitted to what was counted on it, kept in a file that sizing prefers.

The board file's ``[cost_model]`` serves until there is such a file. Both come from
:func:`fit_cost_model`; ``tests/bench/bench_cost_model.py`` made the board file's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.optimize import nnls

from toolchain.board import CostModel
from toolchain.errors import BoardFileError, InputError

LEAST_NETWORKS = 8
"""Fewest counted networks of a fit, twice as many as a fit has unknowns."""


class Calibration(BaseModel):
    """A cost model with what it was made on; kept as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    board: str
    """Name of the board file."""
    provenance: Literal["measured", "emulated"]
    cost_model: CostModel

    def save(self, file: Path) -> None:
        """Write the file, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(self.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
        partial.replace(file)

    @classmethod
    def load(cls, file: Path, board: str) -> Calibration:
        """Read a file that :meth:`save` wrote.

        Args:
            file: where it is.
            board: name of the board that it must be of.

        Raises:
            BoardFileError: it cannot be read, has an impossible value, or is another board's.
        """
        hint = f"calibrate again, or delete {file}"
        try:
            read = cls.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise BoardFileError(f"{file}: cannot be read: {error}", hint=hint) from error
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise BoardFileError(
                f"{file}: {key}: {first['msg']} (value: {first.get('input')!r})", hint=hint
            ) from error
        if read.board != board:
            raise BoardFileError(
                f"{file}: a calibration of board {read.board!r}, not of {board!r}", hint=hint
            )
        return read


def calibration_file(state: Path, board: str) -> Path:
    """Where a board's calibration is kept in the folder of what outlives a run."""
    return state / board / "calibration.json"


def kept_calibration(state: Path, board: str) -> Calibration | None:
    """The board's calibration, if there is one.

    Raises:
        BoardFileError: as :meth:`Calibration.load`.
    """
    file = calibration_file(state, board)
    return Calibration.load(file, board) if file.exists() else None


@dataclass(frozen=True)
class CountedNetwork:
    """What one dense INT8 network took.

    Attributes:
        widths: inputs, hidden widths, outputs.
        cycles: of one inference.
        flash_bytes: of its code and constants.
    """

    widths: tuple[int, ...]
    cycles: float
    flash_bytes: float


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes:
        cost_model: what sizing takes.
        cycles_error: largest relative error of a network's cycles.
        bytes_error: likewise of its bytes.
    """

    cost_model: CostModel
    cycles_error: float
    bytes_error: float


def fit_cost_model(
    counted: Sequence[CountedNetwork],
    *,
    cycles_around: float,
    weights_in_ram: bool,
    energy_j_per_cycle: float,
    energy_j_per_byte: float,
    source: str,
) -> Fit:
    """Fit cycles and bytes by MACs, outputs and layers, with the least relative squared error.

    No coefficient is negative, so that a wider network never costs less.

    Args:
        counted: at least :data:`LEAST_NETWORKS`, of at least two numbers of layers.
        cycles_around: of a decision, outside of its network.
        weights_in_ram: as the cost model wants it.
        energy_j_per_cycle: likewise.
        energy_j_per_byte: likewise.
        source: likewise.

    Raises:
        InputError: too few networks, or all with as many layers.
    """
    depths = {len(network.widths) for network in counted}
    if len(counted) < LEAST_NETWORKS or len(depths) < 2:
        raise InputError(
            f"{len(counted)} networks with {len(depths)} numbers of layers, a fit needs at least "
            f"{LEAST_NETWORKS} with 2",
            hint="count more networks",
        )
    terms = np.array([_terms(network.widths) for network in counted])
    cycles, cycles_error = _fitted(terms, np.array([network.cycles for network in counted]))
    constants, bytes_error = _fitted(terms, np.array([network.flash_bytes for network in counted]))
    model = CostModel(
        cycles_per_mac=cycles[0],
        cycles_per_output=cycles[1],
        cycles_per_layer=cycles[2],
        cycles_per_inference=cycles[3] + cycles_around,
        bytes_per_mac=constants[0],
        bytes_per_output=constants[1],
        bytes_per_layer=constants[2],
        bytes_per_network=constants[3],
        weights_in_ram=weights_in_ram,
        energy_j_per_cycle=energy_j_per_cycle,
        energy_j_per_byte=energy_j_per_byte,
        source=source,
    )
    return Fit(model, cycles_error, bytes_error)


def _terms(widths: tuple[int, ...]) -> tuple[float, float, float, float]:
    macs = sum(n_in * n_out for n_in, n_out in pairwise(widths))
    return macs, sum(widths[1:]), len(widths) - 1, 1


def _fitted(terms: np.ndarray, wanted: np.ndarray) -> tuple[list[float], float]:
    coefficients, _ = nnls(terms / wanted[:, None], np.ones(len(wanted)))
    error = float(np.abs(terms @ coefficients / wanted - 1.0).max())
    return [float(value) for value in coefficients], error
