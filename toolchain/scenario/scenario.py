"""A scenario: the graph, the returns, the regimes, and the identity of all of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import numpy as np

from toolchain.scenario.factors import factors_sha256
from toolchain.scenario.parameters import ScenarioParameters
from toolchain.scenario.regime import Outage, Regime
from toolchain.scenario.returns import Returns


@dataclass(frozen=True, eq=False)
class Scenario:
    """Everything that the environment needs; neither it nor its parts may be changed.

    ``regimes`` are sorted by their day and the first starts at day 0. Two scenarios are equal when
    their ``sha256`` are.
    """

    parameters: ScenarioParameters
    seed: int
    graph: nx.DiGraph
    returns: Returns
    regimes: tuple[Regime, ...]
    outages: tuple[Outage, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of canonical bytes: sorted JSON, then every column, little-endian.

        It covers the parameters, the seed, the graph, the regimes, the outages, the returns with
        their latent draws, and the constants of ``factors.toml``.
        """
        digest = hashlib.sha256()
        head = {
            "schema": 1,
            "factors": factors_sha256(),
            "parameters": self.parameters.model_dump(mode="json"),
            "seed": self.seed,
            "nodes": sorted((node, data) for node, data in self.graph.nodes(data=True)),
            "edges": sorted((u, v, data) for u, v, data in self.graph.edges(data=True)),
            "regimes": [regime.model_dump(mode="json") for regime in self.regimes],
            "outages": [outage.model_dump(mode="json") for outage in self.outages],
        }
        digest.update(json.dumps(head, sort_keys=True, separators=(",", ":")).encode())
        for name, array in self.returns.columns().items():
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"\n{name}:{little.dtype.str}:{len(little)}\n".encode())
            digest.update(little.tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return int(self.sha256[:15], 16)
