"""The knobs of a scenario: sizes, capacities, prices' volatility and the deciding node."""

from __future__ import annotations

import operator
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from toolchain.errors import ScenarioError
from toolchain.scenario.factors import factors

MIN_NODES = 8
"""A closed loop needs one node of each of the eight types."""

MAX_NODES = 5_000
"""Largest material graph."""

MAX_DAYS = 3_650
"""Longest horizon."""

MAX_SLOTS_PER_RETURN = 1_000
"""Far beyond where capacity stops to bind."""


def whole_number(name: str, value: Any, least: int) -> int:
    """The value as a Python integer.

    Raises:
        ScenarioError: it is no integer, or below ``least``.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ScenarioError(
            f"{name} is {value!r}, must be a whole number of at least {least}",
            hint=f"give another {name}",
        )
    return number


class _Knobs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or type(self).__name__
            raise ScenarioError(
                f"scenario parameter {key}: {first['msg']} (value: {first.get('input')!r})",
                hint="see toolchain/scenario/parameters.py for every parameter's unit and range",
            ) from error


def _constant(section: str, name: str, **limits: Any) -> Any:
    """A field whose default is a constant of ``factors.toml``."""
    return Field(default_factory=lambda: getattr(getattr(factors(), section), name).value, **limits)


class Repairs(_Knobs):
    """Which of the source article's defects are mended; all by default.

    ``horizon``: return days are drawn from the Weibull law truncated to the horizon (else about
    37 % of the returns fall behind it and are never decided). ``circular``: the graph has all node
    types and the edges that close every loop (else the scenario is refused when it is decided on).
    ``condition``: wear, corrosion, electronic health and battery cycles follow age through a
    Gaussian copula that keeps the article's marginals (else they are independent).
    """

    horizon: bool = True
    circular: bool = True
    condition: bool = True


class NodeParameters(_Knobs):
    """The microcontroller that decides: its energy and message budgets.

    The defaults, with their sources, are those of ``[node]`` in ``factors.toml``.
    """

    battery_j: float = _constant("node", "battery_j", gt=0)
    harvest_j_per_day: float = _constant("node", "harvest_j_per_day", ge=0)
    harvest_season: float = _constant("node", "harvest_season", ge=0, le=1)
    """Relative swing of the harvest over the year; its minimum is at day 0."""
    energy_per_decision_j: float = _constant("node", "energy_per_decision_j", ge=0)
    energy_per_message_j: float = _constant("node", "energy_per_message_j", ge=0)
    message_budget_per_day: float = _constant("node", "message_budget_per_day", ge=0)
    """Messages that the radio's duty cycle grants a day; up to a week's worth is kept."""


class SlotsPerReturn(_Knobs):
    """Slots that all facilities of one kind offer together, per expected return.

    They set how tight the capacities are: below 1, not every product can go there. The defaults
    are those of ``[capacity]`` in ``factors.toml``.
    """

    reuse: float = _constant("capacity", "reuse", ge=0, le=MAX_SLOTS_PER_RETURN)
    remanufacture: float = _constant("capacity", "remanufacture", ge=0, le=MAX_SLOTS_PER_RETURN)
    harvest: float = _constant("capacity", "harvest", ge=0, le=MAX_SLOTS_PER_RETURN)
    recycle: float = _constant("capacity", "recycle", ge=0, le=MAX_SLOTS_PER_RETURN)


class ScenarioParameters(_Knobs):
    """All parameters of :class:`~toolchain.scenario.CircularSupplyChainGenerator`.

    Raises:
        ScenarioError: an unknown name, or a value out of range; says which, and the limit.
    """

    generator: Literal["article", "weee", "own"] = "article"
    """The source article's product, families of electrical equipment, or a table of one's own."""
    own_graph: bool = False
    """Whether the graph is one's own."""
    n_nodes: int = Field(default=50, ge=MIN_NODES, le=MAX_NODES)
    n_products: int = Field(default=1_000, ge=1, le=20_000_000)
    horizon_days: int = Field(default=365, ge=1, le=MAX_DAYS)
    max_links: int = Field(default=16, ge=1)
    """Facilities of one type that one node is linked to; bounds the edges of large graphs."""
    max_wait_days: int = Field(
        default_factory=lambda: int(factors().capacity.max_wait_days.value), ge=1, le=90
    )
    """Longest time between arrival and processing."""
    slots_per_return: SlotsPerReturn = Field(default_factory=SlotsPerReturn)
    age_scale_years: float = _constant("article", "age_scale_years", gt=0, le=50)
    """Scale of the article's age law, Weibull of shape 2.5."""
    condition_shift_sd: float = Field(default=0.0, ge=-3, le=3)
    """Shift of the whole condition towards worse, in standard deviations."""
    price_volatility: float = _constant("prices", "volatility", ge=0, le=1)
    """Standard deviation of the log price from one regime to the next."""
    repairs: Repairs = Repairs()
    node: NodeParameters = Field(default_factory=NodeParameters)

    @model_validator(mode="after")
    def _some_capacity(self) -> Self:
        s = self.slots_per_return
        if s.reuse + s.remanufacture + s.harvest + s.recycle == 0:
            raise ValueError("every slots_per_return is 0, so that nothing can be decided")
        return self
