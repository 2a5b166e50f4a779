"""Commands for the board on the desk: what is there, what answers, and writing an image into it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from host.cli.completing import one_of, targets
from host.cli.exits import ExitCode
from host.cli.held import held
from host.cli.options import LeaseWaitOption, NoFlashOption, OutOption, TargetArgument
from host.cli.output import JsonOption, doing, print_json, results, tell


def doctor(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]", help="look at what this target needs", autocompletion=targets
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is there and what is missing, each with its remedy; exit code 1 if something is.

    Examples:
        jouleloop doctor
        jouleloop doctor pico
    """
    from dataclasses import asdict

    with doing("looking"):
        from host.doctor import examine, healthy, print_findings

        findings = examine(target)
    if as_json:
        print_json({"healthy": healthy(findings), "findings": [asdict(f) for f in findings]})
    else:
        print_findings(findings, results())
    if not healthy(findings):
        raise typer.Exit(ExitCode.ERROR)


def boards(as_json: JsonOption = False) -> None:
    """List the boards that Jouleloop knows, and which of them are plugged in.

    Examples:
        jouleloop boards --json
    """
    with doing("looking"):
        from host.doctor import boards_as_json, list_boards, print_boards

        listed = list_boards()
    if as_json:
        print_json(boards_as_json(listed))
    else:
        print_boards(listed, results())


def ports(as_json: JsonOption = False) -> None:
    """List the serial ports and what answers on them; no board is reset.

    Examples:
        jouleloop ports
    """
    with doing("asking"):
        from host.doctor import ask_ports, print_ports

        answers = ask_ports()
    if as_json:
        print_json([answer.as_json() for answer in answers])
    else:
        print_ports(answers, results())


def flash(
    target: TargetArgument,
    out: OutOption = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="an image instead of a run folder's")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="msc|picoboot|swd[:PROBE]|...",
            help="how it is written; by default the first way of the board that works",
            autocompletion=one_of("msc", "picoboot", "swd", "esptool"),
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="write it even where the target runs it already")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be done, and change nothing")
    ] = False,
    no_flash: NoFlashOption = False,
    lease_wait: LeaseWaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Flash a run's image (by default the newest run's) and check the identity of what answers.

    Examples:
        jouleloop flash pico
        jouleloop flash pico@e660583883724a32 --out runs/mine
        jouleloop flash pico --image firmware.uf2 --method picoboot
    """
    with doing(f"flash {target}"):
        from host.chain import flash_run

        with held(target, lease_wait):
            summary = flash_run(
                target,
                out,
                file=image,
                flash=not no_flash,
                method=method,
                force=force,
                dry_run=dry_run,
                tell=tell,
            )
    if as_json:
        print_json(summary)
    elif dry_run:
        print(f"{target}: {summary['file']}", *summary["steps"], sep="\n  ")
    else:
        print(
            f"{target}: {'written' if summary['written'] else 'unchanged'}; {summary['board']} "
            f"{summary['chip_id']} runs {summary['engine']} image "
            f"{summary['image_sha256'][:12]}, model {summary['model_sha256'][:12]}"
        )
