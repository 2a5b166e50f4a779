"""What ``jouleloop score`` does: find the policy and its scenarios, run the benchmark, sum up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from host.chain.commands import recorded_settings
from host.chain.settings import GeneratorName, PresetName, Settings
from host.chain.stages import replayed_scenario, scenario_parameters
from host.presets import GivenGenerator, GivenPreset, generator_name, preset_name
from host.run import RUNS, RunFolder, find_run, write_json
from host.score.policies import baseline_specs, read_policies
from host.score.runner import GenerativeBenchmarkRunner, require_workers
from host.score.summary import summarise
from toolchain.environment import BASELINES
from toolchain.errors import InputError
from toolchain.progress import working
from toolchain.scenario import Basis

MIN_SCENARIOS = 20
"""Fewest held-out scenarios that a score is given for."""

RESULT_FILE = "score.json"


def score(
    policy: str,
    *,
    n_scenarios: int = MIN_SCENARIOS,
    like: Path | str | None = None,
    preset: GivenPreset = None,
    generator: GivenGenerator = None,
    seed: int | None = None,
    out: Path | str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    console: Console | None = None,
) -> tuple[dict[str, Any], Path]:
    """Score a policy beside every baseline on held-out scenarios.

    Args:
        policy: see :func:`~host.score.policies.read_policies`.
        n_scenarios: at least :data:`MIN_SCENARIOS`.
        like: run folder whose kind of scenarios is used; None for the policy's own.
        preset: size of the scenarios; None for the run folder's, or the default.
        generator: of the scenarios; likewise.
        seed: that the scenarios' seeds follow from; likewise.
        out: folder of the results; None for one that is named after the job.
        workers: see :meth:`GenerativeBenchmarkRunner.run`.
        scheduler: likewise.
        console: for progress; None for nowhere.

    Returns:
        the summary, and its file.

    Raises:
        InputError: the policy or a setting cannot be used.
        RunFolderError: a folder is of another job.
    """
    if like is not None and not Path(like).is_dir():
        raise InputError(f"{like} is not a folder", hint="name a run folder with --like")
    if n_scenarios < MIN_SCENARIOS:
        raise InputError(
            f"{n_scenarios} scenarios, must be at least {MIN_SCENARIOS}",
            hint="fewer give no interval that is worth the name",
        )
    own = read_policies(policy)
    basis, chosen_seed = _basis(
        Path(like or policy), preset_name(preset), generator_name(generator), seed
    )
    if any(spec.name in BASELINES for spec in own):
        raise InputError(f"{policy}: a policy must not be named like a baseline")
    if workers is not None:
        require_workers(workers)
    with working(console, "bid prices"):
        specs = (*baseline_specs(basis, chosen_seed), *own)
    runner = GenerativeBenchmarkRunner(n_scenarios, policies=specs, basis=basis, seed=chosen_seed)
    folder = Path(out) if out else RUNS / f"score-{runner.job.key[:12]}"
    results = runner.run(folder, workers=workers, scheduler=scheduler, console=console)
    subject = own[-1].name if own else policy
    summary = summarise(results, subject, chosen_seed, runner.job.as_json())
    write_json(folder / RESULT_FILE, summary)
    return summary, folder / RESULT_FILE


def _basis(
    like: Path, preset: PresetName | None, generator: GeneratorName | None, seed: int | None
) -> tuple[Basis, int]:
    """What the scenarios are drawn like: the run folder's settings, unless others are given."""
    recorded = Settings()
    if like.is_dir():
        folder = RunFolder(find_run(like), "")
        recorded = recorded_settings(folder)
        if recorded.tables:
            if preset is not None or generator is not None:
                raise InputError(
                    f"{like} has tables of its own, so no size or generator can be chosen",
                    hint="leave out --preset and --generator",
                )
            return replayed_scenario(folder), recorded.seed if seed is None else seed
    settings = Settings(
        preset or recorded.preset,
        recorded.seed if seed is None else seed,
        generator or recorded.generator,
    )
    return scenario_parameters(settings), settings.seed


def print_score(summary: dict[str, Any], file: Path, console: Console) -> None:
    """Print every policy with its interval, and the difference to the best causal baseline."""
    table = Table(box=None, pad_edge=False)
    table.add_column("policy", overflow="fold")
    for title in ("quality", "95 % interval", "value EUR", "circularity", "waste kg"):
        table.add_column(title, justify="right", no_wrap=True)
    subject = summary["policy"]
    for name, entry in summary["policies"].items():
        quality = entry["decision_quality"]
        table.add_row(
            name,
            "-" if quality is None else f"{quality['mean']:.4f}",
            "-" if quality is None else f"{quality['low']:.4f} .. {quality['high']:.4f}",
            f"{entry['value_eur']:,.0f}",
            _figure(entry["material_circularity"]),
            _figure(entry["waste_generation"]),
            style="bold" if name == subject else None,
        )
    optimum_eur = summary["hindsight_optimum_eur"]
    table.add_row("hindsight_optimum", "1", "-", f"{optimum_eur:,.0f}", "-", "-")
    console.print(table)
    console.print()
    left = f", {summary['undefined']} left out as undefined" if summary["undefined"] else ""
    console.print(
        f"{len(summary['scenarios'])} held-out scenarios{left}; modelled",
        markup=False,
    )
    for name, runtime in summary["job"].get("ran_by", {}).items():
        console.print(
            f"{name} was run by {runtime}: a board may decide some products otherwise",
            markup=False,
        )
    for name, entry in summary["policies"].items():
        if entry["stopped"]:
            console.print(
                f"{name} was stopped in {entry['stopped']} scenarios: more than "
                f"{summary['job']['waste_limit_kg']:g} kg of waste per product",
                markup=False,
            )
    difference = summary["difference"]
    if difference is not None:
        console.print(
            f"{subject} against {summary['best_causal_baseline']}, the best causal baseline, on "
            f"the same scenarios: {difference['mean']:+.4f} "
            f"({difference['low']:+.4f} to {difference['high']:+.4f})",
            markup=False,
        )
    console.print(f"result  {file}", markup=False, soft_wrap=True)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
