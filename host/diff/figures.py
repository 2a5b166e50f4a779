"""The metrics of two runs, by the noise rules of ``hil`` (host/hil/noise.py), and what they hide.

A rule says how much a figure may differ between two runs of one program. Two runs may be of two
programs, boards or scenarios; :func:`obstacle` says where that leaves nothing to judge.
"""

from __future__ import annotations

from dataclasses import replace

from host.diff.change import Change, Figure, changed, of_uncertainties
from host.diff.run import DiffedRun
from host.hil.figures import FigureKind, figure_kind
from host.hil.noise import (
    RULES,
    Origin,
    Rule,
    Side,
    Tolerance,
    same_decisions,
)
from host.report.power import POWER_STATES

NETWORKS = ("full", "fallback")
ENERGY = "energy_per_decision"


def metric_changes(a: DiffedRun, b: DiffedRun) -> list[Change]:
    """Every figure of the eleven metrics that a rule judges, in the rules' order."""
    return [_judged(rule, a.side, b.side, obstacle(rule, a, b)) for rule in RULES]


def network_changes(a: DiffedRun, b: DiffedRun) -> dict[str, list[Change]]:
    """Energy, counts and quality of each network alone, whatever the energy budget made of them."""
    return {name: _of_network(name, a, b) for name in NETWORKS}


def power_changes(a: DiffedRun, b: DiffedRun) -> list[Change]:
    """What the node draws in each of its states, W and J."""
    changes = []
    for name in POWER_STATES:
        of_a, of_b = _power_figure(a, name), _power_figure(b, name)
        unit = "W" if name.endswith("_w") else "J"
        tolerance = of_uncertainties(of_a, of_b, "windows and meter")
        changes.append(changed(name, unit, of_a, of_b, tolerance, other_supply(a, b)))
    return changes


def obstacle(rule: Rule, a: DiffedRun, b: DiffedRun) -> str:
    """Why a rule's figure of one run does not say the same of the other; empty where it does."""
    if rule.origin is Origin.COUNTED:
        assumed = [
            r.metrics["inference_latency"]["detail"].get("cycles_per_instruction") for r in (a, b)
        ]
        return "" if assumed[0] == assumed[1] else "other cycles an instruction are assumed"
    if rule.origin is Origin.METERED:
        return other_supply(a, b) or _other_mix(a, b)
    if rule.origin in (Origin.DECIDED, Origin.SENT):
        return other_scenario(a, b)
    return other_board(a, b)


def other_board(a: DiffedRun, b: DiffedRun) -> str:
    """What is to be said of bytes, which another core's code and another memory map are made of."""
    boards = [run.result["identity"]["board"] for run in (a, b)]
    return "" if boards[0] == boards[1] else f"A is for {boards[0]}, B for {boards[1]}"


def other_scenario(a: DiffedRun, b: DiffedRun) -> str:
    """What is to be said of figures that depend on which products came back, and when.

    On another CPU the last bits of a scenario may differ, and its SHA-256 with them, while every
    decision is the same.
    """
    if a.side.scenario_sha256 == b.side.scenario_sha256 or same_decisions(a.side, b.side):
        return ""
    return "another scenario was replayed"


def other_supply(a: DiffedRun, b: DiffedRun) -> str:
    """Joules of two emulators are comparable when both assume the same of the board."""
    models = [run.result["energy_model"] for run in (a, b)]
    if models[0] is None or models[1] is None:
        return ""
    if any(models[0][key] != models[1][key] for key in ("supply_v", "current_a")):
        return "the emulated supplies assume other currents"
    cycles = [model.get("cycles_per_instruction") for model in models]
    return "" if cycles[0] == cycles[1] else "the emulators assume other cycles an instruction"


def _other_mix(a: DiffedRun, b: DiffedRun) -> str:
    """Another scenario makes another mix of both networks, which moves their mean."""
    if not other_scenario(a, b):
        return ""
    shares = [_fallback_share(run) for run in (a, b)]
    if shares[0] == shares[1]:
        return ""
    return (
        f"another scenario: the fallback decided {shares[0]:.1%} of A and {shares[1]:.1%} of B; "
        "see each network"
    )


