"""What the deciding node really spends: energy, memory, time and bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from host.metrics.metric import UNITS, Metric, Provenance, unavailable, weakest
from host.metrics.window import (
    EnergyWindow,
    energy_each,
    energy_each_above,
    mean_power,
    mixed_parts,
)
from toolchain.board import Sourced
from toolchain.errors import InputError


def energy_per_decision(windows: Sequence[EnergyWindow], provenance: Provenance) -> Metric:
    """J of the board for one decision: the median over the accepted inference windows.

    The value is the board's total. ``detail`` has it apart from the idle-subtracted energy
    (median of ``(energy - idle power x elapsed) / iterations``, None without an idle window),
    each with its standard uncertainty and the parts of it (:class:`host.metrics.Estimate`).

    Args:
        windows: all that were tried, refused ones included.
        provenance: of the meter and the board.
    """
    unit = UNITS["energy_per_decision"]
    busy = [w for w in windows if w.accepted and w.kind == "inference"]
    idle = [w for w in windows if w.accepted and w.kind == "idle"]
    refused = [w.reason for w in windows if not w.accepted and w.kind in ("inference", "idle")]
    if not busy:
        reason = "; ".join(dict.fromkeys(refused)) or "no inference window was taken"
        return unavailable(unit, f"no accepted inference window: {reason}", refused=refused)
    total = energy_each(busy)
    detail: dict = {
        "total_j": total.value,
        "total_uncertainty_j": total.uncertainty,
        "total_uncertainty_parts_j": total.parts,
        "idle_subtracted_j": None,
        "idle_subtracted_uncertainty_j": None,
        "idle_subtracted_uncertainty_parts_j": None,
        "idle_power_w": None,
        "windows_j": [w.each_j for w in busy],
        "iterations": [w.iterations for w in busy],
        "elapsed_s": [w.elapsed_s for w in busy],
        "idle_windows": len(idle),
        "refused": refused,
    }
    if idle:
        net = energy_each_above(busy, idle)
        detail["idle_power_w"] = mean_power(idle).value
        detail["idle_subtracted_j"] = net.value
        detail["idle_subtracted_uncertainty_j"] = net.uncertainty
        detail["idle_subtracted_uncertainty_parts_j"] = net.parts
    return Metric(total.value, unit, provenance, detail)


def energy_of_modes(
    windows: Sequence[EnergyWindow], decisions: Mapping[str, int], provenance: Provenance
) -> Metric:
    """J of the board for one decision of a replay that was decided in several modes.

    The mean of :func:`energy_per_decision` of each mode, weighted by the decisions that were made
    in it. Parts of the uncertainty that belong to a mode's own windows are weighted and added in
    quadrature; those that all modes share (the meter's gain and zero, the idle windows) are added
    as they are. ``detail["modes"]`` has every mode that has windows, those without a decision too.

    Args:
        windows: all that were tried, in all modes.
        decisions: made in the replay, by mode.
        provenance: of the meter and the board.
    """
    names = list(dict.fromkeys([*decisions, *(w.mode for w in windows if w.kind == "inference")]))
    apart = {
        name: energy_per_decision(
            [w for w in windows if w.kind == "idle" or w.mode == name], provenance
        )
        for name in names
    }
    unit, total = UNITS["energy_per_decision"], sum(decisions.values())
    modes = {
        name: {"decisions": decisions.get(name, 0), **metric.as_dict()}
        for name, metric in apart.items()
    }
    shares = {name: count / total for name, count in decisions.items() if count}
    missing = [name for name in shares if apart[name].value is None]
    if not shares or missing:
        reasons = [f"mode {name}: {apart[name].detail['reason']}" for name in missing]
        return unavailable(unit, "; ".join(reasons) or "no decision was made", modes=modes)

    def mixed(name: str) -> dict[str, Any]:
        details = [(share, apart[mode].detail) for mode, share in shares.items()]
        keys = (f"{name}_j", f"{name}_uncertainty_j", f"{name}_uncertainty_parts_j")
        if any(detail[keys[0]] is None for _, detail in details):
            return dict.fromkeys(keys)
        parts = mixed_parts([(share, detail[keys[2]]) for share, detail in details])
        value = math.fsum(share * detail[keys[0]] for share, detail in details)
        return dict(zip(keys, (value, math.hypot(*parts.values()), parts), strict=True))

    detail = {
        **mixed("total"),
        **mixed("idle_subtracted"),
        "idle_power_w": next(iter(apart.values())).detail["idle_power_w"],
        "modes": modes,
    }
    return Metric(detail["total_j"], unit, provenance, detail)


def memory_footprint(
    flash_bytes: Mapping[str, int],
    ram_bytes: Mapping[str, int],
    provenance: Provenance,
    limits: Mapping[str, int] | None = None,
) -> Metric:
    """Bytes of flash and RAM, apart in ``detail`` and summed.

    Args:
        flash_bytes: by part, such as text, rodata and the data section's image.
        ram_bytes: by part, such as data, bss and the deepest stack seen.
        provenance: of the weakest part.
        limits: what the board has of ``flash_bytes`` and ``ram_bytes``, and reserves of
            ``stack_bytes``.

    Raises:
        InputError: no part, or a negative one.
    """
    for name, parts in (("flash", flash_bytes), ("RAM", ram_bytes)):
        if not parts or min(parts.values()) < 0:
            raise InputError(
                f"{name} parts are {dict(parts)}, must be bytes of at least 0 each",
                hint="read them from the size report",
            )
    flash, ram = sum(flash_bytes.values()), sum(ram_bytes.values())
    detail: dict[str, Any] = {
        "flash_bytes": flash,
        "ram_bytes": ram,
        "flash_parts": dict(flash_bytes),
        "ram_parts": dict(ram_bytes),
    }
    if limits is not None:
        detail["limits"] = dict(limits)
    return Metric(float(flash + ram), UNITS["memory_footprint"], provenance, detail)


def inference_latency(
    cycles: np.ndarray,
    clock_hz: float,
    provenance: Provenance,
    cycles_per_instruction: Sourced | None = None,
) -> Metric:
    """s of on-board time of one decision: the median; p95 and maximum in ``detail``.

    Args:
        cycles: integers (n,), the board's own count of each decision.
        clock_hz: of the core that counted.
        provenance: of the core.
        cycles_per_instruction: that an emulator assumed, where it knows instructions alone; the
            latency is modelled then, and the instructions are in ``detail``.

    Raises:
        InputError: a count or the clock is not positive.
    """
    unit = UNITS["inference_latency"]
    cycles = np.asarray(cycles)
    if cycles.size == 0:
        return unavailable(unit, "no decision was timed")
    if cycles.min() <= 0 or not clock_hz > 0:
        raise InputError(
            f"{int(cycles.min())} cycles at {clock_hz} Hz: a clock that did not run",
            hint="refuse the measurement",
        )
    seconds = cycles / clock_hz
    detail: dict[str, Any] = {
        "p95_s": float(np.percentile(seconds, 95)),
        "max_s": float(seconds.max()),
        "clock_hz": float(clock_hz),
        "decisions": int(cycles.size),
    }
    if cycles_per_instruction is None:
        detail["median_cycles"] = float(np.median(cycles))
    else:
        provenance = weakest([provenance, Provenance.MODELLED])
        detail["median_instructions"] = float(np.median(counted(cycles, cycles_per_instruction)))
        detail["cycles_per_instruction"] = cycles_per_instruction.model_dump()
    return Metric(float(np.median(seconds)), unit, provenance, detail)


def counted(cycles: np.ndarray, cycles_per_instruction: Sourced | None) -> np.ndarray:
    """What is reported of a board's counts: the cycles, or the instructions that they stand for.

    An emulator that assumes the cycles of an instruction counts those in whole cycles, so that the
    instructions may be one off.

    Args:
        cycles: integers (n,), the board's own counts.
        cycles_per_instruction: that the emulator assumed; None where it counts cycles.

    Returns:
        int64 (n,).
    """
    if cycles_per_instruction is None:
        return np.asarray(cycles, dtype=np.int64)
    return np.rint(np.asarray(cycles) / cycles_per_instruction.value).astype(np.int64)


def with_assumed_cycles(energy: Metric, cycles_per_instruction: Sourced | None) -> Metric:
    """An energy that was emulated with assumed cycles, with the assumption in its ``detail``.

    What a decision takes is proportional to how long its instructions run, so the assumption's
    range is one of the energy: ``assumed_range_j``, of the board total.

    Args:
        energy: as :func:`energy_per_decision` or :func:`energy_of_modes` gives it.
        cycles_per_instruction: that the emulator assumed; None where it counts cycles.
    """
    if cycles_per_instruction is None or energy.value is None:
        return energy
    assumed = cycles_per_instruction
    ends = [energy.value * end / assumed.value for end in (assumed.low, assumed.high)]
    detail = {"cycles_per_instruction": assumed.model_dump(), "assumed_range_j": ends}
    return replace(energy, detail=energy.detail | detail)


def comms_overhead(
    bytes_total: int, messages: int, decisions: int, provenance: Provenance
) -> Metric:
    """Bytes on the link in both directions per decision, framing and retries included.

    Args:
        bytes_total: all that crossed the line.
        messages: frames, in both directions.
        decisions: that they were for.
        provenance: of the link.

    Raises:
        InputError: a negative count.
    """
    if min(bytes_total, messages, decisions) < 0:
        raise InputError(
            f"{bytes_total} bytes, {messages} messages, {decisions} decisions: must be at least 0",
            hint="count them on the link",
        )
    unit = UNITS["comms_overhead"]
    if decisions == 0:
        return unavailable(unit, "no decision was made", bytes_total=bytes_total)
    detail = {
        "bytes_total": bytes_total,
        "messages": messages,
        "decisions": decisions,
        "messages_per_decision": messages / decisions,
    }
    return Metric(bytes_total / decisions, unit, provenance, detail)
