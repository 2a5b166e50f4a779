"""What is there and what is missing: software, boards, ports and meters."""

from host.doctor.command import boards_as_json, examine, list_boards
from host.doctor.console import print_boards, print_findings, print_ports
from host.doctor.finding import Finding, Level, healthy
from host.doctor.ports import PortAnswer, PortState, ask, ask_ports

__all__ = [
    "Finding",
    "Level",
    "PortAnswer",
    "PortState",
    "ask",
    "ask_ports",
    "boards_as_json",
    "examine",
    "healthy",
    "list_boards",
    "print_boards",
    "print_findings",
    "print_ports",
]
