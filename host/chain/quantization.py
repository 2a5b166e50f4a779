"""The quantize stage: INT8 from the float policy, judged on scenarios that it never saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from host.chain.settings import Settings
from host.run import RunFolder, write_json
from toolchain.errors import InputError, RunFolderError
from toolchain.scenario import Scenario

if TYPE_CHECKING:
    from toolchain.quantize.variants import Variant

METHODS = ("post-training", "quantization-aware")
MODEL_FILE = "policy.tflite"
FLOAT_MODEL_FILE = "policy_float.tflite"
FALLBACK_FILE = "policy_fallback.tflite"
SUMMARY_FILE = "quantization.json"
VISITED_SCENARIOS = 3
"""Training scenarios whose states are calibrated and compared on."""
DISTILLED_SCENARIOS = 20
"""Those in which a network is trained to decide as the policy does, the fallback for one."""
LEAST_QUALITY_KEPT = 0.99
LEAST_EQUAL_DECISIONS = 0.97


@dataclass(frozen=True)
class QuantizePlan:
    """How the policy is quantized.

    Attributes:
        method: one of :data:`METHODS`.
        variants: also make the other compressions.
    """

    method: str
    variants: bool


def quantize_plan(method: str | None, variants: bool) -> QuantizePlan:
    """A checked plan; no method means post-training.

    Raises:
        InputError: an unknown method.
    """
    if method is not None and method not in METHODS:
        raise InputError(f"unknown method {method!r}", hint=f"use one of {', '.join(METHODS)}")
    return QuantizePlan(method or METHODS[0], variants)


def quantize_policy(
    plan: QuantizePlan,
    policy_file: Path,
    training_scenarios: Callable[[int], list[Scenario]],
    validation: Sequence[Scenario],
    settings: Settings,
    path: Path,
) -> None:
    """Fill the stage's folder: the models, the fallback among them, and ``quantization.json``.

    Args:
        plan: how.
        policy_file: the float policy.
        training_scenarios: the first so many of them; their states calibrate.
        validation: scenarios that quality is compared on.
        settings: seed and number of calibration states.
        path: the stage's folder.
    """
    from toolchain.policy.dense import DensePolicy
    from toolchain.policy.validation import Validation
    from toolchain.quantize import QuantizedPolicy, convert, make_fallback, narrowed
    from toolchain.quantize.agreement import agreement, visited_states
    from toolchain.quantize.distil import DistilKnobs, distil
    from toolchain.quantize.report import layer_report
    from toolchain.quantize.variants import make_variants

    policy = DensePolicy.load(policy_file)
    scenarios = training_scenarios(DISTILLED_SCENARIOS)
    states, masks = visited_states(policy, scenarios[:VISITED_SCENARIOS])
    used, held_out = _calibrated_on(len(states), settings)
    calibration, allowed = states[used], masks[used]
    trains = plan.variants or plan.method != METHODS[0]
    more = visited_states(policy, scenarios[VISITED_SCENARIOS:]) if trains else (states, masks)
    source = policy
    if plan.method != METHODS[0]:
        source = distil(policy, *more, DistilKnobs(settings.seed, fake_quantization=True))
    network = narrowed(source, calibration, allowed)
    model = convert(network, calibration)
    (path / MODEL_FILE).write_bytes(model)
    (path / FLOAT_MODEL_FILE).write_bytes(convert(policy, None))
    int8 = QuantizedPolicy(model)
    judge = Validation(validation)
    before, after = judge.quality(policy), judge.quality(int8)
    kept = float(after.mean() / before.mean())
    fallback = make_fallback(policy, int8, (calibration, allowed), scenarios, judge, settings.seed)
    (path / FALLBACK_FILE).write_bytes(fallback.model)
    summary: dict[str, Any] = agreement(policy, int8, states[held_out], masks[held_out]) | {
        "method": plan.method,
        "calibration_states": len(used),
        "model_bytes": len(model),
        "quality": {
            "scenarios": len(validation),
            "float": float(before.mean()),
            "int8": float(after.mean()),
            "kept": kept,
        },
        "report": layer_report(network, int8, states[held_out], masks[held_out]),
        "fallback": fallback.summary,
    }
    summary["limits"] = {
        "least_quality_kept": LEAST_QUALITY_KEPT,
        "least_equal_decisions": LEAST_EQUAL_DECISIONS,
        "met": kept >= LEAST_QUALITY_KEPT and summary["equal_decisions"] >= LEAST_EQUAL_DECISIONS,
    }
    if plan.variants:
        made = make_variants(policy, (calibration, allowed), *more, judge, settings.seed)
        for variant in made:
            (path / f"policy_{variant.name}.tflite").write_bytes(variant.model)
        summary["variants"] = {variant.name: variant.summary for variant in made}
    write_json(path / SUMMARY_FILE, summary)


def _calibrated_on(n_states: int, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Which of the visited states calibrate, and which are held out."""
    chosen = np.random.default_rng(settings.seed).permutation(n_states)
    n = min(settings.sizes.calibration_states, n_states // 2)
    return np.sort(chosen[:n]), np.sort(chosen[n:])


def compress_policy(
    policy_file: Path,
    training_scenarios: Callable[[int], list[Scenario]],
    validation: Sequence[Scenario],
    settings: Settings,
    on_step: Callable[[str], None],
) -> list[Variant]:
    """The other compressions of a policy, as ``quantize --variants`` makes them.

    Args:
        policy_file: the float policy.
        training_scenarios: the first so many of them; their states calibrate and train.
        validation: scenarios that they are judged on.
        settings: seed and number of calibration states.
        on_step: called with each one's name.
    """
    from toolchain.policy.dense import DensePolicy
    from toolchain.policy.validation import Validation
    from toolchain.quantize.agreement import visited_states
    from toolchain.quantize.variants import make_variants

    policy = DensePolicy.load(policy_file)
    scenarios = training_scenarios(DISTILLED_SCENARIOS)
    states, masks = visited_states(policy, scenarios[:VISITED_SCENARIOS])
    used, _ = _calibrated_on(len(states), settings)
    more = visited_states(policy, scenarios[VISITED_SCENARIOS:])
    judge = Validation(validation)
    return make_variants(policy, (states[used], masks[used]), *more, judge, settings.seed, on_step)


def quantized_models(folder: RunFolder) -> tuple[bytes, bytes]:
    """The INT8 models of the policy and of its fallback that a run folder holds.

    Raises:
        RunFolderError: the stage is missing or altered, or was made before there was a fallback.
    """
    stage = folder.artifact("quantize")
    missing = [name for name in (MODEL_FILE, FALLBACK_FILE) if not (stage / name).is_file()]
    if missing:
        raise RunFolderError(
            f"{stage} has no {' and no '.join(missing)}: it was made by an earlier version",
            hint=f"run 'jouleloop quantize --out {folder.path}'",
        )
    return (stage / MODEL_FILE).read_bytes(), (stage / FALLBACK_FILE).read_bytes()


def missed_limits(summary: Mapping[str, Any]) -> str:
    """A sentence on the limits that a quantization does not keep; empty where it keeps them."""
    limits = summary.get("limits")
    if limits is None or limits["met"]:
        return ""
    return (
        f"LIMITS NOT MET: {summary['equal_decisions']:.2%} of the decisions are the float policy's "
        f"(at least {limits['least_equal_decisions']:.0%}), {summary['quality']['kept']:.2%} of "
        f"its quality kept (at least {limits['least_quality_kept']:.0%}); "
        "'jouleloop quantize --report' shows where it is lost, --method quantization-aware may "
        "keep more"
    )


def quantization_report(out: Path) -> dict[str, Any]:
    """What ``quantize`` recorded in a run folder, as JSON values.

    Raises:
        RunFolderError: the stage is missing, or its files were changed.
    """
    return read_summary(RunFolder(out, ""))


def read_summary(folder: RunFolder) -> dict[str, Any]:
    """The same, of a folder that is open."""
    file = folder.artifact("quantize") / SUMMARY_FILE
    if not file.exists():
        raise RunFolderError(f"{file} is missing", hint="run 'jouleloop quantize --force'")
    summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return summary
