"""A board's own cost model: fitted to what was counted on it, kept in a file that sizing prefers.

``jouleloop calibrate`` makes it (:mod:`host.calibrate`); the board file's ``[cost_model]`` serves
until there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    model_validator,
)

from toolchain.board import Board, CostModel, Sourced
from toolchain.errors import BoardFileError, InputError
from toolchain.policy.least_squares import LeastSquares, fit_least_squares

LEAST_NETWORKS = 8
"""Fewest counted networks of a fit, about twice as many as a fit has unknowns."""

RunsFrom: TypeAlias = Literal["sram", "flash"]
"""Where a network's code and weights are run from."""

TERMS = ("mac", "output", "layer", "inference")
"""What a dense network is counted in: multiply-accumulates, activations, layers, decisions."""

FLASH_TERM = "mac_from_flash"
"""What a multiply-accumulate takes beyond that when the network runs from flash."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FittedFigure(_Strict):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float
    unit: str


class FitRecord(_Strict):
    """What a least-squares fit found, and how well it describes what it was fitted to."""

    coefficients: dict[str, FittedFigure]
    """By the term that they are per."""
    r2: float
    largest_error: float
    """Relative, of what was fitted."""
    observations: PositiveInt


class HeldOutNetwork(_Strict):
    """A network that no fit has seen, and what the calibration said of it beforehand."""

    widths: tuple[int, ...]
    runs_from: RunsFrom
    cycles: float
    """Of one whole decision, counted by the board."""
    cycles_predicted: float
    energy_j: float | None = None
    """Board total of one decision, by energy windows; None where none was taken."""
    energy_j_predicted: float | None = None

    @property
    def cycles_error(self) -> float:
        """Relative: prediction over count, less 1."""
        return self.cycles_predicted / self.cycles - 1.0

    @property
    def energy_error(self) -> float | None:
        """Relative; None where no energy was measured."""
        if self.energy_j is None or self.energy_j_predicted is None:
            return None
        return self.energy_j_predicted / self.energy_j - 1.0


class Evidence(_Strict):
    """What a calibration rests on."""

    target: str
    chip_id: str
    made: str
    """UTC, ISO 8601."""
    fits: dict[str, FitRecord]
    """``cycles`` and ``flash_bytes`` by a network's terms, and where there is a meter ``energy`` by
    running cycles, s of idling and sleeping, wake-ups and bytes on the link."""
    energy_per: dict[str, FittedFigure]
    """J per term of a network, by cycles and J per cycle; empty without a meter."""
    held_out: tuple[HeldOutNetwork, ...]
    held_out_cycles_r2: float
    held_out_energy_r2: float | None = None
    meter: dict[str, Any] | None = None
    """What measured the energy windows; None where nothing did."""
    assumed_cycles_per_instruction: Sourced | None = None
    """By which an emulator that counts instructions made cycles of them: all cycles here, and J in
    proportion, are ``modelled`` then. None where cycles were counted."""


class Calibration(_Strict):
    """A cost model with what it was made on; kept as JSON."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    board: str
    """Name of the board file."""
    clock_hz: PositiveInt
    """That the board ran at; what a cycle takes depends on it."""
    provenance: Literal["measured", "emulated"]
    cost_model: CostModel
    cycles_per_instruction: FittedFigure | None = None
    """Of the silicon: its cycles over the instructions that an emulator counted of the same images.
    None where nothing counts instructions, and always where the board was an emulator."""
    evidence: Evidence | None = None

    @model_validator(mode="after")
    def _an_emulator_measures_no_silicon(self) -> Self:
        if self.provenance == "emulated" and self.cycles_per_instruction is not None:
            raise ValueError("an emulated calibration cannot have cycles per instruction")
        return self

    @property
    def silicon_cycles_per_instruction(self) -> Sourced | None:
        """The same, for an emulator to go by."""
        figure = self.cycles_per_instruction
        if figure is None:
            return None
        made = ""
        if self.evidence is not None:
            made = f" of {self.evidence.target}, chip {self.evidence.chip_id}, {self.evidence.made}"
        source = f"measured: calibration{made}"
        return Sourced(value=figure.value, low=figure.low, high=figure.high, source=source)

    @property
    def cycles_provenance(self) -> str:
        """How the cycles came about: modelled where they are instructions times an assumption."""
        evidence = self.evidence
        assumed = evidence is not None and evidence.assumed_cycles_per_instruction is not None
        return "modelled" if assumed else self.provenance

    @property
    def energy_measured(self) -> bool:
        """Whether a meter was there; without one, J per cycle are those of the board file."""
        return self.evidence is None or bool(self.evidence.energy_per)

    @property
    def energy_from(self) -> str:
        """Whose its J per cycle are, in words."""
        if not self.energy_measured:
            return f"board file, as the {self.provenance} calibration had no meter"
        made = (
            "" if self.evidence is None else f" of {self.evidence.made} on {self.evidence.target}"
        )
        return f"{self.provenance} calibration{made}"

    def save(self, file: Path) -> None:
        """Write the file, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(self.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
        partial.replace(file)

    @classmethod
    def load(cls, file: Path, board: Board) -> Calibration:
        """Read a file that :meth:`save` wrote.

        Args:
            file: where it is.
            board: that it must be of, and whose clock it must have been made at.

        Raises:
            BoardFileError: it cannot be read, has an impossible value, or is of another board or
                clock.
        """
        hint = f"run 'jouleloop calibrate' again, or delete {file}"
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
        found, wanted = (read.board, read.clock_hz), (board.name, board.cpu.clock_hz)
        if found != wanted:
            raise BoardFileError(
                f"{file}: a calibration of board {found[0]!r} at {found[1]} Hz, not of "
                f"{wanted[0]!r} at {wanted[1]} Hz",
                hint=hint,
            )
        return read


def calibration_file(state: Path, board: Board) -> Path:
    """Where a board's calibration at its clock is kept in the folder of what outlives a run."""
    return state / board.name / f"calibration-{board.cpu.clock_hz / 1e6:g}MHz.json"


