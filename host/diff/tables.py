"""The difference as tables of words, which terminal, Markdown and page only lay out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from host.diff.change import Change
from host.diff.composite import CompositeChange
from host.diff.decisions import DecisionChanges
from host.diff.difference import Difference
from host.diff.parts import Counted
from host.report.figures import PREFIXED, format_value
from host.report.power import POWER_STATES

SAME = "="
NONE = "-"
WHOLE = ("B", "cycles", "instructions")
"""Units whose figures have all their digits."""


@dataclass(frozen=True)
class Cell:
    """A cell: its text, and what kind of word it is.

    Attributes:
        text: of the cell.
        kind: a :class:`~host.diff.change.Verdict`, a provenance, or empty for plain text.
    """

    text: str
    kind: str = ""


@dataclass(frozen=True)
class DiffTable:
    """One table of the difference.

    Attributes:
        title: above it.
        columns: headings; those of figures, which are set right, in ``figures``.
        rows: as many cells each.
        figures: headings of the columns that hold figures.
        note: a sentence above it; empty for none.
        reasons: of the verdicts, beneath it: the rows that each is of.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    figures: frozenset[str] = field(default_factory=frozenset)
    note: str = ""
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict)


JUDGED_COLUMNS = (
    "figure",
    "verdict",
    "A",
    "B",
    "change",
    "unit",
    "relative",
    "tolerance",
    "provenance",
)
FIGURES = frozenset({"A", "B", "change", "relative", "tolerance", "weight"})


def tables(difference: Difference) -> Iterator[DiffTable]:
    """All tables that have something in them, in the order that they are read in."""
    for table in _all_tables(difference):
        if table.rows or table.note:
            yield table


def _all_tables(difference: Difference) -> Iterator[DiffTable]:
    d = difference
    yield DiffTable(
        "Settings that differ",
        ("of", "setting", "A", "B"),
        [[Cell(s.group), Cell(s.name), Cell(s.a), Cell(s.b)] for s in d.settings],
        note="" if d.settings else "None: the same command, code, inputs and versions.",
    )
    scores = [composite.change for composite in d.composites]
    yield _judged("The eleven metrics and the composites", [*d.metrics, *scores])
    for composite in d.composites:
        yield _contributions(composite)
    for name, changes in d.networks.items():
        yield _judged(f"The {name} network alone", changes)
    yield _judged("Power states", d.power_states, POWER_STATES)
    yield _counted("Memory by section", "region", "section", d.memory)
    yield _counted("Layers", "network", "layer", d.layers)
    yield _decisions(d.decisions)
    yield DiffTable(
        "Baselines",
        ("policy", "value A", "value B", "quality A", "quality B"),
        [
            [
                Cell(b.policy),
                *(
                    Cell(NONE if v is None else f"{v:,.0f} EUR")
                    for v in (b.value_eur_a, b.value_eur_b)
                ),
                *(Cell(format_value(q, "")) for q in (b.quality_a, b.quality_b)),
            ]
            for b in d.baselines
        ],
        frozenset({"value A", "value B", "quality A", "quality B"}),
        "" if d.same_scenario else "Of two scenarios: the values are not comparable.",
    )


def _judged(
    title: str, changes: Sequence[Change], names: dict[str, str] | None = None
) -> DiffTable:
    named = names or {}
    rows = [
        [
            Cell(named.get(c.name, c.name)),
            Cell(str(c.verdict), c.verdict),
            Cell(_text(c.a.value, c.unit)),
            Cell(_text(c.b.value, c.unit)),
            Cell(_signed(c.absolute, c.unit)),
            Cell(_unit(c.unit)),
            Cell(_per_cent(c.relative)),
            Cell(NONE if c.tolerance is None else _text(c.tolerance, c.unit)),
            _provenances(c.a.provenance, c.b.provenance),
        ]
        for c in changes
    ]
    reasons: dict[str, list[str]] = {}
    for c in changes:
        if c.reason:
            reasons.setdefault(c.reason, []).append(named.get(c.name, c.name))
    return DiffTable(title, JUDGED_COLUMNS, rows, FIGURES, reasons=reasons)


