"""The report in headless Chromium: whole, without the network, for every reader and on paper."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from host.metrics import replay_days
from host.report import Evidence, render
from host.report.theme import DARK, LIGHT
from host.run import read_json
from toolchain.scenario import load_scenario

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

PLOTS = [
    "composite",
    "baselines",
    "front",
    "windows",
    "latency",
    "layers",
    "memory",
    "flows",
    "days",
    "robustness",
    "adaptation",
]
MARKS = ".point path, .points path, .scatterlayer .lines path, .sankey-link, .heatmaplayer image"
"""What Plotly draws data as."""


@pytest.fixture(scope="module")
def shown(finished_run: tuple[Path, dict]) -> Callable[..., str]:
    """Renders the finished run, as it is or with another result or evidence."""
    folder, result = finished_run
    replayed = folder / "replay"
    rows = pq.read_table(replayed / "nominal.parquet")
    scenario = load_scenario(folder / "generate")
    per_cycle = result["energy_saving"]["energy_j_per_cycle"]

    def page(changed: dict[str, Any] | None = None, **evidence: Any) -> str:
        given: dict[str, Any] = {
            "rows": rows,
            "days": replay_days(rows, scenario, per_cycle),
            "windows": read_json(replayed / "windows.json"),
            "ran": read_json(replayed / "windows_run.json")["windows"],
            "stages": read_json(folder / "manifest.json")["stages"],
        }
        return render(changed or result, Evidence(**given | evidence))

    return page


@pytest.fixture(scope="module")
def light(shown, browsed) -> Iterator[Any]:
    """The page of the finished run on a desktop in daylight."""
    with browsed(shown(), scheme="light") as page:
        yield page


@pytest.fixture(scope="module")
def dark(shown, browsed) -> Iterator[Any]:
    """The same at night."""
    with browsed(shown(), scheme="dark") as page:
        yield page


def test_all_plots_are_drawn_from_the_page_alone(light) -> None:
    assert light.problems == []
    assert light.requests == [light.url]
    assert [f.get_attribute("id") for f in light.locator("figure").all()] == [
        f"plot-{key}" for key in PLOTS
    ]
    for key in PLOTS:
        assert light.locator(f"#chart-{key} svg.main-svg").count() > 0, key
        marks = light.locator(f"#chart-{key}").locator(MARKS)
        sizes = marks.evaluate_all("marks => marks.map(m => m.getBoundingClientRect().toJSON())")
        assert any(size["width"] + size["height"] > 0 for size in sizes), key


def test_every_plot_says_what_it_shows_and_has_its_table(light) -> None:
    for key in PLOTS:
        chart = light.locator(f"#chart-{key}")
        assert chart.get_attribute("role") == "img"
        label = chart.get_attribute("aria-label") or ""
        assert len(label) > 60 and re.search(r"\d", label), (key, label)
        table = light.locator(f"#plot-{key} details table")
        assert table.locator("thead th").count() >= 2, key
        assert table.locator("tbody tr").count() >= 1, key


def test_the_figures_are_the_results(finished_run: tuple[Path, dict], light) -> None:
    _, result = finished_run
    summary = light.locator("#summary").inner_text()
    assert f"{result['composite']['value']:.3f}" in summary
    assert f"{result['metrics']['decision_quality']['value']:.4g}" in summary
    for name, metric in result["metrics"].items():
        row = light.locator("#metrics tbody tr", has_text=name.replace("_", " ")).first
        assert metric["provenance"] in row.inner_text(), name
    assert result["reproduce"][-1] in light.locator("#reproduce").inner_text()
    assert result["identity"]["image_sha256"] in light.locator("#instruments").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_left_out(scheme: str, request: pytest.FixtureRequest) -> None:
    """axe-core finds nothing: contrast, names, roles, order of headings, keyboard."""
    from axe_playwright_python.sync_playwright import Axe

    page = request.getfixturevalue(scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    # Rows of a table are alike; the days alone have thousands of cells.
    surplus = "document.querySelectorAll('details tbody tr:nth-child(n+4)')"
    page.evaluate(f"{surplus}.forEach(row => row.remove())")
    response = Axe().run(page).response
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = false; })")
    found = response["violations"]
    assert [(f["id"], [n["html"][:160] for n in f["nodes"][:3]]) for f in found] == []
    passed = {rule["id"] for rule in response["passes"]}
    assert {"color-contrast", "heading-order", "html-has-lang", "role-img-alt"} <= passed


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_in_plots_can_be_read(scheme: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(scheme)
    fills = page.locator(".chart svg text").evaluate_all(
        "texts => texts.filter(t => t.textContent.trim())"
        ".map(t => [t.classList.contains('bartext'), getComputedStyle(t).fill])"
    )
    palette = {"light": LIGHT, "dark": DARK}[scheme]
    outside = {fill for of_bar, fill in fills if not of_bar}
    assert outside and all(_contrast(_rgb(f), _hex(palette["paper"])) >= 4.5 for f in outside)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_stand_out(palette: dict[str, str]) -> None:
    grounds = [_hex(palette[name]) for name in ("paper", "panel")]
    for name in ("ink", "muted", "accent"):
        assert all(_contrast(_hex(palette[name]), ground) >= 4.5 for ground in grounds), name
    for name in ("blue", "orange", "green", "purple", "gold", "teal", "red", "grey"):
        # Marks need 3 to 1; names of memory sections are written on them in the paper's colour.
        assert _contrast(_hex(palette[name]), grounds[0]) >= 4.5, name
    for name in ("measured", "emulated", "modelled", "unavailable"):
        assert _contrast(_hex(palette[name]), _hex(palette[f"{name}-tint"])) >= 4.5, name


def test_the_night_is_dark_and_the_switch_works(light, dark) -> None:
    assert dark.problems == [] and dark.requests == [dark.url]
    assert (light.evaluate(DRAWN), dark.evaluate(DRAWN)) == ("light", "dark")
    assert light.screenshot() != dark.screenshot()
    tick = "getComputedStyle(document.querySelector('#chart-latency .xtick text')).fill"
    before = dark.evaluate(tick)
    dark.locator(".theme label", has_text="Light").click()
    dark.wait_for_function("document.documentElement.dataset.drawn === 'light'")
    assert dark.evaluate(tick) != before
    assert dark.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    dark.locator(".theme label", has_text="Auto").click()
    dark.wait_for_function("document.documentElement.dataset.drawn === 'dark'")


def test_a_phone_scrolls_down_only(light) -> None:
    light.set_viewport_size({"width": 390, "height": 844})
    light.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    widest = light.evaluate("document.documentElement.scrollWidth")
    hidden = light.evaluate(
        "[...document.querySelectorAll('main section')].filter(s => s.scrollWidth > 390).length"
    )
    light.evaluate("document.querySelectorAll('details').forEach(d => { d.open = false; })")
    light.set_viewport_size({"width": 1280, "height": 900})
    assert widest <= 390 and hidden == 0


def test_paper_is_light_and_hides_nothing(dark) -> None:
    dark.evaluate("dispatchEvent(new Event('beforeprint'))")
    dark.wait_for_function("document.documentElement.dataset.drawn === 'light'")
    assert dark.locator("details:not([open])").count() == 0
    # Plotly moves the flows of a Sankey diagram that is only changed; on paper they must be there.
    assert dark.locator("#chart-flows .sankey-link").count() > 5
    dark.emulate_media(media="print")
    assert dark.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not dark.locator(".theme").is_visible() and not dark.locator("nav").is_visible()
    dark.emulate_media(media="screen", color_scheme="dark")
    dark.evaluate("dispatchEvent(new Event('afterprint'))")
    dark.wait_for_function("document.documentElement.dataset.drawn === 'dark'")
    assert dark.locator("details:not([open])").count() > 0
    document = dark.pdf(prefer_css_page_size=True)
    assert document.startswith(b"%PDF-") and len(document) > 100_000


def test_without_a_meter_it_says_so(finished_run, shown, browsed) -> None:
    _, finished = finished_run
    result = copy.deepcopy(finished)
    reason = "no power meter answers on the board's I2C bus"
    gap = {"value": None, "provenance": "unavailable", "detail": {"reason": reason}}
    result["meter"] = {"kind": "none", "reason": reason}
    result["metrics"]["energy_per_decision"] |= gap
    for name in ("composite", "composite_log"):
        result[name] |= copy.deepcopy(gap)
        result[name]["detail"]["weights"] = finished[name]["detail"]["weights"]
    result["windows"] = {"run": 0, "refused": 0}
    states = result["power_states"]
    result["power_states"] = dict.fromkeys(states) | {
        "reasons": {name: reason for name in states if name != "reasons"}
    }
    result["battery_life"] = {"provenance": "unavailable", "reason": reason, "cases": []}
    for name in ("full_only", "fallback_only", "as_decided"):
        result["energy_saving"][name] |= {
            "energy_per_decision_j": None,
            "idle_subtracted_j": None,
            "energy_provenance": "unavailable",
        }
    with browsed(shown(result, windows=[], ran=[]), scheme="light") as page:
        assert page.problems == []
        drawn = [f.get_attribute("id") for f in page.locator("figure").all()]
        missing = {"composite", "front", "windows"}
        assert drawn == [f"plot-{key}" for key in PLOTS if key not in missing]
        for section in ("summary", "metrics", "composite", "energy", "battery"):
            text = page.locator(f"#{section}").inner_text()
            assert "power meter answers" in text and "unavailable" in text, section


def test_instructions_are_called_so_and_refused_windows_have_their_reason(
    finished_run, shown
) -> None:
    _, finished = finished_run
    result = copy.deepcopy(finished)
    result["counts"] = "instructions"
    latency = result["metrics"]["inference_latency"]
    latency["provenance"] = "modelled"
    latency["detail"] |= {
        "median_instructions": latency["detail"].pop("median_cycles"),
        "cycles_per_instruction": {"value": 1.5, "low": 1, "high": 2, "source": "a test"},
    }
    result["layers"] = {"provenance": "unavailable", "reason": "not counted here", "layers": []}
    result["windows"]["refused"] = 1
    windows = [
        {
            "kind": kind,
            "mode": "",
            "iterations": 0,
            "elapsed_s": 0.05,
            "energy_j": energy_j,
            "accepted": not reason,
            "reason": reason,
        }
        for kind, energy_j, reason in (("idle", 5e-3, ""), ("idle", 0.0, "the timer did not run"))
    ]
    text = shown(result, windows=windows, ran=[])
    assert "The emulator counts instructions; an instruction takes 1.5 cycles (1 to 2)" in text
    assert "not counted here" in text
    assert "Refused windows" in text and text.count("the timer did not run") >= 2
    assert "they stand end to end" in text


def test_a_given_policy_is_not_said_to_be_trained(finished_run, shown) -> None:
    _, finished = finished_run
    result = copy.deepcopy(finished)
    given = {"policy.tflite": "ab" * 32}
    result["training"] = {"given": given, "sizing": {"board": "pico", "cost": None, "use": None}}
    result["quantization"] = {"method": "given", "given": given}
    del result["baselines"]["float_policy"]
    text = shown(result)
    assert "was given, not trained in this run" in text and "abababababab" in text
    assert "Trained by" not in text
    assert "24–" in text.split("network in INT8")[0]  # widths by the layers


DRAWN = "document.documentElement.dataset.drawn"


def _hex(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _rgb(colour: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", colour)[:3]]


def _contrast(one: list[int], other: list[int]) -> float:
    """Contrast ratio of WCAG 2."""

    def luminance(colour: list[int]) -> float:
        linear = [
            c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4
            for c in colour
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
