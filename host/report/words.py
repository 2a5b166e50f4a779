"""What the page calls things, and what each figure is in a sentence (METRICS.md has the rest)."""

from __future__ import annotations

METRICS = {
    "material_circularity": (
        "Mass that re-enters a loop, of the mass of all decided products.",
        "replay's rows",
    ),
    "energy_recovery": (
        "Embodied energy that the chosen routes save, over what they invest in processes and "
        "transport.",
        "replay's rows",
    ),
    "component_reuse_rate": (
        "Components that go on being used, of those in all decided products.",
        "replay's rows",
    ),
    "waste_generation": ("Mass that leaves every loop, per decided product.", "replay's rows"),
    "energy_per_decision": (
        "What the board draws for one decision: the median over energy windows, mixed as the "
        "energy budget mixed both networks.",
        "energy windows",
    ),
    "memory_footprint": (
        "Flash and RAM of the image, with the deepest stack that the board saw.",
        "linked program, board",
    ),
    "inference_latency": ("On-board time of one decision: the median.", "board's own count"),
    "comms_overhead": (
        "Bytes on the link per decision, both directions, framing and retries included.",
        "link",
    ),
    "decision_quality": (
        "Realised value between always disposing (0) and the hindsight optimum (1).",
        "replay's rows, optimum",
    ),
    "robustness_score": (
        "Mean quality under six perturbations over the nominal quality.",
        "perturbed replays",
    ),
    "adaptability_rate": (
        "1/(1 + d/30): d days after a regime shift until quality is back at 95 % of the best "
        "policy's.",
        "replay with a shift",
    ),
}
"""What a metric is, and what its figure is computed from."""

POLICIES = {
    "int8_on_board": "INT8 policy on the board",
    "int8_policy": "INT8 policy, no energy budget",
    "float_policy": "float policy",
    "hindsight_optimum": "hindsight optimum",
    "bid_price": "bid price",
    "greedy_capacity": "greedy with capacity",
    "unit_margin": "unit margin",
    "all_recycle": "all recycle",
    "always_dispose": "always dispose",
}

PROVENANCES = {
    "measured": "an instrument on a physical board",
    "emulated": "firmware and meter driver ran; the silicon was an emulator",
    "modelled": "computed from a model or a scenario",
    "unavailable": "no figure, and the reason why",
}
SIGNS = {"measured": "●", "emulated": "◐", "modelled": "◇", "unavailable": "✕"}
"""Of the badges, so that colour is not all that tells them apart."""

WINDOWS = {
    "idle": "idle",
    "inference full": "deciding, full network",
    "inference fallback": "deciding, fallback",
    "sleep": "asleep",
    "wake": "waking up",
    "link": "sending",
}
"""Energy windows by kind and mode, in the order that they are run in."""

EMULATORS = {"rp2040py": "rp2040py", "labwired": "labwired"}


def spoken(name: str) -> str:
    """A name of the code as one says it."""
    return name.replace("_", " ")
