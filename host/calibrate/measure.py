"""Runs the micro-benchmarks on a target: flash, decide, count, and bound energy windows.

Images are built ahead, one at a time, while the board works on those before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from host.calibrate.design import MicroBenchmark
from host.chain.at_once import run_jobs
from host.chain.windows import meter_of, opened_host_meter
from host.flash import open_target
from host.link import BoardClient, Identity, check_identity
from host.meter import MeterChoice, MeterDescription
from host.metrics import EnergyWindow, counted
from host.replay import ALL_KINDS, WindowPlan, measure_windows
from host.target import EMULATOR, Target
from toolchain.build import Image, build_image
from toolchain.compile import compile_model, golden, kernels_for_core
from toolchain.compile.synthetic import reference_network
from toolchain.errors import MismatchError
from toolchain.policy.choice import choose
from toolchain.progress import bars
from toolchain.protocol import Mode, WindowKind

ROWS = 8
WEIGHTS_SEED, ROWS_SEED = 0, 1


@dataclass(frozen=True)
class ObservedNetwork:
    """What the board did with one network.

    Attributes:
        benchmark: which.
        cycles: of one whole decision, the median over :data:`ROWS` random rows.
        flash_bytes: of the network's code and constants.
        windows: of its decisions, refused ones included.
        instructions: of one whole decision, counted by an emulator with the same image; None where
            the board's emulator counts cycles.
    """

    benchmark: MicroBenchmark
    cycles: float
    flash_bytes: int
    windows: tuple[EnergyWindow, ...] = ()
    instructions: float | None = None


@dataclass(frozen=True)
class Observed:
    """What a target did with the whole set.

    Attributes:
        identity: what answered first; all others were on the same board.
        networks: in the set's order.
        states: windows without decisions: idle, and where the board has them asleep, waking up and
            sending.
        meter: what measured the windows; None where there is none.
    """

    identity: Identity
    networks: tuple[ObservedNetwork, ...]
    states: tuple[EnergyWindow, ...]
    meter: MeterDescription | None = None


def observe(
    target: Target,
    benchmarks: Sequence[MicroBenchmark],
    plan: WindowPlan,
    choice: MeterChoice,
    console: Console,
) -> Observed:
    """Run every micro-benchmark on a target.

    Args:
        target: a board.
        benchmarks: at least one.
        plan: of the energy windows; their kinds follow from the benchmarks.
        choice: of the meter.
        console: for progress.

    Raises:
        MismatchError: the board decided otherwise than the INT8 reference.
        BuildError: an image cannot be built.
        LinkError: the board is not there, or not the same one any more.
        MeasurementError: the meter is not there.
    """
    of_states = next((b for b in benchmarks if b.energy), None)
    with _images_ahead(target, benchmarks) as images, bars(console) as bar:
        task = bar.add_task("calibrate", total=len(benchmarks))

        def job(benchmark: MicroBenchmark, ahead: Future[tuple[bytes, Image]]) -> _Ran:
            # What the board does without deciding does not depend on the network.
            kinds = ALL_KINDS if benchmark is of_states else (WindowKind.INFERENCE,)
            data, image = ahead.result()
            ran = _run(target, benchmark, data, image, replace(plan, kinds=kinds), choice)
            bar.update(task, advance=1, description=f"calibrate, {benchmark.name} done")
            return ran

        ran = run_jobs(
            target, [partial(job, *pair) for pair in zip(benchmarks, images, strict=True)]
        )
    first = ran[0].identity
    for one in ran:
        check_identity(one.identity, chip_id=first.chip_id)
    return Observed(
        identity=first,
        networks=tuple(one.network for one in ran),
        states=tuple(window for one in ran for window in one.states),
        meter=next((one.meter for one in ran if one.meter is not None), None),
    )


@dataclass(frozen=True)
class _Ran:
    """One network's observation, with who made it and the windows without decisions."""

    identity: Identity
    network: ObservedNetwork
    states: tuple[EnergyWindow, ...]
    meter: MeterDescription | None


