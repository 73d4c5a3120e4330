"""Factors between samples, abundance, and the filter of genes."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.methods.pseudobulk import (
    average_log2_cpm,
    filter_genes,
    log2_cpm,
    normalise,
    size_factors,
)
from refsolve.methods.pseudobulk.textbook import normalisation as book
from tests.methods.pseudobulk.stored import SETS, counts, design, library, table

EXACT = {"rtol": 1e-12, "atol": 0}


@pytest.fixture
def y() -> np.ndarray:
    rng = np.random.default_rng(8)
    depth = rng.uniform(0.5, 2.0, 9)
    rate = np.exp(rng.normal(2.0, 1.5, (400, 1))) * depth
    return rng.poisson(rate * rng.gamma(5.0, 0.2, (400, 9))).astype(np.float64)


@pytest.mark.parametrize("name", SETS)
def test_factors_are_the_stored_ones(name: str) -> None:
    stored = table(f"{name}_edger_normfactors")
    for method, column in (("tmm", "TMM"), ("rle", "RLE"), ("upper_quartile", "upperquartile")):
        found = normalise(counts(name), method)
        np.testing.assert_allclose(found.factors, stored[column], **EXACT)
        np.testing.assert_array_equal(found.effective, found.library * found.factors)
    for form, positive in (("ratio", False), ("poscounts", True)):
        found = size_factors(counts(name), positive_only=positive)
        stored_sizes = table(f"{name}_deseq2_{form}_sf")["sizeFactor"]
        np.testing.assert_allclose(found, stored_sizes, rtol=1e-9)


@pytest.mark.parametrize("name", SETS)
def test_the_filter_is_the_stored_one_and_says_how_many_it_leaves(name: str) -> None:
    found = filter_genes(counts(name), design(name))
    np.testing.assert_array_equal(found.kept, table(f"{name}_edger_filterByExpr")["keep"])
    assert found.n_genes == 500
    assert found.n_detected == counts(name).any(axis=1).sum()
    assert found.n_tested == found.kept.sum()


@pytest.mark.parametrize("name", SETS)
def test_abundance_is_the_stored_one(name: str) -> None:
    y, stored = counts(name), table(f"{name}_edger_all_plain")
    found = average_log2_cpm(y, library(y), stored["common"][0])
    np.testing.assert_allclose(found, stored["aveLogCPM"], rtol=1e-8)


def test_factors_are_those_of_the_textbook(y: np.ndarray) -> None:
    y[:, 3] *= y[:, 3] < 30
    np.testing.assert_allclose(normalise(y).factors, book.tmm(y), **EXACT)
    np.testing.assert_allclose(normalise(y, "rle").factors, book.relative_log(y), **EXACT)
    sizes = book.size_factors(y)
    want = book.product_one(sizes / y.sum(axis=0))
    np.testing.assert_allclose(normalise(y, "median_ratio").factors, want, **EXACT)
    np.testing.assert_allclose(normalise(y, "rle").factors, want, rtol=2e-2, atol=0)
    found = filter_genes(y, group=np.arange(9) % 2)
    want = book.expressed_enough(y, y.sum(axis=0), np.ones((9, 1)), group=np.arange(9) % 2)
    np.testing.assert_array_equal(found.kept, want)


def test_factors_find_what_a_few_strong_genes_take_from_the_rest() -> None:
    """Half the reads of the last samples go to ten genes: the rest is not lower by half."""
    rng = np.random.default_rng(9)
    rate = np.tile(np.exp(rng.normal(4.0, 1.0, (1000, 1))), (1, 8))
    rate[:10, 4:] += rate.sum(axis=0)[4:] / 10.0
    y = rng.poisson(rate).astype(np.float64)
    found = normalise(y)
    assert found.factors[:4].mean() / found.factors[4:].mean() == pytest.approx(2.0, rel=0.02)
    cpm = log2_cpm(y, found.effective)[10:]
    assert np.median(cpm[:, 4:].mean(axis=1) - cpm[:, :4].mean(axis=1)) == pytest.approx(
        0, abs=0.02
    )
    naive = log2_cpm(y, found.library)[10:]
    shift = np.median(naive[:, 4:].mean(axis=1) - naive[:, :4].mean(axis=1))
    assert shift == pytest.approx(-1.0, abs=0.05)


def test_factors_do_not_depend_on_order_or_depth(y: np.ndarray) -> None:
    order = np.random.default_rng(1).permutation(9)
    for method in ("tmm", "rle", "upper_quartile"):
        factors = normalise(y, method).factors
        np.testing.assert_allclose(normalise(y[:, order], method).factors, factors[order], **EXACT)
        np.testing.assert_allclose(np.log(factors).mean(), 0.0, rtol=0, atol=1e-12)
    effective = normalise(np.column_stack([y[:, 0], 3.0 * y[:, 0]]), "rle").effective
    assert effective[1] / effective[0] == pytest.approx(3.0, rel=1e-12)


def test_given_factors_and_none(y: np.ndarray) -> None:
    found = normalise(y, given=np.full(9, 2.0))
    assert found.method == "given"
    np.testing.assert_array_equal(found.effective, 2.0 * y.sum(axis=0))
    np.testing.assert_array_equal(normalise(y, "none").factors, np.ones(9))


def test_what_cannot_be_normalised(y: np.ndarray) -> None:
    with pytest.raises(ValueError, match="is no count; hand in sums of raw counts"):
        normalise(y - 0.5)
    with pytest.raises(ValueError, match=r"samples\[2\] = 0.0 has no counts"):
        normalise(y * (np.arange(9) != 2))
    with pytest.raises(ValueError, match=r"library\[2\] = 0.0 must be positive; leave the sample"):
        filter_genes(y * (np.arange(9) != 2))
    with pytest.raises(ValueError, match="'quantile' is not known"):
        normalise(y, "quantile")
    with pytest.raises(ValueError, match=r"given\[1\] = 0.0 must be positive"):
        normalise(y, given=np.arange(9) != 1)
    with pytest.raises(ValueError, match="given has 2 factors for 9 samples"):
        normalise(y, given=[1.0, 1.0])
    lonely = np.diag(np.arange(1.0, 5.0))
    with pytest.raises(ValueError, match="no gene has a count in every sample"):
        size_factors(lonely)
