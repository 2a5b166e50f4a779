"""All kernel sets, by name and by core."""

from __future__ import annotations

from toolchain.compile.kernel_set import KernelSet, PortableKernels
from toolchain.compile.m0plus import CortexM0PlusKernels
from toolchain.errors import InputError

_ALL: tuple[KernelSet, ...] = (PortableKernels(), CortexM0PlusKernels())

KERNEL_SETS: dict[str, KernelSet] = {kernels.name: kernels for kernels in _ALL}
"""By name."""


def kernel_set(name: str) -> KernelSet:
    """The set of a name.

    Raises:
        InputError: there is none.
    """
    if name not in KERNEL_SETS:
        raise InputError(
            f"unknown kernels {name!r}; known are {', '.join(sorted(KERNEL_SETS))}",
            hint="name one of these",
        )
    return KERNEL_SETS[name]


def kernels_for_core(core: str) -> str:
    """Name of the fastest set for a board's ``cpu.core``; the portable one where none is special.

    Args:
        core: as in a board file, such as ``cortex-m0plus``.
    """
    return next((k.name for k in _ALL if k.core == core), PortableKernels.name)
