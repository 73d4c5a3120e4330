"""Cells as replicates: the wrong tests, and what is said about them; sexes and donors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csc_array, csr_array

from refsolve.core.errors import AnalysisError
from refsolve.methods.pseudobulk import (
    CellDesign,
    audit,
    cell_test,
    donor_match,
    sample_sex,
    simulate_cells,
)
from refsolve.methods.pseudobulk.estimator.audit import (
    design_effects,
    intraclass_correlations,
    sample_moments,
)
from refsolve.methods.pseudobulk.kernels import cells as kernels
from refsolve.methods.pseudobulk.textbook import donors as textbook

MARK = np.repeat([False, True], 3)


def values(n: int = 200, genes: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.poisson(0.6, (n, genes)).astype(float)
    y[:, 3] -= 1.0
    y[:, 7] = 2.0
    y[:, 8] = 0.0
    return y, rng.random(n) < 0.4


def scattered(icc: float, genes: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Cells of six samples, of which three have twice as many."""
    rng = np.random.default_rng(1)
    sample = np.repeat(np.arange(6), [20, 40, 20, 40, 20, 40])
    between = np.sqrt(icc) * rng.normal(size=(6, genes))
    return between[sample] + np.sqrt(1.0 - icc) * rng.normal(size=(sample.size, genes)), sample


def test_rank_sums_of_sparse_columns() -> None:
    y, group = values()
    got = cell_test(y, group)
    want = stats.mannwhitneyu(y[group], y[~group], use_continuity=False, method="asymptotic")
    fine = ~np.isin(np.arange(12), [7, 8])
    np.testing.assert_allclose(got[fine], want.pvalue[fine], rtol=1e-9)
    assert np.isnan(got[~fine]).all()
    np.testing.assert_array_equal(cell_test(csr_array(y), group), got)
    stored = csr_array(y)
    stored.data[:5] = 0.0  # zeros that are stored
    np.testing.assert_allclose(cell_test(stored, group), cell_test(stored.toarray(), group))
    m = csc_array(y[:30])
    m.indptr, m.indices = m.indptr.astype(np.int64), m.indices.astype(np.int64)
    plain = kernels.rank_sums(m.indptr, m.indices, m.data, group[:30])[0]
    want = [stats.rankdata(c)[group[:30]].sum() for c in y[:30].T]
    np.testing.assert_allclose(plain, want, rtol=1e-12)


def test_t_test_of_cells() -> None:
    y, group = values()
    fine = ~np.isin(np.arange(12), [7, 8])
    want = stats.ttest_ind(y[group][:, fine], y[~group][:, fine], equal_var=False).pvalue
    got = cell_test(csr_array(y), group, "t")
    np.testing.assert_allclose(got[fine], want, rtol=1e-9)
    assert np.isnan(got[~fine]).all()


def test_moments_of_samples() -> None:
    y, _ = values(60, 9)
    sample = np.arange(60) % 4
    got = sample_moments(y, sample, 4)
    rest = y - y.mean(axis=0)
    for s in range(4):
        np.testing.assert_allclose(got.sums[s], rest[sample == s].sum(axis=0), atol=1e-9)
        np.testing.assert_allclose(got.squares[s], (rest[sample == s] ** 2).sum(axis=0), atol=1e-9)
    m, sums, squares = csr_array(y), np.zeros((4, 9)), np.zeros((4, 9))
    m.indptr, m.indices = m.indptr.astype(np.int64), m.indices.astype(np.int64)
    kernels.group_moments(m.indptr, m.indices, m.data, sample, sums, squares)
    np.testing.assert_allclose(sums[1], y[sample == 1].sum(axis=0), rtol=1e-12)


def test_intraclass_correlation_is_the_textbook_one() -> None:
    y, sample = scattered(0.3, 8)
    got = intraclass_correlations(sample_moments(y, sample, 6), np.ones(6, dtype=bool))
    want = [textbook.intraclass_correlation(column, sample) for column in y.T]
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_intraclass_correlation_within_conditions_finds_what_was_simulated() -> None:
    y, sample = scattered(0.2, 3000)
    y += 5.0 * MARK[sample][:, np.newaxis]
    found = audit(y, sample, MARK)
    assert np.mean(found.icc) == pytest.approx(0.19, abs=0.02)


def test_design_effect_and_false_positives_are_the_textbook_ones() -> None:
    y, sample = scattered(0.2)
    found = audit(y, sample, MARK, level=0.01)
    n = np.bincount(sample).astype(float)
    for g in range(5):
        effect = textbook.design_effect(n, MARK, max(found.icc[g], 0.0))
        assert found.design_effect[g] == pytest.approx(effect, rel=1e-9)
        want = textbook.false_positive_rate(effect, 0.01)
        assert found.false_positive_rate[g] == pytest.approx(want, rel=1e-9)
    one = design_effects(np.full(6, 30.0), MARK, np.array([0.1]))
    assert one[0] == pytest.approx(1.0 + 29.0 * 0.1, rel=1e-12)


