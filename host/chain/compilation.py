"""The compile stage: the policy and its fallback, within one flash budget."""

from __future__ import annotations

from pathlib import Path

from toolchain.build import FALLBACK_SYMBOL
from toolchain.compile import CompiledModel, FlashBudget, compile_model
from toolchain.errors import InputError


def compile_pair(
    models: tuple[bytes, bytes],
    path: Path,
    fallback_path: Path,
    kernels: str,
    flash_budget: FlashBudget = None,
) -> tuple[CompiledModel, CompiledModel]:
    """Compile both networks of an image; the policy gets what the fallback leaves of the budget.

    Args:
        models: the ``.tflite`` of the policy and of its fallback.
        path: where the policy's C goes.
        fallback_path: where the fallback's goes, under names of its own.
        kernels: of both.
        flash_budget: most bytes of code and constants of both; None for full speed.

    Raises:
        ModelError: a model cannot be used.
        InputError: the budget cannot be kept.
    """
    model, fallback_model = models
    whole = flash_budget if isinstance(flash_budget, int) else None
    fallback = compile_model(
        fallback_model,
        fallback_path,
        name="fallback",
        kernels=kernels,
        flash_budget="smallest" if flash_budget == "smallest" else None,
        symbol=FALLBACK_SYMBOL,
    )
    if whole is None or fallback.flash_bytes is None:
        return compile_model(model, path, kernels=kernels, flash_budget=flash_budget), fallback
    try:
        left = max(0, whole - fallback.flash_bytes)
        return compile_model(model, path, kernels=kernels, flash_budget=left), fallback
    except InputError as error:
        raise InputError(
            f"of the flash budget of {whole} bytes the fallback network takes "
            f"{fallback.flash_bytes}: {error.message}",
            hint=f"{error.hint}; the fallback's bytes come on top",
        ) from error
