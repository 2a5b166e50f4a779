"""Campaigns: every target x scenario x variant, resumed, in one table."""

import io
import shutil
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from host.hil.campaign import print_campaign, read_campaign, run_campaign
from toolchain.errors import InputError

POLICY = Path(__file__).parent / "policy"
TEXT = """
schema = 1
targets = ["pico@emulator", "pico@/dev/ttyACM0"]

[scenarios.small]
[scenarios.weee]
generator = "weee"
seed = 7

[variants.default]
[variants.small]
flash_budget = "smallest"
"""


@pytest.fixture
def run(fake, tmp_path):
    """Run the campaign with jobs that do as told; returns the table, whether complete, and runs."""
    file = tmp_path / "c.toml"
    file.write_text(TEXT)
    out = tmp_path / "out"

    def go(does):
        fake(does)
        for log in out.rglob("runs.log"):
            log.unlink()
        options = {"out": out, "time_limit_s": 30, "lease_wait_s": 30}
        table, complete = run_campaign(file, **options, console=Console(file=io.StringIO()))
        began = sum(log.read_text().count("begin") for log in (out / "jobs").rglob("runs.log"))
        return table, complete, began

    return go


def test_everything_is_run_once_and_what_failed_again(run, make_result, tmp_path):
    dead = {f"pico@-dev-ttyACM0/small/{v}": "die" for v in ("default", "small")}
    table, complete, began = run({"*": make_result(), **dead})
    assert (table.num_rows, complete, began) == (8, False, 8)
    failed = [row for row in table.to_pylist() if row["status"] != "done"]
    assert len(failed) == 2
    assert all("out of luck" in row["error"] for row in failed)

    table, complete, began = run({"*": make_result(flash=123)})
    assert (table.num_rows, complete, began) == (8, True, 2)
    rows = {(r["target"], r["scenario"], r["variant"]): r for r in table.to_pylist()}
    assert rows["pico@/dev/ttyACM0", "small", "small"]["flash_bytes"] == 123
    one = rows["pico@emulator", "weee", "default"]
    assert one["flash_bytes"] == 20_000
    assert one["latency_us.median"] == pytest.approx(57.6)
    assert one["energy_uj.total.uncertainty"] > 0
    assert one["energy_uj.total.provenance"] == "emulated"
    assert pq.read_table(tmp_path / "out" / "campaign.parquet").equals(table)
    assert pyarrow.csv.read_csv(tmp_path / "out" / "campaign.csv").num_rows == 8
    text = io.StringIO()
    print_campaign(table, Console(file=text))
    assert text.getvalue().count("pico@emulator") == 4
    assert "outside" not in text.getvalue()


def test_every_figure_that_is_shown_has_its_own_provenance(run, make_result):
    table, _, _ = run({"*": make_result(each_j=None, outside=True)})
    text = io.StringIO()
    print_campaign(table, Console(file=text, width=140))
    title, *lines = text.getvalue().splitlines()
    figures = title.split()
    row = next(i for i, line in enumerate(lines) if "pico@emulator" in line)
    said = dict(zip(figures[4:], lines[row + 1].split(), strict=True))
    assert said == {
        "latency_us.median": "emulated",
        "energy_uj.total": "unavailable",
        "flash_bytes": "emulated",
        "ram_bytes": "emulated",
        "quality": "modelled",
    }
    assert "at 125 MHz, outside of the chip's specification" in text.getvalue()


def test_a_variant_with_a_given_policy_trains_nothing(run, make_result, tmp_path):
    policy = shutil.copytree(POLICY, tmp_path / "policy")
    (tmp_path / "c.toml").write_text(
        f'{TEXT}\n[variants.mine]\npolicy = "{policy}"\n[variants.yours]\npolicy = "{policy}"\n'
    )
    table, complete, began = run({"*": make_result()})
    assert (table.num_rows, complete, began) == (16, True, 16)
    assert run({"*": "die"})[2] == 0, "nothing is run again"
    shutil.copy(policy / "policy_fallback.tflite", policy / "policy.tflite")
    assert run({"*": make_result()})[2] == 8, "unless the networks are other ones"


def test_policies_that_variants_share_are_trained_once(run, make_result, tmp_path):
    run({"*": make_result()})
    trained = (tmp_path / "out" / "trained" / "runs.log").read_text()
    assert trained.count("begin") == 2, "one for each scenario, for both picos"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema = 1\ntargets = []", "targets"),
        ('schema = 1\ntargets = ["pico@emulator", "pico@emulator"]', "named twice"),
        ('schema = 1\ntargets = ["tofu@emulator"]', "unknown board"),
        ('schema = 1\ntargets = ["native"]', "process of this machine"),
        ('schema = 1\ntargets = ["pico@emulator"]\n[variants.a]\nspeed = 1', "variants.a.speed"),
        ('schema = 1\ntargets = ["pico@emulator"]\n[scenarios.a]\nseed = 0', "scenarios.a.seed"),
        ('schema = 1\ntargets = ["pico@emulator"]\n[variants."a b"]\n[variants."a-b"]', "folders"),
        ("schema = ", "cannot be read"),
    ],
)
def test_a_file_that_is_no_campaign_is_refused(tmp_path, text, says):
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=says):
        read_campaign(file)
