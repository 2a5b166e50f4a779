"""The stages from a scenario to an image: what each takes, and what it leaves in its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rich.console import Console

from host.chain.quantization import quantized_models
from host.chain.settings import GIVEN, Settings
from host.flash.state import state_folder
from host.run import RunFolder, Stage, write_json
from host.target import Target
from toolchain.board import Board, load_board
from toolchain.errors import InputError
from toolchain.policy.late_tensorflow import missing_for_training, require_training
from toolchain.progress import working
from toolchain.scenario import (
    CircularSupplyChainGenerator,
    OwnTables,
    Scenario,
    ScenarioParameters,
    load_scenario,
    own_scenario,
    save_scenario,
    scenario_like,
)

if TYPE_CHECKING:
    from host.chain.given import GivenPolicy
    from toolchain.compile import FlashBudget
    from toolchain.policy.training import TrainingPlan

TRAINING_PACKAGE = "tensorflow"
"""In the packages of every stage that needs the ``train`` extra."""
TASK = ("toolchain/scenario", "toolchain/environment")
CHAIN = ("host/chain",)

GENERATE = Stage("generate", (), ("toolchain/scenario", *CHAIN), ("numpy", "networkx"))
TRAIN = Stage(
    "train",
    ("generate",),
    (*TASK, "toolchain/policy", *CHAIN),
    ("numpy", "numba", "tensorflow-cpu", "tensorflow", "onnx"),
)
QUANTIZE = Stage(
    "quantize",
    ("generate", "train"),
    (*TASK, "toolchain/policy", "toolchain/quantize", *CHAIN),
    ("numpy", "tensorflow-cpu", "tensorflow", "tflite-micro"),
)
COMPILE = Stage(
    "compile",
    ("quantize",),
    ("toolchain/compile", "toolchain/build/sources.py", "host/chain/compilation.py"),
)
BUILD = Stage(
    "build",
    ("compile",),
    ("toolchain/build", "toolchain/protocol.py", "toolchain/board.py", "firmware"),
    ("ziglang", "esptool"),
)

GIVEN_CODE = ("host/chain/given.py", "toolchain/policy/sizing.py", "toolchain/compile")
"""Rooms of the train and quantize stages of a policy that is given."""

POLICY_FILE = "policy.npz"
ONNX_FILE = "policy.onnx"
TRAINING_FILE = "training.json"
FALLBACK_FOLDER = "fallback"
"""Of the compiled fallback, within that of the compiled policy."""

GivenBudget: TypeAlias = int | Literal["smallest", "full"] | None
"""``--flash-budget``; None where it was not given."""

DEFAULT_BOARD = "pico"
"""Whose limits and kernels the stages take that are told no board."""

TRAINING_SEEDS_APART = 1_000
"""Training seeds are ``settings.seed * this`` and the ones after it."""


@dataclass(frozen=True)
class Chain:
    """One run's stages, bound to its folder and settings.

    Attributes:
        folder: where the artifacts are.
        settings: preset, seed, generator.
        console: for progress; stderr.
        force: run a stage even when nothing has changed.
        tables: the files that ``settings.tables`` names; only ``generate`` reads them.
        policy: networks in the place of a training; None for what the folder was given, else to
            train.
    """

    folder: RunFolder
    settings: Settings
    console: Console
    force: bool = False
    tables: OwnTables = field(default_factory=OwnTables)
    policy: GivenPolicy | None = None

    def generate(self) -> bool:
        """Make the scenario that is replayed.

        Raises:
            ScenarioError: a table of one's own cannot be used.
            InputError: the settings name tables that are not given.
        """

        def action(path: Path) -> None:
            settings = self.settings
            if set(settings.tables) != set(self.tables.files):
                raise InputError(
                    f"the scenario is made from {', '.join(settings.tables)} of your own, which "
                    "must be given to make it again",
                    hint=" ".join(f"--{role} FILE" for role in settings.tables),
                )
            if settings.tables:
                parameters = scenario_parameters(settings)
                scenario = own_scenario(self.tables, settings.seed, parameters)
            else:
                scenario = make_scenario(settings, settings.seed)
            save_scenario(scenario, path)

        return self.run_stage(GENERATE, self.settings.as_parameters(), action)

    def training_scenarios(self, count: int) -> list[Scenario]:
        """The first so many scenarios to learn on, of the kind of the replayed one."""
        basis = replayed_scenario(self.folder)
        return [scenario_like(basis, seed) for seed in self.settings.training_seeds[:count]]

    def train(
        self, algorithm: str | None = None, seeds: int | None = None, board: str | None = None
    ) -> bool:
        """Train the float policy on scenarios of other seeds, unless a policy is given.

        Args:
            algorithm: ``imitation`` or ``ppo``; None for what the folder was trained with, else
                imitation.
            seeds: how many; None for what the folder was trained with, else the preset's.
            board: name of the board whose limits and cost model set the network's width; None for
                what the folder was trained with, else :data:`DEFAULT_BOARD`. A calibration of the
                board takes the place of the board file's cost model.

        Raises:
            InputError: an unknown algorithm, no seed, or no network fits the board.
            BoardFileError: an unknown board, or one without limits or a cost model.
        """
        from host.chain.given import GivenPolicy

        given = self.policy
        if given is None and algorithm is None and seeds is None:
            given = GivenPolicy.recorded(self.folder)
        if given is not None:
            return self._take_policy(given, board)
        if missing_for_training():
            asked = {"algorithm": algorithm, "seeds": seeds, "board": board}
            asked = {name: value for name, value in asked.items() if value is not None}
            return self.run_stage(TRAIN, self.settings.as_parameters() | asked, _never)
        from toolchain.policy.calibration import kept_calibration
        from toolchain.policy.onnx_export import export_onnx
        from toolchain.policy.sizing import size_policy
        from toolchain.policy.training import train_seeds
        from toolchain.quantize import limits_beside_fallback

        recorded = self.folder.stages.get(TRAIN.name, {}).get("parameters", {})
        plan = training_plan(
            self.settings,
            algorithm or recorded.get("algorithm", "imitation"),
            recorded.get("seeds", self.settings.sizes.seeds) if seeds is None else seeds,
        )
        sized_by = load_board(board or recorded.get("board") or DEFAULT_BOARD)
        calibration = kept_calibration(state_folder(), sized_by)
        costs = sized_by.cost_model if calibration is None else calibration.cost_model
        limits = limits_beside_fallback(sized_by.limits, costs)
        sizing = size_policy(sized_by, calibration=calibration, limits=limits)
        plan = replace(plan, knobs=replace(plan.knobs, hidden=sizing.hidden))
        self.console.print(f"policy: {sizing.reason}", markup=False, soft_wrap=True)

        def action(path: Path) -> None:
            basis = replayed_scenario(self.folder)
            validation = [scenario_like(basis, seed) for seed in self.settings.validation_seeds]
            scenarios = self.training_scenarios(self.settings.sizes.training_scenarios)
            policy, summary = train_seeds(plan, scenarios, validation, path, self.console)
            summary["sizing"] = {"board": sized_by.name, **asdict(sizing)}
            policy.save(path / POLICY_FILE)
            (path / ONNX_FILE).write_bytes(export_onnx(policy))
            write_json(path / TRAINING_FILE, summary)

        parameters = {
            "algorithm": str(plan.algorithm),
            "seeds": plan.seeds,
            "board": sized_by.name,
        }
        return self.run_stage(
            TRAIN,
            self.settings.as_parameters() | parameters | {"knobs": asdict(plan.knobs)},
            action,
        )

    def _take_policy(self, given: GivenPolicy, board: str | None) -> bool:
        """Leave a given policy where a trained one would be, once it is known to fit the board."""
        from toolchain.policy.calibration import kept_calibration

        recorded = self.folder.stages.get(TRAIN.name, {}).get("parameters", {})
        sized_by = load_board(board or recorded.get("board") or DEFAULT_BOARD)
        sizing = given.sizing(sized_by, kept_calibration(state_folder(), sized_by))
        self.console.print(f"policy: given, {given.source}", markup=False, soft_wrap=True)

        def action(path: Path) -> None:
            given.write(path)
            write_json(path / TRAINING_FILE, {GIVEN: given.sha256, "sizing": sizing})

        stage = replace(TRAIN, needs=(), rooms=GIVEN_CODE, packages=())
        parameters = {GIVEN: given.sha256, "board": sized_by.name, "sizing": sizing}
        return self.run_stage(stage, parameters, action)

    def quantize(self, method: str | None = None, variants: bool | None = None) -> bool:
        """Quantize the policy on the states that it visits itself; one that is given is taken.

        Args:
            method: ``post-training`` or ``quantization-aware``; None for what the folder was
                quantized with, else post-training.
            variants: also make and judge the other compressions; None as ``method``, else no.

        Raises:
            InputError: an unknown method, or the policy is given.
        """
        from host.chain.given import GivenPolicy
        from host.chain.quantization import (
            missed_limits,
            quantize_plan,
            quantize_policy,
            read_summary,
        )

        given = GivenPolicy.recorded(self.folder)
        if given is not None:
            if method is not None or variants is not None:
                raise InputError(
                    f"the policy of {self.folder.path} was given, quantized: there is no float "
                    "policy to quantize otherwise",
                    hint="give it quantized as it should be, or train one in another folder",
                )
            stage = replace(QUANTIZE, needs=(TRAIN.name,), rooms=GIVEN_CODE, packages=())
            return self.run_stage(stage, {GIVEN: given.sha256}, given.write_quantized)
        recorded = self.folder.stages.get(QUANTIZE.name, {}).get("parameters", {})
        plan = quantize_plan(
            method or recorded.get("method"),
            recorded.get("variants", False) if variants is None else variants,
        )

        def action(path: Path) -> None:
            basis = replayed_scenario(self.folder)
            validation = [scenario_like(basis, seed) for seed in self.settings.validation_seeds]
            quantize_policy(
                plan,
                self.folder.artifact("train") / POLICY_FILE,
                self.training_scenarios,
                validation,
                self.settings,
                path,
            )

        ran = self.run_stage(QUANTIZE, self.settings.as_parameters() | asdict(plan), action)
        missed = missed_limits(read_summary(self.folder))
        if missed:
            self.console.print(f"quantize: {missed}", markup=False, soft_wrap=True)
        return ran

    def compile(self, board: Board, flash_budget: GivenBudget = None) -> bool:
        """Generate C from the INT8 policy and its fallback, with the kernels of the board's core.

        Args:
            board: whose kernels.
            flash_budget: most bytes of network code and constants, those of the fallback included;
                None for what the folder was compiled with, else full speed.

        Raises:
            InputError: the budget cannot be kept.
        """
        from host.chain.compilation import compile_pair
        from toolchain.compile import kernels_for_core

        kernels = kernels_for_core(board.cpu.core)
        recorded = self.folder.stages.get(COMPILE.name, {}).get("parameters", {})
        if flash_budget is None:
            flash_budget = recorded.get("flash_budget")
        budget: FlashBudget = None if flash_budget == "full" else flash_budget

        def action(path: Path) -> None:
            models = quantized_models(self.folder)
            compile_pair(models, path, path / FALLBACK_FOLDER, kernels, budget)

        return self.run_stage(COMPILE, {"kernels": kernels, "flash_budget": budget}, action)

    def build(self, board: Board) -> bool:
        """Build the board's image."""
        from toolchain.build import build_image

        def action(path: Path) -> None:
            compiled = self.folder.artifact("compile")
            build_image(board, compiled, path, fallback_dir=compiled / FALLBACK_FOLDER)

        return self.run_stage(
            BUILD, {"board": board.model_dump(mode="json", by_alias=True)}, action
        )

    def profile(self, target: Target) -> bool:
        """Count the policy's cycles by layer, with the kernels that the folder was compiled with.

        Raises:
            RunFolderError: the folder is not compiled.
            MeasurementError: layers and whole contradict each other.
        """
        from host.chain.layers import PROFILE, profile_run

        self.folder.artifact(COMPILE.name)
        compiled = self.folder.stages[COMPILE.name]["parameters"]
        kernels, flash_budget = compiled["kernels"], compiled["flash_budget"]
        parameters = {
            "target": str(target),
            "board": target.board.model_dump(mode="json", by_alias=True),
            **compiled,
        }
        return self.run_stage(
            PROFILE,
            parameters,
            lambda path: profile_run(self.folder, target, kernels, flash_budget, path),
        )

    def replay(
        self,
        target: Target,
        *,
        flash: bool,
        energy_budget: str | None = None,
        meter: str | None = None,
    ) -> bool:
        """Replay to the target and measure its windows.

        Args:
            target: the board and where it is.
            flash: write the image first.
            energy_budget: J for each decision cycle, or ``none``; None for what the folder was
                replayed with, else what the board file says.
            meter: that measures the energy windows, as :func:`host.meter.parse_meter` reads it;
                None for what the folder was replayed with, else the board's own.

        Raises:
            InputError: the energy budget or the meter is not one.
        """
        from host.chain.replay import REPLAY, replay_all
        from host.meter import parse_meter
        from host.replay import energy_budget as budget_of

        recorded = self.folder.stages.get(REPLAY.name, {}).get("parameters", {})
        asked = energy_budget or recorded.get("energy_budget_asked")
        board, source = _calibrated(target.board)
        budget = budget_of(board, asked, energy_source=source)
        choice = parse_meter(meter or recorded.get("meter"))
        sizes = self.settings.sizes
        parameters = {
            "target": str(target),
            "board": target.board.model_dump(mode="json", by_alias=True),
            "window_s": sizes.window_s,
            "seed": self.settings.seed,
            "energy_budget_asked": asked,
            "energy_budget": asdict(budget),
            "meter": choice.text or None,
        }
        return self.run_stage(
            REPLAY,
            parameters,
            lambda path: replay_all(
                self.folder,
                target,
                path,
                self.settings,
                budget,
                self.console,
                flash=flash,
                meter=choice,
            ),
        )

    def report(self, target: Target) -> bool:
        """Compute the metrics and write the report."""
        from host.chain.measure import ALSO_SHOWN, REPORT, write_report

        also = tuple(stage for stage in ALSO_SHOWN if stage in self.folder.stages)
        return self.run_stage(
            replace(REPORT, needs=(*REPORT.needs, *also)),
            self.settings.as_parameters() | {"target": str(target)},
            lambda path: write_report(self.folder, target, path, self.settings, self.console),
        )

    def run_stage(
        self, stage: Stage, parameters: dict[str, Any], action: Callable[[Path], None]
    ) -> bool:
        """Run a stage unless it is unchanged, and say so; returns whether it was run.

        Where the ``train`` extra is not installed, a stage that needs it is taken as it was made,
        whatever version made it.

        Raises:
            MissingDependencyError: it was not made so, and cannot be made here.
        """
        missing = missing_for_training() if TRAINING_PACKAGE in stage.packages else ()
        if missing:
            if self.force or not self.folder.as_made(stage, parameters):
                require_training()
            self.console.print(
                f"{stage.name}: as it was made, since {', '.join(missing)} not installed",
                markup=False,
                soft_wrap=True,
            )
            return False

        def announced(path: Path) -> None:
            with working(self.console, stage.name):
                action(path)

        ran = self.folder.run(stage, parameters, announced, force=self.force)
        if ran:
            seconds = self.folder.stages[stage.name]["seconds"]
            self.console.print(f"{stage.name}: {seconds:.1f} s", markup=False)
        else:
            self.console.print(f"{stage.name}: unchanged", markup=False)
        return ran


