"""The state vector: 24 features in [-1, 1], scaled for INT8 inputs of one common scale."""

from __future__ import annotations

import numpy as np

from toolchain.environment.disposition import N_DISPOSITIONS
from toolchain.environment.network import Network
from toolchain.environment.node import NodeDays
from toolchain.errors import InputError
from toolchain.scenario import Returns

FEATURE_NAMES: tuple[str, ...] = (
    "electronic_health",
    "mechanical_wear",
    "corrosion",
    "cosmetic_damage",
    "battery_cycles",
    "age",
    "aluminum",
    "steel",
    "copper",
    "plastics",
    "rare_earths",
    "reuse_gain",
    "remanufacture_gain",
    "harvest_gain",
    "recycle_gain",
    "reuse_capacity",
    "remanufacture_capacity",
    "harvest_capacity",
    "recycle_capacity",
    "distance",
    "season_sin",
    "season_cos",
    "node_battery",
    "node_messages",
)
"""Names of the features, in order.

Conditions run from -1 to 1 over their range; masses and gains are on a logarithmic scale. A gain is
the expected net value of a disposition over disposal, at today's prices, at the best free slot,
after transport and delay; -1 when there is none. A capacity is the free share of the slots within
the longest wait.
"""

N_FEATURES = len(FEATURE_NAMES)
"""Width of the state vector."""

SENSOR_FEATURES = 15
"""The first so many features come from sensing the product; the rest is the node's bookkeeping."""

GAIN_FEATURES = slice(11, 15)
"""Columns of the four gains."""

CAPACITY_FEATURES = slice(15, 19)
"""Columns of the four free capacities."""

_AGE_YEARS = 20.0
_CORROSION = 0.6
_CYCLES = 2_500.0
_MASS_KG = (10.0, 50.0, 5.0, 25.0, 0.5)
_MASS_KNEE = 50.0
GAIN_FLOOR_EUR = np.array([-10.0, -10.0, -10.0, -5.0])
GAIN_TOP_EUR = np.array([1_500.0, 1_500.0, 1_500.0, 100.0])
GAIN_KNEE_EUR = np.array([10.0, 10.0, 10.0, 2.5])
"""Ends and knee of the logarithmic scales of the four gains."""

_DISTANCE_KM = 100.0
_YEAR_DAYS = 365.0

GAIN_SPAN = np.log1p((GAIN_TOP_EUR - GAIN_FLOOR_EUR) / GAIN_KNEE_EUR)
"""Length of each scale."""

GAIN_SCALE = np.stack([GAIN_FLOOR_EUR, GAIN_TOP_EUR, GAIN_KNEE_EUR, GAIN_SPAN])
"""Rows floor, top and knee in EUR, and span, of :func:`encode_gains`; one column a gain, (4, 4)."""


def require_task_shape(source: object, n_inputs: int, n_outputs: int) -> None:
    """Refuse a policy that does not take the state vector or does not score the dispositions.

    Args:
        source: what is refused, for the message.
        n_inputs: of the policy.
        n_outputs: likewise.

    Raises:
        InputError: it has another number of either.
    """
    if (n_inputs, n_outputs) != (N_FEATURES, N_DISPOSITIONS):
        raise InputError(
            f"{source}: {n_inputs} inputs and {n_outputs} outputs, must be {N_FEATURES} and "
            f"{N_DISPOSITIONS}",
            hint="give a policy that was made for this task",
        )


def day_features(returns: Returns, net: Network, node: NodeDays) -> np.ndarray:
    """All features but gains and capacities, which depend on what was decided before.

    The distance is the mean over the four limited dispositions of that to the nearest facility.

    Args:
        returns: n products.
        net: the facilities.
        node: the node's budgets by day.

    Returns:
        float32 (n, 24), zero in the columns of gains and capacities.
    """
    day = returns.return_day
    nearest_km = np.minimum.reduceat(net.distance_km, net.first[:-1], axis=1)
    nearest_km = nearest_km[:, : N_DISPOSITIONS - 1].mean(axis=1)[net.collection]
    angle = 2 * np.pi * day / _YEAR_DAYS
    states = np.zeros((len(returns), N_FEATURES), dtype=np.float32)
    kg = returns.materials_kg[:, : len(_MASS_KG)]
    columns = [
        returns.electronic_health,
        returns.mechanical_wear,
        returns.corrosion / _CORROSION,
        returns.cosmetic_damage,
        returns.battery_cycles / _CYCLES,
        returns.age_years / _AGE_YEARS,
    ]
    states[:, :6] = _span(np.stack(columns, 1))
    states[:, 6:11] = _span(np.log1p(_MASS_KNEE * kg / _MASS_KG) / np.log1p(_MASS_KNEE))
    states[:, 19] = _span(nearest_km / _DISTANCE_KM)
    states[:, 20] = np.sin(angle)
    states[:, 21] = np.cos(angle)
    states[:, 22] = _span(node.battery_share[day])
    states[:, 23] = _span(node.message_share[day])
    return states


def encode_capacity(free_share: np.ndarray) -> np.ndarray:
    """Map free shares, 0 to 1, to [-1, 1]."""
    return _span(free_share)


def encode_gains(gains_eur: np.ndarray) -> np.ndarray:
    """Map EUR (k, 4) to [-1, 1]: ``2 log((v - floor) / knee + 1) / span - 1``; -inf becomes -1.

    The logarithm keeps a step of the INT8 input near 1 EUR where a decision turns on it, and the
    top out of reach. Recycling, whose gains are an order smaller, has a scale of its own.
    """
    share = np.clip(gains_eur, GAIN_FLOOR_EUR, GAIN_TOP_EUR)
    share -= GAIN_FLOOR_EUR
    share /= GAIN_KNEE_EUR
    share += 1.0
    np.log(share, out=share)
    share /= GAIN_SPAN
    return _span(share)


def decode_gains(states: np.ndarray) -> np.ndarray:
    """The inverse of :func:`encode_gains` on states (k, 24): EUR (k, 4).

    A gain at the lower end of its scale (-10 EUR, recycling -5 EUR) may stand for no slot at all.
    """
    share = (states[:, GAIN_FEATURES].astype(np.float64) + 1.0) / 2.0
    gains: np.ndarray = np.expm1(share * GAIN_SPAN) * GAIN_KNEE_EUR + GAIN_FLOOR_EUR
    return gains


def decode_capacity(states: np.ndarray) -> np.ndarray:
    """Free share of the slots of the four limited dispositions, (k, 4), 0 to 1."""
    share: np.ndarray = (states[:, CAPACITY_FEATURES].astype(np.float64) + 1.0) / 2.0
    return share


def _span(share: np.ndarray) -> np.ndarray:
    return np.clip(2.0 * share - 1.0, -1.0, 1.0)
