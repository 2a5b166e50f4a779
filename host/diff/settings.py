"""In what two runs were made differently: inputs, networks, board, instruments, versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from host.diff.run import DiffedRun

ABSENT = "-"
IDENTITY = {
    "board": "board",
    "chip_id": "chip",
    "firmware": "firmware",
    "engine": "engine",
    "image_sha256": "image",
    "model_sha256": "policy network",
    "fallback_sha256": "fallback network",
    "clock_hz": "clock, Hz",
    "protocol": "protocol",
    "input_element": "input element",
    "output_element": "output element",
    "arena_bytes": "arena, B",
}
"""Fields of the identity and what they are called."""


@dataclass(frozen=True)
class Setting:
    """A setting that differs.

    Attributes:
        group: of what, such as ``scenario``.
        name: of the setting.
        a: of run A, in words.
        b: of run B.
    """

    group: str
    name: str
    a: str
    b: str

    def as_dict(self) -> dict[str, str]:
        """JSON values."""
        return asdict(self)


def setting_changes(a: DiffedRun, b: DiffedRun) -> list[Setting]:
    """Every setting that differs, grouped; nothing for two runs of the same command and code."""
    of_a, of_b = _settings(a), _settings(b)
    shared = {("code", stage) for stage in a.stages if stage in b.stages}
    of_a, of_b = (
        {key: text for key, text in of.items() if key[0] != "code" or key in shared}
        for of in (of_a, of_b)
    )
    if a.result["identity"]["board"] == b.result["identity"]["board"]:
        of_a |= _board_file(a)
        of_b |= _board_file(b)
    return [
        Setting(*key, of_a.get(key, ABSENT), of_b.get(key, ABSENT))
        for key in dict.fromkeys([*of_a, *of_b])
        if of_a.get(key) != of_b.get(key)
    ]


def _settings(run: DiffedRun) -> dict[tuple[str, str], str]:
    result = run.result
    scenario, training, meter = result["scenario"], result["training"], result["meter"]
    parameters = {name: entry["parameters"] for name, entry in run.stages.items()}
    generated, compiled = parameters.get("generate", {}), parameters.get("compile", {})
    groups: dict[str, Mapping[str, Any]] = {
        "run": {"target": result["target"], "command": "; ".join(result["reproduce"])},
        "scenario": {
            "preset": generated.get("preset"),
            "tables": ", ".join(f"{k} {v[:12]}" for k, v in generated.get("tables", {}).items()),
            **scenario,
        },
        "policy": {
            "algorithm": training.get("algorithm"),
            "widths": _widths(training.get("widths")),
            "training seed": training.get("chosen_seed"),
            "quantization": result["quantization"]["method"],
            "fallback widths": _widths(result["quantization"]["fallback"].get("widths")),
            **{f"given {file}": sha256 for file, sha256 in training.get("given", {}).items()},
        },
        "program": {
            "kernels": compiled.get("kernels"),
            "flash budget, B": compiled.get("flash_budget") or "full",
            **{title: result["identity"].get(key) for key, title in IDENTITY.items()},
        },
        "energy": {
            "budget, J a day": result["energy_saving"]["budget_j_per_decision_cycle"] or "none",
            "meter": meter["kind"],
            "meter's serial": meter.get("serial"),
            **{f"meter, {k}": v for k, v in meter.get("settings", {}).items()},
        },
        "versions": {"jouleloop": result["jouleloop"], **result["environment"]},
        "code": {stage: entry.get("code") for stage, entry in run.stages.items()},
    }
    return {
        (group, name): _text(value)
        for group, values in groups.items()
        for name, value in values.items()
        if value is not None
    }


def _board_file(run: DiffedRun) -> dict[tuple[str, str], str]:
    """The board file that the replay was made with, where both are of one board."""
    parameters = run.stages.get("replay", {}).get("parameters", {})
    return {("board file", k): v for k, v in _flat(parameters.get("board", {}))}


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines += _flat(value, f"{prefix}{name}.")
        else:
            lines.append((prefix + name, _text(value)))
    return lines


def _text(value: Any) -> str:
    text = str(value)
    hexadecimal = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return text[:12] if hexadecimal else text


def _widths(widths: Any) -> str | None:
    return None if widths is None else "-".join(map(str, widths))
