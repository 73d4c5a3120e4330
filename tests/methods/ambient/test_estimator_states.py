"""States by a valley of the score or by a mixture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refsolve.methods.ambient import (
    DropletDesign,
    activation_score,
    ambient_profile,
    call_states,
    donor_contamination,
    simulate_droplets,
)


def two_states(n: int, share: float, low: float, high: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    active = rng.random(n) < share
    return rng.poisson(np.where(active, high, low)) - rng.random(n), active


LARGER = [(600, 0.05, 60), (600, 0.95, 60), (4000, 0.2, 40)]


@pytest.mark.parametrize("method", ["gap", "mixture"])
@pytest.mark.parametrize(
    ("n", "share", "high"),
    [
        (300, 0.5, 40),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in LARGER),
    ],
)
def test_states_are_told_apart(method: str, n: int, share: float, high: float) -> None:
    score, active = two_states(n, share, 5.0, high, seed=n)
    found = call_states(score, method=method)
    assert found.bimodal
    assert (found.active == active).mean() > 0.99
    assert found.n_active == found.active.sum()
    assert found.low <= found.cut <= found.high
    assert found.method == method
    assert found.separation > 4
    assert (np.diff(found.sensitivity_active) <= 0).all()
    assert found.sensitivity_cuts[[0, -1]].tolist() == [found.low, found.high]
    assert ((found.posterior > 0.5) == active).mean() > 0.98


def test_the_edges_are_scores_and_the_gap_is_empty() -> None:
    score = np.r_[np.linspace(0, 5, 60), np.linspace(20, 25, 60)]
    found = call_states(score)
    assert (found.low, found.high, found.cut) == (5.0, 20.0, 12.5)
    assert found.separated
    assert found.ambiguous == 0
    assert found.p < 1e-9
    assert set(found.sensitivity_active[:-1]) == {60}


def test_stray_cells_do_not_hide_a_valley() -> None:
    score = np.r_[np.linspace(0, 5, 100), 9.0, 12.0, 14.0, np.linspace(20, 25, 100)]
    found = call_states(score)
    assert found.bimodal
    assert found.active[:100].sum() == 0
    assert found.active[-100:].all()
    assert 1 <= found.ambiguous <= 3
    assert not found.separated


UNIMODAL = {
    "poisson": lambda rng, n: rng.poisson(3.0, n),
    "near zero": lambda rng, n: rng.poisson(0.05, n),
    "gamma": lambda rng, n: rng.gamma(0.5, 10.0, n),
    "lognormal": lambda rng, n: rng.lognormal(1.0, 1.0, n),
    "overdispersed": lambda rng, n: rng.negative_binomial(1, 0.05, n) - 0.3 * rng.random(n),
    "uniform": lambda rng, n: 20.0 * rng.random(n),
    "flat with edges": lambda rng, n: 30.0 * rng.beta(0.9, 0.9, n),
    "two markers": lambda rng, n: rng.poisson(9.0, n) - rng.negative_binomial(2, 0.2, n),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(UNIMODAL))
def test_one_state_is_said_to_be_one(name: str) -> None:
    calls = [call_states(UNIMODAL[name](np.random.default_rng(k), 500)) for k in range(20)]
    assert sum(call.bimodal for call in calls) <= 1
    one = next(call for call in calls if not call.bimodal)
    assert not one.active.any()
    assert np.isnan(one.cut)
    assert one.sensitivity_cuts.size == 0


@pytest.mark.parametrize("method", ["gap", "mixture"])
def test_one_peak_is_one_state(method: str) -> None:
    found = call_states(np.random.default_rng(1).normal(0.0, 5.0, 80), method=method)
    assert not found.bimodal
    assert found.posterior.sum() == 0


def test_few_active_cells_are_called_by_the_mixture() -> None:
    """Twelve cells are too few for the valley, and enough for two groups."""
    rng = np.random.default_rng(2)
    score = np.r_[rng.normal(0.0, 2.0, 200), rng.normal(30.0, 2.0, 12)]
    found = call_states(score)
    assert found.p > 0.01
    assert found.bimodal
    assert found.active.tolist() == [False] * 200 + [True] * 12


def test_equal_scores_are_one_state() -> None:
    for method in ("gap", "mixture"):
        found = call_states(np.zeros(50), method=method)
        assert not found.bimodal
        assert found.p == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_row_order_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score = np.where(rng.random(200) < 0.4, rng.poisson(18, 200), rng.poisson(5, 200))
    order = rng.permutation(200)
    a, b = call_states(score), call_states(score[order])
    np.testing.assert_array_equal(a.active[order], b.active)
    np.testing.assert_equal((a.cut, a.p), (b.cut, b.p))


@pytest.mark.slow
def test_correction_brings_out_the_states() -> None:
    """Resting cells of contaminated donors look activated until the ambient part is taken away."""
    design = DropletDesign(
        donors=4, cells=200, empties=1500, genes=200, rho=(0.05, 0.45), state_share=0.4,
        state_genes=4, depth=3000.0, depth_spread=0.1, marker_share=0.05,
    )  # fmt: skip
    data = simulate_droplets(design, rng=8)
    profile = ambient_profile(data.counts)
    cells, total = data.cells.toarray(), np.asarray(data.cells.sum(axis=1)).ravel()
    fit = donor_contamination(cells[:, 0], total, data.donor, profile.share[0])
    markers = np.arange(196, 200)
    score = activation_score(
        cells[:, markers], total, fit.rho[fit.code], profile.share[markers], np.ones(4)
    )
    resting = ~data.state
    per_donor = [score[resting & (data.donor == d)].mean() for d in range(4)]
    raw = [cells[resting & (data.donor == d)][:, markers].sum(axis=1).mean() for d in range(4)]
    # What is left is the donors' different native exposure.
    assert np.ptp(per_donor) < 0.7 * np.ptp(raw)
    assert (call_states(score, method="mixture").active == data.state).mean() > 0.95


def test_score_is_up_minus_down() -> None:
    counts = np.array([[5.0, 0.0], [1.0, 6.0]])
    plain = activation_score(counts, [100, 100], 0.1, [0.1, 0.5], [1, -1])
    np.testing.assert_allclose(plain, [5 - 1 - (0 - 5), 1 - 1 - (6 - 5)])
    cut = activation_score(counts, [100, 100], 0.1, [0.1, 0.5], [1, -1], clip=True)
    np.testing.assert_allclose(cut, [4.0, -1.0])
    deep = activation_score(counts, [100, 300], 0.1, [0.0, 0.0], [1, -1], scaled=True)
    np.testing.assert_allclose(deep, [5.0 * 180 / 90, -5.0 * 180 / 270])
    assert activation_score([[0.0]], [0], 0.1, [0.1], [1], scaled=True).tolist() == [0.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: call_states([1.0, 2.0, 3.0]), "four cells or more"),
        (lambda: call_states([1.0, 2.0, 3.0, np.inf]), "is not finite"),
        (lambda: call_states(np.arange(9), method="valley"), "choose one of"),
        (lambda: call_states(np.arange(9), level=1.0), "strictly between"),
        (lambda: activation_score([1, 2], [9], 0.1, [0.1], [1]), "cells by markers"),
        (lambda: activation_score([[1, -2]], [9], 0.1, [0.1, 0.1], [1, 1]), "is no count"),
        (lambda: activation_score([[1, 2]], [9], 0.1, [0.1, 0.1], [1]), "one per marker"),
        (lambda: activation_score([[1, 2]], [9], 0.1, [0.1, 0.1], [1, 2]), "neither 1 nor -1"),
    ],
)
def test_wrong_arguments_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
