"""Donors with intercepts of their own: closed forms, what collapses, bounds, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2, norm

from refsolve.core.errors import AnalysisError
from refsolve.methods.count_glm import ambient_exposure, fit_counts, fit_donors
from refsolve.methods.count_glm.textbook import mixed as book
from tests.methods.count_glm.rows import cells


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 7])
def test_fit_is_that_of_the_textbook(nodes: int) -> None:
    y, x, e, donor = cells(n_donors=20, n_cells=5)
    want = book.fit_mixed(
        *book.totals(y, x, e.native, e.ambient, donor), np.arange(20), nodes=nodes
    )
    for collapse in ("lossless", "never"):
        fit = fit_donors(y, x, e, donor, nodes=nodes, spread="ml", collapse=collapse)
        assert_allclose(fit.effect, want.beta, rtol=0, atol=1e-5)
        assert_allclose(fit.covariance, want.covariance, rtol=2e-3)
        assert fit.sd == pytest.approx(want.sd, abs=1e-5)


@pytest.mark.parametrize("spread", ["ml", "adjusted"])
@pytest.mark.parametrize("nodes", [1, 10])
def test_totals_say_all_that_the_cells_say(nodes: int, spread: str) -> None:
    y, x, e, donor = cells(n_donors=20, n_cells=5)
    both = [
        fit_donors(y, x, e, donor, nodes=nodes, spread=spread, collapse=c)
        for c in ("lossless", "never")
    ]
    assert [fit.collapsed for fit in both] == [True, False]
    a, b = both
    assert_allclose(a.effect, b.effect, rtol=0, atol=2e-7)
    assert_allclose(a.se, b.se, rtol=1e-5)
    assert a.sd == pytest.approx(b.sd, rel=1e-5)
    assert_allclose(a.intercepts, b.intercepts, rtol=0, atol=1e-5)


def test_log_likelihood_of_totals_is_that_of_the_cells() -> None:
    """Where the ambient part is none, the factor between them does not depend on parameters."""
    y, x, e, donor = cells(share=0.0)
    a, b = (fit_donors(y, x, e.total, donor, collapse=c) for c in ("lossless", "never"))
    assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=1e-7)


def test_cells_of_unlike_contamination_do_not_collapse() -> None:
    y, x, e, donor = cells(n_donors=15, n_cells=6)
    rng = np.random.default_rng(1)
    unlike = ambient_exposure(e.total, rng.uniform(0.0, 0.4, y.size), 1e-3)
    assert not fit_donors(y, x, unlike, donor).collapsed
    forced = fit_donors(y, x, unlike, donor, collapse="always")
    assert forced.collapsed
    assert forced.effect[1] == pytest.approx(fit_donors(y, x, unlike, donor).effect[1], abs=0.1)


def test_covariates_of_cells_do_not_collapse() -> None:
    y, x, e, donor = cells(n_donors=15, n_cells=6)
    cycle = np.column_stack([x, np.arange(y.size) % 2])
    fit = fit_donors(y, cycle, e, donor)
    assert not fit.collapsed
    assert fit.df == 13.0
    with pytest.raises(ValueError, match="collapse = 'always' needs Poisson counts"):
        fit_donors(y, cycle, e, donor, collapse="always")


def test_order_and_labels_of_donors_do_not_matter() -> None:
    y, x, e, donor = cells(n_donors=15, n_cells=6)
    fit = fit_donors(y, x, e, donor, collapse="never")
    order = np.random.default_rng(3).permutation(y.size)
    labels = np.array([f"d{d:02d}" for d in donor[order]])
    other = fit_donors(y[order], x[order], e.rows(order), labels, collapse="never")
    assert_allclose(other.effect, fit.effect, rtol=0, atol=1e-7)
    assert other.sd == pytest.approx(fit.sd, rel=1e-6)
    first = dict.fromkeys(donor[order])
    assert_allclose(other.intercepts, fit.intercepts[list(first)], rtol=0, atol=1e-6)


def test_donors_that_are_alike_have_no_spread() -> None:
    rng = np.random.default_rng(5)
    donor = np.repeat(np.arange(25), 10)
    e = ambient_exposure(np.full(250, 3000.0), 0.1, 1e-3)
    x = np.column_stack([np.ones(250), (donor % 2)[:]])
    y = np.concatenate([rng.permutation([2, 3, 3, 3, 3, 3, 3, 3, 3, 4]) for _ in range(25)])
    for options in ({}, {"spread": "ml"}, {"collapse": "never"}):
        fit = fit_donors(y, x, e, donor, **options)
        assert fit.at_bound
        assert (fit.sd, fit.sd_p) == (0.0, 1.0)
        assert np.isnan(fit.sd_se)
        assert fit.sd_interval[0] == 0.0 < fit.sd_interval[1] < 0.3
        plain = fit_counts(y, x, e, family="poisson")
        assert_allclose(fit.effect, plain.effect, rtol=0, atol=1e-8)
        assert_allclose(fit.se, plain.se, rtol=1e-6)


def test_null_of_no_spread_is_half_a_chi_square() -> None:
    y, x, e, donor = cells(sd=0.2, n_donors=20)
    fit = fit_donors(y, x, e, donor, spread="ml")
    none = fit_counts(y, x, e, family="poisson")
    assert fit.collapsed
    at_totals = fit_donors(y, x, e, donor, spread="ml", collapse="never")
    gain = 2.0 * (at_totals.log_likelihood - none.log_likelihood)
    assert at_totals.sd_p == pytest.approx(0.5 * chi2.sf(gain, 1), rel=1e-6)
    assert fit.sd_p == pytest.approx(at_totals.sd_p, rel=0.2)


def test_many_counts_make_intercepts_the_logs_of_rates() -> None:
    """With so many counts the model is that of normal log rates."""
    rng = np.random.default_rng(6)
    u = rng.normal(0.0, 0.5, 40)
    y = rng.poisson(1e6 * np.exp(u)).astype(float)
    logs = np.log(y / 1e6)
    x = np.ones((40, 1))
    ml, adjusted = (
        fit_donors(y, x, np.full(40, 1e6), np.arange(40), spread=s) for s in ("ml", "adjusted")
    )
    assert ml.effect[0] == pytest.approx(logs.mean(), abs=1e-4)
    assert ml.sd == pytest.approx(logs.std(), rel=1e-3)
    assert adjusted.sd == pytest.approx(logs.std(ddof=1), rel=1e-3)
    assert adjusted.se[0] == pytest.approx(logs.std(ddof=1) / np.sqrt(40), rel=1e-3)
    assert adjusted.df == 39.0
    assert_allclose(ml.intercepts, logs - logs.mean(), rtol=0, atol=2e-3)


def test_profile_intervals() -> None:
    y, x, e, donor = cells(n_donors=20)
    wald = fit_donors(y, x, e, donor, spread="ml")
    fit = fit_donors(y, x, e, donor, spread="ml", interval="profile")
    assert_allclose(fit.interval, wald.interval, rtol=0, atol=0.05)
    low, high = fit.sd_interval
    assert 0 < low < fit.sd < high
    drop = 0.5 * norm.ppf(0.975) ** 2
    total = book.totals(y, x, e.native, e.ambient, donor)
    held = max(
        book.marginal(total[0], total[1] @ b, *total[2:], np.arange(20), high, 0.0, 10)
        for b in fit.effect
        + np.array([[0, 0], [0.02, 0], [-0.02, 0], [0.02, -0.02], [-0.02, 0.02]])
    )
    at = book.marginal(total[0], total[1] @ fit.effect, *total[2:], np.arange(20), fit.sd, 0.0, 10)
    assert at - held == pytest.approx(drop, abs=0.05)


def test_interval_of_a_spread_that_may_be_none_begins_at_zero() -> None:
    y, x, e, donor = cells(seed=10, sd=0.08, n_donors=20)
    fit = fit_donors(y, x, e, donor, interval="profile")
    assert fit.sd_interval[0] == 0.0
    assert fit.sd_interval[1] > fit.sd


def test_a_spread_that_only_the_adjustment_sees_has_an_interval() -> None:
    seen = 0
    for seed in range(12):
        y, x, e, donor = cells(seed=seed, sd=0.0, n_donors=8)
        ml, fit = (fit_donors(y, x, e, donor, spread=s) for s in ("ml", "adjusted"))
        assert np.isfinite(fit.sd_interval).all()
        assert fit.sd_interval[0] <= fit.sd <= fit.sd_interval[1] < 1.0
        seen += ml.at_bound and fit.sd > 0
    assert seen


def test_profile_of_separated_donors_needs_no_search() -> None:
    y, x, e, donor = cells(share=0.0)
    marked = x[:, 1] == 1
    design = np.column_stack([np.ones(y.size), marked])
    fit = fit_donors(
        np.where(marked, 0.0, y), design, e, donor, names=["1", "marked"], interval="profile"
    )
    assert fit.separated == ("marked",)
    assert tuple(fit.interval[1]) == (-np.inf, np.inf)
    assert np.isfinite(fit.interval[0]).all()


def test_profile_at_an_adjusted_spread_holds_it() -> None:
    y, x, e, donor = cells(n_donors=12)
    fit = fit_donors(y, x, e, donor, interval="profile")
    wald = fit_donors(y, x, e, donor)
    assert_allclose(fit.interval, wald.interval, rtol=0, atol=0.1)


@pytest.mark.slow
def test_cells_may_vary_beyond_poisson() -> None:
    rng = np.random.default_rng(9)
    y, x, e, donor = cells(n_donors=30, n_cells=25, sd=0.3)
    rate = e.ambient + e.native * np.exp(-6.2 + 0.3 * rng.standard_normal(30)[donor])
    y = rng.poisson(rate * rng.gamma(1 / 0.5, 0.5, y.size))
    fit = fit_donors(y, x, e, donor, family="negative_binomial")
    assert fit.dispersion == pytest.approx(0.5, abs=0.2)
    assert fit.converged
    fixed = fit_donors(y, x, e, donor, family="negative_binomial", dispersion=fit.dispersion)
    assert_allclose(fixed.effect, fit.effect, rtol=0, atol=1e-5)
    poisson = fit_donors(y, x, e, donor)
    assert fit.log_likelihood > poisson.log_likelihood + 10


def test_poisson_cells_have_no_dispersion() -> None:
    y, x, e, donor = cells(seed=2, n_donors=15, n_cells=6)
    fit = fit_donors(y, x, e, donor, family="negative_binomial", spread="ml")
    if fit.dispersion == 0.0:
        poisson = fit_donors(y, x, e, donor, spread="ml", collapse="never")
        assert_allclose(fit.effect, poisson.effect, rtol=0, atol=1e-6)
    assert fit.dispersion < 0.5


@pytest.mark.slow
def test_cells_as_replicates_are_too_sure() -> None:
    y, x, e, donor = cells(n_donors=24, n_cells=60, sd=0.5)
    wrong = fit_counts(y, x, e, family="negative_binomial")
    right = fit_donors(y, x, e, donor)
    assert right.se[1] > 3 * wrong.se[1]
    robust = fit_counts(y, x, e, family="negative_binomial", cluster=donor)
    assert robust.se[1] == pytest.approx(right.se[1], rel=0.35)


def test_results_tell_everything() -> None:
    y, x, e, donor = cells()
    fit = fit_donors(y, x, e, donor, names=["1", "g"])
    assert "360 rows of 30 donors, collapsed" in fit.summary()
    assert "Laplace" in fit_donors(y, x, e, donor, nodes=1).summary()
    assert fit.row("g").effect == fit.effect[1]
    assert list(fit.to_frame()["coefficient"]) == ["1", "g"]
    assert fit.to_dict()["n_donors"] == 30


def test_refusals() -> None:
    y, x, e, donor = cells()
    with pytest.raises(AnalysisError, match="3 donors cannot tell 2 coefficients of donors"):
        fit_donors(y[:36], x[:36], e.rows(slice(0, 36)), donor[:36])
    for nodes in (0, 2.5):
        with pytest.raises(ValueError, match=f"nodes = {nodes} must be a whole number from 1"):
            fit_donors(y, x, e, donor, nodes=nodes)
    with pytest.raises(ValueError, match="dispersion = 2.0 needs family"):
        fit_donors(y, x, e, donor, dispersion=2.0)
    with pytest.raises(ValueError, match="dispersion = -1.0 must be a finite number"):
        fit_donors(y, x, e, donor, family="negative_binomial", dispersion=-1.0)
    with pytest.raises(ValueError, match="donor has the shape"):
        fit_donors(y, x, e, donor[:5])
    with pytest.raises(ValueError, match="family = 'quasi_native' is not known"):
        fit_donors(y, x, e, donor, family="quasi_native")
    with pytest.raises(ValueError, match="spread = 'reml' is not known"):
        fit_donors(y, x, e, donor, spread="reml")


def test_spread_of_donors_beside_an_effect_without_a_bound() -> None:
    """Only donors with two copies have more than their ambient counts, and they differ."""
    rng, donor = np.random.default_rng(4), np.repeat(np.arange(24), 5)
    g = (np.arange(24) % 3)[donor]
    e = ambient_exposure(np.full(120, 1000.0), 0.3, 0.01)
    rate = np.where(g == 2, 4.0 * np.exp(rng.normal(0.0, 0.8, 24)[donor]), 0.0)
    y = np.where(g == 2, rng.poisson(e.ambient + rate), 2)
    x = np.column_stack([np.ones(120), g])
    two = g == 2
    want = fit_donors(y[two], x[two, :1], e.rows(two), donor[two], spread="ml")
    for family in ("poisson", "negative_binomial"):
        fit = fit_donors(y, x, e, donor, spread="ml", family=family)
        assert fit.separated == ("x0", "x1")
        assert (fit.p > 0.99).all()
        assert fit.sd == pytest.approx(want.sd, rel=1e-4)
        assert_allclose(fit.sd_interval, want.sd_interval, rtol=0.02)
