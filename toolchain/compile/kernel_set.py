"""The seam between a planned program and the code that computes it on one kind of core.

A kernel set turns a program into C: constants, and the statements that execute it. The portable one
calls the plain kernels in ``firmware/kernels``, layer by layer; a set for one core may as well
write a file of assembly and choose between several ways to compute a layer. Whatever it does, its
outputs are the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from toolchain.compile.c_text import constant_array
from toolchain.compile.cost import Cost
from toolchain.compile.network import Elementwise, FullyConnected, Layer, Rescale, Softmax
from toolchain.compile.program import Place, Program, Region
from toolchain.compile.wide import needs_64_bits, split_words
from toolchain.errors import InputError
from toolchain.protocol import Element

FlashBudget: TypeAlias = int | Literal["smallest"] | None
"""Most bytes of network code and constants, or as few as there can be; ``None`` for full speed."""

MARKS_PER_LAYER = 3
"""Readings of the cycle counter that profiled code takes: two right before a layer, whose distance
is what a reading itself costs, and one right behind it."""


@dataclass(frozen=True)
class StepCode:
    """Code for one step."""

    definitions: str
    """File-scope C definitions; every name begins with ``layer`` and the step's number."""
    constant_bytes: int
    """Bytes of constant data: weights, biases, multipliers, tables, parameter structs."""
    strategy: str
    """How the step is computed, for people."""
    cost: Cost | None = None
    """What the set's cost model says of the step; ``None`` without a model."""


@dataclass(frozen=True)
class ProgramCode:
    """Code for a program."""

    steps: tuple[StepCode, ...]
    statements: str | None
    """Body of ``jl_model_run``, indented by four spaces; ``None`` when the assembly defines it."""
    arena_bytes: int
    """Static activation memory that the C file defines as ``arena``."""
    assembly: str | None = None
    """A file of assembly, for the C preprocessor."""
    assembly_bytes: int = 0
    """Static activation memory that the assembly defines by itself."""
    stack_bytes: int | None = None
    """Deepest stack of the assembly; ``None`` without."""
    cost: Cost | None = None
    """Of the whole program, by the set's cost model."""


class KernelSet(Protocol):
    """Code for one kind of core."""

    @property
    def name(self) -> str:
        """As in ``model.json``, such as ``portable``."""
        ...

    @property
    def core(self) -> str | None:
        """The ``cpu.core`` of a board that the code is for; ``None`` when any core will do."""
        ...

    @property
    def block(self) -> int:
        """Inputs and outputs that a dense layer's kernel takes at a time. What fills up a layer's
        last ones is computed as well.
        """
        ...

    @property
    def includes(self) -> tuple[str, ...]:
        """Headers of ``firmware/kernels`` that the definitions need."""
        ...

    def emit(
        self, program: Program, flash_budget: FlashBudget, *, marked: bool = False
    ) -> ProgramCode:
        """Code for a program.

        Args:
            program: what to compute.
            flash_budget: what the code may take; marks are not counted.
            marked: call ``jl_profile_mark(i)``, :data:`MARKS_PER_LAYER` times a layer with
                ascending ``i``; the code is the same otherwise.

        Raises:
            InputError: the budget is below what the set needs, or the set has only one size.
        """
        ...


def read_from(place: Place, element: Element) -> str:
    """C expression that points to constant codes of an element type, aligned to 4 bytes."""
    return write_to(place, element)


def input_ranges(layers: Sequence[Layer]) -> list[tuple[int, int]]:
    """Per layer the least and the greatest input code that can occur."""
    ranges = [layers[0].input.limits]
    for layer in layers[:-1]:
        if isinstance(layer, FullyConnected | Rescale):
            ranges.append((layer.minimum, layer.maximum))
        else:
            ranges.append(layer.output.limits)
    return ranges


def marked_statements(index: int, statements: str) -> str:
    """A layer's C statements with the readings around them."""
    first = MARKS_PER_LAYER * index
    before = f"    jl_profile_mark({first});\n    jl_profile_mark({first + 1});\n"
    return f"{before}{statements}    jl_profile_mark({first + 2});\n"


