"""Many scenarios: the same result from any workers, resumed, stopped early, refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from host.score import (
    GenerativeBenchmarkRunner,
    PolicySpec,
    decide,
    held_out_seed,
    runner,
    score_scenario,
)
from toolchain.environment import BASELINES, hindsight_optimum, rollout
from toolchain.errors import InputError, JouleloopError, RunFolderError
from toolchain.scenario import CircularSupplyChainGenerator, Scenario, scenario_like

ROOT = Path(__file__).resolve().parents[2]
N = 4


@pytest.fixture(scope="module")
def reference(small, specs, tmp_path_factory):
    """Scored in this process, one after the other."""
    out = tmp_path_factory.mktemp("reference")
    engine = GenerativeBenchmarkRunner(N, policies=specs, basis=small)
    return engine.run(out, workers=1), out


def _bytes(folder):
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*.json")}


def test_results_are_those_of_the_metrics(small, specs, reference):
    results, _ = reference
    assert len({result["sha256"] for result in results}) == N
    for index, result in enumerate(results):
        scenario = CircularSupplyChainGenerator(held_out_seed(42, index), small).generate()
        assert (result["index"], result["sha256"]) == (index, scenario.sha256)
        optimum = hindsight_optimum(scenario)
        rows = rollout(scenario, BASELINES["greedy_capacity"](small, 0))
        value = rows["value_eur"].to_numpy().sum()
        scores = result["policies"]["greedy_capacity"]
        expected = (value - optimum.floor_eur) / (optimum.value_eur - optimum.floor_eur)
        assert scores["decision_quality"] == pytest.approx(expected)
        wasted = rows["mass_wasted_kg"].to_numpy().sum()
        assert scores["waste_generation"] == pytest.approx(wasted / small.n_products)
        assert scores["stopped_day"] is None
        assert result["policies"]["always_dispose"]["decision_quality"] == 0.0
        assert set(result["policies"]) == {spec.name for spec in specs}


def test_processes_give_the_same_bytes(small, specs, reference, tmp_path):
    engine = GenerativeBenchmarkRunner(N, policies=specs, basis=small)
    assert engine.run(tmp_path / "two", workers=2) == reference[0]
    assert _bytes(tmp_path / "two") == _bytes(reference[1])


def test_a_dask_cluster_gives_the_same_bytes(small, specs, reference, tmp_path):
    distributed = pytest.importorskip("distributed")
    engine = GenerativeBenchmarkRunner(N, policies=specs, basis=small)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        results = engine.run(tmp_path / "dask", scheduler=cluster.scheduler_address)
    assert results == reference[0]
    assert _bytes(tmp_path / "dask") == _bytes(reference[1])


@pytest.mark.parametrize("address", ["foo://bar:1", "http://127.0.0.1:8786", "localhost", ""])
def test_an_impossible_address_is_refused_at_once(small, specs, tmp_path, address):
    pytest.importorskip("distributed")
    engine = GenerativeBenchmarkRunner(1, policies=specs, basis=small)
    with pytest.raises(InputError, match=f"no Dask scheduler answers at '{address}'") as caught:
        engine.run(tmp_path, scheduler=address)
    assert isinstance(caught.value.__cause__, ValueError)


def test_no_scheduler_at_the_address(small, specs, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    from host.score import workers

    monkeypatch.setattr(workers, "_CONNECT_S", 1)
    engine = GenerativeBenchmarkRunner(1, policies=specs, basis=small)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        engine.run(tmp_path, scheduler="tcp://127.0.0.1:9")


def test_workers_do_not_import_tensorflow(int8_file, tmp_path):
    (tmp_path / "p.tflite").write_bytes(int8_file)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from host.score import GenerativeBenchmarkRunner, read_policies, score_scenario\n"
        "from toolchain.scenario import ScenarioParameters\n"
        "small = ScenarioParameters(n_nodes=10, n_products=5, horizon_days=10)\n"
        "specs = read_policies(sys.argv[1])\n"
        "job = GenerativeBenchmarkRunner(1, policies=specs, basis=small).job\n"
        "assert score_scenario(job, 0)['policies']['p']['decided'] == 5\n"
        "print([n for n in sys.modules if n.split('.')[0] in ('tensorflow', 'keras')])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "p.tflite")],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"


def test_it_goes_on_where_it_broke_off(small, specs, reference, tmp_path, monkeypatch):
    engine = GenerativeBenchmarkRunner(N, policies=specs, basis=small)
    scored: list[int] = []
    real = runner.score_here

    def breaking(job, indices):
        for result in real(job, indices):
            scored.append(result["index"])
            yield result
            if len(scored) == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(runner, "score_here", breaking)
    with pytest.raises(KeyboardInterrupt):
        engine.run(tmp_path, workers=1)
    assert [f.name for f in sorted((tmp_path / "scenarios").iterdir())] == [
        "00000.json",
        "00001.json",
    ]
    # A file that is not whole, or of another job, does not count.
    (tmp_path / "scenarios" / "00001.json").write_text('{"key": "other", "index": 1}')
    (tmp_path / "scenarios" / "00003.json").write_text("{")
    assert engine.run(tmp_path, workers=1) == reference[0]
    assert scored == [0, 1, 1, 2, 3]
    assert _bytes(tmp_path) == _bytes(reference[1])
    # More scenarios of the same job go on, too.
    more = GenerativeBenchmarkRunner(N + 1, policies=specs, basis=small)
    assert more.run(tmp_path, workers=1)[:N] == reference[0]
    assert scored == [0, 1, 1, 2, 3, 4]


def test_another_job_is_refused(small, specs, reference):
    _, out = reference
    for engine, name in (
        (GenerativeBenchmarkRunner(N, policies=specs, basis=small, seed=1), "seed"),
        (GenerativeBenchmarkRunner(N, policies=specs[:2], basis=small), "policies"),
        (GenerativeBenchmarkRunner(N, policies=specs), "basis"),
    ):
        with pytest.raises(RunFolderError, match=f"another job; it differs in {name}"):
            engine.run(out, workers=1)


def test_a_folder_of_something_else_is_left_alone(small, specs, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="holds no scores"):
        GenerativeBenchmarkRunner(1, policies=specs, basis=small).run(tmp_path, workers=1)
    assert [f.name for f in tmp_path.iterdir()] == ["thesis.txt"]


def test_other_source_is_refused(small, specs):
    job = GenerativeBenchmarkRunner(1, policies=specs, basis=small).job
    with pytest.raises(JouleloopError, match=r"this worker's source is .*, the job's 0000"):
        score_scenario(replace(job, code_sha256="0000"), 0)


def _heavy(small) -> Scenario:
    """Products of 150 kg each, as a table of one's own."""
    base = CircularSupplyChainGenerator(1, small).generate()
    parameters = small.model_copy(update={"generator": "own"})
    steel = np.full(small.n_products, 150.0)
    return replace(base, parameters=parameters, returns=replace(base.returns, steel_kg=steel))


