"""Flash a target, start or open it, and check that what answers is what was flashed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from host.emulator import BoardProcess, EmulatedBoard, NativeBoard
from host.flash.physical import Flashed, Tell, carry_out, find_port, plan_flash
from host.flash.program import Program
from host.flash.state import flash_file, flash_in_use, read_flash, write_flash
from host.link import BoardClient, Identity, Transport, open_port
from host.plugged import Machine
from host.target import Target
from toolchain.build import Image
from toolchain.errors import InputError, TargetError

PROCESS_PACE = 400.0
"""How much slower than silicon a board may be that is a process: an emulated core is 40 times where
it has a processor of its own, and a machine that is busy gives it a tenth of one. No reply within
that means a board that hangs; waiting too long for it loses less than a calibration of minutes."""


@contextmanager
def open_target(
    target: Target, image: Image, *, flash: bool = True
) -> Iterator[tuple[BoardClient, Identity]]:
    """A target that runs ``image``, its identity checked.

    Args:
        target: the board and where it is.
        image: what it is to run.
        flash: write it first where the target runs something else; otherwise what it already runs
            must be it.

    Raises:
        FlashError: it cannot be written, or did not come back.
        IdentityError: something else answers.
        LinkError: nothing answers, or the port cannot be opened.
        TargetError: it is not there, several fit, it was never flashed, or an emulator answers
            where a board is meant to.
    """
    with open_program(target, Program.of(image, target.board), flash=flash) as opened:
        yield opened


@contextmanager
def open_program(
    target: Target, program: Program, *, flash: bool
) -> Iterator[tuple[BoardClient, Identity]]:
    """As :func:`open_target`, of a program that need not have been built here."""
    if target.emulated or target.native:
        with ExitStack() as stack:
            with flash_in_use(target):
                file = write_flash(target, program.file) if flash else read_flash(target)
                board = stack.enter_context(_power_on(target, file))
                line = board.usb_port or board.port
                opened = BoardClient.open(line, target.board.link.baud, pace=PROCESS_PACE)
                client = stack.enter_context(opened)
                client.reopen = partial(_open_again, board, line, target)
                identity = _checked(client.hello(), program)
            yield client, identity
        return
    port = carry_out(plan_flash(target, program)).port if flash else find_port(target)
    with BoardClient.open(port, target.board.link.baud) as client:
        identity = client.hello()
        if identity.emulated:
            raise TargetError(
                f"{port}: an emulated {identity.board} answers there ({identity.chip_id}), so "
                "nothing that it says would be measured",
                hint=f"name it {target.board.name}@emulator, and it is run here",
            )
        yield client, _checked(identity, program)


def flash_target(
    target: Target,
    program: Program,
    *,
    method: str | None = None,
    force: bool = False,
    tell: Tell = lambda line: None,
) -> Flashed:
    """Write a program where the target runs something else, and check what answers.

    Args:
        target: the board and where it is.
        program: what it is to run.
        method: the way of writing; None for the first that works.
        force: write it whatever the target runs.
        tell: is told every step before it is done.

    Raises:
        InputError: the target has no such method.
        FlashError: as :func:`open_target`, like the others that it raises.
    """
    if not (target.emulated or target.native):
        return carry_out(plan_flash(target, program, method=method, force=force), tell=tell)
    _refuse_method(target, method)
    written = force or not _holds(target, program)
    with open_program(target, program, flash=written) as (client, identity):
        return Flashed(identity, client.port, written, None)


def flash_steps(
    target: Target, program: Program, *, method: str | None = None, force: bool = False
) -> list[str]:
    """What :func:`flash_target` would do, a line each; asks the board what it runs.

    Raises:
        JouleloopError: as :func:`flash_target`, as far as it shows before anything is written.
    """
    if not (target.emulated or target.native):
        machine = Machine()
        plan = plan_flash(target, program, method=method, force=force, machine=machine)
        return plan.steps(machine)
    _refuse_method(target, method)
    if not force and _holds(target, program):
        return [f"nothing: {target} has {program.file.name} already"]
    return [
        f"copy {program.file.name} to {flash_file(target)}, which is the flash of {target}",
        "power it on and check what HELLO says against the image",
    ]


def _refuse_method(target: Target, method: str | None) -> None:
    if method is not None:
        raise InputError(
            f"--method {method}: {target} is a process, which is flashed by copying a file",
            hint="leave out --method",
        )


def _holds(target: Target, program: Program) -> bool:
    program.placed()
    file = flash_file(target)
    return file.is_file() and file.read_bytes() == program.file.read_bytes()


def _power_on(target: Target, file: Path) -> BoardProcess:
    if target.native:
        return NativeBoard(file, serial=target.individual)
    meter, assumed = target.board.meter, target.cycles_per_instruction
    return EmulatedBoard(
        target.board.name,
        file,
        serial=target.individual,
        usb=target.usb,
        shunt_ohm=None if meter is None else meter.shunt_ohm,
        meter=None if meter is None else meter.kind,
        cycles_per_instruction=None if assumed is None else assumed.value,
    )


def _open_again(board: BoardProcess, line: str, target: Target) -> Transport:
    """Open the line of a board that is a process: what has ended need not be waited for."""
    if not board.alive:
        raise TargetError(
            f"{target}: the process that is this board has ended",
            hint="the same command starts it again, and goes on from there",
        )
    return open_port(line, target.board.link.baud)


def _checked(found: Identity, program: Program) -> Identity:
    program.check(found)
    return found
