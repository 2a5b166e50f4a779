"""The environment: the single definition of the task, its optimum, baselines and perturbations."""

from toolchain.environment.baselines import (
    BASELINES,
    bid_price_after_shift,
    bid_price_from,
    mean_duals_eur,
)
from toolchain.environment.causal import causal_optimum_eur
from toolchain.environment.disposition import N_DISPOSITIONS, Disposition
from toolchain.environment.env import DispositionEnv
from toolchain.environment.features import (
    CAPACITY_FEATURES,
    FEATURE_NAMES,
    GAIN_FEATURES,
    N_FEATURES,
    SENSOR_FEATURES,
    decode_capacity,
    decode_gains,
    require_task_shape,
)
from toolchain.environment.optimum import Optimum, hindsight_optimum
from toolchain.environment.perturbation import Perturbation, perturbed
from toolchain.environment.rows import ROW_COLUMNS
from toolchain.environment.shift import Shift, regime_shift, shifted
from toolchain.environment.simulation import (
    UNDECIDED,
    DayBatch,
    ObservationTransform,
    Policy,
    Simulation,
    rollout,
)
from toolchain.environment.vector import VectorBatch, VectorSimulation

__all__ = [
    "BASELINES",
    "CAPACITY_FEATURES",
    "FEATURE_NAMES",
    "GAIN_FEATURES",
    "N_DISPOSITIONS",
    "N_FEATURES",
    "ROW_COLUMNS",
    "SENSOR_FEATURES",
    "UNDECIDED",
    "DayBatch",
    "Disposition",
    "DispositionEnv",
    "ObservationTransform",
    "Optimum",
    "Perturbation",
    "Policy",
    "Shift",
    "Simulation",
    "VectorBatch",
    "VectorSimulation",
    "bid_price_after_shift",
    "bid_price_from",
    "causal_optimum_eur",
    "decode_capacity",
    "decode_gains",
    "hindsight_optimum",
    "mean_duals_eur",
    "perturbed",
    "regime_shift",
    "require_task_shape",
    "rollout",
    "shifted",
]
