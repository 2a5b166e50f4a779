"""What ``jouleloop quantize --report`` prints."""

from __future__ import annotations

import copy

import pytest
from rich.console import Console

from host.chain.quantization import missed_limits
from host.report.quantization import print_quantization
from toolchain.errors import InputError
from toolchain.quantize.agreement import visited_states

LAYER = {
    "seen_min": 0.0,
    "seen_max": 4.1,
    "representable_min": 0.0,
    "representable_max": 4.0,
    "scale": 0.0157,
    "saturated": 0.02,
    "equal_decisions_alone": 0.991,
}
SUMMARY = {
    "method": "post-training",
    "equal_decisions": 0.988,
    "states": 1300,
    "quality": {"scenarios": 4, "float": 0.85, "int8": 0.848, "kept": 0.9976},
    "limits": {"least_quality_kept": 0.99, "least_equal_decisions": 0.97, "met": True},
    "report": {
        "input": LAYER,
        "layers": [LAYER | {"shape": [24, 44]}],
        "changed": {"DISPOSE -> RECYCLE": 6},
        "near_ties": 0.5,
    },
    "fallback": {
        "widths": [24, 8, 5],
        "macs": 232,
        "full_macs": 2134,
        "quality": 0.8,
        "full_quality": 0.848,
        "kept": 0.943,
        "equal_decisions": 0.9,
    },
}
VARIANT = {
    "quality": 0.84,
    "equal_decisions": 0.95,
    "tflite_bytes": 5432,
    "gzip_bytes": 3210,
    "widths": [24, 22, 11, 5],
    "ran_by": "tflite-micro",
}


def printed(summary, width: int = 120) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        print_quantization(summary, console)
    return captured.get()


def test_ranges_saturation_and_lost_agreement_are_printed():
    text = printed(SUMMARY)
    assert "98.80% of 1,300 decisions equal" in text and "99.76% kept" in text
    assert "97% equal and 99% of the quality kept: met" in text
    row = next(line for line in text.splitlines() if line.startswith("dense 0 24x44"))
    assert row.split()[3:] == ["0", "..", "4.1", "0", "..", "4", "0.0157", "2.000%", "99.10%"]
    assert "DISPOSE -> RECYCLE 6" in text and "50% of the changed" in text
    assert "variant" not in text


@pytest.mark.parametrize("met", [True, False])
def test_variants_and_missed_limits_are_printed(met):
    summary = copy.deepcopy(SUMMARY) | {"variants": {"narrow": VARIANT}}
    summary["limits"]["met"] = met
    text = printed(summary)
    assert ("NOT MET" in text) != met
    row = next(line for line in text.splitlines() if line.startswith("narrow"))
    wanted = ["0.8400", "98.82%", "95.00%", "5,432", "3,210", "24-22-11-5"]
    assert row.split()[1:] == wanted
    assert "run by tflite-micro" in text


def test_it_fits_a_narrow_terminal():
    variants = {"quantization_aware": VARIANT | {"quality": 0.8551}, "int16_activations": VARIANT}
    text = printed(SUMMARY | {"variants": variants}, width=80)
    assert all(len(line) <= 80 for line in text.splitlines()) and "…" not in text


def test_a_limit_that_is_missed_is_said_without_being_asked():
    assert missed_limits(SUMMARY) == ""
    missed = copy.deepcopy(SUMMARY)
    missed["limits"]["met"] = False
    missed["equal_decisions"] = 0.91
    said = missed_limits(missed)
    assert "91.00% of the decisions are the float policy's (at least 97%)" in said
    assert "99.76% of its quality kept (at least 99%)" in said
    assert missed_limits({"method": "given"}) == ""


def test_no_scenario_has_no_states() -> None:
    with pytest.raises(InputError, match="no scenario is left"):
        visited_states(None, [])
