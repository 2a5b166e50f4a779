"""Findings, boards and ports in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from host.doctor.finding import Finding, Level
from host.doctor.ports import PortAnswer, PortState
from host.plugged import PluggedBoard
from toolchain.board import Board

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.MISSING: "bold red"}


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """A table of all findings, then the remedies, which are to be copied, in full."""
    table = _table("", "what", "found")
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            table.add_row("", Text(area, style="bold"))
        table.add_row(
            Text(finding.level, style=_STYLES[finding.level]), finding.name, finding.detail
        )
    console.print(table)
    remedies: dict[str, list[str]] = {}
    for finding in findings:
        if finding.remedy:
            remedies.setdefault(finding.remedy, []).append(finding.name)
    for remedy, names in remedies.items():
        console.print()
        console.print(f"{', '.join(names)}:", style="bold", markup=False)
        for line in remedy.splitlines():
            console.print(f"  {line}", markup=False, soft_wrap=True)


def print_boards(listed: Sequence[tuple[Board, Sequence[PluggedBoard]]], console: Console) -> None:
    """Every board file with its plugged-in boards."""
    table = _table("board", "title", "chip", "USB ids", "plugged in")
    for board, there in listed:
        usb = board.usb
        ids = "" if usb is None else f"{usb.vendor_id:04x}:{usb.product_id:04x}"
        lines = "\n".join(map(str, there)) or "-"
        table.add_row(board.name, board.title, board.chip, ids, lines)
    console.print(table)


def print_ports(answers: Sequence[PortAnswer], console: Console) -> None:
    """Every port with what answers."""
    if not answers:
        console.print("no serial ports")
        return
    table = _table("port", "device", "answers", "")
    for answer in answers:
        device = " ".join(part for part in (answer.product, answer.ids_text) if part) or "-"
        style = "green" if answer.state is PortState.BOARD else ""
        table.add_row(answer.port, device, Text(answer.state, style=style), answer.detail)
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
