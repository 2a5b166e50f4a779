"""The Cortex-M0+ kernel set: chooses for each layer between speed and size, and writes the code.

A dense layer has three ways to run. *packed* is the fast one, two bytes a weight, straight-line
code in one assembly function for a whole run of layers (:mod:`m0plus_chain`). *bytes* is the small
one, one byte a weight and one kernel for all layers (:mod:`m0plus_bytes`). *portable* is the plain
C, for the few layers whose arithmetic the others cannot prove: accumulators that wrap, or scales so
small that their staircase has no line. A dense layer of int16 activations has one fast way: *wide*,
one byte a weight and one kernel (:mod:`m0plus_wide`); it is portable where its sums need 64 bits.
All other layers are portable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

import numpy as np

from toolchain.compile import m0plus_bytes, m0plus_wide
from toolchain.compile.c_text import constant_array
from toolchain.compile.cost import Cost
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
from toolchain.compile.m0plus_chain import (
    Chain,
    DenseStage,
    build_chain,
    macro_definitions,
    packs,
)
from toolchain.compile.network import Elementwise, FullyConnected, Layer, Rescale, Softmax
from toolchain.compile.program import Program, Storage, place_values, storage_of
from toolchain.compile.staircase import fit_staircase
from toolchain.compile.wide import needs_64_bits
from toolchain.errors import InputError

RUN = "jl_model_run"

PREFERRED_BYTES_PER_WEIGHT = 2.5
PREFERRED_BYTES = 3 * 1024
"""Without a budget, code that would take more flash than this is not made faster still."""

CODE_PRICES = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.25, 0.35, 0.5, 1.0, 3.0)
"""Cycles that a byte of code is worth: 0 gives the fastest code, the last the smallest."""

_CALL = Cost(14, 24)
"""One call in ``jl_model_run``, at most: arguments, their addresses, the call."""
_RUN_BYTES = 16
_PORTABLE_CODE_BYTES = {
    FullyConnected: 448,
    Softmax: 1008,
    Elementwise: 152,
    Rescale: 256,
}
_PORTABLE_WIDE_BYTES = 640
"""Code of the plain kernels at -O3, by the compiler that makes most of it."""


class Way(Enum):
    """How a layer is computed."""

    PACKED = "packed"
    BYTES = "bytes"
    WIDE = "wide"
    PORTABLE = "portable"


@dataclass(frozen=True, eq=False)
class _Part:
    """Consecutive steps that run as one: a chain, or a single step."""

    way: Way
    first: int
    count: int
    chain: Chain | None = None
    price: float = 0.0

    @property
    def steps(self) -> range:
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, eq=False)
class _Plan:
    parts: tuple[_Part, ...]
    cost: Cost


class CortexM0PlusKernels:
    """Assembly for the Cortex-M0+, exact and with the same number of cycles for every input."""

    name = "m0plus"
    core = "cortex-m0plus"
    block = 1
    includes: tuple[str, ...] = ("jl_kernels.h", "jl_m0plus.h")

    def emit(
        self, program: Program, flash_budget: FlashBudget, *, marked: bool = False
    ) -> ProgramCode:
        """See :meth:`KernelSet.emit`."""
        planner = _Planner(program)
        return _write(planner, planner.plan(flash_budget), marked)


class _Planner:
    def __init__(self, program: Program) -> None:
        self.layers = [step.layer for step in program.steps]
        self.element = program.network.element
        self.ranges = input_ranges(self.layers)
        self.stages = _stages(self.layers, self.ranges)
        self.weight_bytes = program.network.weight_bytes
        self._chain = cache(self._build_chain)

    def plan(self, flash_budget: FlashBudget) -> _Plan:
        """The fastest plan that was found within the budget.

        Raises:
            InputError: not even the smallest is.
        """
        preferred = int(PREFERRED_BYTES_PER_WEIGHT * self.weight_bytes) + PREFERRED_BYTES
        if flash_budget == "smallest":
            return self._smallest()
        limit = preferred if flash_budget is None else flash_budget
        fastest = self._ways([])
        plan = self._price(fastest, CODE_PRICES[0])
        if plan.cost.n_bytes <= limit:
            return plan
        small = self._price(fastest, CODE_PRICES[-1])
        if small.cost.n_bytes <= limit or flash_budget is None:
            return self._cheapest(fastest, limit, small)
        order = self._shrinking_order()
        for count in range(1, len(order) + 1):
            ways = self._ways(order[:count])
            plan = self._price(ways, CODE_PRICES[-1])
            if plan.cost.n_bytes <= limit:
                return self._cheapest(ways, limit, plan)
        least = self._smallest().cost.n_bytes
        raise InputError(
            f"a flash budget of {flash_budget} bytes is too small for this network: its code "
            f"and constants take at least {least} bytes",
            hint=f"give at least {least}, 'smallest', or no flash budget for full speed",
        )

    def _smallest(self) -> _Plan:
        """Of the plans that :meth:`plan` looks at, the one of least flash."""
        order = self._shrinking_order()
        plans = [
            self._price(self._ways(order[:count]), CODE_PRICES[-1])
            for count in range(len(order) + 1)
        ]
        return min(plans, key=lambda plan: plan.cost.n_bytes)

    def _cheapest(self, ways: Sequence[Way], limit: int, small: _Plan) -> _Plan:
        """The lowest price of code that keeps the limit; ``small`` is that of the highest."""
        low, high, best = 0, len(CODE_PRICES) - 1, small
        while high - low > 1:
            middle = (low + high) // 2
            plan = self._price(ways, CODE_PRICES[middle])
            if plan.cost.n_bytes <= limit:
                high, best = middle, plan
            else:
                low = middle
        return best

    def _ways(self, shrunk: Sequence[int]) -> tuple[Way, ...]:
        """The fastest way of every step, but the smallest of those in ``shrunk``."""
        ways = []
        for index, stage in enumerate(self.stages):
            if self._wide(index) is not None:
                ways.append(Way.WIDE)
            elif stage is None:
                ways.append(Way.PORTABLE)
            elif packs(stage) and not (index in shrunk and m0plus_bytes.runs(stage.staircase)):
                ways.append(Way.PACKED)
            elif m0plus_bytes.runs(stage.staircase):
                ways.append(Way.BYTES)
            else:
                ways.append(Way.PORTABLE)
        return tuple(ways)

    def _wide(self, index: int) -> FullyConnected | None:
        """The layer of a step, where it can run wide."""
        layer = self.layers[index]
        if not isinstance(layer, FullyConnected) or not layer.wide:
            return None
        return None if needs_64_bits(layer, *self.ranges[index]) else layer

    def _shrinking_order(self) -> list[int]:
        """Steps with two ways; those first that give most bytes for a cycle."""
        gains = {}
        for index, stage in enumerate(self.stages):
            if stage is None or not packs(stage) or not m0plus_bytes.runs(stage.staircase):
                continue
            small = m0plus_bytes.layer_cost(stage.layer, stage.staircase)
            large = self._chain(index, 1, CODE_PRICES[-1]).cost
            lost = max(1, small.cycles - large.cycles)
            gains[index] = (large.n_bytes - small.n_bytes) / lost
        return sorted(gains, key=lambda index: (-gains[index], index))

    def _build_chain(self, first: int, count: int, price: float, marked: bool = False) -> Chain:
        stages = [stage for stage in self.stages[first : first + count] if stage is not None]
        name = RUN if count == len(self.stages) else f"jl_model_layers{first}"
        return build_chain(stages, name, first, cycles_per_byte=price, marked=marked)

    def marked_chain(self, part: _Part) -> Chain:
        """A part's chain again, with the readings of a profile."""
        return self._build_chain(part.first, part.count, part.price, marked=True)

    def _price(self, ways: Sequence[Way], price: float) -> _Plan:
        parts: list[_Part] = []
        index = 0
        while index < len(ways):
            count = 1
            if ways[index] is Way.PACKED:
                while index + count < len(ways) and ways[index + count] is Way.PACKED:
                    count += 1
                chain = self._chain(index, count, price)
                parts.append(_Part(Way.PACKED, index, count, chain, price))
            else:
                parts.append(_Part(ways[index], index, 1))
            index += count
        return _Plan(tuple(parts), self._cost(parts))

    def _cost(self, parts: Sequence[_Part]) -> Cost:
        total = Cost()
        if len(parts) > 1 or parts[0].way is not Way.PACKED:
            total += Cost(0, _RUN_BYTES) + len(parts) * _CALL
        if any(part.way is Way.BYTES for part in parts):
            total += Cost(0, m0plus_bytes.KERNEL_BYTES)
        if any(part.way is Way.WIDE for part in parts):
            total += Cost(0, m0plus_wide.KERNEL_BYTES)
        for part in parts:
            if part.chain is not None:
                total += part.chain.cost
            elif part.way is Way.BYTES:
                stage = self.stages[part.first]
                assert stage is not None
                total += m0plus_bytes.layer_cost(stage.layer, stage.staircase)
            elif part.way is Way.WIDE:
                wide = self._wide(part.first)
                assert wide is not None
                total += m0plus_wide.layer_cost(wide)
            else:
                code, _ = PortableKernels().emit_step(
                    self.layers[part.first], "", "", "", self.ranges[part.first]
                )
                total += Cost(0, code.constant_bytes)
        plain = [self.layers[part.first] for part in parts if part.way is Way.PORTABLE]
        code_bytes = {_plain_kernel(layer) for layer in plain}
        return total + Cost(0, sum(n_bytes for _, n_bytes in code_bytes))


