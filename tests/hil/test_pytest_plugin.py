"""The pytest plugin, in sessions of its own; benchmarks are made up by the fake worker."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from host.hil import Baseline

pytest_plugins = ["pytester"]

CONFTEST = f"""
import sys
from functools import partial
import pytest
from host.hil import JobRunner, under_test

under_test.JobRunner = partial(JobRunner, worker=({sys.executable!r}, {{worker!r}}))
"""

TESTS = """
import pytest

@pytest.mark.board
def test_latency(board):
    assert board.latency_us.median < 150
    assert board.latency_us.p95 <= board.latency_us.max

def test_flash(board):
    assert board.flash_bytes < 24 * 1024

def test_other_options(bench):
    assert bench(flash_budget="smallest").flash_bytes == bench().flash_bytes
"""


@pytest.fixture
def session(fake, pytester, make_result, monkeypatch):
    """Run pytest on a file of tests, with boards that have the result given."""
    worker = Path(__file__).with_name("fake_worker.py")
    pytester.makeconftest(CONFTEST.format(worker=str(worker)))
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -p no:hypothesispytest")

    def run(tests, *arguments, does=None, in_process=True, **result):
        fake(does or {"*": make_result(**result)})
        pytester.makepyfile(tests)
        if in_process:
            return pytester.runpytest_inprocess(*arguments)
        return pytester.runpytest_subprocess(*arguments)

    yield run
    import host.hil.under_test

    host.hil.under_test.JobRunner = host.hil.JobRunner  # the session's conftest replaced it


def test_limits_in_the_words_of_the_field(session):
    done = session(TESTS, "--target", "pico@emulator", "-v")
    done.assert_outcomes(passed=3)
    done.stdout.fnmatch_lines(["jouleloop: pico@emulator", "*test_latency*pico@emulator*PASSED*"])


def test_a_broken_limit_shows_unit_provenance_and_uncertainty(session):
    tests = """
    def test_latency(board):
        assert board.latency_us.median < 50

    def test_energy(board):
        assert board.energy_uj.total < 5
    """
    done = session(tests, "--target", "pico@emulator", spread=0.02)
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(
        [
            "*latency_us.median of pico@emulator: 57.6 us (emulated) < 50*",
            "*energy_uj.total of pico@emulator: 6.5 ± 0.0* uJ (emulated) < 5*",
        ]
    )


def test_two_targets_and_two_workers_take_turns(session, pytester, make_result):
    targets = ("--target", "pico@emulator", "--target", "pico@socket://127.0.0.1:9")
    does = {"*": make_result(), "seconds": 0.2}
    done = session(TESTS, *targets, "-n", "2", does=does, in_process=False)
    done.assert_outcomes(passed=6)
    logs = list((pytester.path / "runs" / "pytest").rglob("runs.log"))
    assert len(logs) == 2
    for log in logs:
        words = [line.split()[2] for line in log.read_text().splitlines()]
        assert words == ["begin", "end"] * (len(words) // 2), "one process a board"


def test_without_a_target_boards_are_skipped_with_the_reason(session):
    marked = "import pytest\n@pytest.mark.board\ndef test_marked(): assert False\n"
    done = session(TESTS + marked, "-rs")
    done.assert_outcomes(skipped=4)
    done.stdout.fnmatch_lines(["*no --target was given*"])


def test_a_marker_chooses_the_board(session):
    tests = """
    import pytest

    @pytest.mark.board("esp32c3")
    def test_other(board): assert False

    @pytest.mark.board("esp32c3", "pico")
    def test_either(board): pass

    @pytest.mark.board(physical=True)
    def test_physical(board): assert False
    """
    done = session(tests, "--target", "pico@emulator", "-rs")
    done.assert_outcomes(passed=1, skipped=2)
    done.stdout.fnmatch_lines(
        ["*is for esp32c3; the target is pico@emulator*", "*is for a physical board*"]
    )


def test_a_physical_board_that_was_named_and_is_not_there_is_an_error(session):
    done = session(TESTS, "--target", "pico@E66038B7FFFFFFFF")
    done.assert_outcomes(errors=3)
    done.stdout.fnmatch_lines(["*pico@E66038B7FFFFFFFF: no such board is plugged in*"])


def test_a_board_that_gives_no_result_is_asked_once(session, pytester):
    done = session(TESTS, "--target", "pico@emulator", does={"*": "die"})
    done.assert_outcomes(errors=2, failed=1)
    done.stdout.fnmatch_lines(["*MeasurementError: pico@emulator has no result: *out of luck*"])
    log = pytester.path / "runs" / "pytest" / "pico@emulator" / "runs.log"
    # Once for the fixture, and once for the test that asked for other options.
    assert log.read_text().count("begin") == 2


@pytest.mark.parametrize(
    ("target", "says"),
    [("tofu@emulator", "unknown board 'tofu'"), ("native", "process of this machine")],
)
def test_a_target_that_cannot_be_is_a_usage_error(session, target, says):
    done = session(TESTS, "--target", target)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: *{says}*"])


@pytest.fixture
def baseline(make_result, outcome_of, tmp_path):
    file = Baseline(tmp_path / "baseline.json", []).with_outcomes([outcome_of(make_result())])
    file.write()
    return file.path


def test_regressions_against_a_baseline(session, baseline):
    tests = """
    def test_regressions(board):
        assert not board.regressions

    def test_baseline(board):
        assert board.flash_bytes <= board.baseline.flash_bytes
    """
    arguments = ("--target", "pico@emulator", "--baseline", str(baseline))
    session(tests, *arguments).assert_outcomes(passed=2)
    done = session(tests, *arguments, flash=21_000)
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(["*flash_bytes is 21,000 B (emulated), the baseline's 20,000 B*"])


def test_an_emulators_baseline_is_refused_for_a_physical_board(session, baseline):
    arguments = ("--target", "pico@/dev/ttyACM0", "--baseline", str(baseline))
    done = session(TESTS, *arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*the two are never compared*"])


def test_what_is_not_there_fails_and_what_has_no_name_is_told(session):
    tests = """
    def test_energy(board):
        assert not board.has("energy_uj.total")
        assert board.energy_uj.total < 1

    def test_name(board):
        assert board.latency_ms < 1

    def test_member(board):
        assert board.latency_us.mean < 1

    def test_option(bench):
        bench(colour="red")
    """
    done = session(tests, "--target", "pico@emulator", each_j=None)
    done.assert_outcomes(failed=4)
    done.stdout.fnmatch_lines(
        [
            "*energy_uj.total of pico@emulator is unavailable: no power meter answers*",
            "*there is no figure 'latency_ms'; known: latency_us.median*",
            "*latency_us has no figure 'mean', but latency_us.median, latency_us.p95*",
            "*bench() has no option colour*",
        ]
    )


def test_pytest_embedded_keeps_its_own_option(session, pytester, monkeypatch):
    """Where it is installed, --target is its, and ours has the longer name."""
    installed = [EntryPoint("pytest_embedded", "embedded", "pytest11")]
    monkeypatch.setattr("host.plugin.entry_points", lambda group: installed)
    pytester.makepyfile(
        embedded="""
        def pytest_addoption(parser):
            parser.getgroup("embedded").addoption("--target", help="its own")
        """
    )
    pytester.syspathinsert()
    arguments = ("--jouleloop-target", "pico@emulator", "--target", "esp32c3")
    session(TESTS, "-p", "embedded", *arguments).assert_outcomes(passed=3)


def test_figures_of_a_result_can_be_written_down(make_result):
    """What a test records of a figure is a plain number."""
    from host.hil import Figures

    figure = Figures(make_result()["metrics"], "pico").latency_us.median
    assert json.loads(json.dumps({"latency": figure})) == {"latency": float(figure)}
    assert figure * 2 == pytest.approx(115.2)
    assert figure == pytest.approx(57.6)
