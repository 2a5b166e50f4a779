"""The command: which policies, which scenarios, and what the summary says."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from host.chain import settings
from host.chain.settings import PRESETS, PresetName
from host.metrics import bootstrap_interval
from host.score import (
    WASTE_LIMIT_KG,
    GenerativeBenchmarkRunner,
    build_policy,
    decide,
    print_score,
    read_policies,
    score_scenario,
    summarise,
)
from toolchain.compile.float_synthetic import reference_float_network
from toolchain.environment import BASELINES
from toolchain.errors import (
    InputError,
    JouleloopError,
    MissingDependencyError,
    ModelError,
    RunFolderError,
)
from toolchain.quantize import FloatPolicy, runtime
from toolchain.scenario import (
    CircularSupplyChainGenerator,
    ScenarioParameters,
    load_scenario,
    scenario_like,
)

TINY = replace(PRESETS[PresetName.QUICK], n_products=20, horizon_days=25)


def _entry(quality):
    circular = dict.fromkeys(("material_circularity", "energy_recovery"), 0.5)
    circular |= {"component_reuse_rate": None, "waste_generation": 2.0}
    return {"decision_quality": quality, "value_eur": 10.0, "stopped_day": None, **circular}


def _results(qualities):
    return [
        {
            "index": index,
            "seed": index,
            "sha256": "0",
            "optimum_eur": 20.0 + index,
            "policies": {name: _entry(values[index]) for name, values in qualities.items()},
        }
        for index in range(len(next(iter(qualities.values()))))
    ]


def test_summary_by_hand():
    qualities = {
        "random": [0.1, 0.3, 0.2, None],
        "bid_price": [0.6, 0.8, 0.7, 0.9],
        "mine": [0.7, 0.8, 0.9, 0.1],
    }
    summary = summarise(_results(qualities), "mine", 3, {})
    assert summary["undefined"] == 1
    assert summary["hindsight_optimum_eur"] == 21.5
    means = {n: e["decision_quality"]["mean"] for n, e in summary["policies"].items()}
    assert means == pytest.approx({"random": 0.2, "bid_price": 0.7, "mine": 0.8})
    assert summary["best_causal_baseline"] == "bid_price"
    # Paired over the three scenarios: 0.1, 0.0 and 0.2.
    assert summary["difference"]["mean"] == pytest.approx(0.1)
    assert summary["difference"]["low"] >= -1e-12
    assert summary["difference"]["high"] <= 0.2 + 1e-12
    assert summary["difference"]["samples"] == 3
    assert summary["policies"]["mine"]["component_reuse_rate"] is None
    expected = bootstrap_interval([0.7, 0.8, 0.9], np.random.default_rng([0xB007, 3]))
    assert summary["policies"]["mine"]["decision_quality"]["low"] == expected.low


def test_a_baseline_is_compared_with_the_others():
    summary = summarise(
        _results({"random": [0.1, 0.2], "bid_price": [0.6, 0.8]}), "bid_price", 0, {}
    )
    assert summary["best_causal_baseline"] == "random"
    assert summary["difference"]["mean"] == pytest.approx(0.55)


def test_nothing_to_decide_is_no_quality():
    summary = summarise(_results({"random": [None], "mine": [None]}), "mine", 0, {})
    assert summary["undefined"] == 1
    assert summary["policies"]["mine"]["decision_quality"] is None
    assert summary["difference"] is None


def test_policies_by_name_and_file(tmp_path, float_file, int8_file):
    assert read_policies("bid_price") == ()
    (tmp_path / "a.npz").write_bytes(float_file)
    (tmp_path / "b.tflite").write_bytes(int8_file)
    for name, kind in (("a.npz", "float"), ("b.tflite", "int8")):
        (spec,) = read_policies(str(tmp_path / name))
        assert (spec.name, spec.kind) == (name[0], kind)
    with pytest.raises(InputError, match="no policy 'typo'") as caught:
        read_policies("typo")
    assert "greedy_capacity" in caught.value.hint
    (tmp_path / "bad.npz").write_bytes(b"noise")
    with pytest.raises(InputError, match="not a policy"):
        read_policies(str(tmp_path / "bad.npz"))
    (tmp_path / "bad.tflite").write_bytes(b"noise")
    with pytest.raises(ModelError):
        read_policies(str(tmp_path / "bad.tflite"))
    np.savez(tmp_path / "small.npz", weight_0=np.zeros((3, 5)), bias_0=np.zeros(5))
    with pytest.raises(InputError, match="3 inputs and 5 outputs, must be 24 and 5"):
        read_policies(str(tmp_path / "small.npz"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match="is not a run folder") as refused:
        read_policies(str(tmp_path / "empty"))
    assert "jouleloop runs" in refused.value.hint


def test_a_tflite_with_float_ends_is_scored_by_the_hosts_runtime(tmp_path, small, monkeypatch):
    model = reference_float_network((24, 16, 5), np.random.default_rng(3))
    (tmp_path / "f.tflite").write_bytes(model)
    (spec,) = read_policies(str(tmp_path / "f.tflite"))
    assert spec.kind == "host" and spec.ran_by.split()[0] in runtime.RUNTIMES
    engine = GenerativeBenchmarkRunner(1, policies=(spec,), basis=small)
    summary = summarise([score_scenario(engine.job, 0)], "f", 0, engine.job.as_json())
    scenario = scenario_like(small, summary["scenarios"][0]["seed"])
    rows = decide(scenario, FloatPolicy(model), WASTE_LIMIT_KG)[0]
    assert len(np.unique(rows["action"].to_numpy())) > 1
    value = summary["policies"]["f"]["value_eur"]
    assert value == pytest.approx(rows["value_eur"].to_numpy().sum())
    console = Console(width=80)
    with console.capture() as shown:
        print_score(summary, tmp_path, console)
    assert f"f was run by {spec.ran_by}: a board may decide" in shown.get()
    with pytest.raises(JouleloopError, match=r"would be run by .* here, the job says other 1"):
        build_policy(replace(spec, ran_by="other 1"), small, 0)
    monkeypatch.setattr(runtime, "RUNTIMES", {"ai-edge-litert": "no_such_module_here"})
    with pytest.raises(MissingDependencyError, match="ai-edge-litert"):
        read_policies(str(tmp_path / "f.tflite"))


@pytest.fixture
def cli(monkeypatch, tmp_path, capfd):
    from host import cli as module

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(settings.PRESETS, PresetName.QUICK, TINY)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["jouleloop", *map(str, arguments)])
        capfd.readouterr()
        try:
            module.main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run


def test_the_command_prints_every_baseline_and_goes_on(cli, tmp_path, float_file):
    (tmp_path / "mine.npz").write_bytes(float_file)
    code, out, err = cli("score", "mine.npz", "--workers", 1, "--out", "s", "--seed", 5)
    assert code == 0, err
    said = ("95 % interval", "held-out scenarios", "best causal baseline")
    for name in (*BASELINES, "mine", "hindsight_optimum", *said):
        assert name in out, name
    assert "…" not in out
    assert max(len(line) for line in out.splitlines()[:9]) <= 80
    first = (tmp_path / "s" / "score.json").read_bytes()
    summary = json.loads(first)
    assert len(summary["scenarios"]) == 20
    assert summary["policy"] == "mine"
    assert summary["job"]["basis"]["n_products"] == 20
    assert all(e["decision_quality"]["samples"] == 20 for e in summary["policies"].values())
    code, out, _ = cli("score", "mine.npz", "--workers", 1, "--out", "s", "--seed", 5, "--json")
    assert code == 0
    assert json.loads(out) == summary
    assert (tmp_path / "s" / "score.json").read_bytes() == first


def test_impossible_commands_are_usage_errors(cli):
    for arguments, message in (
        (("nothing",), "no policy 'nothing'"),
        (("bid_price", "--scenarios", 19), "19 scenarios, must be at least 20"),
        (("bid_price", "--workers", 0), "workers is 0, must be at least 1"),
        (("bid_price", "--like", "nowhere"), "nowhere is not a folder"),
        (("bid_price", "--seed", 0), "seed 0 is out of range"),
    ):
        code, _, err = cli("score", *arguments)
        assert code == 2
        assert message in err


@pytest.fixture
def own_run(cli, tmp_path):
    """A run folder whose scenario is a table of one's own."""
    scenario = CircularSupplyChainGenerator(
        2, ScenarioParameters(n_nodes=9, n_products=15, horizon_days=20)
    ).generate()
    columns = {n: c for n, c in scenario.returns.columns().items() if "draw" not in n}
    pq.write_table(pa.table(columns), tmp_path / "returns.parquet")
    nx.write_graphml(scenario.graph, tmp_path / "graph.graphml")
    given = ("--returns", "returns.parquet", "--graph", "graph.graphml", "--seed", 3)
    code, _, err = cli("generate", "--out", "own", *given)
    assert code == 0, err
    return tmp_path / "own"


