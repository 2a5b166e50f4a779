"""How wide the network may be: the widest that keeps every limit of the board file.

The article sizes its agent from memory and compute alone; here flash, RAM, latency, energy and the
compute budget all count, and the answer says which of them was the one that bound it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from toolchain.board import Board, CostModel, PolicyLimits
from toolchain.environment import N_DISPOSITIONS, N_FEATURES
from toolchain.errors import BoardFileError, InputError
from toolchain.policy.calibration import Calibration, computed

WIDEST = 1024
"""Widest first hidden layer that is considered."""

_KEYS = {"compute_ops_per_s": "compute_share or compute_budget_ops_per_s"}
"""Keys of the board file's ``[limits]``, of limits that have another name."""

STEP = 4
"""Widths are multiples of it: the kernels compute four outputs at a time."""


@dataclass(frozen=True)
class NetworkCost:
    """What one inference takes.

    Attributes:
        flash_bytes: of code and constants.
        ram_bytes: of activations, and of code and constants where they are run from RAM.
        cycles: of the core, for the whole decision.
        latency_s: cycles over the clock.
        energy_j: board total.
        ops_per_s: MACs a second at the limits' rate of decisions.
    """

    flash_bytes: float
    ram_bytes: float
    cycles: float
    latency_s: float
    energy_j: float
    ops_per_s: float


@dataclass(frozen=True)
class ConstrainedPolicy:
    """The widest network that fits.

    Attributes:
        widths: inputs, hidden widths, outputs.
        cost: what it takes.
        bound_by: the limit that the next wider network breaks; ``"widest"`` when none does.
        next_wider: what the next wider one would take; None when ``bound_by`` is ``"widest"``.
        use: share of each limit that it uses.
        cost_model: where the cost model is from: the board file, or a calibration and its source.
        reason: all of this in a sentence.
    """

    widths: tuple[int, ...]
    cost: NetworkCost
    bound_by: str
    next_wider: NetworkCost | None
    use: dict[str, float]
    cost_model: str
    reason: str

    @property
    def hidden(self) -> tuple[int, int]:
        """Its two hidden widths."""
        return self.widths[1], self.widths[2]


def network_cost(
    widths: tuple[int, ...], model: CostModel, clock_hz: float, decisions_per_s: float = 1.0
) -> NetworkCost:
    """Cost of a dense INT8 network.

    Args:
        widths: inputs, hidden widths, outputs.
        model: of the board.
        clock_hz: of the core.
        decisions_per_s: for the operations a second.

    Raises:
        InputError: fewer than two widths, or one below 1.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise InputError(f"widths {widths}, must be at least two, each at least 1")
    layers = [(n_in * n_out, n_in, n_out) for n_in, n_out in pairwise(widths)]
    return layers_cost(layers, model, clock_hz, decisions_per_s)


def layers_cost(
    layers: Sequence[tuple[int, int, int]],
    model: CostModel,
    clock_hz: float,
    decisions_per_s: float = 1.0,
) -> NetworkCost:
    """Cost of an INT8 network, by its layers that multiply.

    Args:
        layers: MACs, inputs and outputs of each; at least one.
        model: of the board.
        clock_hz: of the core.
        decisions_per_s: for the operations a second.
    """
    work = [computed(*layer, model.block) for layer in layers]
    macs, outputs = (math.fsum(column) for column in zip(*work, strict=True))
    cycles = (
        model.cycles_per_inference
        + macs * model.cycles_per_mac
        + outputs * model.cycles_per_output
        + len(layers) * model.cycles_per_layer
    )
    constants = (
        macs * model.bytes_per_mac
        + outputs * model.bytes_per_output
        + len(layers) * model.bytes_per_layer
        + model.bytes_per_network
    )
    activations = max(n_in + n_out for _, n_in, n_out in layers)
    return NetworkCost(
        flash_bytes=constants,
        ram_bytes=activations + (constants if model.weights_in_ram else 0.0),
        cycles=cycles,
        latency_s=cycles / clock_hz,
        energy_j=cycles * model.energy_j_per_cycle
        + macs * model.bytes_per_mac * model.energy_j_per_byte,
        ops_per_s=sum(n_macs for n_macs, _, _ in layers) * decisions_per_s,
    )


def limit_use(cost: NetworkCost, limits: PolicyLimits) -> dict[str, float]:
    """Share of each limit that a network uses."""
    return {name: take(cost) / limit for name, (take, limit) in _allowed(limits).items()}


def missed_limits(
    cost: NetworkCost, limits: PolicyLimits, whole: PolicyLimits | None = None
) -> dict[str, str]:
    """The limits that a network breaks, the worst first, with a sentence on each.

    Args:
        cost: of the network.
        limits: that it should keep.
        whole: the board file's, where ``limits`` are what something else in the image leaves.
    """
    allowed, use = _allowed(limits), limit_use(cost, limits)
    missed = sorted((name for name in use if use[name] > 1.0), key=lambda name: -use[name])
    files = _allowed(whole or limits)
    return {name: _missed(name, *allowed[name], files[name][1], cost) for name in missed}


def keys_of(missed: Iterable[str]) -> str:
    """The keys of the board file's ``[limits]`` that set limits, for a hint."""
    return " and ".join(_KEYS.get(name, name) for name in missed)