def _fallback_share(run: DiffedRun) -> float:
    decisions = run.result["energy_saving"]["as_decided"]["decisions"]
    return decisions.get("fallback", 0) / max(1, sum(decisions.values()))


def _judged(rule: Rule, a: Side, b: Side, why_not: str) -> Change:
    kind = figure_kind(rule.figure)
    of_a, of_b = _figure(kind, a), _figure(kind, b)
    both = of_a.value is not None and of_b.value is not None
    judged = both and of_a.provenance == of_b.provenance and not why_not
    tolerance = rule.noise(rule.figure, a, b) if judged else Tolerance(None, why_not)
    return changed(
        rule.figure,
        kind.unit,
        of_a,
        of_b,
        tolerance,
        why_not,
        lower_is_better=rule.lower_is_better,
    )


def _figure(kind: FigureKind, side: Side) -> Figure:
    metric = side.metrics[kind.metric]
    reason = metric["detail"].get("reason", "")
    return Figure(kind.value(metric), metric["provenance"], kind.spread(metric), reason)


def _of_network(name: str, a: DiffedRun, b: DiffedRun) -> list[Change]:
    alone = f"{name}_only"
    energy = _side_of_network(a, name), _side_of_network(b, name)
    quality = _side_of_quality(a, alone), _side_of_quality(b, alone)
    return [
        *(
            _judged(rule, *energy, other_supply(a, b))
            for rule in RULES
            if rule.origin is Origin.METERED
        ),
        _median_counts(name, a, b),
        *(
            _judged(rule, *quality, other_scenario(a, b))
            for rule in RULES
            if rule.figure == "quality"
        ),
    ]


def _median_counts(name: str, a: DiffedRun, b: DiffedRun) -> Change:
    """What the board counts for one decision of a network."""
    counts_a, counts_b = a.result["counts"], b.result["counts"]
    repeats = a.side.emulated and b.side.emulated
    return changed(
        f"median_{counts_a}",
        counts_a,
        _counts(a, name),
        _counts(b, name),
        Tolerance(0.0, "counted by an emulator, which repeats itself")
        if repeats
        else Tolerance(None, "no spread of one network's counts is kept"),
        "" if counts_a == counts_b else f"A counts {counts_a}, B {counts_b}",
    )


def _side_of_network(run: DiffedRun, name: str) -> Side:
    """The run's side with the energy of one network in the place of the mean."""
    energy = run.metrics[ENERGY]
    metric = energy["detail"].get("modes", {}).get(name)
    if metric is None:
        reason = energy["detail"].get("reason", "there are no windows of it")
        metric = {
            "value": None,
            "unit": "J",
            "provenance": "unavailable",
            "detail": {"reason": reason},
        }
    return replace(run.side, metrics={**run.metrics, ENERGY: metric})


def _side_of_quality(run: DiffedRun, alone: str) -> Side:
    value = run.result["energy_saving"][alone]["decision_quality"]
    metric = {**run.metrics["decision_quality"], "value": value}
    return replace(run.side, metrics={**run.metrics, "decision_quality": metric})


def _counts(run: DiffedRun, network: str) -> Figure:
    """Median of one decision of a network, in whichever replay it decided."""
    saving, counts = run.result["energy_saving"], run.result["counts"]
    for case in (saving[f"{network}_only"], saving["as_decided"]):
        value = (case.get(f"median_{counts}") or {}).get(network)
        if value is not None:
            return Figure(value, str(run.side.provenance))
    return Figure(None, "unavailable", reason="it decided nothing")


def _power_figure(run: DiffedRun, name: str) -> Figure:
    states = run.result["power_states"]
    figure = states[name]
    if figure is None:
        return Figure(None, "unavailable", reason=states["reasons"].get(name, "not measured"))
    return Figure(figure["value"], figure["provenance"], figure["uncertainty"])
