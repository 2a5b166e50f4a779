"""All kernel sets, by name and by core."""

from __future__ import annotations

from toolchain.compile.kernel_set import KernelSet, PortableKernels
from toolchain.compile.m0plus import CortexM0PlusKernels
from toolchain.compile.rv32im import Rv32imKernels
from toolchain.errors import InputError

_ALL: tuple[KernelSet, ...] = (PortableKernels(), CortexM0PlusKernels(), Rv32imKernels())

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


def kernels_on_core(core: str, name: str | None) -> str:
    """Name of the set that a board is to be given.

    Args:
        core: as in a board file.
        name: what was asked for; ``None`` for :func:`kernels_for_core`.

    Raises:
        InputError: an unknown set, or one for another core.
    """
    if name is None:
        return kernels_for_core(core)
    needed = kernel_set(name).core
    if needed not in (None, core):
        raise InputError(
            f"the kernels {name!r} run on {needed} only, the board's core is {core}",
            hint=f"use {kernels_for_core(core)!r} or {PortableKernels.name!r}",
        )
    return name


def kernels_for_core(core: str) -> str:
    """Name of the fastest set for a board's ``cpu.core``; the portable one where none is special.

    Args:
        core: as in a board file, such as ``cortex-m0plus``.
    """
    return next((k.name for k in _ALL if k.core == core), PortableKernels.name)
