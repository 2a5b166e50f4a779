"""Scenarios and the environment against plain Python, both in this process; prints a table.

Run by ``make bench``, or alone: python tests/bench/bench_scenario.py [--json] [--quick]. It fails
when the plain and the vectorised environment do not give the same values, or the plain and the
vectorised generator do not draw the same laws.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import sys
import tempfile
import time
import tracemalloc
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from toolchain.environment import (
    FEATURE_NAMES,
    Disposition,
    Simulation,
    VectorSimulation,
    features,
    hindsight_optimum,
)
from toolchain.environment.network import decay, network
from toolchain.environment.node import node_days
from toolchain.environment.outcomes import outcomes
from toolchain.scenario import (
    CircularSupplyChainGenerator,
    Returns,
    Scenario,
    ScenarioParameters,
    factors,
    nodes_of_type,
    save_product_returns,
)

REPEATS = 3
TARGETS = {
    "product returns, article": 20.0,
    "product returns, weee": 20.0,
    "vectorised environment": 100.0,
}


def main() -> int:
    """Run every benchmark and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a first look")
    arguments = parser.parse_args()
    scale = 10 if arguments.quick else 1
    results: dict[str, dict[str, Any]] = {}
    # First: the peak of the resident memory never falls, so a larger benchmark would hide it.
    bench_memory(results, 10_000_000 // scale)
    bench_returns(results, 200_000 // scale)
    bench_environment(results, 4096 // scale, 400 // scale)
    bench_optimum(results)
    for name, target in TARGETS.items():
        results[name]["target_ratio"] = target
    if arguments.json:
        print(json.dumps(results, indent=2))
    else:
        print_table(results)
    missed = [n for n, t in TARGETS.items() if results[n]["ratio"] < t]
    missed += [n for n, row in results.items() if row.get("max_s", 0) > row.get("target_s", 0)]
    for name in missed:
        print(f"below its target: {name}", file=sys.stderr)
    return 0


# --- product returns --------------------------------------------------------------------------


def bench_returns(results: dict[str, dict[str, Any]], n: int) -> None:
    """The generator against a loop over items that draws the same laws by scalar calls."""
    for name, plain, independent in (
        ("article", plain_article, False),
        ("article, independent condition", plain_article_independent, True),
        ("weee", plain_weee, False),
    ):
        kind = "weee" if name == "weee" else "article"
        repairs = {"repairs": {"condition": not independent}}
        generator = CircularSupplyChainGenerator(1, ScenarioParameters(generator=kind, **repairs))
        collection = nodes_of_type(generator.generate_material_graph(), "collection")
        few = n // 20
        rng = np.random.default_rng(2)
        slow_s = best_of(partial(plain, rng, collection, few)) / few
        fast_s = best_of(partial(generator.generate_product_returns, n)) / n
        compare_laws(plain(rng, collection, 10_000), generator.generate_product_returns(n))
        results[f"product returns, {name}"] = {
            "plain_us": slow_s * 1e6,
            "fast_us": fast_s * 1e6,
            "ratio": slow_s / fast_s,
            "unit": "us per product",
        }


def compare_laws(products: list[dict[str, Any]], returns: Returns) -> None:
    """Raise unless the loop's products are about those of the generator, in the mean."""
    columns = {"age": returns.age_years, "cycles": returns.battery_cycles}
    columns |= {"wear": returns.mechanical_wear, "corrosion": returns.corrosion}
    columns |= {"electronics": returns.electronic_health, "cosmetic": returns.cosmetic_damage}
    columns |= {"new_eur": returns.new_value_eur, "value_eur": returns.current_value_eur}
    columns |= {"day": returns.return_day, "components": returns.components}
    for name, drawn in columns.items():
        mean = float(np.mean([product[name] for product in products]))
        # Six standard errors: a constant that is off by a tenth is far outside.
        slack = 6 * float(drawn.std()) * math.sqrt(1 / len(products) + 1 / len(returns))
        np.testing.assert_allclose(mean, drawn.mean(), atol=slack, rtol=0, err_msg=name)


def plain_article(rng: np.random.Generator, collection: list[int], n: int) -> list[dict[str, Any]]:
    """The repaired article's laws, one product and one scalar call at a time."""
    laws = factors().article
    share = -math.expm1(-1.0)
    beta = {
        name: (getattr(laws, f"{name}_alpha").value, getattr(laws, f"{name}_beta").value)
        for name in ("wear", "corrosion", "electronics", "cosmetic")
    }
    correlation = {
        name: getattr(laws, f"age_correlation_{name}").value for name in (*beta, "cycles")
    }
    products = []
    for _ in range(n):
        day = int(365.0 * (-math.log1p(-rng.random() * share)) ** (1 / 2.5))
        age_z = rng.standard_normal()
        age = 6.0 * (-math.log(special.ndtr(-age_z))) ** (1 / 2.5)

        def follow(name: str, age_z: float = age_z) -> float:
            rho = correlation[name]
            own = math.sqrt(1 - rho * rho) * rng.standard_normal()
            return float(special.ndtr(rho * age_z + own))

        condition = {name: special.betaincinv(*beta[name], follow(name)) for name in beta}
        condition["electronics"] = 1.0 - condition["electronics"]
        cycles = int(-500.0 * math.log1p(-follow("cycles")))
        products.append(plain_product(rng, collection, day, age, condition, cycles))
    products.sort(key=lambda product: product["day"])
    return products


def plain_article_independent(
    rng: np.random.Generator, collection: list[int], n: int
) -> list[dict[str, Any]]:
    """The article's own loop: every condition is drawn directly, independent of the age."""
    share = -math.expm1(-1.0)
    products = []
    for _ in range(n):
        day = int(365.0 * (-math.log1p(-rng.random() * share)) ** (1 / 2.5))
        age = 6.0 * rng.weibull(2.5)
        condition = {
            "wear": rng.beta(2.0, 5.0),
            "corrosion": rng.beta(1.0, 8.0),
            "electronics": rng.beta(3.0, 3.0),
            "cosmetic": rng.beta(1.5, 4.0),
        }
        cycles = int(rng.exponential(500.0))
        products.append(plain_product(rng, collection, day, age, condition, cycles))
    products.sort(key=lambda product: product["day"])
    return products


def plain_product(
    rng: np.random.Generator,
    collection: list[int],
    day: int,
    age: float,
    condition: dict[str, float],
    cycles: int,
) -> dict[str, Any]:
    """Masses, components, value and latent draws of one product of the article."""
    masses = {
        "aluminum": rng.uniform(0.0, 2.5),
        "steel": rng.uniform(0.0, 3.0),
        "copper": rng.uniform(0.0, 1.5),
        "plastics": rng.uniform(0.0, 2.0),
        "rare_earths": rng.uniform(0.0, 0.1),
    }
    feedstock_eur = (
        2.3 * masses["aluminum"]
        + 0.7 * masses["steel"]
        + 8.5 * masses["copper"]
        + 1.4 * masses["plastics"]
        + 50.0 * masses["rare_earths"]
    )
    new_eur = 10.0 * feedstock_eur
    health = min(1.0, max(0.0, 1.0 - 0.18 / 500.0 * cycles))
    value_eur = new_eur * math.exp(-0.12 * age) * (1.0 - 0.4 * condition["cosmetic"])
    value_eur *= (1.0 - condition["wear"]) * (1.0 - condition["corrosion"])
    value_eur *= condition["electronics"] * (0.5 + 0.5 * health)
    return {
        "day": day,
        "node": collection[rng.integers(len(collection))],
        "age": age,
        "cycles": cycles,
        "components": rng.integers(6, 25),
        "new_eur": new_eur,
        "value_eur": value_eur,
        "draws": (rng.random(), rng.random()),
        **condition,
        **masses,
    }


def plain_weee(rng: np.random.Generator, collection: list[int], n: int) -> list[dict[str, Any]]:
    """The families' laws, one product and one scalar call at a time."""
    f = factors()
    w = f.weee
    names = list(f.families)
    shares = np.cumsum([family.share.value for family in f.families.values()]).tolist()
    season = np.arange(365)
    laws = []
    for swing, peak in (
        (w.season_swing.value, w.season_peak_day.value),
        (w.commercial_season_swing.value, w.commercial_season_peak_day.value),
    ):
        weights = 1 + swing * np.cos(2 * np.pi * (season - peak) / 365)
        laws.append(np.cumsum(weights / weights.sum()))
    shape1 = w.process_shape_at_lifetime.value
    products = []
    for _ in range(n):
        commercial = rng.random() < w.commercial_share.value
        day = int(np.searchsorted(laws[commercial], rng.random(), side="right"))
        u, index = rng.random(), 0
        while u >= shares[index]:
            index += 1
        family = f.families[names[index]]
        life = family.life_scale_years.value
        if commercial:
            age = w.commercial_max_age_years.value * rng.random()
        else:
            age = life * rng.weibull(family.life_shape.value)
        intensity = math.exp(w.use_intensity_sd.value * rng.standard_normal())
        shape = max(1e-6, shape1 * age / life * intensity)
        levels = [
            -math.expm1(-rng.standard_gamma(shape) * mean.value / shape1)
            for mean in (
                w.wear_at_lifetime,
                w.corrosion_at_lifetime,
                w.electronics_at_lifetime,
                w.cosmetic_at_lifetime,
            )
        ]
        electronics = 1.0 - levels[2]
        odds = w.commercial_failed_share if commercial else w.failed_share
        if rng.random() < odds.value:
            electronics *= w.failed_health_left.value * rng.random()
        rate = family.cycles_per_year.value
        cycles = int(rng.gamma(4.0, 0.25) * age * intensity * rate) if rate else 0
        size = math.exp(w.size_sd.value * rng.standard_normal() - w.size_sd.value**2 / 2)
        price = math.exp(w.price_sd.value * rng.standard_normal() - w.price_sd.value**2 / 2)
        new_eur = family.new_price_eur.value * price
        health = min(1.0, max(0.0, 1.0 - 0.18 / 500.0 * cycles))
        value_eur = new_eur * math.exp(-family.value_decay_per_year.value * age)
        value_eur *= (1.0 - 0.4 * levels[3]) * (1.0 - levels[0]) * (1.0 - levels[1])
        value_eur *= electronics * (0.5 + 0.5 * health)
        products.append(
            {
                "day": day,
                "node": collection[rng.integers(len(collection))],
                "family": index,
                "age": age,
                "wear": levels[0],
                "corrosion": levels[1],
                "electronics": electronics,
                "cosmetic": levels[3],
                "cycles": cycles,
                "kg": [
                    kg.value * size
                    for kg in (
                        family.aluminum_kg,
                        family.steel_kg,
                        family.copper_kg,
                        family.plastics_kg,
                        family.rare_earths_kg,
                        family.other_kg,
                    )
                ],
                "components": int(family.components.value),
                "new_eur": new_eur,
                "value_eur": value_eur,
                "draws": (rng.random(), rng.random()),
            }
        )
    products.sort(key=lambda product: product["day"])
    return products


# --- the environment --------------------------------------------------------------------------


def bench_environment(results: dict[str, dict[str, Any]], envs: int, n_products: int) -> None:
    """Decisions per second of the vectorised environment and of a plain loop over a queue.

    Both show each product's whole state and mask; the allowed action that a table of random
    preferences ranks first is taken. Choosing it is the policy's work, and not timed. Laying out a
    scenario's tables, which is the same vectorised code for both, is timed apart. Wall-clock time,
    as the vectorised one uses several cores; the best of the runs, on a machine that does nothing
    else.
    """
    parameters = ScenarioParameters(n_products=n_products)
    scenarios = [CircularSupplyChainGenerator(s, parameters).generate() for s in range(envs)]
    ranks = np.random.default_rng(0).random((envs, n_products, 5)).astype(np.float32)

    started = time.perf_counter()
    vector = VectorSimulation(scenarios)
    layout_s = time.perf_counter() - started
    plain_runs = []
    fast_rate = 0.0
    for turn in range(4):  # in turn, so that both meet the same machine; the first one compiles
        plain = PlainEnvironment(scenarios[turn])
        preference = ranks[turn].tolist()
        started = time.perf_counter()
        values, states, choosing_s = plain.run(preference)
        plain_runs.append((time.perf_counter() - started - choosing_s, values, states))
        vector.reset()
        started = time.perf_counter()
        choosing_s = 0.0
        for position in range(n_products):
            batch = vector.observe()
            choosing = time.perf_counter()
            actions = np.where(batch.masks, ranks[:, position], -1.0).argmax(axis=1)
            choosing_s += time.perf_counter() - choosing
            vector.execute(actions)
        spent_s = time.perf_counter() - started - choosing_s
        fast_rate = max(fast_rate, envs * n_products / spent_s)
    plain_rate = n_products / min(seconds for seconds, *_ in plain_runs)

    simulation = Simulation(scenarios[0])
    first_ranks, decided = ranks[0], 0
    started = time.perf_counter()
    while not simulation.done:
        masks = simulation.observe().masks
        today = first_ranks[decided : decided + len(masks)]
        simulation.execute(np.where(masks, today, -1.0).argmax(axis=1))
        decided += len(masks)
    day_rate = n_products / (time.perf_counter() - started)

    compare(vector, plain_runs, ranks)
    results["vectorised environment"] = {
        "plain_per_s": plain_rate,
        "fast_per_s": fast_rate,
        "ratio": fast_rate / plain_rate,
        "unit": "decisions per second",
        "scenarios": envs,
        "cores": len(os.sched_getaffinity(0)),
        "products": n_products,
        "facilities": float(np.mean([len(network(s).node) for s in scenarios[:4]])),
        "layout_s_per_scenario": layout_s / envs,
    }
    results["day-by-day simulation"] = {
        "plain_per_s": plain_rate,
        "fast_per_s": day_rate,
        "ratio": day_rate / plain_rate,
        "unit": "decisions per second",
    }


def compare(
    vector: VectorSimulation, plain_runs: list[tuple[float, list, list]], ranks: np.ndarray
) -> None:
    """Raise unless both environments realised the same values and showed the same states."""
    for env, (_, values, _) in enumerate(plain_runs):
        np.testing.assert_allclose(vector.rows(env)["value_eur"].to_numpy(), values, atol=1e-9)
    vector.reset()
    for position in range(min(50, ranks.shape[1])):
        batch = vector.observe()
        for env, (_, _, states) in enumerate(plain_runs):
            np.testing.assert_allclose(batch.states[env], states[position], atol=2e-6)
        vector.execute(np.where(batch.masks, ranks[:, position], -1.0).argmax(axis=1))


class PlainEnvironment:
    """The task in plain Python: a queue of products, lists of slots, one product at a time."""

    def __init__(self, scenario: Scenario) -> None:
        out, net = outcomes(scenario), network(scenario)
        returns = scenario.returns
        self.max_wait = scenario.parameters.max_wait_days
        self.decay = decay(self.max_wait).tolist()
        self.day = returns.return_day.tolist()
        self.mass = returns.mass_kg.tolist()
        self.collection = net.collection.tolist()
        self.distance = net.distance_km.tolist()
        self.onward = net.onward_km.tolist()
        self.slots = net.slots.tolist()
        self.groups = [range(net.first[a], net.first[a + 1]) for a in range(5)]
        self.limited = range(net.first[4])
        self.feasible = out.feasible.tolist()
        self.expected = self._tables(out.expected)
        self.realised = self._tables(out.realised)
        node = node_days(
            scenario.parameters.node,
            np.bincount(returns.return_day, minlength=scenario.parameters.horizon_days),
        )
        assert node.alive.all()
        self.features = features.day_features(returns, net, node).tolist()

    @staticmethod
    def _tables(gains: Any) -> tuple[list, ...]:
        return (
            gains.fading_eur.tolist(),
            gains.fixed_eur.tolist(),
            gains.second_leg_kg.tolist(),
            gains.transport_eur_per_kg_km.tolist(),
            gains.storage_eur_per_day.tolist(),
        )

    def run(self, preference: list[list[float]]) -> tuple[list[float], list[list[float]], float]:
        """Decide every product; realised values, the states that were shown, s spent choosing."""
        choosing_s = 0.0
        free = [list(row) for row in self.slots]
        queue = deque(range(len(self.day)))
        values: list[float] = []
        states: list[list[float]] = []
        while queue:
            today = self.day[queue[0]]
            until = today + self.max_wait + 1
            wait = [self._first_free(row, today, until) for row in free]
            seen = list(wait)
            capacity = []
            for group in self.groups[:4]:
                left = sum(sum(free[f][today:until]) for f in group)
                total = sum(sum(self.slots[f][today:until]) for f in group)
                capacity.append(min(1.0, max(-1.0, 2.0 * left / max(total, 1) - 1.0)))
            while queue and self.day[queue[0]] == today:
                product = queue.popleft()
                best = [self._best(product, kind, seen)[0] for kind in range(5)]
                state = list(self.features[product])
                for kind in range(4):
                    state[11 + kind] = self._encode(best[kind] - best[4], kind)
                state[15:19] = capacity
                states.append(state)
                mask = [value > -math.inf for value in best]
                choosing = time.perf_counter()
                ranks = preference[product]
                action = max((a for a in range(5) if mask[a]), key=ranks.__getitem__)
                choosing_s += time.perf_counter() - choosing
                _, chosen = self._best(product, action, wait)
                if chosen < 0:
                    action = 4
                    _, chosen = self._best(product, 4, wait)
                days = wait[chosen]
                values.append(self._value(self.realised, product, action, chosen, days))
                if action < 4:
                    row = free[chosen]
                    row[today + days] -= 1
                    if row[today + days] == 0:
                        wait[chosen] = self._first_free(row, today, until)
        return values, states, choosing_s

    @staticmethod
    def _first_free(row: list[int], today: int, until: int) -> int:
        for at in range(today, until):
            if row[at]:
                return at - today
        return -1

    def _best(self, product: int, kind: int, wait: list[int]) -> tuple[float, int]:
        """The highest expected value among a disposition's facilities, and where."""
        if not self.feasible[product][kind]:
            return -math.inf, -1
        fading, fixed, leg, rate, storage = self.expected
        fades, stays = fading[product][kind], fixed[product][kind]
        onward_kg, per_kg_km, per_day = leg[product][kind], rate[product], storage[product]
        mass, ways = self.mass[product], self.distance[self.collection[product]]
        onward, left = self.onward, self.decay
        top, chosen = -math.inf, -1
        for facility in self.groups[kind]:
            days = wait[facility]
            if days >= 0:
                carried = mass * ways[facility] + onward_kg * onward[facility]
                value = fades * left[days] + (stays - per_kg_km * carried) - per_day * days
                if value > top:
                    top, chosen = value, facility
        return top, chosen

    def _value(self, tables: tuple, product: int, kind: int, facility: int, days: int) -> float:
        fading, fixed, leg, rate, storage = tables
        way = self.distance[self.collection[product]][facility]
        carried = self.mass[product] * way + leg[product][kind] * self.onward[facility]
        placed = fixed[product][kind] - rate[product] * carried
        value: float = fading[product][kind] * self.decay[days] + placed - storage[product] * days
        return value

    @staticmethod
    def _encode(gain_eur: float, kind: int) -> float:
        floor, top, knee = (-5.0, 100.0, 2.5) if kind == 3 else (-10.0, 1500.0, 10.0)
        above = min(max(gain_eur, floor), top) - floor
        share = math.log1p(above / knee) / math.log1p((top - floor) / knee)
        return min(1.0, max(-1.0, 2.0 * share - 1.0))


# --- the optimum and memory -------------------------------------------------------------------


def bench_optimum(results: dict[str, dict[str, Any]]) -> None:
    """Seconds of the hindsight optimum of 1,000 products, of ten scenarios."""
    seconds = []
    for kind in ("article", "weee"):
        for seed in range(5):
            scenario = CircularSupplyChainGenerator(
                seed, ScenarioParameters(generator=kind)
            ).generate()
            seconds.append(hindsight_optimum(scenario).seconds)
    results["optimum of 1,000 products"] = {
        "median_s": float(np.median(seconds)),
        "max_s": max(seconds),
        "unit": "s",
        "target_s": 2.0,
    }


def bench_memory(results: dict[str, dict[str, Any]], n: int) -> None:
    """Peak resident memory while streaming n returns to Parquet, and bytes per product in one
    piece, the peak while they are drawn included."""
    generator = CircularSupplyChainGenerator(1)
    save_to = Path(tempfile.mkdtemp(prefix="jouleloop-bench-")) / "returns.parquet"
    save_product_returns(generator, save_to, 200_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.thread_time()
    save_product_returns(generator, save_to, n)
    seconds = time.thread_time() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.thread_time()
    drawn = sum(len(part) for part in generator.iterate_product_returns(n))
    stream_s = time.thread_time() - started
    assert drawn == n
    file_bytes = save_to.stat().st_size
    save_to.unlink()
    save_to.parent.rmdir()
    results["returns streamed to Parquet"] = {
        "products": n,
        "seconds": seconds,
        "drawn_only_s": stream_s,
        "file_mb": file_bytes / 1e6,
        "peak_rss_mb": after / 1024,
        "growth_mb": (after - before) / 1024,
        "unit": "MB",
    }
    row: dict[str, Any] = {"unit": "B"}
    for size in (n // 40, n // 20, n // 10):
        tracemalloc.start()
        generator.generate_product_returns(size)
        row[f"bytes_per_product_of_{size}"] = tracemalloc.get_traced_memory()[1] / size
        tracemalloc.stop()
    results["returns in one piece"] = row


def best_of(action: Callable[[], object]) -> float:
    """Shortest CPU time of several runs, in s."""
    seconds = []
    for _ in range(REPEATS):
        started = time.thread_time()
        action()
        seconds.append(time.thread_time() - started)
    return min(seconds)


def print_table(results: dict[str, dict[str, Any]]) -> None:
    """One line per benchmark."""
    for name, row in results.items():
        figures = {k: v for k, v in row.items() if k != "unit"}
        text = ", ".join(
            f"{k} {v:,.3g}" if isinstance(v, float) and v < 1e3 else f"{k} {v:,.0f}"
            for k, v in figures.items()
        )
        print(f"{name:45} {text}")


if __name__ == "__main__":
    assert len(FEATURE_NAMES) == 24 and len(Disposition) == 5
    sys.exit(main())