def _never(path: Path) -> None:
    """The action of a stage that is only ever taken as it was made."""
    raise AssertionError(f"{path} cannot be made without the train extra")


def _calibrated(board: Board) -> tuple[Board, str]:
    """The board with the cost model of its own calibration, where there is one; and whose it is."""
    from host.replay import BOARD_FILE
    from toolchain.policy.calibration import kept_calibration

    calibration = kept_calibration(state_folder(), board)
    if calibration is None:
        return board, BOARD_FILE
    return board.model_copy(update={"cost_model": calibration.cost_model}), calibration.energy_from


def scenario_parameters(settings: Settings) -> ScenarioParameters:
    """What the settings say of a scenario that is generated."""
    return ScenarioParameters(
        generator=settings.generator.value,
        n_products=settings.sizes.n_products,
        horizon_days=settings.sizes.horizon_days,
    )


def training_plan(settings: Settings, algorithm: str, seeds: int) -> TrainingPlan:
    """What the settings' preset trains with an algorithm.

    Raises:
        InputError: an unknown algorithm, or no seed.
        MissingDependencyError: the ``train`` extra is not installed.
    """
    from toolchain.policy.algorithm import Algorithm
    from toolchain.policy.imitation import ImitationKnobs
    from toolchain.policy.ppo import PpoKnobs
    from toolchain.policy.training import TrainingPlan

    if algorithm not in list(Algorithm):
        raise InputError(
            f"unknown algorithm {algorithm!r}", hint=f"use one of {', '.join(Algorithm)}"
        )
    sizes, first = settings.sizes, settings.seed * TRAINING_SEEDS_APART
    if algorithm == Algorithm.PPO:
        return TrainingPlan(Algorithm.PPO, PpoKnobs(seed=first, passes=sizes.passes), seeds)
    knobs = ImitationKnobs(
        seed=first,
        rounds=sizes.rounds,
        epochs=sizes.epochs,
        states_per_scenario=sizes.states_per_scenario,
        generations=sizes.generations,
    )
    return TrainingPlan(Algorithm.IMITATION, knobs, seeds)


def make_scenario(settings: Settings, seed: int) -> Scenario:
    """A scenario of the settings' size from a seed."""
    return CircularSupplyChainGenerator(seed, scenario_parameters(settings)).generate()


def replayed_scenario(folder: RunFolder) -> Scenario:
    """The run's scenario, read back from its files."""
    return load_scenario(folder.artifact("generate"))
