"""Relabelling of donors: enumeration, exact rank tests, and the number of significant genes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from refsolve.core.errors import AnalysisError
from refsolve.methods.pseudobulk import (
    exact_rank_test,
    moderated_test,
    n_relabellings,
    significant_null,
    smallest_p,
)
from refsolve.methods.pseudobulk.estimator.relabelling import (
    count_relabellings,
    patterns_of,
    relabellings,
)
from refsolve.methods.pseudobulk.textbook import donors as textbook

PAIR = np.repeat(np.arange(4), 2)
WITHIN = np.tile([False, True], 4)
TREATED = np.repeat([False, True], [3, 5])
PLAIN = np.column_stack([np.ones(8), TREATED])
PAIRED = np.column_stack([np.equal.outer(PAIR, np.arange(4)), WITHIN]).astype(float)


def noise(genes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(genes, 8))


@pytest.mark.parametrize("block", [None, PAIR, np.array([0, 0, 0, 1, 1, 1, 1, 1])])
def test_relabellings_are_those_of_the_textbook(block: np.ndarray | None) -> None:
    treated = WITHIN if block is PAIR else np.array([1, 0, 1, 0, 1, 0, 0, 1], dtype=bool)
    code = np.zeros(8, dtype=np.int64) if block is None else block
    found = relabellings(treated, code, 1000, 0)
    want = {tuple(m) for m in textbook.relabellings(treated, block)}
    assert {tuple(m) for m in found.marks} == want
    assert found.n_all == len(want) == len(found.marks)
    assert (found.marks[0] == treated).all()
    assert found.exhaustive


def test_a_draw_keeps_the_numbers_in_every_pattern() -> None:
    treated, pattern = np.tile([True, False], 12), np.repeat([0, 1], [10, 14])
    found = relabellings(treated, pattern, 50, 1)
    assert found.n_all == 252 * 3432
    assert not found.exhaustive
    assert len(found.marks) == 50
    assert (found.marks[:, :10].sum(axis=1) == 5).all()
    assert (found.marks[:, 10:].sum(axis=1) == 7).all()
    again = relabellings(treated, pattern, 50, 1)
    np.testing.assert_array_equal(found.marks, again.marks)


def test_smallest_p_of_designs() -> None:
    assert n_relabellings(PLAIN) == 56
    assert smallest_p(PLAIN) == pytest.approx(2 / 56, rel=1e-12)
    assert smallest_p(PAIRED) == pytest.approx(2 / 16, rel=1e-12)
    age = np.column_stack([np.ones(8), np.arange(8.0), TREATED])
    assert smallest_p(age) == 1.0
    assert textbook.smallest_p(5, 3) == smallest_p(PLAIN)


def test_no_gene_of_a_rank_test_is_below_the_smallest_p() -> None:
    y = noise(40)
    y[0] = np.arange(8)
    found = exact_rank_test(y, TREATED)
    assert found.p[0] == pytest.approx(found.smallest_p, rel=1e-12)
    assert found.p.min() >= found.smallest_p - 1e-15
    want = [textbook.rank_sum_p(row, TREATED) for row in y[:10]]
    np.testing.assert_allclose(found.p[:10], want, rtol=1e-12)
    tied = np.round(y[:5], 0)
    want = [textbook.rank_sum_p(row, TREATED) for row in tied]
    np.testing.assert_allclose(exact_rank_test(tied, TREATED).p, want, rtol=1e-12)


def test_rank_test_agrees_with_the_exact_tests_of_scipy() -> None:
    y = noise(12, 3)
    got = exact_rank_test(y, TREATED).p
    want = stats.mannwhitneyu(y[:, TREATED], y[:, ~TREATED], axis=1, method="exact").pvalue
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_ranks_within_pairs_are_of_differences_from_their_means() -> None:
    y = noise(12, 3)
    for row, p in zip(y, exact_rank_test(y, WITHIN, block=PAIR).p, strict=True):
        rank = stats.rankdata(row - row.reshape(4, 2).mean(axis=1)[PAIR])
        want = textbook.exact_p(lambda mark, r=rank: abs(r[mark].sum() - 18.0), WITHIN, PAIR)
        assert p == pytest.approx(want, rel=1e-12)
    shifted = y + 10.0 * np.arange(4)[PAIR]
    np.testing.assert_array_equal(
        exact_rank_test(shifted, WITHIN, block=PAIR).p, exact_rank_test(y, WITHIN, block=PAIR).p
    )


@pytest.mark.parametrize("x", [PLAIN, PAIRED])
def test_null_counts_are_those_of_the_test_itself(x: np.ndarray) -> None:
    y = noise(120, 1) * np.random.default_rng(2).gamma(3.0, 1.0, (120, 1))
    null = significant_null(y, x, p=0.1)
    block = PAIR if x is PAIRED else None
    marks = textbook.relabellings(x[:, -1] > 0, block)
    want = [
        moderated_test(y, np.column_stack([x[:, :-1], mark])).n_significant(0.1) for mark in marks
    ]
    assert sorted(null.counts) == sorted(want)
    assert null.seen == moderated_test(y, x).n_significant(0.1)
    assert null.p == pytest.approx(np.mean(np.array(want) >= null.seen), rel=1e-12)


def test_null_of_a_true_difference_and_of_none() -> None:
    y = noise(300, 4)
    y[:100, TREATED] += 6.0
    null = significant_null(y, PLAIN)
    assert null.p == pytest.approx(1 / 56, rel=1e-12)
    assert null.seen >= 95
    chance = significant_null(noise(300, 4), PLAIN)
    assert chance.p > 0.05
    assert chance.expected == pytest.approx(15.0, abs=6.0)


def test_correlated_genes_spread_the_null_out() -> None:
    rng = np.random.default_rng(6)
    shared = rng.normal(size=(300, 1)) * rng.normal(size=8)
    free, bound = noise(300, 7), 0.3 * noise(300, 7) + shared
    assert (
        significant_null(bound, PLAIN).counts.std() > 3 * significant_null(free, PLAIN).counts.std()
    )


def test_covariates_that_differ_everywhere_leave_free_relabelling() -> None:
    x = np.column_stack([np.ones(8), [31.0, 40, 52, 44, 38, 61, 27, 49], TREATED])
    null = significant_null(noise(50), x)
    assert null.within == "free"
    assert null.n_relabellings == 56
    batch = np.column_stack([np.ones(8), [0.0, 1, 0, 1, 0, 1, 0, 1], TREATED])
    within = significant_null(noise(50), batch)
    assert within.within == "covariates"
    assert within.n_relabellings == count_relabellings(TREATED, patterns_of(batch))


def test_what_is_refused() -> None:
    y = noise(3)
    with pytest.raises(AnalysisError, match="has 8 values"):
        significant_null(y, np.column_stack([np.ones(8), np.arange(8.0)]))
    with pytest.raises(ValueError, match="must be at least 2"):
        significant_null(y, PLAIN, most=1)
    with pytest.raises(ValueError, match="must be a finite number"):
        significant_null(np.full((3, 8), np.nan), PLAIN)
    with pytest.raises(ValueError, match="treated has the shape"):
        exact_rank_test(y, TREATED[:4])
    with pytest.raises(ValueError, match="must be a finite number"):
        exact_rank_test(np.full((3, 8), np.inf), TREATED)
    with pytest.raises(ValueError, match="condition last"):
        smallest_p(np.ones(8))
