"""The adjusted form of the quasi-likelihood: moments of unit deviances, and what it repairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import digamma, polygamma

from refsolve.methods.pseudobulk import differential_expression, fit_quasi, quasi_test
from refsolve.methods.pseudobulk.model.deviance import leverage, unit_moments
from refsolve.methods.pseudobulk.model.regression import fit_genes
from refsolve.methods.pseudobulk.textbook import counts as nb

N = 10
X = np.column_stack([np.ones(N), np.arange(N) // 2 % 2, np.arange(N) % 2]).astype(np.float64)


def drawn(mean: float, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Three hundred genes with many counts, and as many as needed with few; libraries."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.6, 1.5, N)
    rate = np.full((3000, 1), 300.0)
    rate[300:] = mean * np.exp(rng.normal(0.0, 0.7, (2700, 1)))
    y = rng.poisson(rate * size * rng.gamma(20.0, 0.05, (3000, N))).astype(np.float64)
    return y[y.sum(axis=1) >= 5], size * 1e6


def test_moments_of_large_counts_are_those_of_gamma_deviances() -> None:
    """Of 2 r (w - 1 - log w), w a gamma variable of shape r and mean one."""
    for phi in (0.05, 0.3, 0.8):
        r = 1.0 / phi
        mean, variance = unit_moments(2e4, phi)
        assert mean == pytest.approx(2.0 * r * (np.log(r) - digamma(r)), rel=2e-3)
        assert variance == pytest.approx(4.0 * r**2 * (polygamma(1, r) - phi), rel=1e-2)


def test_moments_of_small_counts_are_those_of_draws() -> None:
    rng = np.random.default_rng(2)
    for mu, phi in ((0.3, 0.1), (2.0, 0.5), (15.0, 0.02)):
        y = rng.negative_binomial(1 / phi, 1 / (1 + phi * mu), 200_000).astype(np.float64)
        unit = nb.unit_deviance(y, np.full(y.size, mu), phi)
        mean, variance = unit_moments(mu, phi)
        assert mean == pytest.approx(unit.mean(), abs=5 * unit.std() / np.sqrt(y.size))
        assert variance == pytest.approx(unit.var(), rel=0.05)


def test_poisson_deviances_of_large_counts_are_chi_square() -> None:
    assert unit_moments(1000.0, 1e-6) == pytest.approx((1.0, 2.0), rel=2e-3)


def test_leverages_of_a_gene_sum_to_its_coefficients() -> None:
    y, size = drawn(20.0)
    y = y[290:320].copy()
    y[0, X[:, 2] == 1] = 0.0
    h = leverage(fit_genes(y, X, np.log(size), 0.05).mu, X, 0.05)
    assert h.sum(axis=1)[1:] == pytest.approx(3.0, abs=1e-6)
    assert h[0].sum() == pytest.approx(2.0, abs=1e-6)
    assert h.min() >= 0.0
    assert h.max() <= 1.0 + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("mean", [1.5, 5.0])
def test_small_counts_keep_their_level(mean: float) -> None:
    y, size = drawn(mean)
    few = slice(300, None)
    legacy, adjusted = (fit_quasi(y, X, size, form=form) for form in ("legacy", "adjusted"))
    below = [(quasi_test(fit).p[few] < 0.05).mean() for fit in (legacy, adjusted)]
    assert below[0] < below[1] <= 0.06
    assert abs(adjusted.prior_variance[few].mean() - 1.0) < 0.1
    assert adjusted.prior_variance[few].mean() < legacy.prior_variance[few].mean()
    assert np.unique(adjusted.trend).size == 1


@pytest.mark.slow
def test_many_counts_are_judged_alike() -> None:
    y, size = drawn(300.0)
    p = [quasi_test(fit_quasi(y, X, size, form=form)).p for form in ("legacy", "adjusted")]
    assert np.corrcoef(np.log(p))[0, 1] > 0.99
    assert np.mean(p[1] < 0.05) == pytest.approx(0.05, abs=0.017)


def test_other_forms_are_unknown() -> None:
    y, size = drawn(5.0)
    with pytest.raises(ValueError, match="form = 'new' is not known"):
        fit_quasi(y, X, size, form="new")


@pytest.mark.slow
def test_one_call_takes_the_form() -> None:
    y, _ = drawn(30.0)
    both = [
        differential_expression(y, X, form=form, filtering=False) for form in ("legacy", "adjusted")
    ]
    size = both[1].normalisation.effective
    alone = quasi_test(fit_quasi(y[both[1].tested], X, size, form="adjusted"))
    np.testing.assert_allclose(both[1].result.p, alone.p, rtol=1e-12)
    assert not np.allclose(both[0].result.p, both[1].result.p)
