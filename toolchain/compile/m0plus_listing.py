"""Cortex-M0+ assembly text that adds up what it costs to run."""

from __future__ import annotations

from toolchain.compile.cost import Cost
from toolchain.compile.m0plus_blocks import BLOCKS, instruction_cost


class Listing:
    """Assembly text that adds up what it costs to run through it once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.cost = Cost()
        self.used: set[str] = set()

    def block(self, name: str, *arguments: object) -> None:
        """Use a block of :data:`BLOCKS`."""
        block = BLOCKS[name]
        self.lines.append(f"    {name} {', '.join(map(str, arguments))}".rstrip())
        self.cost += block.cost
        self.used.add(name)

    def instruction(self, text: str, comment: str = "") -> None:
        """One instruction."""
        self.lines.append(f"    {text:<28}@ {comment}" if comment else f"    {text}")
        self.cost += instruction_cost(text)

    def comment(self, text: str) -> None:
        """A line of comment."""
        self.lines.append(f"    @ {text}")

    def label(self, name: str) -> None:
        """A label."""
        self.lines.append(f"{name}:")

    def repeat(self, body: Listing, count: int) -> None:
        """Text that runs ``count`` times; what closes the loop is part of it."""
        self.lines += body.lines
        self.used |= body.used
        self.cost += Cost(body.cost.cycles * count, body.cost.n_bytes)
