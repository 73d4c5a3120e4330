"""Regression of one gene: invariants, closed forms, separation, robust errors, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import t

from refsolve.core.errors import AnalysisError
from refsolve.methods.count_glm import (
    CountDesign,
    Exposure,
    ambient_exposure,
    ambient_sensitivity,
    fit_counts,
    fit_donors,
    simulate_counts,
)
from refsolve.methods.count_glm.model.design import count_data
from refsolve.methods.count_glm.model.fitting import contamination_covariance, fit_at
from refsolve.methods.count_glm.textbook import likelihood as book
from refsolve.methods.count_glm.textbook import testing
from tests.methods.count_glm.rows import NAMES, donors

FAMILIES = ("negative_binomial", "quasi_native", "quasi_poisson", "poisson")


@pytest.mark.parametrize("family", FAMILIES)
def test_rate_of_a_group_is_what_is_left_of_its_counts(family: str) -> None:
    y, rho = np.array([40.0, 60.0, 90.0, 130.0]), np.full(4, 0.2)
    e = ambient_exposure(np.full(4, 1e4), rho, 0.01)
    x = np.column_stack([np.ones(4), [0, 0, 1, 1]])
    fit = fit_counts(y, x, e, family=family)
    assert fit.effect[0] == pytest.approx(np.log((100 - 40) / 16000), abs=1e-9)
    assert fit.effect[1] == pytest.approx(np.log((220 - 40) / (100 - 40)), abs=1e-9)


def test_without_ambient_part_it_is_the_log_linear_model() -> None:
    y, x, e = donors()
    plain = fit_counts(y, x, e.total, family="negative_binomial")
    none = fit_counts(y, x, ambient_exposure(e.total, 0.0, 0.5), family="negative_binomial")
    assert_allclose(plain.effect, none.effect, rtol=0, atol=1e-12)
    native = fit_counts(y, x, e.total, dispersion=plain.dispersion)
    assert_allclose(native.effect, plain.effect, rtol=0, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_order_of_rows_and_unit_of_exposure_do_not_matter(family: str) -> None:
    y, x, e = donors(3)
    fit = fit_counts(y, x, e, family=family)
    order = np.random.default_rng(1).permutation(y.size)
    other = fit_counts(y[order], x[order], e.rows(order), family=family)
    assert_allclose(other.effect, fit.effect, rtol=0, atol=1e-8)
    assert_allclose(other.se, fit.se, rtol=1e-7)
    scaled = Exposure(1e3 * e.native, e.ambient, 1e3 * e.total, e.share / 1e3, e.rho_se)
    rates = fit_counts(y, x, scaled, family=family)
    assert_allclose(rates.effect - fit.effect, [-np.log(1e3), 0, 0], rtol=0, atol=1e-8)
    assert_allclose(rates.se, fit.se, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_other_coordinates_of_covariates_give_the_same_fit(family: str) -> None:
    y, x, e = donors(4)
    fit = fit_counts(y, x, e, family=family)
    turned = fit_counts(
        y, x @ np.array([[1, 0, 300.0], [0, 2, 0], [0, 0, -50.0]]), e, family=family
    )
    assert_allclose(turned.mu, fit.mu, rtol=1e-8)
    assert turned.effect[1] == pytest.approx(fit.effect[1] / 2, abs=1e-9)


def test_coefficients_solve_the_quasi_score() -> None:
    y, x, e = donors(5)
    fit = fit_counts(y, x, e)
    variance = fit.mu + fit.dispersion * fit.native**2
    assert np.abs(x.T @ (fit.native * (y - fit.mu) / variance)).max() < 1e-6
    assert ((y - fit.mu) ** 2 / variance).sum() == pytest.approx(y.size - 3, abs=1e-6)


def test_quasi_likelihood_widens_poisson_errors() -> None:
    y, x, e = donors(6)
    quasi, poisson = (fit_counts(y, x, e, family=f) for f in ("quasi_poisson", "poisson"))
    assert quasi.scale == pytest.approx(book.pearson_dispersion(y, poisson.mu, 3), rel=1e-9)
    assert_allclose(quasi.se, poisson.se * np.sqrt(quasi.scale), rtol=1e-9)
    assert (quasi.df, poisson.df) == (57.0, np.inf)


def test_counts_without_overdispersion_have_none() -> None:
    y, x, e = donors(7, sd=0.0)
    y = np.rint(e.ambient + e.native * np.exp(-6.5 + 0.4 * x[:, 1]))
    for family in ("negative_binomial", "quasi_native"):
        assert fit_counts(y, x, e, family=family).dispersion == 0.0


@pytest.mark.parametrize("ambient", [0.0, 2e-3])
def test_a_group_without_native_counts_is_named(ambient: float) -> None:
    y, x, e = donors(8, share=ambient)
    marked = (x[:, 1] == 1).astype(float)
    y = np.where(marked > 0, np.floor(0.5 * e.ambient), y)
    design = np.column_stack([np.ones(y.size), marked])
    for family in FAMILIES:
        fit = fit_counts(y, design, e, family=family, names=["1", "marked"])
        assert fit.separated == ("marked",)
        assert fit.effect[1] < -10
        assert "not bounded by the counts: marked" in fit.summary()
    wide = fit_counts(y, design, e, family="poisson", interval="profile")
    assert wide.interval[1, 0] == -np.inf
    assert wide.interval[1, 1] < -1.5


@pytest.mark.parametrize("seed", range(8))
def test_a_combination_of_columns_may_be_unbounded(seed: int) -> None:
    """Genotypes as one column; the first two at or below their ambient part."""
    g = np.repeat([0.0, 1.0, 2.0], 8)
    e = ambient_exposure(np.full(24, 1000.0), 0.1, 0.03)
    y = np.where(g < 2, 3.0, 3.0 + np.random.default_rng(seed).poisson(6.0, 24))
    y[:3] = 2.0
    x = np.column_stack([np.ones(24), g])
    for family in FAMILIES:
        fit = fit_counts(y, x, e, family=family, names=["1", "g"])
        assert fit.separated == ("1", "g")
        assert (fit.p > 0.5).all()
    mixed = fit_donors(y, x, e, np.arange(24), names=["1", "g"])
    assert mixed.sd < 3
    assert mixed.separated == ("1", "g")
    assert (mixed.p > 0.5).all()


@pytest.mark.parametrize("dispersion", ["adjusted", 0.3])
@pytest.mark.parametrize("family", ["quasi_native", "quasi_poisson"])
@pytest.mark.parametrize("ambient", [0.0, 2e-3])
def test_rows_without_native_counts_tell_nothing_of_the_others(
    ambient: float, family: str, dispersion: str | float
) -> None:
    y, x, e = donors(8, share=ambient)
    marked = x[:, 1] == 1
    y = np.where(marked, np.floor(0.5 * e.ambient), y)
    design = np.column_stack([x[:, [0, 2]], marked])
    fit = fit_counts(y, design, e, family=family, dispersion=dispersion)
    rest = fit_counts(
        y[~marked], x[~marked][:, [0, 2]], e.rows(~marked), family=family, dispersion=dispersion
    )
    assert fit.separated == ("x2",)
    assert_allclose(fit.effect[:2], rest.effect, rtol=0, atol=1e-5)
    assert_allclose(fit.se[:2], rest.se, rtol=1e-3)
    assert fit.df == rest.df
    assert fit.dispersion == pytest.approx(rest.dispersion, rel=1e-3)
    assert fit.scale == pytest.approx(rest.scale, rel=1e-3)


def test_the_penalty_bounds_a_group_without_counts() -> None:
    y, x, e = donors(8, share=0.0)
    marked = (x[:, 1] == 1).astype(float)
    y = np.where(marked > 0, 0.0, y)
    design = np.column_stack([np.ones(y.size), marked])
    fit = fit_counts(y, design, e, family="poisson", firth=True, interval="profile")
    assert fit.separated == ()
    own = marked > 0
    want = np.log(0.5 / e.native[own].sum())  # of Jeffreys' prior on one Poisson rate
    assert fit.effect.sum() == pytest.approx(want, abs=1e-6)
    assert np.isfinite(fit.interval[1, 1])
    assert fit.interval[1, 1] < 0


def test_donors_without_native_counts_are_no_error() -> None:
    _, x, e = donors(1)
    for y in (np.zeros(60), np.floor(0.3 * e.ambient)):
        for spread in ("ml", "adjusted"):
            fit = fit_donors(y, x[:, :2], e, np.arange(60), spread=spread)
            assert "x0" in fit.separated
            assert fit.at_bound
            assert fit.sd_interval == (0.0, np.inf)
            assert "not bounded by the counts: x0" in fit.summary()


def test_a_group_of_donors_without_counts_is_named() -> None:
    y, x, e = donors(8, share=0.0)
    marked = (x[:, 1] == 1).astype(float)
    design = np.column_stack([np.ones(60), marked])
    fit = fit_donors(np.where(marked > 0, 0.0, y), design, e, np.arange(60), names=["1", "m"])
    assert fit.separated == ("m",)
    assert fit.sd == pytest.approx(0.3, abs=0.15)


def test_no_counts_at_all_are_no_error() -> None:
    _, x, e = donors(1)
    for family in FAMILIES:
        fit = fit_counts(np.zeros(60), x[:, :2], e, family=family)
        assert "x0" in fit.separated
        assert fit.dispersion == 0.0
        assert fit.p[0] > 0.9


def test_profile_ends_lose_what_they_should() -> None:
    y, x, e = donors(9, n=25)
    fit = fit_counts(y, x, e, family="negative_binomial", interval="profile", names=NAMES)
    _, low, high = fit.effect[1], *fit.interval[1]
    drop = 0.5 * t.ppf(0.975, 22) ** 2
    for end in (low, high):
        held = book.fit(
            y, x[:, [0, 2]], e.native * np.exp(end * x[:, 1]), e.ambient, fit.dispersion
        )
        assert fit.log_likelihood - held.log_likelihood == pytest.approx(drop, abs=1e-5)
    wald = fit_counts(y, x, e, family="negative_binomial").interval[1]
    assert_allclose((low, high), wald, rtol=0, atol=0.1 * (high - low))


def test_robust_errors_are_those_of_the_textbook_times_the_factor_of_coefficients() -> None:
    y, x, e = donors(10)
    cluster = np.arange(60) // 4
    fit = fit_counts(y, x, e, family="negative_binomial", cluster=[f"c{c}" for c in cluster])
    one = book.fit(y, x, e.native, e.ambient, fit.dispersion)
    want = book.clustered(y, x, one, fit.dispersion, cluster) * 59 / 57
    assert_allclose(fit.covariance, want, rtol=1e-5)
    assert (fit.df, fit.n_clusters) == (14.0, 15)


def test_robust_errors_of_a_group_without_counts_are_not_none() -> None:
    """The scores of its rows vanish, and would say that its coefficient is known."""
    y, x, e = donors(8, share=0.0)
    marked = x[:, 1] == 1
    design = np.column_stack([np.ones(60), marked])
    y = np.where(marked, 0.0, y)
    for family in FAMILIES:
        fit = fit_counts(y, design, e, family=family, cluster=np.arange(60))
        assert fit.separated == ("x1",)
        assert fit.p[1] > 0.9
        assert fit.df == (~marked).sum() - 1
        rest = fit_counts(
            y[~marked], design[~marked, :1], e.rows(~marked), family=family,
            cluster=np.arange(60)[~marked],
        )  # fmt: skip
        assert fit.se[0] == pytest.approx(rest.se[0], rel=0.05)


def test_robust_errors_need_more_clusters_than_coefficients() -> None:
    y, x, e = donors(10)
    with pytest.raises(AnalysisError, match="3 clusters give no errors of 3 coefficients"):
        fit_counts(y, x, e, cluster=np.arange(60) % 3)


def test_error_of_contamination_is_that_of_the_textbook() -> None:
    y, x, e = donors(11)
    error = Exposure(e.native, e.ambient, e.total, e.share, np.full(60, 0.03))
    fit = fit_counts(y, x, error, family="negative_binomial")
    slope = e.total * (e.share - fit.native / e.native)
    want = testing.with_fraction_error(
        fit.native, fit.mu, x, fit.dispersion, slope, np.full(60, 0.03)
    )
    assert_allclose(fit.covariance, want, rtol=1e-6)
    assert (fit.se > fit_counts(y, x, e, family="negative_binomial").se).all()


def test_profile_intervals_hold_the_error_of_contamination() -> None:
    y, x, e = donors(11)
    error = Exposure(e.native, e.ambient, e.total, e.share, np.full(60, 0.2))
    options = {"family": "negative_binomial", "dispersion": 0.02}
    for interval in ("wald", "profile"):
        narrow, wide = (fit_counts(y, x, v, interval=interval, **options) for v in (e, error))
        ratio = np.diff(wide.interval, axis=1) / np.diff(narrow.interval, axis=1)
        assert_allclose(ratio[:, 0], wide.se / narrow.se, rtol=0.05)
    assert (wide.se > 1.1 * narrow.se).all()


def test_shared_errors_of_contamination_do_not_average_out() -> None:
    y, x, e = donors(12)
    error = Exposure(e.native, e.ambient, e.total, e.share, np.full(60, 0.03))
    data = count_data(y, x, error)
    fit = fit_at(data, 0.1)
    alone = contamination_covariance(data, fit, None, 0)[0, 0]
    together = contamination_covariance(data, fit, np.zeros(60, np.int64), 1)[0, 0]
    assert together > 5 * alone


def test_sensitivity_meets_the_fits_it_stands_for() -> None:
    y, x, e = donors(13)
    found = ambient_sensitivity(y, x, e, "g", names=NAMES)
    assert found.coefficient == "g"
    assert found.effect[0] == pytest.approx(fit_counts(y, x, e.total).effect[1], abs=1e-9)
    assert found.effect[1] == pytest.approx(fit_counts(y, x, e).effect[1], abs=1e-12)
    assert found.effect[0] < found.effect[1] < found.effect[2]
    assert list(found.to_frame().columns) == ["factor", "effect", "se", "low", "high"]
    mixed = ambient_sensitivity(y, x, e, 1, donor=np.arange(60), factors=[1.0])
    assert mixed.effect[0] == pytest.approx(fit_donors(y, x, e, np.arange(60)).effect[1], abs=1e-9)


def test_ambient_part_inside_the_mean_removes_the_bias() -> None:
    design = CountDesign(donors=60, cells=30)
    naive, additive = [], []
    for seed in range(12):
        data = simulate_counts(design, rng=seed)
        y, total = data.of_donors(data.y), data.of_donors(data.total)
        x = np.column_stack([np.ones(60), data.genotype])
        e = ambient_exposure(total, data.rho, design.ambient_share)
        naive.append(fit_counts(y, x, total).effect[1])
        additive.append(fit_counts(y, x, e).effect[1])
    assert np.mean(naive) < 0.31
    assert np.mean(additive) == pytest.approx(0.35, abs=0.06)


def test_results_tell_everything() -> None:
    y, x, e = donors(14)
    table = pd.DataFrame(x, columns=NAMES)
    fit = fit_counts(y, table, e, level=0.9)
    assert fit.names == NAMES
    assert fit.row("g").effect == fit.effect[1]
    frame = fit.to_frame()
    assert list(frame["coefficient"]) == list(NAMES)
    assert fit.to_dict()["family"] == "quasi_native"
    assert "t with 57 df" in str(fit)
    assert "<pre>" in fit._repr_html_()
    with pytest.raises(ValueError, match="'h' is not known; choose from Intercept, g, age"):
        fit.row("h")


def test_a_column_that_others_make_is_named() -> None:
    y, x, e = donors(15)
    more = np.column_stack([x, 1.0 - x[:, 1], np.zeros(60)])
    with pytest.raises(AnalysisError, match="h is a combination of Intercept, g; z is zero") as e_:
        fit_counts(y, more, e, names=[*NAMES, "h", "z"])
    assert e_.value.exit_code == 3
    assert "Leave out h, z" in str(e_.value)


def test_nearly_aliased_columns_are_fitted() -> None:
    y, x, e = donors(15)
    close = x[:, 1] + 1e-5 * np.random.default_rng(1).standard_normal(60)
    fit = fit_counts(y, np.column_stack([x, close]), e, family="poisson")
    assert fit.converged
    assert fit.se[3] > 1e3


def test_more_coefficients_than_rows_are_refused() -> None:
    y, x, e = donors(15)
    with pytest.raises(AnalysisError, match="3 coefficients .* from 3 rows"):
        fit_counts(y[:3], x[:3], e.rows(slice(0, 3)))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"y": -1.0}, "y\\[0\\] = -1.0 must be a finite count"),
        ({"x": np.nan}, "x\\[0, 1\\] = nan must be finite"),
        ({"family": "normal"}, "family = 'normal' is not known"),
        ({"interval": "score"}, "interval = 'score' is not known"),
        ({"dispersion": "none"}, "dispersion = 'none' is not known"),
        ({"dispersion": -1.0}, "dispersion = -1.0 must be a finite number"),
        ({"level": 95}, "level = 95 must lie strictly between 0 and 1"),
        ({"names": ["a"]}, "names has 1 entries for 3 columns"),
        ({"names": ["a", "b", "a"]}, "names holds 'a' more than once"),
        ({"dispersion": None}, "dispersion = None must be a finite number"),
        ({"exposure": np.ones(3)}, "shape|broadcast"),
        ({"firth": True}, "firth = True needs a likelihood"),
        ({"interval": "profile"}, "interval = 'profile' needs a likelihood"),
        ({"cluster": ["a"]}, "cluster has the shape \\(1,\\); expected 60 labels"),
        ({"cluster": [None] * 60}, "cluster\\[0\\] is missing"),
    ],
)
def test_wrong_arguments_are_named(change: dict, message: str) -> None:
    y, x, e = donors(16)
    options = dict(change)
    if "y" in options:
        y[0] = options.pop("y")
    if "x" in options:
        x[0, 1] = options.pop("x")
    exposure = options.pop("exposure", e)
    with pytest.raises(ValueError, match=message):
        fit_counts(y, x, exposure, **options)


def test_wrong_shapes_are_named() -> None:
    y, x, e = donors(16)
    with pytest.raises(ValueError, match="y has 2 dimensions"):
        fit_counts(y[:, None], x, e)
    with pytest.raises(ValueError, match="x has the shape"):
        fit_counts(y, x[:, 0], e)
    with pytest.raises(ValueError, match="exposure has 59 rows for 60 counts"):
        fit_counts(y, x, e.rows(slice(0, 59)))
    with pytest.raises(ValueError, match="must come from ambient_exposure"):
        ambient_sensitivity(y, x, e.total, 1)
    with pytest.raises(ValueError, match="coefficient 'h' is not known"):
        ambient_sensitivity(y, x, e, "h", names=NAMES)


def test_exposure_refuses_what_it_cannot_mean() -> None:
    with pytest.raises(ValueError, match="rho\\[1\\] = 1.5 must lie in"):
        ambient_exposure([10.0, 10.0], [0.1, 1.5])
    with pytest.raises(ValueError, match="must be below 1"):
        ambient_exposure([10.0], 1.0)
    with pytest.raises(ValueError, match="total\\[0\\] = 0.0 must be above zero"):
        ambient_exposure([0.0, 1.0])
    with pytest.raises(ValueError, match="total\\[0\\] = nan must be finite"):
        ambient_exposure([np.nan])
    with pytest.raises(ValueError, match="rho has the shape \\(3,\\); expected 2 values or one"):
        ambient_exposure([1.0, 1.0], [0.1, 0.1, 0.1])
    with pytest.raises(ValueError, match="use a smaller factor"):
        ambient_exposure([10.0], 0.6).scaled(2.0)


def test_totals_of_exposure_keep_means_and_sums() -> None:
    e = ambient_exposure([100.0, 300.0, 200.0], [0.1, 0.2, 0.3], 0.01, rho_se=[0.02, 0.04, 0.01])
    sums = e.totals(np.array([0, 0, 1]), 2)
    assert_allclose(sums.native, [330.0, 140.0])
    assert_allclose(sums.ambient, [0.7, 0.6])
    assert_allclose(sums.share, [0.01, 0.01])
    assert_allclose(sums.rho_se, [0.035, 0.01])
    assert_allclose(e.scaled(0.5).rho_se, [0.01, 0.02, 0.005])
    assert_allclose(e.scaled(0.5).native, [95.0, 270.0, 170.0])
    assert_allclose(e.scaled(0.5).ambient, 0.5 * e.ambient)
    assert sums.n == 2


def test_native_exposure_can_be_all_counts() -> None:
    e = ambient_exposure([100.0, 300.0], 0.1, 0.01, native=[100.0, 300.0])
    assert_allclose(e.native, [100.0, 300.0])
    assert_allclose(e.scaled(2.0).native, [100.0, 300.0])
