"""When the emulated board's bytes reach the client."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from host.emulator.process import READ_BYTES, SETTLED_S, _Terminal


@pytest.fixture
def core() -> SimpleNamespace:
    """A core at work whose clock the test sets."""
    core = SimpleNamespace(idle=False, clock_s=1.0)
    core.now_s = lambda: core.clock_s
    return core


def test_bytes_wait_until_the_core_has_come_to_rest(core: SimpleNamespace) -> None:
    terminal = _Terminal()
    assert not terminal.due(core)
    terminal.outgoing += b"reply"
    assert not terminal.due(core)
    core.idle = True
    assert terminal.due(core)


def test_a_core_that_goes_on_working_holds_them_back_for_a_moment_after_the_last(
    core: SimpleNamespace,
) -> None:
    terminal = _Terminal()
    for _ in range(3):
        terminal.outgoing += b"x"
        core.clock_s += 0.9 * SETTLED_S
        assert not terminal.due(core), "each byte puts it off"
    core.clock_s += 1.1 * SETTLED_S
    assert terminal.due(core)


def test_what_never_falls_silent_is_handed_over_by_amount(core: SimpleNamespace) -> None:
    terminal = _Terminal()
    terminal.outgoing += bytes(READ_BYTES)
    assert terminal.due(core)