def test_a_policy_that_wastes_too_much_is_stopped(small, tmp_path):
    specs = (PolicySpec("always_dispose", "baseline"), PolicySpec("all_recycle", "baseline"))
    basis = _heavy(small)
    result = GenerativeBenchmarkRunner(1, policies=specs, basis=basis).run(tmp_path, workers=1)[0]
    scenario = scenario_like(basis, held_out_seed(42, 0))
    first_day = int(scenario.returns.return_day[0])
    stopped = result["policies"]["always_dispose"]
    assert stopped["stopped_day"] == first_day
    assert stopped["decided"] == (scenario.returns.return_day == first_day).sum() < 25
    assert stopped["waste_generation"] > 150
    assert stopped["decision_quality"] == 0.0
    # Recycling all day long wastes less, but counts the floor for what it left when stopped.
    rows, day = decide(scenario, BASELINES["all_recycle"](basis, 42), 100.0)
    other = result["policies"]["all_recycle"]
    assert other["stopped_day"] == day
    rest = hindsight_optimum(scenario).product_floor_eur[rows.num_rows :].sum()
    value = rows["value_eur"].to_numpy().sum() + rest
    assert other["value_eur"] == pytest.approx(value)
    without, never = decide(scenario, BASELINES["always_dispose"](basis, 42), 1e9)
    assert (without.num_rows, never) == (25, None)


def test_held_out_seeds_meet_no_training_seed():
    seeds = {held_out_seed(seed, index) for seed in range(30) for index in range(100)}
    assert len(seeds) == 3_000
    assert min(seeds) >= 1 << 62
    assert max(seeds) < 1 << 63


def test_impossible_benchmarks_are_refused(small, specs, tmp_path):
    for given in ({"n_scenarios": 0, "policies": specs}, {"policies": ()}):
        with pytest.raises(InputError, match="give at least one"):
            GenerativeBenchmarkRunner(**given)
    with pytest.raises(InputError, match="different names"):
        GenerativeBenchmarkRunner(policies=(specs[0], specs[0]))
    with pytest.raises(InputError, match="workers is 0"):
        GenerativeBenchmarkRunner(1, policies=specs, basis=small).run(tmp_path, workers=0)


def test_the_result_has_no_time_and_no_place(reference):
    _, out = reference
    text = "".join(file.read_text() for file in out.rglob("*.json"))
    assert str(out) not in text
    assert set(json.loads((out / "job.json").read_text())["packages"]) == {"numpy", "scipy"}
