"""The knobs of a scenario: sizes, capacities, prices' volatility and the deciding node."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from toolchain.errors import ScenarioError

MIN_NODES = 8
"""A closed loop needs one node of each of the eight types."""

MAX_NODES = 5_000
"""Largest material graph."""


class _Knobs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

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

    The message energy is ESP-NOW's 38.5 mJ and the decision's about 8 uJ (FACTS.md section 4);
    battery and harvest are assumptions: a small supercapacitor and an indoor solar cell.
    """

    battery_j: float = Field(default=2.0, gt=0)
    harvest_j_per_day: float = Field(default=0.045, ge=0)
    harvest_season: float = Field(default=0.4, ge=0, le=1)
    """Relative swing of the harvest over the year; its minimum is at day 0."""
    energy_per_decision_j: float = Field(default=8e-6, ge=0)
    energy_per_message_j: float = Field(default=0.0385, ge=0)
    message_budget_per_day: float = Field(default=1.0, ge=0)
    """Messages that the radio's duty cycle grants a day; up to a week's worth is kept."""


class SlotsPerReturn(_Knobs):
    """Slots that all facilities of one kind offer together, per expected return.

    They set how tight the capacities are: below 1, not every product can go there.
    """

    reuse: float = Field(default=0.25, ge=0)
    remanufacture: float = Field(default=0.22, ge=0)
    harvest: float = Field(default=0.25, ge=0)
    recycle: float = Field(default=0.45, ge=0)


class ScenarioParameters(_Knobs):
    """All parameters of :class:`~toolchain.scenario.CircularSupplyChainGenerator`.

    Raises:
        ScenarioError: an unknown name, or a value out of range; says which, and the limit.
    """

    generator: Literal["article", "weee"] = "article"
    """The source article's product, or families of electrical equipment."""
    n_nodes: int = Field(default=50, ge=MIN_NODES, le=MAX_NODES)
    n_products: int = Field(default=1_000, ge=1, le=20_000_000)
    horizon_days: int = Field(default=365, ge=1, le=3_650)
    max_links: int = Field(default=16, ge=1)
    """Facilities of one type that one node is linked to; bounds the edges of large graphs."""
    max_wait_days: int = Field(default=14, ge=1, le=90)
    """Longest time between arrival and processing."""
    slots_per_return: SlotsPerReturn = SlotsPerReturn()
    age_scale_years: float = Field(default=6.0, gt=0)
    """Scale of the article's age law, Weibull of shape 2.5; an assumption (FACTS.md section 2)."""
    condition_shift_sd: float = Field(default=0.0, ge=-3, le=3)
    """Shift of the whole condition towards worse, in standard deviations."""
    price_volatility: float = Field(default=0.10, ge=0, le=1)
    """Standard deviation of the log price from one 30-day regime to the next; an assumption."""
    repairs: Repairs = Repairs()
    node: NodeParameters = NodeParameters()

    @model_validator(mode="after")
    def _some_capacity(self) -> Self:
        s = self.slots_per_return
        if s.reuse + s.remanufacture + s.harvest + s.recycle == 0:
            raise ValueError("every slots_per_return is 0, so that nothing can be decided")
        return self
