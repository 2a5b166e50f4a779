"""Score: any policy beside every baseline, over many scenarios that it has not seen."""

from host.score.command import MIN_SCENARIOS, print_score, score
from host.score.job import Job, decide, held_out_seed, score_scenario
from host.score.policies import PolicySpec, baseline_specs, build_policy, read_policies
from host.score.runner import WASTE_LIMIT_KG, GenerativeBenchmarkRunner
from host.score.summary import summarise

__all__ = [
    "MIN_SCENARIOS",
    "WASTE_LIMIT_KG",
    "GenerativeBenchmarkRunner",
    "Job",
    "PolicySpec",
    "baseline_specs",
    "build_policy",
    "decide",
    "held_out_seed",
    "print_score",
    "read_policies",
    "score",
    "score_scenario",
    "summarise",
]
