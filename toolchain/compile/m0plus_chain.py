"""One assembly function for a run of dense layers on the Cortex-M0+.

Between its layers, activations stay in pairs and in whatever order suits the kernels; only at its
ends are they bytes in their own order. What lies between is in the function's stack frame, and in
static memory where a layer is too wide for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from toolchain.compile.arena import Lifetime, plan_arena
from toolchain.compile.c_text import comment_text
from toolchain.compile.cost import Cost
from toolchain.compile.kernel_set import MARKS_PER_LAYER
from toolchain.compile.m0plus_blocks import BLOCKS
from toolchain.compile.m0plus_layer import Word, emit_layer
from toolchain.compile.m0plus_listing import Listing
from toolchain.compile.m0plus_packed import (
    NEAR_PAIRS,
    Loop,
    PackedLayer,
    Pair,
    Place,
    byte_pairs,
    output_pairs,
    plan_loops,
)
from toolchain.compile.network import FullyConnected
from toolchain.compile.staircase import Staircase

_SAVED_BYTES = 36
"""Stack of the registers that the function saves: r4 to r11 and lr."""

_FRAME_STEP = 508
"""Most bytes that one instruction takes off the stack pointer."""

_UNPACKING = (0x80808080, 0x00FF00FF, 0x00800080)
"""Flips the sign bits of four bytes; takes every other byte; shifts them back to signed values."""


@dataclass(frozen=True, eq=False)
class DenseStage:
    """A layer that can run packed, and the input codes that can occur."""

    layer: FullyConnected
    staircase: Staircase
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Chain:
    """Generated code and what it takes."""

    name: str
    """The function."""
    text: str
    """The assembly file's sections for it."""
    macros: frozenset[str]
    """Blocks that it uses."""
    layer_costs: tuple[Cost, ...]
    """Cycles of one run, and bytes of code and constants, per layer."""
    constant_bytes: tuple[int, ...]
    """Of these, constants, per layer."""
    notes: tuple[str, ...]
    """How each layer is computed."""
    cost: Cost
    """Of all layers, with what the function does before and after them."""
    static_bytes: int
    stack_bytes: int


@dataclass(frozen=True, eq=False)
class _Planned:
    packed: PackedLayer
    loops: tuple[Loop, ...]


def packs(stage: DenseStage) -> bool:
    """Whether a layer's weights allow the packed multiplication, however its inputs are paired.

    Only two weights of -128 in one pair forbid it. The pairing that a layer gets depends on the
    layer before it, so any output with two of them is refused.
    """
    return bool(((stage.layer.weights == -128).sum(axis=1) <= 1).all())


