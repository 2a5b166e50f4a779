"""``jouleloop hil``: several boards at once, exit codes, reports; benchmarks are made up."""

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest
from junitparser import JUnitXml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from rich.console import Console

from host import cli
from host.hil import JobRunner, Status, hil, print_hil, read_baseline
from host.hil.job import Job, Variant
from toolchain.errors import InputError

PLUGGED = "pico@/dev/ttyACM0"
LAB = "pico@rfc2217://lab:4000"


@pytest.fixture
def run(fake, tmp_path):
    """Run ``hil`` with jobs that do as told; returns reports and exit code."""

    def go(does, targets=("pico@emulator",), **options):
        fake(does)
        options = {"out": tmp_path / "out", "console": Console(file=io.StringIO())} | options
        return hil(targets, **options)

    return go


@pytest.fixture
def accepted(run, make_result, tmp_path):
    """A baseline file of pico@emulator."""
    file = tmp_path / "baseline.json"
    assert run({"*": make_result()}, baseline=file, update=True)[1] == 0
    return file


def test_exit_codes_and_reports_of_a_regression(run, accepted, make_result, tmp_path, monkeypatch):
    step = tmp_path / "step.md"
    step.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    files = {name: tmp_path / "r" / name for name in ("junit", "openmetrics", "summary")}
    after = make_result(flash=21_000, cycles=[7000] * 3)
    reports, code = run({"*": after}, baseline=accepted, **files)
    assert code == 1

    (suite,) = JUnitXml.fromfile(str(files["junit"]))
    assert (suite.name, suite.tests, suite.failures, suite.errors) == ("pico@emulator", 17, 1, 0)
    failed = {case.name: case.result for case in suite if case.result}
    assert list(failed) == ["flash_bytes"]
    assert "21,000 B (emulated), the baseline's 20,000 B, +5 %" in failed["flash_bytes"][0].message

    families = text_string_to_metric_families(files["openmetrics"].read_text())
    samples = {(s.name, s.labels.get("statistic")): s.value for f in families for s in f.samples}
    assert samples["jouleloop_latency_seconds", "median"] == pytest.approx(56e-6)
    assert samples["jouleloop_flash_baseline_bytes", None] == 20_000
    assert samples["jouleloop_regressed_figures", None] == 1

    summary = files["summary"].read_text()
    assert step.read_text() == "before\n" + summary
    assert "| flash_bytes | 21,000 B | 20,000 B | +5 % | 0 | **regressed** | emulated |" in summary
    assert "**improved**" in summary

    saved = json.loads((tmp_path / "out" / "hil.json").read_text())
    assert saved["exit_code"] == 1
    verdicts = {c["figure"]: c["verdict"] for c in saved["targets"][0]["comparisons"]}
    assert verdicts["latency_us.median"] == "improved"
    text = io.StringIO()
    print_hil(reports, Console(file=text))
    assert "latency_us.median" in text.getvalue() and "improved" in text.getvalue()


def test_a_clock_outside_of_the_specification_is_said_in_every_report(
    run, make_result, tmp_path, monkeypatch
):
    words = "pico@emulator at 125 MHz, outside of the chip's specification: 16 new"
    files = {name: tmp_path / name for name in ("junit", "openmetrics", "summary")}
    reports, _ = run({"*": make_result(outside=True)}, **files)
    text = io.StringIO()
    print_hil(reports, Console(file=text))
    assert words in text.getvalue() and words in files["summary"].read_text()
    (suite,) = JUnitXml.fromfile(str(files["junit"]))
    assert {p.name: p.value for p in suite.properties()}["outside_specification"]
    assert 'outside_specification="true"' in files["openmetrics"].read_text()
    reports, _ = run({"*": make_result()}, **files)
    assert "outside" not in files["summary"].read_text() + files["junit"].read_text()
    assert 'outside_specification="false"' in files["openmetrics"].read_text()


def test_bytes_per_decision_keep_their_fraction(run, make_result, tmp_path):
    summary = tmp_path / "s.md"
    run({"*": make_result(link_bytes=24_301)}, summary=summary)
    assert "| comms.bytes_per_decision | 40.5 B |" in summary.read_text()
    assert "| waste_kg | 1.5 kg/product |" in summary.read_text()


def test_an_update_keeps_the_options_and_shows_what_it_replaces(
    run, accepted, make_result, monkeypatch
):
    other = Variant(clock_mhz=48)
    assert run({"*": make_result()}, baseline=accepted, update=True, variant=other)[1] == 0
    reports, code = run({"*": make_result(flash=21_000)}, baseline=accepted, update=True)
    assert code == 0, "what is accepted is no regression"
    assert {c.figure for c in reports[0].comparisons if c.verdict == "regressed"} == {"flash_bytes"}
    (entry,) = read_baseline(accepted).entries
    assert (entry.variant, entry.side().value("flash_bytes")) == (other, 21_000)
    assert run({"*": make_result(flash=21_000)}, baseline=accepted)[1] == 0


def test_the_same_figures_pass_and_a_lost_meter_does_not(run, accepted, make_result):
    assert run({"*": make_result()}, baseline=accepted)[1] == 0
    assert run({"*": make_result(each_j=None)}, baseline=accepted)[1] == 3


