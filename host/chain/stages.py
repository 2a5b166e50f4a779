"""The stages from a scenario to an image: what each takes, and what it leaves in its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from host.chain.settings import Settings
from host.run import RunFolder, Stage, write_json
from host.target import Target
from toolchain.board import Board
from toolchain.scenario import (
    CircularSupplyChainGenerator,
    Scenario,
    ScenarioParameters,
    load_scenario,
    save_scenario,
)

TASK = ("toolchain/scenario", "toolchain/environment")
CHAIN = ("host/chain",)

GENERATE = Stage("generate", (), ("toolchain/scenario", *CHAIN), ("numpy", "networkx"))
TRAIN = Stage(
    "train", ("generate",), (*TASK, "toolchain/policy", *CHAIN), ("numpy", "tensorflow-cpu")
)
QUANTIZE = Stage(
    "quantize",
    ("train",),
    (*TASK, "toolchain/policy", "toolchain/quantize", *CHAIN),
    ("numpy", "tensorflow-cpu", "tensorflow", "tflite-micro"),
)
COMPILE = Stage("compile", ("quantize",), ("toolchain/compile",))
BUILD = Stage(
    "build",
    ("compile",),
    ("toolchain/build", "toolchain/protocol.py", "toolchain/board.py", "firmware"),
    ("ziglang",),
)

POLICY_FILE = "policy.npz"
MODEL_FILE = "policy.tflite"
FLOAT_MODEL_FILE = "policy_float.tflite"


@dataclass(frozen=True)
class Chain:
    """One run's stages, bound to its folder and settings.

    Attributes:
        folder: where the artifacts are.
        settings: preset, seed, generator.
        console: for progress; stderr.
        force: run a stage even when nothing has changed.
    """

    folder: RunFolder
    settings: Settings
    console: Console
    force: bool = False

    def generate(self) -> bool:
        """Make the scenario that is replayed."""
        return self._run(
            GENERATE,
            self.settings.as_parameters(),
            lambda path: save_scenario(make_scenario(self.settings, self.settings.seed), path),
        )

    def train(self) -> bool:
        """Train the float policy on scenarios of other seeds."""
        from toolchain.policy.imitation import ImitationKnobs, train

        sizes = self.settings.sizes
        knobs = ImitationKnobs(seed=self.settings.seed, rounds=sizes.rounds, epochs=sizes.epochs)

        def action(path: Path) -> None:
            scenarios = [
                make_scenario(self.settings, seed) for seed in self.settings.training_seeds
            ]
            policy, summary = train(scenarios, knobs, progress=self.console)
            policy.save(path / POLICY_FILE)
            write_json(path / "training.json", summary)

        return self._run(TRAIN, self.settings.as_parameters() | asdict(knobs), action)

    def quantize(self) -> bool:
        """Quantize the policy on the states that it visits itself."""
        from toolchain.policy.dense import DensePolicy
        from toolchain.quantize import Int8Policy, convert
        from toolchain.quantize.agreement import agreement, visited_states

        def action(path: Path) -> None:
            policy = DensePolicy.load(self.folder.artifact("train") / POLICY_FILE)
            seeds = list(self.settings.training_seeds)
            states, masks = visited_states(
                policy, [make_scenario(self.settings, seed) for seed in seeds[:3]]
            )
            rng = np.random.default_rng(self.settings.seed)
            chosen = rng.permutation(len(states))
            n = min(self.settings.sizes.calibration_states, len(states) // 2)
            calibration, held_out = np.sort(chosen[:n]), np.sort(chosen[n:])
            model = convert(policy, states[calibration])
            (path / MODEL_FILE).write_bytes(model)
            (path / FLOAT_MODEL_FILE).write_bytes(convert(policy, None))
            summary = agreement(policy, Int8Policy(model), states[held_out], masks[held_out]) | {
                "calibration_states": n,
                "model_bytes": len(model),
            }
            write_json(path / "quantization.json", summary)

        return self._run(QUANTIZE, self.settings.as_parameters(), action)

    def compile(self) -> bool:
        """Generate C from the INT8 policy."""
        from toolchain.compile import compile_model

        def action(path: Path) -> None:
            compile_model((self.folder.artifact("quantize") / MODEL_FILE).read_bytes(), path)

        return self._run(COMPILE, {}, action)

    def build(self, board: Board) -> bool:
        """Build the board's image."""
        from toolchain.build import build_image

        def action(path: Path) -> None:
            build_image(board, self.folder.artifact("compile"), path)

        return self._run(BUILD, {"board": board.model_dump(mode="json", by_alias=True)}, action)

    def replay(self, target: Target, *, flash: bool) -> bool:
        """Replay to the target and measure its windows."""
        from host.chain.replay import REPLAY, replay_all

        sizes = self.settings.sizes
        parameters = {
            "target": str(target),
            "board": target.board.model_dump(mode="json", by_alias=True),
            "window_s": sizes.window_s,
            "seed": self.settings.seed,
        }
        return self._run(
            REPLAY,
            parameters,
            lambda path: replay_all(
                self.folder, target, path, self.settings, self.console, flash=flash
            ),
        )

    def report(self, target: Target) -> bool:
        """Compute the metrics and write the report."""
        from host.chain.measure import REPORT, write_report

        return self._run(
            REPORT,
            self.settings.as_parameters() | {"target": str(target)},
            lambda path: write_report(self.folder, target, path, self.settings, self.console),
        )

    def _run(
        self, stage: Stage, parameters: dict[str, Any], action: Callable[[Path], None]
    ) -> bool:
        def announced(path: Path) -> None:
            self.console.print(f"{stage.name} ...", markup=False)
            action(path)

        ran = self.folder.run(stage, parameters, announced, force=self.force)
        if ran:
            seconds = self.folder.stages[stage.name]["seconds"]
            self.console.print(f"{stage.name}: {seconds:.1f} s", markup=False)
        else:
            self.console.print(f"{stage.name}: unchanged", markup=False)
        return ran


def make_scenario(settings: Settings, seed: int) -> Scenario:
    """A scenario of the settings' size from a seed."""
    parameters = ScenarioParameters(
        generator=settings.generator,
        n_products=settings.sizes.n_products,
        horizon_days=settings.sizes.horizon_days,
    )
    return CircularSupplyChainGenerator(seed=seed, parameters=parameters).generate()


def replayed_scenario(folder: RunFolder) -> Scenario:
    """The run's scenario, read back from its files."""
    return load_scenario(folder.artifact("generate"))


def model_bytes(folder: RunFolder) -> bytes:
    """The run's INT8 model."""
    return (folder.artifact("quantize") / MODEL_FILE).read_bytes()
