"""Simulated loci: seeds, closed forms, what naive analyses get, and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from refsolve.core.errors import AnalysisError
from refsolve.methods.mvmr.simulate import (
    Design,
    SimulatedLocus,
    simulate_individuals,
    simulate_locus,
    simulate_measurements,
)
from refsolve.methods.mvmr.simulate.design import (
    bivariate_cdf,
    draw_locus,
    noise_correlation,
)
from refsolve.methods.mvmr.textbook import regression, scale, selection, winners

SMALL = Design(n_variants=16, n_exposure=(500, 800), n_outcome=1200, own_signals=2)
GENOME_WIDE = norm.isf(2.5e-8)


def fitted(
    locus: SimulatedLocus, b_x: np.ndarray, b_y: np.ndarray, chosen: Any = slice(None)
) -> np.ndarray:
    omega = regression.covariance(locus.outcome_se, locus.ld)[chosen][:, chosen]
    return regression.gls(b_x[chosen], b_y[chosen], omega).theta


# --- seeds and shapes ----------------------------------------------------------------------------


@pytest.mark.parametrize("simulate", [simulate_locus, simulate_individuals])
def test_same_seed_same_locus_and_another_seed_another(simulate: Any) -> None:
    one, again, other = (simulate(SMALL, rng=seed) for seed in (5, 5, 6))
    assert one.to_dict() == again.to_dict()
    assert (one.outcome_beta != other.outcome_beta).all()


@pytest.mark.parametrize("simulate", [simulate_locus, simulate_individuals])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_shapes_follow_the_number_of_exposures(simulate: Any, k: int) -> None:
    got = simulate(replace(SMALL, theta=(0.2,) * k), rng=1)
    assert got.exposure_beta.shape == got.exposure_se.shape == got.exposure_p.shape == (2, 16, k)
    assert got.outcome_beta.shape == got.outcome_p.shape == (16,)
    assert got.exposure_correlation.shape == (k, k)
    assert (np.diff(got.position) > 0).all()
    np.testing.assert_allclose(got.exposure_correlation.diagonal(), 1, rtol=1e-12)


def test_both_simulators_draw_the_same_population() -> None:
    one, other = simulate_locus(SMALL, rng=3), simulate_individuals(SMALL, rng=3)
    for name in ("position", "frequency", "ld", "joint", "direct", "exposure_mean"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_truth_obeys_the_model() -> None:
    got = simulate_locus(Design(n_direct=3, direct_effect=0.1, balanced=0.5), rng=2)
    explained = np.einsum("jk,ji,ik->k", got.joint, got.ld, got.joint)
    np.testing.assert_allclose(explained, 0.15, rtol=1e-10)
    sd = scale.allele_sd(got.frequency)
    np.testing.assert_allclose(got.exposure_mean, got.ld @ got.joint / sd[:, None], rtol=1e-12)
    want = (got.ld @ got.joint @ got.theta + got.direct) / sd
    np.testing.assert_allclose(got.outcome_mean, want, rtol=1e-12)
    assert len(got.direct_index) == 3
    assert (np.abs(got.direct[list(got.direct_index)]) > 0.05).all()
    assert ((got.joint != 0).sum(axis=0) == 6).all()
    p = selection.p_from_z(got.outcome_beta / got.outcome_se)
    np.testing.assert_array_equal(got.outcome_p, p)


def test_direct_effects_spread_through_ld_when_asked() -> None:
    design = Design(n_direct=2, direct_effect=0.2, direct_shape="ld")
    got = simulate_locus(design, rng=2)
    sd = scale.allele_sd(got.frequency)
    left = got.outcome_mean - got.exposure_mean @ got.theta
    np.testing.assert_allclose(left, got.ld @ got.direct / sd, atol=1e-12)
    assert np.sum(np.abs(left) > 1e-6) > 2


# --- LD ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [-0.9, -0.2, 0.0, 0.5, 0.99])
def test_bivariate_normal_by_owens_t(rho: float) -> None:
    for h, k in ((0.3, 0.7), (-1.2, 0.4), (0.5, -0.5), (-2.0, -0.1)):
        got = bivariate_cdf(np.array([h]), np.array([k]), np.array([rho]))[0]
        want = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([h, k])
        assert got == pytest.approx(want, abs=1e-6)


def test_ld_is_that_of_the_genotypes() -> None:
    design = replace(SMALL, n_outcome=40_000)
    got = simulate_individuals(design, rng=4)
    # SD of a correlation from 40,000 people is at most 0.005
    np.testing.assert_allclose(got.ld_panel, got.ld, atol=0.025)
    assert np.abs(got.ld - np.eye(16)).max() > 0.3
    assert np.linalg.eigvalsh(got.ld)[0] > 0
    assert (got.ld < 0).any()


def test_a_panel_is_noisy_and_the_population_is_not() -> None:
    exact, noisy = (simulate_locus(replace(SMALL, n_panel=n), rng=5) for n in (0, 500))
    np.testing.assert_array_equal(exact.ld_panel, exact.ld)
    error = noisy.ld_panel - noisy.ld
    far = np.abs(noisy.ld) < 0.1
    assert error[far].std() == pytest.approx(1 / np.sqrt(500), rel=0.3)


# --- noise ---------------------------------------------------------------------------------------


def standardised_noise(got: SimulatedLocus) -> np.ndarray:
    """(J, 2K+1) noise in standard errors."""
    x = (got.exposure_beta - got.exposure_mean) / got.exposure_se
    y = (got.outcome_beta - got.outcome_mean) / got.outcome_se
    return np.column_stack([x[0], x[1], y])


OVERLAP = replace(SMALL, shared_phases=300, shared_outcome=400, theta=(0.5, -0.4))


@pytest.mark.parametrize("simulate, n", [(simulate_locus, 200), (simulate_individuals, 120)])
def test_noise_is_correlated_by_the_people_shared(simulate: Any, n: int) -> None:
    # the population is drawn first, so equal seeds would repeat it: one locus per seed
    draws, want = [], []
    for seed in range(n):
        got = simulate(OVERLAP, rng=seed)
        white = np.linalg.solve(np.linalg.cholesky(got.ld), standardised_noise(got))
        draws.append(white.T @ white / 16)
        want.append(noise_correlation(OVERLAP, draw_locus(OVERLAP, np.random.default_rng(seed))))
    found, stated = np.mean(draws, axis=0), np.mean(want, axis=0)
    # SD of an entry is 1 / sqrt(16 n): 0.018 and 0.023; log odds of people are not collapsible
    room = 0.075 if simulate is simulate_locus else 0.12
    np.testing.assert_allclose(found, stated, rtol=0, atol=room)
    assert stated[0, 2] == pytest.approx(300 / np.sqrt(500 * 800), rel=1e-12)
    assert 0.02 < stated[2, 4] < 0.2


def test_people_give_the_effects_of_the_summary_model() -> None:
    design = Design(
        n_variants=12,
        n_exposure=(4000, 4000),
        n_outcome=30_000,
        theta=(0.5, 0.3),
        own_signals=2,
        n_direct=2,
        direct_effect=0.15,
    )
    got = simulate_individuals(design, rng=8)
    z = standardised_noise(got)
    assert np.abs(z).max() < 5
    # log odds shrink as the text says, by 1 / sqrt(1 + 0.35 · variance of the exposures' part)
    variance = got.theta @ got.exposure_correlation @ got.theta
    shrink = 1 / np.sqrt(1 + 0.35 * variance)
    slope = fitted(got, got.outcome_mean[:, None], got.outcome_beta)[0]
    assert slope == pytest.approx(shrink, abs=0.08)
    wanted = simulate_locus(design, rng=8)
    np.testing.assert_allclose(got.exposure_se, wanted.exposure_se, rtol=0.08)
    np.testing.assert_allclose(got.outcome_se, wanted.outcome_se, rtol=0.08)


# --- what naive analyses get ---------------------------------------------------------------------


def test_the_phase_that_selected_is_too_large_as_stated() -> None:
    mu, rng = 4.5, np.random.default_rng(9)
    draws = mu + rng.standard_normal(400_000)
    z = draws[np.abs(draws) > GENOME_WIDE]
    assert z.mean() == pytest.approx(winners.selected_mean(mu, GENOME_WIDE), abs=0.01)
    bias = {"phase 1": [], "phase 2": []}
    design = Design(theta=(0.3,), n_exposure=(2500, 20_000), n_outcome=2_000_000)
    for seed in range(100):
        got = simulate_locus(design, rng=seed)
        chosen = np.flatnonzero((got.exposure_p[0] < 5e-8).any(axis=1))
        if chosen.size:
            for name, b in zip(bias, got.exposure_beta, strict=True):
                bias[name].append(fitted(got, b, got.outcome_beta, chosen)[0])
    assert np.mean(bias["phase 1"]) < 0.98 * np.mean(bias["phase 2"])
    assert np.mean(bias["phase 2"]) == pytest.approx(0.3, abs=0.01)


def test_one_exposure_at_a_time_takes_the_slope_of_the_other_signal() -> None:
    got = simulate_locus(Design(theta=(0.3, 0.5), own_signals=1, shared_signals=4), rng=10)
    signal = got.joint.T @ got.ld @ got.joint
    for k in (0, 1):
        alone = fitted(got, got.exposure_mean[:, [k]], got.outcome_mean)
        want = got.theta[k] + got.theta[1 - k] * signal[k, 1 - k] / signal[k, k]
        np.testing.assert_allclose(alone, want, rtol=1e-8)
    together = fitted(got, got.exposure_mean, got.outcome_mean)
    np.testing.assert_allclose(together, got.theta, rtol=1e-8)


def test_noise_in_the_exposures_attenuates_as_stated() -> None:
    design = Design(theta=(0.4, 0.2), n_exposure=(100, 400), n_outcome=1_000_000, heritability=0.1)
    errors, naive, exact = [], [], []
    for seed in range(150):
        got = simulate_locus(design, rng=seed)
        naive.append(fitted(got, got.exposure_beta[1], got.outcome_beta))
        y = regression.whiten(got.outcome_beta, got.outcome_se, got.ld)[1]
        x = regression.whiten(got.exposure_beta[1], got.outcome_se, got.ld)[1]
        clean = regression.whiten(got.exposure_mean, got.outcome_se, got.ld)[1]
        sigma = regression.exposure_noise(
            got.exposure_se[1], got.outcome_se, got.exposure_correlation
        )
        s = clean.T @ clean
        errors.append(naive[-1] - np.linalg.solve(s + 60 * sigma, s @ got.theta))
        exact.append(regression.liml(y, x, sigma).theta)
    room = 4 * np.std(errors, axis=0) / np.sqrt(150) + 0.005
    np.testing.assert_array_less(np.abs(np.mean(errors, axis=0)), room)
    assert (np.mean(naive, axis=0) < 0.75 * np.array([0.4, 0.2])).all()
    np.testing.assert_allclose(np.median(exact, axis=0), [0.4, 0.2], atol=0.03)


def test_independent_variants_state_too_small_an_error() -> None:
    design = Design(n_exposure=(4000, 10_000_000))
    got = simulate_locus(design, rng=11)
    x = got.exposure_mean / got.outcome_se[:, None]
    plain = np.linalg.inv(x.T @ x)
    true = plain @ x.T @ got.ld @ x @ plain
    rng, root = np.random.default_rng(11), np.linalg.cholesky(got.ld)
    y = x @ got.theta + rng.standard_normal((4000, 60)) @ root.T
    found = y @ x @ plain
    np.testing.assert_allclose(found.std(axis=0), np.sqrt(np.diag(true)), rtol=0.06)
    np.testing.assert_allclose(found.mean(axis=0), got.theta, atol=0.01)
    assert (np.diag(true) > 1.5 * np.diag(plain)).all()


def test_direct_effects_and_turned_signs_move_the_estimate_exactly() -> None:
    got = simulate_locus(Design(n_direct=4, direct_effect=0.1), rng=12)
    omega = regression.covariance(got.outcome_se, got.ld)
    weight = np.linalg.inv(omega)
    x = got.exposure_mean
    hat = np.linalg.inv(x.T @ weight @ x) @ x.T @ weight
    added = got.direct / scale.allele_sd(got.frequency)
    moved = fitted(got, x, got.outcome_mean) - got.theta
    np.testing.assert_allclose(moved, hat @ added, rtol=1e-6)
    turned = np.where(np.arange(60) % 7 == 0, -1.0, 1.0)
    found = fitted(got, x, turned * (x @ got.theta))
    np.testing.assert_allclose(found, hat @ (turned * (x @ got.theta)), rtol=1e-8)
    assert np.abs(found - got.theta).max() > 0.02


# --- measurements --------------------------------------------------------------------------------


def test_failed_batches_and_shifts_spoil_the_pooled_sd_only() -> None:
    got = simulate_measurements(
        sd=0.2, sizes=[400] * 6, shift_sd=0.3, failed={1: 3.0, 4: 0.3}, rng=13
    )
    assert got.usable.tolist() == [True, False, True, True, False, True]
    inside = got.usable[got.batch]
    # SD of an SD from 1,600 values: 1.8 %
    within = scale.pooled_sd(got.value[inside], got.batch[inside])
    assert within == pytest.approx(0.2, rel=0.06)
    assert scale.pooled_sd(got.value, got.batch) > 0.25
    assert got.value.std() > scale.pooled_sd(got.value, got.batch)
    log_sd, error = scale.log_spread(got.value, got.batch)
    assert (np.abs(log_sd - np.median(log_sd)) > 10 * error).tolist() == (~got.usable).tolist()
    plain = simulate_measurements(sd=0.2, sizes=4, rng=1)
    assert plain.shift.tolist() == [1.0]


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"theta": ()}, r"design.theta = \(\) must hold numbers; change the design"),
        ({"theta": (np.nan,)}, r"design.theta = \(nan,\) must hold numbers"),
        ({"n_variants": 1}, r"design.n_variants = 1 must be at least 2"),
        ({"span": 10}, r"design.span = 10 must be at least n_variants base pairs"),
        ({"ld_length": 0}, r"design.ld_length = 0 must be above 0"),
        ({"n_exposure": (100,)}, r"design.n_exposure = \(100,\) must hold two sizes"),
        ({"n_exposure": (100, 5)}, r"design.n_exposure = \(100, 5\) must be at least 10 each"),
        ({"n_outcome": 3}, r"design.n_outcome = 3 must be at least 10"),
        ({"case_share": 1.0}, r"design.case_share = 1.0 must lie between 0 and 1"),
        ({"heritability": 0.0}, r"design.heritability = 0.0 must lie between 0 and 1"),
        ({"residual_correlation": 1.0}, r"design.residual_correlation = 1.0 must leave"),
        ({"own_signals": 0, "shared_signals": 0}, r"design.own_signals = 0 and shared_signals"),
        ({"own_signals": 40}, r"design.own_signals = 40 and shared_signals"),
        ({"shared_phases": 600}, r"design.shared_phases = 600 exceeds a phase"),
        ({"shared_outcome": 900}, r"design.shared_outcome = 900 exceeds phase 2"),
        ({"n_direct": 9}, r"design.n_direct = 9 exceeds half of the variants"),
        ({"direct_shape": "both"}, r"design.direct_shape = 'both' must be 'variant' or 'ld'"),
        ({"balanced": -1.0}, r"design.balanced = -1.0 must be at least 0"),
        ({"n_panel": 5}, r"design.n_panel = 5 must be 0 or at least 10"),
    ],
)
def test_a_design_that_breaks_its_rule_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_locus(replace(SMALL, **changes), rng=1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"sd": 0.0}, r"sd = 0.0 must be above 0"),
        ({"shift_sd": -1.0}, r"shift_sd = -1.0 must be at least 0"),
        ({"sizes": [5, 1]}, r"sizes\[1\] = 1 must be at least 2"),
        ({"failed": {2: 2.0}}, r"failed\[2\] = 2.0 must name one of the 2 batches"),
        ({"failed": {0: 0.0}}, r"failed\[0\] = 0.0 must name one of the 2 batches"),
    ],
)
def test_measurements_that_break_a_rule_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_measurements(**({"sd": 0.2, "sizes": [5, 5], "rng": 1} | changes))


def test_people_cannot_be_in_all_three_studies() -> None:
    with pytest.raises(ValueError, match="makes people of phase 1 part of the disease study"):
        simulate_individuals(replace(SMALL, shared_phases=400, shared_outcome=700), rng=1)


def test_a_variant_without_variation_is_reported() -> None:
    tiny = replace(SMALL, n_exposure=(10, 10))
    with pytest.raises(AnalysisError, match=r"variant \d+ does not vary in a study. Enlarge"):
        simulate_individuals(tiny, rng=1)
