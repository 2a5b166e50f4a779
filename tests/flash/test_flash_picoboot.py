"""PICOBOOT, through pyusb, to a boot ROM that checks every command as the datasheet says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from host.flash import Flashed, TimeLimits, carry_out, plan_flash
from host.target import parse_target
from toolchain.errors import FlashError, InputError

Bench = Any
ERASE, WRITE, READ = 3, 5, 0x84
FLASH = 0x1000_0000


def flash(
    bench: Bench, limits: TimeLimits, target: str = "pico", method: str | None = "picoboot"
) -> Flashed:
    plan = plan_flash(
        parse_target(target), bench.program("two"), method=method, machine=bench.machine
    )
    return carry_out(plan, machine=bench.machine, limits=limits)


def test_a_board_is_erased_written_read_back_and_restarted(
    bench: Bench, limits: TimeLimits
) -> None:
    board = bench.plug("one")
    board.flash[20_000:30_000] = bytes(10_000)  # of another program, behind this one
    done = flash(bench, limits)
    assert (done.written, done.method, board.boots) == (True, "picoboot", 2)
    content = bench.program("two").placed()[1]
    assert bytes(board.flash[: len(content)]) == content
    assert bytes(board.flash[20_000:30_000]) == bytes(10_000), "only what is needed is erased"
    log = board.rom.log
    assert log[:2] == ["exclusive", "exit xip"] and log[-1] == "reboot"
    assert log.count("erase") == log.count("write") == log.count("read") == 4


def test_it_is_the_way_where_nothing_mounts_the_drive(bench: Bench, limits: TimeLimits) -> None:
    board = bench.plug("one")
    board.automount = False
    assert flash(bench, replace(limits, mounted_s=0.2), method=None).method == "picoboot"
    assert bench.holds(board, "two")


def test_told_so_the_drive_comes_first_and_then_this(bench: Bench, limits: TimeLimits) -> None:
    bench.plug(None)
    assert flash(bench, limits, method=None).method == "msc"


def test_of_two_boards_in_bootsel_mode_the_one_at_the_usb_port(
    bench: Bench, limits: TimeLimits
) -> None:
    first, second = bench.plug(None, "1-1.2", 1), bench.plug(None, "1-1.3", 2)
    flash(bench, limits, "pico@1-1.3")
    assert bench.holds(second, "two") and not first.rom.log


@pytest.mark.parametrize(
    ("command", "status", "name"),
    [
        (ERASE, 4, "FLASH_ERASE failed: INVALID_ADDRESS"),
        (WRITE, 6, "WRITE failed: INTERLEAVED_WRITE"),
        (READ, 8, "READ failed: UNKNOWN_ERROR"),
        (2, 7, "REBOOT failed: REBOOTING"),
        (6, 99, "EXIT_XIP failed: unknown status 99"),
    ],
)
def test_a_refused_command_says_why(
    bench: Bench, limits: TimeLimits, command: int, status: int, name: str
) -> None:
    board = bench.plug(None)
    board.rom.fails = {command: status}
    with pytest.raises(FlashError, match=f"(?s){name}.*BOOTSEL"):
        flash(bench, limits)
    assert board.boots == 0


def test_a_stall_that_an_earlier_program_left_is_cleared(bench: Bench, limits: TimeLimits) -> None:
    board = bench.plug(None)
    board.rom.stalled = True
    assert flash(bench, limits).written


def test_a_flash_that_does_not_keep_what_is_written(bench: Bench, limits: TimeLimits) -> None:
    board = bench.plug(None)
    content = bench.program("two").placed()[1]
    odd = next(at for at in range(5000, len(content)) if content[at] & 1)
    board.rom.worn = FLASH + odd
    with pytest.raises(FlashError, match=rf"0x{FLASH + 4096:08x} does not hold what was written"):
        flash(bench, limits)
    assert "reboot" not in board.rom.log


def test_a_board_that_is_unplugged_meanwhile(bench: Bench, limits: TimeLimits) -> None:
    board = bench.plug(None)
    board.rom.leaves_at = WRITE
    with pytest.raises(FlashError, match="WRITE failed: No such device"):
        flash(bench, limits)


def test_no_permission_prints_the_udev_rule_in_full(bench: Bench, limits: TimeLimits) -> None:
    bench.plug(None).rom.denied = True
    with pytest.raises(FlashError) as caught:
        flash(bench, limits)
    rule = (
        'SUBSYSTEM=="usb|tty|hidraw", ATTRS{idVendor}=="2e8a", ATTRS{idProduct}=="0003", '
        'MODE="0660", TAG+="uaccess"'
    )
    text = str(caught.value)
    assert rule in text and "/etc/udev/rules.d/" in text and "udevadm control --reload" in text


def test_no_permission_is_seen_before_the_board_is_opened(
    bench: Bench, limits: TimeLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the drive is not mounted either, both remedies are given."""
    import os

    board = bench.plug(None)
    board.automount = False
    board.leave_bootsel()
    board.enter_bootsel()
    node = bench.root / "nodes" / "001" / "007"
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != node and real(path, mode))
    with pytest.raises(FlashError) as caught:
        flash(bench, limits, method=None)
    text = str(caught.value)
    assert "udisksctl mount" in text and str(node) in text and 'ATTRS{idProduct}=="0003"' in text
    assert not board.rom.log


def test_without_pyusb_it_says_what_to_install(
    bench: Bench, limits: TimeLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    bench.plug(None)
    for name in ("usb", "usb.core"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(FlashError, match=r"pip install 'jouleloop\[usb\]'"):
        flash(bench, limits)


def test_an_unknown_method_lists_the_known_ones(bench: Bench, limits: TimeLimits) -> None:
    bench.plug(None)
    with pytest.raises(InputError, match=r"(?s)--method carrier-pigeon.*msc, picoboot, swd"):
        flash(bench, limits, method="carrier-pigeon")
