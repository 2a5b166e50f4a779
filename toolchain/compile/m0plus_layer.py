"""Writes the code and the constants of one packed dense layer for the Cortex-M0+."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolchain.compile.cost import Cost
from toolchain.compile.m0plus_blocks import BLOCKS
from toolchain.compile.m0plus_listing import Listing
from toolchain.compile.m0plus_packed import Loop, PackedLayer, Place

Word = int | str
"""A constant of 32 bits, or the symbol whose address it is."""

_KEEPERS = ("r10", "r11", "r12", "lr")
"""Registers that nothing in a layer's code needs."""

_BNE_REACH = 250
_B_REACH = 2040
"""Bytes of a loop's body that a branch back reaches over; beyond, ``bl`` does."""


def emit_layer(
    listing: Listing,
    packed: PackedLayer,
    loops: Sequence[Loop],
    source: Place,
    target: Place,
    prefix: str,
    to_bytes: bool,
) -> list[Word]:
    """Write a layer's code, and give the constants that r0 walks through.

    Args:
        listing: where the code goes.
        packed: the layer.
        loops: from :func:`plan_loops`.
        source: where its pairs are.
        target: where its codes go; in the frame, a slot that holds the address when ``to_bytes``.
        prefix: begins labels.
        to_bytes: whether codes leave as bytes instead of pairs.
    """
    words: list[Word] = []
    kept = _keep(listing, len(packed.pairs), loops, source)
    if not source.near:
        listing.instruction("ldmia r0!, {r1}", "where the inputs are")
        listing.instruction("mov   r12, r1")
        words.append(str(source.symbol))
    if not target.near:
        listing.instruction("ldmia r0!, {r1}", "where the outputs go")
        words.append(str(target.symbol))
    elif to_bytes:
        listing.instruction(f"ldr   r1, [sp, #{target.frame_offset}]", "where the outputs go")
    else:
        listing.instruction(f"add   r1, sp, #{target.frame_offset}", "where the outputs go")
    listing.instruction("mov   r8, r1")
    for index, loop in enumerate(loops):
        body = _body(packed, loop, source, kept, to_bytes)
        constants = _constants(packed, loop, source)
        listing.comment(f"outputs {_names(loop.outputs)}")
        if loop.count == 1:
            listing.repeat(body, 1)
            words += constants
            continue
        words += [4 * len(constants), *constants]
        listing.block("jl_repeat")
        _close(listing, body, loop.count, f"{prefix}_{index}")
    return words


def _names(outputs: tuple[int, ...]) -> str:
    shown = [str(o) for o in outputs[:12]]
    return ", ".join(shown) + (f", ... ({len(outputs)})" if len(outputs) > 12 else "")


def _keep(listing: Listing, n_pairs: int, loops: Sequence[Loop], source: Place) -> dict[int, str]:
    """Load the first pairs into registers that nothing else needs, when it pays."""
    runs = sum(loop.count for loop in loops)
    # Loading takes three cycles and saves one per run; lr is needed by a loop of long reach.
    if source.frame_offset is None or runs <= 3:
        return {}
    keepers = _KEEPERS[:3] if n_pairs * BLOCKS["jl_column4"].cost.n_bytes > 1500 else _KEEPERS
    kept = dict(zip(range(n_pairs), keepers, strict=False))
    for pair, register in kept.items():
        listing.instruction(f"ldr   r1, [sp, #{source.frame_offset + 4 * pair}]")
        listing.instruction(f"mov   {register}, r1", f"keeps pair {pair}")
    return kept


def _load(body: Listing, register: str, pair: int, source: Place, kept: dict[int, str]) -> None:
    if pair in kept:
        body.instruction(f"mov   {register}, {kept[pair]}", f"pair {pair}")
    else:
        assert source.frame_offset is not None
        body.instruction(
            f"ldr   {register}, [sp, #{source.frame_offset + 4 * pair}]", f"pair {pair}"
        )


