"""Kinship and the likelihoods of the textbook against densities, contrasts and derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal

from refsolve.methods.lmm_scan import textbook as tb
from refsolve.methods.lmm_scan.simulate import simulate_mosaics, simulate_trait

ROUNDING = {"rtol": 1e-10, "atol": 1e-10}
N = 40


@pytest.fixture(scope="module")
def probabilities() -> tuple[np.ndarray, ...]:
    return simulate_mosaics(
        n_lines=N, n_founders=4, lengths=[60, 80, 40], step=4, blur=0.1, rng=1
    ).probabilities


@pytest.fixture(scope="module")
def data(
    probabilities: tuple[np.ndarray, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phenotypes, covariates and kinship."""
    rng = np.random.default_rng(2)
    related = tb.kinship(np.concatenate(probabilities, axis=1))
    x = np.column_stack([np.ones(N), rng.standard_normal(N), rng.integers(0, 2, N)])
    y = simulate_trait(n_lines=N, kinship=related, polygenic=0.6, residual=0.4, rng=3).phenotype
    return y, x, related


# --- kinship -------------------------------------------------------------------------------------


def test_kinship_of_known_founders_is_the_share_they_have_in_common() -> None:
    founder = np.array([[0, 0, 1, 2], [0, 1, 1, 1], [2, 2, 2, 2]])
    got = tb.kinship(np.eye(3)[founder])
    expected = [[np.mean(a == b) for b in founder] for a in founder]
    np.testing.assert_allclose(got, expected, **ROUNDING)


def test_kinship_does_not_depend_on_the_names_of_founders(
    probabilities: tuple[np.ndarray, ...],
) -> None:
    p = probabilities[0]
    np.testing.assert_allclose(tb.kinship(p[:, :, [2, 0, 3, 1]]), tb.kinship(p), **ROUNDING)
    assert np.linalg.eigvalsh(tb.kinship(p)).min() > -1e-12


def test_leaving_a_chromosome_out_is_the_kinship_of_the_others(
    probabilities: tuple[np.ndarray, ...],
) -> None:
    sizes = [p.shape[1] for p in probabilities]
    total = tb.kinship(np.concatenate(probabilities, axis=1)) * sum(sizes)
    for c, related in enumerate(tb.loco(probabilities)):
        rest = (total - tb.kinship(probabilities[c]) * sizes[c]) / (sum(sizes) - sizes[c])
        np.testing.assert_allclose(related, rest, **ROUNDING)


# --- likelihood ----------------------------------------------------------------------------------


@pytest.mark.parametrize("h2", [0.0, 0.4, 0.95])
def test_full_likelihood_is_the_normal_density_at_its_maximum(
    data: tuple[np.ndarray, np.ndarray, np.ndarray], h2: float
) -> None:
    y, x, related = data
    v = tb.covariance(h2, related, N)
    inverse = np.linalg.inv(v)
    beta = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ y)
    s2 = (y - x @ beta) @ inverse @ (y - x @ beta) / N
    density = multivariate_normal.logpdf(y, x @ beta, s2 * v)
    np.testing.assert_allclose(tb.log_likelihood(h2, y, x, related, "ml"), density, **ROUNDING)
    for factor in (0.98, 1.02):
        assert multivariate_normal.logpdf(y, x @ beta, factor * s2 * v) < density


@pytest.mark.parametrize("h2", [0.0, 0.4, 0.95])
def test_restricted_likelihood_is_the_density_of_contrasts(
    data: tuple[np.ndarray, np.ndarray, np.ndarray], h2: float
) -> None:
    y, x, related = data
    contrasts = null_space(x.T)
    v = contrasts.T @ tb.covariance(h2, related, N) @ contrasts
    free = contrasts.T @ y
    s2 = free @ np.linalg.solve(v, free) / (N - 3)
    density = multivariate_normal.logpdf(free, np.zeros(N - 3), s2 * v)
    np.testing.assert_allclose(tb.log_likelihood(h2, y, x, related, "reml"), density, **ROUNDING)


