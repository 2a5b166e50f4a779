"""Small scenarios and policies to score."""

from __future__ import annotations

import io

import numpy as np
import pytest

from host.score import PolicySpec
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.scenario import ScenarioParameters


@pytest.fixture(scope="session")
def small() -> ScenarioParameters:
    return ScenarioParameters(n_nodes=10, n_products=25, horizon_days=20)


@pytest.fixture(scope="session")
def float_file() -> bytes:
    rng = np.random.default_rng(0)
    arrays = {
        "weight_0": rng.normal(size=(24, 8)).astype(np.float32),
        "bias_0": np.zeros(8, np.float32),
        "weight_1": rng.normal(size=(8, 5)).astype(np.float32),
        "bias_1": np.zeros(5, np.float32),
    }
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.fixture(scope="session")
def int8_file() -> bytes:
    return reference_network(REFERENCE_SHAPES["M"], np.random.default_rng(0))


@pytest.fixture(scope="session")
def specs(float_file: bytes, int8_file: bytes) -> tuple[PolicySpec, ...]:
    return (
        PolicySpec("always_dispose", "baseline"),
        PolicySpec("greedy_capacity", "baseline"),
        PolicySpec("mine_float", "float", float_file),
        PolicySpec("mine_int8", "int8", int8_file),
    )
