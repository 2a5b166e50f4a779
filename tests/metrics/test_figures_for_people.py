"""How figures are written in tables."""

from __future__ import annotations

import pytest

from host.report import format_value


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (6.577e-6, "J", "6.577 uJ"),
        (0.02223, "s", "22.23 ms"),
        (57.94e-6, "s", "57.94 us"),
        (1.5, "W", "1.5 W"),
        (0.0, "J", "0 J"),
        (-3e-3, "A", "-3 mA"),
        (2e-11, "J", "0.02 nJ"),
        (57_600.0, "B", "57,600 B"),
        (0.8587, "1", "0.8587"),
        (0.0, "", "0"),
        (2.5e-5, "", "2.500e-05"),
        (1234.5, "kg", "1,234 kg"),
        (None, "J", "-"),
    ],
)
def test_a_figure_has_four_digits_and_a_prefix_where_it_is_small(
    value: float | None, unit: str, expected: str
) -> None:
    assert format_value(value, unit) == expected
