"""Least squares of costs that cannot be negative, with intervals and what is left over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lstsq
from scipy.optimize import nnls
from scipy.stats import t as student

from toolchain.errors import InputError

CONFIDENCE = 0.95
"""Of the coefficients' intervals."""


@dataclass(frozen=True)
class Coefficient:
    """One fitted coefficient with its interval, in the unit of what was fitted per its term."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LeastSquares:
    """A fitted linear model.

    Attributes:
        coefficients: in the order of the terms, none negative.
        r2: share of the observations' variance that the model explains.
        relative_errors: of the fitted observations, model / observation - 1.
    """

    coefficients: tuple[Coefficient, ...]
    r2: float
    relative_errors: tuple[float, ...]

    @property
    def values(self) -> np.ndarray:
        """The coefficients alone, float64 (k,)."""
        return np.array([coefficient.value for coefficient in self.coefficients])

    @property
    def largest_error(self) -> float:
        """Largest relative error of a fitted observation, without its sign."""
        return max(map(abs, self.relative_errors))

    def predict(self, terms: np.ndarray) -> np.ndarray:
        """What the model says of (n, k) terms, float64 (n,)."""
        predicted: np.ndarray = np.asarray(terms, dtype=np.float64) @ self.values
        return predicted


def fit_least_squares(
    terms: np.ndarray, observed: np.ndarray, uncertainty: np.ndarray | None = None
) -> LeastSquares:
    """Fit ``terms @ coefficients`` to observations, with the least relative squared error.

    No coefficient is negative, so that more work never costs less. Intervals are Student's, from
    the residuals: what the model cannot explain counts as scatter, and no observation as better
    known than its own uncertainty says. Those of coefficients above 0
    come from the fit of these alone; one that the bound keeps at 0 has the upper end that it would
    have without the bound.

    Args:
        terms: (n, k), n larger than k, of full rank.
        observed: (n,), each above 0.
        uncertainty: (n,), standard, in the observations' unit; None for counts, which have none.

    Raises:
        InputError: too few observations, terms that cannot be told apart, or an observation that
            is not above 0.
    """
    terms, observed = np.asarray(terms, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    n, k = terms.shape
    if n <= k:
        raise InputError(
            f"{n} observations for {k} coefficients, must be more", hint="measure more of them"
        )
    if not (np.isfinite(observed).all() and observed.min() > 0):
        raise InputError(
            f"an observation of {observed.min():g}, must be above 0", hint="measure it again"
        )
    weighted = terms / observed[:, None]
    free_fit, _, rank, _ = lstsq(weighted, np.ones(n))
    if rank < k:
        raise InputError(
            f"{k} terms, but only {rank} can be told apart by these observations",
            hint="vary what is measured in every term",
        )
    values, _ = nnls(weighted, np.ones(n))
    above = values > 0
    half_width = np.zeros(k)
    own = np.zeros(n) if uncertainty is None else np.asarray(uncertainty) / observed
    half_width[above] = _half_widths(weighted[:, above], values[above], own)
    low = np.maximum(values - half_width, 0.0)
    high = values + half_width
    if not above.all():
        without_bound = free_fit + _half_widths(weighted, free_fit, own)
        high[~above] = np.maximum(without_bound[~above], 0.0)
    errors = weighted @ values - 1.0
    return LeastSquares(
        coefficients=tuple(
            Coefficient(*map(float, figures)) for figures in zip(values, low, high, strict=True)
        ),
        r2=r_squared(observed, terms @ values),
        relative_errors=tuple(map(float, errors)),
    )


def r_squared(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the observations' variance that predictions explain; below 0 when they are worse
    than the observations' mean.

    Raises:
        InputError: the observations are all the same, or fewer than two.
    """
    observed = np.asarray(observed, dtype=np.float64)
    spread = float(np.sum((observed - observed.mean()) ** 2)) if len(observed) else 0.0
    if spread == 0:
        raise InputError(
            f"R2 of {len(observed)} equal observations is not defined",
            hint="hold out several different ones",
        )
    return 1.0 - float(np.sum((observed - np.asarray(predicted)) ** 2)) / spread


def _half_widths(weighted: np.ndarray, values: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Half of each coefficient's interval, (k,); ``own`` is what each observation is known by."""
    n, k = weighted.shape
    if k == 0:
        return np.zeros(0)
    residual = weighted @ values - 1.0
    variance = np.maximum(float(residual @ residual) / (n - k), own**2)
    solved = np.linalg.inv(weighted.T @ weighted) @ weighted.T
    quantile = float(student.ppf(0.5 + CONFIDENCE / 2, n - k))
    widths: np.ndarray = quantile * np.sqrt((solved**2) @ variance)
    return widths
