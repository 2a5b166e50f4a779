"""The generator of layer 1: a material graph and product returns from one seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import networkx as nx
import numpy as np

from toolchain.errors import ScenarioError
from toolchain.scenario.arrivals import draw_arrivals, weibull_law
from toolchain.scenario.article import draw_article_returns
from toolchain.scenario.graph import check_graph, generate_graph, nodes_of_type
from toolchain.scenario.parameters import ScenarioParameters, whole_number
from toolchain.scenario.regime import Regime, price_regimes
from toolchain.scenario.returns import Returns, check_returns, concatenated, regrouped
from toolchain.scenario.scenario import Scenario
from toolchain.scenario.weee import draw_weee_returns, weee_law

BLOCK_ROWS = 16_384
"""Returns that are drawn from one random stream; part of what a seed means."""


class CircularSupplyChainGenerator:
    """Draws circular supply chains; the same seed and parameters always give the same one.

    Graph, returns, latent outcomes and prices each have a random stream of their own, so that, for
    example, another number of products leaves the graph's links and prices as they are.

    Args:
        seed: any integer of at least 0.
        parameters: sizes, capacities and the deciding node.

    Raises:
        ScenarioError: the seed is negative or no whole number.
    """

    def __init__(self, seed: int = 42, parameters: ScenarioParameters | None = None) -> None:
        self.seed = whole_number("seed", seed, 0)
        self.parameters = parameters if parameters is not None else ScenarioParameters()

    def generate_material_graph(self, n_nodes: int | None = None) -> nx.DiGraph:
        """Draw the graph; see :func:`toolchain.scenario.graph.generate_graph`.

        Raises:
            ScenarioError: ``n_nodes`` is out of range.
        """
        return generate_graph(self._stream(0), self._with(n_nodes=n_nodes))

    def generate_product_returns(self, n_products: int | None = None) -> Returns:
        """Draw the returns; all of :meth:`iterate_product_returns` in one piece.

        Raises:
            ScenarioError: ``n_products`` is out of range, or the graph has no collection node.
        """
        parameters = self._with(n_products=n_products)
        return self.returns_on(generate_graph(self._stream(0), parameters), parameters)

    def iterate_product_returns(
        self, n_products: int | None = None, chunk: int = BLOCK_ROWS
    ) -> Iterator[Returns]:
        """Draw the returns piece by piece, in bounded memory.

        The returns are drawn in blocks of :data:`BLOCK_ROWS`, each from a random stream of its
        own, so that they are the same for every ``chunk``. See
        :func:`toolchain.scenario.article.draw_article_returns` and
        :func:`toolchain.scenario.weee.draw_weee_returns`.

        Args:
            n_products: how many; None for the parameters' number.
            chunk: returns in each piece; the last may be shorter.

        Raises:
            ScenarioError: ``n_products`` or ``chunk`` is out of range, or the graph has no
                collection node.
        """
        whole_number("chunk", chunk, 1)
        parameters = self._with(n_products=n_products)
        graph = generate_graph(self._stream(0), parameters)
        return regrouped(self._blocks(graph, parameters), chunk)

    def returns_on(
        self, graph: nx.DiGraph, parameters: ScenarioParameters | None = None
    ) -> Returns:
        """Draw the returns for a graph that is given.

        Raises:
            ScenarioError: the graph has no collection node.
        """
        chosen = parameters if parameters is not None else self.parameters
        return concatenated(self._blocks(graph, chosen), chosen.n_products)

    def generate(self) -> Scenario:
        """Draw a whole scenario and check that it can be decided.

        Raises:
            ScenarioError: a repair is switched off and the drawn scenario cannot be decided.
        """
        parameters = self.parameters
        graph = self.generate_material_graph()
        check_graph(graph)
        returns = self.returns_on(graph)
        if not parameters.repairs.horizon:
            check_returns(returns.columns(), source="returns", horizon_days=parameters.horizon_days)
        return Scenario(parameters, self.seed, graph, returns, self.regimes())

    def regimes(self) -> tuple[Regime, ...]:
        """Draw the prices; see :func:`toolchain.scenario.regime.price_regimes`."""
        parameters = self.parameters
        return price_regimes(self._stream(3), parameters.horizon_days, parameters.price_volatility)

    def _blocks(self, graph: nx.DiGraph, parameters: ScenarioParameters) -> Iterator[Returns]:
        collection = np.array(nodes_of_type(graph, "collection"), dtype=np.int32)
        if len(collection) == 0:
            raise ScenarioError(
                f"material graph: none of its {graph.number_of_nodes()} nodes collects products",
                hint="keep repairs.circular on",
            )
        if parameters.generator == "own":
            raise ScenarioError(
                "the returns are a table of your own, from which nothing can be generated",
                hint="use scenario_like() for more scenarios of their kind",
            )
        if parameters.generator == "weee":
            draw, law = draw_weee_returns, weee_law(parameters.horizon_days)
        else:
            law = weibull_law(parameters.horizon_days, parameters.repairs.horizon)
            draw = draw_article_returns
        n = parameters.n_products
        arrivals = draw_arrivals(self._stream(1), n, law)
        for block, first in enumerate(range(0, n, BLOCK_ROWS)):
            days = arrivals.days(first, min(first + BLOCK_ROWS, n))
            streams = self._stream(1, block), self._stream(2, block)
            yield draw(*streams, first, days, collection, parameters)

    def _stream(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def _with(self, **changed: Any) -> ScenarioParameters:
        given = {name: value for name, value in changed.items() if value is not None}
        return ScenarioParameters(**{**dict(self.parameters), **given})
