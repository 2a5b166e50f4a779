"""The metrics of METRICS.md, for any policy and any target, and their provenance."""

from host.metrics.battery import BatteryFactors, battery_factors, battery_life
from host.metrics.circular import (
    component_reuse_rate,
    energy_recovery,
    material_circularity,
    material_circularity_indicator,
    waste_generation,
)
from host.metrics.composite import DEFAULT_WEIGHTS, composite, composite_log
from host.metrics.days import ReplayDays, replay_days
from host.metrics.decision import (
    Interval,
    adaptability_rate,
    bootstrap_interval,
    decision_quality,
    robustness_score,
)
from host.metrics.energy_saving import decisions_by_mode, energy_saving
from host.metrics.flows import material_flows
from host.metrics.lifetime import product_utility
from host.metrics.metric import METRIC_NAMES, UNITS, Metric, Provenance, unavailable, weakest
from host.metrics.node import (
    comms_overhead,
    counted,
    energy_of_modes,
    energy_per_decision,
    inference_latency,
    memory_footprint,
    with_assumed_cycles,
)
from host.metrics.pareto import pareto_front
from host.metrics.power import PowerFigure, PowerStates, power_states
from host.metrics.window import EnergyWindow, Estimate, WindowName

__all__ = [
    "DEFAULT_WEIGHTS",
    "METRIC_NAMES",
    "UNITS",
    "BatteryFactors",
    "EnergyWindow",
    "Estimate",
    "Interval",
    "Metric",
    "PowerFigure",
    "PowerStates",
    "Provenance",
    "ReplayDays",
    "WindowName",
    "adaptability_rate",
    "battery_factors",
    "battery_life",
    "bootstrap_interval",
    "comms_overhead",
    "component_reuse_rate",
    "composite",
    "composite_log",
    "counted",
    "decision_quality",
    "decisions_by_mode",
    "energy_of_modes",
    "energy_per_decision",
    "energy_recovery",
    "energy_saving",
    "inference_latency",
    "material_circularity",
    "material_circularity_indicator",
    "material_flows",
    "memory_footprint",
    "pareto_front",
    "power_states",
    "product_utility",
    "replay_days",
    "robustness_score",
    "unavailable",
    "waste_generation",
    "weakest",
    "with_assumed_cycles",
]
