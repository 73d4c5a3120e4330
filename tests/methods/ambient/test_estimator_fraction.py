"""Contamination by ratio and by maximum likelihood, with intervals, shrinkage and markers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.core.errors import AnalysisError
from refsolve.methods.ambient import (
    DropletDesign,
    ambient_profile,
    cannot_express,
    contamination_ratio,
    donor_contamination,
    find_unexpressed,
    marker_homogeneity,
    prior_shape,
    shrink_contamination,
    simulate_droplets,
)
from refsolve.methods.ambient.estimator.search import averaged_density
from refsolve.methods.ambient.textbook import fraction as textbook

RNG = np.random.default_rng(0)
TOTAL = RNG.integers(500, 3000, 200).astype(float)
DONOR = np.repeat([f"d{k:02d}" for k in range(10)], 20)
RHO = np.repeat(RNG.gamma(4.0, 0.03, 10), 20)
MARKER = RNG.poisson(RHO * TOTAL * 0.02).astype(float)


def test_ratio_is_the_textbook_one() -> None:
    found = contamination_ratio(MARKER, TOTAL, 0.02, 0.3)
    np.testing.assert_allclose(found, textbook.ratio(MARKER, TOTAL, 0.02, 0.3), rtol=1e-14)
    assert contamination_ratio([0, 3], [0, 9], 0.5).tolist() == [0.0, 0.5]


@pytest.mark.parametrize("share_se", [0.0, 0.0005, 0.004])
def test_donors_are_the_textbook_ones(share_se: float) -> None:
    found = donor_contamination(MARKER, TOTAL, DONOR, 0.02, share_se=share_se)
    for k, name in enumerate(found.label):
        mine = name == DONOR
        want = textbook.pooled(MARKER[mine], TOTAL[mine], 0.02, share_se=share_se)
        np.testing.assert_allclose([found.rho[k], found.low[k], found.high[k]], want[:3], rtol=1e-6)
    np.testing.assert_array_equal(found.label[found.code], DONOR)
    assert found.n_cells.tolist() == [20] * 10
    assert list(found.to_frame().columns[:2]) == ["label", "rho"]


def test_an_expressed_marker_is_flagged() -> None:
    found = donor_contamination([30, 1], [1000, 1000], ["a", "b"], 0.01)
    assert found.impossible.tolist() == [True, False]


def test_no_counts_give_an_upper_end() -> None:
    found = donor_contamination([0, 0], [1000, 1000], None, 0.02)
    want = textbook.pooled(np.zeros(2), np.full(2, 1000.0), 0.02)
    assert (found.rho[0], found.low[0]) == (0.0, 0.0)
    assert found.high[0] == pytest.approx(want.high, rel=1e-6)
    assert found.se[0] == pytest.approx(1 / 40)


def test_the_error_of_the_profile_covers() -> None:
    """Intervals with it hold the truth in 95 % of samples, without it in far fewer."""
    rng, share, n = np.random.default_rng(1), 0.02, 300
    covered = np.zeros(2)
    for _ in range(n):
        seen = rng.poisson(20_000 * share) / 20_000
        se = np.sqrt(seen * (1 - seen) / 20_000)
        marker = rng.poisson(0.1 * share * 500_000)
        for k, error in enumerate((0.0, se)):
            one = donor_contamination([marker], [500_000], None, seen, share_se=error)
            covered[k] += one.low[0] <= 0.1 <= one.high[0]
    assert covered[1] / n == pytest.approx(0.95, abs=0.04)
    assert covered[0] / n < 0.90


def test_donors_without_counts_are_left_out() -> None:
    found = donor_contamination([0, 3], [0, 100], ["a", "b"], 0.1)
    assert found.label.tolist() == ["b"]
    assert found.code.tolist() == [-1, 0]


def test_shrinkage_is_the_textbook_one_and_helps() -> None:
    fit = donor_contamination(MARKER, TOTAL, DONOR, 0.02)
    found = shrink_contamination(fit.observed, fit.expected)
    want = textbook.shrunk(fit.observed, fit.expected)
    np.testing.assert_allclose(found.rho, want.rho, rtol=1e-5)
    np.testing.assert_allclose(found.se, want.sd, rtol=1e-5)
    truth = RHO[::20]
    assert ((found.rho - truth) ** 2).sum() < ((fit.rho - truth) ** 2).sum()
    assert (found.low < found.rho).all()
    assert (found.rho < found.high).all()
    wide = shrink_contamination(fit.observed, fit.expected, relative_se=0.1)
    np.testing.assert_allclose(wide.se**2, found.se**2 + (0.1 * found.rho) ** 2, rtol=1e-12)
    assert ((wide.low < found.low) & (wide.high > found.high)).all()


def test_donors_that_are_alike_are_shrunk_to_one() -> None:
    found = shrink_contamination([10.0, 10.0, 11.0], [100.0, 100.0, 100.0])
    assert found.shape > 1e4
    np.testing.assert_allclose(found.rho, 0.1033, rtol=1e-2)


def test_markers_that_disagree_are_left_out() -> None:
    good = marker_homogeneity([100, 52, 11], [1000, 500, 100])
    assert good.p > 0.5
    assert good.kept.all()
    bad = marker_homogeneity([100, 52, 60], [1000, 500, 100])
    assert bad.p < 1e-6
    assert bad.kept.tolist() == [True, True, False]
    assert bad.rho == pytest.approx(152 / 1500)
    loose = marker_homogeneity([100, 52, 60], [1000, 500, 100], relative_se=3.0)
    assert loose.kept.all()


def test_homogeneity_keeps_its_level() -> None:
    rng = np.random.default_rng(5)
    expected = np.array([300.0, 800.0, 150.0, 400.0])
    p = [marker_homogeneity(rng.poisson(0.2 * expected), expected).p for _ in range(800)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_cells_that_make_the_marker_are_found() -> None:
    rng = np.random.default_rng(2)
    total = np.full(500, 1000.0)
    marker = rng.poisson(0.1 * 0.02 * total)
    marker[:20] = rng.poisson(200, 20)
    found = cannot_express(marker, total, 0.02)
    assert not found[:20].any()
    assert found[20:].all()


def test_the_prior_has_its_standard_deviation() -> None:
    shape, scale = prior_shape(0.05, 0.1)
    assert np.sqrt(shape) * scale == pytest.approx(0.1, rel=1e-12)
    assert (shape, scale) == textbook.prior_shape(0.05, 0.1)
    with pytest.raises(ValueError, match="must be positive"):
        prior_shape(0.0, 0.1)


DATA = simulate_droplets(
    DropletDesign(cells=400, empties=2000, genes=300, types=4, rho=(0.15,)), rng=6
)


SHARES = ambient_profile(DATA.counts)


def test_genes_that_are_not_expressed_are_found() -> None:
    profile = ambient_profile(DATA.counts)
    found = find_unexpressed(DATA.cells, DATA.type, profile, specific=0.4, quantile=0.5)
    assert found.low < 0.15 < found.high
    assert found.rho == pytest.approx(0.15, abs=0.03)
    density = averaged_density(found.observed, found.expected, *prior_shape(0.05, 0.1))
    want = textbook.averaged_posterior(
        found.observed, found.expected, *prior_shape(0.05, 0.1), found.grid[1:]
    )
    np.testing.assert_allclose(density[1:], want, rtol=1e-10)
    np.testing.assert_array_equal(density, found.density)
    own = DATA.profiles[found.population.astype(int), found.gene.astype(int)]
    assert np.median(own / DATA.profiles.max(axis=0)[found.gene.astype(int)]) < 0.05
    assert len(found.to_frame()) == found.ratio.size


def test_a_narrow_prior_holds_the_mode() -> None:
    profile = ambient_profile(DATA.counts)
    arguments: Any = {"specific": 0.4, "quantile": 0.5}
    wide = find_unexpressed(DATA.cells, DATA.type, profile, prior=(0.05, 5.0), **arguments)
    tight = find_unexpressed(DATA.cells, DATA.type, profile, prior=(0.05, 0.002), **arguments)
    assert tight.rho < wide.rho


def test_searches_without_result_say_why() -> None:
    profile = ambient_profile(DATA.counts)
    with pytest.raises(AnalysisError, match="no gene of the ambient RNA has a specificity of 9"):
        find_unexpressed(DATA.cells, DATA.type, profile, specific=9.0)
    with pytest.raises(AnalysisError, match="every population makes all"):
        find_unexpressed(
            DATA.cells, DATA.type, profile, specific=0.1, quantile=0.5, largest=1e-6, level=0.99
        )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: contamination_ratio([5], [3], 0.1), "exceeds the total"),
        (lambda: contamination_ratio([1, 2], [3], 0.1), "total has 1 values for 2 cells"),
        (lambda: donor_contamination([1], [9], ["a", "b"], 0.1), "one label for 1 cells"),
        (lambda: donor_contamination([1, 1], [9, 9], ["a", None], 0.1), "is missing"),
        (lambda: donor_contamination([1, 1], [9, 9], [pd.NA, 1], 0.1), "is missing"),
        (lambda: donor_contamination([1], [9], None, 0.1, confidence=95), "95 %"),
        (lambda: shrink_contamination([1], [9]), "two groups or more"),
        (lambda: shrink_contamination([1, 1], [9, 0]), "must be positive"),
        (lambda: shrink_contamination([1, -1], [9, 3]), "must not be negative"),
        (lambda: marker_homogeneity([1, 1], [9, 0]), "must be positive"),
        (lambda: marker_homogeneity([1, 1], [9]), "2 observed and 1 expected"),
        (lambda: marker_homogeneity([1, -1], [9, 9]), "must not be negative"),
        (lambda: contamination_ratio([1], [9], np.nan), "must lie in"),
        (lambda: find_unexpressed(DATA.cells, DATA.type, SHARES, most=0), "at least 1"),
        (lambda: find_unexpressed(DATA.cells, DATA.type, SHARES, total=[1]), "total has 1 values"),
    ],
)
def test_wrong_arguments_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_a_marker_that_is_not_in_the_ambient_rna() -> None:
    with pytest.raises(AnalysisError, match="no counts in the empty droplets"):
        contamination_ratio([1], [9], 0.0)
    with pytest.raises(AnalysisError, match="no cell has counts"):
        donor_contamination([0], [0], None, 0.1)
