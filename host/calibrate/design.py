"""The designed set of micro-benchmarks: dense INT8 networks in both memories, some held out.

A fit can tell apart what it varies. Widths and depths are chosen so that multiply-accumulates,
activations and layers do not grow together; energy windows are taken of networks that spend
between a tenth and nearly all of their cycles on multiply-accumulates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from toolchain.compile.synthetic import REFERENCE_SHAPES
from toolchain.environment import N_DISPOSITIONS, N_FEATURES
from toolchain.policy.calibration import RunsFrom


@dataclass(frozen=True)
class MicroBenchmark:
    """One dense network that a board decides with.

    Attributes:
        widths: inputs, hidden widths, outputs.
        runs_from: memory of its code and weights.
        held_out: no fit sees it; it judges the fit.
        energy: energy windows are taken of it, where there is a meter.
    """

    widths: tuple[int, ...]
    runs_from: RunsFrom = "sram"
    held_out: bool = False
    energy: bool = False

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"{'-'.join(map(str, self.widths))} {self.runs_from}"


def designed_set(
    memories: Sequence[str] = ("sram", "flash"), *, quick: bool = False
) -> tuple[MicroBenchmark, ...]:
    """The networks of a calibration, those that are fitted first.

    Args:
        memories: that the chip can run a network from.
        quick: fewer of them, for a first look; as few as a fit takes.
    """
    policy = [_policy(8, 4), _policy(32, 16), _policy(80, 40), _policy(), _policy(64)]
    policy += [_policy(32, 32, 32), _policy(48, 24, 12), _policy(32)]
    more = [_policy(16, 8), _policy(64, 64), _policy(96, 48), _policy(128)]
    with_energy = {_policy(), _policy(8, 4), _policy(80, 40)}
    fitted = [
        MicroBenchmark(widths, energy=widths in with_energy)
        for widths in (policy if quick else policy + more)
    ]
    fitted.append(MicroBenchmark(_policy(48, 24), "flash", energy=not quick))
    if not quick:
        fitted += [
            MicroBenchmark(_policy(64, 64), "flash"),
            MicroBenchmark(_policy(16, 8), "flash"),
        ]
    held_out = [
        MicroBenchmark(_policy(40, 20), held_out=True, energy=True),
        MicroBenchmark(REFERENCE_SHAPES["S"], held_out=True),
        MicroBenchmark(_policy(20, 10), "flash", held_out=True),
    ]
    if not quick:
        held_out += [
            MicroBenchmark(REFERENCE_SHAPES["M"], held_out=True, energy=True),
            MicroBenchmark(REFERENCE_SHAPES["L"], held_out=True),
            MicroBenchmark(_policy(56), held_out=True),
            MicroBenchmark(_policy(40, 20), "flash", held_out=True),
        ]
    return tuple(one for one in (*fitted, *held_out) if one.runs_from in memories)


def _policy(*hidden: int) -> tuple[int, ...]:
    return (N_FEATURES, *hidden, N_DISPOSITIONS)
