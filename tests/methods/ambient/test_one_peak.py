"""Densities with one peak against SciPy's, and what they keep from being called two states."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import laplace, laplace_asymmetric, norm, uniform

from refsolve.methods.ambient import call_states
from refsolve.methods.ambient.model import one_peak


def test_symmetric_densities() -> None:
    rng = np.random.default_rng(0)
    for law in (norm, laplace, uniform):
        x = law.rvs(3.0, 2.0, size=400, random_state=rng)
        want = 2.0 * law.logpdf(x, *law.fit(x)).sum() - 2.0 * np.log(400)
        found = one_peak.best_criterion(x)
        assert want - 1e-9 <= found <= want + 12.0


def test_halves_are_the_likeliest() -> None:
    rng = np.random.default_rng(1)
    x = laplace_asymmetric.rvs(0.4, size=500, random_state=rng)
    found = one_peak._halves(x)
    left, right = -x[x < 0].sum() / 500, x[x > 0].sum() / 500
    want = 2.0 * laplace_asymmetric.logpdf(
        x, (left / right) ** 0.25, scale=(left * right) ** 0.25 * (left**0.5 + right**0.5)
    )
    assert found == pytest.approx(want.sum(), rel=1e-9)
    y = np.where(
        rng.random(500) < 0.25, -np.abs(rng.normal(0, 1, 500)), np.abs(rng.normal(0, 3, 500))
    )
    split = np.where(y < 0, norm.logpdf(y, 0, 1), norm.logpdf(y, 0, 3) + np.log(3.0)) + np.log(0.5)
    assert 0.0 <= one_peak._halves(y) - 2.0 * split.sum() < 12.0


@pytest.mark.parametrize("edge", [0.01, 0.3, 0.9])
def test_plateaus_are_densities_with_the_moments(edge: float) -> None:
    x = np.random.default_rng(2).uniform(5.0, 8.0, 200)
    sd, wide = np.sqrt(edge * x.var()), np.sqrt(3.0 * (1.0 - edge) * x.var())
    ends = [norm.cdf((x - x.mean() + side * wide) / sd) for side in (1.0, -1.0)]
    want = 2.0 * np.log((ends[0] - ends[1]) / (2.0 * wide)).sum()
    assert one_peak._plateau(x, edge) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("width", [8.0, 12.0, 40.0])
def test_even_scores_are_one_state(width: float) -> None:
    """Counts are smoothed before groups are fitted: an even score has soft edges then."""
    rng = np.random.default_rng(3)
    calls = [call_states(width * rng.random(600)).bimodal for _ in range(12)]
    assert sum(calls) <= 1


@pytest.mark.parametrize("share", [0.03, 0.97])
def test_few_but_clean_cells_are_a_state(share: float) -> None:
    found = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        active = rng.random(800) < share
        score = 10.0 + 4.0 * rng.standard_normal(800) + 24.0 * active
        call = call_states(score)
        found += call.bimodal and np.mean(call.active != active) < 0.01
    assert found >= 7
