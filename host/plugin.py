"""The pytest plugin: ``pytest --target pico@emulator`` gives tests a benchmarked board.

Fixtures ``board``, whose figures a test sets limits for (``board.latency_us.median < 150``), and
``bench``, which benchmarks it with other options; both once for every ``--target``. docs/HIL.md
describes them. Everything else is imported by the first test that asks for a board, so the plugin
costs the others nothing.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from host.hil.under_test import Bench, Benched

TARGETS = "jouleloop_targets"
BASELINE = "jouleloop_baseline"
RUNS = "jouleloop_runs"
POLICY = "jouleloop_policy"
TIME_LIMIT = "jouleloop_time_limit"
TARGET_FIXTURE = "_jouleloop_target"
NO_TARGET = "no --target was given"
MARKER = (
    "board(*names, physical=False): runs on the boards of --target, only on those of these names, "
    "or only on physical ones; skips with a reason when there is none"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; ``--target`` is left to pytest-embedded where that is installed."""
    group = parser.getgroup("jouleloop", "boards under test")
    plugins = entry_points(group="pytest11")
    embedded = any(plugin.name.startswith("pytest_embedded") for plugin in plugins)
    group.addoption(
        *(() if embedded else ("--target",)),
        "--jouleloop-target",
        action="append",
        default=[],
        dest=TARGETS,
        metavar="TARGET",
        help="board under test, BOARD[@WHERE] as of 'jouleloop bench'; may be given several times",
    )
    group.addoption(
        "--baseline",
        type=Path,
        dest=BASELINE,
        metavar="FILE",
        help="accepted figures, made by 'jouleloop hil --update-baseline'",
    )
    group.addoption(
        "--jouleloop-runs",
        type=Path,
        dest=RUNS,
        metavar="DIR",
        default=Path("runs") / "pytest",
        help="run folders; what has not changed there is not run again [runs/pytest]",
    )
    group.addoption(
        "--jouleloop-policy",
        type=Path,
        dest=POLICY,
        metavar="DIR",
        help="networks in the place of a training, as of 'jouleloop bench --policy'",
    )
    group.addoption(
        "--jouleloop-time-limit",
        type=float,
        dest=TIME_LIMIT,
        metavar="S",
        default=3600.0,
        help="of one benchmark, waiting for the board not included [3600]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse targets that cannot be."""
    config.addinivalue_line("markers", MARKER)
    targets = config.getoption(TARGETS)
    if not targets:
        return
    from host.hil.baseline import read_baseline
    from host.target import parse_target
    from toolchain.errors import InputError

    if len(set(targets)) != len(targets):
        raise pytest.UsageError(f"--target: {', '.join(targets)}: name each of them once")
    try:
        parsed = [parse_target(text) for text in targets]
        for target in parsed:
            target.require_board()
        if config.getoption(BASELINE) is not None:
            baseline = read_baseline(config.getoption(BASELINE))
            for target in parsed:
                baseline.entry(target)
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the boards under test."""
    targets = config.getoption(TARGETS)
    return f"jouleloop: {', '.join(targets)}" if targets else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test of a board once for every target."""
    if TARGET_FIXTURE in metafunc.fixturenames:
        targets = metafunc.config.getoption(TARGETS) or [None]
        ids = [text or "no-target" for text in targets]
        metafunc.parametrize(TARGET_FIXTURE, targets, indirect=True, scope="session", ids=ids)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked for a board that is not there."""
    markers = list(item.iter_markers("board"))
    if not markers:
        return
    callspec = getattr(item, "callspec", None)
    params = {} if callspec is None else callspec.params
    targets = [params[TARGET_FIXTURE]] if TARGET_FIXTURE in params else None
    targets = [t for t in targets or item.config.getoption(TARGETS) if t is not None]
    if not targets:
        pytest.skip(NO_TARGET)
    for marker in markers:
        reason = _unsuitable(targets, marker)
        if reason:
            pytest.skip(reason)


def _unsuitable(targets: list[str], marker: pytest.Mark) -> str | None:
    """Why none of the targets is what a marker asks for."""
    from host.target import parse_target

    parsed = [parse_target(text) for text in targets]
    if marker.args and not any(target.board.name in marker.args for target in parsed):
        return f"is for {', '.join(marker.args)}; the target is {', '.join(targets)}"
    if marker.kwargs.get("physical") and all(target.emulated for target in parsed):
        return f"is for a physical board; the target is {', '.join(targets)}"
    return None


def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> list[str] | None:
    """Say of a figure what it is of, how it came about and how sure it is."""
    if "Figure" not in (type(left).__name__, type(right).__name__):
        return None
    from host.hil.figures import Figure

    sides = [
        f"{side.name} of {side.of}: {side!r}" if isinstance(side, Figure) else repr(side)
        for side in (left, right)
    ]
    return [f"{sides[0]} {op} {sides[1]}"]


@pytest.fixture(scope="session")
def _jouleloop_target(request: pytest.FixtureRequest) -> str:
    """The target that the tests are run on now."""
    target: str | None = request.param
    if target is None:
        pytest.skip(NO_TARGET)
    return target


@pytest.fixture(scope="session")
def bench(_jouleloop_target: str, request: pytest.FixtureRequest) -> Bench:
    """Benchmarks the target: ``bench(flash_budget="smallest").flash_bytes < 16_000``.

    The board is leased for as long as it is measured, so tests in several processes take turns.
    """
    from host.hil.baseline import read_baseline
    from host.hil.under_test import Bench

    file: Any = request.config.getoption(BASELINE)
    return Bench(
        _jouleloop_target,
        request.config.getoption(RUNS),
        None if file is None else read_baseline(file),
        request.config.getoption(TIME_LIMIT),
        policy=request.config.getoption(POLICY),
    )


@pytest.fixture(scope="session")
def board(bench: Bench) -> Benched:
    """The benchmarked board: ``board.latency_us.median < 150``, ``not board.regressions``."""
    return bench()
