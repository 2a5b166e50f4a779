"""The host's client and the firmware (POSIX port), on a line that is bad on purpose."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.firmware

SOAK = Path(__file__).parents[1] / "soak" / "soak_link.py"
FRAMES = 10_000


@pytest.fixture(scope="module")
def soak_link() -> ModuleType:
    spec = importlib.util.spec_from_file_location("jouleloop_soak_link", SOAK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def program(soak_link, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return soak_link.build_board(tmp_path_factory.mktemp("board"))


def test_no_row_is_wrong_lost_or_executed_twice(soak_link, program: Path) -> None:
    # Timing decides how often a frame is repeated, so every fault must be all but certain to come.
    done = soak_link.soak(program, FRAMES, seed=5, rates=soak_link.Rates(cut=3e-3))
    assert done["frames"] >= FRAMES
    for fault in ("flip", "drop", "duplicate", "insert", "truncate", "delay", "cut"):
        assert done.get(f"{fault}s", 0) > 0, f"{fault}: every fault must have happened"
    assert done["retries"] > 0
    assert done["reconnects"] > 0


def test_a_good_line_needs_no_retry(soak_link, program: Path) -> None:
    none = soak_link.Rates(0, 0, 0, 0, 0, 0, 0)
    done = soak_link.soak(program, 500, seed=5, rates=none)
    assert done["reconnects"] == 0
    assert done["rows"] > 0


def test_a_window_that_forgets_the_oldest_is_caught(
    soak_link, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault that this test once found: a request that was answered made room for another."""
    from host.link import Line

    monkeypatch.setattr(Line, "_has_room", lambda self, flights, *_: len(flights) < 3)
    with pytest.raises(AssertionError, match=r"run once|wrong decisions|other rows"):
        soak_link.soak(program, 200_000, seed=1)
