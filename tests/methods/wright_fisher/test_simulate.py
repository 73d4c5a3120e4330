"""Simulated series: seeds, closed forms, what naive analyses get, and refusals."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from refsolve.core.errors import AnalysisError
from refsolve.methods.wright_fisher import textbook
from refsolve.methods.wright_fisher.simulate import simulate_loci, simulate_trajectory

SCHEDULE: dict[str, Any] = {"generation": [0, 3, 8, 8], "total": [20, 0, 30, 5]}
BOTTLENECK = [200, 200, 200, 20, 20, 500, 500, np.inf, 300]


def arguments(**changes: Any) -> dict[str, Any]:
    return (
        {"selection": 0.1, "sizes": BOTTLENECK, "start_frequency": 0.3, "rng": 5}
        | SCHEDULE
        | changes
    )


# --- seeds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ploidy, h", [("haploid", 0.5), ("diploid", 0.1)])
@pytest.mark.parametrize("precision", [np.inf, 8.0])
def test_draws_are_the_textbook_draws_of_the_same_seed(
    ploidy: str, h: float, precision: float
) -> None:
    errors = {"e_da": 0.2, "e_ad": 0.01}
    got = simulate_trajectory(**arguments(ploidy=ploidy, h=h, precision=precision, **errors))
    rng = np.random.default_rng(5)
    path = textbook.simulate_path(BOTTLENECK, 0.1, 0.3, rng, h, ploidy)
    x = path[SCHEDULE["generation"]]
    derived = textbook.simulate_reads(x, SCHEDULE["total"], rng, **errors, precision=precision)
    np.testing.assert_array_equal(got.path, path)
    np.testing.assert_array_equal(got.derived, derived)


def test_random_starts_are_drawn_first_and_uniformly() -> None:
    got = simulate_trajectory(**arguments(start_frequency=None))
    assert got.path[0] == np.random.default_rng(5).integers(0, 200, endpoint=True) / 200
    many = simulate_loci(selection=np.zeros(4000), sizes=3, generation=0, total=0, rng=1)
    count = np.bincount((many.path[:, 0] * 3).round().astype(int), minlength=4)
    # SD of each count 27: sees a share off by 0.03
    np.testing.assert_allclose(count / 4000, 0.25, atol=0.03)
    infinite = simulate_loci(selection=np.zeros(4000), sizes=np.inf, generation=0, total=0, rng=1)
    np.testing.assert_allclose(infinite.path.mean(), 0.5, atol=0.02)


def test_same_seed_same_series_and_another_seed_another() -> None:
    one, again, other = (simulate_trajectory(**arguments(rng=seed)) for seed in (5, 5, 6))
    assert one.to_dict() == again.to_dict()
    assert (one.path != other.path).any()


def test_one_locus_of_many_is_a_trajectory() -> None:
    one = simulate_trajectory(**arguments())
    many = simulate_loci(**arguments(selection=[0.1]))
    np.testing.assert_array_equal(many.path[0], one.path)
    np.testing.assert_array_equal(many.derived[0], one.derived)


# --- what is returned ----------------------------------------------------------------------------


def test_truth_travels_with_the_observations() -> None:
    got = simulate_trajectory(**arguments(e_da=[0.1, 0.1, 0.2, 0.3], e_ad=0.01))
    assert (got.selection, got.h, got.ploidy, got.tries) == (0.1, 0.5, "haploid", 1)
    assert set(got.observed) == {"generation", "derived", "total", "e_da", "e_ad", "precision"}
    np.testing.assert_array_equal(got.sizes, BOTTLENECK)
    np.testing.assert_array_equal(got.e_da, [0.1, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(got.e_ad, [0.01] * 4)
    assert got.derived[1] == 0
    assert (got.derived <= got.total).all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        got.selection = 0.0  # type: ignore[misc]


def test_frequencies_are_counts_of_the_generation() -> None:
    got = simulate_trajectory(**arguments(start_frequency=0.3012))
    assert got.path[0] == 60 / 200
    counts = (got.path * got.sizes)[np.isfinite(got.sizes)]
    np.testing.assert_allclose(counts, counts.round(), atol=1e-9, rtol=0)


def test_loci_keep_their_own_values() -> None:
    s, start, h = [-0.5, 0.0, 2.0], [0.5, 0.2, 0.1], [0.0, 0.5, 1.0]
    got = simulate_loci(
        selection=s,
        sizes=np.inf,
        generation=[0, 9],
        start_frequency=start,
        h=h,
        ploidy="diploid",
        total=[[5, 7], [0, 3], [9, 9]],
        e_da=[0.1, 0.2],
        rng=2,
    )
    assert got.derived.shape == (3, 2)
    np.testing.assert_array_equal(got.e_da, [[0.1, 0.2]] * 3)
    assert got.derived[1, 0] == 0
    for i in range(3):
        alone = textbook.simulate_path([np.inf] * 10, s[i], start[i], None, h[i], "diploid")
        np.testing.assert_allclose(got.path[i], alone, rtol=1e-12)


def test_one_sample_may_be_given_as_numbers() -> None:
    got = simulate_loci(selection=[0.0, 0.1], sizes=50, generation=4, total=7, rng=3)
    assert got.generation.shape == (1,)
    assert got.derived.shape == got.total.shape == got.e_da.shape == (2, 1)


# --- closed forms --------------------------------------------------------------------------------


def test_no_drift_is_the_logistic_curve() -> None:
    got = simulate_trajectory(
        selection=0.05, sizes=np.inf, generation=[60], total=0, start_frequency=0.02, rng=0
    )
    odds = 0.02 / 0.98 * 1.05 ** np.arange(61)
    np.testing.assert_allclose(got.path, odds / (1 + odds), rtol=1e-12)


def test_drift_has_no_mean_and_the_binomial_variance() -> None:
    p, m, n = 0.3, 50, 40_000
    got = simulate_loci(
        selection=np.zeros(n), sizes=[10, m], generation=1, total=0, start_frequency=p, rng=11
    )
    change, variance = got.path[:, 1] - p, p * (1 - p) / m
    # 4 standard errors: sees a mean off by 0.0013 and a variance off by 3 % (10 in place of 50
    # chromosomes would be 400 %).
    assert abs(change.mean()) < 4 * np.sqrt(variance / n)
    assert abs(change.var() / variance - 1) < 4 * np.sqrt(2 / n)


def test_neutral_frequency_is_a_martingale_through_a_bottleneck() -> None:
    n, p = 20_000, 0.3
    got = simulate_loci(
        selection=np.zeros(n), sizes=BOTTLENECK, generation=8, total=0, start_frequency=p, rng=12
    )
    last = got.path[:, -1]
    decay = np.prod([1 - 1 / m for m in BOTTLENECK[1:]])
    variance = p * (1 - p) * (1 - decay)
    # 4 standard errors: sees a mean off by 0.004 and a variance off by about 5 %.
    assert abs(last.mean() - p) < 4 * np.sqrt(variance / n)
    np.testing.assert_allclose(last.var(), variance, rtol=0.05)


@pytest.mark.parametrize(
    "s, h, ploidy", [(0.02, 0.5, "haploid"), (0.04, 0.0, "diploid"), (-0.01, 0.5, "diploid")]
)
def test_alleles_are_fixed_as_often_as_kimura_says(s: float, h: float, ploidy: str) -> None:
    size, p, n = 50, 0.2, 4000
    got = simulate_loci(
        selection=np.full(n, s),
        sizes=size,
        generation=600,
        total=0,
        h=h,
        ploidy=ploidy,
        start_frequency=p,
        rng=13,
    )
    fixed = got.path[:, -1]
    assert set(np.unique(fixed)) == {0.0, 1.0}
    want = textbook.fixation_probability(p, size, s, h, ploidy)
    # 4 standard errors are at most 0.031: sees M or s off by a factor 1.3 in the haploid case.
    assert abs(fixed.mean() - want) < 4 * np.sqrt(want * (1 - want) / n)


def test_reads_have_the_directional_mean_and_the_beta_binomial_variance() -> None:
    n, loci, x, precision = 20, 40_000, 0.4, 5.0
    q = x * (1 - 0.3) + (1 - x) * 0.01
    plain, over = (
        simulate_loci(
            selection=np.zeros(loci),
            sizes=10,
            generation=0,
            total=n,
            rng=14,
            start_frequency=x,
            e_da=0.3,
            e_ad=0.01,
            precision=v,
        ).derived[:, 0]
        / n
        for v in (np.inf, precision)
    )
    variance = q * (1 - q) / n
    inflation = 1 + (n - 1) / (precision + 1)
    # sees a mean off by 0.005 (swapped directions: 0.17) and a variance off by 4 %
    np.testing.assert_allclose([plain.mean(), over.mean()], q, rtol=0, atol=0.005)
    np.testing.assert_allclose(plain.var(), variance, rtol=0.04)
    np.testing.assert_allclose(over.var(), variance * inflation, rtol=0.04)


# --- what a naive analysis gets: the formulas of the module --------------------------------------


@pytest.mark.parametrize("x", [0.02, 0.3, 0.8])
@pytest.mark.parametrize("e_da, e_ad", [(0.31, 0.01), (0.01, 0.31)])
def test_naive_estimates_are_attenuated_as_stated(x: float, e_da: float, e_ad: float) -> None:
    s, c = 1e-6, 1 - e_da - e_ad
    read = textbook.read_probability(
        textbook.simulate_path([np.inf] * 2, s, x, rng=None), e_da, e_ad
    )

    def slope(y: np.ndarray) -> float:
        return float(np.diff(np.log(y / (1 - y)))[0])

    q, centred = read[0], x + (e_ad - e_da) / (2 * c)
    np.testing.assert_allclose(slope(read), s * c * x * (1 - x) / (q * (1 - q)), rtol=1e-4)
    averaged = (read - (e_da + e_ad) / 2) / c
    np.testing.assert_allclose(averaged[0], centred, rtol=1e-12)
    if 0 < centred < 1:
        want = s * x * (1 - x) / (centred * (1 - centred))
        np.testing.assert_allclose(slope(averaged), want, rtol=1e-4)


@pytest.mark.parametrize("ploidy", ["haploid", "diploid"])
def test_exchanged_alleles_follow_the_mapped_coefficients(ploidy: str) -> None:
    s, h = 0.4, 0.1
    path = textbook.simulate_path([np.inf] * 20, s, 0.2, None, h, ploidy)
    other = textbook.simulate_path([np.inf] * 20, -s / (1 + s), 0.8, None, 1 - h, ploidy)
    np.testing.assert_allclose(1 - path, other, rtol=1e-10)


def test_even_a_perfectly_seen_path_leaves_the_stated_uncertainty() -> None:
    # The best estimate from complete paths: change of frequency over its potential.
    n, s, m = 4000, 0.05, 400
    x = simulate_loci(
        selection=np.full(n, s), sizes=m, generation=20, total=0, start_frequency=0.3, rng=15
    ).path
    potential = (x[:, :-1] * (1 - x[:, :-1])).sum(axis=1)
    estimate = (x[:, -1] - x[:, 0]) / potential
    stated = 1 / np.sqrt(m * potential.mean())
    # SD of an SD from 4,000 paths is 1.1 %; the formula is first order in s.
    np.testing.assert_allclose(estimate.std(), stated, rtol=0.06)


# --- conditioning --------------------------------------------------------------------------------


def test_conditioned_paths_segregate_at_the_last_generation_with_reads() -> None:
    got = simulate_loci(
        selection=np.zeros(300),
        sizes=20,
        generation=[0, 15, 30],
        total=[5, 5, 0],
        start_frequency=0.1,
        segregating=True,
        rng=16,
    )
    assert ((got.path[:, 15] > 0) & (got.path[:, 15] < 1)).all()
    assert (got.path[:, 30] == 0).any()
    assert got.tries.max() > 1
    free = simulate_loci(
        selection=np.zeros(300),
        sizes=20,
        generation=[0, 15, 30],
        total=[5, 5, 0],
        start_frequency=0.1,
        rng=16,
    )
    assert (free.tries == 1).all()
    assert got.path[:, 15].mean() > 0.15 > free.path[:, 15].mean()


def test_conditioned_paths_have_the_conditional_distribution() -> None:
    n, size, first = 20_000, 6, 2
    got = simulate_loci(
        selection=np.full(n, 0.2),
        sizes=size,
        generation=2,
        total=1,
        start_frequency=first / size,
        segregating=True,
        rng=17,
    )
    step = textbook.transition_matrix(size, size, 0.2)
    law = (step @ step)[first]
    law[[0, -1]] = 0
    share = np.bincount((got.path[:, 2] * size).round().astype(int), minlength=size + 1) / n
    # SD of a share is below 0.0035
    np.testing.assert_allclose(share, law / law.sum(), rtol=0, atol=0.014)


def test_conditioning_gives_up_with_advice() -> None:
    with pytest.raises(
        AnalysisError, match=r"locus 1 was lost or fixed before generation 60 .*1000"
    ):
        simulate_loci(
            selection=[0.0, 3.0],
            sizes=50,
            generation=60,
            total=1,
            start_frequency=0.5,
            segregating=True,
            rng=18,
        )


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"selection": -1.0}, r"selection\[0\] = -1.0 must be above -1"),
        ({"selection": np.inf}, r"selection\[0\] = inf must be above -1 and finite"),
        ({"selection": np.nan}, r"selection\[0\] = nan must not be NaN"),
        ({"sizes": [10, 10]}, r"generation\[1\] = 3 has no size; sizes ends with generation 1"),
        ({"sizes": 10.5}, r"sizes\[0\] = 10.5 must be whole"),
        ({"sizes": 0}, r"sizes\[0\] = 0.0 must be whole and at least 1"),
        ({"generation": [0, -1, 2, 3]}, r"generation\[1\] = -1"),
        ({"generation": [[0, 1, 2, 3]]}, r"generation has shape \(1, 4\); expected one per sample"),
        ({"total": [1, 2]}, r"total has shape \(2,\); expected one value or \(1, 4\)"),
        ({"total": [1, 2, 2.5, 3]}, r"total\[2\] = 2.5 must be a whole number"),
        ({"start_frequency": 1.2}, r"start_frequency = 1.2 must lie in"),
        ({"start_frequency": 0.001}, r"start_frequency\[0\] = 0.001 is 0 or 1 when rounded to 200"),
        ({"e_da": 1.0}, r"e_da = 1.0 must lie in \[0, 1\)"),
        ({"e_ad": -0.1}, r"e_ad = -0.1 must lie in"),
        ({"precision": 0.0}, r"precision = 0.0 must be above 0"),
        ({"ploidy": "tetraploid"}, r"ploidy = 'tetraploid' must be"),
        (
            {"ploidy": "diploid", "selection": -0.9, "h": 2.0},
            r"h\[0\] = 2.0 gives heterozygotes no",
        ),
        ({"total": 0, "segregating": True}, r"segregating=True needs a sample with reads"),
    ],
)
def test_arguments_that_break_their_rule_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_trajectory(**arguments(**changes))
