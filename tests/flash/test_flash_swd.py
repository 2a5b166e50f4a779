"""SWD by pyOCD: calls are checked against its own signatures, since no probe is here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, create_autospec

import pytest

from host.flash import Flashed, TimeLimits, carry_out, plan_flash
from host.target import parse_target
from toolchain.errors import FlashError

pytest.importorskip("pyocd")
import pyocd.core.helpers as helpers
import pyocd.flash.file_programmer as programmer
from pyocd.core.exceptions import TransferFaultError
from pyocd.core.session import Session

Bench = Any
FLASH = 0x1000_0000


class Probes:
    """The debug probes that are plugged in, and the board on the first one's pins."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.serials = ["E66138528350A42B"]
        self.wired: Any = None
        self.fault: Exception | None = None
        self.options: dict[str, Any] = {}
        connect = create_autospec(helpers.ConnectHelper)
        connect.get_all_connected_probes.side_effect = self.connected
        connect.session_with_chosen_probe.side_effect = self.session
        monkeypatch.setattr(helpers, "ConnectHelper", connect)
        monkeypatch.setattr(programmer, "FileProgrammer", self.file_programmer)
        self._signature = create_autospec(programmer.FileProgrammer)

    def connected(self, blocking: bool, unique_id: str | None, **_: Any) -> list[Any]:
        assert not blocking
        found = [serial for serial in self.serials if (unique_id or "") in serial]
        return [SimpleNamespace(unique_id=serial) for serial in found]

    def session(self, blocking: bool, unique_id: str, options: dict[str, Any], **_: Any) -> Any:
        assert not blocking and unique_id == self.serials[0]
        self.options = options
        session = MagicMock(spec=Session)
        session.__enter__.return_value = session
        session.board.target.reset.side_effect = self.wired.start
        return session

    def file_programmer(self, *arguments: Any, **named: Any) -> Any:
        checked = self._signature(*arguments, **named)
        checked.program.side_effect = self.program
        return checked

    def program(self, file: Any, file_format: str, base_address: int) -> None:
        if self.fault is not None:
            raise self.fault
        assert file_format == "bin"
        data = file.read()
        at = base_address - FLASH
        self.wired.stop_program()
        self.wired.flash[at : at + len(data)] = data


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Probes]:
    yield Probes(monkeypatch)


def flash(bench: Bench, limits: TimeLimits, method: str = "swd") -> Flashed:
    plan = plan_flash(
        parse_target("pico"), bench.program("two"), method=method, machine=bench.machine
    )
    return carry_out(plan, machine=bench.machine, limits=limits)


def test_a_running_board_is_written_and_reset_without_bootsel(
    bench: Bench, limits: TimeLimits, probes: Probes
) -> None:
    board = probes.wired = bench.plug("one")
    done = flash(bench, limits)
    assert (done.written, done.method) == (True, "swd")
    assert board.touched == 0 and bench.holds(board, "two")
    assert probes.options == {"target_override": "rp2040"}


def test_pyocd_knows_the_chip_by_that_name() -> None:
    from pyocd.target.builtin import BUILTIN_TARGETS

    from host.flash.swd import TARGETS

    assert set(TARGETS.values()) <= set(BUILTIN_TARGETS)


def test_no_probe(bench: Bench, limits: TimeLimits, probes: Probes) -> None:
    bench.plug("one")
    probes.serials = []
    with pytest.raises(FlashError, match="no debug probe is plugged in"):
        flash(bench, limits)


def test_several_probes_are_listed_and_one_can_be_named(
    bench: Bench, limits: TimeLimits, probes: Probes
) -> None:
    probes.wired = bench.plug("one")
    probes.serials += ["0123456789"]
    with pytest.raises(FlashError, match=r"--method swd:SERIAL \(E66138528350A42B, 0123456789\)"):
        flash(bench, limits)
    assert flash(bench, limits, "swd:E661").written


def test_a_probe_that_reaches_no_chip(bench: Bench, limits: TimeLimits, probes: Probes) -> None:
    probes.wired = bench.plug("one")
    probes.fault = TransferFaultError()
    with pytest.raises(FlashError, match=r"(?s)E66138528350A42B failed.*SWCLK"):
        flash(bench, limits)


def test_without_pyocd(bench: Bench, limits: TimeLimits, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.plug("one")
    monkeypatch.setitem(sys.modules, "pyocd.core.helpers", None)
    with pytest.raises(FlashError, match=r"pip install 'jouleloop\[swd\]'"):
        flash(bench, limits)
