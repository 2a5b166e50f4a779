"""The pages' colours, light and dark: one table for the style sheet and the plots alike.

A figure is drawn with the light colours, and the page's script puts the dark ones in their place.
The data colours keep 3 to 1 against the background in both modes and differ in lightness as well
as in hue; every plot also tells its parts apart by position, pattern, symbol or label.
"""

from __future__ import annotations

LIGHT: dict[str, str] = {
    "paper": "#ffffff",
    "panel": "#f5f6f8",
    "ink": "#16191d",
    "muted": "#565e68",
    "line": "#dce0e5",
    "accent": "#0a559f",
    "faint": "#e4e8ed",
    "blue": "#1d6cb0",
    "orange": "#b8520a",
    "green": "#1a7a52",
    "purple": "#7a4da2",
    "gold": "#8a6700",
    "teal": "#0d7680",
    "red": "#b0243a",
    "grey": "#6a737e",
    "measured": "#0d5c2c",
    "measured-tint": "#dff3e4",
    "emulated": "#0a4a8f",
    "emulated-tint": "#e0edfb",
    "modelled": "#6b4700",
    "modelled-tint": "#fbefd5",
    "unavailable": "#8c1427",
    "unavailable-tint": "#fbe3e6",
}
"""By the name of the CSS variable."""

DARK: dict[str, str] = {
    "paper": "#0f1317",
    "panel": "#171c22",
    "ink": "#e7eaee",
    "muted": "#a4adb8",
    "line": "#2d353f",
    "accent": "#86bdff",
    "faint": "#28303a",
    "blue": "#6fb1f0",
    "orange": "#f0974e",
    "green": "#52c191",
    "purple": "#bd97e2",
    "gold": "#d8b240",
    "teal": "#4ec3ce",
    "red": "#f17d8e",
    "grey": "#98a2ad",
    "measured": "#8fe0a8",
    "measured-tint": "#12331e",
    "emulated": "#9ccbff",
    "emulated-tint": "#12294a",
    "modelled": "#f2cd7c",
    "modelled-tint": "#3a2a08",
    "unavailable": "#ffadb8",
    "unavailable-tint": "#471620",
}

SOFT = 0.38
"""Opacity of :func:`soft`."""


def soft(colour: str) -> str:
    """A colour of :data:`LIGHT` by its name, translucent: for bands and flows."""
    return _translucent(LIGHT[colour])


def _translucent(hex_colour: str) -> str:
    red, green, blue = (int(hex_colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {SOFT})"


def dark_for_light() -> dict[str, str]:
    """The dark colour for every light one that a figure may have, translucent ones included."""
    pairs = [(LIGHT[name], DARK[name]) for name in LIGHT]
    return dict(pairs) | {_translucent(light): _translucent(dark) for light, dark in pairs}
