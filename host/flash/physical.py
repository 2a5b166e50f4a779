"""Flash a board that is plugged in: look what it runs, write, wait for it, and ask who is there."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host.flash.bootsel import enter_bootsel
from host.flash.find import find_board
from host.flash.flasher import Flasher, TimeLimits
from host.flash.methods import flashers_of
from host.flash.program import Program
from host.link import BoardClient, Identity
from host.plugged import Machine, PluggedBoard, plugged_boards
from host.target import Target
from toolchain.errors import (
    BoardFaultError,
    FlashError,
    IdentityError,
    LinkError,
    LinkTimeoutError,
    PortBusyError,
    PortPermissionError,
    ProtocolError,
)

POLL_S = 0.05
_CHIP_ID = re.compile(r"[0-9A-Fa-f]{16}")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What flashing one board takes.

    Attributes:
        program: what is to be written.
        board: which board.
        adapter: the port that the target names and that is not the board's own USB line.
        running: what answers on its port; None where nothing of this protocol does.
        flashers: the ways of writing, in order.
        needed: the board does not run the program yet, or is flashed whatever it runs.
    """

    program: Program
    board: PluggedBoard
    adapter: str | None
    running: Identity | None
    flashers: tuple[Flasher, ...]
    needed: bool

    @property
    def touches(self) -> bool:
        """Whether the board has to be sent into BOOTSEL mode."""
        return not self.board.bootsel and self.flashers[0].through_boot_rom

    @property
    def chip_id(self) -> str | None:
        """Of the board, as far as it is known before it is written.

        Another program's USB serial number is the chip's id by custom only.
        """
        if self.running is not None:
            return self.running.chip_id
        serial = self.board.serial_number
        return serial.lower() if serial is not None and _CHIP_ID.fullmatch(serial) else None

    def steps(self, machine: Machine) -> list[str]:
        """What would be done, a line each."""
        if not self.needed:
            return [f"nothing: {self.board} runs {self.program.file.name} already"]
        lines = []
        if self.touches and self.board.own_usb:
            lines.append(f"open {self.board.port} at 1200 baud, which brings it to BOOTSEL mode")
        comes = bool(lines)  # what is not there yet is no obstacle then
        ways = []
        for flasher in self.flashers:
            excused = comes and flasher.through_boot_rom
            reason = None if excused else flasher.obstacle(self.board, machine)
            ways.append(
                f"by {flasher.method}: {flasher.plan(self.program)}"
                if reason is None
                else f"not by {flasher.method}: {reason.splitlines()[0]}"
            )
        if len(ways) > 1:
            lines.append("take the first of these that works:")
        return [*lines, *ways, "wait for the board and check what HELLO says against the image"]


@dataclass(frozen=True)
class Flashed:
    """What came of it.

    Attributes:
        identity: what answers.
        port: where.
        written: whether the board was written; it runs the program in any case.
        method: by which way; None where it was not.
    """

    identity: Identity
    port: str
    written: bool
    method: str | None


def plan_flash(
    target: Target,
    program: Program,
    *,
    method: str | None = None,
    force: bool = False,
    machine: Machine | None = None,
) -> Plan:
    """Find the board and what it runs; changes nothing.

    Raises:
        TargetError: no board, or several.
        InputError: the program is for another chip, or the board has no such method.
        IdentityError: a board of another kind answers.
        LinkError: another program has the port, or it cannot be opened.
    """
    machine = machine or Machine()
    program.placed()
    flashers = flashers_of(target.board, method)
    board = find_board(target, machine)
    running = None if board.port is None else _greeting(board)
    if running is not None and running.board != target.board.name:
        raise IdentityError(
            f"{board.port}: a board of kind {running.board!r} answers, not {target.board.name!r}",
            hint=f"use {running.board}@{board.port}, or name the right port",
        )
    adapter = None if board.own_usb else board.port
    if running is not None and adapter is not None and not board.bootsel:
        board = _with_usb(board, running, machine)
    needed = force or running is None or not program.runs_on(running)
    return Plan(program, board, adapter, running, flashers, needed)


def carry_out(
    plan: Plan,
    *,
    machine: Machine | None = None,
    limits: TimeLimits | None = None,
    tell: Tell = lambda line: None,
) -> Flashed:
    """Write what the plan says, and make sure that it is what answers.

    Args:
        plan: of :func:`plan_flash`.
        machine: where the board is.
        limits: how long each step may take.
        tell: is told every step before it is done.

    Raises:
        FlashError: no way of writing can be used, or one failed.
        IdentityError: another program or board came back.
        LinkError: the port cannot be opened.
    """
    machine, limits = machine or Machine(), limits or TimeLimits()
    board = plan.board
    if not plan.needed:
        port = plan.adapter or board.port
        assert plan.running is not None and port is not None, "it answered"
        return Flashed(plan.running, port, written=False, method=None)
    earlier = {known.port for known in plugged_boards(board.board, machine)}
    if plan.touches and board.own_usb:
        tell(f"bringing {board} to BOOTSEL mode")
        mounted = any(flasher.through_drive for flasher in plan.flashers)
        waiting = enter_bootsel(board, machine, limits, mounted=mounted)
    else:
        waiting = board
    flasher = _usable(plan, waiting, machine)
    tell(f"{flasher.method}: {flasher.plan(plan.program)}")
    _write(flasher, waiting, plan.program, machine, limits)
    tell("waiting for the board")
    port, identity = _back(plan, waiting, earlier, machine, limits)
    plan.program.check(identity)
    if plan.chip_id is not None and identity.chip_id != plan.chip_id:
        raise IdentityError(
            f"board {identity.chip_id} answers on {port}, but {plan.chip_id} was to be flashed",
            hint="unplug the other one, or name the board by its serial number",
        )
    return Flashed(identity, port, written=True, method=flasher.method)


