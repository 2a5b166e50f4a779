"""One scenario of a benchmark: what a worker does, wherever it runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import Any

import numpy as np
import pyarrow as pa

from host import metrics as m
from host.run import code_sha256
from host.score.policies import PolicySpec, build_policy
from toolchain.environment import Optimum, Policy, Simulation, hindsight_optimum
from toolchain.errors import JouleloopError
from toolchain.scenario import Basis, Scenario, ScenarioParameters, scenario_like

ROOMS = (
    "toolchain/scenario",
    "toolchain/environment",
    "toolchain/policy",
    "toolchain/quantize",
    "host/metrics",
    "host/score",
)
"""Source that decides a result."""

CIRCULAR = ("material_circularity", "energy_recovery", "component_reuse_rate", "waste_generation")
"""Metrics beside decision quality that follow from the rows alone."""

_HELD_OUT = 0x5C02E
_LARGE = 1 << 62


@dataclass(frozen=True)
class Job:
    """Everything that decides a benchmark's results, but for how many scenarios it has.

    Attributes:
        basis: what scenarios are drawn like.
        seed: that the held-out scenarios' seeds follow from.
        policies: what is scored.
        waste_limit_kg: a policy that wastes more per product is stopped.
        code_sha256: of the source that made the job; a worker with another one refuses it.
    """

    basis: Basis
    seed: int
    policies: tuple[PolicySpec, ...]
    waste_limit_kg: float
    code_sha256: str

    def as_json(self) -> dict[str, Any]:
        """JSON values that identify the job."""
        basis = self.basis
        if isinstance(basis, ScenarioParameters):
            drawn_like: dict[str, Any] = basis.model_dump(mode="json")
        else:
            drawn_like = {"scenario": basis.sha256}
        on_host = {spec.name: spec.ran_by for spec in self.policies if spec.ran_by}
        return {
            "schema": 1,
            "basis": drawn_like,
            "seed": self.seed,
            "policies": {spec.name: spec.sha256 for spec in self.policies},
            "waste_limit_kg": self.waste_limit_kg,
            "code": self.code_sha256,
            "packages": {name: metadata.version(name) for name in ("numpy", "scipy")},
            **({"ran_by": on_host} if on_host else {}),
        }

    @property
    def key(self) -> str:
        """Hex SHA-256 of :meth:`as_json`."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def own_code_sha256() -> str:
    """SHA-256 of this process's source."""
    return code_sha256(ROOMS)


def held_out_seed(seed: int, index: int) -> int:
    """Seed of one held-out scenario; above 2^62, where no training scenario's seed is."""
    drawn = np.random.SeedSequence([_HELD_OUT, seed, index]).generate_state(1, np.uint64)[0]
    return _LARGE | int(drawn) >> 2


def score_scenario(job: Job, index: int) -> dict[str, Any]:
    """Draw one scenario, solve its optimum, and decide it with every policy.

    Args:
        job: what to score.
        index: of the scenario, from 0.

    Returns:
        JSON values; the same in every process of the same version.

    Raises:
        JouleloopError: this process has other source than the job.
    """
    if own_code_sha256() != job.code_sha256:
        raise JouleloopError(
            f"this worker's source is {own_code_sha256()[:12]}, the job's {job.code_sha256[:12]}",
            hint="install the same version of jouleloop on every worker",
        )
    seed = held_out_seed(job.seed, index)
    scenario = scenario_like(job.basis, seed)
    optimum = hindsight_optimum(scenario)
    return {
        "key": job.key,
        "index": index,
        "seed": seed,
        "sha256": scenario.sha256,
        "products": len(scenario.returns),
        "optimum_eur": optimum.value_eur,
        "floor_eur": optimum.floor_eur,
        "policies": {
            spec.name: _score(
                scenario,
                optimum,
                build_policy(spec, job.basis, job.seed),
                job.waste_limit_kg,
            )
            for spec in job.policies
        },
    }


def _score(
    scenario: Scenario, optimum: Optimum, policy: Policy, waste_limit_kg: float
) -> dict[str, Any]:
    rows, stopped_day = decide(scenario, policy, waste_limit_kg)
    quality = m.decision_quality(_completed(rows, optimum), optimum)
    scores: dict[str, Any] = {
        "decision_quality": quality.value,
        "unclipped": quality.detail.get("unclipped"),
        "value_eur": quality.detail["value_eur"],
    }
    scores |= {name: getattr(m, name)(rows).value for name in CIRCULAR}
    return scores | {"decided": rows.num_rows, "stopped_day": stopped_day}


def decide(
    scenario: Scenario, policy: Policy, waste_limit_kg: float
) -> tuple[pa.Table, int | None]:
    """Decide a scenario day by day, unless it wastes too much.

    Args:
        scenario: what to decide.
        policy: decides.
        waste_limit_kg: most waste per decided product, at the end of any day.

    Returns:
        the rows so far, and the day after which the policy was stopped, or None.
    """
    simulation = Simulation(scenario)
    while not simulation.done:
        day = simulation.day
        simulation.execute(policy(simulation.observe()))
        if simulation.waste_kg_per_product > waste_limit_kg:
            return simulation.rows(), day
    return simulation.rows(), None


def _completed(rows: pa.Table, optimum: Optimum) -> pa.Table:
    """The rows' values; what a stopped policy left undecided counts as disposed of."""
    rest = optimum.product_floor_eur[rows.num_rows :]
    return pa.table({"value_eur": np.concatenate([rows["value_eur"].to_numpy(), rest])})
