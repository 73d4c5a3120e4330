"""One p value per gene: Cauchy combination, beta approximation, permutations, calibration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from refsolve.methods.count_glm import (
    ScanDesign,
    beta_approximation,
    cauchy_combination,
    make_genotypes,
    map_cis,
    simulate_scan,
)
from refsolve.methods.count_glm.model.metric import (
    largest_correlations,
    metric_of_cells,
    metric_of_donors,
    score_tests,
)
from refsolve.methods.count_glm.model.resampling import (
    CorrelationTail,
    chi_square_tail,
    false_discovery,
    permuted_donors,
)
from refsolve.methods.count_glm.textbook import testing


def test_cauchy_combination() -> None:
    rng = np.random.default_rng(1)
    for p in (rng.uniform(size=50), np.array([1e-9, 0.3, 0.999]), np.array([0.9, 0.95])):
        assert cauchy_combination(p) == pytest.approx(testing.cauchy_combination(p), rel=1e-8)
    assert cauchy_combination([0.2, np.nan]) == pytest.approx(0.2)
    assert np.isnan(cauchy_combination([np.nan]))
    assert cauchy_combination([1e-200, 0.5]) == pytest.approx(2e-200, rel=1e-9)
    assert 0.0 < cauchy_combination([0.0, 0.5]) < 1e-250
    assert cauchy_combination([1.0]) == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(ValueError, match="p"):
        cauchy_combination([1.5])


def test_beta_approximation_is_maximum_likelihood() -> None:
    rng = np.random.default_rng(2)
    draws = rng.beta([[1.1], [0.9], [1.0]], [[25.0], [3.0], [200.0]], (3, 500))
    a, b = beta_approximation(draws)
    for k in range(3):
        want = testing.beta_approximation(draws[k])
        np.testing.assert_allclose((a[k], b[k]), want, rtol=1e-4)
    one = beta_approximation(draws[0])
    assert one[0] == pytest.approx(a[0], rel=1e-8)


def test_tails() -> None:
    statistic = np.array([0.0, 1.0, 30.0, 500.0])
    np.testing.assert_allclose(chi_square_tail(statistic), stats.chi2.sf(statistic, 1), rtol=1e-10)
    tail = CorrelationTail(40)
    square = np.array([0.0, 1e-12, 1e-6, 0.01, 0.3, 0.9, 1.0 - 1e-9])
    f = 39 * square / (1.0 - square)
    np.testing.assert_allclose(tail.exact(square), stats.f.sf(f, 1, 39), rtol=1e-8)
    np.testing.assert_allclose(tail.quick(square), tail.exact(square), rtol=1e-6)
    assert tail.exact(np.array([1.0]))[0] == 0.0


def test_false_discovery_rates_leave_gaps() -> None:
    q = false_discovery([0.01, np.nan, 0.02, 0.5])
    np.testing.assert_allclose(q, [0.03, np.nan, 0.03, 0.5])
    assert np.isnan(false_discovery([np.nan])).all()


def test_permutations_of_the_metric_by_hand() -> None:
    rng = np.random.default_rng(3)
    d, x = 15, np.column_stack([np.ones(15), rng.standard_normal(15)])
    weight, score = rng.gamma(3.0, 1.0, d), rng.standard_normal(d)
    g = rng.binomial(2, 0.4, (4, d)) * 1.0
    own = metric_of_donors(score, weight, x)
    u, v = score_tests(g, g**2, own)
    root = np.sqrt(weight)
    hat = np.eye(d) - (root[:, None] * x) @ np.linalg.pinv(root[:, None] * x)
    np.testing.assert_allclose(v, (((g * root) @ hat) ** 2).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(u, (g * root) @ hat @ (score / root), rtol=1e-10, atol=1e-12)
    orders = permuted_donors(d, 20, 1)
    found = largest_correlations(g, v, own, orders)
    error = hat @ (score / root)
    for r, order in enumerate(orders):
        moved = hat @ error[order]
        inner = [((hat @ (root * row)) @ moved) ** 2 / ((moved @ moved) * k)
                 for row, k in zip(g, v, strict=True)]  # fmt: skip
        assert found[r] == pytest.approx(max(inner), rel=1e-10)


def test_the_metric_of_cells_is_that_of_donors_where_they_are_the_same() -> None:
    rng = np.random.default_rng(5)
    x, w, s = rng.standard_normal((12, 2)), rng.gamma(3.0, 1.0, 12), rng.standard_normal(12)
    g = rng.binomial(2, 0.4, (5, 12)) * 1.0
    cells = metric_of_cells(s, w, x * w[:, None], (x.T * w) @ x, x.T @ s)
    for a, b in zip(score_tests(g, g**2, cells),
                    score_tests(g, g**2, metric_of_donors(s, w, x)), strict=True):  # fmt: skip
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_whitened_errors_of_cells() -> None:
    """Covariates of donors explain all along two axes, one of cells a part."""
    rng = np.random.default_rng(6)
    d, x = 20, np.column_stack([np.ones(20), rng.standard_normal((20, 2))])
    w, s = rng.gamma(3.0, 1.0, d), rng.standard_normal(d)
    square = (x.T * w) @ x + np.diag([0.0, 0.0, 30.0])
    own = metric_of_cells(s, w, x * w[:, None], square, x.T @ s)
    assert own.spare == 18
    covariance = np.eye(d) - own.basis @ own.basis.T
    value, axes = np.linalg.eigh(covariance)
    root = axes * np.where(value > 1e-9, 1.0 / np.sqrt(np.maximum(value, 1e-9)), 0.0)
    np.testing.assert_allclose(own.whitened, root @ axes.T @ own.error, atol=1e-9, rtol=0)
    g = rng.binomial(2, 0.4, (3, d)) * 1.0
    v = score_tests(g, g**2, own)[1]
    found = largest_correlations(g, v, own, permuted_donors(d, 20, 2))
    half = (axes * np.sqrt(np.maximum(value, 0.0))) @ axes.T
    for r, order in enumerate(permuted_donors(d, 20, 2)):
        moved = own.whitened[order]
        inside = (axes * (value > 1e-9)) @ axes.T @ moved
        each = ((g * own.root) @ half @ moved) ** 2 / (v * (inside @ inside))
        assert found[r] == pytest.approx(each.max(), rel=1e-6)


def test_a_metric_without_some_of_its_columns() -> None:
    x = np.column_stack([np.ones(6), np.arange(6) < 2])
    weight = np.where(np.arange(6) < 2, 0.0, 1.0)
    own = metric_of_donors(np.arange(6) * weight, weight, x)
    assert np.isfinite(own.error).all()
    assert np.abs(own.basis.T @ own.error).max() < 1e-12
    u, v = score_tests(x.T.copy(), x.T**2, own)
    assert np.isnan(v).all()
    assert np.isfinite(u).all()


@pytest.mark.slow
def test_genes_without_effects_are_uniform() -> None:
    """With the beta approximation, by direct permutations, and roughly by Cauchy combination."""
    design = ScanDesign(genes=400, variants=20, causal=0.0, confounding=0.8, rho=0.15)
    d = simulate_scan(design, rng=11)
    known = make_genotypes(d.genotypes, d.variant_chromosome, d.variant_position)
    found = map_cis(
        d.counts, known, d.covariates, gene_chromosome=d.gene_chromosome,
        gene_position=d.gene_position, exposure=d.exposure, ambient=d.ambient, permutations=300,
    )  # fmt: skip
    assert stats.kstest(found.p_beta, "uniform").pvalue > 1e-3
    assert 0.03 < (found.p_beta < 0.05).mean() < 0.07
    np.testing.assert_allclose(found.p_beta, found.p_permutation, rtol=0, atol=0.06)
    assert np.corrcoef(found.p_beta, found.p_permutation)[0, 1] > 0.998
    assert 0.02 < (found.p_cauchy < 0.05).mean() < 0.07
    assert 0.03 < (found.test_p < 0.05).mean() < 0.06
    assert (found.q < 0.05).mean() < 0.01


@pytest.mark.slow
def test_variants_that_go_along_with_contamination() -> None:
    """The first variant of each gene follows the contamination; none has an effect."""
    design = ScanDesign(
        genes=600, variants=3, causal=0.0, confounding=0.9, linkage=0.0, rho=0.2, ambient_ratio=2.0
    )
    d = simulate_scan(design, rng=7)
    known = make_genotypes(d.genotypes, d.variant_chromosome, d.variant_position)
    where = {"gene_chromosome": d.gene_chromosome, "gene_position": d.gene_position}
    options = {**where, "window": 3_000_000}
    inside = map_cis(
        d.counts, known, d.covariates, exposure=d.exposure, ambient=d.ambient, **options
    )
    naive = map_cis(d.counts, known, d.covariates, exposure=d.total, **options)
    own = inside.test_variant == 3 * inside.test_gene
    assert own.sum() == 600
    assert 0.03 < (inside.test_p[own] < 0.05).mean() < 0.07
    assert 0.04 < (inside.test_p < 0.05).mean() < 0.06
    assert (naive.test_p[own] < 0.05).mean() > 0.3
