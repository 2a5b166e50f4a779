"""A day of the replay whose board is lost meanwhile: it begins anew, with its budget, or fails."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pytest

from host.link import Decisions, Traffic
from host.replay.budget import EnergyBudget
from host.replay.closed_loop import MAX_LOSSES, _decide_day
from toolchain.errors import (
    BoardFaultError,
    IdentityError,
    JouleloopError,
    LinkError,
    ProtocolError,
)
from toolchain.protocol import ErrorCode

ROWS = np.zeros((3, 2), np.int8)
MASKS = np.ones((3, 2), bool)
BUDGET = EnergyBudget(1e-5, 1e-9)
PERIOD = BoardFaultError("not at this point", code=ErrorCode.PERIOD)
SESSION = BoardFaultError("no session", code=ErrorCode.SESSION)


@dataclass
class Board:
    """A client whose board fails as told, then decides."""

    failures: deque[JouleloopError]
    other: bool = False
    trouble: str = ""
    done: list[str] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)

    def decide(self, inputs: np.ndarray, masks: np.ndarray, *, period: int) -> Decisions:
        self.done.append(f"decide {period}")
        self.traffic.bytes_sent += 100
        if self.failures:
            raise self.failures.popleft()
        return Decisions(*(np.arange(len(inputs)) for _ in range(3)))

    def reopen(self) -> None:
        raise AssertionError("reconnect() opens")

    def reconnect(self) -> None:
        self.done.append("reconnect")
        if self.other:
            raise IdentityError("another board")

    def set_budget(self, request: object) -> None:
        assert request == BUDGET.request
        self.done.append("budget")


@pytest.mark.parametrize(
    "failure",
    [LinkError("broke off"), PERIOD, SESSION],
    ids=["unplugged", "reset in a day", "reset between two"],
)
def test_the_day_begins_anew_with_its_budget(failure: LinkError) -> None:
    board = Board(deque([failure]))
    told: list[str] = []
    day = _decide_day(board, 5, ROWS, MASKS, BUDGET, told.append)
    assert board.done == ["decide 5", "reconnect", "budget", "decide 5"]
    assert day.actions == [0, 1, 2]
    assert day.bytes == 100  # as of a replay that nothing has interrupted
    assert told == [
        f"day 5: {failure.message}; waiting up to 30 s for the board",
        "day 5: the board is back; the day begins anew",
    ]


def test_a_board_that_a_fault_has_reset_is_said_to_be_so() -> None:
    trouble = "its program was stopped by hard_fault at pc 0x10000234, lr 0x0, status 0x0"
    told: list[str] = []
    board = Board(deque([SESSION]), trouble=trouble)
    _decide_day(board, 5, ROWS, MASKS, BUDGET, told.append)
    assert told[-1] == f"day 5: the board is back: {trouble}; the day begins anew"
    with pytest.raises(LinkError, match=r"(?s)lost 4 times.*pc 0x10000234.*firmware\.elf"):
        _decide_day(Board(deque([SESSION] * 9), trouble=trouble), 5, ROWS, MASKS, BUDGET)


def test_another_board_in_its_place_is_refused() -> None:
    board = Board(deque([LinkError("broke off")]), other=True)
    with pytest.raises(IdentityError):
        _decide_day(board, 5, ROWS, MASKS, BUDGET)
    assert board.done == ["decide 5", "reconnect"]


@pytest.mark.parametrize(
    "failure",
    [BoardFaultError("engine", code=ErrorCode.INFERENCE), ProtocolError("odd"), IdentityError("x")],
)
def test_what_asking_again_cannot_help_is_not_asked_again(failure: JouleloopError) -> None:
    board = Board(deque([failure]))
    with pytest.raises(type(failure)):
        _decide_day(board, 5, ROWS, MASKS, BUDGET)
    assert board.done == ["decide 5"]


def test_a_board_that_is_lost_again_and_again_is_given_up() -> None:
    board = Board(deque([LinkError("broke off")] * (MAX_LOSSES + 1)))
    with pytest.raises(LinkError, match=r"(?s)lost 4 times, at last because broke off.*cable"):
        _decide_day(board, 5, ROWS, MASKS, BUDGET)
    assert board.done.count("reconnect") == MAX_LOSSES
