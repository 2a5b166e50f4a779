"""Commands about results: what runs there are, what they found, and how good a policy is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from host.cli.completing import policies, run_folders
from host.cli.completing import runs as known_runs
from host.cli.exits import ExitCode
from host.cli.options import ForceOption, GeneratorOption, OutOption, run_folder
from host.cli.output import JsonOption, command_line, doing, messages, print_json, results
from host.presets import PresetName


def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="where run folders are looked for")
    ] = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """List the run folders, the newest first: how far each got, and what it found.

    Examples:
        jouleloop runs
        jouleloop runs runs/campaign --json
    """
    from host.run import list_runs
    from host.run.console import print_runs, runs_as_json

    found = list_runs(folder)
    if as_json:
        print_json(runs_as_json(found, folder))
    else:
        print_runs(found, folder, results())


def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="a run folder, or its name under runs/", autocompletion=known_runs
        ),
    ],
    what: Annotated[
        str | None,
        typer.Argument(metavar="METRIC|STAGE", help="one metric in full, or how a stage was made"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the result of a run, one of its metrics with its definition, or one of its stages.

    Examples:
        jouleloop show pico-quick-42
        jouleloop show runs/pico-quick-42 energy_per_decision
        jouleloop show pico-quick-42 replay --json
    """
    from host.report import print_result
    from host.run import RunFolder, find_run, finished_run
    from host.run.console import print_metric, print_stage, shown_metric, shown_stage

    path = find_run(run)
    folder = RunFolder(path, "")
    if what in folder.stages:
        entry = shown_stage(folder, what)
        print_json(entry) if as_json else print_stage(entry, results())
        return
    _, result = finished_run(path)
    if what is None:
        print_json(result) if as_json else print_result(result, path, results())
    else:
        metric = shown_metric(result, what)
        print_json(metric) if as_json else print_metric(metric, results())


def diff(
    run_a: Annotated[
        str,
        typer.Argument(
            metavar="RUN_A", help="a run folder, or its name under runs/", autocompletion=known_runs
        ),
    ],
    run_b: Annotated[
        str,
        typer.Argument(metavar="RUN_B", help="what is compared with it", autocompletion=known_runs),
    ],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="write one self-contained page")
    ] = None,
    as_markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="write it for a pull request")
    ] = None,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="end with 1 when a figure got worse by more than noise"),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what changed from one run to another, with what is noise marked as noise.

    Any two finished runs: of another board, seed, budget or version. The tolerances are those of
    'jouleloop hil'; figures of another provenance are shown and not compared.

    Examples:
        jouleloop diff runs/pico-quick-42 runs/small
        jouleloop diff pico-quick-42 small --html diff.html --markdown diff.md --exit-code
    """
    with doing("starting"):
        from host.diff import diff_runs, markdown, print_diff, render

    difference = diff_runs(run_a, run_b)
    for file, written in ((html, render), (as_markdown, markdown)):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(written(difference), encoding="utf-8")
    if as_json:
        print_json(difference.as_dict())
    else:
        print_diff(difference, results())
    if exit_code and difference.worse:
        raise typer.Exit(ExitCode.ERROR)


def report(
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compute the metrics from the rows and write result.json and report.html.

    Examples:
        jouleloop report --out runs/mine
    """
    folder = run_folder(out, "report")
    with doing("starting"):
        from host.chain import report_run
        from host.report import print_result

    result = report_run(folder, force=force, command=command_line(), console=messages)
    if as_json:
        print_json(result)
    else:
        print_result(result, folder, results())


def score(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="a run folder, a .npz, a .tflite, or the name of a baseline",
            autocompletion=policies,
        ),
    ],
    scenarios: Annotated[int, typer.Option(help="held-out scenarios, at least 20")] = 20,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="run folder whose kind of scenarios is used",
            autocompletion=run_folders,
        ),
    ] = None,
    preset: Annotated[PresetName | None, typer.Option(help="size of the scenarios")] = None,
    generator: GeneratorOption = None,
    seed: Annotated[
        int | None, typer.Option(help="that the scenarios' own seeds follow from")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="folder of the results; the same one goes on"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="processes on this machine; one a core by default")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler to run on, tcp://HOST:8786"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a policy beside every baseline, over scenarios that it has not seen.

    The result does not depend on the workers; a run that broke off goes on where it was.

    Examples:
        jouleloop score runs/mine
        jouleloop score bid_price --scenarios 100 --generator weee
        jouleloop score policy.tflite --scheduler tcp://cluster:8786
    """
    with doing("starting"):
        from host.score import print_score
        from host.score import score as run_score

    summary, file = run_score(
        policy,
        n_scenarios=scenarios,
        like=like,
        preset=preset,
        generator=generator,
        seed=seed,
        out=out,
        workers=workers,
        scheduler=scheduler,
        console=messages,
    )
    if as_json:
        print_json(summary)
    else:
        print_score(summary, file, results())
