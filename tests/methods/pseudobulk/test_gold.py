"""The textbook against stored values of edgeR 3.40.2, limma 3.54.1 and DESeq2 1.38.3."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.methods.pseudobulk.textbook import moderated, normalisation, posterior, quasi
from tests.methods.pseudobulk.stored import (
    OUTLIER,
    SETS,
    counts,
    design,
    kept,
    library,
    table,
)

EXACT = {"rtol": 1e-8, "atol": 0}


def log_gap(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.nanmax(np.abs(np.log10(p) - np.log10(q))))


@pytest.mark.parametrize("name", SETS)
def test_factors_between_samples(name: str) -> None:
    y, stored = counts(name), table(f"{name}_edger_normfactors")
    np.testing.assert_allclose(normalisation.tmm(y), stored["TMM"], **EXACT)
    np.testing.assert_allclose(normalisation.relative_log(y), stored["RLE"], **EXACT)
    np.testing.assert_allclose(normalisation.upper_quartile(y), stored["upperquartile"], **EXACT)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("form", ["ratio", "poscounts"])
def test_size_factors(name: str, form: str) -> None:
    size = normalisation.size_factors(counts(name), positive_only=form == "poscounts")
    np.testing.assert_allclose(size, table(f"{name}_deseq2_{form}_sf")["sizeFactor"], **EXACT)


@pytest.mark.parametrize("name", SETS)
def test_testable_genes(name: str) -> None:
    np.testing.assert_array_equal(kept(name), table(f"{name}_edger_filterByExpr")["keep"])


@pytest.mark.parametrize("name", SETS)
def test_abundance(name: str) -> None:
    y, stored = counts(name), table(f"{name}_edger_all_plain")
    found = normalisation.average_log2_cpm(y, library(y), stored["common"][0])
    np.testing.assert_allclose(found, stored["aveLogCPM"], rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_dispersions_from_the_first_step_to_the_last(name: str) -> None:
    y, stored = counts(name)[kept(name)], table(f"{name}_edger_filt_plain")
    close = {"batch": 1e-3, "paired": 1e-4}[name]  # an outlier of `batch` stops the peer early
    found = quasi.estimate_dispersions(y, design(name), library(y))
    assert found.common == pytest.approx(stored["common"][0], rel=1e-4)
    np.testing.assert_allclose(found.trend, stored["trended"], rtol=close)
    np.testing.assert_allclose(found.tagwise, stored["tagwise"], rtol=close)
    assert found.prior_df == pytest.approx(stored["prior.df.disp"][0], rel=1e-4)


@pytest.mark.parametrize("name", SETS)
def test_quasi_likelihood_at_the_stored_trend(name: str) -> None:
    y, x = counts(name)[kept(name)], design(name)
    stored = table(f"{name}_edger_filt_plain")
    trend, abundance = stored["trended"].to_numpy(), stored["aveLogCPM"].to_numpy()
    found = quasi.quasi_test(y, x, library(y), trend, abundance, x.shape[1] - 1)
    assert found.prior_df == pytest.approx(stored["ql.df.prior"][0], rel=1e-6)
    np.testing.assert_allclose(found.prior_variance, stored["ql.var.prior"], rtol=1e-6)
    np.testing.assert_allclose(found.variance, stored["ql.var.post"], rtol=1e-6)
    np.testing.assert_allclose(found.df, stored["df.total"], rtol=1e-6)
    assert log_gap(found.p, stored["P.QL"]) < 1e-5


@pytest.mark.parametrize("name", SETS)
def test_likelihood_ratio_at_the_stored_dispersion(name: str) -> None:
    y, x = counts(name)[kept(name)], design(name)
    stored, k = table(f"{name}_edger_filt_plain"), design(name).shape[1] - 1
    offset, phi = np.log(library(y)), stored["tagwise"].to_numpy()
    found = quasi.likelihood_ratio(y, x, offset, phi, k)
    np.testing.assert_allclose(found, stored["LR"], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_fold_changes(name: str) -> None:
    """The peer stops at a relative change of the deviance of a millionth unless told to go on."""
    y, x = counts(name)[kept(name)], design(name)
    stored = table(f"{name}_edger_filt_plain")
    trend, k = stored["trended"].to_numpy(), x.shape[1] - 1
    found = quasi.log2_fold_change(y, x, library(y), trend, k)
    converged = table(f"{name}_edger_fold_changes")["fc"]
    np.testing.assert_allclose(found, converged, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found, stored["logFC"], rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", SETS)
def test_precision_weights_and_moderated_t(name: str) -> None:
    y, x = counts(name)[kept(name)], design(name)
    stored, k = table(f"{name}_limma_voom"), design(name).shape[1] - 1
    found = moderated.voom(y, x, library(y))
    np.testing.assert_allclose(found.weight, table(f"{name}_voom_weights"), **EXACT)
    fit = moderated.least_squares(found.values, x, found.weight)
    test = moderated.moderated(fit, k)
    np.testing.assert_allclose(fit.beta[:, k], stored["logFC"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(test.t, stored["t"], rtol=0, atol=1e-9)
    assert log_gap(test.p, stored["P"]) < 1e-9
    assert test.prior_df == pytest.approx(stored["df.prior"][0], rel=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_sample_weights(name: str) -> None:
    y, x = counts(name)[kept(name)], design(name)
    first = moderated.voom(y, x, library(y))
    weight = moderated.sample_weights(first.values, x, first.weight)
    second = moderated.voom(y, x, library(y), sample=weight)
    weight = moderated.sample_weights(second.values, x, second.weight)
    np.testing.assert_allclose(weight, table(f"{name}_voom_samplewts")["wt"], **EXACT)


def test_correlation_of_blocks() -> None:
    y = counts("paired")[kept("paired")]
    x = np.column_stack([np.ones(y.shape[1]), design("paired")[:, -1]])
    block, stored = table("paired_design")["donor"].to_numpy(), table("paired_limma_dupcor")
    first = moderated.voom(y, x, library(y))
    rho = moderated.block_correlation(first.values, x, block, first.weight)
    correlation = moderated.block_matrix(block, rho)
    second = moderated.voom(y, x, library(y), correlation=correlation)
    rho = moderated.block_correlation(second.values, x, block, second.weight)
    # The peer's search for each gene stops early.
    assert rho == pytest.approx(stored["consensus"][0], abs=1e-5)
    correlation = moderated.block_matrix(block, float(stored["consensus"][0]))
    fit = moderated.least_squares(second.values, x, second.weight, correlation)
    np.testing.assert_allclose(moderated.moderated(fit, 1).t, stored["t"], rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["ratio", "poscounts"])
@pytest.mark.parametrize("name", SETS)
def test_posterior_dispersions(name: str, form: str) -> None:
    stored = table(f"{name}_deseq2_{form}")
    size = table(f"{name}_deseq2_{form}_sf")["sizeFactor"].to_numpy()
    found = posterior.estimate(counts(name), design(name), size)
    planted = np.isin(np.arange(len(stored)), [OUTLIER])  # the peer replaces its outlying count
    scarce = counts(name).sum(axis=1) < 2
    fine = ~planted & ~scarce & stored["dispersion"].notna().to_numpy()
    np.testing.assert_allclose(found.trend[fine], stored["dispFit"][fine], rtol=1e-3)
    gap = np.abs(found.used[fine] / stored["dispersion"][fine] - 1.0)
    assert np.mean(gap < 1e-3) > 0.995  # the peer's line search stops early
    assert gap.max() < 2e-3


@pytest.mark.parametrize("name", SETS)
def test_wald_at_the_stored_dispersions(name: str) -> None:
    stored, x = table(f"{name}_deseq2_ratio"), design(name)
    size = table(f"{name}_deseq2_ratio_sf")["sizeFactor"].to_numpy()
    phi = stored["dispersion"].to_numpy()
    found = posterior.wald_test(counts(name), x, size, phi, x.shape[1] - 1)
    fine = ~np.isin(np.arange(len(stored)), [OUTLIER]) & stored["pvalue.nocooks"].notna()
    gap = np.abs(found.log2_fold_change - stored["log2FC"])[fine]
    assert gap.median() < 2e-5
    assert gap.max() < 2e-3  # the peer stops early
    assert log_gap(found.p[fine], stored["pvalue.nocooks"][fine]) < 1e-3
