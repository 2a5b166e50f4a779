"""The tolerances: what each figure may differ by, by hand."""

import math

import numpy as np
import pytest

from host.hil import RULES, Verdict, compare
from host.hil.baseline import made_entry
from host.hil.noise import COVERAGE, SEEDS_SD


@pytest.fixture
def judged(make_result, outcome_of):
    """Compare two results; returns the comparisons by figure."""

    def judge(before, after, *, target="pico@emulator", retries=0):
        entry = made_entry(outcome_of(make_result(**before), target))
        report = compare(outcome_of(make_result(**after), target, retries), entry)
        return {c.figure: c for c in report.comparisons}

    return judge


def test_the_same_run_is_within_everywhere(judged):
    found = judged({}, {})
    assert set(found) == {rule.figure for rule in RULES}
    assert {c.verdict for c in found.values()} == {Verdict.WITHIN}


def test_one_emulated_cycle_is_a_regression(judged):
    found = judged({"cycles": [7200] * 9}, {"cycles": [7201] * 9})
    assert found["latency_us.median"].tolerance == 0
    assert found["latency_us.median"].verdict is Verdict.REGRESSED
    assert (
        judged({"cycles": [7201] * 9}, {"cycles": [7200] * 9})["latency_us.median"].verdict
        is Verdict.IMPROVED
    )


def test_latency_on_silicon_has_the_standard_error_of_its_median(judged):
    rng = np.random.default_rng(1)
    before = {"provenance": "measured", "cycles": rng.normal(7200, 50, 600).astype(int)}
    close = {"provenance": "measured", "cycles": rng.normal(7204, 50, 600).astype(int)}
    far = {"provenance": "measured", "cycles": rng.normal(7240, 50, 600).astype(int)}
    place = "pico@/dev/ttyACM0"
    found = judged(before, close, target=place)["latency_us.median"]
    # 1.2533 sigma / sqrt(n) each, twice, by COVERAGE; sigma is read from p95.
    expected_us = COVERAGE * math.sqrt(2) * 1.2533 * 50 / math.sqrt(600) / 125
    assert found.tolerance == pytest.approx(expected_us, rel=0.1)
    assert found.verdict is Verdict.WITHIN
    assert judged(before, far, target=place)["latency_us.median"].verdict is Verdict.REGRESSED


def test_energy_may_differ_by_its_uncertainty(judged):
    spread = 0.02
    found = judged({"spread": spread}, {"spread": spread, "each_j": 6.65e-6})["energy_uj.total"]
    # Standard deviation of -2, -1, 0, 1, 2 % over sqrt(5), of both runs; the resolution is small.
    own = [e * spread * math.sqrt(0.625) / math.sqrt(5) for e in (6.5, 6.65)]
    assert found.tolerance == pytest.approx(COVERAGE * math.hypot(*own), rel=1e-3)
    assert found.verdict is Verdict.WITHIN
    worse = judged({"spread": spread}, {"spread": spread, "each_j": 7.0e-6})
    assert worse["energy_uj.total"].verdict is Verdict.REGRESSED


def test_a_gain_error_counts_between_meters_but_not_between_emulated_ones(judged):
    emulated = judged({"gain": 0.01}, {"gain": 0.01})["energy_uj.total"]
    assert emulated.tolerance < 0.001
    measured = {"gain": 0.01, "provenance": "measured"}
    found = judged(measured, measured, target="pico@/dev/ttyACM0")["energy_uj.total"]
    assert found.tolerance == pytest.approx(COVERAGE * math.sqrt(2) * 0.065, rel=0.01)


def test_a_byte_of_flash_is_a_regression_and_a_stack_on_silicon_is_not(judged):
    found = judged({}, {"flash": 20_001, "stack": 736})
    assert found["flash_bytes"].verdict is Verdict.REGRESSED
    assert found["ram_bytes"].verdict is Verdict.REGRESSED
    measured = {"provenance": "measured"}
    found = judged(measured, measured | {"stack": 736}, target="pico@/dev/ttyACM0")
    assert found["ram_bytes"].verdict is Verdict.WITHIN


def test_bytes_may_differ_by_what_was_sent_again(judged):
    more = {"link_bytes": 24_000 + 150}
    assert judged({}, more)["comms.bytes_per_decision"].verdict is Verdict.REGRESSED
    found = judged({}, more, retries=1)["comms.bytes_per_decision"]
    assert found.tolerance == pytest.approx(2 * (24_150 / 300) / 600)
    assert found.verdict is Verdict.WITHIN


def test_quality_has_no_noise_with_the_same_network_and_that_of_seeds_with_another(judged):
    worse = {"quality": 0.845}
    assert judged({}, worse)["quality"].verdict is Verdict.REGRESSED
    other = {"model": "ff" * 32, "decisions": "ff" * 32}
    found = judged({}, worse | other)
    assert found["quality"].tolerance == pytest.approx(COVERAGE * math.sqrt(2) * SEEDS_SD)
    assert found["quality"].verdict is Verdict.WITHIN
    assert found["material_circularity"].verdict is Verdict.UNJUDGED
    far = judged({}, other | {"quality": 0.80})
    assert far["quality"].verdict is Verdict.REGRESSED


def test_on_another_cpu_a_scenario_may_differ_that_is_decided_alike(judged):
    """Its last bits do; a scenario that is really another one is decided otherwise."""
    worse = {"quality": 0.8498, "scenario": "ff" * 32}
    found = judged({}, worse)["quality"]
    assert (found.verdict, found.tolerance) == (Verdict.REGRESSED, pytest.approx(0.85e-6))
    found = judged({}, worse | {"decisions": "ff" * 32})["quality"]
    assert found.verdict is Verdict.WITHIN
    strict = judged({}, {"quality": 0.8498, "decisions": "ff" * 32})["quality"]
    assert strict.verdict is Verdict.REGRESSED, "same networks and scenario must decide the same"


def test_a_figure_that_the_run_lost_is_missing(judged):
    found = judged({}, {"each_j": None})["energy_uj.total"]
    assert (found.value, found.verdict) == (None, Verdict.MISSING)
    assert "no power meter answers" in found.reason
    assert judged({"each_j": None}, {})["energy_uj.total"].verdict is Verdict.NEW
