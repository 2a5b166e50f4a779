from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from toolchain.scenario import CircularSupplyChainGenerator, NodeParameters, ScenarioParameters


def scenario(seed: int, **changed):
    parameters = ScenarioParameters(**{"n_products": 120, "horizon_days": 60, **changed})
    return CircularSupplyChainGenerator(seed, parameters).generate()


@pytest.fixture(scope="session")
def scenarios():
    return [scenario(seed) for seed in range(900, 906)]


@pytest.fixture(scope="session")
def weee():
    return scenario(3, generator="weee")


@pytest.fixture(scope="session")
def failing_node():
    """A node whose battery runs out, so that some days are not decided."""
    node = NodeParameters(battery_j=0.2, harvest_j_per_day=0.02)
    found = scenario(5, node=node)
    return found


@pytest.fixture(scope="session")
def pool():
    with ThreadPoolExecutor(2) as threads:
        yield threads