def build_chain(
    stages: Sequence[DenseStage],
    name: str,
    first_layer: int = 0,
    *,
    cycles_per_byte: float = 0.0,
    marked: bool = False,
) -> Chain:
    """Generate the function ``name(const int8_t *in, int8_t *out)`` for consecutive layers.

    Args:
        stages: every one of them passes :func:`packs`.
        name: C identifier.
        first_layer: number of the first one in the program.
        cycles_per_byte: what a byte of code is worth.
        marked: see :meth:`KernelSet.emit`.
    """
    planned: list[_Planned] = []
    pairs: tuple[Pair, ...] = byte_pairs(stages[0].layer.n_inputs)
    held = [2 * -(-stages[0].layer.n_inputs // 4)]
    for index, stage in enumerate(stages):
        packed = PackedLayer(stage.layer, stage.staircase, pairs, stage.low, stage.high)
        near = held[index] <= NEAR_PAIRS
        loops = plan_loops(
            packed,
            Place(frame_offset=0) if near else Place(symbol=""),
            to_bytes=index == len(stages) - 1,
            cycles_per_byte=cycles_per_byte,
        )
        planned.append(_Planned(packed, loops))
        pairs = output_pairs(loops)
        held.append(len(pairs))
    places, frame_bytes, static_bytes = _place(held[:-1], name)
    slot = frame_bytes
    frame_bytes += 4

    listing = Listing()
    words: list[Word] = []
    _enter(listing, name, frame_bytes, slot)
    _unpack(listing, words, held[0] // 2, places[0], name)
    data = [_data(f"{name}: unpacking", words)]
    layer_costs, notes = [], []
    for index, part in enumerate(planned):
        before = listing.cost
        last = index == len(planned) - 1
        note = _note(part)
        label = f"{name}_layer{first_layer + index}"
        mark = MARKS_PER_LAYER * (first_layer + index)
        if marked:
            listing.block("jl_mark", mark)
            listing.block("jl_mark", mark + 1)
            before = listing.cost
        listing.label(label)
        listing.comment(
            f"{part.packed.layer.n_inputs} -> {part.packed.layer.n_outputs}, "
            f"{part.packed.layer.macs} MACs, {note}"
        )
        words = emit_layer(
            listing,
            part.packed,
            part.loops,
            places[index],
            Place(frame_offset=slot) if last else places[index + 1],
            f"{name}_{index}",
            last,
        )
        cost = Cost(
            listing.cost.cycles - before.cycles,
            listing.cost.n_bytes - before.n_bytes + 4 * len(words),
        )
        listing.lines.append(f"    @ {cost.cycles} cycles, {cost.n_bytes} bytes")
        listing.lines.append(f"    .size {label}, . - {label}")
        if marked:
            listing.block("jl_mark", mark + 2)
        data.append(_data(f"{name}: layer {first_layer + index}", words, f"{label}_constants"))
        layer_costs.append(cost)
        notes.append(note)
    _leave(listing, frame_bytes)
    constants = sum(piece.count for piece in data) * 4
    text = "\n".join(
        [
            f'    .section .text.{name}, "ax", %progbits',
            "    .balign 4",
            f"    .global {name}",
            f"    .type {name}, %function",
            "    .thumb_func",
            f"{name}:",
            *listing.lines,
            f"    .size {name}, . - {name}",
            "",
            f'    .section .rodata.{name}, "a", %progbits',
            "    .balign 4",
            f"{name}_constants:",
            *(piece.text for piece in data),
            "",
            *_static(static_bytes, name),
        ]
    )
    total = listing.cost + Cost(0, constants + _LITERAL_BYTES)
    return Chain(
        name=name,
        text=text,
        macros=frozenset(listing.used),
        layer_costs=tuple(layer_costs),
        constant_bytes=tuple(4 * piece.count for piece in data[1:]),
        notes=tuple(notes),
        cost=total,
        static_bytes=static_bytes,
        stack_bytes=_SAVED_BYTES + frame_bytes,
    )


_LITERAL_BYTES = 8
"""The constants' address in the code, and at most the padding before it and behind the code."""


def _place(held: Sequence[int], name: str) -> tuple[list[Place], int, int]:
    """Places of every layer's input pairs; bytes of the frame and of static memory."""
    places: list[Place] = [Place()] * len(held)
    sizes = {}
    for near in (True, False):
        chosen = [i for i, n in enumerate(held) if (n <= NEAR_PAIRS) == near]
        # Input i is written by layer i - 1 and read by layer i. Static pairs are read in twos.
        lifetimes = [Lifetime(4 * held[i] if near else 4 * (held[i] + 1), i, i + 1) for i in chosen]
        plan = plan_arena(lifetimes)
        sizes[near] = plan.n_bytes
        for i, offset in zip(chosen, plan.offsets, strict=True):
            places[i] = (
                Place(frame_offset=offset) if near else Place(symbol=f"{name}_wide + {offset}")
            )
    return places, sizes[True], sizes[False]


def _static(n_bytes: int, name: str) -> list[str]:
    if not n_bytes:
        return []
    return [
        f'    .section .bss.{name}, "aw", %nobits',
        "    .balign 4",
        f"{name}_wide:",
        f"    .space {n_bytes}",
        "",
    ]


def _enter(listing: Listing, name: str, frame_bytes: int, slot: int) -> None:
    listing.instruction("push  {r4-r7, lr}")
    for low, high in zip(range(4, 8), range(8, 12), strict=True):
        listing.instruction(f"mov   r{low}, r{high}")
    listing.instruction("push  {r4-r7}")
    for taken in range(0, frame_bytes, _FRAME_STEP):
        listing.instruction(f"sub   sp, #{min(_FRAME_STEP, frame_bytes - taken)}")
    listing.instruction(f"str   r1, [sp, #{slot}]", "out")
    listing.instruction("mov   r2, r0", "in")
    listing.instruction(f"ldr   r0, .L{name}_address")
    listing.instruction(f"b     .L{name}_start")
    listing.lines += [
        "    .balign 4",
        f".L{name}_address:",
        f"    .word {name}_constants",
        f".L{name}_start:",
    ]


def _unpack(listing: Listing, words: list[Word], fours: int, target: Place, name: str) -> None:
    """Bytes to pairs, four at a time; the last four may end behind the input."""
    listing.instruction("ldmia r0!, {r3, r4, r5}", "how to unpack bytes")
    words += _UNPACKING
    if target.near:
        listing.instruction(f"add   r1, sp, #{target.frame_offset}")
    else:
        listing.instruction("ldmia r0!, {r1}")
        words.append(str(target.symbol))
    if fours == 1:
        listing.block("jl_unpack4")
        return
    listing.instruction("ldmia r0!, {r6}", "bytes of pairs")
    words.append(8 * fours)
    listing.instruction("adds  r6, r1, r6")
    listing.instruction("mov   r9, r6")
    listing.label(f".L{name}_unpack")
    body = Listing()
    body.block("jl_unpack4")
    body.instruction("cmp   r1, r9")
    body.instruction(f"bne   .L{name}_unpack")
    listing.repeat(body, fours)
    listing.cost = Cost(listing.cost.cycles - 1, listing.cost.n_bytes)


def _leave(listing: Listing, frame_bytes: int) -> None:
    for given in range(0, frame_bytes, _FRAME_STEP):
        listing.instruction(f"add   sp, #{min(_FRAME_STEP, frame_bytes - given)}")
    listing.instruction("pop   {r4-r7}")
    for low, high in zip(range(4, 8), range(8, 12), strict=True):
        listing.instruction(f"mov   r{high}, r{low}")
    listing.instruction("pop   {r4-r7, pc}")


def _note(part: _Planned) -> str:
    couples = len(part.packed.pairs) // 2
    parts = []
    for loop in part.loops:
        text = f"{loop.count} x {loop.width} outputs"
        if any(loop.joined):
            shared = sum(len(j) for j in loop.joined)
            text += f" ({shared} of {couples * loop.width} couples joined)"
        parts.append(text)
    return "two bytes a weight: " + ", ".join(parts)


@dataclass(frozen=True)
class _Data:
    text: str
    count: int


def _data(title: str, words: Sequence[Word], label: str | None = None) -> _Data:
    lines = [f"    @ {comment_text(title)}, {len(words)} words"]
    if label is not None:
        lines += [f"    .type {label}, %object", f"{label}:"]
    shown = [word if isinstance(word, str) else f"0x{word:08x}" for word in words]
    for begin in range(0, len(shown), 8):
        lines.append(f"    .word {', '.join(shown[begin : begin + 8])}")
    if label is not None:
        lines.append(f"    .size {label}, . - {label}")
    return _Data("\n".join(lines), len(words))


def macro_definitions(names: Collection[str]) -> str:
    """Definitions of the given blocks, in the order of :data:`m0plus_blocks.BLOCKS`."""
    return "\n".join(block.definition for name, block in BLOCKS.items() if name in names)
