"""What all parts of the result have in common: no unknown key, no NaN, a reason for each gap."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A part whose shape is fixed; the strings under its fields are the schema's descriptions."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
AtLeast0 = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
OnBoard = Literal["measured", "emulated", "modelled"]
"""Provenance of a figure that there is."""
Computed = Literal["modelled"]

Unit = TypeVar("Unit")


class NoDetail(BaseModel):
    """Why there is no figure; what else is known of it may stand beside the reason."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    reason: str = Field(min_length=1)
    """In words."""


class Unavailable(Strict, Generic[Unit]):
    """A metric that there is no figure for."""

    value: None
    unit: Unit
    provenance: Literal["unavailable"]
    detail: NoDetail

    @classmethod
    def model_parametrized_name(cls, params: Any) -> str:
        """Such as ``Unavailable_kg_product``: the unit, which is all that differs."""
        (unit,) = params
        (text,) = get_args(unit) or ("any",)
        return f"Unavailable_{text}".replace("/", "_")