def test_expected_and_observed_false_positives_agree() -> None:
    y, sample = scattered(0.2, 2000)
    found = audit(y, sample, MARK)
    assert found.n_relabellings == 18
    assert np.mean(found.cell_p < 0.05) == pytest.approx(found.observed_rate, abs=0.08)
    # The closed form at the true correlation; estimates from six samples spread around it.
    effect = textbook.design_effect(np.bincount(sample).astype(float), MARK, 0.2)
    want = textbook.false_positive_rate(effect)
    assert np.mean(found.cell_p < 0.05) == pytest.approx(want, abs=0.03)
    assert found.expected_rate == pytest.approx(want, abs=0.12)


def test_independent_cells_pass_the_audit() -> None:
    y, sample = scattered(0.0, 2000)
    found = audit(y, sample, MARK)
    assert found.median_icc == pytest.approx(0.0, abs=0.01)
    assert found.observed_rate == pytest.approx(0.05, abs=0.01)


def test_cells_of_donors_without_a_difference_look_different() -> None:
    data = simulate_cells(CellDesign(donors=(3, 5), cells=150, genes=200), rng=3)
    group = data.condition[data.sample] == 1
    assert np.nanmean(cell_test(data.counts, group) < 0.05) > 0.25
    found = audit(data.counts, data.sample, data.condition == 1)
    assert found.median_design_effect > 2.0
    assert found.cells_of.sum() == data.sample.size


def test_what_is_refused() -> None:
    y, group = values()
    with pytest.raises(ValueError, match="method = 'z' is not known"):
        cell_test(y, group, "z")
    with pytest.raises(ValueError, match="one truth value for each row"):
        cell_test(y, group.astype(int))
    with pytest.raises(ValueError, match="one condition only"):
        cell_test(y, np.ones(200, dtype=bool))
    for method in ("rank_sum", "t"):
        with pytest.raises(ValueError, match="must be a finite number"):
            cell_test(np.where(y == 2.0, np.nan, y), group, method)
    y, sample = scattered(0.1, 4)
    with pytest.raises(AnalysisError, match="fewer than two samples"):
        audit(y, sample, np.arange(6) == 0)
    with pytest.raises(ValueError, match="one code below the length"):
        audit(y, sample, MARK[:4])
    with pytest.raises(ValueError, match="sample 5 has no cells"):
        audit(y, np.where(sample == 5, 4, sample), MARK)


GENES = ("ACTB", "xist", "RPS4Y1", "Ddx3y")
MALE, FEMALE, FAINT = [90, 2, 60, 40], [90, 300, 0, 1], [90, 5, 4, 3]


def test_sexes_and_labels_that_were_exchanged() -> None:
    counts = np.array([MALE, FEMALE, MALE, FEMALE, FAINT]).T
    found = sample_sex(counts, GENES, ["M", "male", "F", "female", "F"])
    assert found.called == ("male", "female", "male", "female", "unclear")
    assert found.mismatched == (1, 2)
    assert found.swapped == ((1, 2),)
    assert found.n_genes == 3
    assert found.margin == pytest.approx(np.log2(8 / 6), rel=1e-12)
    assert sample_sex(counts, GENES).mismatched == ()
    with pytest.raises(AnalysisError, match="needed to tell the sexes"):
        sample_sex(counts[:1], GENES[:1])
    with pytest.raises(ValueError, match="3 names for 4 rows"):
        sample_sex(counts, GENES[:3])
    with pytest.raises(ValueError, match="2 entries for 5 samples"):
        sample_sex(counts, GENES, ["M", "F"])


def test_samples_of_one_donor_resemble_each_other() -> None:
    rng = np.random.default_rng(2)
    donor, condition = np.tile(np.arange(5), 2), np.repeat([0, 1], 5)
    y = rng.normal(size=(400, 5))[:, donor] + 0.5 * rng.normal(size=(400, 10))
    y += 3.0 * np.outer(rng.normal(size=400), condition)
    right = donor_match(y, donor, condition)
    assert right.mismatched == ()
    assert right.margin.min() > 0.5
    np.testing.assert_array_equal(right.nearest, (np.arange(10) + 5) % 10)
    label = donor.copy()
    label[[0, 1]] = label[[1, 0]]
    assert donor_match(y, label, condition).mismatched == (0, 1, 5, 6)
    with pytest.raises(ValueError, match="no two equal entries"):
        donor_match(y, np.arange(10))
    with pytest.raises(ValueError, match="at least three"):
        donor_match(y[:, :2], [0, 0])