@pytest.mark.parametrize("criterion", ["reml", "ml"])
@pytest.mark.parametrize("h2", [0.05, 0.5, 0.9])
def test_score_is_the_slope_of_the_likelihood(
    data: tuple[np.ndarray, np.ndarray, np.ndarray], criterion: tb.Criterion, h2: float
) -> None:
    y, x, related = data
    ends = [tb.log_likelihood(h2 + d, y, x, related, criterion) for d in (1e-5, -1e-5)]
    got = tb.score(h2, y, x, related, criterion)
    np.testing.assert_allclose(got, (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("criterion", ["reml", "ml"])
@pytest.mark.parametrize("seed", range(4))
def test_heritability_is_where_the_likelihood_is_largest(
    data: tuple[np.ndarray, np.ndarray, np.ndarray], criterion: tb.Criterion, seed: int
) -> None:
    _, x, related = data
    y = simulate_trait(
        n_lines=N, kinship=related, polygenic=0.25 * seed, residual=1.0, rng=10 + seed
    ).phenotype
    fit = tb.fit_null(y, x, related, criterion)
    fine = [tb.log_likelihood(h, y, x, related, criterion) for h in np.linspace(0, 1, 301)]
    assert fit.log_likelihood >= max(fine) - 1e-12
    inside = minimize_scalar(lambda h: -tb.log_likelihood(h, y, x, related, criterion),
                             bounds=(0, 1), method="bounded")  # fmt: skip
    assert fit.log_likelihood >= -inside.fun - 1e-10


def test_without_kinship_it_is_least_squares(
    data: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    y, x, _ = data
    fit = tb.fit_null(y, x, None)
    beta, rss, _, _ = np.linalg.lstsq(x, y, rcond=None)
    np.testing.assert_allclose(fit.coefficients, beta, **ROUNDING)
    np.testing.assert_allclose(fit.variance, rss[0] / (N - 3), **ROUNDING)
    assert fit.heritability == 0.0
    np.testing.assert_allclose(tb.fit_null(y, x, None, "ml").variance, rss[0] / N, **ROUNDING)


def test_units_and_covariate_coding_change_nothing_but_themselves(
    data: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    y, x, related = data
    mix = np.array([[1.0, 0.3, 0.0], [0.0, 2.0, 0.0], [0.0, -1.0, 0.5]])
    one, two = tb.fit_null(y, x, related), tb.fit_null(5 - 3 * y, x @ mix, related)
    np.testing.assert_allclose(two.heritability, one.heritability, rtol=0, atol=1e-9)
    np.testing.assert_allclose(two.variance, 9 * one.variance, rtol=1e-8)


def test_lines_in_another_order_are_the_same_model(
    data: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    y, x, related = data
    order = np.random.default_rng(4).permutation(N)
    one = tb.fit_null(y, x, related)
    two = tb.fit_null(y[order], x[order], related[np.ix_(order, order)])
    np.testing.assert_allclose(two.heritability, one.heritability, rtol=0, atol=1e-9)
    np.testing.assert_allclose(two.coefficients, one.coefficients, rtol=0, atol=1e-8)


def test_a_singular_covariance_has_no_likelihood() -> None:
    related = np.full((6, 6), 0.5)
    y, x = np.arange(6.0), np.ones((6, 1))
    assert tb.log_likelihood(1.0, y, x, related) == -np.inf
    assert tb.best_share(y, x, related) < 1.0


def test_heritability_is_estimated_without_bias_in_the_middle() -> None:
    """Sixty traits of 120 lines see a bias of 0.06; the restricted estimate of a half has less."""
    lines = simulate_mosaics(
        n_lines=120, n_founders=8, lengths=[50] * 4, step=5, families=20, rng=5
    )
    related = tb.kinship(np.concatenate(lines.probabilities, axis=1))
    x = np.ones((120, 1))
    found = []
    for seed in range(60):
        y = simulate_trait(n_lines=120, kinship=related, polygenic=0.5, residual=0.5, rng=seed)
        values, vectors = np.linalg.eigh(2 * related)
        found.append(_rotated_share(vectors.T @ y.phenotype, vectors.T @ x, values))
    assert abs(np.mean(found) - 0.5) < 4 * np.std(found) / np.sqrt(60) + 0.02
    y0 = simulate_trait(n_lines=120, kinship=related, polygenic=0.5, residual=0.5, rng=0).phenotype
    np.testing.assert_allclose(found[0], tb.best_share(y0, x, related), rtol=0, atol=1e-4)


def _rotated_share(y: np.ndarray, x: np.ndarray, values: np.ndarray) -> float:
    """The same maximum in the eigenbasis, written a second time."""

    def objective(h: float) -> float:
        w = 1 / (h * values + 1 - h)
        gram = (x.T * w) @ x
        beta = np.linalg.solve(gram, (x.T * w) @ y)
        rss = np.sum(w * (y - x @ beta) ** 2)
        n, c = x.shape
        return float((n - c) * np.log(rss) - np.log(w).sum() + np.linalg.slogdet(gram)[1])

    return float(minimize_scalar(objective, bounds=(0, 0.999), method="bounded",
                                 options={"xatol": 1e-7}).x)  # fmt: skip
