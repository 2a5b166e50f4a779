"""The RV32IM kernel set: two bytes a weight and two multiplications in one, or plain C.

The core has no carry flag, so the sum of a packed multiplication (see :mod:`m0plus_blocks`) is cut
by rounding it to its upper half: exact while both halves fit 16 signed bits, which the weights and
the range of the codes decide here. Where that holds for two pairs of inputs together, for all four
outputs of a block, the kernel adds their products first.

``firmware/kernels/jl_rv32im.c`` has the kernel, ``jl_rv32im_wide.c`` that of int16 activations (see
:mod:`wide`), which needs about the memory of plain C. A layer that cannot run packed (some pair has
two weights of -128), whose sums need 64 bits, or for which a flash budget has no room, is plain C
with one byte a weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.c_text import constant_array
from toolchain.compile.kernel_set import (
    FlashBudget,
    PortableKernels,
    ProgramCode,
    StepCode,
    input_ranges,
    marked_statements,
    read_from,
    write_to,
)
from toolchain.compile.network import FullyConnected, Layer
from toolchain.compile.program import Program, Storage, place_values, storage_of
from toolchain.compile.wide import block_words, n_blocks, n_pairs, needs_64_bits
from toolchain.errors import InputError

BLOCK = 4
"""Outputs that the kernel computes at a time."""

STRUCT_BYTES = 16
KERNEL_BYTES = 1024
"""Code of the packed kernel, at most."""

PORTABLE_BYTES = 1536
"""Code of all plain kernels together, at most."""

WIDE_KERNEL_BYTES = 512
"""Code of the kernel of int16 activations, at most."""

_HALF = 2**15


@dataclass(frozen=True, eq=False)
class _Packed:
    """A dense layer whose single products are safe."""

    layer: FullyConnected
    joined: NDArray[np.bool_]
    """(n_outputs,): whether all of an output's couples of pairs may be added before the cut."""

    @property
    def n_fours(self) -> int:
        return -(-self.layer.n_inputs // 4)

    @property
    def n_blocks(self) -> int:
        return -(-self.layer.n_outputs // BLOCK)

    @property
    def n_bytes(self) -> int:
        """Of constants."""
        return 4 * self.n_blocks * (BLOCK + 2 * BLOCK * self.n_fours + 2 * BLOCK) + STRUCT_BYTES

    @property
    def n_joined_blocks(self) -> int:
        """Blocks of joined outputs only, when these come first."""
        joined = int(self.joined.sum())
        return self.n_blocks if joined == len(self.joined) else joined // BLOCK


@dataclass(frozen=True, eq=False)
class _Wide:
    """A dense layer of int16 activations whose sums fit 32 bits."""

    layer: FullyConnected

    @property
    def n_bytes(self) -> int:
        """Of constants."""
        return 4 * n_blocks(self.layer) * (2 * BLOCK + 2 * n_pairs(self.layer)) + STRUCT_BYTES


_Fast = _Packed | _Wide


class Rv32imKernels:
    """C for RV32IM, exact; the number of instructions depends on the input by a few."""

    name = "rv32im"
    core = "rv32imc"
    block = BLOCK
    includes: tuple[str, ...] = ("jl_kernels.h", "jl_rv32im.h")

    def emit(
        self, program: Program, flash_budget: FlashBudget, *, marked: bool = False
    ) -> ProgramCode:
        """See :meth:`KernelSet.emit`."""
        layers = [step.layer for step in program.steps]
        element, ranges = program.network.element, input_ranges(layers)
        packed = _within(_packable(layers, ranges), layers, ranges, flash_budget)
        placement = place_values(
            [
                Storage(layer.input.n_bytes, scratch_bytes=8 * part.n_fours)
                if isinstance(part, _Packed)
                else storage_of(layer)
                for layer, part in zip(layers, packed, strict=True)
            ]
        )
        codes, statements = [], []
        for i, (layer, part) in enumerate(zip(layers, packed, strict=True)):
            source = read_from(placement.values[i], element)
            target = write_to(placement.values[i + 1], element)
            prefix = f"layer{i}_"
            if part is None:
                code, text = PortableKernels().emit_step(layer, prefix, source, target, ranges[i])
            elif isinstance(part, _Wide):
                code = _wide_code(part, prefix)
                text = f"    jl_rv32im_wide_dense(&{prefix}dense, {source}, {target});\n"
            else:
                scratch = placement.scratch[i]
                assert scratch is not None
                code = _code(part, prefix)
                text = (
                    f"    jl_rv32im_dense(&{prefix}dense, {source}, {target}, "
                    f"(uint32_t *)(void *)({write_to(scratch, element)}));\n"
                )
            codes.append(code)
            statements.append(marked_statements(i, text) if marked else text)
        return ProgramCode(tuple(codes), "".join(statements), placement.arena_bytes)


def _packable(layers: Sequence[Layer], ranges: Sequence[tuple[int, int]]) -> list[_Fast | None]:
    return [
        _pack(layer, low, high) if isinstance(layer, FullyConnected) else None
        for layer, (low, high) in zip(layers, ranges, strict=True)
    ]


def _pack(layer: FullyConnected, least: int, greatest: int) -> _Fast | None:
    """``least`` and ``greatest``: input codes that can occur."""
    if layer.wide:
        return None if needs_64_bits(layer, least, greatest) else _Wide(layer)
    largest = max(-least, greatest)
    low, high = _halves(layer)
    wanted = (np.abs(low) + np.abs(high)) * largest
    # The low input meets the weight of the high one in the half that is cut off.
    unwanted = np.abs(high) * largest
    if (wanted >= _HALF).any() or (unwanted >= _HALF).any():
        return None
    joined = (wanted[:, ::2] + wanted[:, 1::2] < _HALF) & (
        unwanted[:, ::2] + unwanted[:, 1::2] < _HALF
    )
    return _Packed(layer, joined.all(axis=1))


def _halves(layer: FullyConnected) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n_outputs, n_pairs) weights of a pair's low and high input; of four, 0 and 2, 1 and 3."""
    width = -(-layer.n_inputs // 4) * 4
    padded = np.zeros((layer.n_outputs, width), np.int64)
    padded[:, : layer.n_inputs] = layer.weights
    fours = padded.reshape(layer.n_outputs, -1, 4)
    return (
        fours[:, :, :2].reshape(layer.n_outputs, -1),
        fours[:, :, 2:].reshape(layer.n_outputs, -1),
    )


def _within(
    packed: list[_Fast | None],
    layers: Sequence[Layer],
    ranges: Sequence[tuple[int, int]],
    flash_budget: FlashBudget,
) -> list[_Fast | None]:
    """Packed layers as far as the budget goes: the largest ones become plain C first.

    Raises:
        InputError: not even plain C keeps it.
    """
    if flash_budget is None:
        return packed
    chosen = list(packed)
    order = sorted(
        (i for i, part in enumerate(packed) if isinstance(part, _Packed)),
        key=lambda i: -layers[i].weight_bytes,
    )
    plans = [list(chosen)]
    for index in order:
        chosen[index] = None
        plans.append(list(chosen))
    sizes = [_bytes(plan, layers, ranges) for plan in plans]
    if flash_budget == "smallest":
        return plans[sizes.index(min(sizes))]
    for plan, size in zip(plans, sizes, strict=True):
        if size <= flash_budget:
            return plan
    raise InputError(
        f"a flash budget of {flash_budget} bytes is too small for this network: its code and "
        f"constants take up to {min(sizes)} bytes",
        hint=f"give at least {min(sizes)}, 'smallest', or no flash budget for full speed",
    )


def _bytes(
    plan: Sequence[_Fast | None],
    layers: Sequence[Layer],
    ranges: Sequence[tuple[int, int]],
) -> int:
    """Constants, and the most that the kernels' code takes."""
    total = KERNEL_BYTES if any(isinstance(part, _Packed) for part in plan) else 0
    total += WIDE_KERNEL_BYTES if any(isinstance(part, _Wide) for part in plan) else 0
    total += PORTABLE_BYTES if None in plan else 0
    for part, layer, codes in zip(plan, layers, ranges, strict=True):
        if part is not None:
            total += part.n_bytes
        else:
            total += PortableKernels().emit_step(layer, "", "", "", codes)[0].constant_bytes
    return total


def _code(part: _Packed, prefix: str) -> StepCode:
    layer = part.layer
    words = _words(part)
    joined = part.n_joined_blocks
    definitions = (
        constant_array("uint32_t", f"{prefix}words", words)
        + f"static const jl_rv32im {prefix}dense = {{\n"
        f"    .words = {prefix}words,\n"
        f"    .n_fours = {part.n_fours},\n"
        f"    .n_blocks = {part.n_blocks},\n"
        f"    .n_joined_blocks = {joined},\n"
        f"    .output_zero_point = {layer.output.zero_point},\n"
        f"    .minimum = {layer.minimum},\n"
        f"    .maximum = {layer.maximum},\n"
        "};\n"
    )
    note = f"two bytes a weight: {part.n_blocks} x {BLOCK} outputs ({joined} joined)"
    return StepCode(definitions, part.n_bytes, note)


def _wide_code(part: _Wide, prefix: str) -> StepCode:
    layer = part.layer
    definitions = (
        constant_array("uint32_t", f"{prefix}words", block_words(layer))
        + f"static const jl_rv32im_wide {prefix}dense = {{\n"
        f"    .words = {prefix}words,\n"
        f"    .n_pairs = {n_pairs(layer)},\n"
        f"    .n_outputs = {layer.n_outputs},\n"
        f"    .minimum = {layer.minimum},\n"
        f"    .maximum = {layer.maximum},\n"
        "};\n"
    )
    return StepCode(definitions, part.n_bytes, "one byte a weight: sums of 32 bits")


def _words(part: _Packed) -> NDArray[np.uint32]:
    """What the kernel reads: per block four starts, weights by four inputs, scales."""
    layer = part.layer
    # Joined outputs first; those that fill the last block write behind the last output.
    order = np.argsort(~part.joined, kind="stable").tolist()
    order += range(layer.n_outputs, BLOCK * part.n_blocks)
    low, high = _halves(layer)
    weights = np.zeros((len(order), 2 * part.n_fours), np.int64)
    weights[: layer.n_outputs] = high + (low << 16)
    starts = np.zeros(len(order), np.int64)
    starts[: layer.n_outputs] = layer.folded_bias
    scales = np.zeros((len(order), 2), np.int64)
    scales[: layer.n_outputs, 0] = layer.multipliers
    scales[: layer.n_outputs, 1] = layer.shifts.astype(np.int64) & 0xFF
    scales[:, 1] |= np.arange(len(order)) << 8
    pieces = []
    for begin in range(0, len(order), BLOCK):
        rows = np.array(order[begin : begin + BLOCK])
        couples = weights[rows].reshape(BLOCK, part.n_fours, 2).transpose(1, 0, 2)
        pieces += [starts[rows], couples.reshape(-1), scales[rows].reshape(-1)]
    return (np.concatenate(pieces) & 0xFFFF_FFFF).astype(np.uint32)
