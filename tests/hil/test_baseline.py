"""The baseline file: what is kept, and what a target may be compared with."""

import json
from dataclasses import replace

import pytest

from host.hil import (
    Baseline,
    Job,
    Scenario,
    Variant,
    compare,
    read_baseline,
    require_comparable,
)
from host.hil.baseline import made_entry
from host.target import parse_target
from toolchain.errors import InputError


@pytest.fixture
def baseline(make_result, outcome_of, tmp_path):
    """A file with entries of these targets."""

    def make(*targets):
        file = Baseline(tmp_path / "sub" / "baseline.json", [])
        file = file.with_outcomes([outcome_of(make_result(), text) for text in targets])
        file.write()
        return read_baseline(file.path)

    return make


def test_what_is_written_is_read_and_has_the_metrics_as_they_are(baseline, make_result):
    entry = baseline("pico@emulator").entry(parse_target("pico@emulator"))
    metrics = make_result()["metrics"]
    del metrics["adaptability_rate"]["detail"]["rolling"]  # a curve, which nothing is read from
    assert entry.side().metrics == metrics
    assert entry.provenance == "emulated"
    assert entry.scenario == Scenario()


def test_emulated_and_measured_are_never_compared(baseline):
    with pytest.raises(InputError, match=r"emulated; pico@/dev/ttyACM0 is measured"):
        baseline("pico@emulator").entry(parse_target("pico@/dev/ttyACM0"))
    with pytest.raises(InputError, match="measured; pico@emulator is emulated"):
        baseline("pico@/dev/ttyACM0").entry(parse_target("pico@emulator"))


def test_a_board_is_compared_with_its_own_or_its_kinds_only_one(baseline):
    kept = baseline("pico@/dev/ttyACM0", "pico@emulator")
    assert kept.entry(parse_target("pico@/dev/ttyACM7")).target == "pico@/dev/ttyACM0"
    kept = baseline("pico@/dev/ttyACM0", "pico@/dev/ttyACM1")
    assert kept.entry(parse_target("pico@/dev/ttyACM1")).target == "pico@/dev/ttyACM1"
    with pytest.raises(InputError, match="2 measured baselines of pico"):
        kept.entry(parse_target("pico@/dev/ttyACM7"))
    assert kept.entry(parse_target("pico@/dev/ttyACM1")) is not None


def test_an_update_replaces_one_entry_and_keeps_the_others(baseline, make_result, outcome_of):
    kept = baseline("pico@emulator", "pico@/dev/ttyACM0")
    new = kept.with_outcomes([outcome_of(make_result(flash=1), "pico@emulator")])
    flash = {e.target: e.side().value("flash_bytes") for e in new.entries}
    assert flash == {"pico@emulator": 1, "pico@/dev/ttyACM0": 20_000}


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({"scenario": Scenario(seed=7)}, "seed 42, .*seed 7"),
        ({"variant": Variant(clock_mhz=48)}, "no options, asked is clock_mhz 48"),
        ({"variant": Variant(policy="mine")}, "no options, asked is policy mine"),
    ],
)
def test_another_scenario_or_option_is_refused(make_result, outcome_of, tmp_path, job, says):
    entry = made_entry(outcome_of(make_result()))
    with pytest.raises(InputError, match=says):
        require_comparable(Job("pico", "pico@emulator", tmp_path, **job), entry)


def test_another_given_policy_is_compared_and_noted(make_result, outcome_of, tmp_path):
    mine, other = (Variant(policy=name, clock_mhz=48) for name in ("mine", "other"))
    made = outcome_of(make_result(given="aa" * 32))
    entry = made_entry(replace(made, job=replace(made.job, variant=mine)))
    assert entry.training == {"given": {"policy.tflite": "aa" * 32}}
    require_comparable(Job("pico", "pico@emulator", tmp_path, variant=other), entry)
    report = compare(outcome_of(make_result(given="bb" * 32, model="bb" * 32)), entry)
    assert report.notes == ["another network: " + "b" * 12 + ", the baseline's is " + "a" * 12]
    with pytest.raises(InputError, match=r"policy mine, clock_mhz 48\.0, asked is clock_mhz 48\.0"):
        other = other.model_copy(update={"policy": None})
        require_comparable(Job("pico", "pico@emulator", tmp_path, variant=other), entry)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read"),
        ("[]", "is not a baseline"),
        (json.dumps({"schema": 2, "entries": []}), "schema: "),
        (json.dumps({"schema": 1, "entries": [{}]}), r"entries\.0\.target"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(tmp_path, text, says):
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(InputError, match=says):
        read_baseline(file)


def test_a_baseline_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no baseline"):
        read_baseline(tmp_path / "none.json")
