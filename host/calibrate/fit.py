"""From what a board did with the micro-benchmarks to its calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from host.calibrate.measure import Observed, ObservedNetwork
from host.metrics import EnergyWindow, Provenance
from host.metrics.window import NORMAL_95
from host.target import Target
from toolchain.board import CostModel
from toolchain.compile import KERNEL_SETS, kernels_for_core
from toolchain.errors import BoardFileError, MeasurementError
from toolchain.policy.calibration import (
    FLASH_TERM,
    TERMS,
    Calibration,
    CountedNetwork,
    Evidence,
    Fit,
    FitRecord,
    FittedFigure,
    HeldOutNetwork,
    fit_cost_model,
    network_terms,
)
from toolchain.policy.least_squares import (
    Coefficient,
    LeastSquares,
    fit_least_squares,
    r_squared,
)

MOST_CYCLES_ERROR = 0.05
"""Largest relative error of a held-out network's cycles with which a calibration is kept."""

MOST_ENERGY_ERROR = 0.10
"""The same of its energy, whose windows have a resolution and a scatter of their own."""


@dataclass(frozen=True)
class EnergyFit:
    """Energy windows explained by running cycles, waiting, sleeping, waking up and sending.

    Attributes:
        terms: their names.
        squares: J per each.
    """

    terms: tuple[str, ...]
    squares: LeastSquares

    def per(self, term: str) -> float:
        """J per one of a term; 0 for one that no window had."""
        values = dict(zip(self.terms, self.squares.values.tolist(), strict=True))
        return values.get(term, 0.0)


def calibration_of(observed: Observed, target: Target) -> Calibration:
    """Fit everything, and predict what was held out.

    Raises:
        InputError: too few networks, or windows that cannot tell the terms apart.
        MeasurementError: there is a meter, but no energy window can be used.
        BoardFileError: there is no meter, and the board file states no energy per cycle.
    """
    board, identity = target.board, observed.identity
    fitted = [network for network in observed.networks if not network.benchmark.held_out]
    held_out = [network for network in observed.networks if network.benchmark.held_out]
    block = KERNEL_SETS[kernels_for_core(board.cpu.core)].block
    energy = _energy_fit(fitted, observed.states, identity.clock_hz, block)
    stated = board.cost_model
    if energy is None and stated is None:
        raise BoardFileError(
            f"board {board.name}: no meter answers, and its board file has no [cost_model] with an "
            "energy per cycle",
            hint="wire a meter, or state energy_j_per_cycle in the board file",
        )
    in_ram = stated.weights_in_ram if stated else True
    origin = f"{len(fitted)} networks on {target}"
    if target.cycles_per_instruction is not None:
        origin += f"; instructions counted, {target.cycles_per_instruction.value:g} cycles each"
    fit = fit_cost_model(
        [_counted(network) for network in fitted],
        weights_in_ram=in_ram,
        energy_j_per_cycle=energy.per("cycle") if energy else _stated(stated).energy_j_per_cycle,
        energy_j_per_byte=0.0 if energy else _stated(stated).energy_j_per_byte,
        source=origin + ("" if energy else "; energy of the board file, for no meter"),
        block=block,
    )
    model = fit.cost_model
    if energy and not in_ram:
        per_byte = energy.per(FLASH_TERM) / model.bytes_per_mac
        model = model.model_copy(update={"energy_j_per_byte": per_byte})
    judged = tuple(_judged(network, fit, energy) for network in held_out)
    measured = [n for n in judged if n.energy_j is not None]
    energy_r2 = None
    if len(measured) > 1:
        energy_r2 = r_squared(
            np.array([n.energy_j for n in measured]),
            np.array([n.energy_j_predicted for n in measured]),
        )
    evidence = Evidence(
        target=str(target),
        chip_id=identity.chip_id,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        fits=_records(fit, energy),
        energy_per={} if energy is None else _energy_per(fit, energy),
        held_out=judged,
        held_out_cycles_r2=r_squared(
            np.array([n.cycles for n in judged]), np.array([n.cycles_predicted for n in judged])
        ),
        held_out_energy_r2=energy_r2,
        meter=None if observed.meter is None else observed.meter.as_dict(),
        assumed_cycles_per_instruction=target.cycles_per_instruction,
    )
    return Calibration(
        board=board.name,
        clock_hz=identity.clock_hz,
        provenance="emulated" if target.provenance is Provenance.EMULATED else "measured",
        cost_model=model,
        cycles_per_instruction=_cycles_per_instruction(observed, target),
        evidence=evidence,
    )


