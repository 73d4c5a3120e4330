"""Linear models of log counts and scores: kernels, stored values of limma, behaviour."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from refsolve.core.errors import AnalysisError
from refsolve.methods.pseudobulk.estimator.blocks import (
    block_correlations,
    common_correlation,
    correlation_matrix,
)
from refsolve.methods.pseudobulk.estimator.moderated import least_squares, moderated_test
from refsolve.methods.pseudobulk.estimator.shrinkage import trigamma_inverse, variance_prior
from refsolve.methods.pseudobulk.estimator.voom import voom_test, voom_weights
from refsolve.methods.pseudobulk.kernels import linear, lowess
from refsolve.methods.pseudobulk.textbook import dispersion
from refsolve.methods.pseudobulk.textbook import moderated as textbook
from tests.methods.pseudobulk.stored import SETS, counts, design, kept, library, table

SAME = {"rtol": 1e-9, "atol": 1e-11}
BATCH = np.array([0.0, 1, 0, 1, 0, 1, 0, 1])
CONDITION = np.repeat([0.0, 1.0], 4)
X = np.column_stack([np.ones(8), BATCH, CONDITION])
BLOCK = np.array([0, 0, 1, 1, 2, 2, 3, 3])


def noise(genes: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(genes, 8)) * np.sqrt(5.0 / rng.chisquare(5, (genes, 1)))


def precision(genes: int) -> np.ndarray:
    return np.random.default_rng(3).gamma(5.0, 0.2, (genes, 8))


def test_weighted_correlated_least_squares() -> None:
    y, w, v = noise(6), precision(6), correlation_matrix(BLOCK, 0.4)
    got, want = least_squares(y, X, w, v), textbook.least_squares(y, X, w, v)
    np.testing.assert_allclose(got.beta, want.beta, **SAME)
    np.testing.assert_allclose(got.unscaled, want.unscaled, **SAME)
    np.testing.assert_allclose(got.variance, want.variance, **SAME)
    plain = linear.weighted_fits(y[:2], X, w[:2], np.eye(8))
    np.testing.assert_allclose(plain[0], textbook.least_squares(y[:2], X, w[:2]).beta, **SAME)


def test_moderated_t_is_the_textbook_one() -> None:
    y = noise(200)
    got, want = moderated_test(y, X), textbook.moderated(textbook.least_squares(y, X), 2)
    np.testing.assert_allclose(got.statistic, want.t, **SAME)
    np.testing.assert_allclose(got.p, want.p, **SAME)
    np.testing.assert_allclose(got.df_denominator, want.df, **SAME)


def test_prior_of_many_rows_at_once() -> None:
    variance = np.random.default_rng(1).chisquare(5, (3, 400)) / 5.0
    variance[1] *= np.random.default_rng(2).chisquare(4, 400)
    variance[2] = 1.0 + 0.01 * variance[2]
    scale, prior = variance_prior(variance, 5.0)
    for row, s, d in zip(variance, scale, prior, strict=True):
        want = dispersion.scaled_f(row, np.full(400, 5.0))
        np.testing.assert_allclose([s, d], [want[0][0], want[1]], rtol=1e-7, atol=0)
    assert np.isinf(prior[2])
    y = np.array([1e-9, 1e-3, 1.0, 1e9])
    want_y = [dispersion.trigamma_inverse(v) for v in y]
    np.testing.assert_allclose(trigamma_inverse(y), want_y, rtol=1e-7, atol=0)


def test_joint_test_of_two_coefficients_is_the_f_test_when_nothing_is_shared() -> None:
    y = noise(1)
    joint = moderated_test(y, X, np.eye(3)[:, 1:])
    full, null = (((y[0] - x @ np.linalg.lstsq(x, y[0])[0]) ** 2).sum() for x in (X, X[:, :1]))
    f = (null - full) / 2.0 / (full / 5.0)
    assert joint.statistic[0] == pytest.approx(f, rel=1e-9)
    assert joint.p[0] == pytest.approx(stats.f.sf(f, 2, 5), rel=1e-9)
    single = moderated_test(y, X, np.eye(3)[:, 2:])
    assert joint.df == 2
    assert single.df == 1


def test_one_gene_alone_is_the_ordinary_t_test() -> None:
    y = noise(1)
    got = moderated_test(y, X[:, [0, 2]])
    assert got.p[0] == pytest.approx(stats.ttest_ind(y[0, :4], y[0, 4:]).pvalue, rel=1e-9)
    low, high = got.interval[0]
    want = stats.ttest_ind(y[0, 4:], y[0, :4]).confidence_interval(0.95)
    np.testing.assert_allclose([low, high], [want.low, want.high], rtol=1e-9)


def test_constant_genes_are_not_significant() -> None:
    y = noise(30)
    y[:20] = 1.0
    assert (moderated_test(y, X).p[:20] > 0.99).all()
    assert moderated_test(np.zeros((1, 8)), X).p[0] == 1.0


def test_shifting_and_scaling_change_nothing_but_the_size_of_effects() -> None:
    y = noise(50)
    one, other = moderated_test(y, X), moderated_test(3.0 * y + 7.0, X)
    np.testing.assert_allclose(other.p, one.p, rtol=1e-7)
    np.testing.assert_allclose(other.log2_estimate, 3.0 * one.log2_estimate, rtol=1e-7)


def test_null_p_values_are_uniform() -> None:
    p = moderated_test(noise(4000, 5), X).p
    assert abs(np.mean(p < 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4000)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_what_is_refused() -> None:
    y = noise(3)
    with pytest.raises(ValueError, match="one dimension|2 dimensions|1 dimensions"):
        moderated_test(y[0], X)
    with pytest.raises(ValueError, match=r"values\[0, 0\] = nan must be a finite number"):
        moderated_test(np.where(y == y[0, 0], np.nan, y), X)
    with pytest.raises(ValueError, match="weights has the shape"):
        moderated_test(y, X, weights=np.ones(3))
    with pytest.raises(ValueError, match="must be positive"):
        moderated_test(y, X, weights=np.zeros(8))
    with pytest.raises(AnalysisError, match="leave no residual"):
        moderated_test(y, np.eye(8))
    with pytest.raises(ValueError, match="no two equal entries"):
        moderated_test(y, X, block=np.arange(8))
    with pytest.raises(ValueError, match="block has the shape"):
        moderated_test(y, X, block=np.arange(7))


def test_correlation_in_blocks_is_the_textbook_one() -> None:
    y, w, x = noise(12), precision(12), X[:, [0, 2]]
    member = np.equal.outer(BLOCK, np.arange(4)).astype(float)
    got = block_correlations(y, x, member, w)
    want = [textbook._one_correlation(a, x, member, b) for a, b in zip(y, w, strict=True)]
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-6)
    assert common_correlation(y, x, BLOCK, w) == pytest.approx(
        textbook.block_correlation(y, x, BLOCK, w), abs=2e-6
    )


def test_correlation_in_blocks_finds_what_was_simulated() -> None:
    rng = np.random.default_rng(8)
    y = np.sqrt(0.6) * rng.normal(size=(800, 4))[:, BLOCK]
    y += np.sqrt(0.4) * rng.normal(size=(800, 8))
    # Fisher's z of eight samples is biased: the mean over genes falls short by about 0.05.
    assert common_correlation(y, np.ones((8, 1)), BLOCK) == pytest.approx(0.6, abs=0.1)
    test = moderated_test(y, X[:, [0, 2]], block=BLOCK)
    assert test.n_significant() < moderated_test(y, X[:, [0, 2]]).n_significant()


def test_local_line_is_the_textbook_one() -> None:
    rng = np.random.default_rng(2)
    x = np.sort(np.concatenate([rng.normal(size=60), np.full(5, 0.3)]))
    y = np.sin(x) + 0.1 * rng.standard_t(2, size=x.size)
    want = textbook.robust_local_line(x, y)
    np.testing.assert_allclose(lowess.robust_line(x, y, 0.5, 3), want, **SAME)
    few = lowess.robust_line(x[:20], y[:20], 0.5, 1)
    np.testing.assert_allclose(few, textbook.robust_local_line(x[:20], y[:20], rounds=1), **SAME)


@pytest.mark.parametrize("name", SETS)
def test_voom_against_stored_values(name: str) -> None:
    y, x, stored = counts(name)[kept(name)], design(name), table(f"{name}_limma_voom")
    found = voom_weights(y, x, library(y))
    np.testing.assert_allclose(found.weights, table(f"{name}_voom_weights"), rtol=1e-8)
    test = voom_test(y, x, library(y))
    np.testing.assert_allclose(test.log2_estimate, stored["logFC"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(test.statistic, stored["t"], rtol=0, atol=1e-9)
    assert np.abs(np.log10(test.p) - np.log10(stored["P"])).max() < 1e-9


@pytest.mark.parametrize("name", SETS)
def test_sample_weights_against_stored_values(name: str) -> None:
    y, x = counts(name)[kept(name)], design(name)
    found = voom_weights(y, x, library(y), sample_weights=True)
    np.testing.assert_allclose(found.samples, table(f"{name}_voom_samplewts")["wt"], rtol=1e-8)
    assert np.prod(found.samples) == pytest.approx(1.0, rel=1e-9)


def test_blocks_against_stored_values() -> None:
    y = counts("paired")[kept("paired")]
    x = np.column_stack([np.ones(y.shape[1]), design("paired")[:, -1]])
    block, stored = table("paired_design")["donor"].to_numpy(), table("paired_limma_dupcor")
    found = voom_weights(y, x, library(y), block=block)
    # The peer's search for the correlation of each gene stops early.
    assert found.correlation == pytest.approx(stored["consensus"][0], abs=1e-5)
    test = voom_test(y, x, library(y), block=block)
    np.testing.assert_allclose(test.statistic, stored["t"], rtol=0, atol=1e-3)


def test_sample_precisions_are_the_textbook_ones() -> None:
    y, w, x = noise(9), precision(9), X[:, [0, 2]]
    want = textbook.sample_weights(y, x, w)
    np.testing.assert_allclose(linear.sample_precisions(y, x, w, 10.0), want, **SAME)


def test_a_noisy_sample_gets_less_weight() -> None:
    y = noise(500)
    y[:, 5] *= 4.0
    weight = linear.sample_precisions(y, X[:, [0, 2]], np.ones_like(y), 10.0)
    assert weight.argmin() == 5