def write_to(place: Place, element: Element) -> str:
    """The same of codes that are no constants; not for the caller's input."""
    offset = place.offset // element.bytes
    return place.region.value + (f" + {offset}" if place.region is Region.ARENA else "")


# Bytes of the parameter structs on a 32-bit target (jl_kernels.h).
_DENSE_STRUCT_BYTES = 24
_WIDE_STRUCT_BYTES = 32
_RESCALE_STRUCT_BYTES = 12
_SOFTMAX_STRUCT_BYTES = 12


class PortableKernels:
    """Calls into the plain C kernels; small, readable, correct on any core."""

    name = "portable"
    core = None
    block = 1
    includes: tuple[str, ...] = ("jl_kernels.h",)

    def emit(
        self, program: Program, flash_budget: FlashBudget, *, marked: bool = False
    ) -> ProgramCode:
        """See :meth:`KernelSet.emit`."""
        if isinstance(flash_budget, int):
            raise InputError(
                f"the portable kernels have one size and cannot keep to {flash_budget} bytes",
                hint="give no flash budget, or compile with kernels that can choose",
            )
        element = program.network.element
        ranges = input_ranges([step.layer for step in program.steps])
        written = [
            self.emit_step(
                step.layer,
                f"layer{i}_",
                read_from(step.source, element),
                write_to(step.target, element),
                ranges[i],
            )
            for i, step in enumerate(program.steps)
        ]
        statements = [
            marked_statements(i, text) if marked else text for i, (_, text) in enumerate(written)
        ]
        return ProgramCode(
            steps=tuple(code for code, _ in written),
            statements="".join(statements),
            arena_bytes=program.arena_bytes,
        )

    def emit_step(
        self, layer: Layer, prefix: str, source: str, target: str, codes: tuple[int, int]
    ) -> tuple[StepCode, str]:
        """Code for one layer, and the statements that execute it.

        Args:
            layer: what to compute.
            prefix: begins every name that is defined, such as ``layer0_``.
            source: C expression, see :func:`read_from`.
            target: C expression, see :func:`write_to`.
            codes: least and greatest input code that can occur.
        """
        if isinstance(layer, FullyConnected) and layer.wide:
            return self._wide_dense(layer, prefix, source, target, codes)
        if isinstance(layer, FullyConnected):
            return self._dense(layer, prefix, source, target)
        if isinstance(layer, Softmax):
            return self._softmax(layer, prefix, source, target)
        if isinstance(layer, Elementwise):
            return self._lookup(layer, prefix, source, target)
        if isinstance(layer, Rescale):
            return self._rescale(layer, prefix, source, target)
        raise TypeError(f"a plan has no {type(layer).__name__} steps: {_describe(layer)}")

    def _dense(
        self, layer: FullyConnected, prefix: str, source: str, target: str
    ) -> tuple[StepCode, str]:
        definitions = [
            constant_array("int8_t", f"{prefix}weights", layer.weights),
            constant_array("int32_t", f"{prefix}bias", layer.folded_bias),
            constant_array("int32_t", f"{prefix}multipliers", layer.multipliers),
            constant_array("int8_t", f"{prefix}shifts", layer.shifts),
            f"static const jl_dense {prefix}dense = {{\n"
            f"    .weights = {prefix}weights,\n"
            f"    .bias = {prefix}bias,\n"
            f"    .multipliers = {prefix}multipliers,\n"
            f"    .shifts = {prefix}shifts,\n"
            f"    .n_inputs = {layer.n_inputs},\n"
            f"    .n_outputs = {layer.n_outputs},\n"
            f"    .per_channel = {int(layer.per_channel)},\n"
            f"    .output_zero_point = {layer.output.zero_point},\n"
            f"    .minimum = {layer.minimum},\n"
            f"    .maximum = {layer.maximum},\n"
            "};\n",
        ]
        constants = 4 * layer.n_outputs + 5 * len(layer.multipliers) + _DENSE_STRUCT_BYTES
        code = StepCode("".join(definitions), layer.weight_bytes + constants, "plain C")
        return code, f"    jl_dense_run(&{prefix}dense, {source}, {target});\n"

    def _wide_dense(
        self, layer: FullyConnected, prefix: str, source: str, target: str, codes: tuple[int, int]
    ) -> tuple[StepCode, str]:
        low, high = split_words(layer.whole_bias)
        long_sums = needs_64_bits(layer, *codes)
        n_scales = layer.n_outputs if layer.per_channel else 1
        definitions = [
            constant_array("int8_t", f"{prefix}weights", layer.weights),
            constant_array("uint32_t", f"{prefix}bias", low),
            constant_array("int32_t", f"{prefix}bias_high", high) if long_sums else "",
            constant_array("uint16_t", f"{prefix}factors", layer.factors[:n_scales]),
            constant_array("uint8_t", f"{prefix}shifts", layer.right_shifts[:n_scales]),
            f"static const jl_wide_dense {prefix}dense = {{\n"
            f"    .weights = {prefix}weights,\n"
            f"    .bias = {prefix}bias,\n"
            f"    .bias_high = {f'{prefix}bias_high' if long_sums else 'NULL'},\n"
            f"    .factors = {prefix}factors,\n"
            f"    .shifts = {prefix}shifts,\n"
            f"    .n_inputs = {layer.n_inputs},\n"
            f"    .n_outputs = {layer.n_outputs},\n"
            f"    .per_channel = {int(layer.per_channel)},\n"
            f"    .minimum = {layer.minimum},\n"
            f"    .maximum = {layer.maximum},\n"
            "};\n",
        ]
        constants = 4 * (1 + long_sums) * layer.n_outputs + 3 * n_scales + _WIDE_STRUCT_BYTES
        note = "plain C: sums of 64 bits" if long_sums else "plain C: sums of 32 bits"
        function = "jl_wide_dense_run_64" if long_sums else "jl_wide_dense_run"
        code = StepCode("".join(definitions), layer.weight_bytes + constants, note)
        return code, f"    {function}(&{prefix}dense, {source}, {target});\n"

    def _rescale(
        self, layer: Rescale, prefix: str, source: str, target: str
    ) -> tuple[StepCode, str]:
        definitions = (
            f"static const jl_rescale {prefix}rescale = {{\n"
            f"    .multiplier = {layer.multiplier},\n"
            f"    .shift = {layer.shift},\n"
            f"    .minimum = {layer.minimum},\n"
            f"    .maximum = {layer.maximum},\n"
            "};\n"
        )
        n = layer.output.n_values
        code = StepCode(definitions, _RESCALE_STRUCT_BYTES, "plain C")
        return code, f"    jl_rescale_run(&{prefix}rescale, {n}, {source}, {target});\n"

    def _softmax(
        self, layer: Softmax, prefix: str, source: str, target: str
    ) -> tuple[StepCode, str]:
        definitions = [
            constant_array("int32_t", f"{prefix}exponentials", layer.exponentials),
            f"static const jl_softmax {prefix}softmax = {{\n"
            f"    .exponentials = {prefix}exponentials,\n"
            f"    .n_exponentials = {len(layer.exponentials)},\n"
            f"    .n_rows = {layer.n_rows},\n"
            f"    .row_length = {layer.row_length},\n"
            "};\n",
        ]
        n_bytes = 4 * len(layer.exponentials) + _SOFTMAX_STRUCT_BYTES
        code = StepCode("".join(definitions), n_bytes, "plain C")
        return code, f"    jl_softmax_run(&{prefix}softmax, {source}, {target});\n"

    def _lookup(
        self, layer: Elementwise, prefix: str, source: str, target: str
    ) -> tuple[StepCode, str]:
        n = layer.output.n_values
        table = constant_array("int8_t", f"{prefix}table", layer.table)
        code = StepCode(table, len(layer.table), "a table")
        return code, f"    jl_lookup_run({prefix}table, {n}, {source}, {target});\n"


def _describe(layer: Layer) -> str:
    return f"operator {layer.operator_index} ({layer.operator})"
