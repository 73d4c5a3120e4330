"""Permutations: equal to the textbook, within their groups, and a threshold that holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.methods.lmm_scan import permutation_scan, scan, textbook
from refsolve.methods.lmm_scan.estimator.permutation import permuted_orders
from tests.methods.lmm_scan.population import population

ONE = population()


@pytest.mark.parametrize("related", [True, False])
@pytest.mark.parametrize("grouped", [True, False])
def test_largest_lods_are_the_textbook_ones_from_the_same_seed(
    related: bool, grouped: bool
) -> None:
    groups = ONE.batch if grouped else np.zeros(60, dtype=np.int64)
    matrix = ONE.kinships[1] if related else None
    want = textbook.permutation_maxima(
        ONE.y,
        ONE.genome.probabilities[1],
        ONE.x,
        matrix,
        groups,
        6,
        np.random.default_rng(9),
    )
    got = permutation_scan(
        ONE.genome.only("2"),
        ONE.y,
        ONE.covariates,
        kinship="none" if matrix is None else matrix,
        within=groups.tolist() if grouped else None,
        n=6,
        rng=9,
    )
    assert_allclose(got.largest_lod, want, atol=1e-6)
    assert got.n_groups == np.unique(groups).size


def test_orders_stay_within_their_groups() -> None:
    groups = np.array([2, 0, 0, 1, 2, 2, 0, 1])
    orders = permuted_orders(groups, 300, 1)
    assert_array_equal(groups[orders], np.tile(groups, (300, 1)))
    assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(8), (300, 1)))
    # Each of three lines is expected 100 times at the first of their places; 60 is 4.9 SD off.
    counts = np.bincount(orders[:, 0], minlength=8)[[0, 4, 5]]
    assert counts.min() > 60


def test_chromosomes_see_the_same_exchanges() -> None:
    whole = permutation_scan(ONE.genome, ONE.y, ONE.covariates, n=5, rng=3, kinship=ONE.kinships)
    assert_array_equal(whole.largest_lod, whole.by_chromosome.max(axis=1))
    alone = permutation_scan(
        ONE.genome.only("3"), ONE.y, ONE.covariates, n=5, rng=3, kinship=ONE.kinships[2]
    )
    assert_allclose(whole.by_chromosome[:, 2], alone.largest_lod, rtol=1e-9)


def test_missing_phenotypes_are_left_out() -> None:
    y = ONE.y.copy()
    y[[4, 9]] = np.nan
    got = permutation_scan(ONE.genome, y, ONE.covariates, within=ONE.batch.tolist(), n=3)
    assert np.isfinite(got.largest_lod).all()


def test_threshold_and_p_value() -> None:
    found = permutation_scan(ONE.genome, ONE.y, ONE.covariates, n=199, kinship="none")
    level = found.threshold(0.1)
    assert np.mean(found.largest_lod > level) <= 0.1 < np.mean(found.largest_lod >= level) + 0.006
    assert found.p_value(99.0) == pytest.approx(1.0 / 200.0)
    assert found.p_value(0.0) == 1.0
    with pytest.raises(ValueError, match="level = 0 must lie strictly between"):
        found.threshold(0)


def test_threshold_holds_without_a_qtl() -> None:
    # 120 traits: more than 14 of 120 beyond a 5 % threshold has probability 0.002.
    rng = np.random.default_rng(6)
    alone = ONE.genome.only("1")
    y = rng.standard_normal((60, 120)) + ONE.batch[:, None]
    largest = scan(alone, y, ONE.covariates, kinship="none").lod.max(axis=0)
    found = permutation_scan(alone, y[:, 0], ONE.covariates, kinship="none", n=400)
    assert 0 < (largest > found.threshold()).sum() <= 14


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n = 0; expected at least one permutation"),
        ({"within": [1, 2]}, "within has 2 labels; expected 60"),
        ({"within": list(range(60))}, "within has one line per group"),
        ({"phenotype": np.ones((60, 2))}, "permute one trait at a time"),
    ],
)
def test_permutations_refuse(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"phenotype": ONE.y, "design": ONE.covariates}
    with pytest.raises(ValueError, match=message):
        permutation_scan(ONE.genome, **(arguments | options))