def _text(value: float | None, unit: str) -> str:
    """A figure without its unit, which has a column, unless a prefix makes it another."""
    if value is None or unit in PREFIXED:
        return format_value(value, unit)
    if unit in WHOLE and value == round(value):
        return f"{value:,.0f}"
    return format_value(value, "")


def _signed(change: float | None, unit: str) -> str:
    if change is None:
        return NONE
    if change == 0:
        return SAME
    return ("+" if change > 0 else "-") + _text(abs(change), unit)


def _unit(unit: str) -> str:
    return "" if unit in PREFIXED or unit == "1" else unit


def _per_cent(share: float | None) -> str:
    if share is None:
        return NONE
    return SAME if share == 0 else f"{share * 100:+.3g} %"


def _provenances(of_a: str, of_b: str) -> Cell:
    return Cell(of_a, of_a) if of_a == of_b else Cell(f"{of_a} / {of_b}")


def _contributions(composite: CompositeChange) -> DiffTable:
    change = composite.change
    rows = [
        [
            Cell(part.metric),
            Cell(str(part.verdict), part.verdict),
            Cell(f"{part.weight:g}"),
            Cell(format_value(part.score_a, "")),
            Cell(format_value(part.score_b, "")),
            Cell(SAME if part.change == 0 else f"{part.change:+.4f}"),
        ]
        for part in sorted(composite.contributions, key=lambda part: -abs(part.change))
    ]
    columns = ("metric", "verdict", "weight", "A", "B", "change")
    note = f"{change.name} {_signed(change.absolute, '')}, the sum of:" if rows else ""
    return DiffTable(f"What moved {change.name}", columns, rows, FIGURES, note)


def _counted(title: str, group: str, name: str, parts: Sequence[Counted]) -> DiffTable:
    of_provenance = any(part.provenance_a or part.provenance_b for part in parts)
    rows = []
    for part in parts:
        row = [
            Cell(part.group),
            Cell(part.name),
            *(Cell(NONE if v is None else f"{v:,.0f} {part.unit}") for v in (part.a, part.b)),
            Cell(_whole(part.change, part.unit)),
        ]
        if of_provenance:
            row.append(_provenances(part.provenance_a, part.provenance_b))
        rows.append(row)
    columns = (group, name, "A", "B", "change", *(["provenance"] if of_provenance else []))
    return DiffTable(title, columns, rows, FIGURES)


def _whole(change: float | None, unit: str) -> str:
    if change is None:
        return NONE
    return SAME if change == 0 else f"{change:+,.0f} {unit}"


def _decisions(decisions: DecisionChanges | None) -> DiffTable:
    title = "Decisions that differ"
    if decisions is None:
        return DiffTable(
            title, (), [], note="Another scenario was replayed: no product is in both."
        )
    d = decisions
    note = (
        f"{d.changed:,} of {d.products:,} products ({d.share:.2%}) were decided otherwise, "
        f"{d.realised:,} came to another disposition, {d.modes:,} were decided by the other "
        f"network; value {d.value_eur_a:,.0f} EUR in A, {d.value_eur_b:,.0f} EUR in B."
    )
    if not d.changed:
        return DiffTable(title, (), [], note=note)
    columns = ("A \\ B", *d.dispositions)
    rows = [
        [Cell(name), *(Cell(f"{n:,}" if n else ".") for n in counts)]
        for name, counts in zip(d.dispositions, d.matrix, strict=True)
    ]
    return DiffTable(title, columns, rows, frozenset(d.dispositions), note)


def heading(difference: Difference) -> list[tuple[str, str]]:
    """The two runs: a letter, and what to say of each."""
    lines = []
    for letter, run in (("A", difference.a), ("B", difference.b)):
        result = run.result
        scenario = result["scenario"]
        lines.append(
            (
                letter,
                f"{run.path}: {result['target']} ({run.side.provenance}), "
                f"{scenario['generator']} {scenario['seed']}, {scenario['products']:,} products, "
                f"engine {result['identity']['engine']}, image "
                f"{result['identity']['image_sha256'][:12]}",
            )
        )
    return lines