def size_policy(
    board: Board,
    *,
    calibration: Calibration | None = None,
    limits: PolicyLimits | None = None,
    n_inputs: int = N_FEATURES,
    n_outputs: int = N_DISPOSITIONS,
) -> ConstrainedPolicy:
    """Choose the widest network ``n_inputs - w - w/2 - n_outputs`` that keeps every limit.

    Args:
        board: gives clock, limits and cost model.
        calibration: the board's own; its cost model takes the board file's place.
        limits: in place of the board file's.
        n_inputs: of the network.
        n_outputs: of the network.

    Raises:
        BoardFileError: the board file has no ``[limits]``, there is no cost model, or the
            calibration is another board's.
        InputError: not even the narrowest network fits; says which limits, and by how much.
    """
    limits = limits or board.limits
    model = board.cost_model if calibration is None else calibration.cost_model
    if limits is None or model is None:
        raise BoardFileError(
            f"board {board.name}: no [limits] or no [cost_model], both are needed for sizing",
            hint="boards/pico/board.toml shows every key with its unit",
        )
    if calibration is not None and calibration.board != board.name:
        raise BoardFileError(f"a calibration of {calibration.board!r} for board {board.name!r}")
    origin = "board file" if calibration is None else f"{calibration.provenance} calibration"
    if calibration is not None and not calibration.energy_measured:
        origin += ", energy of the board file"
    allowed = _allowed(limits)

    def taken(width: int) -> tuple[tuple[int, ...], NetworkCost, dict[str, float]]:
        widths = (n_inputs, width, max(STEP, width // 2), n_outputs)
        cost = network_cost(widths, model, board.cpu.clock_hz, limits.decisions_per_s)
        return widths, cost, limit_use(cost, limits)

    widths, cost, use = taken(STEP)
    missed = missed_limits(cost, limits, board.limits)
    if missed:
        raise InputError(
            f"no network fits board {board.name}: the narrowest, {_text(widths)}, takes "
            f"{'; '.join(missed.values())}",
            hint=f"raise {keys_of(missed)} in the board file's [limits], or use faster kernels",
        )
    bound_by, wider = "widest", None
    for width in range(2 * STEP, WIDEST + STEP, STEP):
        next_widths, next_cost, next_use = taken(width)
        if max(next_use.values()) > 1.0:
            bound_by, wider = max(next_use, key=lambda name: next_use[name]), next_cost
            break
        widths, cost, use = next_widths, next_cost, next_use
    why = "the widest that is considered; no limit binds"
    if wider is not None:
        take, limit = allowed[bound_by]
        why = (
            f"bound by {bound_by}: it takes {take(cost):.4g} of {limit:.4g}, the next wider, "
            f"{_text(next_widths)}, would take {take(wider):.4g}"
        )
    reason = f"{_text(widths)} for {board.name}, {why} (cost model: {origin})"
    source = f"{origin}: {model.source}"
    return ConstrainedPolicy(widths, cost, bound_by, wider, use, source, reason)


def _text(widths: tuple[int, ...]) -> str:
    return "-".join(map(str, widths))


def _missed(
    name: str, take: Callable[[NetworkCost], float], limit: float, whole: float, cost: NetworkCost
) -> str:
    excess = take(cost) / limit
    beside = name in ("flash_bytes", "ram_bytes") and limit < whole
    left = f" (of {whole:,.4g}, the rest is the fallback network's)" if beside else ""
    says = f"{take(cost):,.4g} of {name}, whose limit is {limit:,.4g}{left}"
    return f"{says}: {excess:,.3g} times as much"


def _allowed(limits: PolicyLimits) -> dict[str, tuple[Callable[[NetworkCost], float], float]]:
    """By name: what a network takes of a limit, and the limit."""
    compute = limits.compute_share * limits.compute_budget_ops_per_s
    return {
        "flash_bytes": (lambda cost: cost.flash_bytes, float(limits.flash_bytes)),
        "ram_bytes": (lambda cost: cost.ram_bytes, float(limits.ram_bytes)),
        "latency_s": (lambda cost: cost.latency_s, limits.latency_s),
        "energy_j": (lambda cost: cost.energy_j, limits.energy_j),
        "compute_ops_per_s": (lambda cost: cost.ops_per_s, compute),
    }