@pytest.mark.parametrize(
    ("does", "code", "says"),
    [
        ("invalid", 3, "invalid on purpose"),
        ("usage", 2, "usage on purpose"),
        ("die", 3, "ended with code 7: out of luck"),
    ],
)
def test_a_benchmark_without_result(run, accepted, tmp_path, does, code, says):
    before = accepted.read_bytes()
    reports, found = run({"*": does}, baseline=accepted, junit=tmp_path / "r.xml")
    assert found == code
    assert says in reports[0].outcome.error
    (suite,) = JUnitXml.fromfile(str(tmp_path / "r.xml"))
    assert (suite.tests, suite.errors) == (1, 1)
    assert run({"*": does}, baseline=accepted, update=True)[1] == code
    assert accepted.read_bytes() == before, "an update without result writes nothing"


def test_a_slow_board_does_not_hold_up_or_spoil_the_others(run, make_result, tmp_path):
    limit_s = 6.0  # the others must be done within it on a machine that has more to do
    started = time.monotonic()
    reports, code = run(
        {LAB: "hang", PLUGGED: "die", "*": make_result()},
        (LAB, PLUGGED, "pico@emulator"),
        time_limit_s=limit_s,
    )
    assert limit_s <= time.monotonic() - started < 60, "it would hang for 600 s"
    assert code == 3
    assert [r.outcome.status for r in reports] == [Status.INVALID, Status.INVALID, Status.DONE]
    assert "not done within 6 s" in reports[0].outcome.error
    log = (tmp_path / "out" / "runs.log").read_text().splitlines()
    ends = {line.split()[0]: float(line.split()[3]) for line in log if " end " in line}
    begins = {line.split()[0]: float(line.split()[3]) for line in log if " begin " in line}
    assert ends["pico@emulator"] < begins[LAB] + limit_s, "it was done while the other hung"
    for report in reports[:2]:  # what the processes had started is gone as well
        child = int(Path(report.outcome.job.folder / "log.txt").read_text().split()[1])
        with pytest.raises(ProcessLookupError):
            for _ in range(100):
                os.kill(child, 0)
                time.sleep(0.05)


def test_one_board_by_two_names_is_used_by_one_process_at_a_time(fake, make_result, tmp_path):
    fake({"*": make_result(), "seconds": 0.3})
    worker = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
    text = io.StringIO()
    runner = JobRunner(30, Console(file=text, force_terminal=True, width=120), worker=worker)
    names = ("pico@emulator", "pico@emulator+usb")
    outcomes = runner.run([Job(name, name, tmp_path / "j" / name) for name in names])
    assert [o.status for o in outcomes] == [Status.DONE] * 2
    words = [line.split()[2] for line in (tmp_path / "j" / "runs.log").read_text().splitlines()]
    assert words == ["begin", "end", "begin", "end"]
    assert "1 of 2 done" in text.getvalue()


@pytest.mark.parametrize(
    ("targets", "options", "says"),
    [
        ((), {}, "no target is named"),
        (("pico@emulator", "pico@emulator"), {}, "pico@emulator: named more than once"),
        (("native",), {}, "process of this machine"),
        (("pico@emulator",), {"update": True}, "--update-baseline needs a file"),
    ],
)
def test_usage_is_refused_before_anything_runs(run, tmp_path, targets, options, says):
    with pytest.raises(InputError, match=says):
        run({"*": "die"}, targets, **options)
    assert not (tmp_path / "out").exists()


def test_other_options_have_a_run_folder_of_their_own(tmp_path):
    """A stage that is told no budget takes its folder's: an earlier option must not linger."""
    variants = (Variant(), Variant(energy_budget="none"), Variant(clock_mhz=48))
    jobs = [Job("a", "pico@emulator", tmp_path, variant=variant) for variant in variants]
    assert len({job.run_folder for job in jobs}) == 3
    assert Job.from_json(jobs[1].to_json()) == jobs[1]


def test_an_emulators_baseline_is_refused_for_a_physical_board(run, accepted, tmp_path):
    with pytest.raises(InputError, match="the two are never compared"):
        run({"*": "die"}, (PLUGGED,), baseline=accepted)


def test_the_command_line_takes_scenario_and_options_from_the_baseline(
    fake, make_result, tmp_path, monkeypatch, capfd
):
    def jouleloop(*arguments):
        monkeypatch.setattr(sys, "argv", ["jouleloop", "hil", "pico@emulator", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code, capfd.readouterr()

    fake({"*": make_result()})
    monkeypatch.chdir(tmp_path)
    made = ("--baseline", "b.json", "--update-baseline", "--seed", "7", "--clock", "48")
    assert jouleloop(*made)[0] == 0
    entry = read_baseline(tmp_path / "b.json").entries[0]
    assert (entry.scenario.seed, entry.variant.clock_mhz) == (7, 48)
    code, text = jouleloop("--baseline", "b.json", "--json")
    assert code == 0
    assert json.loads(text.out)["targets"][0]["status"] == "done"
    code, text = jouleloop("--baseline", "b.json", "--seed", "8")
    assert code == 2
    assert "seed 7" in text.err
    assert jouleloop("--baseline", "b.json", "--policy", "mine")[0] == 2, "it was trained"
    given = make_result(given="aa" * 32)
    fake({"*": given})
    assert jouleloop("--baseline", "c.json", "--update-baseline", "--policy", "mine")[0] == 0
    assert read_baseline(tmp_path / "c.json").entries[0].variant.policy == "mine"
    assert jouleloop("--baseline", "c.json")[0] == 0
    assert jouleloop("--baseline", "c.json", "--policy", "other")[0] == 0
    fake({"*": make_result(flash=99_999)})
    assert jouleloop("--baseline", "b.json")[0] == 1