def _run(
    target: Target,
    benchmark: MicroBenchmark,
    data: bytes,
    image: Image,
    plan: WindowPlan,
    choice: MeterChoice,
) -> _Ran:
    inputs, masks = _rows(benchmark.widths)
    windows: list[EnergyWindow] = []
    described = None
    with (
        opened_host_meter(choice) as on_host,
        open_target(target, image) as (client, identity),
    ):
        counts = _decide(client, data, inputs, masks, benchmark)
        meter = meter_of(choice, on_host, client, identity, target)
        if benchmark.energy and meter is not None:
            windows = measure_windows(client, identity, meter, inputs, masks, [Mode.FULL], plan)
            described = meter.describe()
    instructions = _instructions(
        target, counts, lambda twin: _decide_on(twin, benchmark, data, image)
    )
    own = tuple(window for window in windows if window.kind == "inference")
    states = tuple(window for window in windows if window.kind != "inference")
    network = ObservedNetwork(
        benchmark, float(np.median(counts)), image.size.network, own, instructions
    )
    return _Ran(identity, network, states, described)


def _instructions(
    target: Target, counts: np.ndarray, decide_on: Callable[[Target], np.ndarray]
) -> float | None:
    """Instructions of a decision, where the board's emulator counts those.

    A board has its cycles counted; the emulated one, with the same image and the same rows,
    executes as many instructions.
    """
    twin = target if target.emulated else replace(target, where=EMULATOR, usb=False)
    if twin.cycles_per_instruction is None:
        return None
    counts = counts if target.emulated else decide_on(twin)
    return float(np.median(counted(counts, twin.cycles_per_instruction)))


def _decide_on(target: Target, benchmark: MicroBenchmark, data: bytes, image: Image) -> np.ndarray:
    with open_target(target, image) as (client, _):
        return _decide(client, data, *_rows(benchmark.widths), benchmark)


@contextmanager
def _images_ahead(
    target: Target, benchmarks: Sequence[MicroBenchmark]
) -> Iterator[list[Future[tuple[bytes, Image]]]]:
    """Models and images in order; the next ones are built while others are in use."""
    kernels = kernels_for_core(target.board.cpu.core)

    def build(benchmark: MicroBenchmark, folder: Path) -> tuple[bytes, Image]:
        data = reference_network(benchmark.widths, np.random.default_rng(WEIGHTS_SEED))
        compiled = compile_model(data, folder / "compile", name=benchmark.name, kernels=kernels)
        image = build_image(
            target.board,
            compiled.folder,
            folder / "build",
            network_memory=benchmark.runs_from,
        )
        return data, image

    with (
        tempfile.TemporaryDirectory(prefix="jouleloop-calibrate-") as name,
        ThreadPoolExecutor(max_workers=1) as builder,
    ):
        futures = [
            builder.submit(build, benchmark, Path(name) / str(index))
            for index, benchmark in enumerate(benchmarks)
        ]
        try:
            yield futures
        finally:
            builder.shutdown(cancel_futures=True)


def _rows(widths: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(ROWS, n_in) int8 inputs, and masks that allow everything."""
    inputs = np.random.default_rng(ROWS_SEED).integers(-128, 128, (ROWS, widths[0]), np.int8)
    return inputs, np.ones((ROWS, widths[-1]), dtype=bool)


def _decide(
    client: BoardClient,
    data: bytes,
    inputs: np.ndarray,
    masks: np.ndarray,
    benchmark: MicroBenchmark,
) -> np.ndarray:
    """Cycles of each decision, (ROWS,); a program that decides otherwise has no figures."""
    made = client.decide(inputs, masks)
    expected = choose(golden(data, inputs), masks)
    if not np.array_equal(made.actions, expected):
        raise MismatchError(
            f"network {benchmark.name}: the board chose {made.actions.tolist()}, the INT8 "
            f"reference {expected.tolist()}",
            hint="run 'jouleloop infer' with such a network to see which output is off",
        )
    return made.cycles
