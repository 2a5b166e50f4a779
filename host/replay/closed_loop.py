"""The replay: a scenario decided by the board, day by day, in closed loop.

A day's returns are observed, quantized, sent to the board, decided there, and executed; the next
day's states follow from that. A day is a decision cycle, which the board begins with its whole
energy budget. Every decision is compared with the reference of the network that made it, and
which one that was with the books of the budget. Each day is kept in a journal as soon as it is
decided, so a replay that broke off goes on at the first missing day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa

from host.link import BoardClient
from host.link.client import COME_BACK_S
from host.replay.budget import EnergyBudget
from host.replay.journal import Day, check_day, read_journal
from host.replay.reference import Reference
from toolchain.environment import UNDECIDED, Disposition, ObservationTransform, Simulation
from toolchain.errors import (
    BoardFaultError,
    IdentityError,
    LinkError,
    MismatchError,
    ProtocolError,
)
from toolchain.protocol import ErrorCode, Mode
from toolchain.scenario import Scenario

_RESET_CODES = (ErrorCode.PERIOD, ErrorCode.SESSION)
"""What a board refuses that has lost what it was told: it was reset, or is another one."""

MAX_LOSSES = 3
"""A day that lost its board more often is given up."""


@dataclass(frozen=True)
class Replay:
    """One scenario, decided.

    Attributes:
        rows: the simulation's rows with the board's own ``cycles`` (uint32) and ``mode`` (``full``
            or ``fallback``) appended; null where a dead node decided nothing.
        bytes_total: that crossed the link for the decisions, in both directions; not those of
            days that broke off and began anew.
        messages: frames, likewise.
        retries: requests that had to be repeated.
    """

    rows: pa.Table
    bytes_total: int
    messages: int
    retries: int


def replay(
    client: BoardClient,
    scenario: Scenario,
    reference: Reference,
    budget: EnergyBudget,
    journal: Path,
    *,
    perturbation: ObservationTransform | None = None,
    on_day: Callable[[int], None] = lambda decisions: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Replay:
    """Replay one scenario to the board.

    Args:
        client: the open link.
        scenario: what to decide.
        reference: quantizes the states, and knows what either network decides.
        budget: what the board may spend on a day's decisions before its fallback decides.
        journal: file of the days that are decided; days in it are not asked for again.
        perturbation: acts on what the policy sees.
        on_day: called after each day with the number of its decisions.
        tell: is told at once when the board is lost, and when it is back.

    Raises:
        LinkError: the board is lost and does not come back, or is lost again and again.
        MismatchError: the board decided otherwise than the reference, or in another mode than the
            budget demands.
        RunFolderError: the journal is not of this replay.
    """
    simulation = Simulation(scenario, perturbation)
    done = read_journal(journal)
    client.set_budget(budget.request)
    cycles: list[np.ndarray] = []
    modes: list[np.ndarray] = []
    totals = np.zeros(3, dtype=np.int64)
    with journal.open("a", encoding="utf-8") as log:
        while not simulation.done:
            batch = simulation.observe()
            if done:
                day = done.pop(0)
                check_day(day, int(batch.day), len(batch.products), journal)
            else:
                inputs = reference.quantize(batch.states)
                day = _decide_day(client, int(batch.day), inputs, batch.masks, budget, tell)
                day.write(log)
            actions = np.asarray(day.actions, dtype=np.int64)
            day_modes = np.asarray(day.modes, dtype=np.uint8)
            day_cycles = np.asarray(day.cycles, dtype=np.uint32)
            _compare_modes(day_modes, budget.modes(day_cycles), int(batch.day))
            _compare(actions, day_modes, reference, batch.states, batch.masks, int(batch.day))
            simulation.execute(actions)
            cycles.append(day_cycles)
            modes.append(day_modes)
            totals += (day.bytes, day.messages, day.retries)
            on_day(len(actions))
    rows = simulation.rows()
    undecided = rows["action"].to_numpy() == UNDECIDED
    names = np.array([mode.name.lower() for mode in Mode])
    counts = np.concatenate([np.zeros(0, dtype=np.uint32), *cycles])
    mode_of = names[np.concatenate([np.zeros(0, dtype=np.uint8), *modes])]
    rows = _with_column(rows, "cycles", pa.uint32(), counts, undecided)
    rows = _with_column(rows, "mode", pa.string(), mode_of, undecided)
    return Replay(rows, *(int(total) for total in totals))


def _with_column(
    rows: pa.Table, name: str, kind: pa.DataType, values: np.ndarray, undecided: np.ndarray
) -> pa.Table:
    """Append a column of decisions; null where a dead node decided nothing."""
    column = np.zeros(rows.num_rows, dtype=values.dtype)
    column[~undecided] = values
    return rows.append_column(name, pa.array(column, mask=undecided).cast(kind))


def _decide_day(
    client: BoardClient,
    day: int,
    inputs: np.ndarray,
    masks: np.ndarray,
    budget: EnergyBudget,
    tell: Callable[[str], None] = lambda line: None,
) -> Day:
    """Have a day decided; a board that was unplugged or reset meanwhile begins the day anew.

    What crossed the line for a day that broke off is not counted, as it is not when the host broke
    off: the same decisions have the same figures, however often they were interrupted.
    """
    for losses in count(1):
        before = client.traffic.copy()
        try:
            made = client.decide(inputs, masks, period=day)
            break
        except BoardFaultError as error:
            if error.code not in _RESET_CODES:
                raise
            loss: LinkError = error
        except (IdentityError, ProtocolError):
            raise
        except LinkError as error:  # it broke off, or fell silent
            if client.reopen is None:
                raise
            loss = error
        if losses > MAX_LOSSES:
            raise _given_up(day, losses, loss, client.trouble) from loss
        tell(f"day {day}: {loss.message}; waiting up to {COME_BACK_S:.0f} s for the board")
        client.reconnect()
        trouble = f": {client.trouble}" if client.trouble else ""
        tell(f"day {day}: the board is back{trouble}; the day begins anew")
        client.set_budget(budget.request)
    used = client.traffic - before
    return Day(
        day=day,
        actions=made.actions.tolist(),
        modes=made.modes.tolist(),
        cycles=made.cycles.tolist(),
        bytes=used.bytes_total,
        messages=used.messages,
        retries=used.retries,
    )


def _given_up(day: int, losses: int, loss: LinkError, trouble: str) -> LinkError:
    return LinkError(
        f"day {day}: the board was lost {losses} times, at last because {loss.message}"
        + (f"; {trouble}" if trouble else ""),
        hint="a pc is an address of the run's build/firmware.elf"
        if trouble
        else "check cable and supply; the same command goes on from there",
    )


def _compare_modes(modes: np.ndarray, demanded: np.ndarray, day: int) -> None:
    wrong = np.flatnonzero(modes != demanded)
    if len(wrong):
        row = int(wrong[0])
        raise MismatchError(
            f"day {day}, row {row}: the board decided in mode {_mode_name(modes[row])}, its energy "
            f"budget and its own cycle counts demand {_mode_name(demanded[row])}",
            hint="the board may have been reset and have lost its budget; run it again",
        )


def _compare(
    actions: np.ndarray,
    modes: np.ndarray,
    reference: Reference,
    states: np.ndarray,
    masks: np.ndarray,
    day: int,
) -> None:
    expected, outputs = reference.decide(reference.quantize(states), masks, modes)
    wrong = np.flatnonzero(actions != expected)
    if len(wrong):
        row = int(wrong[0])
        raise MismatchError(
            f"day {day}, row {row}, mode {_mode_name(modes[row])}: the board chose "
            f"{_name(actions[row])}, the reference {_name(expected[row])} (outputs "
            f"{outputs[row].tolist()}, allowed {masks[row].astype(int).tolist()}); {len(wrong)} of "
            f"{len(actions)} rows of that day differ",
            hint="run 'jouleloop infer' with the model and these inputs to see which engine is off",
        )


def _name(action: int) -> str:
    try:
        return Disposition(action).name.lower()
    except ValueError:
        return f"action {action}"


def _mode_name(mode: int) -> str:
    try:
        return Mode(mode).name.lower()
    except ValueError:
        return f"{mode}, which is none"
