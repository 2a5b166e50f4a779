"""The energy budget of a decision cycle, and the mode that it demands of every decision.

A decision cycle is one day's batch of returns. The board adds up what its decisions of the day
took, by its own cycle counts and a stated energy per cycle, and decides with its fallback network
once that has reached the budget (``firmware/core/jl_budget.c``). The host keeps the same books in
the same integers, so that a mode which the budget did not demand is noticed. They are an account of
modelled energy; what a decision of either mode really takes is measured in energy windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toolchain.board import Board
from toolchain.errors import InputError
from toolchain.protocol import NO_BUDGET_FJ, BudgetRequest, Mode

FJ_PER_J = 1e15
_MOST_FJ_PER_CYCLE = 2**32 - 1
BOARD_FILE = "board file"


@dataclass(frozen=True)
class EnergyBudget:
    """What the decisions of one decision cycle may take before the fallback decides.

    Attributes:
        limit_j: J for each decision cycle; 0 for the fallback alone, None for no limit.
        energy_j_per_cycle: J of one core clock cycle; None where nothing states it, which only a
            limit of 0 or none does without.
        energy_source: where that figure is from, in words.

    Raises:
        InputError: a figure is missing, or out of the range that the link carries.
    """

    limit_j: float | None
    energy_j_per_cycle: float | None
    energy_source: str | None = None

    def __post_init__(self) -> None:
        most_j = (NO_BUDGET_FJ - 1) / FJ_PER_J
        if self.limit_j is not None and not 0.0 <= self.limit_j < most_j:
            raise InputError(
                f"an energy budget of {self.limit_j:g} J, must be at least 0 and below "
                f"{most_j:g} J",
                hint="give J for one decision cycle, such as 5e-5, or 'none' for no limit",
            )
        if self.energy_j_per_cycle is None:
            if self.limit_j:
                raise InputError(
                    f"an energy budget of {self.limit_j:g} J, and no energy per core cycle to "
                    "count with",
                    hint="state energy_j_per_cycle in the board file's [cost_model]",
                )
            return
        fj = self.energy_j_per_cycle * FJ_PER_J
        if not (math.isfinite(fj) and 1 <= round(fj) <= _MOST_FJ_PER_CYCLE):
            raise InputError(
                f"{self.energy_j_per_cycle:g} J per core cycle, must be from {1 / FJ_PER_J:g} to "
                f"{_MOST_FJ_PER_CYCLE / FJ_PER_J:g} J",
                hint="correct energy_j_per_cycle in the board file's [cost_model]",
            )

    @property
    def request(self) -> BudgetRequest:
        """What the board is told, in whole fJ."""
        limit_fj = NO_BUDGET_FJ if self.limit_j is None else round(self.limit_j * FJ_PER_J)
        # Without a figure the limit is 0 or none, and what a cycle takes changes nothing.
        return BudgetRequest(limit_fj, round((self.energy_j_per_cycle or 1 / FJ_PER_J) * FJ_PER_J))

    def modes(self, cycles: np.ndarray) -> np.ndarray:
        """The mode of each decision of one decision cycle; see :func:`demanded_modes`."""
        return demanded_modes(self.request, cycles)


def demanded_modes(budget: BudgetRequest, cycles: np.ndarray) -> np.ndarray:
    """The mode that a budget demands of each decision of one decision cycle.

    Args:
        budget: what the board was told.
        cycles: (n,) integers, the board's own count of each decision, in order.

    Returns:
        (n,) uint8 of :class:`~toolchain.protocol.Mode`.
    """
    modes = np.full(len(cycles), Mode.FULL, dtype=np.uint8)
    if budget.energy_fj == NO_BUDGET_FJ:
        return modes
    spent_fj = 0
    for index, count in enumerate(cycles.tolist()):
        if spent_fj >= budget.energy_fj:
            modes[index:] = Mode.FALLBACK
            break
        spent_fj += count * budget.fj_per_cycle
    return modes


def energy_budget(
    board: Board, asked: str | None = None, *, energy_source: str = BOARD_FILE
) -> EnergyBudget:
    """The budget that is asked for, else the one that the board file states, else none.

    Args:
        board: states the energy per core cycle, too.
        asked: J for each decision cycle as text, or ``none`` for no limit.
        energy_source: of that energy, in words.

    Raises:
        InputError: not a number, out of range, or the board states no energy per cycle.
    """
    costs, saving = board.cost_model, board.energy_saving
    per_cycle = None if costs is None else costs.energy_j_per_cycle
    source = None if costs is None else energy_source
    if asked is None:
        limit_j = None if saving is None else saving.budget_j_per_decision_cycle
        return EnergyBudget(limit_j, per_cycle, source)
    if asked == "none":
        return EnergyBudget(None, per_cycle, source)
    try:
        return EnergyBudget(float(asked), per_cycle, source)
    except ValueError as error:
        raise InputError(
            f"energy budget {asked!r} is not a number",
            hint="give J for one decision cycle, such as 5e-5, or 'none' for no limit",
        ) from error
