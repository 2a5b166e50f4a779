"""Returns piece by piece: the same as in one piece, whatever the piece."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from toolchain.errors import ScenarioError
from toolchain.scenario import (
    BLOCK_ROWS,
    COLUMNS,
    CircularSupplyChainGenerator,
    ScenarioParameters,
    save_product_returns,
)
from toolchain.scenario.arrivals import draw_arrivals

N = 2 * BLOCK_ROWS + 777


@pytest.mark.parametrize("kind", ["article", "weee"])
@pytest.mark.parametrize("chunk", [5_000, BLOCK_ROWS, BLOCK_ROWS + 1, 10 * N])
def test_pieces_add_up_to_the_whole(kind, chunk):
    generator = CircularSupplyChainGenerator(3, ScenarioParameters(generator=kind))
    whole = generator.generate_product_returns(N)
    parts = list(generator.iterate_product_returns(N, chunk))
    assert {len(part) for part in parts[:-1]} <= {chunk}
    assert 0 < len(parts[-1]) <= chunk
    for column in COLUMNS:
        joined = np.concatenate([getattr(part, column.name) for part in parts])
        assert np.array_equal(joined, getattr(whole, column.name)), column.name
    assert (np.diff(whole.return_day) >= 0).all()
    assert whole.product.tolist() == list(range(N))


def test_blocks_are_independent():
    whole = CircularSupplyChainGenerator(3).generate_product_returns(2 * BLOCK_ROWS)
    first, second = whole.rows(0, BLOCK_ROWS), whole.rows(BLOCK_ROWS, 2 * BLOCK_ROWS)
    for name in ("age_years", "copper_kg", "harvest_draw"):
        a, b = getattr(first, name), getattr(second, name)
        assert not np.array_equal(a, b)
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.04


def test_the_file_holds_the_same(tmp_path):
    generator = CircularSupplyChainGenerator(3)
    save_product_returns(generator, tmp_path / "r.parquet", N)
    table = pq.read_table(tmp_path / "r.parquet")
    for name, column in generator.generate_product_returns(N).columns().items():
        assert np.array_equal(table[name].to_numpy(), column), name


def test_impossible_pieces_are_refused():
    for chunk in (0, 1.5):
        with pytest.raises(ScenarioError, match=f"chunk is {chunk}"):
            CircularSupplyChainGenerator(3).iterate_product_returns(10, chunk)
    with pytest.raises(ScenarioError, match="n_products"):
        CircularSupplyChainGenerator(3).iterate_product_returns(0)


def test_arrivals_follow_their_law():
    law = np.array([0.5, 0.0, 0.25, 0.25])
    arrivals = draw_arrivals(np.random.default_rng(0), 40_000, law)
    days = arrivals.days(0, 40_000)
    assert np.bincount(days, minlength=4) / 40_000 == pytest.approx(law, abs=0.01)
    assert np.array_equal(arrivals.days(19_990, 20_020), days[19_990:20_020])
