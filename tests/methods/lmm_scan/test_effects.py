"""Founder effects: equal to the textbook, shrunken rightly, honest about what cannot be told."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.methods.lmm_scan import effects_along, fit_null, founder_effects, textbook
from tests.methods.lmm_scan.population import population

ONE = population()
PLACE = ONE.genome.at("2", 5)


@pytest.mark.parametrize("related", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_effects_are_the_textbook_ones(seed: int, related: bool) -> None:
    one = population(seed=seed)
    matrix = one.kinships[1] if related else None
    null = fit_null(one.y, one.covariates, matrix)
    h2 = null.heritability if related else 0.0
    place = one.genome.at("2", 5)
    got = founder_effects(null, place)
    fixed = textbook.blue(one.y, place, one.x, matrix, h2)
    assert_allclose(got.blue, fixed.founders, atol=1e-9)
    assert_allclose(got.blue_se, fixed.founders_se, rtol=1e-9)
    random = textbook.blup(one.y, place, one.x, matrix, h2)
    assert_allclose(got.blup, random.founders, atol=1e-7)
    assert_allclose(got.blup_se, random.founders_se, rtol=1e-6, atol=1e-9)
    assert_allclose(got.contrast_se, random.contrast_se, rtol=1e-6, atol=1e-9)
    assert_allclose(got.fixed_effect, random.fixed, atol=1e-7)
    assert_allclose(got.fixed_se, random.fixed_se, rtol=1e-6)


def test_standard_errors_are_the_inverse_of_the_mixed_model_equations() -> None:
    null = fit_null(ONE.y, ONE.covariates, ONE.kinships[1])
    got = founder_effects(null, PLACE)
    v = textbook.covariance(null.heritability, ONE.kinships[1], 60)
    columns = textbook.whitened(np.column_stack([PLACE, ONE.x]), v)
    equations = columns.T @ columns
    equations[:4, :4] += np.eye(4) * got.variance_residual / got.variance_founders
    inverse = np.linalg.inv(equations) * got.variance_residual
    assert_allclose(got.blup_se, np.sqrt(np.diag(inverse)[:4]), rtol=1e-9)
    assert_allclose(got.fixed_se, np.sqrt(np.diag(inverse)[4:]), rtol=1e-9)


def test_covariates_and_founders_in_different_rotations_give_other_errors() -> None:
    # A released program rotates the founder columns of these equations and not the covariates.
    null = fit_null(ONE.y, ONE.covariates, ONE.kinships[1])
    got = founder_effects(null, PLACE)
    turned = null.weight[:, None] * null.rotation.turned(PLACE)
    columns = np.column_stack([turned, null.weight[:, None] * ONE.x])
    equations = columns.T @ columns
    equations[:4, :4] += np.eye(4) * got.variance_residual / got.variance_founders
    mixed = np.sqrt(np.diag(np.linalg.inv(equations))[:4] * got.variance_residual)
    assert np.abs(mixed / got.blup_se - 1.0).max() > 0.03


def test_shrunken_effects_sum_to_zero_and_are_smaller() -> None:
    got = founder_effects(fit_null(ONE.y, ONE.covariates, ONE.kinships[1]), PLACE)
    assert got.blup.sum() == pytest.approx(0.0, abs=1e-10)
    assert got.blue.sum() == pytest.approx(0.0, abs=1e-10)
    assert np.linalg.norm(got.blup) < np.linalg.norm(got.blue)
    assert 0.0 < got.effective_founders < 3.0
    assert got.highest == "B"
    assert got.lead == pytest.approx(np.sort(got.blup)[-1] - np.sort(got.blup)[-2])
    assert got.probability_highest.argmax() == 1
    assert got.probability_highest.sum() == pytest.approx(1.0)
    assert got.count.sum() == pytest.approx(60.0)
    assert list(got.to_frame()["founder"]) == ["A", "B", "C", "D"]


def test_probability_of_being_highest_is_that_of_two_founders() -> None:
    # Of two founders it is Φ(lead/se).
    from scipy.special import ndtr

    pair = np.stack([PLACE[:, 0] + PLACE[:, 2], PLACE[:, 1] + PLACE[:, 3]], axis=1)
    got = founder_effects(fit_null(ONE.y, ONE.covariates), pair, ("x", "y"), draws=200_000)
    first = int(np.argmax(got.blup))
    want = ndtr(got.lead / got.lead_se)
    # Six standard errors of 200,000 draws at most.
    assert got.probability_highest[first] == pytest.approx(want, abs=0.007)


def test_equal_founders_have_equal_shrunken_effects_and_no_fixed_ones() -> None:
    place = PLACE.copy()
    place[:, [2, 3]] = place[:, [2, 3]].mean(axis=1, keepdims=True)
    got = founder_effects(fit_null(ONE.y, ONE.covariates), place)
    assert got.blup[2] == pytest.approx(got.blup[3], abs=1e-10)
    assert_array_equal(np.isnan(got.blue), [False, False, True, True])
    assert np.isfinite(got.blup_se).all()
    two = np.stack([place[:, 0], place[:, 1], 2.0 * place[:, 2]], axis=1)
    want = founder_effects(fit_null(ONE.y, ONE.covariates), two)
    merged = got.blue[1] - got.blue[0]
    assert merged == pytest.approx(want.blue[1] - want.blue[0], abs=1e-9)


def test_absent_founders_keep_their_prior() -> None:
    place = np.column_stack([PLACE[:, :2], PLACE[:, 2] + PLACE[:, 3], np.zeros(60)])
    got = founder_effects(fit_null(ONE.y, ONE.covariates), place)
    assert np.isnan(got.blue[3])
    assert got.blup[3] == pytest.approx(0.0, abs=1e-12)
    assert got.blup_se[3] ** 2 == pytest.approx(got.variance_founders, rel=1e-9)
    without = founder_effects(fit_null(ONE.y, ONE.covariates), place[:, :3])
    assert_allclose(got.blue[:3], without.blue, atol=1e-9)
    assert_allclose(got.blue_se[:3], without.blue_se, rtol=1e-9)


def test_no_variation_no_effects() -> None:
    same = np.tile([0.0, 1.0, 0.0, 0.0], (60, 1))
    got = founder_effects(fit_null(ONE.y, ONE.covariates), same)
    assert_array_equal(got.blup, 0.0)
    assert_array_equal(got.probability_highest, 0.25)
    assert got.variance_founders == 0.0


def test_founders_that_differ_by_rounding_have_no_effects() -> None:
    same = np.full((60, 4), 0.25) + np.random.default_rng(1).normal(0, 1e-16, (60, 4))
    got = founder_effects(fit_null(ONE.y, ONE.covariates), same)
    assert_array_equal(got.blup, 0.0)
    assert got.variance_founders == 0.0
    assert np.isnan(got.blue).all()


def test_scale_of_the_trait_is_that_of_effects() -> None:
    base = founder_effects(fit_null(ONE.y, ONE.covariates, ONE.kinships[1]), PLACE)
    big = founder_effects(fit_null(100.0 * ONE.y + 7e4, ONE.covariates, ONE.kinships[1]), PLACE)
    assert_allclose(big.blup, 100.0 * base.blup, rtol=1e-4)
    assert_allclose(big.blue_se, 100.0 * base.blue_se, rtol=1e-5)
    assert big.fixed_effect[0] == pytest.approx(100.0 * base.fixed_effect[0] + 7e4, rel=1e-6)


def test_profile_is_the_effects_at_every_position() -> None:
    null = fit_null(np.where(np.arange(60) == 4, np.nan, ONE.y), ONE.covariates, ONE.kinships[1])
    block, place = ONE.genome.probabilities[1], ONE.genome.position[1]
    profile = effects_along(null, block, place, ONE.genome.founders)
    for m in (0, 5):
        one = founder_effects(null, block[:, m])
        assert_allclose(profile.blup[m], one.blup, rtol=1e-10)
        assert_allclose(profile.blup_se[m], one.blup_se, rtol=1e-10)
        assert_allclose(profile.blue[m], one.blue, rtol=1e-10)
        assert_allclose(profile.blue_se[m], one.blue_se, rtol=1e-10)


def test_errors_of_shrunken_effects_are_those_found() -> None:
    # 300 traits with effects drawn anew; the uncertainty of the founders' variance is not in the
    # standard errors, so that the standardised error is a few percent wider than 1.
    one = population(n=100, founders=8, families=0)
    place, rng, found = one.genome.at("2", 5), np.random.default_rng(5), []
    for _ in range(300):
        true = 1.5 * rng.standard_normal(8)
        y = place @ true + rng.standard_normal(100) + one.batch
        got = founder_effects(fit_null(y, one.covariates), place, draws=1)
        found.append((got.blup - (true - true.mean())) / got.contrast_se)
    assert 0.95 < np.std(found) < 1.1
