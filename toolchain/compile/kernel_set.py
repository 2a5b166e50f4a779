"""The seam between a planned program and the C that computes it on one kind of core.

A kernel set turns one step into C: constants, and the statements that execute it. The portable one
calls the plain kernels in ``firmware/kernels``; a set for one core may as well write straight-line
code. Whatever it does, its outputs are the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from toolchain.compile.c_text import constant_array
from toolchain.compile.network import Elementwise, FullyConnected, Layer, Softmax
from toolchain.compile.program import Step


@dataclass(frozen=True)
class StepCode:
    """C for one step."""

    definitions: str
    """File-scope definitions; every name begins with the step's prefix."""
    statements: str
    """Statements inside of ``jl_model_run``, indented by four spaces."""
    constant_bytes: int
    """Bytes of constant data: weights, biases, multipliers, tables, parameter structs."""


class KernelSet(Protocol):
    """Code for one kind of core."""

    @property
    def name(self) -> str:
        """As in ``model.json``, such as ``portable``."""
        ...

    @property
    def includes(self) -> tuple[str, ...]:
        """Headers of ``firmware/kernels`` that the definitions need."""
        ...

    def emit(self, step: Step, prefix: str, source: str, target: str) -> StepCode:
        """C for a step.

        Args:
            step: what to compute.
            prefix: begins every name that is defined, such as ``layer0_``.
            source: C expression of type ``const int8_t *``, aligned to 4 bytes.
            target: C expression of type ``int8_t *``, aligned to 4 bytes.
        """
        ...


# Bytes of the parameter structs on a 32-bit target (jl_kernels.h).
_DENSE_STRUCT_BYTES = 24
_SOFTMAX_STRUCT_BYTES = 12


class PortableKernels:
    """Calls into the plain C kernels; small, readable, correct on any core."""

    name = "portable"
    includes = ("jl_kernels.h",)

    def emit(self, step: Step, prefix: str, source: str, target: str) -> StepCode:
        """See :meth:`KernelSet.emit`."""
        layer = step.layer
        if isinstance(layer, FullyConnected):
            return self._dense(layer, prefix, source, target)
        if isinstance(layer, Softmax):
            return self._softmax(layer, prefix, source, target)
        if isinstance(layer, Elementwise):
            return self._lookup(layer, prefix, source, target)
        raise TypeError(f"a plan has no {type(layer).__name__} steps: {_describe(layer)}")

    def _dense(self, layer: FullyConnected, prefix: str, source: str, target: str) -> StepCode:
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
        return StepCode(
            definitions="".join(definitions),
            statements=f"    jl_dense_run(&{prefix}dense, {source}, {target});\n",
            constant_bytes=layer.weight_bytes + constants,
        )

    def _softmax(self, layer: Softmax, prefix: str, source: str, target: str) -> StepCode:
        definitions = [
            constant_array("int32_t", f"{prefix}exponentials", layer.exponentials),
            f"static const jl_softmax {prefix}softmax = {{\n"
            f"    .exponentials = {prefix}exponentials,\n"
            f"    .n_exponentials = {len(layer.exponentials)},\n"
            f"    .n_rows = {layer.n_rows},\n"
            f"    .row_length = {layer.row_length},\n"
            "};\n",
        ]
        return StepCode(
            definitions="".join(definitions),
            statements=f"    jl_softmax_run(&{prefix}softmax, {source}, {target});\n",
            constant_bytes=4 * len(layer.exponentials) + _SOFTMAX_STRUCT_BYTES,
        )

    def _lookup(self, layer: Elementwise, prefix: str, source: str, target: str) -> StepCode:
        n = layer.output.n_values
        return StepCode(
            definitions=constant_array("int8_t", f"{prefix}table", layer.table),
            statements=f"    jl_lookup_run({prefix}table, {n}, {source}, {target});\n",
            constant_bytes=len(layer.table),
        )


def _describe(layer: Layer) -> str:
    return f"operator {layer.operator_index} ({layer.operator})"


KERNEL_SETS: dict[str, KernelSet] = {"portable": PortableKernels()}
"""By name."""
