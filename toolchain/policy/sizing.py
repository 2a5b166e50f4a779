"""How wide the network may be: the widest that keeps every limit of the board file.

The article sizes its agent from memory and compute alone; here flash, RAM, latency, energy and the
compute budget all count, and the answer says which of them was the one that bound it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from toolchain.board import Board, CostModel, PolicyLimits
from toolchain.environment import N_DISPOSITIONS, N_FEATURES
from toolchain.errors import BoardFileError, InputError

WIDEST = 1024
"""Widest first hidden layer that is considered."""

STEP = 4
"""Widths are multiples of it: the kernels compute four outputs at a time."""


@dataclass(frozen=True)
class NetworkCost:
    """What one inference takes.

    Attributes:
        flash_bytes: of weights and constants.
        ram_bytes: of activations, and of the weights where they are run from RAM.
        cycles: of the core.
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
    """

    widths: tuple[int, ...]
    cost: NetworkCost
    bound_by: str
    next_wider: NetworkCost | None
    use: dict[str, float]

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
    macs = sum(n_in * n_out for n_in, n_out in pairwise(widths))
    outputs, layers = sum(widths[1:]), len(widths) - 1
    cycles = (
        model.cycles_per_inference
        + macs * model.cycles_per_mac
        + outputs * model.cycles_per_output
        + layers * model.cycles_per_layer
    )
    constants = (
        macs * model.bytes_per_mac
        + outputs * model.bytes_per_output
        + layers * model.bytes_per_layer
    )
    activations = max(n_in + n_out for n_in, n_out in pairwise(widths))
    return NetworkCost(
        flash_bytes=constants,
        ram_bytes=activations + (constants if model.weights_in_ram else 0.0),
        cycles=cycles,
        latency_s=cycles / clock_hz,
        energy_j=cycles * model.energy_j_per_cycle
        + macs * model.bytes_per_mac * model.energy_j_per_byte,
        ops_per_s=macs * decisions_per_s,
    )


def size_policy(
    board: Board,
    *,
    limits: PolicyLimits | None = None,
    cost_model: CostModel | None = None,
    n_inputs: int = N_FEATURES,
    n_outputs: int = N_DISPOSITIONS,
) -> ConstrainedPolicy:
    """Choose the widest network ``n_inputs - w - w/2 - n_outputs`` that keeps every limit.

    Args:
        board: gives clock, limits and cost model.
        limits: in place of the board file's.
        cost_model: in place of the board file's: the board's own calibration, once there is one.
        n_inputs: of the network.
        n_outputs: of the network.

    Raises:
        BoardFileError: the board file has no ``[limits]`` or no ``[cost_model]``.
        InputError: not even the narrowest network fits; says which limit, and by how much.
    """
    limits = limits or board.limits
    model = cost_model or board.cost_model
    if limits is None or model is None:
        raise BoardFileError(
            f"board {board.name}: no [limits] or no [cost_model], both are needed for sizing",
            hint="boards/pico/board.toml shows every key with its unit",
        )
    allowed = _allowed(limits)

    def taken(width: int) -> tuple[tuple[int, ...], NetworkCost, dict[str, float]]:
        widths = (n_inputs, width, max(STEP, width // 2), n_outputs)
        cost = network_cost(widths, model, board.cpu.clock_hz, limits.decisions_per_s)
        use = {name: take(cost) / limit for name, (take, limit) in allowed.items()}
        return widths, cost, use

    best: ConstrainedPolicy | None = None
    for width in range(STEP, WIDEST + STEP, STEP):
        widths, cost, use = taken(width)
        worst = max(use, key=lambda name: use[name])
        if use[worst] > 1.0:
            if best is None:
                take, limit = allowed[worst]
                raise InputError(
                    f"no network fits board {board.name}: the narrowest, {widths}, takes "
                    f"{take(cost):.4g} of {worst}, the limit is {limit:.4g}: "
                    f"{use[worst]:.3g} times as much",
                    hint=f"raise {worst} in the board file's [limits], or use faster kernels",
                )
            return ConstrainedPolicy(best.widths, best.cost, worst, cost, best.use)
        best = ConstrainedPolicy(widths, cost, "widest", None, use)
    assert best is not None
    return best


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