def _plain_kernel(layer: Layer) -> tuple[str, int]:
    """Which of the plain kernels a layer needs, and the bytes of its code."""
    if isinstance(layer, FullyConnected) and layer.wide:
        return "wide", _PORTABLE_WIDE_BYTES
    return type(layer).__name__, _PORTABLE_CODE_BYTES[type(layer)]


def _stages(layers: Sequence[Layer], ranges: Sequence[tuple[int, int]]) -> list[DenseStage | None]:
    """Per step its staircases, where it is dense, of int8 inputs, and has them."""
    stages: list[DenseStage | None] = []
    for layer, (low, high) in zip(layers, ranges, strict=True):
        stage = None
        if isinstance(layer, FullyConnected) and not layer.wide:
            staircase = fit_staircase(layer, low, high)
            stage = None if staircase is None else DenseStage(layer, staircase, low, high)
        stages.append(stage)
    return stages


def _storage(part: _Part, layers: Sequence[Layer]) -> Storage:
    layer = layers[part.first]
    if part.way is Way.PACKED:
        return Storage(layer.input.n_bytes)
    if part.way is Way.BYTES:
        return Storage(layer.input.n_bytes, scratch_bytes=layer.input.n_bytes)
    return storage_of(layer)


def _write(planner: _Planner, plan: _Plan, marked: bool) -> ProgramCode:
    layers, stages = planner.layers, planner.stages
    placement = place_values([_storage(part, layers) for part in plan.parts])
    codes: list[StepCode] = []
    statements: list[str] = []
    chains: list[Chain] = []
    for number, part in enumerate(plan.parts):
        source = read_from(placement.values[number], planner.element)
        target = write_to(placement.values[number + 1], planner.element)
        prefix = f"layer{part.first}_"
        if part.chain is not None:
            chains.append(planner.marked_chain(part) if marked else part.chain)
            codes += _chain_codes(part.chain)
            statements.append(f"    jl_model_layers{part.first}({source}, {target});\n")
        elif part.way is Way.BYTES:
            stage, scratch = stages[part.first], placement.scratch[number]
            assert stage is not None and scratch is not None
            codes.append(_bytes_code(stage, prefix))
            text = (
                f"    jl_m0plus_bytes({prefix}words, {source}, {target}, "
                f"(uint32_t *)(void *)({write_to(scratch, planner.element)}));\n"
            )
            statements.append(marked_statements(part.first, text) if marked else text)
        elif part.way is Way.WIDE:
            wide = layers[part.first]
            assert isinstance(wide, FullyConnected)
            codes.append(_wide_code(wide, prefix))
            text = f"    jl_m0plus_wide({prefix}words, {source}, {target});\n"
            statements.append(marked_statements(part.first, text) if marked else text)
        else:
            code, text = PortableKernels().emit_step(
                layers[part.first], prefix, source, target, planner.ranges[part.first]
            )
            codes.append(code)
            statements.append(marked_statements(part.first, text) if marked else text)
    whole = len(plan.parts) == 1 and bool(chains)
    return ProgramCode(
        steps=tuple(codes),
        statements=None if whole else "".join(statements),
        arena_bytes=placement.arena_bytes,
        assembly=_assembly(chains) if chains else None,
        assembly_bytes=max((chain.static_bytes for chain in chains), default=0),
        stack_bytes=max((chain.stack_bytes for chain in chains), default=None),
        cost=plan.cost,
    )