def find_port(target: Target, machine: Machine | None = None) -> str:
    """The serial port that a plugged-in target answers on.

    Raises:
        TargetError: no board, or several.
        FlashError: it is in BOOTSEL mode.
    """
    board = find_board(target, machine or Machine())
    if board.port is None:
        raise FlashError(f"{board} runs no program", hint="flash it: leave out --no-flash")
    return board.port


def _greeting(board: PluggedBoard) -> Identity | None:
    """What answers on a board's port; None for what is not of this protocol."""
    assert board.port is not None
    try:
        with BoardClient.open(board.port, board.board.link.baud) as client:
            return client.hello()
    except (PortBusyError, PortPermissionError):
        raise
    except (LinkTimeoutError, ProtocolError, BoardFaultError):
        return None
    except LinkError:
        if board.bootsel:
            return None  # the port of a board's own USB line is gone while it is in BOOTSEL mode
        raise


def _with_usb(board: PluggedBoard, running: Identity, machine: Machine) -> PluggedBoard:
    """A board that is spoken to over its UART, at its own USB line if that is plugged in too."""
    for other in plugged_boards(board.board, machine):
        if other.serial_number is not None and other.serial_number.lower() == running.chip_id:
            return other
    return board


def _usable(plan: Plan, board: PluggedBoard, machine: Machine) -> Flasher:
    reasons = []
    for flasher in plan.flashers:
        reason = flasher.obstacle(board, machine)
        if reason is None:
            return flasher
        reasons.append(f"{flasher.method}: {reason}")
    stays = (
        ""
        if plan.board.bootsel or not board.bootsel
        else ("; it stays in BOOTSEL mode until it is plugged in again")
    )
    raise FlashError(
        f"{board} cannot be written{stays}", hint="one of these:\n  " + "\n  ".join(reasons)
    )


def _write(
    flasher: Flasher, board: PluggedBoard, program: Program, machine: Machine, limits: TimeLimits
) -> None:
    """Write, but wait no longer than the limit for a driver or a library that does not come back.

    Raises:
        FlashError: as :meth:`Flasher.write`, or the time is over.
    """
    failures: list[BaseException] = []

    def write() -> None:
        try:
            flasher.write(board, program, machine, limits)
        except BaseException as error:
            failures.append(error)

    # A thread that hangs in a system call cannot be ended; as a daemon it does not outlive us.
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    thread.join(limits.written_s)
    if thread.is_alive():
        raise FlashError(
            f"{board} was not written by {flasher.method} within {limits.written_s:.0f} s",
            hint="unplug the board, plug it in again and flash it again; or use another --method",
        )
    if failures:
        raise failures[0]


def _back(
    plan: Plan,
    waiting: PluggedBoard,
    earlier: set[str | None],
    machine: Machine,
    limits: TimeLimits,
) -> tuple[str, Identity]:
    """The port that the board answers on, and what it says."""
    deadline = time.monotonic() + limits.back_s
    failure: LinkError | None = None
    while True:
        here = plugged_boards(plan.board.board, machine)
        port = _port_of(plan, waiting, earlier, here, machine)
        if port is not None:
            try:
                with BoardClient.open(port, plan.board.board.link.baud) as client:
                    return port, client.hello()
            except (ProtocolError, BoardFaultError):
                raise
            except LinkError as error:
                failure = error  # udev may not have set the new port's permissions yet
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    if isinstance(failure, PortPermissionError | PortBusyError):
        raise failure
    again = any(board.bootsel and board.location == waiting.location for board in here)
    raise FlashError(
        f"{waiting.target} did not come back within {limits.back_s:.0f} s of being written"
        + (
            ": it is in BOOTSEL mode again, so its boot ROM found no program that it could start"
            if again
            else f": {failure.message}"
            if failure is not None
            else ": no serial port of it appeared"
        ),
        hint="flash it again with --force; if that fails, hold BOOTSEL while plugging it in",
    )


def _port_of(
    plan: Plan,
    waiting: PluggedBoard,
    earlier: set[str | None],
    here: list[PluggedBoard],
    machine: Machine,
) -> str | None:
    """The port to ask: the adapter's, else the board's own by serial number or USB port.

    A port that was named while its board was in BOOTSEL mode may come back under another name.
    """
    if plan.adapter is not None and (
        "://" in plan.adapter
        or Path(plan.adapter).exists()
        or any(port.device == plan.adapter for port in machine.ports())
    ):
        return plan.adapter
    for board in here:
        if board.port is None:
            continue
        if plan.chip_id is not None and board.serial_number is not None:
            same = board.serial_number.lower() == plan.chip_id
        elif waiting.location is not None and board.location is not None:
            same = board.location == waiting.location
        else:
            same = board.port not in earlier
        if same:
            return board.port
    return None
