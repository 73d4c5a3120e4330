"""The quasi-likelihood test: stored values, the textbook, invariants, and what it promises."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from refsolve.core.errors import AnalysisError
from refsolve.methods.pseudobulk import (
    CellDesign,
    Design,
    DispersionFit,
    adjust_fdr,
    aggregate,
    differential_expression,
    estimate_dispersions,
    fit_quasi,
    likelihood_ratio_test,
    quasi_test,
    simulate_cells,
)
from refsolve.methods.pseudobulk.kernels import counts as kernels
from refsolve.methods.pseudobulk.model.regression import fit_genes
from refsolve.methods.pseudobulk.textbook import quasi as book
from tests.methods.pseudobulk.stored import SETS, counts, design, kept, library, table

# Of the trend: the peer gives genes with separated samples an arbitrary profile, and `paired` has
# many of them.
TREND = {"batch": 1e-3, "paired": 6e-3}


def log_gap(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.max(np.abs(np.log10(p) - np.log10(q))))


def at_stored_trend(name: str) -> DispersionFit:
    stored = table(f"{name}_edger_filt_plain")
    columns = [stored[c].to_numpy() for c in ("trended", "tagwise", "aveLogCPM")]
    return DispersionFit(stored["common"][0], columns[0], columns[1], 0.0, columns[2])


def drawn(
    n_genes: int, *, n: int = 10, dispersion: float = 0.1, mean: float = 60.0, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts without differences, design of two groups and a batch, libraries."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), np.arange(n) // 2 % 2, np.arange(n) % 2]).astype(np.float64)
    size = rng.uniform(0.6, 1.5, n)
    rate = mean * np.exp(rng.normal(0.0, 1.0, (n_genes, 1))) * size
    if dispersion > 0:
        rate = rate * rng.gamma(1 / dispersion, dispersion, (n_genes, n))
    return rng.poisson(rate).astype(np.float64), x, size * 1e6


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_dispersions_are_the_stored_ones(name: str) -> None:
    y, stored = counts(name)[kept(name)], table(f"{name}_edger_filt_plain")
    found = estimate_dispersions(y, design(name), library(y))
    assert found.common == pytest.approx(stored["common"][0], rel=1e-4)
    np.testing.assert_allclose(found.trend, stored["trended"], rtol=TREND[name])
    np.testing.assert_allclose(found.tagwise, stored["tagwise"], rtol=TREND[name])
    assert found.prior_df == pytest.approx(stored["prior.df.disp"][0], rel=1e-3)


@pytest.mark.parametrize("name", SETS)
def test_p_values_are_the_stored_ones(name: str) -> None:
    y, stored = counts(name)[kept(name)], table(f"{name}_edger_filt_plain")
    fit = fit_quasi(y, design(name), library(y), dispersions=at_stored_trend(name))
    found = quasi_test(fit)
    assert fit.prior_df == pytest.approx(stored["ql.df.prior"][0], rel=1e-6)
    np.testing.assert_allclose(fit.prior_variance, stored["ql.var.prior"], rtol=1e-6)
    np.testing.assert_allclose(fit.variance, stored["ql.var.post"], rtol=1e-6)
    np.testing.assert_allclose(found.df_denominator, stored["df.total"], rtol=1e-6)
    assert log_gap(found.p, stored["P.QL"]) < 1e-5
    gap = np.abs(found.log2_fold_change - stored["logFC"])
    assert gap.median() < 3e-5
    assert gap.max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_the_whole_way_from_counts_is_near_the_stored_one(name: str) -> None:
    stored = table(f"{name}_edger_filt_plain")
    found = differential_expression(counts(name), design(name))
    np.testing.assert_array_equal(found.tested, np.flatnonzero(kept(name)))
    assert log_gap(found.result.p, stored["P.QL"]) < 0.01
    assert found.result.n_significant() == (stored["P.QL"] < 0.05).sum()


@pytest.mark.parametrize("name", SETS)
def test_likelihood_ratios_are_the_stored_ones(name: str) -> None:
    y, stored = counts(name)[kept(name)], table(f"{name}_edger_filt_plain")
    found = likelihood_ratio_test(y, design(name), library(y), stored["tagwise"])
    np.testing.assert_allclose(found.statistic, stored["LR"], rtol=1e-6, atol=1e-5)


def test_estimators_are_the_textbook() -> None:
    y, x, size = drawn(40)
    y[1, x[:, 2] == 1], y[2, :7] = 0.0, 0.0
    want = book.estimate_dispersions(y, x, size)
    found = estimate_dispersions(y, x, size)
    assert found.common == pytest.approx(want.common, rel=1e-6)
    np.testing.assert_allclose(found.trend, want.trend, rtol=1e-5)
    np.testing.assert_allclose(found.tagwise, want.tagwise, rtol=1e-5)
    fit = fit_quasi(y, x, size, dispersions=found)
    old = book.quasi_test(y, x, size, found.trend, found.abundance, 2)
    new = quasi_test(fit)
    np.testing.assert_allclose(new.statistic, old.f, rtol=1e-5, atol=1e-8)
    assert log_gap(new.p, old.p) < 1e-5
    change = book.log2_fold_change(y, x, size, found.trend, 2)
    np.testing.assert_allclose(new.log2_fold_change, change, rtol=0, atol=1e-6)


def test_order_of_samples_and_genes_does_not_matter() -> None:
    y, x, size = drawn(80)
    rng = np.random.default_rng(2)
    samples, genes = rng.permutation(10), rng.permutation(80)
    a = quasi_test(fit_quasi(y, x, size))
    b = quasi_test(fit_quasi(y[genes][:, samples], x[samples], size[samples]))
    np.testing.assert_allclose(b.p, a.p[genes], rtol=1e-6)
    np.testing.assert_allclose(b.log2_estimate, a.log2_estimate[genes], rtol=0, atol=1e-7)


def test_exchanged_conditions_change_the_sign_and_nothing_else() -> None:
    y, x, size = drawn(80)
    y[4, x[:, 2] == 1] = 0.0
    other = x.copy()
    other[:, 2] = 1.0 - x[:, 2]
    a, b = (quasi_test(fit_quasi(y, m, size)) for m in (x, other))
    np.testing.assert_allclose(a.p, b.p, rtol=1e-6)
    np.testing.assert_allclose(a.log2_fold_change, -b.log2_fold_change, rtol=0, atol=1e-7)
    np.testing.assert_allclose(a.interval, -b.interval[:, ::-1], rtol=0, atol=1e-6)


def test_a_contrast_is_a_coefficient_of_another_coding() -> None:
    y, x, size = drawn(60)
    means = Design(np.column_stack([1 - x[:, 2], x[:, 2], x[:, 1]]), ("a", "b", "batch"), "")
    a = quasi_test(fit_quasi(y, x, size))
    b = quasi_test(fit_quasi(y, means, size), "b - a")
    assert b.name == "b - a"
    np.testing.assert_allclose(b.p, a.p, rtol=1e-6)
    np.testing.assert_allclose(b.se, a.se, rtol=1e-6)


def test_several_contrasts_are_tested_together() -> None:
    y, x, size = drawn(400)
    fit = fit_quasi(y, x, size)
    both = quasi_test(fit, np.eye(3)[:, 1:])
    assert both.df == 2
    assert both.log2_fold_change.shape == (400, 2)
    assert np.isnan(both.interval).all()
    assert 0.02 < (both.p < 0.05).mean() < 0.085
    assert both.to_frame().shape == (400, 8)


def test_separated_genes_are_flagged_and_bounded_by_the_likelihood() -> None:
    y, x, size = drawn(60, mean=30.0)
    y[5, x[:, 2] == 0], y[6, x[:, 2] == 1] = 0.0, 0.0
    y[5, x[:, 2] == 1], y[6, x[:, 2] == 0] = 12.0, 9.0
    y[7], y[7, 0] = 0.0, 40.0
    fit = fit_quasi(y, x, size)
    found = quasi_test(fit)
    assert np.flatnonzero(found.separated).tolist()[:2] == [5, 6]
    assert found.log2_estimate[5] == np.inf
    assert found.log2_estimate[6] == -np.inf
    assert np.isfinite(found.log2_fold_change).all()
    assert found.p[5] < 1e-4
    low, high = found.interval[5]
    assert high == np.inf
    assert 0.0 < low < found.log2_fold_change[5]
    assert found.interval[6, 0] == -np.inf
    mu = fit_genes(y[5:6], x[:, :2], np.log(size) + low * np.log(2) * x[:, 2], fit.trend[5]).mu
    lost = kernels.deviances(y[5:6], mu, fit.trend[5:6])[0] - fit.deviance[5]
    f = lost / fit.variance[5]
    assert f_distribution.sf(f, 1, found.df_denominator[5]) == pytest.approx(0.05, abs=1e-5)


def test_genes_without_counts_have_nothing_to_say() -> None:
    y, x, size = drawn(50)
    y[3] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = quasi_test(fit_quasi(y, x, size))
    assert found.p[3] == 1.0
    assert found.log2_fold_change[3] == pytest.approx(0.0, abs=1e-6)
    assert found.interval[3].tolist() == [-np.inf, np.inf]


def test_one_residual_degree_of_freedom_and_poisson_counts() -> None:
    y, x, size = drawn(60, n=4, dispersion=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fit_quasi(y, x, size)
        found = quasi_test(fit)
    assert np.isfinite(found.p).all()
    spread = fit.variance[:, np.newaxis] * (1.0 + fit.fitted * fit.trend[:, np.newaxis])
    below = (spread < 1.0).any(axis=1)
    assert below.any()
    poisson = likelihood_ratio_test(y, x, size, 0.0)
    assert (found.p[below] >= poisson.p[below] - 1e-12).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_p_values_are_uniform_and_intervals_cover_when_nothing_differs(seed: int) -> None:
    y, x, size = drawn(1500, seed=seed)
    found = quasi_test(fit_quasi(y, x, size))
    # 1,500 independent genes: four standard errors of a share of 5 % are 2.3 points.
    assert (found.p < 0.05).mean() == pytest.approx(0.05, abs=0.023)
    covered = (found.interval[:, 0] < 0) & (found.interval[:, 1] > 0)
    assert covered.mean() == pytest.approx(0.95, abs=0.03)
    assert found.n_discoveries() <= 3


def test_poisson_calls_what_donors_do_by_themselves() -> None:
    """With a dispersion of 0.1 a mean of 60 has seven times the variance that Poisson expects."""
    y, x, size = drawn(600)
    poisson = likelihood_ratio_test(y, x, size, 0.0)
    assert (poisson.p < 0.05).mean() > 0.35
    np.testing.assert_allclose(poisson.p, chi2.sf(poisson.statistic, 1), rtol=1e-12)


@pytest.mark.slow
def test_dispersion_is_found() -> None:
    y, x, size = drawn(1500, dispersion=0.15)
    found = estimate_dispersions(y, x, size)
    assert found.common == pytest.approx(0.15, rel=0.05)
    assert np.median(found.trend) == pytest.approx(0.15, rel=0.08)
    assert found.prior_df > 20.0


def test_differences_are_found_and_estimated() -> None:
    y, x, _ = drawn(500, mean=200.0, n=12)
    rng = np.random.default_rng(4)
    y[:50] = rng.poisson(y[:50] * np.where(x[:, 2] == 1, 4.0, 1.0))
    found = differential_expression(y, x, normalisation="tmm")
    assert (found.result.q[:50] < 0.05).mean() > 0.9
    assert np.median(found.result.log2_fold_change[:50]) == pytest.approx(2.0, abs=0.15)
    assert (found.result.q[50:] < 0.05).mean() < 0.02
    assert found.percent_fdr == pytest.approx(10.0, abs=1.5)


def test_from_cells_to_genes() -> None:
    data = simulate_cells(CellDesign(donors=(4, 4), cells=40, genes=120, changed=0.1), rng=5)
    sums = aggregate(data.counts, {"sample": data.sample}, genes=[f"g{j}" for j in range(120)])
    x = np.column_stack([np.ones(8), data.condition])
    found = differential_expression(sums, x)
    assert found.filter.n_genes == 120
    assert found.tested.size == found.filter.n_tested == len(found.to_frame())
    assert found.to_frame().index[0] == f"g{found.tested[0]}"
    assert 0.0 <= found.percent_fdr <= found.percent_p <= 100.0
    ratio = differential_expression(sums, x, test="likelihood_ratio")
    assert ratio.result.method == "likelihood ratio"
    whole = differential_expression(sums, x, filtering=False)
    assert whole.filter.n_tested == whole.filter.n_detected


def test_means_are_no_counts_and_nothing_to_test_is_an_error() -> None:
    y, x, size = drawn(30)
    means = aggregate(y.T, np.arange(10), how="mean")
    with pytest.raises(ValueError, match="means, not counts"):
        differential_expression(means, x)
    few = np.zeros((5, 10))
    few[0] = 1.0
    with pytest.raises(AnalysisError, match="None of 5 genes has enough counts"):
        differential_expression(few, x)
    with pytest.raises(AnalysisError, match="No gene has 5 counts"):
        estimate_dispersions(few[1:] + np.eye(4, 10), x, size)
    with pytest.raises(ValueError, match="library has 3 values for 10 samples"):
        fit_quasi(y, x, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="level = 95"):
        quasi_test(fit_quasi(y, x, size), level=95)
    with pytest.raises(ValueError, match="genes has 1 names for 30 rows"):
        differential_expression(y, x, genes=["g"])


def test_a_gene_that_is_its_own_library_has_nothing_to_be_compared_with() -> None:
    y, x, _ = drawn(1)
    with pytest.raises(AnalysisError, match="fitted exactly.*test more than one"):
        differential_expression(y, x)
    assert np.isfinite(quasi_test(fit_quasi(y, x, np.full(10, 1e5))).p).all()


def test_false_discovery_rates() -> None:
    p = np.array([0.01, 0.04, 0.03, np.nan, 0.5])
    np.testing.assert_allclose(adjust_fdr(p), [0.04, 0.16 / 3, 0.16 / 3, np.nan, 0.5], rtol=1e-12)
    assert adjust_fdr([]).size == 0
