"""What each baseline chooses."""

import numpy as np
import pytest

from toolchain.environment import BASELINES, DayBatch, bid_price_from, mean_duals_eur
from toolchain.environment.features import encode_gains
from toolchain.scenario import ScenarioParameters

SMALL = ScenarioParameters(n_nodes=12, n_products=60, horizon_days=60)


def _batch(gains, masks, margins=None, free=0.5):
    states = np.zeros((len(gains), 24), dtype=np.float32)
    states[:, 11:15] = encode_gains(np.array(gains, dtype=float))
    states[:, 15:19] = 2 * free - 1
    margins = np.zeros((len(gains), 5)) if margins is None else np.array(margins, dtype=float)
    return DayBatch(3, np.arange(len(gains)), states, np.array(masks, dtype=bool), margins)


ALL = [1, 1, 1, 1, 1]


def test_names():
    assert list(BASELINES) == [
        "always_dispose",
        "random",
        "all_recycle",
        "unit_margin",
        "greedy_capacity",
        "bid_price",
    ]


def test_always_dispose_and_all_recycle():
    batch = _batch([[9, 9, 9, 9]] * 2, [ALL, [1, 1, 1, 0, 1]])
    assert BASELINES["always_dispose"](SMALL, 0)(batch).tolist() == [4, 4]
    assert BASELINES["all_recycle"](SMALL, 0)(batch).tolist() == [3, 4]


def test_random_keeps_to_the_mask_evenly_and_repeats_by_seed():
    mask = [0, 1, 0, 1, 1]
    batch = _batch([[0, 0, 0, 0]] * 6_000, [mask] * 6_000)
    chosen = BASELINES["random"](SMALL, 1)(batch)
    assert np.bincount(chosen, minlength=5) / 6_000 == pytest.approx(
        [0, 1 / 3, 0, 1 / 3, 1 / 3], abs=0.03
    )
    assert np.array_equal(chosen, BASELINES["random"](SMALL, 1)(batch))
    assert not np.array_equal(chosen, BASELINES["random"](SMALL, 2)(batch))


def test_unit_margin_ignores_capacity():
    margins = [[5, 8, 2, 1, -1], [5, 8, 2, 1, -1], [-5, -5, -5, -5, -1]]
    batch = _batch([[0, 0, 0, 0]] * 3, [ALL, [1, 0, 1, 1, 1], ALL], margins)
    assert BASELINES["unit_margin"](SMALL, 0)(batch).tolist() == [1, 4, 4]


def test_greedy_takes_the_best_free_slot():
    gains = [[5, 8, 2, 1], [5, 8, 2, 1], [-3, -2, -4, -1]]
    batch = _batch(gains, [ALL, [1, 0, 1, 1, 1], ALL])
    assert BASELINES["greedy_capacity"](SMALL, 0)(batch).tolist() == [1, 0, 4]


def test_bid_price_charges_more_for_scarce_slots():
    policy = bid_price_from(np.array([20.0, 0.0, 0.0, 0.0]))
    gains, masks = [[30.0, 5.0, 0.0, 0.0]], [ALL]
    # Reuse nets 30 - 2 * 20 * (1 - free): at 0.5 free 10, at 0.2 free -2.
    assert policy(_batch(gains, masks, free=0.5)).tolist() == [0]
    assert policy(_batch(gains, masks, free=0.2)).tolist() == [1]


def test_mean_duals_are_causal_and_repeat():
    duals = mean_duals_eur(SMALL, 0)
    assert duals.shape == (4,)
    assert (duals >= 0).all()
    assert duals.max() > 1.0
    assert np.array_equal(duals, mean_duals_eur.__wrapped__(SMALL, 0))
    assert not np.array_equal(duals, mean_duals_eur(SMALL, 1))
