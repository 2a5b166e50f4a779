"""Scenarios: material graphs, product returns and prices, generated or read from a folder."""

from toolchain.scenario.factors import FAMILIES, MATERIALS, Factors, factors, factors_sha256
from toolchain.scenario.files import load_scenario, read_graph, read_returns, save_scenario
from toolchain.scenario.generator import CircularSupplyChainGenerator
from toolchain.scenario.graph import FACILITY_TYPES, NODE_TYPES, check_graph, nodes_of_type
from toolchain.scenario.parameters import (
    NodeParameters,
    Repairs,
    ScenarioParameters,
    SlotsPerReturn,
)
from toolchain.scenario.regime import Outage, Regime
from toolchain.scenario.returns import COLUMNS, Column, Returns, check_returns
from toolchain.scenario.scenario import Scenario
from toolchain.scenario.weee import draw_products

__all__ = [
    "COLUMNS",
    "FACILITY_TYPES",
    "FAMILIES",
    "MATERIALS",
    "NODE_TYPES",
    "CircularSupplyChainGenerator",
    "Column",
    "Factors",
    "NodeParameters",
    "Outage",
    "Regime",
    "Repairs",
    "Returns",
    "Scenario",
    "ScenarioParameters",
    "SlotsPerReturn",
    "check_graph",
    "check_returns",
    "draw_products",
    "factors",
    "factors_sha256",
    "load_scenario",
    "nodes_of_type",
    "read_graph",
    "read_returns",
    "save_scenario",
]
