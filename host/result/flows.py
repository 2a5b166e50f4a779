"""Where things went: the network's cycles by layer, the products' mass by facility."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from host.result.strict import AtLeast0, Computed, Count, OnBoard, Sha256, Strict


class Layer(Strict):
    """One layer of the policy's network."""

    index: Count
    operators: list[str]
    """Of the ``.tflite``, fused ones included."""
    input_shape: list[int]
    output_shape: list[int]
    strategy: str
    """How its kernel goes about it."""
    macs: Count
    count: Count
    """Cycles or instructions of one inference."""
    minimum: Count | None
    """Fewest cycles that a single-issue core could take; null where no such bound is known."""
    flash_bytes: Count | None
    """B of code and constants; null where they are not told apart."""


class LayerCounts(Strict):
    """What one inference takes, layer by layer."""

    provenance: OnBoard
    counted: Literal["cycles", "instructions"]
    basis: str
    """What counted or reckoned it, and on which program."""
    image_sha256: Sha256 | None = None
    """Of the program that was counted as a whole; absent where it was reckoned."""
    whole: Count
    outside_layers: int
    """Unpacking, calls, entry and exit: what no layer accounts for."""
    layers: list[Layer] = Field(min_length=1)


class NoLayerCounts(Strict):
    """Nothing tells them apart."""

    provenance: Literal["unavailable"]
    reason: str = Field(min_length=1)
    layers: list[Layer] = Field(max_length=0)


Layers: TypeAlias = LayerCounts | NoLayerCounts


class MaterialFlow(Strict):
    """Mass from one node to the next."""

    source: str
    target: str
    mass_kg: AtLeast0
    products: Count
    """That had a part in it."""


class MaterialFlows(Strict):
    """The mass of all returned products, from stream and family to decision, facility and end."""

    provenance: Computed
    unit: Literal["kg"]
    flows: list[MaterialFlow]
