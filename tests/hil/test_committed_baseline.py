"""The figures that CI holds every change against, and that the gate shuts."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from host.hil import RULES, hil, read_baseline

HERE = Path(__file__).parent
COMMITTED = HERE / "baselines" / "emulated.json"
TARGETS = ("pico@emulator", "esp32c3@emulator")


@pytest.fixture
def gate(fake, tmp_path):
    """The exit code of figures as committed, against the committed ones after a change to them."""
    entries = read_baseline(COMMITTED).entries
    accepted = json.loads(COMMITTED.read_text(encoding="utf-8"))
    fake(
        {
            entry.target: {
                "identity": entry.identity,
                "scenario": {"sha256": entry.scenario_sha256},
                "training": entry.training,
                "agreement": {"decisions_sha256": entry.decisions_sha256},
                "metrics": {n: m.model_dump(mode="json") for n, m in entry.metrics.items()},
            }
            for entry in entries
        }
    )

    def run(change):
        for entry in accepted["entries"]:
            change(entry)
        file = tmp_path / "baseline.json"
        file.write_text(json.dumps(accepted))
        console = Console(file=io.StringIO())
        return hil(TARGETS, baseline=file, out=tmp_path / "out", console=console)

    return run


def test_it_is_of_the_committed_policy_and_has_every_figure():
    entries = read_baseline(COMMITTED).entries
    assert {entry.target for entry in entries} == set(TARGETS)
    files = (HERE / "policy").glob("*.tflite")
    sha256 = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    for entry in entries:
        assert entry.training == {"given": sha256}
        assert entry.variant.policy == "tests/hil/policy", "as it is called from the checkout"
        assert entry.identity["model_sha256"] == sha256["policy.tflite"]
        assert entry.identity["fallback_sha256"] == sha256["policy_fallback.tflite"]
        assert all(entry.side().value(rule.figure) is not None for rule in RULES)


def test_the_same_figures_pass(gate):
    reports, code = gate(lambda entry: None)
    assert code == 0
    assert [str(v) for r in reports for v in r.verdicts] == ["within", "within"]


@pytest.mark.parametrize(
    ("metric", "detail", "by"),
    [
        ("inference_latency", None, -1 / 160e6),
        ("memory_footprint", "flash_bytes", -1),
        ("memory_footprint", "ram_bytes", -1),
        ("comms_overhead", None, -0.01),
        ("energy_per_decision", "total_j", -0.5e-6),
        ("decision_quality", None, 1e-4),
    ],
)
def test_a_cycle_or_a_byte_more_than_accepted_fails(gate, metric, detail, by):
    def doctor(entry):
        place = entry["metrics"][metric]
        if detail is None:
            place["value"] += by
        else:
            place["detail"][detail] += by

    reports, code = gate(doctor)
    assert code == 1
    assert all(report.regressed for report in reports)
