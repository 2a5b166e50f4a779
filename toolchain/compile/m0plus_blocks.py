"""The building blocks of Cortex-M0+ programs: assembler macros, and what each one costs.

A block is written once, as the macro that goes into the generated file. Its cycles and bytes are
read off its own text, so the planner cannot believe anything that the core does not execute.

Registers, as far as blocks share them: r0 walks through the layer's constants; r1 to r4 gather the
outputs' sums; r8 is where the next outputs go; r9 is where the constants of a loop end; r10, r11,
r12 and lr may keep inputs. Inputs come in pairs, X = x_low + x_high * 2^16, and so do weights,
W = w_high + w_low * 2^16, so that X * W modulo 2^32 is x_low * w_high + (x_low * w_low + x_high *
w_high) * 2^16. The upper half is two multiply-accumulates in one. ``asrs #16`` rounds it down and
leaves bit 15 in the carry, and ``adcs`` puts back the one that a negative lower half has borrowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from toolchain.compile.cost import Cost

_REGISTERS = re.compile(r"\{([^}]*)\}")
_LISTS = frozenset({"ldmia", "stmia", "push", "pop"})
_ACCESSES = frozenset({"ldr", "str", "ldrb", "strb", "ldrh", "strh", "ldrsb", "ldrsh"})
_JUMPS = {"b": 2, "bx": 2, "bl": 3}
_PLAIN = frozenset(
    {"adcs", "add", "adds", "ands", "asrs", "beq", "bics", "cmp", "eors", "lsls", "lsrs", "mov"}
    | {"movs", "muls", "sub", "subs"}
)


def instruction_cost(line: str) -> Cost:
    """Cost of one instruction, by the Cortex-M0+ Technical Reference Manual, table 3-1.

    Memory answers without wait states. ``beq`` is only used where it is seldom taken, and counts
    as not taken; ``bne`` closes loops and counts as taken. ``pop`` with pc returns.

    Raises:
        KeyError: an instruction that is not in the table.
    """
    text = line.partition("@")[0].strip()
    if not text:
        return Cost()
    mnemonic = text.split()[0]
    n_bytes = 4 if mnemonic == "bl" else 2
    if mnemonic in _LISTS:
        registers = _REGISTERS.search(text)
        if registers is None:
            raise KeyError(text)
        count = sum(map(_length, registers[1].split(",")))
        # The return fills the pipeline again.
        return Cost(1 + count + (2 if "pc" in registers[1] else 0), n_bytes)
    if mnemonic in _ACCESSES:
        return Cost(2, n_bytes)
    if mnemonic in _JUMPS:
        return Cost(_JUMPS[mnemonic], n_bytes)
    if mnemonic == "bne":
        return Cost(2, n_bytes)
    if mnemonic in _PLAIN:
        return Cost(1, n_bytes)
    raise KeyError(text)


def _length(registers: str) -> int:
    first, dash, last = registers.strip().partition("-")
    return int(last[1:]) - int(first[1:]) + 1 if dash else 1


@dataclass(frozen=True)
class Block:
    """One macro."""

    name: str
    parameters: str
    purpose: str
    body: str
    cost: Cost = field(init=False)

    def __post_init__(self) -> None:
        total = sum(map(instruction_cost, self.body.strip().splitlines()), Cost())
        object.__setattr__(self, "cost", total)

    @property
    def definition(self) -> str:
        """The macro's text."""
        lines = [f"    {line.strip()}" for line in self.body.strip().splitlines()]
        head = f".macro {self.name} {self.parameters}".rstrip()
        return "\n".join(
            [f"@ {self.purpose} {self.cost.cycles} cycles.", head, *lines, ".endm", ""]
        )


