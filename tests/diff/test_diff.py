"""What is said of two runs: noise is noise, a change is a change, and nothing is mixed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from host.diff import Change, DiffedRun, Difference, Verdict, difference, markdown, render
from toolchain.errors import RunFolderError

Make = Callable[..., DiffedRun]


def metric(made: Difference, name: str) -> Change:
    """A figure of the metrics, or a composite."""
    changes = [*made.metrics, *(composite.change for composite in made.composites)]
    return next(change for change in changes if change.name == name)


def test_a_run_and_itself_differ_in_nothing(make_run: Make) -> None:
    made = difference(make_run(), make_run())
    assert made.settings == []
    assert {change.verdict for change in made.metrics} == {Verdict.NOISE}
    assert {composite.change.verdict for composite in made.composites} == {Verdict.NOISE}
    assert made.decisions is not None
    assert made.decisions.changed == 0
    assert not made.worse
    assert made.headline == "16 within noise"


def test_one_cycle_of_an_emulator_is_a_change(make_run: Make) -> None:
    made = difference(make_run(cycles=7200), make_run(cycles=7201))
    latency = metric(made, "latency_us.median")
    assert latency.verdict is Verdict.WORSE
    assert latency.absolute == pytest.approx(1 / 125, rel=1e-6)
    assert latency.relative == pytest.approx(1 / 7200, rel=1e-6)
    assert made.worse
    assert metric(difference(make_run(), make_run(cycles=7000)), "latency_us.p95").verdict is (
        Verdict.BETTER
    )


def test_joules_within_the_meters_noise_are_no_change(make_run: Make) -> None:
    """An emulated meter has one gain: of 1 nJ in each run, 3 x sqrt(2 windows) are allowed."""
    a = make_run(each_j=6.5e-6)
    within = metric(difference(a, make_run(each_j=6.5005e-6)), "energy_uj.total")
    assert within.verdict is Verdict.NOISE
    assert within.tolerance is not None
    assert 0 < within.absolute < within.tolerance
    worse = metric(difference(a, make_run(each_j=6.6e-6)), "energy_uj.total")
    assert worse.verdict is Verdict.WORSE
    assert worse.tolerance == pytest.approx(within.tolerance, rel=0.01)


def test_the_gain_of_two_real_meters_is_noise(make_run: Make) -> None:
    """Each gain is off by 0.6 %: 1.5 % is within 3 x 0.6 % x sqrt(2), 4 % is not."""
    a = make_run(provenance="measured")
    b = make_run(provenance="measured", each_j=6.5e-6 * 1.015)
    assert metric(difference(a, b), "energy_uj.total").verdict is Verdict.NOISE
    b = make_run(provenance="measured", each_j=6.5e-6 * 1.04)
    assert metric(difference(a, b), "energy_uj.total").verdict is Verdict.WORSE


def test_provenances_are_never_compared(make_run: Make) -> None:
    made = difference(make_run(), make_run(provenance="measured", cycles=9000))
    on_board = ("latency_us.median", "energy_uj.total", "flash_bytes", "comms.bytes_per_decision")
    for name in on_board:
        change = metric(made, name)
        assert change.verdict is Verdict.NOT_COMPARABLE, name
        assert change.reason == "A is emulated, B is measured"
        assert change.tolerance is None
        assert change.a.value is not None
        assert change.b.value is not None
    assert metric(made, "quality").verdict is Verdict.NOISE  # modelled on both sides
    assert metric(made, "composite").verdict is Verdict.NOT_COMPARABLE
    assert {c.verdict for c in made.power_states if c.name == "idle_w"} == {Verdict.NOT_COMPARABLE}
    assert not made.worse


def test_joules_of_other_assumed_currents_are_not_compared(make_run: Make) -> None:
    made = difference(make_run(), make_run(running_a=0.03, each_j=7.8e-6))
    change = metric(made, "energy_uj.total")
    assert change.verdict is Verdict.NOT_COMPARABLE
    assert "other currents" in change.reason
    assert made.networks["full"][0].verdict is Verdict.NOT_COMPARABLE
    assert metric(made, "latency_us.median").verdict is Verdict.NOISE


def test_bytes_of_two_boards_are_shown_and_not_judged(make_run: Make) -> None:
    made = difference(make_run(), make_run(board="esp32c3", flash=40_000))
    for name in ("flash_bytes", "ram_bytes"):
        change = metric(made, name)
        assert change.verdict is Verdict.NOT_COMPARABLE, name
        assert change.reason == "A is for pico, B for esp32c3"
        assert change.a.value is not None and change.b.value is not None
    assert metric(made, "quality").verdict is Verdict.NOISE


def test_another_scenario_leaves_nothing_to_say_of_decisions(make_run: Make) -> None:
    b = make_run(scenario="ee" * 32, quality=0.5, circularity=0.3, link_bytes=30_000)
    made = difference(make_run(), b)
    for name in ("quality", "material_circularity", "comms.bytes_per_decision", "composite"):
        assert metric(made, name).verdict is Verdict.NOT_COMPARABLE, name
    assert metric(made, "latency_us.median").verdict is Verdict.NOISE
    assert metric(made, "energy_uj.total").verdict is Verdict.NOISE
    assert made.decisions is None
    assert ("scenario", "sha256") in {(s.group, s.name) for s in made.settings}


def test_the_same_decisions_of_another_cpu_are_compared(make_run: Make) -> None:
    """Where the last bits of the scenario, and so its SHA-256, are others."""
    same = difference(make_run(decided="d"), make_run(scenario="ee" * 32, decided="d"))
    assert {change.verdict for change in same.metrics} == {Verdict.NOISE}
    assert same.decisions is not None
    other = difference(make_run(decided="d"), make_run(scenario="ee" * 32, decided="e"))
    assert metric(other, "quality").verdict is Verdict.NOT_COMPARABLE


def test_another_mix_of_networks_is_not_their_energy(make_run: Make) -> None:
    b = make_run(scenario="ee" * 32, decisions=(300, 300))
    made = difference(make_run(), b)
    change = metric(made, "energy_uj.total")
    assert change.verdict is Verdict.NOT_COMPARABLE
    assert "fallback decided 16.7% of A and 50.0% of B" in change.reason
    assert {c.verdict for c in made.networks["full"][:3]} == {Verdict.NOISE}
    same = difference(make_run(), make_run(decisions=(300, 300)))
    assert metric(same, "energy_uj.total").verdict is Verdict.BETTER  # of the same products


def test_other_networks_have_the_noise_of_training_seeds(make_run: Make) -> None:
    """3 x 0.0041 x sqrt(2) = 0.0174."""
    a = make_run(quality=0.85)
    close = difference(a, make_run(quality=0.84, model="ff" * 32, circularity=0.6))
    assert metric(close, "quality").verdict is Verdict.NOISE
    assert metric(close, "quality").tolerance == pytest.approx(3 * 0.0041 * math.sqrt(2))
    assert metric(close, "material_circularity").verdict is Verdict.UNKNOWN
    assert metric(close, "composite").verdict is Verdict.UNKNOWN
    far = difference(a, make_run(quality=0.82, model="ff" * 32))
    assert metric(far, "quality").verdict is Verdict.WORSE


def test_a_missing_metric_is_said_with_its_reason(make_run: Make) -> None:
    made = difference(make_run(), make_run(each_j=None))
    change = metric(made, "energy_uj.total")
    assert change.verdict is Verdict.UNAVAILABLE
    assert change.reason == "B: no power meter answers"
    assert change.absolute is None
    assert metric(made, "composite").verdict is Verdict.UNAVAILABLE
    assert "energy_per_decision is unavailable" in metric(made, "composite").reason
    both = difference(make_run(each_j=None), make_run(each_j=None))
    assert metric(both, "energy_uj.total").reason.startswith("A: no power meter answers; B: ")
    assert both.networks["full"][0].verdict is Verdict.UNAVAILABLE


def test_contributions_add_up_to_the_composites_change(make_run: Make) -> None:
    made = difference(make_run(), make_run(each_j=8e-6, link_bytes=30_000))
    for composite in made.composites:
        total = math.fsum(part.change for part in composite.contributions)
        assert total == pytest.approx(composite.change.absolute, rel=1e-9)
        assert composite.change.verdict is Verdict.WORSE
    moved = {p.metric: p.change for p in made.composites[1].contributions if p.change}
    assert set(moved) == {"energy_per_decision", "comms_overhead"}


def test_memory_is_told_by_section(make_run: Make) -> None:
    made = difference(make_run(flash=20_000), make_run(flash=19_000))
    parts = {(part.group, part.name): part.change for part in made.memory}
    assert parts == {
        ("flash", "text"): -1000,
        ("flash", "network"): 0,
        ("ram", "data"): 0,
        ("ram", "deepest stack"): 0,
    }
    assert metric(made, "flash_bytes").verdict is Verdict.BETTER


def test_layers_of_one_provenance_are_compared(make_run: Make) -> None:
    made = difference(make_run(), make_run(layer=("emulated", "cycles", 6500)))
    assert [(part.unit, part.a, part.b, part.change) for part in made.layers] == [
        ("cycles", 7000, 6500, -500),
        ("B", 900, 900, 0),
    ]
    made = difference(make_run(), make_run(layer=("modelled", "cycles", 6500)))
    assert made.layers[0].change is None
    assert "emulated / modelled" in markdown(made)
    made = difference(make_run(), make_run(layer=("emulated", "instructions", 6500)))
    assert [(part.unit, part.a, part.b) for part in made.layers] == [
        ("cycles", 7000, None),
        ("instructions", None, 6500),
        ("B", 900, 900),
    ]


def test_decisions_are_counted_by_both_dispositions(make_run: Make) -> None:
    made = difference(make_run(), make_run(actions=(0, 3, 2, -1)))
    decisions = made.decisions
    assert decisions is not None
    assert (decisions.products, decisions.changed, decisions.share) == (4, 2, 0.5)
    assert decisions.value_eur_b - decisions.value_eur_a == 2.0
    cell = {
        (a, b): decisions.matrix[i][j]
        for i, a in enumerate(decisions.dispositions)
        for j, b in enumerate(decisions.dispositions)
    }
    assert {key: n for key, n in cell.items() if n} == {
        ("REUSE", "REUSE"): 1,
        ("REMANUFACTURE", "RECYCLE"): 1,
        ("HARVEST", "HARVEST"): 1,
        ("RECYCLE", "node dead"): 1,
    }


def test_rows_of_other_products_are_refused(make_run: Make) -> None:
    with pytest.raises(RunFolderError, match="rows are of other products"):
        difference(make_run(), make_run(actions=(0, 1)))


def test_settings_that_differ_are_listed(make_run: Make) -> None:
    made = difference(make_run(), make_run(model="ff" * 32, command="jouleloop bench pico"))
    assert {(s.group, s.name, s.a, s.b) for s in made.settings} == {
        ("run", "command", "jouleloop bench pico@emulator", "jouleloop bench pico"),
        ("program", "policy network", "aa" * 6, "ff" * 6),
    }


def test_json_markdown_and_page_say_the_same(make_run: Make) -> None:
    made = difference(make_run(), make_run(cycles=9000, command="<b>|bench|</b>"))
    values = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert values["schema"] == 1
    assert values["worse"] is True
    verdicts = {change["name"]: change["verdict"] for change in values["metrics"]}
    assert verdicts["latency_us.median"] == "worse"
    text, page = markdown(made), render(made)
    assert (
        "| latency_us.median | **worse** | 57.6 | 72 | +14.4 | us | +25 % | 0 | emulated |" in text
    )
    assert "\\<b>\\|bench\\|\\</b>" in text
    assert '<b class="verdict worse">worse</b>' in page
    assert "&lt;b&gt;|bench|&lt;/b&gt;" in page
    for other in ("http:", "https:", "src=", "url("):
        assert other not in page
