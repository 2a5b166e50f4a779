"""What the board does in its windows, and what its supply gives for each state of the core."""

from __future__ import annotations

import pytest

from host.link.framing import DELIMITER
from toolchain.protocol import (
    HelloRequest,
    ResetCause,
    StatusRequest,
    WindowKind,
    WindowMeter,
    WindowRequest,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def window(kind: WindowKind, duration_us: int = 0, iterations: int = 0) -> WindowRequest:
    return WindowRequest(kind, 0, WindowMeter.HOST, iterations, duration_us, 0)


def decisions(iterations: int, turns: int) -> WindowRequest:
    row = bytes([3]) + turns.to_bytes(4, "little")
    return WindowRequest(WindowKind.INFERENCE, 0, WindowMeter.HOST, iterations, 0, 1, row)


def sleeps(board) -> list[float]:
    """Times at which the core's SLEEPDEEP was set from here on."""
    times: list[float] = []
    before = board.pico._tree.set_sleep_deep

    def set_sleep_deep(deep: bool) -> None:
        if deep and not board.pico._tree.sleep_deep:
            times.append(board.pico.now_s())
        before(deep)

    board.pico._tree.set_sleep_deep = set_sleep_deep
    return times


@pytest.fixture
def board(bench):
    return bench()


def test_sleep_draws_less_than_idle_and_idle_less_than_run(board) -> None:
    currents = board.board.emulator.current_a
    mean_a = {}
    for name, request in {
        "run": decisions(500, 1_000),
        "idle": window(WindowKind.IDLE, 50_000),
        "sleep": window(WindowKind.SLEEP, 1_000_000),
    }.items():
        board.window(request)
        mean_a[name] = board.gated()[1]
    # The board file's currents, but for the us of work at both ends of each window.
    assert mean_a["run"] == pytest.approx(currents.running.value, rel=1e-9)
    assert mean_a["idle"] == pytest.approx(currents.waiting.value, rel=1e-3)
    assert currents.sleeping.value < mean_a["sleep"] < 1.01 * currents.sleeping.value


def test_waiting_for_the_host_is_light_so_that_the_line_is_heard(board) -> None:
    assert board.pico.rp2040.core.waiting
    assert not board.pico.deeply_asleep
    assert board.pico.core_hz == 125e6


def test_wake_sleeps_and_wakes_as_often_as_it_says(board) -> None:
    times = sleeps(board)
    reply = board.window(window(WindowKind.WAKE, 5_000, iterations=40))
    assert reply.iterations == len(times) == 40
    # Going to sleep and waking up: the PLLs' lock and some work at the crystal's clock.
    per_wake_up_us = reply.elapsed_us / 40 - 5_000
    assert 50 < per_wake_up_us < 150
    assert board.pico.core_hz == 125e6
    assert board.pico.plls_on == 2


def test_a_wake_up_costs_the_same_whatever_sleep_surrounds_it(board) -> None:
    """(window - sleep) / count is a property of the wake-up, so the windows may tell it."""
    sleep_w = board.board.emulator.current_a.sleeping.value * 5.0
    costs_j = []
    for duration_us in (2_000, 20_000):
        board.window(window(WindowKind.WAKE, duration_us, iterations=20))
        seconds, amperes = board.gated()
        costs_j.append((seconds * amperes * 5.0 - 20 * duration_us * 1e-6 * sleep_w) / 20)
    assert costs_j[0] == pytest.approx(costs_j[1], rel=0.02)
    assert 0.2e-6 < costs_j[0] < 10e-6


def test_sleep_sleeps_once_and_is_woken_by_the_timer(board) -> None:
    times = sleeps(board)
    reply = board.window(window(WindowKind.SLEEP, 200_000))
    assert (reply.iterations, reply.cycles, len(times)) == (0, 0, 1)
    assert 200_000 < reply.elapsed_us < 200_400


def test_a_sleep_longer_than_the_watchdogs_period_does_not_end_in_a_reset(board) -> None:
    before = board.ask(StatusRequest()).uptime_us
    reply = board.window(window(WindowKind.SLEEP, 20_000_000))
    assert 20_000_000 < reply.elapsed_us < 20_000_500
    assert board.ask(StatusRequest()).uptime_us > before + 20_000_000
    assert board.ask(HelloRequest()).reset_cause == ResetCause.POWER_ON


def test_what_comes_while_it_sleeps_is_lost_and_what_comes_after_is_not(board) -> None:
    board.uart.clear()
    lost = board.request(HelloRequest())
    board.pico.feed(board.request(window(WindowKind.SLEEP, 50_000)) + lost)
    board.settle()
    assert board.reply(board.uart).gate == 3
    assert board.pico.bytes_slept_over > len(lost) // 2
    # Some of it came with the end of the first request: a delimiter ends it, as in a repetition.
    board.pico.feed(DELIMITER)
    board.ask(HelloRequest())
    assert board.ask(StatusRequest()).bytes_overrun == 0


def test_link_sends_its_zeros_and_the_reply_follows(board) -> None:
    reply = board.window(window(WindowKind.LINK, iterations=2_000))
    assert reply.iterations == 2_000
    assert board.zeros == 2_000
    # 10 bits a byte at the line's 115,200 Bd, of which the last has left when the window ends.
    line_us = 2_000 * 10 / 115_200 * 1e6
    assert line_us < reply.elapsed_us < line_us + 200
    assert board.gated()[0] * 1e6 >= line_us


def test_the_core_waits_while_the_line_sends(board) -> None:
    before_s = board.pico.busy_s()
    reply = board.window(window(WindowKind.LINK, iterations=2_000))
    busy_s = board.pico.busy_s() - before_s
    assert busy_s < 0.1 * reply.elapsed_us * 1e-6
    currents = board.board.emulator.current_a
    assert board.gated()[1] < currents.waiting.value * 1.02


def test_link_goes_over_the_line_that_asked(bench) -> None:
    board = bench(usb=True)
    board.ask(HelloRequest(), usb=True)
    board.uart.clear()
    reply = board.window(window(WindowKind.LINK, iterations=500), usb=True)
    assert (reply.iterations, board.zeros) == (500, 500)
    assert board.uart == b""


def test_a_board_on_usb_keeps_its_host(bench) -> None:
    board = bench(usb=True)
    board.ask(HelloRequest(), usb=True)
    reply = board.window(window(WindowKind.SLEEP, 200_000), usb=True)
    assert reply.elapsed_us > 200_000
    currents = board.board.emulator.current_a
    # Both PLLs stay on, the rest is gated all the same.
    expected_a = currents.sleeping.value + 2 * currents.pll.value
    assert board.gated()[1] == pytest.approx(expected_a, rel=0.02)
    assert board.ask(HelloRequest(), usb=True).reset_cause == ResetCause.POWER_ON
    assert board.pico.usb.configured
