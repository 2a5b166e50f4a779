"""The teacher: what each disposition of each product was worth, net of the slot it would occupy.

A linear program over the *expected* values of a whole scenario prices every slot of every facility
and day (its dual). A disposition's score is its best expected value over all slots within the
longest wait, minus that slot's price, over disposal. The teacher knows all arrivals but no latent
outcome, so what it teaches can be learned from the state.
"""

from __future__ import annotations

import numpy as np

from toolchain.environment.disposition import N_DISPOSITIONS, Disposition
from toolchain.environment.network import decay, network, slot_values_eur
from toolchain.environment.optimum import hindsight_optimum
from toolchain.environment.outcomes import outcomes
from toolchain.scenario import Scenario


def teacher_scores_eur(scenario: Scenario) -> np.ndarray:
    """Net worth of every disposition of every product over disposal.

    Args:
        scenario: n products.

    Returns:
        float64 (n, 5) in EUR; 0 for disposal, -inf where the condition or the links forbid it.

    Raises:
        ScenarioError: a loop of the scenario's graph is open.
    """
    optimum = hindsight_optimum(scenario, expected=True)
    net, out = network(scenario), outcomes(scenario)
    returns = scenario.returns
    mass_kg = returns.mass_kg
    arrival = returns.return_day.astype(np.int64)
    waits = np.arange(scenario.parameters.max_wait_days + 1)
    left = decay(scenario.parameters.max_wait_days)
    limited = int(net.first[Disposition.DISPOSE])

    price = np.zeros(net.slots.shape)
    index = {
        (int(node), int(kind)): facility
        for facility, (node, kind) in enumerate(zip(net.node, net.disposition, strict=True))
    }
    for node, kind, day, dual in zip(
        optimum.slot_facility,
        optimum.slot_disposition,
        optimum.slot_day,
        optimum.slot_dual_eur,
        strict=True,
    ):
        price[index[int(node), int(kind)], day] = dual

    products = np.arange(len(returns))
    scores = np.full((len(returns), N_DISPOSITIONS), -np.inf)
    scores[:, Disposition.DISPOSE] = 0.0
    for facility in range(limited):
        kind = int(net.disposition[facility])
        value = slot_values_eur(
            out.expected,
            net,
            mass_kg,
            products[:, None],
            np.array([[facility]]),
            waits[None, :],
            left,
        )
        days = arrival[:, None] + waits[None, :]
        net_worth = value - optimum.product_floor_eur[:, None] - price[facility][days]
        net_worth[net.slots[facility][days] == 0] = -np.inf
        net_worth[~out.feasible[:, kind]] = -np.inf
        scores[:, kind] = np.maximum(scores[:, kind], net_worth.max(axis=1))
    return scores