def test_a_table_of_large_values_and_long_names_fits_the_terminal():
    name = "a_network_with_a_name_that_does_not_end"
    quality = {"mean": -0.1235, "low": -0.1235, "high": 0.9877}
    entry = {"decision_quality": quality, "value_eur": -9_876_543.2, "stopped": 0}
    entry |= {"material_circularity": 0.1235, "waste_generation": 0.001235}
    summary = {"policies": {name: entry}, "policy": name, "hindsight_optimum_eur": 9_876_543.2}
    summary |= {"scenarios": [0], "undefined": 0, "difference": None, "job": {}}
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    print_score(summary, Path("score.json"), console)
    lines = console.file.getvalue().splitlines()
    for figure in ("-0.1235", "-0.1235 .. 0.9877", "-9,876,543", "0.1235", "0.001235"):
        assert figure in lines[1]
    assert not any("…" in line for line in lines)


def test_scenarios_like_those_of_own_tables(cli, own_run):
    code, out, err = cli("score", "all_recycle", "--like", own_run, "--workers", 1, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["job"]["basis"] == {"scenario": load_scenario(own_run / "generate").sha256}
    assert summary["job"]["seed"] == 3
    assert len({s["sha256"] for s in summary["scenarios"]}) == 20
    code, _, err = cli("score", "all_recycle", "--like", own_run, "--generator", "weee")
    assert code == 2
    assert "has tables of its own" in err


def test_a_run_folder_goes_on_with_its_own_tables(cli, own_run):
    manifest = json.loads((own_run / "manifest.json").read_text())
    assert set(manifest["stages"]["generate"]["parameters"]["tables"]) == {"returns", "graph"}
    code, out, _ = cli("generate", "--out", own_run)
    assert (code, "unchanged" in out) == (0, True)
    code, _, err = cli("generate", "--out", own_run, "--force")
    assert code == 2
    assert "must be given to make it again" in err
    assert load_scenario(own_run / "generate").parameters.generator == "own"
