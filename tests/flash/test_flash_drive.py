"""Flashing through the BOOTSEL drive: what is done, what is left alone, every way it can fail."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host.flash import Flashed, Program, TimeLimits, carry_out, plan_flash
from host.target import parse_target
from toolchain.errors import (
    FlashError,
    IdentityError,
    InputError,
    PortBusyError,
    PortPermissionError,
    TargetError,
)

Bench = Any


def flash(
    bench: Bench,
    limits: TimeLimits,
    target: str = "pico",
    program: Program | None = None,
    **options: Any,
) -> Flashed:
    machine = bench.machine
    program = program or bench.program("two")
    plan = plan_flash(parse_target(target), program, machine=machine, **options)
    return carry_out(plan, machine=machine, limits=limits)


class TestWriting:
    """A board that does what it should."""

    def test_a_running_board_is_touched_written_and_asked(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        board = bench.plug("one")
        told: list[str] = []
        plan = plan_flash(parse_target("pico"), bench.program("two"), machine=bench.machine)
        done = carry_out(plan, machine=bench.machine, limits=limits, tell=told.append)
        assert (done.written, done.method) == (True, "msc")
        assert (board.touched, board.boots) == (1, 2)
        assert bench.holds(board, "two")
        assert done.identity.chip_id == board.serial
        assert done.port == board.port.device
        assert "BOOTSEL" in told[0] and told[1].startswith("msc: copy two.uf2")

    def test_the_same_image_again_does_nothing_unless_forced(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        board = bench.plug("two")
        done = flash(bench, limits)
        assert not done.written and done.method is None
        assert (board.touched, board.boots) == (0, 1)
        assert done.port == board.port.device
        assert flash(bench, limits, force=True).written
        assert (board.touched, board.boots) == (1, 2)

    def test_a_board_that_waits_in_bootsel_mode_needs_no_touch(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        board = bench.plug(None)
        assert flash(bench, limits).written
        assert board.touched == 0 and bench.holds(board, "two")

    def test_dry_run_changes_nothing(self, bench: Bench) -> None:
        board = bench.plug("one")
        plan = plan_flash(parse_target("pico"), bench.program("two"), machine=bench.machine)
        steps = plan.steps(bench.machine)
        assert "1200 baud" in steps[0] and board.port.device in steps[0]
        assert steps[2].startswith("by msc: copy two.uf2") and steps[3].startswith("by picoboot:")
        assert "HELLO" in steps[-1]
        assert (board.touched, board.boots) == (0, 1) and bench.holds(board, "one")
        same = plan_flash(parse_target("pico"), bench.program("one"), machine=bench.machine)
        assert same.steps(bench.machine)[0].startswith("nothing: ")

    def test_over_an_adapter_the_boards_own_usb_is_touched(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        board = bench.plug("one")
        board.link_uart(board.port.device)
        done = flash(bench, limits, f"pico@{board.uart}")
        assert done.port == str(board.uart)
        assert board.touched == 1 and bench.holds(board, "two")


class TestChoosing:
    """Several boards, and boards that are not there."""

    def test_several_boards_are_listed_with_what_names_each(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        first, second = bench.plug("one", "1-1.2", 1), bench.plug("one", "1-1.3", 2)
        waiting = bench.plug(None, "2-1", 3)
        with pytest.raises(TargetError) as caught:
            flash(bench, limits)
        for name in (f"pico@{first.serial}", f"pico@{second.serial}", "pico@2-1"):
            assert name in str(caught.value)
        flash(bench, limits, f"pico@{second.serial.upper()}")
        flash(bench, limits, "pico@2-1")
        assert [bench.holds(board, "two") for board in (first, second, waiting)] == [
            False,
            True,
            True,
        ]

    @pytest.mark.parametrize("by", ["location", "port", "drive"])
    def test_each_way_of_naming_one(self, bench: Bench, limits: TimeLimits, by: str) -> None:
        other = bench.plug("one", "1-1.3", 2)
        board = bench.plug(None if by == "drive" else "one", "1-1.2", 1)
        where = {
            "location": "1-1.2",
            "port": board.port and board.port.device,
            "drive": board.drive,
        }[by]
        assert flash(bench, limits, f"pico@{where}").identity.chip_id == board.serial
        assert bench.holds(board, "two") and bench.holds(other, "one")

    def test_two_that_wait_are_not_confused_by_the_touch_of_a_third(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        waiting = [bench.plug(None, "1-1.3", 2), bench.plug(None, "1-1.4", 3)]
        board = bench.plug("one", "1-1.2", 1)
        flash(bench, limits, f"pico@{board.serial}")
        assert bench.holds(board, "two")
        assert not any(bench.holds(other, "two") for other in waiting)

    def test_none_at_all(self, bench: Bench, limits: TimeLimits) -> None:
        with pytest.raises(TargetError, match=r"(?s)2e8a:000a.*BOOTSEL held"):
            flash(bench, limits)

    def test_an_unknown_serial_number_lists_what_is_there(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        board = bench.plug("one")
        with pytest.raises(TargetError, match=board.serial):
            flash(bench, limits, "pico@e660583883724a32")

    def test_another_kind_of_board_is_not_written(self, bench: Bench, limits: TimeLimits) -> None:
        board = bench.plug("one")
        board.kind = "picasso"
        with pytest.raises(IdentityError, match="'picasso' answers, not 'pico'"):
            flash(bench, limits, force=True)
        assert board.touched == 0

    def test_a_port_that_another_program_has_is_not_touched(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        from host.link import open_port

        board = bench.plug("one")
        other = open_port(board.port.device, 115_200)
        with pytest.raises(PortBusyError):
            flash(bench, limits)
        other.close()
        assert board.touched == 0

    def test_a_board_that_waits_is_not_written_while_its_adapter_is_in_use(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        from host.link import open_port

        board = bench.plug(None)
        master, slave = os.openpty()
        other = open_port(os.ttyname(slave), 115_200)
        with pytest.raises(PortBusyError):
            flash(bench, limits, f"pico@{os.ttyname(slave)}")
        assert board.boots == 0
        other.close()
        os.close(master)
        os.close(slave)

    def test_a_port_without_permission_says_which_rule_to_add(
        self, bench: Bench, limits: TimeLimits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        board = bench.plug("one")
        real = os.open

        def refuse(path: Any, *arguments: Any, **named: Any) -> int:
            if path == board.port.device:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return real(path, *arguments, **named)

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(PortPermissionError, match="doctor"):
            flash(bench, limits)


class TestFailures:
    """Every step has a time limit and an error that says what to do."""

    def test_another_chips_uf2_is_refused_before_anything_is_touched(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        board = bench.plug("one")
        with pytest.raises(InputError, match="chip family 0xe48bff59, not 0xe48bff56"):
            flash(bench, limits, program=bench.program("two", family=0xE48BFF59))
        assert board.touched == 0 and bench.holds(board, "one")

    def test_one_block_of_another_chip_is_enough(self, bench: Bench, limits: TimeLimits) -> None:
        bench.plug("one")
        program = bench.program("two")
        data = bytearray(program.file.read_bytes())
        data[512 * 7 + 28 : 512 * 7 + 32] = (0xE48BFF59).to_bytes(4, "little")
        program.file.write_bytes(data)
        with pytest.raises(InputError, match="block 7 is for chip family"):
            flash(bench, limits, program=program)

    def test_a_board_that_ignores_the_touch(self, bench: Bench, limits: TimeLimits) -> None:
        bench.plug("one").enters_bootsel = False
        with pytest.raises(FlashError, match=r"(?s)BOOTSEL mode within .*hold BOOTSEL"):
            flash(bench, replace(limits, appears_s=0.5))

    def test_a_drive_that_stays(self, bench: Bench, limits: TimeLimits) -> None:
        bench.plug("one").takes_uf2 = False
        with pytest.raises(FlashError, match=r"(?s)still there .* has not taken it.*picoboot"):
            flash(bench, replace(limits, gone_s=0.5))

    def test_a_drive_that_takes_nothing_and_says_nothing(
        self, bench: Bench, limits: TimeLimits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.plug("one")
        ended = threading.Event()
        monkeypatch.setattr("host.flash.mass_storage._copy", lambda *_: ended.wait(30))
        with pytest.raises(FlashError, match="not written by msc within 0 s"):
            flash(bench, replace(limits, written_s=0.3))
        ended.set()

    def test_a_drive_that_is_full(self, bench: Bench, limits: TimeLimits) -> None:
        board = bench.plug(None)
        (board.drive / "two.uf2").symlink_to("/dev/full")
        with pytest.raises(FlashError, match=r"(?s)No space left.*no room"):
            flash(bench, limits)

    @pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
    def test_a_drive_that_is_write_protected(
        self, bench: Bench, limits: TimeLimits, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        board = bench.plug(None)
        real = Path.open

        def refuse(path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            if path.parent == board.drive and "w" in mode:
                raise OSError(number, os.strerror(number))
            return real(path, mode, *arguments, **named)

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(FlashError, match=r"(?s)cannot be copied.*so that this user may write"):
            flash(bench, limits)

    def test_a_drive_that_leaves_while_its_tables_are_written(
        self, bench: Bench, limits: TimeLimits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What Linux sees of a healthy board: it starts before the file is closed."""
        board = bench.plug(None)

        def gone(_: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "fsync", gone)
        assert flash(bench, limits).written
        assert bench.holds(board, "two")

    def test_a_board_that_does_not_come_back(self, bench: Bench, limits: TimeLimits) -> None:
        bench.plug("one").comes_back = False
        with pytest.raises(FlashError, match=r"(?s)did not come back.*no serial port.*--force"):
            flash(bench, replace(limits, back_s=0.7))

    def test_a_board_that_cannot_start_the_program(self, bench: Bench, limits: TimeLimits) -> None:
        bench.plug("one")
        program = bench.program("three")
        with pytest.raises(FlashError, match="in BOOTSEL mode again"):
            flash(bench, replace(limits, back_s=0.7), program=program)

    def test_a_board_that_comes_back_with_another_program(
        self, bench: Bench, limits: TimeLimits
    ) -> None:
        bench.plug("one").runs = bytes(range(32))
        with pytest.raises(IdentityError, match="reports image 000102030405"):
            flash(bench, limits)

    def test_another_board_in_its_place(self, bench: Bench, limits: TimeLimits) -> None:
        board = bench.plug("one")
        board.back_as = bytes(8)
        with pytest.raises(FlashError, match="no serial port of it appeared"):
            flash(bench, replace(limits, back_s=0.7))

    def test_another_board_behind_the_same_adapter(self, bench: Bench, limits: TimeLimits) -> None:
        board = bench.plug("one")
        board.link_uart(board.port.device)
        expected, board.back_as = board.serial, bytes(8)
        with pytest.raises(IdentityError, match=f"0{{16}} answers .* but {expected} was to be"):
            flash(bench, limits, f"pico@{board.uart}")

    def test_nothing_mounts_and_nothing_else_is_installed(
        self, bench: Bench, limits: TimeLimits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.plug("one").automount = False
        for name in ("usb", "usb.core", "pyocd", "pyocd.core.helpers"):
            monkeypatch.setitem(__import__("sys").modules, name, None)
        with pytest.raises(FlashError) as caught:
            flash(bench, replace(limits, mounted_s=0.2))
        text = str(caught.value)
        assert "stays in BOOTSEL mode" in text and "udisksctl mount" in text
        assert "jouleloop[usb]" in text and "jouleloop[swd]" in text
