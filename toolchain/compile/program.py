"""Decides what is executed for a network, and where its values are kept.

Everything that is known at compile time happens here: reshapes vanish, operators that map one code
to one code are composed into one table, what only clamps is worked into the layer before it, and
activations get their places in the arena.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from toolchain.compile.arena import Lifetime, plan_arena
from toolchain.compile.network import (
    Elementwise,
    FullyConnected,
    Layer,
    Network,
    Rescale,
    Reshape,
    Softmax,
)
from toolchain.compile.quantization import INT8_MIN
from toolchain.compile.tables import Table
from toolchain.protocol import Element


class Region(Enum):
    """The memory that a step reads or writes."""

    INPUT = "in"
    """The caller's input, never written."""
    OUTPUT = "out"
    """The caller's output."""
    ARENA = "arena"
    """The program's own static memory."""


@dataclass(frozen=True)
class Place:
    """Where values begin: an offset in bytes into a region."""

    region: Region
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Step:
    """One executed layer."""

    layer: Layer
    operators: tuple[str, ...]
    """Names of the file's operators that this step does the work of."""
    source: Place
    target: Place


@dataclass(frozen=True, eq=False)
class Program:
    """What :func:`plan_program` decided."""

    network: Network
    steps: tuple[Step, ...]
    arena_bytes: int


@dataclass(frozen=True, eq=False)
class _Fused:
    layer: Layer
    operators: tuple[str, ...]


def plan_program(network: Network) -> Program:
    """Simplify a network and place its activations."""
    fused = _simplify(network)
    placement = place_values([storage_of(part.layer) for part in fused])
    steps = tuple(
        Step(part.layer, part.operators, placement.values[i], placement.values[i + 1])
        for i, part in enumerate(fused)
    )
    return Program(network, steps, placement.arena_bytes)


def storage_of(layer: Layer) -> Storage:
    """What one layer by itself needs."""
    return Storage(layer.input.n_bytes, isinstance(layer, Elementwise | Rescale | Softmax))


def _simplify(network: Network) -> list[_Fused]:
    parts: list[_Fused] = []
    pending: tuple[str, ...] = ()
    for layer in network.layers:
        names = (*pending, layer.operator)
        pending = ()
        if isinstance(layer, Reshape) or _is_identity(layer):
            if parts:
                parts[-1] = _relabelled(parts[-1], layer)
            else:
                pending = names
        elif isinstance(layer, Elementwise) and parts:
            parts[-1:] = _append_table(parts[-1], layer)
        elif isinstance(layer, Rescale) and parts:
            parts[-1:] = _append_rescale(parts[-1], layer)
        else:
            parts.append(_Fused(layer, names))
    if not parts:
        # Nothing but reshapes: the values still have to move from the input to the output.
        parts.append(_Fused(_copy(network), pending))
    return parts


def _copy(network: Network) -> Layer:
    source, target = network.input, network.output
    if network.element is Element.INT16:
        return Rescale("RESHAPE", 0, source, target, 2**30, 1, *target.limits)
    return Elementwise("RESHAPE", 0, source, target, np.arange(-128, 128).astype(np.int8))


def _is_identity(layer: Layer) -> bool:
    if isinstance(layer, Rescale):
        return layer.only_clamps and (layer.minimum, layer.maximum) == layer.output.limits
    return isinstance(layer, Elementwise) and bool(
        np.array_equal(layer.table, np.arange(-128, 128))
    )


def _relabelled(part: _Fused, layer: Layer) -> _Fused:
    return _Fused(replace(part.layer, output=layer.output), (*part.operators, layer.operator))


def _append_table(part: _Fused, layer: Elementwise) -> list[_Fused]:
    """Work a table into the part before it where that is exact, or add it as a part."""
    before = part.layer
    if isinstance(before, Elementwise):
        table: Table = layer.table[before.table.astype(np.int64) - INT8_MIN]
        table.setflags(write=False)
        return [_relabelled(_Fused(replace(before, table=table), part.operators), layer)]
    if isinstance(before, FullyConnected):
        image = layer.table[before.minimum - INT8_MIN : before.maximum + 1 - INT8_MIN]
        low, high = int(image[0]), int(image[-1])
        codes = np.arange(before.minimum, before.maximum + 1)
        # Checked over every code that can occur, so folding cannot change a single output.
        if np.array_equal(image, np.clip(codes, low, high)):
            clamped = replace(before, minimum=low, maximum=high)
            return [_relabelled(_Fused(clamped, part.operators), layer)]
    return [part, _Fused(layer, (layer.operator,))]


def _append_rescale(part: _Fused, layer: Rescale) -> list[_Fused]:
    """Work a clamp into the part before it, or add what rescales as a part."""
    before = part.layer
    if layer.only_clamps and isinstance(before, FullyConnected | Rescale):
        low, high = (
            int(np.clip(bound, layer.minimum, layer.maximum))
            for bound in (before.minimum, before.maximum)
        )
        return [
            _relabelled(_Fused(replace(before, minimum=low, maximum=high), part.operators), layer)
        ]
    return [part, _Fused(layer, (layer.operator,))]


@dataclass(frozen=True)
class Storage:
    """What a stage reads, and what it needs besides."""

    input_bytes: int
    in_place: bool = False
    """Whether it may write where it reads: value by value, in order."""
    scratch_bytes: int = 0
    """Memory that it needs while it runs."""


@dataclass(frozen=True)
class Placement:
    """Where everything lies."""

    values: tuple[Place, ...]
    """From the input (first) to the output (last); one more than stages."""
    scratch: tuple[Place | None, ...]
    """Per stage; ``None`` where it needs none."""
    arena_bytes: int


def place_values(stages: Sequence[Storage]) -> Placement:
    """Place the values between stages that run one after another."""
    # group[i]: which storage the values before stage i share; a stage that reads and writes value
    # by value may work in place, except on the caller's input.
    groups = [0]
    for i, stage in enumerate(stages):
        groups.append(groups[-1] if stage.in_place and i > 0 else groups[-1] + 1)
    last = groups[-1]
    lifetimes = []
    for group in range(1, last):
        members = [i for i, g in enumerate(groups) if g == group]
        # Values i are written by stage i - 1 and read by stage i.
        n_bytes = stages[members[0]].input_bytes
        lifetimes.append(Lifetime(n_bytes, members[0] - 1, members[-1]))
    needy = [i for i, stage in enumerate(stages) if stage.scratch_bytes]
    lifetimes += [Lifetime(stages[i].scratch_bytes, i, i) for i in needy]
    plan = plan_arena(lifetimes)
    values = [Place(Region.INPUT)]
    for group in groups[1:]:
        if group == last:
            values.append(Place(Region.OUTPUT))
        else:
            values.append(Place(Region.ARENA, plan.offsets[group - 1]))
    scratch: list[Place | None] = [None] * len(stages)
    for stage_index, offset in zip(needy, plan.offsets[last - 1 :], strict=True):
        scratch[stage_index] = Place(Region.ARENA, offset)
    return Placement(tuple(values), tuple(scratch), plan.n_bytes)