def _body(
    packed: PackedLayer, loop: Loop, source: Place, kept: dict[int, str], to_bytes: bool
) -> Listing:
    body = Listing()
    sums = ["r1", "r2", "r3", "r4"][: loop.width]
    body.instruction(f"ldmia r0!, {{{', '.join(sums)}}}", "sums, from the top")
    if not source.near:
        _far_columns(body, packed, loop)
    elif loop.width == 4:
        for pair in range(len(packed.pairs)):
            _load(body, "r5", pair, source, kept)
            body.block("jl_column4")
    else:
        _near_columns(body, packed, loop, source, kept)
    bent = "bent_" if packed.staircase.bent else ""
    for register in sums:
        body.block(f"jl_{bent}code{4 if loop.width == 4 else 2}", register, packed.staircase.split)
    body.block(f"jl_{'put' if to_bytes else 'pack'}{loop.width}")
    return body


def _sum(body: Listing, loop: Loop, place: int, couple: int, first: str, second: str) -> None:
    name = "jl_joined" if couple in loop.joined[place] else "jl_apart"
    body.block(name, f"r{place + 1}", first, second)


def _near_columns(
    body: Listing, packed: PackedLayer, loop: Loop, source: Place, kept: dict[int, str]
) -> None:
    couples, odd = divmod(len(packed.pairs), 2)
    for couple in range(couples):
        if loop.width == 2:
            _load(body, "r3", 2 * couple, source, kept)
            body.block("jl_weights2")
            _load(body, "r3", 2 * couple + 1, source, kept)
            body.block("jl_products2")
            _sum(body, loop, 0, couple, "r4", "r6")
            _sum(body, loop, 1, couple, "r5", "r7")
        else:
            _load(body, "r2", 2 * couple, source, kept)
            _load(body, "r3", 2 * couple + 1, source, kept)
            body.block("jl_columns1")
            _sum(body, loop, 0, couple, "r4", "r5")
    if odd:
        _load(body, "r3", 2 * couples, source, kept)
        body.block(f"jl_last_column{loop.width}")


def _far_columns(body: Listing, packed: PackedLayer, loop: Loop) -> None:
    body.instruction("mov   r5, r12")
    for couple in range(-(-len(packed.pairs) // 2)):
        body.block("jl_inputs2")
        for place in range(loop.width):
            body.block("jl_far2")
            _sum(body, loop, place, couple, "r6", "r7")


def _constants(packed: PackedLayer, loop: Loop, source: Place) -> list[Word]:
    stairs = packed.staircase
    # What counts down starts at the top, less bias and zero point.
    starts = stairs.top - packed.layer.folded_bias
    table = packed.words
    if not source.near and table.shape[1] % 2:
        table = np.pad(table, ((0, 0), (0, 1)))
    n_pairs = table.shape[1]
    words: list[int] = []
    for begin in range(0, len(loop.outputs), loop.width):
        rows = np.array(loop.outputs[begin : begin + loop.width])
        words += starts[rows].tolist()
        whole = n_pairs // 2 * 2
        if loop.width == 4:
            words += table[rows].T.reshape(-1).tolist()
        elif source.near:
            # Both outputs' weights for one pair, then for the next.
            words += table[rows].T.reshape(-1).tolist()
        else:
            couples = table[rows, :whole].reshape(loop.width, -1, 2)
            words += couples.transpose(1, 0, 2).reshape(-1).tolist()
        for row in rows.tolist():
            line = [stairs.width, stairs.high, stairs.low, stairs.offset]
            line += [stairs.zero, stairs.bend] if stairs.bent else []
            words += [int(values[row]) for values in line]
    return [word & 0xFFFF_FFFF for word in words]


def _close(listing: Listing, body: Listing, count: int, label: str) -> None:
    """The loop around a body, by the shortest branch that reaches back over it."""
    body.instruction("cmp   r0, r9")
    listing.label(f".L{label}")
    if body.cost.n_bytes <= _BNE_REACH:
        body.instruction(f"bne   .L{label}")
        saved = 1
    else:
        body.instruction(f"beq   .L{label}_end")
        reached = body.cost.n_bytes <= _B_REACH
        body.instruction(f"{'b     ' if reached else 'bl    '}.L{label}")
        body.label(f".L{label}_end")
        saved = 1 if reached else 2
    listing.repeat(body, count)
    # The last time falls through.
    listing.cost += Cost(-saved, 0)