def kept_calibration(state: Path, board: Board) -> Calibration | None:
    """The board's calibration at its clock, if there is one.

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
        cycles: of one whole decision.
        flash_bytes: of its code and constants.
        runs_from: memory that both were in.
    """

    widths: tuple[int, ...]
    cycles: float
    flash_bytes: float
    runs_from: RunsFrom = "sram"


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes:
        cost_model: what sizing takes: a network that runs from where the board file says.
        terms: names of the cycles' terms.
        cycles: how the cycles were fitted.
        flash_bytes: how the bytes were fitted, by :data:`TERMS`.
    """

    cost_model: CostModel
    terms: tuple[str, ...]
    cycles: LeastSquares
    flash_bytes: LeastSquares

    def cycles_of(self, widths: tuple[int, ...], runs_from: RunsFrom) -> float:
        """What one decision of a network takes, by this fit.

        Raises:
            InputError: no network of the fit ran from there.
        """
        if runs_from == "flash" and FLASH_TERM not in self.terms:
            raise InputError(
                "no network of the fit ran from flash", hint="count some that do, and fit again"
            )
        terms = np.array(network_terms(widths, runs_from, self.terms, self.cost_model.block))
        return float(terms @ self.cycles.values)


def fit_cost_model(
    counted: Sequence[CountedNetwork],
    *,
    weights_in_ram: bool,
    energy_j_per_cycle: float,
    energy_j_per_byte: float,
    source: str,
    block: int = 1,
) -> Fit:
    """Fit cycles and bytes by MACs, outputs and layers, with the least relative squared error.

    No coefficient is negative, so that a wider network never costs less. Networks that ran from
    flash share all coefficients with the others, and have one of their own beside them: what a
    multiply-accumulate takes more there.

    Args:
        counted: at least :data:`LEAST_NETWORKS`, of at least two numbers of layers.
        weights_in_ram: as the cost model wants it.
        energy_j_per_cycle: likewise.
        energy_j_per_byte: likewise.
        source: likewise.
        block: inputs and outputs that the board's kernels take at a time.

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
    both = any(n.runs_from == "flash" for n in counted)
    terms = (*TERMS, FLASH_TERM) if both else TERMS
    cycles = fit_least_squares(
        np.array([network_terms(n.widths, n.runs_from, terms, block) for n in counted]),
        np.array([network.cycles for network in counted]),
    )
    constants = fit_least_squares(
        np.array([network_terms(n.widths, n.runs_from, TERMS, block) for n in counted]),
        np.array([network.flash_bytes for network in counted]),
    )
    per = dict(zip(terms, cycles.values.tolist(), strict=True))
    in_flash = 0.0 if weights_in_ram else per.get(FLASH_TERM, 0.0)
    per_mac, per_output, per_layer, per_network = constants.values.tolist()
    model = CostModel(
        cycles_per_mac=per["mac"] + in_flash,
        cycles_per_output=per["output"],
        cycles_per_layer=per["layer"],
        cycles_per_inference=per["inference"],
        bytes_per_mac=per_mac,
        bytes_per_output=per_output,
        bytes_per_layer=per_layer,
        bytes_per_network=per_network,
        weights_in_ram=weights_in_ram,
        energy_j_per_cycle=energy_j_per_cycle,
        energy_j_per_byte=energy_j_per_byte,
        block=block,
        source=source,
    )
    return Fit(model, terms, cycles, constants)


def computed(n_macs: float, n_in: int, n_out: int, block: int) -> tuple[float, int]:
    """MACs and outputs of a layer as kernels compute it that take so many at a time."""
    ins, outs = (-(-n // block) * block for n in (n_in, n_out))
    return n_macs * (ins * outs) / (n_in * n_out), outs


def network_terms(
    widths: tuple[int, ...], runs_from: RunsFrom, terms: Sequence[str], block: int
) -> tuple[float, ...]:
    """How many of each term one decision of a dense network has, by kernels of this block."""
    layers = [computed(n_in * n_out, n_in, n_out, block) for n_in, n_out in pairwise(widths)]
    macs = sum(n_macs for n_macs, _ in layers)
    counts: Mapping[str, float] = {
        "mac": macs,
        "output": sum(outputs for _, outputs in layers),
        "layer": len(widths) - 1,
        "inference": 1,
        FLASH_TERM: macs if runs_from == "flash" else 0,
    }
    return tuple(counts[term] for term in terms)
