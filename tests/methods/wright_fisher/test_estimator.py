"""Estimates: maxima, intervals, flags and tests, on curves that are known and on simulated data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from refsolve.core.errors import AnalysisError
from refsolve.methods.wright_fisher import (
    Samples,
    compare_loci,
    fit_dominance,
    fit_loci,
    fit_selection,
    log_likelihood,
    posterior_trajectory,
    simulate_loci,
    simulate_trajectory,
    textbook,
)

CHI2 = 3.841458820694124
RISING = Samples([0, 5, 10], [12, 24, 39], [60, 60, 60])
FALLING = Samples([0, 5, 10], [35, 28, 27], [60, 60, 60])
SIZES = [60] * 11


@pytest.fixture(scope="module")
def rising() -> Any:
    return fit_selection(RISING, SIZES)


@pytest.fixture(scope="module")
def falling() -> Any:
    return fit_selection(FALLING, SIZES)


def curve_at(samples: Samples, s: list[float]) -> np.ndarray:
    return log_likelihood(samples, SIZES, s, mode="exact").log_likelihood


def test_fit_sits_on_the_maximum_of_the_curve(rising: Any) -> None:
    step = 0.02 * rising.se
    top, left, right = curve_at(RISING, [rising.s, rising.s - step, rising.s + step])
    assert top >= max(left, right)
    assert rising.log_likelihood == pytest.approx(top, rel=1e-12)
    assert rising.se == pytest.approx(step / math.sqrt(2 * top - left - right), rel=1e-2)
    assert (rising.mode, rising.n_nodes) == ("exact", 0)


def test_interval_ends_where_the_likelihood_ratio_says(rising: Any) -> None:
    ends = curve_at(RISING, list(rising.interval))
    np.testing.assert_allclose(2 * (rising.log_likelihood - ends), CHI2, rtol=1e-3, atol=0)
    assert rising.interval[0] < rising.s < rising.interval[1]
    assert not rising.at_bound
    assert not rising.flat


def test_neutrality_is_tested_by_the_likelihood_ratio(rising: Any) -> None:
    neutral = curve_at(RISING, [0.0])[0]
    assert rising.log_likelihood_neutral == pytest.approx(neutral, rel=1e-12)
    assert rising.lrt == pytest.approx(2 * (rising.log_likelihood - neutral), rel=1e-9)
    assert rising.p_value == pytest.approx(math.erfc(math.sqrt(rising.lrt / 2)), rel=1e-9)


def test_exchanging_the_alleles_mirrors_the_fit(rising: Any) -> None:
    other = fit_selection(RISING.mirrored(), SIZES)
    assert other.s == pytest.approx(-rising.s / (1 + rising.s), abs=0.01 * rising.se)
    assert other.lrt == pytest.approx(rising.lrt, abs=1e-4)


def test_curve_carries_the_interval(rising: Any) -> None:
    curve = rising.curve
    assert np.all(np.diff(curve.s) > 0)
    inside = (curve.s >= rising.interval[0]) & (curve.s <= rising.interval[1])
    assert inside.sum() >= 10
    assert np.all(curve.log_likelihood <= rising.log_likelihood + 1e-6)


def test_data_without_reads_are_flat() -> None:
    fit = fit_selection(Samples([0, 10], [0, 0], [0, 0]), SIZES, bounds=(-0.3, 0.4))
    assert fit.flat
    assert fit.at_bound
    assert fit.interval == pytest.approx((-0.3, 0.4), rel=1e-9)
    assert fit.lrt == pytest.approx(0.0, abs=1e-9)


def test_a_sweep_to_fixation_gives_a_one_sided_interval() -> None:
    sweep = Samples([0, 6], [8, 60], [80, 60])
    fit = fit_selection(sweep, SIZES, bounds=(-0.5, 0.5))
    assert fit.at_bound
    assert not fit.flat
    assert fit.s == pytest.approx(0.5, abs=1e-6)
    assert math.isnan(fit.se)
    assert fit.interval[1] == pytest.approx(0.5, abs=1e-6)
    assert 0 < fit.interval[0] < 0.5


def test_impossible_data_are_refused() -> None:
    lost = np.zeros(61)
    lost[0] = 1.0
    message = r"impossible under the model for every s in \[-0.5, 1\]"
    with pytest.raises(AnalysisError, match=message):
        fit_selection(RISING, SIZES, start=lost)


CONTRADICTORY = {  # reads that no path without drift explains, given as derived by generation
    0: 275, 18: 0, 20: 0, 32: 392, 39: 391, 52: 400, 54: 398, 67: 400, 70: 400, 73: 400, 89: 400,
    100: 0, 104: 0, 130: 400, 138: 0, 153: 400, 175: 0, 187: 0, 193: 400, 196: 400, 236: 400,
}  # fmt: skip


def contradictory(last: int) -> Samples:
    derived = {t: d for t, d in CONTRADICTORY.items() if t <= last}
    return Samples(list(derived), list(derived.values()), [400] * len(derived), 0.01, 0.01)


@pytest.mark.slow
def test_data_that_only_a_coarse_grid_finds_possible_are_refused() -> None:
    with pytest.raises(AnalysisError, match="or too unlikely to be computed"):
        fit_selection(contradictory(236), np.full(237, np.inf), bounds=(-0.9, 3.0), tolerance=0.02)


@pytest.mark.slow
def test_a_curve_that_no_grid_resolves_says_so() -> None:
    fit = fit_selection(contradictory(100), np.full(101, np.inf), bounds=(-0.9, 3.0))
    assert fit.discretisation_error > 1.0
    assert not np.isnan(fit.curve.error).any()


def test_two_equal_loci_are_not_told_apart(rising: Any) -> None:
    same = compare_loci(rising, rising)
    assert same.difference == 0.0
    assert same.lrt == pytest.approx(0.0, abs=1e-6)
    assert same.p_value == pytest.approx(1.0, abs=1e-3)
    assert same.probability_first_larger == pytest.approx(0.5, abs=1e-6)
    assert same.interval[0] == pytest.approx(-same.interval[1], rel=1e-9)


@pytest.mark.compiled
def test_two_loci_are_compared_on_their_curves(rising: Any, falling: Any) -> None:
    got, other = compare_loci(rising, falling), compare_loci(falling, rising)
    s = np.linspace(-0.4, 0.9, 651)
    one, two = curve_at(RISING, s), curve_at(FALLING, s)
    want = 2 * (rising.log_likelihood + falling.log_likelihood - (one + two).max())
    assert got.lrt == pytest.approx(want, abs=2e-2)
    assert got.common == pytest.approx(s[np.argmax(one + two)], abs=0.01)
    p, q = np.exp(one - one.max()), np.exp(two - two.max())
    want = (p / p.sum()) @ (np.cumsum(q) - q / 2) / q.sum()
    assert got.probability_first_larger == pytest.approx(want, abs=5e-3)
    total = got.probability_first_larger + other.probability_first_larger
    assert total == pytest.approx(1.0, abs=1e-6)
    assert got.interval[0] < got.difference < got.interval[1]


def test_many_loci_are_fitted_as_each_alone(rising: Any, falling: Any) -> None:
    derived = np.stack([RISING.derived, FALLING.derived])
    loci = Samples(RISING.generation, derived, np.full_like(derived, 60))
    fit = fit_loci(loci, SIZES, bounds=(-0.5, 1.0), mode="exact")
    for i, alone in enumerate((rising, falling)):
        assert fit.s[i] == pytest.approx(alone.s, abs=0.05 * alone.se)
        assert fit.lower[i] == pytest.approx(alone.interval[0], abs=0.05 * alone.se)
        assert fit.upper[i] == pytest.approx(alone.interval[1], abs=0.05 * alone.se)
        assert fit.lrt[i] == pytest.approx(alone.lrt, abs=1e-2)
    assert list(fit.to_frame()["at_bound"]) == [False, False]


def test_dominance_is_the_best_over_all_h() -> None:
    reads = Samples([0, 2], [3, 9], [12, 12])
    fit = fit_dominance(reads, [8] * 3, mode="exact")
    at = {h: fit_selection(reads, [8] * 3, h=h, ploidy="diploid", bounds=(-0.4, 0.8))
          for h in (0.0, 0.5, 1.0)}  # fmt: skip
    assert all(fit.log_likelihood >= f.log_likelihood - 1e-6 for f in at.values())
    want = 2 * (fit.log_likelihood - at[0.5].log_likelihood)
    assert fit.lrt_additive == pytest.approx(want, abs=1e-4)
    assert not fit.h_identified
    assert fit.at_bound
    assert fit.h_interval == (-0.5, 1.5)
    assert fit.s_interval[0] <= min(f.interval[0] for f in at.values()) + 1e-3


def test_trajectory_is_the_posterior_of_the_chain() -> None:
    sizes = [60] * 5
    reads = {"generation": [0, 4], "derived": [3, 14], "total": [12, 20]}
    got = posterior_trajectory(Samples(**reads), sizes, 0.2)
    pmf = textbook.posterior(
        textbook.emission_table(sizes, **reads), sizes, 0.2, textbook.start_uniform(60)
    )
    x = np.arange(61) / 60
    np.testing.assert_allclose(got.mean, [p @ x for p in pmf], rtol=0, atol=1e-4)
    for level, quantile in ((0.025, got.lower), (0.975, got.upper)):
        want = [np.interp(level, np.cumsum(p) - p / 2, x) for p in pmf]
        np.testing.assert_allclose(quantile, want, rtol=0, atol=0.03)
    assert list(got.to_frame().columns) == ["generation", "mean", "lower", "upper"]


def test_trajectory_starts_where_the_pmf_says() -> None:
    point = np.zeros(61)
    point[15] = 1.0
    got = posterior_trajectory(Samples([0, 1], [1, 3], [9, 9]), [60] * 2, 0.1, start=point)
    assert got.mean[0] == pytest.approx(0.25, abs=1e-9)


@pytest.mark.compiled
def test_intervals_cover_and_standard_errors_are_right() -> None:
    """120 loci: the mean z score has SD 0.09, the coverage SD 0.02; both are held to 3.5 SD."""
    s, sizes, generation = 0.03, np.full(101, 4000), np.arange(0, 101, 20)
    series = simulate_loci(
        selection=np.full(120, s), sizes=sizes, generation=generation, total=np.full((120, 6), 60),
        start_frequency=np.full(120, 0.3), rng=11,
    )  # fmt: skip
    fit = fit_loci(Samples(**series.observed), sizes)
    se = (fit.upper - fit.lower) / (2 * math.sqrt(CHI2))
    z = (fit.s - s) / se
    assert abs(z.mean()) < 3.5 / math.sqrt(120)
    assert 0.75 < z.std() < 1.25
    covered = np.mean((fit.lower <= s) & (s <= fit.upper))
    assert 0.95 - 3.5 * 0.02 <= covered <= 1.0


@pytest.mark.compiled
def test_strong_data_show_selection_dominance_and_the_path() -> None:
    sizes, generation = np.full(81, 20_000), np.arange(0, 81, 10)
    series = simulate_trajectory(
        selection=0.1, sizes=sizes, generation=generation, total=np.full(9, 200),
        start_frequency=0.1, rng=5, h=1.0, ploidy="diploid",
    )  # fmt: skip
    reads = Samples(**series.observed)
    fit = fit_dominance(reads, sizes)
    assert fit.h_identified
    assert fit.h_interval[0] <= 1.0 <= fit.h_interval[1]
    assert fit.h_interval[0] > 0.5
    assert fit.lrt_additive > CHI2
    given_h = fit_selection(reads, sizes, h=fit.h, ploidy="diploid").interval
    assert fit.s_interval[0] < given_h[0] < 0.1 < given_h[1] < fit.s_interval[1]
    path = posterior_trajectory(reads, sizes, fit.s, h=fit.h, ploidy="diploid")
    inside = (series.path >= path.lower) & (series.path <= path.upper)
    assert inside.mean() > 0.8
    np.testing.assert_allclose(path.mean, series.path, rtol=0, atol=0.03)


LOCI = Samples([0, 3], [[1, 2], [3, 4]], [[9, 9], [9, 9]])
BAD: list[tuple[Any, dict[str, Any], str]] = [
    (fit_selection, {"bounds": (0.2, -0.2)}, r"bounds = \(0.2, -0.2\) must be two increasing"),
    (fit_selection, {"bounds": (-1.0, 0.2)}, r"bounds = \(-1.0, 0.2\) must be .* above -1; try"),
    (fit_selection, {"confidence": 1.0}, r"confidence = 1.0 must lie between 0 and 1; try 0.95"),
    (fit_selection, {"samples": LOCI}, r"samples hold 2 loci; expected one; use fit_loci"),
    (posterior_trajectory, {"s": 0.1, "confidence": 0.0}, r"confidence = 0.0 must lie between"),
    (posterior_trajectory, {"s": 0.1, "start": "profile"}, r"start = 'profile' is not a distrib"),
    (posterior_trajectory, {"s": 0.1, "samples": LOCI}, r"samples hold 2 loci; expected one; sel"),
]


@pytest.mark.parametrize("call, change, message", BAD, ids=[message[:24] for _, _, message in BAD])
def test_bad_arguments_are_named(call: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(**{"samples": RISING, "sizes": SIZES, **change})


def test_fits_at_different_confidence_are_not_compared(rising: Any) -> None:
    other = fit_selection(RISING, SIZES, confidence=0.9)
    with pytest.raises(ValueError, match=r"first has confidence 0.95 and second 0.9; .* fit both"):
        compare_loci(rising, other)
