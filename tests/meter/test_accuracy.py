"""The table of accuracies, and its arithmetic by hand."""

import math

import pytest

from host.meter import accuracy_of
from toolchain.errors import InputError


def test_gains_add_in_quadrature_and_limits_are_uniform() -> None:
    # INA226: current 0.1 %, voltage 0.1 %, shunt 0.5 %.
    accuracy = accuracy_of("ina226", shunt_ohm=0.1, shunt_tolerance=0.005)
    expected = math.sqrt(0.001**2 + 0.001**2 + 0.005**2) / math.sqrt(3)
    assert accuracy.gain_uncertainty == pytest.approx(expected)
    # 10 uV over 0.1 ohm are 100 uA; at 5 V 0.5 mW.
    assert accuracy.offset_a.limit == pytest.approx(1e-4)
    assert accuracy.offset_w(5.0) == pytest.approx(0.5e-3 / math.sqrt(3))


def test_the_ina228_counts_energy_by_its_own_clock() -> None:
    accuracy = accuracy_of("ina228", shunt_ohm=0.015, shunt_tolerance=0.0)
    assert accuracy.gain_uncertainty == pytest.approx(
        math.sqrt(2 * 0.0005**2 + 0.005**2) / math.sqrt(3)
    )


def test_a_shunt_without_a_stated_tolerance_has_the_tables() -> None:
    accuracy = accuracy_of("ina219", shunt_ohm=0.1)
    assert accuracy.gains["shunt"].limit == 0.01
    assert "assumption" in accuracy.gains["shunt"].source


@pytest.mark.parametrize("kind", ["ppk2", "joulescope", "trace"])
def test_every_limit_has_a_source(kind) -> None:
    accuracy = accuracy_of(kind)
    for limit in (*accuracy.gains.values(), accuracy.offset_a):
        assert limit.limit >= 0
        assert limit.source.startswith(("datasheet", "assumption"))
    stated = accuracy.certified(0.003)
    assert stated.gain_uncertainty == pytest.approx(0.003 / math.sqrt(3))
    assert stated.offset_a == accuracy.offset_a


@pytest.mark.parametrize("gain", [-0.1, 1.0, float("nan")])
def test_an_impossible_gain_error_is_refused(gain) -> None:
    with pytest.raises(InputError, match="a gain error of"):
        accuracy_of("trace").certified(gain)
