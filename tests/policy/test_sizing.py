from __future__ import annotations

import pytest

from toolchain.board import load_board
from toolchain.errors import BoardFileError, InputError
from toolchain.policy.calibration import Calibration
from toolchain.policy.sizing import STEP, network_cost, size_policy
from toolchain.quantize import limits_beside_fallback
from toolchain.scenario import NodeParameters

PICO = load_board("pico")
ROOMY = PICO.limits.model_copy(
    update={
        "flash_bytes": 2**30,
        "ram_bytes": 2**30,
        "latency_s": 1e3,
        "energy_j": 1e3,
        "compute_share": 1.0,
        "compute_budget_ops_per_s": 1e12,
    }
)


def test_cost_by_hand():
    model = PICO.cost_model.model_copy(
        update={
            "cycles_per_mac": 2.0,
            "cycles_per_output": 10.0,
            "cycles_per_layer": 100.0,
            "cycles_per_inference": 1.0,
            "bytes_per_mac": 1.0,
            "bytes_per_output": 9.0,
            "bytes_per_layer": 64.0,
            "bytes_per_network": 7.0,
            "weights_in_ram": True,
            "energy_j_per_cycle": 1e-9,
            "energy_j_per_byte": 1e-12,
        }
    )
    cost = network_cost((4, 8, 2), model, clock_hz=1e6, decisions_per_s=10.0)
    macs, outputs = 4 * 8 + 8 * 2, 10
    assert cost.cycles == 1 + 2 * macs + 10 * outputs + 200
    assert cost.flash_bytes == macs + 9 * outputs + 128 + 7
    assert cost.ram_bytes == 12 + cost.flash_bytes
    assert cost.latency_s == pytest.approx(cost.cycles / 1e6)
    assert cost.energy_j == pytest.approx(cost.cycles * 1e-9 + macs * 1e-12)
    assert cost.ops_per_s == 480


def test_the_widest_that_fits_and_what_bound_it():
    sized = size_policy(PICO)
    assert all(share <= 1 for share in sized.use.values())
    assert sized.widths[0] == 24 and sized.widths[-1] == 5 and sized.widths[1] % STEP == 0
    assert sized.next_wider is not None
    wider = sized.next_wider
    limits = PICO.limits
    broken = {
        "flash_bytes": wider.flash_bytes > limits.flash_bytes,
        "ram_bytes": wider.ram_bytes > limits.ram_bytes,
        "latency_s": wider.latency_s > limits.latency_s,
        "energy_j": wider.energy_j > limits.energy_j,
        "compute_ops_per_s": wider.ops_per_s
        > limits.compute_share * limits.compute_budget_ops_per_s,
    }
    assert broken[sized.bound_by]


@pytest.mark.parametrize(
    ("name", "tight", "bound_by"),
    [
        ("flash_bytes", 4_000, "flash_bytes"),
        ("ram_bytes", 4_000, "ram_bytes"),
        ("latency_s", 5e-4, "latency_s"),
        ("energy_j", 5e-5, "energy_j"),
        ("compute_share", 1e-7, "compute_ops_per_s"),
    ],
)
def test_each_limit_can_bind_and_can_be_missed(name, tight, bound_by):
    sized = size_policy(PICO, limits=ROOMY.model_copy(update={name: tight}))
    assert sized.bound_by == bound_by
    impossible = ROOMY.model_copy(update={name: tight / 1e3 if tight < 1 else 1})
    with pytest.raises(InputError, match=f"of {bound_by}.*times as much"):
        size_policy(PICO, limits=impossible)


def test_nothing_binds_a_roomy_board():
    assert size_policy(PICO, limits=ROOMY).bound_by == "widest"


def a_calibration(**changed) -> Calibration:
    model = PICO.cost_model.model_copy(update={"source": "counted here", **changed})
    clock_hz = PICO.cpu.clock_hz
    return Calibration(board="pico", clock_hz=clock_hz, provenance="measured", cost_model=model)


def test_a_calibration_takes_the_board_files_place_and_is_named():
    own, faster = size_policy(PICO), a_calibration(cycles_per_mac=1.0)
    sized = size_policy(PICO, calibration=faster)
    assert sized.widths[1] > own.widths[1]
    assert own.cost_model.startswith("board file: ") and "board file" in own.reason
    assert sized.cost_model == "measured calibration: counted here"
    assert "measured calibration" in sized.reason and "board file" not in sized.reason
    other = PICO.model_copy(update={"name": "other"})
    with pytest.raises(BoardFileError, match="'pico' for board 'other'"):
        size_policy(other, calibration=faster)


def test_every_missed_limit_is_named_the_worst_first():
    tight = ROOMY.model_copy(update={"latency_s": 1e-6, "energy_j": 1e-7})
    with pytest.raises(InputError, match=r"of energy_j.*times as much; .*of latency_s.*times") as e:
        size_policy(PICO, limits=tight)
    cost = network_cost((24, 4, 4, 5), PICO.cost_model, PICO.cpu.clock_hz)
    assert f"{cost.energy_j / 1e-7:.3g} times" in str(e.value)
    assert f"{cost.latency_s / 1e-6:.3g} times" in str(e.value)


def test_a_limit_that_the_fallback_leaves_nothing_of_says_so():
    whole = PICO.limits.model_copy(update={"flash_bytes": 3_000})
    board = PICO.model_copy(update={"limits": whole})
    left = limits_beside_fallback(whole, PICO.cost_model)
    with pytest.raises(InputError, match=r"limit is \d+ \(of 3,000, the rest is the fallback"):
        size_policy(board, limits=left)
    slow = ROOMY.model_copy(update={"compute_share": 1e-12})
    with pytest.raises(InputError) as caught:
        size_policy(PICO, limits=slow)
    assert caught.value.hint.startswith("raise compute_share or compute_budget_ops_per_s in")


def test_the_picos_energy_limit_is_what_the_scenarios_node_reckons_with():
    assert NodeParameters().energy_per_decision_j == PICO.limits.energy_j


def test_a_board_without_limits_is_an_error():
    with pytest.raises(BoardFileError, match="limits"):
        size_policy(PICO.model_copy(update={"limits": None}))
