"""What comes after the build keeps to the clock and shunt that the image was built for."""

from __future__ import annotations

from types import SimpleNamespace

from host.chain.commands import _as_built
from host.target import parse_target


def folder_of(**built) -> SimpleNamespace:
    board = parse_target("pico@emulator", **built).board
    parameters = {"board": board.model_dump(mode="json", by_alias=True)}
    return SimpleNamespace(stages={"build": {"parameters": parameters}})


def test_a_replay_is_of_the_board_as_it_was_built() -> None:
    named = parse_target("pico@/dev/ttyUSB0")
    target = _as_built(folder_of(clock_hz=48_000_000, shunt_ohm=0.1), named)
    assert target.board.cpu.clock_hz == 48_000_000
    assert target.board.meter is not None
    assert target.board.meter.shunt_ohm == 0.1
    assert str(target) == "pico@/dev/ttyUSB0"


def test_another_board_or_none_is_left_to_who_checks_it() -> None:
    named = parse_target("native")
    assert _as_built(folder_of(), named) == named
    assert _as_built(SimpleNamespace(stages={}), named) == named