def _cycles_per_instruction(observed: Observed, target: Target) -> FittedFigure | None:
    """Cycles that the board took over the instructions that its emulator counted.

    The interval holds the fit's own and the ratio of every network, held-out ones too: it is for
    programs that were not counted. None where the cycles were not a board's, or where nothing
    counted instructions.
    """
    networks = observed.networks
    if target.provenance is not Provenance.MEASURED or observed.identity.emulated:
        return None
    instructions = [n.instructions for n in networks if n.instructions is not None]
    if len(instructions) < len(networks):
        return None
    fitted = [n for n in networks if not n.benchmark.held_out]
    squares = fit_least_squares(
        np.array([[n.instructions] for n in fitted]), np.array([n.cycles for n in fitted])
    )
    (figure,) = squares.coefficients
    ratios = [n.cycles / each for n, each in zip(networks, instructions, strict=True)]
    return FittedFigure(
        value=figure.value,
        low=min(figure.low, *ratios),
        high=max(figure.high, *ratios),
        unit="cycle/instruction",
    )


def complaints(calibration: Calibration) -> list[str]:
    """Why a calibration must not be kept: held-out errors above the limits; empty when it may."""
    assert calibration.evidence is not None
    said = []
    for network in calibration.evidence.held_out:
        name = f"{'-'.join(map(str, network.widths))} {network.runs_from}"
        if abs(network.cycles_error) > MOST_CYCLES_ERROR:
            said.append(
                f"{name}: {network.cycles_predicted:,.0f} cycles predicted, {network.cycles:,.0f} "
                f"counted ({network.cycles_error:+.1%}, limit {MOST_CYCLES_ERROR:.0%})"
            )
        error = network.energy_error
        if error is not None and abs(error) > MOST_ENERGY_ERROR:
            said.append(
                f"{name}: {network.energy_j_predicted:.4g} J a decision predicted, "
                f"{network.energy_j:.4g} J measured ({error:+.1%}, limit {MOST_ENERGY_ERROR:.0%})"
            )
    return said


def _stated(model: CostModel | None) -> CostModel:
    assert model is not None
    return model


def _counted(network: ObservedNetwork) -> CountedNetwork:
    benchmark = network.benchmark
    return CountedNetwork(
        benchmark.widths, network.cycles, network.flash_bytes, benchmark.runs_from
    )


def _macs(network: ObservedNetwork, block: int) -> float:
    (macs,) = network_terms(network.benchmark.widths, network.benchmark.runs_from, ("mac",), block)
    return macs


def _energy_fit(
    networks: Sequence[ObservedNetwork],
    states: Sequence[EnergyWindow],
    clock_hz: int,
    block: int,
) -> EnergyFit | None:
    """The energy fit; None where no window was taken, because there is no meter."""
    tried = [window for network in networks for window in network.windows]
    observations: list[tuple[EnergyWindow, Mapping[str, float]]] = []
    for network in networks:
        for window in network.windows:
            counts = {"cycle": window.elapsed_s * clock_hz}
            if network.benchmark.runs_from == "flash":
                counts[FLASH_TERM] = window.iterations * _macs(network, block)
            observations.append((window, counts))
    wakes = any(window.accepted and window.kind == "wake" for window in states)
    observations += [(window, _state_counts(window, wakes)) for window in states]
    if not tried:
        return None
    usable = [(window, counts) for window, counts in observations if window.accepted]
    if not any("cycle" in counts for _, counts in usable):
        reasons = "; ".join(dict.fromkeys(window.reason for window in tried))
        raise MeasurementError(
            f"no energy window of a network can be used: {reasons}",
            hint="lengthen the windows with --window-s, or check the meter's wiring",
        )
    terms = tuple(dict.fromkeys(name for _, counts in usable for name in counts))
    alike = Counter(map(_sort_of, (window for window, _ in usable)))
    squares = fit_least_squares(
        np.array([[counts.get(term, 0.0) for term in terms] for _, counts in usable]),
        np.array([window.energy_j for window, _ in usable]),
        np.array(
            [
                # The same digit is cut off in windows that are alike, so more do not make it less.
                window.resolution_j / math.sqrt(12) * math.sqrt(alike[_sort_of(window)])
                for window, _ in usable
            ]
        ),
    )
    gain = max(window.gain_uncertainty for window, _ in usable)
    squares = replace(squares, coefficients=tuple(_gained(c, gain) for c in squares.coefficients))
    return EnergyFit(terms, squares)


