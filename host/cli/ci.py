"""Commands for continuous integration: boards against a baseline, and campaigns of many boards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from host.cli.completing import targets as known_targets
from host.cli.exits import ExitCode
from host.cli.options import (
    BudgetOptions,
    InstrumentOptions,
    JobOptions,
    NoFlashOption,
    OutOption,
    PolicyOption,
    ScenarioOptions,
    given_budget,
    given_options,
)
from host.cli.output import (
    JsonOption,
    command_line,
    doing,
    messages,
    print_json,
    results,
    tell_error,
)
from toolchain.errors import InputError, JouleloopError


def hil(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="boards, for example pico@emulator",
            autocompletion=known_targets,
        ),
    ],
    scenario: ScenarioOptions,
    budgets: BudgetOptions,
    instruments: InstrumentOptions,
    jobs: JobOptions,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="accepted figures to compare with, .json")
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="write them into --baseline instead")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JUnit XML, a case per figure")
    ] = None,
    openmetrics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="OpenMetrics text, for Prometheus")
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Markdown; GITHUB_STEP_SUMMARY gets it in any case"),
    ] = None,
    policy: PolicyOption = None,
    out: OutOption = None,
    no_flash: NoFlashOption = False,
    as_json: JsonOption = False,
) -> None:
    """Benchmark boards side by side and hold them against a baseline, for CI.

    Exit codes: 0 pass, 1 a figure got worse by more than its noise, 2 usage, 3 a measurement is
    invalid. docs/HIL.md has the tolerances.

    Examples:
        jouleloop hil pico@emulator --baseline baseline.json --update-baseline
        jouleloop hil pico@emulator pico@/dev/ttyACM0 --baseline baseline.json --junit report.xml
    """
    with doing("starting"):
        from host.hil import Scenario, Variant, print_hil
        from host.hil import as_json as reports_as_json
        from host.hil import hil as run_hil

    of_scenario = given_options(scenario)
    of_variant = Variant(
        flash_budget=given_budget(budgets.flash_budget),
        energy_budget=budgets.energy_budget,
        meter=instruments.meter,
        shunt_ohm=instruments.shunt,
        clock_mhz=instruments.clock,
    )
    try:
        reports, code = run_hil(
            targets,
            baseline=baseline,
            update=update_baseline,
            scenario=Scenario(**of_scenario) if of_scenario else None,
            variant=None if of_variant == Variant() else of_variant,
            policy=policy,
            out=out,
            junit=junit,
            openmetrics=openmetrics,
            summary=summary,
            flash=not no_flash,
            command=command_line(),
            console=messages,
            **jobs.limits(),
        )
    except InputError:
        raise
    except JouleloopError as error:  # 1 means a regression here
        tell_error(error)
        raise typer.Exit(ExitCode.INVALID) from error
    if as_json:
        print_json(reports_as_json(reports, code))
    else:
        print_hil(reports, results())
    raise typer.Exit(code)


def campaign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="campaign, .toml (docs/HIL.md)")],
    jobs: JobOptions,
    policy: PolicyOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Benchmark many boards, scenarios and variants, into one table.

    A campaign that broke off goes on where it was. Exit code 3 when a benchmark has no result.

    Examples:
        jouleloop campaign campaign.toml --out runs/campaign
    """
    with doing("starting"):
        from host.hil.campaign import print_campaign, run_campaign

    table, complete = run_campaign(
        file, out=out, policy=policy, command=command_line(), console=messages, **jobs.limits()
    )
    if as_json:
        print_json(table.to_pylist())
    else:
        print_campaign(table, results())
    raise typer.Exit(ExitCode.DONE if complete else ExitCode.INVALID)
