"""The file of constants: every one has a unit, a source and a range that holds its value."""

import pytest

from toolchain.errors import ScenarioError
from toolchain.scenario import factors
from toolchain.scenario.factors import FACTORS_FILE, read_factors


def test_recycling_saves_energy_and_metals_match_their_sources():
    f = factors()
    assert f.materials["aluminum"].primary_mj_per_kg.high == 218.0
    assert f.materials["copper"].secondary_mj_per_kg.value == 16.5
    for material in f.materials.values():
        assert material.secondary_mj_per_kg.value < material.primary_mj_per_kg.value


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 155.0", "value = 300.0", "outside of its range 155.0..218.0"),
        ('unit = "1/day", ', "", "storage.cost_share_of_handling_per_day.unit: Field required"),
        ("[materials.other]", "[materials.wood]", "expected .*'other'"),
        ("schema = 1", "schema = 2", "schema"),
        ("[storage]", "[storage", "cannot be read"),
    ],
)
def test_broken_constants_are_refused(tmp_path, old, new, message):
    text = FACTORS_FILE.read_text()
    assert old in text
    path = tmp_path / "factors.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ScenarioError, match=message):
        read_factors(path)
