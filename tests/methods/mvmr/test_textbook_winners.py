"""The textbook on the winner's curse: integrals, published formulas, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal, norm

from refsolve.methods.mvmr.textbook import (
    winners,
)
from tests.methods.mvmr.loci import locus


@pytest.mark.parametrize("mu", [-6.5, -1.0, 0.0, 2.0, 5.0, 9.0])
def test_selected_moments_are_integrals(mu: float) -> None:
    c = 5.45
    weight = [
        quad(lambda z, k=k: z**k * norm.pdf(z - mu), *span, epsabs=1e-300, epsrel=1e-12)[0]
        for k in (0, 1)
        for span in ((c, c + 12), (-c - 12, -c))
    ]
    total, first = sum(weight[:2]), sum(weight[2:])
    assert np.exp(winners.log_selected(mu, c)) == pytest.approx(total, rel=1e-6)
    assert winners.selected_mean(mu, c) == pytest.approx(first / total, rel=1e-6, abs=1e-9)
    assert winners.selected_cdf(-c, mu, c) == pytest.approx(weight[1] / total, rel=1e-6, abs=1e-12)
    assert winners.selected_cdf(50.0, mu, c) == 1


@pytest.mark.parametrize("z", [5.5, -5.6, 6.5, 12.0])
@pytest.mark.parametrize("se", [1.0, 0.003])
def test_conditional_mle_is_the_maximum_at_any_scale(z: float, se: float) -> None:
    c = 5.45
    got = winners.conditional_mle(z * se, se, c) / se
    best = minimize_scalar(
        lambda mu: 0.5 * (z - mu) ** 2 + winners.log_selected(mu, c),
        bounds=sorted((0, z)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert got == pytest.approx(best.x, rel=1e-5, abs=1e-6)
    assert abs(got) <= abs(z)


def test_conditional_interval_covers_as_stated() -> None:
    rng, c = np.random.default_rng(23), 5.45
    for mu in (0.0, 4.0, 7.0):
        tail = norm.sf(c - mu), norm.cdf(-c - mu)
        u = rng.random(600) * sum(tail)
        z = np.where(u < tail[0], mu + norm.isf(u), mu + norm.ppf(np.maximum(u - tail[0], 1e-300)))
        z = z[np.abs(z) > c]
        inside = [lo <= mu <= hi for lo, hi in (winners.conditional_interval(v, 1, c) for v in z)]
        # binomial SD of a coverage of 0.95 from 600: 0.009
        assert np.mean(inside) == pytest.approx(0.95, abs=0.035)


def test_far_from_the_threshold_nothing_is_corrected() -> None:
    assert winners.conditional_mle(20, 1, 5.45) == pytest.approx(20, abs=1e-8)
    assert winners.conditional_mean(20, 1, 5.45) == pytest.approx(20, abs=1e-8)
    low, high = winners.conditional_interval(20, 1, 5.45)
    np.testing.assert_allclose([low, high], [20 - 1.959964, 20 + 1.959964], atol=1e-5)


def test_two_phases_reduce_to_each_phase_alone() -> None:
    alone = winners.conditional_mle(5.8, 1.0, 5.45)
    assert winners.two_phase_mle(5.8, 1, 3, 1e5, 5.45) == pytest.approx(alone, abs=1e-4)
    assert winners.two_phase_mle(5.8, 1, 3, 1e-4, 5.45) == pytest.approx(3, abs=1e-6)
    assert winners.two_phase_mle(5.8, 1, -5.8, 1, 5.45) == 0


def scalar_rao_blackwell(b1: float, s1: float, b2: float, s2: float, c: float) -> float:
    """The published formula for one variant."""
    pooled = (s2**2 * b1 + s1**2 * b2) / (s1**2 + s2**2)
    q = np.hypot(s1, s2)
    up, down = ((pooled - sign * s1 * c) * q / s1**2 for sign in (1, -1))
    share = (norm.pdf(up) - norm.pdf(down)) / (norm.cdf(up) + norm.sf(down))
    return float(pooled - s2**2 / q * share)


def test_rao_blackwell_of_one_variant_is_the_published_formula() -> None:
    for b1, b2 in ((5.9, 4.1), (-6.0, -3.0), (5.5, -1.0)):
        got = winners.rao_blackwell(
            np.array([b1]), np.eye(1), np.array([b2]), np.array([[1.3]]), 5.45, [0]
        )
        want = scalar_rao_blackwell(b1, 1.0, b2, np.sqrt(1.3), 5.45)
        np.testing.assert_allclose(got, [want], rtol=1e-9)


def test_orthant_moments_are_integrals() -> None:
    mean, cov = np.array([0.3, -0.4]), np.array([[1.0, 0.5], [0.5, 2.0]])
    bound = np.array([0.5, 0.2])
    law = multivariate_normal(mean, cov)
    probability, first = winners.orthant_moment(mean, cov, bound)
    spans = (bound[1], 12, bound[0], 12)
    want = [
        dblquad(lambda x, y, f=f: f(x, y) * law.pdf([x, y]), *spans, epsabs=1e-9)[0]
        for f in (lambda x, y: 1.0, lambda x, y: x, lambda x, y: y)
    ]
    np.testing.assert_allclose([probability, *first], want, rtol=1e-6)
    np.testing.assert_allclose(winners.outside_mean(mean, cov, np.zeros(2)), mean, atol=1e-9)


def test_rao_blackwell_stays_unbiased_when_several_variants_were_required() -> None:
    rng = np.random.default_rng(24)
    r = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.4], [0.2, 0.4, 1.0]])
    beta, s2, c = np.array([2.2, 1.8, 0.5]), 1.5 * r, 2.0
    root = np.linalg.cholesky(r)
    b1 = beta + rng.standard_normal((900, 3)) @ root.T
    b1 = b1[(np.abs(b1[:, :2]) > c).all(axis=1)]
    b2 = beta + np.sqrt(1.5) * rng.standard_normal(b1.shape) @ root.T
    pairs = zip(b1, b2, strict=True)
    got = np.array([winners.rao_blackwell(x, r, y, s2, c, [0, 1]) for x, y in pairs])
    error = got.std(axis=0) / np.sqrt(len(got))
    np.testing.assert_array_less(np.abs(got.mean(axis=0) - beta), 4 * error)
    assert (got.std(axis=0)[:2] < b2.std(axis=0)[:2]).all()
    assert (b1.mean(axis=0)[:2] - beta[:2] > 10 * error[:2]).all()  # what it corrects


def test_overlapping_phases_are_made_independent_without_bias() -> None:
    r = locus(4)[4]
    s1, s2, s12 = r, 0.5 * r, 0.3 * r
    beta, rng = np.array([1.0, -2.0, 0.5, 0.0]), np.random.default_rng(25)
    both = np.block([[s1, s12], [s12.T, s2]])
    draws = rng.multivariate_normal(np.tile(beta, 2), both, size=4000)
    new = np.array([winners.independent_part(d[:4], s1, d[4:], s2, s12)[0] for d in draws])
    cov = winners.independent_part(beta, s1, beta, s2, s12)[1]
    np.testing.assert_allclose(new.mean(axis=0), beta, atol=0.06)
    np.testing.assert_allclose(np.cov(new.T), cov, atol=0.06)
    np.testing.assert_allclose(np.cov(draws[:, :4].T, new.T)[:4, 4:], 0, atol=0.06)