def _sort_of(window: EnergyWindow) -> tuple[str, int, float]:
    return window.kind, window.iterations, window.elapsed_s


def _gained(figure: Coefficient, gain: float) -> Coefficient:
    """With the meter's gain error, one for all windows, in quadrature."""
    own = NORMAL_95 * gain * figure.value
    low = math.hypot(figure.value - figure.low, own)
    high = math.hypot(figure.high - figure.value, own)
    return Coefficient(figure.value, max(0.0, figure.value - low), figure.value + high)


def _state_counts(window: EnergyWindow, wakes: bool) -> dict[str, float]:
    """What a window without decisions is explained by.

    A window of sleep has one falling asleep and waking up in it, which can be told from its sleep
    only where there are windows of many (``wakes``).
    """
    if window.kind == "idle":
        return {"idle_s": window.elapsed_s}
    if window.kind == "link":
        return {"byte": window.iterations}
    wake_ups = window.iterations if window.kind == "wake" else 1
    return {"sleep_s": window.elapsed_s} | ({"wake_up": wake_ups} if wakes else {})


def _judged(network: ObservedNetwork, fit: Fit, energy: EnergyFit | None) -> HeldOutNetwork:
    benchmark = network.benchmark
    cycles = fit.cycles_of(benchmark.widths, benchmark.runs_from)
    windows = [window.each_j for window in network.windows if window.accepted]
    predicted = None
    if energy is not None and windows:
        predicted = cycles * energy.per("cycle")
        if benchmark.runs_from == "flash":
            predicted += _macs(network, fit.cost_model.block) * energy.per(FLASH_TERM)
    return HeldOutNetwork(
        widths=benchmark.widths,
        runs_from=benchmark.runs_from,
        cycles=network.cycles,
        cycles_predicted=cycles,
        energy_j=float(np.median(windows)) if windows and energy is not None else None,
        energy_j_predicted=predicted,
    )


def _records(fit: Fit, energy: EnergyFit | None) -> dict[str, FitRecord]:
    records = {
        "cycles": _record(fit.terms, fit.cycles, "cycle"),
        "flash_bytes": _record(TERMS, fit.flash_bytes, "B"),
    }
    if energy is not None:
        records["energy"] = _record(energy.terms, energy.squares, "J")
    return records


def _record(terms: Sequence[str], squares: LeastSquares, unit: str) -> FitRecord:
    return FitRecord(
        coefficients={
            term: FittedFigure(value=c.value, low=c.low, high=c.high, unit=f"{unit}/{term}")
            for term, c in zip(terms, squares.coefficients, strict=True)
        },
        r2=squares.r2,
        largest_error=squares.largest_error,
        observations=len(squares.relative_errors),
    )


def _energy_per(fit: Fit, energy: EnergyFit) -> dict[str, FittedFigure]:
    """J per term of a network: its cycles times J per cycle, intervals in quadrature."""
    per_cycle = energy.squares.coefficients[energy.terms.index("cycle")]
    figures = {}
    for term, cycles in zip(fit.terms, fit.cycles.coefficients, strict=True):
        value = cycles.value * per_cycle.value
        low, high = (
            math.hypot(
                (end - cycles.value) * per_cycle.value, (other - per_cycle.value) * cycles.value
            )
            for end, other in (
                (cycles.low, per_cycle.low),
                (cycles.high, per_cycle.high),
            )
        )
        if term == FLASH_TERM and FLASH_TERM in energy.terms:
            beside = energy.squares.coefficients[energy.terms.index(FLASH_TERM)]
            value += beside.value
            low = math.hypot(low, beside.value - beside.low)
            high = math.hypot(high, beside.high - beside.value)
        figures[term] = FittedFigure(
            value=value, low=max(0.0, value - low), high=value + high, unit=f"J/{term}"
        )
    return figures
