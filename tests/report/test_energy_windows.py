"""The plot of the energy windows, where not all of them count."""

from __future__ import annotations

from host.report.plots.energy import energy_windows

RAN = {
    "mode": "full",
    "kind": "inference",
    "iterations": 9,
    "elapsed_us": 60_000,
    "begun_us": 0,
    "reading": None,
}
JUDGED = {
    "mode": "full",
    "kind": "inference",
    "iterations": 9,
    "elapsed_s": 0.06,
    "energy_j": 0.006,
    "accepted": True,
    "reason": "",
}


def test_windows_that_nothing_has_measured_are_no_plot() -> None:
    ran = [{**RAN, "warm_up": True}, {**RAN, "warm_up": False}]
    assert energy_windows([], ran, {}, "unavailable") is None


def test_a_warm_up_does_not_count() -> None:
    ran = [{**RAN, "warm_up": True}, {**RAN, "begun_us": 70_000, "warm_up": False}]
    plot = energy_windows([JUDGED], ran, {}, "emulated")
    assert plot is not None and plot.label.startswith("1 windows that count, 0 refused")
    assert [row[-1] for row in plot.table.rows] == ["warm-up", "counted"]
