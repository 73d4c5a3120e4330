"""The textbook on alleles, scales and instruments: closed forms, brute force, symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm

from refsolve.methods.mvmr.textbook import (
    alleles,
    scale,
    selection,
)
from tests.methods.mvmr.loci import ROUNDING, locus

# --- alleles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pair, kind",
    [
        (("A", "G"), "same"),
        (("G", "A"), "swapped"),
        (("T", "C"), "strand"),
        (("C", "T"), "strand_swapped"),
        (("A", "C"), "incompatible"),
        (("", "G"), "missing"),
    ],
)
def test_a_pair_lies_on_the_reference_in_one_of_four_ways(pair: tuple[str, str], kind: str) -> None:
    assert alleles.relation(*pair, "A", "G") == kind


def test_palindromes_are_their_own_complement() -> None:
    assert alleles.relation("C", "G", "C", "G") == "palindrome"
    assert alleles.relation("G", "C", "C", "G") == "palindrome_swapped"
    assert alleles.relation("A", "T", "C", "G") == "incompatible"


def test_indels_are_read_from_the_other_strand_backwards() -> None:
    assert alleles.complement("AAG") == "CTT"
    assert alleles.relation("CTT", "C", "AAG", "G") == "strand"
    assert alleles.recode_indel("I", "D", "A", "AT") == ("AT", "A")
    assert alleles.recode_indel("I", "D", "A", "G") == ("I", "D")


def test_strand_evidence_is_linear_in_the_distance_from_one_half() -> None:
    f, f_ref, n, n_ref = 0.27, 0.2, 500, 900
    v = 0.16 * (1 / 1000 + 1 / 1800) + 0.02**2
    want = logit(0.01) + (1 - 2 * f_ref) * (2 * f - 1) / (2 * v)
    np.testing.assert_allclose(
        alleles.strand_log_odds(f, f_ref, n, n_ref, 0.01), want, rtol=1e-12, atol=0
    )
    assert alleles.strand_log_odds(0.5, 0.2, n, n_ref, 0.5) == pytest.approx(0, abs=1e-12)


def test_strand_prior_stays_inside_zero_and_one() -> None:
    assert alleles.strand_prior(0, 0) == 0.5
    assert 0 < alleles.strand_prior(0, 50) < 0.01
    assert alleles.strand_prior(50, 50) == 1 - alleles.strand_prior(0, 50)


def test_enumeration_over_two_studies_is_the_pairwise_rule_when_one_is_trusted() -> None:
    f, f_ref, v = 0.55, 0.3, 0.002
    got = alleles.strand_posterior([f, f_ref], [v, 1e-9], [0.1, 1e-30])[0]
    sd = np.sqrt(v + 1e-9)
    odds = logit(0.1) + norm.logpdf(f, 1 - f_ref, sd) - norm.logpdf(f, f_ref, sd)
    np.testing.assert_allclose(logit(got), odds, rtol=1e-6, atol=0)


def test_enumeration_knows_only_what_frequencies_and_rates_say() -> None:
    flat = alleles.strand_posterior([0.5, 0.5], [0.001, 0.001], [0.2, 0.4])
    np.testing.assert_allclose(flat, [0.2, 0.4], **ROUNDING)
    apart = alleles.strand_posterior([0.2, 0.21, 0.79], [0.001] * 3, [0.02] * 3)
    assert apart[2] > 0.95 > 0.05 > apart[:2].max()
    turned = alleles.strand_posterior([0.8, 0.79, 0.21], [0.001] * 3, [0.02] * 3)
    np.testing.assert_allclose(turned, apart, **ROUNDING)


@pytest.mark.parametrize("strand", [False, True])
@pytest.mark.parametrize("swap", [False, True])
def test_harmonised_signs_undo_what_was_done(swap: bool, strand: bool) -> None:
    reference = [("A", "G"), ("T", "C"), ("A", "T"), ("G", "C"), ("G", "T")]
    f_ref = np.array([0.1, 0.4, 0.15, 0.8, 0.55])
    pairs = [tuple(map(alleles.complement, p)) if strand else p for p in reference]
    pairs = [p[::-1] if swap else p for p in pairs]
    f = 1 - f_ref if swap else f_ref
    done = alleles.harmonise(
        *zip(*pairs, strict=True), f, *zip(*reference, strict=True), f_ref, 1e4, 1e4
    )
    assert [row.sign for row in done] == [-1 if swap else 1] * 5
    np.testing.assert_allclose([row.frequency for row in done], f_ref, **ROUNDING)
    assert not any(row.conflict for row in done)


def test_what_cannot_be_oriented_is_set_aside_and_conflicts_are_marked() -> None:
    done = alleles.harmonise(
        ["A", "C", "C", "A", ""],
        ["G", "G", "G", "G", "G"],
        [0.9, 0.49, np.nan, 0.12, 0.1],
        ["A", "C", "C", "A", "A"],
        ["G", "G", "G", "G", "G"],
        [0.1, 0.49, 0.1, 0.1, 0.1],
        1e4,
        1e4,
    )
    assert [row.conflict for row in done] == [True, False, False, False, False]
    assert [row.kept for row in done] == [True, False, False, True, False]
    assert [row.sign for row in done] == [1, 0, 0, 1, 0]


# --- scale -------------------------------------------------------------------------------------


def test_units_of_a_logarithm() -> None:
    value = 7.3
    for unit, log in (("ln", np.log), ("log2", np.log2), ("log10", np.log10)):
        assert log(value) * scale.to_log10(unit) == pytest.approx(np.log10(value), rel=1e-14)


def test_pooled_sd_is_the_residual_of_a_fit_of_batch_means() -> None:
    rng = np.random.default_rng(1)
    batch = rng.integers(0, 4, 60)
    value = rng.standard_normal(60) + 5 * batch
    design = (batch[:, np.newaxis] == np.arange(4)).astype(float)
    left = value - design @ np.linalg.lstsq(design, value, rcond=None)[0]
    want = np.sqrt(left @ left / (60 - 4))
    assert scale.pooled_sd(value, batch) == pytest.approx(want, rel=1e-12)
    means = [value[batch == b].mean() for b in range(4)]
    total = scale.total_sd(want, means, np.bincount(batch))
    # total_sd counts n - B degrees of freedom within batches, as pooled_sd does
    assert total == pytest.approx(value.std(ddof=1), rel=1e-12)


def test_log_spread_has_the_stated_error() -> None:
    rng = np.random.default_rng(2)
    batch = np.repeat(np.arange(3000), 20)
    log_sd, error = scale.log_spread(rng.standard_normal(batch.size), batch)
    # SD of an SD from 3,000 batches: 1.3 %; the formula is first order in 1/n
    assert log_sd.std() == pytest.approx(error[0], rel=0.07)


def test_allele_sd_from_its_standard_error() -> None:
    f, n = np.array([0.1, 0.5]), 1000
    se = 2.5 / (np.sqrt(n) * scale.allele_sd(f))
    np.testing.assert_allclose(scale.allele_sd_from_se(se, n, 2.5), [np.sqrt(0.18), np.sqrt(0.5)])


@pytest.mark.parametrize("prevalence", [0.01, 0.2, 0.5, 0.9])
def test_liability_factor_is_the_slope_of_the_log_odds(prevalence: float) -> None:
    threshold, step = norm.isf(prevalence), 1e-5
    slope = (logit(norm.sf(threshold - step)) - logit(norm.sf(threshold + step))) / (2 * step)
    assert 1 / scale.liability_factor(prevalence) == pytest.approx(slope, rel=1e-6)
    assert scale.observed_factor(prevalence) == prevalence * (1 - prevalence)


# --- selection ---------------------------------------------------------------------------------


def test_conditional_scores_are_those_of_a_joint_regression() -> None:
    rng = np.random.default_rng(3)
    n = 400
    g = rng.standard_normal((n, 4)) @ np.linalg.cholesky(locus(4)[4]).T
    g = (g - g.mean(0)) / g.std(0)
    y = g @ [0.1, 0.0, 0.2, 0.0] + rng.standard_normal(n)
    y = y - y.mean()
    z, r = g.T @ y / np.sqrt(n), g.T @ g / n  # noise of SD 1
    inverse = np.linalg.inv(g.T @ g)
    joint = inverse @ g.T @ y / np.sqrt(np.diag(inverse))
    np.testing.assert_allclose(selection.joint_z(z, r, [0, 1, 2, 3]), joint, **ROUNDING)
    np.testing.assert_allclose(selection.conditional_z(z, r, []), z, **ROUNDING)
    np.testing.assert_array_equal(selection.conditional_z(z, r, [1])[1], 0)


def test_stepwise_finds_two_signals_and_drops_their_shadow() -> None:
    r = np.array([[1.0, 0.5, -0.1], [0.5, 1.0, 0.5], [-0.1, 0.5, 1.0]])
    z = r @ [15.0, 0.0, 15.0]  # the variant between carries the largest marginal score
    assert np.argmax(z) == 1
    assert selection.stepwise(z, r, limit=5.0) == [0, 2]
    assert selection.clump(z, r, r2=0.2, threshold=1e-6) == [1]


def test_stepwise_leaves_out_what_is_nearly_determined() -> None:
    r = np.array([[1.0, 0.99], [0.99, 1.0]])
    assert selection.stepwise([20.0, 8.0], r, limit=5.0, collinear=0.9) == [0]
    assert selection.stepwise([20.0, 8.0], r, limit=5.0, collinear=0.999) == [0, 1]


def test_union_and_clumps_use_two_sided_p() -> None:
    z = np.array([[-6.0, 0.0], [1.0, 6.0], [5.0, 5.0]])
    assert selection.marginal_union(z, 5e-8).tolist() == [True, True, False]
    assert selection.clump(z[:, 0], np.eye(3), 0.1, 1e-6) == [0, 2]