# From a sum, counted down from the top of its staircase, to its code but for what bends it; with
# the registers that are free beside four sums, and beside two.
_UPSTAIRS_4 = r"""
        asrs  r5, \sum, #31
        bics  \sum, \sum, r5
        ldmia r0!, {r5, r6, r7}
        subs  r5, r5, \sum
        asrs  \sum, r5, #31
        bics  r5, r5, \sum
        muls  r6, r5, r6
        muls  r7, r5, r7
        lsrs  r7, r7, #\split
        adds  r6, r6, r7
        ldmia r0!, {r7}
        adds  r6, r6, r7
"""
_UPSTAIRS_2 = r"""
        asrs  r3, \sum, #31
        bics  \sum, \sum, r3
        ldmia r0!, {r3, r4, r5, r6}
        subs  r3, r3, \sum
        asrs  \sum, r3, #31
        bics  r3, r3, \sum
        muls  r4, r3, r4
        muls  r5, r3, r5
        lsrs  r5, r5, #\split
        adds  r4, r4, r5
        adds  r4, r4, r6
"""

_ALL = (
    Block(
        "jl_column4",
        "",
        "One pair of inputs (r5), four outputs.",
        r"""
        ldmia r0!, {r6, r7}
        muls  r6, r5, r6
        muls  r7, r5, r7
        asrs  r6, r6, #16
        adcs  r1, r1, r6
        asrs  r7, r7, #16
        adcs  r2, r2, r7
        ldmia r0!, {r6, r7}
        muls  r6, r5, r6
        muls  r7, r5, r7
        asrs  r6, r6, #16
        adcs  r3, r3, r6
        asrs  r7, r7, #16
        adcs  r4, r4, r7
        """,
    ),
    Block(
        "jl_weights2",
        "",
        "Weights of two pairs of inputs and two outputs; products with the first pair (r3).",
        r"""
        ldmia r0!, {r4, r5, r6, r7}
        muls  r4, r3, r4
        muls  r5, r3, r5
        """,
    ),
    Block(
        "jl_products2",
        "",
        "Products with the second pair (r3).",
        r"""
        muls  r6, r3, r6
        muls  r7, r3, r7
        """,
    ),
    Block(
        "jl_last_column2",
        "",
        "The last pair of inputs (r3) of an odd number, two outputs.",
        r"""
        ldmia r0!, {r4, r5}
        muls  r4, r3, r4
        muls  r5, r3, r5
        asrs  r4, r4, #16
        adcs  r1, r1, r4
        asrs  r5, r5, #16
        adcs  r2, r2, r5
        """,
    ),
    Block(
        "jl_columns1",
        "",
        "Weights of two pairs of inputs (r2, r3) and one output; products.",
        r"""
        ldmia r0!, {r4, r5}
        muls  r4, r2, r4
        muls  r5, r3, r5
        """,
    ),
    Block(
        "jl_last_column1",
        "",
        "The last pair of inputs (r3) of an odd number, one output.",
        r"""
        ldmia r0!, {r4}
        muls  r4, r3, r4
        asrs  r4, r4, #16
        adcs  r1, r1, r4
        """,
    ),
    Block(
        "jl_inputs2",
        "",
        "Two pairs of inputs from memory beyond the frame.",
        r"""
        ldmia r5!, {r3, r4}
        """,
    ),
    Block(
        "jl_far2",
        "",
        "Weights of one output for two pairs of inputs (r3, r4); products.",
        r"""
        ldmia r0!, {r6, r7}
        muls  r6, r3, r6
        muls  r7, r4, r7
        """,
    ),
    Block(
        "jl_apart",
        "sum, first, second",
        "Add the upper halves of two products.",
        r"""
        asrs  \first, \first, #16
        adcs  \sum, \sum, \first
        asrs  \second, \second, #16
        adcs  \sum, \sum, \second
        """,
    ),
    Block(
        "jl_joined",
        "sum, first, second",
        "The same for weights that are small enough to add the products first.",
        r"""
        adds  \first, \first, \second
        asrs  \first, \first, #16
        adcs  \sum, \sum, \first
        """,
    ),
    Block(
        "jl_code4",
        "sum, split",
        "From a sum, counted down from the top of its staircase, to its code; one of four.",
        _UPSTAIRS_4
        + r"""asrs  \sum, r6, #24
        """,
    ),
    Block(
        "jl_bent_code4",
        "sum, split",
        "The same for outputs of both signs.",
        _UPSTAIRS_4
        + r"""ldmia r0!, {\sum, r7}
        subs  r5, r5, \sum
        asrs  r5, r5, #31
        ands  r5, r5, r7
        adds  r6, r6, r5
        asrs  \sum, r6, #24
        """,
    ),
    Block(
        "jl_code2",
        "sum, split",
        "From a sum to its code; one of two.",
        _UPSTAIRS_2
        + r"""asrs  \sum, r4, #24
        """,
    ),
    Block(
        "jl_bent_code2",
        "sum, split",
        "The same for outputs of both signs.",
        _UPSTAIRS_2
        + r"""ldmia r0!, {r5, r6}
        subs  r3, r3, r5
        asrs  r3, r3, #31
        ands  r3, r3, r6
        adds  r4, r4, r3
        asrs  \sum, r4, #24
        """,
    ),
    Block(
        "jl_pack4",
        "",
        "Four codes as two pairs, to where the next layer reads them.",
        r"""
        lsls  r2, r2, #16
        adds  r1, r1, r2
        lsls  r4, r4, #16
        adds  r3, r3, r4
        mov   r5, r8
        stmia r5!, {r1, r3}
        mov   r8, r5
        """,
    ),
    Block(
        "jl_pack2",
        "",
        "Two codes as one pair.",
        r"""
        lsls  r2, r2, #16
        adds  r1, r1, r2
        mov   r3, r8
        stmia r3!, {r1}
        mov   r8, r3
        """,
    ),
    Block(
        "jl_pack1",
        "",
        "The last code of an odd number; its partner is 0.",
        r"""
        mov   r3, r8
        stmia r3!, {r1}
        mov   r8, r3
        """,
    ),
    Block(
        "jl_put4",
        "",
        "Four codes as bytes.",
        r"""
        mov   r5, r8
        strb  r1, [r5, #0]
        strb  r2, [r5, #1]
        strb  r3, [r5, #2]
        strb  r4, [r5, #3]
        adds  r5, r5, #4
        mov   r8, r5
        """,
    ),
    Block(
        "jl_put2",
        "",
        "Two codes as bytes.",
        r"""
        mov   r5, r8
        strb  r1, [r5, #0]
        strb  r2, [r5, #1]
        adds  r5, r5, #2
        mov   r8, r5
        """,
    ),
    Block(
        "jl_put1",
        "",
        "One code as a byte.",
        r"""
        mov   r5, r8
        strb  r1, [r5, #0]
        adds  r5, r5, #1
        mov   r8, r5
        """,
    ),
    Block(
        "jl_repeat",
        "",
        "Where the constants of the loop that begins here end: their length leads them.",
        r"""
        ldmia r0!, {r1}
        adds  r1, r0, r1
        mov   r9, r1
        """,
    ),
    Block(
        "jl_unpack4",
        "",
        "Four input bytes as two pairs: bytes 0 and 2, bytes 1 and 3.",
        r"""
        ldmia r2!, {r6}
        eors  r6, r6, r3
        lsrs  r7, r6, #8
        ands  r6, r6, r4
        ands  r7, r7, r4
        subs  r6, r6, r5
        subs  r7, r7, r5
        stmia r1!, {r6, r7}
        """,
    ),
    Block(
        "jl_mark",
        "index",
        "A reading of the cycle counter between layers, where r0 to r3 and the frame are in use.",
        r"""
        push  {r0-r3}
        movs  r0, #\index
        bl    jl_profile_mark
        pop   {r0-r3}
        """,
    ),
)

BLOCKS: dict[str, Block] = {block.name: block for block in _ALL}
"""By name."""