def _chain_codes(chain: Chain) -> list[StepCode]:
    declaration = (
        f"void {chain.name}(const int8_t *in, int8_t *out);\n" if chain.name != RUN else ""
    )
    return [
        StepCode(
            definitions=declaration if index == 0 else "",
            constant_bytes=chain.constant_bytes[index],
            strategy=note,
            cost=cost,
        )
        for index, (note, cost) in enumerate(zip(chain.notes, chain.layer_costs, strict=True))
    ]


def _bytes_code(stage: DenseStage, prefix: str) -> StepCode:
    words = m0plus_bytes.layer_words(stage.layer, stage.staircase)
    return StepCode(
        definitions=constant_array("uint32_t", f"{prefix}words", np.array(words, np.uint32)),
        constant_bytes=4 * len(words),
        strategy="one byte a weight",
        cost=m0plus_bytes.layer_cost(stage.layer, stage.staircase),
    )


def _wide_code(layer: FullyConnected, prefix: str) -> StepCode:
    words = m0plus_wide.layer_words(layer)
    return StepCode(
        definitions=constant_array("uint32_t", f"{prefix}words", np.array(words, np.uint32)),
        constant_bytes=4 * len(words),
        strategy="one byte a weight: sums of 32 bits",
        cost=m0plus_wide.layer_cost(layer),
    )


def _assembly(chains: Sequence[Chain]) -> str:
    macros = macro_definitions({name for chain in chains for name in chain.macros})
    return (
        "    .syntax unified\n    .cpu cortex-m0plus\n    .thumb\n\n"
        + macros
        + "\n"
        + "\n".join(chain.text for chain in chains)
    )
