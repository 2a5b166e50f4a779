"""Least squares by hand: coefficients, intervals, R2, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from toolchain.errors import InputError
from toolchain.policy.least_squares import fit_least_squares, r_squared


def test_a_mean_and_its_interval_by_hand():
    """One term of 1 and little spread: about the mean, +- t(n - 1) s / sqrt(n)."""
    observed = np.array([99.0, 100.0, 101.0, 100.0])
    fit = fit_least_squares(np.ones((4, 1)), observed)
    coefficient = fit.coefficients[0]
    assert coefficient.value == pytest.approx(100.0, abs=0.02)
    # s = sqrt(2/3), t(0.975, 3) = 3.1824
    half = 3.1824 * np.sqrt(2 / 3) / 2
    assert coefficient.high - coefficient.value == pytest.approx(half, rel=0.01)
    assert coefficient.value - coefficient.low == pytest.approx(half, rel=0.01)


def test_exact_costs_are_found_with_no_width():
    terms = np.array([[1, 1], [2, 1], [3, 1], [10, 1]], dtype=float)
    fit = fit_least_squares(terms, terms @ [2.0, 5.0])
    assert fit.values == pytest.approx([2.0, 5.0])
    assert fit.r2 == pytest.approx(1.0) and fit.largest_error < 1e-12
    assert all(c.high - c.low < 1e-9 for c in fit.coefficients)
    assert fit.predict(np.array([[4.0, 1.0]])) == pytest.approx([13.0])


def test_no_observation_is_better_known_than_it_says():
    """Equal observations have no scatter, but each is uncertain by 2 %."""
    fit = fit_least_squares(np.ones((4, 1)), np.array([99.9, 100.0, 100.1, 100.0]), np.full(4, 2.0))
    coefficient = fit.coefficients[0]
    half = 3.1824 * 2.0 / 2  # t(0.975, 3) s / sqrt(4)
    assert coefficient.high - coefficient.value == pytest.approx(half, rel=0.01)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(7)
    terms = np.column_stack([rng.uniform(1, 100, 12), np.ones(12)])
    truth = np.array([3.0, 40.0])
    held = 0
    for _ in range(400):
        noisy = terms @ truth * (1 + rng.normal(0, 0.02, 12))
        low, high = np.array(
            [(c.low, c.high) for c in fit_least_squares(terms, noisy).coefficients]
        ).T
        held += bool(low[0] <= truth[0] <= high[0])
    assert 0.91 <= held / 400 <= 0.98


def test_a_cost_that_would_be_negative_is_none_with_an_honest_upper_end():
    x = np.arange(1.0, 9.0)
    observed = 10 * x - 2 + np.array([0.3, -0.3] * 4)
    fit = fit_least_squares(np.column_stack([x, np.ones(8)]), observed)
    slope, constant = fit.coefficients
    assert constant.value == constant.low == 0.0
    assert 0.0 <= constant.high < 1.0
    assert slope.low < slope.value < slope.high


def test_r2_by_hand():
    # Residuals 1, 1, 0: 2; spread about the mean 2: 2 * 2^2.
    assert r_squared(np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 4.0])) == pytest.approx(0.75)
    assert r_squared(np.array([1.0, 2.0]), np.array([2.0, 1.0])) == pytest.approx(-3.0)
    with pytest.raises(InputError, match="equal observations"):
        r_squared(np.array([1.0, 1.0]), np.array([1.0, 1.0]))


@pytest.mark.parametrize(
    ("terms", "observed", "message"),
    [
        (np.ones((2, 2)), [1.0, 2.0], "2 observations for 2 coefficients"),
        (np.ones((4, 2)), [1.0, 2.0, 3.0, 4.0], "only 1 can be told apart"),
        (np.arange(1.0, 5.0)[:, None], [1.0, 0.0, 3.0, 4.0], "must be above 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(terms, observed, message):
    with pytest.raises(InputError, match=message):
        fit_least_squares(terms, np.array(observed))
