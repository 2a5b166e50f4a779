"""Scenarios: material graphs, product returns and prices, generated or read from a folder."""

from toolchain.scenario.article import current_value_eur
from toolchain.scenario.columns import Column
from toolchain.scenario.factors import FAMILIES, MATERIALS, Factors, factors, factors_sha256
from toolchain.scenario.files import (
    load_scenario,
    read_graph,
    read_returns,
    save_product_returns,
    save_scenario,
)
from toolchain.scenario.generator import BLOCK_ROWS, CircularSupplyChainGenerator
from toolchain.scenario.graph import (
    EDGE_COLUMNS,
    FACILITY_TYPES,
    NODE_COLUMNS,
    NODE_TYPES,
    check_graph,
    nodes_of_type,
)
from toolchain.scenario.own import (
    OPTIONAL,
    Basis,
    OwnTables,
    own_scenario,
    resampled,
    scenario_like,
)
from toolchain.scenario.parameters import (
    NodeParameters,
    Repairs,
    ScenarioParameters,
    SlotsPerReturn,
    whole_number,
)
from toolchain.scenario.regime import Outage, Regime
from toolchain.scenario.returns import COLUMNS, Returns, check_returns
from toolchain.scenario.scenario import Scenario
from toolchain.scenario.weee import draw_products

__all__ = [
    "BLOCK_ROWS",
    "COLUMNS",
    "EDGE_COLUMNS",
    "FACILITY_TYPES",
    "FAMILIES",
    "MATERIALS",
    "NODE_COLUMNS",
    "NODE_TYPES",
    "OPTIONAL",
    "Basis",
    "CircularSupplyChainGenerator",
    "Column",
    "Factors",
    "NodeParameters",
    "Outage",
    "OwnTables",
    "Regime",
    "Repairs",
    "Returns",
    "Scenario",
    "ScenarioParameters",
    "SlotsPerReturn",
    "check_graph",
    "check_returns",
    "current_value_eur",
    "draw_products",
    "factors",
    "factors_sha256",
    "load_scenario",
    "nodes_of_type",
    "own_scenario",
    "read_graph",
    "read_returns",
    "resampled",
    "save_product_returns",
    "save_scenario",
    "scenario_like",
    "whole_number",
]
