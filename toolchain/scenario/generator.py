"""The generator of layer 1: a material graph and product returns from one seed."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np

from toolchain.errors import ScenarioError
from toolchain.scenario.article import generate_article_returns
from toolchain.scenario.graph import check_graph, generate_graph
from toolchain.scenario.parameters import ScenarioParameters
from toolchain.scenario.regime import price_regimes
from toolchain.scenario.returns import Returns, check_returns
from toolchain.scenario.scenario import Scenario
from toolchain.scenario.weee import generate_weee_returns


class CircularSupplyChainGenerator:
    """Draws circular supply chains; the same seed and parameters always give the same one.

    Graph, returns, latent outcomes and prices each have a random stream of their own, so that, for
    example, another number of products leaves the graph's links and prices as they are.

    Args:
        seed: any integer of at least 0.
        parameters: sizes, capacities and the deciding node.

    Raises:
        ScenarioError: the seed is negative.
    """

    def __init__(self, seed: int = 42, parameters: ScenarioParameters | None = None) -> None:
        if seed < 0:
            raise ScenarioError(f"seed is {seed}, must be at least 0", hint="give another seed")
        self.seed = seed
        self.parameters = parameters if parameters is not None else ScenarioParameters()

    def generate_material_graph(self, n_nodes: int | None = None) -> nx.DiGraph:
        """Draw the graph; see :func:`toolchain.scenario.graph.generate_graph`.

        Raises:
            ScenarioError: ``n_nodes`` is out of range.
        """
        return generate_graph(self._stream(0), self._with(n_nodes=n_nodes))

    def generate_product_returns(self, n_products: int | None = None) -> Returns:
        """Draw the returns.

        See :func:`toolchain.scenario.article.generate_article_returns` and
        :func:`toolchain.scenario.weee.generate_weee_returns`.

        Raises:
            ScenarioError: ``n_products`` is out of range, or the graph has no collection node.
        """
        parameters = self._with(n_products=n_products)
        graph = generate_graph(self._stream(0), parameters)
        return self._returns(graph, parameters)

    def generate(self) -> Scenario:
        """Draw a whole scenario and check that it can be decided.

        Raises:
            ScenarioError: a repair is switched off and the drawn scenario cannot be decided.
        """
        parameters = self.parameters
        graph = self.generate_material_graph()
        check_graph(graph)
        returns = self._returns(graph, parameters)
        if not parameters.repairs.horizon:
            check_returns(returns.columns(), source="returns", horizon_days=parameters.horizon_days)
        regimes = price_regimes(
            self._stream(3), parameters.horizon_days, parameters.price_volatility
        )
        return Scenario(parameters, self.seed, graph, returns, regimes)

    def _returns(self, graph: nx.DiGraph, parameters: ScenarioParameters) -> Returns:
        draw = {"article": generate_article_returns, "weee": generate_weee_returns}
        return draw[parameters.generator](self._stream(1), self._stream(2), graph, parameters)

    def _stream(self, index: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed).spawn(4)[index])

    def _with(self, **changed: Any) -> ScenarioParameters:
        given = {name: value for name, value in changed.items() if value is not None}
        return ScenarioParameters(**{**dict(self.parameters), **given})
