"""Fits: invariants, special cases, recovery and coverage, direct effects, and every refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from refsolve.core.errors import AnalysisError
from refsolve.methods.mvmr import (
    Design,
    EffectFit,
    Summary,
    bootstrap,
    clumped_instruments,
    conditional_estimates,
    conditional_instruments,
    distinguish,
    fit_constrained,
    fit_egger,
    fit_gls,
    fit_gmm,
    fit_liml,
    fit_pleiotropy,
    fit_robust,
    fit_without_outliers,
    influence,
    lead_instruments,
    marginal_instruments,
    pool_phases,
    rao_blackwell,
    simulate_locus,
    two_phase_estimates,
    whiten,
)

FITS: dict[str, Any] = {
    "gls": fit_gls,
    "gls additive": lambda d: fit_gls(d, overdispersion="additive"),
    "liml": fit_liml,
    "liml fixed": lambda d: fit_liml(d, overdispersion="fixed"),
    "liml additive": lambda d: fit_liml(d, overdispersion="additive"),
    "robust": fit_robust,
    "outliers": lambda d: fit_without_outliers(d).fit,
    "pleiotropy": lambda d: fit_pleiotropy(d).fit,
    "constrained": lambda d: fit_constrained(d, 20_000).fit,
}


def locus(seed: int = 1, **design: Any) -> Summary:
    """Instruments chosen in phase 1 with effects of phase 2."""
    found = simulate_locus(Design(**design), rng=seed)
    chosen = marginal_instruments(found.exposure_beta[0], found.exposure_se[0])
    whole = Summary(
        found.exposure_beta[1], found.exposure_se[1], found.outcome_beta, found.outcome_se,
        found.ld_panel, found.exposure_correlation,
        variants=tuple(f"rs{j}" for j in range(found.position.size)),
    )  # fmt: skip
    return whole.select(chosen.index)


def covers(fit: EffectFit, theta: tuple[float, ...] = (0.3, 0.2)) -> np.ndarray:
    return (fit.interval[:, 0] < theta) & (theta < fit.interval[:, 1])


# Invariants


@pytest.mark.parametrize("name", FITS)
def test_counting_the_other_allele_changes_nothing(name: str) -> None:
    data = locus(2, n_direct=2, direct_effect=0.06)
    sign = np.where(np.arange(data.n_variants) % 3 == 0, -1.0, 1.0)
    turned = replace(
        data,
        exposure_beta=sign[:, None] * data.exposure_beta,
        outcome_beta=sign * data.outcome_beta,
        ld=sign[:, None] * data.ld * sign,
        neighbour_ld=sign[:, None] * data.neighbour_ld,
    )
    first, second = FITS[name](data), FITS[name](turned)
    assert_allclose(second.theta, first.theta, rtol=1e-6)
    assert_allclose(second.se, first.se, rtol=1e-6)


@pytest.mark.parametrize("name", FITS)
def test_the_unit_of_an_exposure_is_the_unit_of_its_effect(name: str) -> None:
    data = locus(3)
    factor = np.array([4.0, 0.5])
    scaled = replace(
        data, exposure_beta=data.exposure_beta * factor, exposure_se=data.exposure_se * factor
    )
    first, second = FITS[name](data), FITS[name](scaled)
    assert_allclose(second.theta * factor, first.theta, rtol=1e-6)
    assert_allclose(second.se * factor, first.se, rtol=1e-6)
    assert_allclose(second.conditional_f > 0, True)


@pytest.mark.parametrize("name", [n for n in FITS if n != "robust"])
def test_the_order_of_variants_does_not_matter(name: str) -> None:
    # The robust fit is whitened in the order of position, on purpose.
    data = locus(4)
    order = np.random.default_rng(1).permutation(data.n_variants)
    first, second = FITS[name](data), FITS[name](data.select(order))
    assert_allclose(second.theta, first.theta, rtol=1e-6)
    assert_allclose(second.se, first.se, rtol=1e-6)


def test_without_noise_in_the_exposures_liml_is_least_squares() -> None:
    data = locus(5)
    sharp = replace(data, exposure_se=1e-7 * data.exposure_se)
    first = fit_gls(sharp, overdispersion="fixed")
    second = fit_liml(sharp, overdispersion="fixed")
    assert_allclose(second.theta, first.theta, rtol=1e-8)
    assert_allclose(second.se, first.se, rtol=1e-8)
    assert_allclose(second.q, first.q, rtol=1e-8)


def test_uneven_standard_errors_are_no_special_case() -> None:
    data = locus(6)
    wobble = 1.0 + 1e-5 * np.linspace(-1, 1, data.n_variants)[:, None]
    uneven = replace(data, exposure_se=data.exposure_se * wobble)
    assert whiten(data).constant
    assert not whiten(uneven).constant
    for overdispersion in ("fixed", "multiplicative", "additive"):
        first = fit_liml(data, overdispersion=overdispersion)
        second = fit_liml(uneven, overdispersion=overdispersion)
        assert_allclose(second.theta, first.theta, rtol=1e-3)
        assert_allclose(second.se, first.se, rtol=1e-3)


def test_a_square_problem_is_solved_exactly() -> None:
    data = locus(7).select([0, 5])
    for name in ("gls", "liml", "liml additive"):
        fit = FITS[name](data)
        assert_allclose(
            fit.theta, np.linalg.solve(data.exposure_beta, data.outcome_beta), rtol=1e-8
        )
        assert fit.degrees_of_freedom == 0
        assert fit.overdispersion == 1.0


def test_whitening_undoes_itself() -> None:
    data = locus(8).with_ridge(0.05)
    for basis in ("cholesky", "eigen"):
        white = whiten(data, basis)
        z = data.outcome_beta / data.outcome_se
        assert_allclose(white.root @ white.y, z, rtol=1e-9)
        ridged = 0.95 * data.ld + 0.05 * np.eye(data.n_variants)
        assert_allclose(white.root @ white.root.T, ridged, rtol=0, atol=1e-10)


def test_leaving_a_variant_out_is_giving_it_an_effect() -> None:
    data = locus(9, n_direct=2, direct_effect=0.15)
    found = fit_pleiotropy(data, shape="variant")
    assert found.index.size > 0
    rest = fit_liml(data.select(np.setdiff1d(np.arange(data.n_variants), found.index)))
    assert_allclose(found.fit.theta, rest.theta, rtol=1e-7)
    assert_allclose(found.fit.se, rest.se, rtol=1e-7)
    assert_allclose(found.fit.q, rest.q, rtol=1e-6)


def test_without_ld_both_shapes_are_the_same() -> None:
    data = locus(9, n_direct=2, direct_effect=0.15).independent()
    variant, ld = (fit_pleiotropy(data, shape=s) for s in ("variant", "ld"))
    assert variant.variants == ld.variants
    assert_allclose(variant.fit.theta, ld.fit.theta, rtol=1e-10)
    assert not fit_pleiotropy(data).told_apart


# Recovery


def test_weak_instruments_attenuate_gls_and_not_liml() -> None:
    rng = np.random.default_rng(3)
    gls, liml = [], []
    for _ in range(300):
        x = 2.0 * rng.standard_normal((60, 2))
        y = x @ [0.5, -0.3] + rng.standard_normal(60)
        data = Summary(
            x + rng.standard_normal((60, 2)), np.ones((60, 2)), y, np.ones(60), np.eye(60)
        )
        gls.append(fit_gls(data).theta)
        liml.append(fit_liml(data).theta)
    # Expected attenuation by 4 / (4 + 1); a mean of 300 has a standard error of 0.006.
    assert_allclose(np.mean(gls, axis=0), [0.4, -0.24], rtol=0, atol=0.02)
    assert_allclose(np.mean(liml, axis=0), [0.5, -0.3], rtol=0, atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["liml", "liml additive", "robust", "pleiotropy"])
def test_intervals_cover_without_direct_effects(name: str) -> None:
    hits = np.array([covers(FITS[name](locus(seed))) for seed in range(60)])
    # 120 intervals at 95 %: fewer than 105 has a probability of 0.001.
    assert hits.sum() >= 105


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["variant", "ld"])
def test_direct_effects_are_found_and_their_shape_is_told(shape: Any) -> None:
    design = {"n_direct": 2, "direct_effect": 0.12, "direct_shape": shape}
    fits = [fit_pleiotropy(locus(seed, **design)) for seed in range(30)]
    affected = [f for f in fits if f.shape != "none"]
    assert len(affected) >= 25
    assert sum(f.shape == shape for f in affected) >= len(affected) - 2
    assert np.array([covers(f.fit) for f in fits]).sum() >= 50


@pytest.mark.slow
def test_clean_loci_lose_few_variants() -> None:
    shapes = [fit_pleiotropy(locus(seed)).shape for seed in range(40)]
    assert shapes.count("none") >= 36


def test_a_majority_of_clean_variants_outvotes_large_direct_effects() -> None:
    data = locus(10)
    shifted = data.outcome_beta.copy()
    shifted[[1, 2, 9]] += 40.0 * data.outcome_se[[1, 2, 9]]
    spoiled = replace(data, outcome_beta=shifted)
    found = fit_pleiotropy(spoiled)
    assert found.shape == "variant"
    assert found.told_apart
    assert found.index.tolist() == [1, 2, 9]
    assert found.variants == tuple(data.variants[j] for j in (1, 2, 9))
    assert_allclose(found.alpha / data.outcome_se[[1, 2, 9]], 40.0, rtol=0, atol=8.0)
    assert np.all(np.abs(found.score[[1, 2, 9]]) > 10)
    assert_allclose(found.fit.weight[[1, 2, 9]], 0.0)
    clean = fit_liml(data)
    for other in (found.fit, fit_robust(spoiled), fit_without_outliers(spoiled).fit):
        assert np.all(np.abs(other.theta - clean.theta) < 3 * clean.se)
    assert np.any(np.abs(fit_gls(spoiled).theta - clean.theta) > 3 * clean.se)


def test_a_direct_effect_may_come_from_a_neighbour() -> None:
    found = simulate_locus(Design(), rng=11)
    chosen = marginal_instruments(found.exposure_beta[0], found.exposure_se[0]).index
    outside = np.setdiff1d(np.arange(found.position.size), chosen)
    source = outside[np.argmax((found.ld[np.ix_(chosen, outside)] ** 2).sum(axis=0))]
    shifted = found.outcome_beta + 60.0 * found.outcome_se * found.ld[:, source]
    names = tuple(f"rs{j}" for j in range(found.position.size))
    whole = Summary(
        found.exposure_beta[1], found.exposure_se[1], shifted, found.outcome_se, found.ld,
        variants=names,
    )  # fmt: skip
    fit = fit_pleiotropy(whole.select(chosen))
    assert fit.shape == "ld"
    assert fit.variants == (names[source],)
    assert fit.index.size == 0
    assert_allclose(fit.alpha / found.outcome_se[source], 60.0, rtol=0, atol=4 * 3)


def test_egger_finds_a_directional_effect() -> None:
    data = locus(12)
    sign = np.where(data.exposure_beta[:, 0] < 0, -1.0, 1.0)
    pushed = replace(data, outcome_beta=data.outcome_beta + 0.02 * sign)
    found = fit_egger(pushed)
    assert abs(found.intercept - 0.02) < 4 * found.intercept_se
    assert covers(found.fit).all() or np.all(
        np.abs(found.fit.theta - [0.3, 0.2]) < 4 * found.fit.se
    )


def test_overdispersion_is_estimated_and_widens() -> None:
    data = locus(13, balanced=1.5)
    fixed = fit_liml(data, overdispersion="fixed")
    even = fit_liml(data)
    spread = fit_liml(data, overdispersion="additive")
    assert even.overdispersion > 1.0
    assert spread.tau2 > 0.0
    assert np.all(even.se > fixed.se)
    assert fixed.q_p_value < 0.01
    assert 0 < fixed.i_squared < 1
    wide, narrow = (np.diff(f.interval, axis=1) / f.se[:, None] for f in (even, fixed))
    assert np.all(wide > narrow)


def test_the_error_of_a_scale_enters_once() -> None:
    fit = fit_liml(locus(1))
    wider = fit.with_scale_error(np.array([0.05, 0.0]))
    assert_allclose(wider.se[0] ** 2, fit.se[0] ** 2 + (0.05 * fit.theta[0]) ** 2, rtol=1e-12)
    assert_allclose(wider.se[1], fit.se[1], rtol=1e-12)
    assert_allclose(np.diff(wider.interval[0]) / np.diff(fit.interval[0]), wider.se[0] / fit.se[0])


def test_bootstrap_agrees_with_the_standard_error() -> None:
    data = locus(1)
    fit = fit_liml(data, overdispersion="fixed")
    found = bootstrap(data, fit, n=2000, rng=1)
    assert_allclose(found.se, fit.se, rtol=0.1)
    assert np.all(np.abs(found.bias) < 0.2 * fit.se)
    assert_allclose(found.theta, bootstrap(data, fit, n=2000, rng=1).theta, rtol=0, atol=0)
    plain = bootstrap(data, fit, estimator="gls", n=2000, rng=1)
    assert np.all(np.abs(plain.theta.mean(axis=0)) < np.abs(found.theta.mean(axis=0)))


def test_gmm_on_all_components_is_close_to_liml() -> None:
    data = locus(1)
    liml = fit_liml(data, overdispersion="fixed")
    whole = fit_gmm(data, 20_000, 200_000, components=1.0)
    assert_allclose(whole.theta, liml.theta, rtol=1e-5)
    assert_allclose(whole.q, liml.q, rtol=1e-6)
    assert_allclose(whole.se, liml.se, rtol=1e-4)
    few = fit_gmm(data, 20_000, 200_000, components=0.99)
    assert few.n_components < data.n_variants
    assert np.all(few.se > 0.95 * liml.se)


# Instruments


def test_instruments_become_fewer() -> None:
    found = simulate_locus(Design(), rng=3)
    beta, se = found.exposure_beta[0], found.exposure_se[0]
    union = marginal_instruments(beta, se)
    clumped = clumped_instruments(beta, se, found.ld, r2=0.1)
    joint = conditional_instruments(beta, se, found.ld)
    lead = lead_instruments(beta, se)
    assert union.index.size > clumped.index.size >= lead.index.size
    assert set(lead.index) <= set(clumped.index) <= set(union.index)
    assert joint.index.size < union.index.size
    assert lead.index.size <= 2
    for one in (union, clumped, lead):
        picked = np.abs(one.statistic[one.by_exposure])
        assert picked.min() > one.threshold
    pairs = found.ld[np.ix_(clumped.by_exposure[:, 0], clumped.by_exposure[:, 0])] ** 2
    assert np.all(pairs[~np.eye(len(pairs), dtype=bool)] <= 0.1)


def test_exposures_are_told_apart() -> None:
    clear = distinguish(locus(1))
    assert clear.distinct
    assert clear.strong
    rng = np.random.default_rng(1)
    x = 5.0 * rng.standard_normal(40)
    same = np.column_stack([x, x]) + rng.standard_normal((40, 2))
    alike = distinguish(Summary(same, np.ones((40, 2)), x, np.ones(40), np.eye(40)))
    assert not alike.distinct
    assert alike.conditional_f < 2 < 10 < alike.univariable_f.min()
    assert alike.correlation[0, 1] > 0.9


def test_influence_names_the_variant_that_matters() -> None:
    data = locus(1)
    shifted = data.outcome_beta.copy()
    shifted[4] += 30 * data.outcome_se[4]
    found = influence(replace(data, outcome_beta=shifted))
    assert np.argmax(np.abs(found.residual_z)) == 4
    assert_allclose(found.leverage.sum(), 2.0, rtol=1e-9)
    rest = np.delete(np.arange(data.n_variants), 4)
    assert_allclose(found.without[4], fit_gls(data.select(rest)).theta, rtol=1e-8)


# Winner's curse


def test_conditional_estimates_cover_and_shrink() -> None:
    rng = np.random.default_rng(4)
    b = 4.0 + rng.standard_normal(40_000)
    b = b[np.abs(b) > 5.4514]
    found = conditional_estimates(b, np.ones(b.size))
    inside = (found.lower < 4.0) & (found.upper > 4.0)
    assert abs(inside.mean() - 0.95) < 4 * np.sqrt(0.05 * 0.95 / b.size)
    assert np.all(np.abs(found.estimate) < np.abs(b))
    assert_allclose(conditional_estimates(-b[:5], np.ones(5)).estimate, -found.estimate[:5])


def test_two_phases_are_better_than_one() -> None:
    rng = np.random.default_rng(5)
    b1, b2 = 5.0 + rng.standard_normal((2, 20_000))
    b1, b2 = b1[b1 > 5.4514], b2[b1 > 5.4514]
    one = np.ones(b1.size)
    found = two_phase_estimates(b1, one, b2, one)
    pooled, se = pool_phases(b1, one, b2, one)
    assert_allclose(se, np.sqrt(0.5), rtol=1e-12)
    assert_allclose(found.naive, pooled, rtol=1e-12)
    assert pooled.mean() > 5.4
    assert abs(found.estimate.mean() - 5.0) < 0.15
    inside = (found.lower < 5.0) & (found.upper > 5.0)
    assert 0.93 < inside.mean() < 0.97


def test_rao_blackwell_is_unbiased_under_ld() -> None:
    rng = np.random.default_rng(6)
    R = 0.6 ** np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    truth, root = np.array([4.0, 3.2, -2.0]), np.linalg.cholesky(R)
    found, second = [], []
    while len(found) < 1500:
        b1, b2 = truth + root @ rng.standard_normal(3), truth + root @ rng.standard_normal(3)
        if abs(b1[0]) > 4.0:
            p = 6.334248366623996e-05  # |z| > 4
            found.append(rao_blackwell(b1, R, b2, R, [0], p_threshold=p))
            second.append(b2)
    mean, sd = np.mean(found, axis=0), np.std(found, axis=0)
    assert_allclose(mean, truth, rtol=0, atol=0.1)
    assert np.all(sd < np.std(second, axis=0))


# Refusals


def test_shapes_and_values_are_checked() -> None:
    x, one = np.ones((4, 2)), np.ones(4)
    good = {
        "exposure_beta": x, "exposure_se": x, "outcome_beta": one, "outcome_se": one,
        "ld": np.eye(4),
    }  # fmt: skip
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"exposure_beta": one}, "exposure_beta has 1 dimensions"),
        ({"exposure_se": x[:3]}, "exposure_se has the shape"),
        ({"outcome_se": -one}, "must be positive"),
        ({"outcome_beta": np.full(4, np.nan)}, "must be finite"),
        ({"ld": np.eye(3)}, "ld has the shape"),
        ({"ld": 2 * np.eye(4)}, "is not a correlation"),
        ({"exposures": ("a",)}, "exposures has 1 names"),
        ({"variants": ("a",)}, "variants has 1 names"),
        ({"exposure_correlation": np.eye(3)}, "exposure_correlation has the shape"),
    ]
    for change, message in wrong:
        with pytest.raises(ValueError, match=message):
            Summary(**{**good, **change})
    with pytest.raises(AnalysisError, match="1 instruments cannot identify 2 exposures"):
        Summary(x[:1], x[:1], one[:1], one[:1], np.eye(1))


def test_what_is_not_identified_is_refused() -> None:
    data = locus(1)
    twice = replace(data, exposure_beta=np.repeat(data.exposure_beta[:, :1], 2, axis=1))
    for fit in (fit_gls, fit_liml, fit_robust, fit_pleiotropy):
        with pytest.raises(AnalysisError, match="proportional effects on exposure 1, exposure 2"):
            fit(twice)
    singular = replace(data, ld=np.ones((data.n_variants, data.n_variants)))
    for basis in ("cholesky", "eigen"):
        with pytest.raises(AnalysisError, match="not positive definite"):
            whiten(singular, basis)
    assert np.isfinite(fit_liml(singular.with_ridge(0.1)).theta).all()


def test_arguments_are_checked() -> None:
    data = locus(1)
    with pytest.raises(ValueError, match="shape = 'both' is unknown"):
        fit_pleiotropy(data, shape="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape = 'both' is unknown"):
        fit_liml(data, overdispersion="additive", shape="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="confidence = 95 must lie"):
        fit_liml(data, confidence=95)
    with pytest.raises(ValueError, match="estimator = 'ols' is unknown"):
        bootstrap(data, fit_liml(data), estimator="ols")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="components = 2"):
        fit_gmm(data, 1000, 1000, components=2)
    with pytest.raises(AnalysisError, match="1 components cannot identify 2"):
        fit_gmm(data, 1000, 1000, components=0.01)


def test_selection_is_checked() -> None:
    z = np.ones((3, 2))
    with pytest.raises(AnalysisError, match="largest .z. is 1.00, needed is 5.45"):
        marginal_instruments(z, z)
    with pytest.raises(ValueError, match="p_threshold = 5 must lie"):
        marginal_instruments(z, z, p_threshold=5)
    with pytest.raises(ValueError, match="expected .variants, exposures."):
        marginal_instruments(z[0], z[0])
    with pytest.raises(ValueError, match="must be positive"):
        marginal_instruments(z, 0 * z)
    with pytest.raises(ValueError, match="is not significant at 5e-08"):
        conditional_estimates([1.0], [1.0])
    with pytest.raises(ValueError, match="was not selected"):
        rao_blackwell([1.0], np.eye(1), [1.0], np.eye(1), [0])


def test_data_without_any_residual_are_fitted_exactly() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6, 2))
    data = Summary(x, np.full((6, 2), 0.1), x @ [0.5, -0.2], np.ones(6), np.eye(6))
    for name in ("gls", "liml", "liml fixed", "liml additive", "pleiotropy"):
        assert_allclose(FITS[name](data).theta, [0.5, -0.2], rtol=1e-6, err_msg=name)
