"""The simulated null distribution: against enumeration, against single fits, and its p values."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from refsolve.methods.wright_fisher import (
    Calibration,
    Genotypes,
    Samples,
    calibrate,
    fit_selection,
    simulate_loci,
    textbook,
)

CHI2 = 3.841458820694124
SIZES = [8] * 7
TINY = Samples([0, 6], [0, 0], [5, 5])
BOUNDS = (-0.4, 0.6)
STRONG = {"sizes": [40] * 21, "generation": [0, 10, 20], "total": 20}


def strong(derived: list[int]) -> Samples:
    return Samples(STRONG["generation"], derived, [20, 20, 20])


@pytest.fixture(scope="module")
def null() -> Calibration:
    return calibrate(strong([0, 0, 0]), STRONG["sizes"], n=999, rng=3)


@pytest.mark.slow
def test_simulated_statistics_follow_the_enumerated_distribution() -> None:
    """All 36 data sets of two samples from eight chromosomes; 4,000 draws, held to 4 SD."""
    n = 4000
    got = calibrate(TINY, SIZES, bounds=BOUNDS, n=n, rng=1)
    grid = np.linspace(*BOUNDS, 401)
    statistic, probability = textbook.null_distribution(
        SIZES, [0, 6], [5, 5], textbook.start_uniform(8), grid
    )
    assert probability.sum() == pytest.approx(1.0, abs=1e-12)
    slack = got.discretisation_error
    for value in statistic:
        low = probability[statistic >= value + 2 * slack].sum()
        high = probability[statistic >= value - 2 * slack].sum()
        share = np.mean(got.lrt >= value - slack)
        assert low - 4 * math.sqrt(low * (1 - low) / n) - 1e-12 <= share
        assert share <= high + 4 * math.sqrt(high * (1 - high) / n) + 1e-12


@pytest.mark.slow
def test_statistics_are_those_of_single_fits() -> None:
    series = simulate_loci(selection=np.zeros(1), e_ad=0.02, e_da=0.1, rng=2, **STRONG)
    design = Samples(**series.observed)
    null = calibrate(design, STRONG["sizes"], n=19, rng=7)
    rng = np.random.default_rng(7)  # the same data, drawn by the textbook
    x = textbook.simulate_path(STRONG["sizes"], 0.0, rng.binomial(40, rng.beta(1, 1, 19)) / 40, rng)
    reads = [textbook.simulate_reads(x[:, t], 20, rng, 0.1, 0.02) for t in STRONG["generation"]]
    fits = [
        fit_selection(replace(design, derived=np.array([row])), STRONG["sizes"])
        for row in np.stack(reads, axis=1)
    ]
    want = np.sort([fit.lrt for fit in fits])
    assert null.discretisation_error < 0.01
    np.testing.assert_allclose(null.lrt, want, rtol=0, atol=null.discretisation_error)


@pytest.mark.slow
def test_p_values_are_uniform_under_neutrality(null: Calibration) -> None:
    """300 neutral loci; Kolmogorov–Smirnov at 0.1 %, beside the error of 999 draws."""
    again = calibrate(strong([0, 0, 0]), STRONG["sizes"], n=300, rng=4)
    p = [(1 + np.sum(null.lrt >= value)) / 1000 for value in again.lrt]
    assert kstest(p, "uniform").pvalue > 1e-3
    assert null.type_one > 0.05  # half of the drift that fixes an allele: chi-squared is too bold
    assert null.threshold > CHI2


@pytest.mark.slow
def test_fit_takes_test_and_interval_from_the_calibration(null: Calibration) -> None:
    plain = fit_selection(strong([6, 11, 12]), STRONG["sizes"])
    fit = fit_selection(strong([6, 11, 12]), STRONG["sizes"], calibration=null)
    assert (plain.reference, fit.reference) == ("chi-squared", "simulation, n = 999")
    assert fit.drift == pytest.approx(0.5, rel=1e-12)
    assert (fit.s, fit.lrt) == (plain.s, plain.lrt)
    beyond = np.sum(null.lrt >= fit.lrt - null.discretisation_error)
    assert fit.p_value == pytest.approx((1 + beyond) / 1000, rel=1e-12)
    assert fit.interval[0] < plain.interval[0] < plain.interval[1] < fit.interval[1]
    ends = np.interp(fit.interval, fit.curve.s, fit.curve.log_likelihood)
    drop = [null.drop, null.drop]
    np.testing.assert_allclose(fit.log_likelihood - ends, drop, rtol=0.02, atol=0)


@pytest.mark.slow
def test_quantile_and_test_agree(null: Calibration) -> None:
    """Rejection at 5 % and an interval without s = 0 are the same statement."""
    assert null.drop == null.threshold / 2
    assert np.sum(null.lrt > null.threshold) <= 49 < np.sum(null.lrt >= null.threshold)
    assert null.threshold_interval[0] < null.threshold < null.threshold_interval[1]
    assert np.all(np.diff(null.lrt) >= 0)


@pytest.mark.parametrize("start", ["stationary", "point"])
def test_data_start_where_the_start_says(start: str) -> None:
    """A start that is nearly always lost or fixed leaves data that say nothing about s."""
    pmf = np.zeros(9)
    pmf[0] = 1.0
    given: dict[str, Any] = {"start": pmf} if start == "point" else {
        "start": "stationary", "mutation": (1e-4, 1e-4)
    }  # fmt: skip
    null = calibrate(TINY, SIZES, bounds=BOUNDS, n=99, rng=5, **given)
    assert np.mean(null.lrt < 0.02) > 0.95


def test_genotypes_are_calibrated() -> None:
    people = Genotypes([0, 6], [2, 1], [2, 3], [1, 2])
    null = calibrate(people, SIZES, ploidy="diploid", bounds=BOUNDS, n=39, rng=6)
    fit = fit_selection(people, SIZES, ploidy="diploid", bounds=BOUNDS, calibration=null)
    assert fit.reference == "simulation, n = 39"
    assert 1 / 40 <= fit.p_value <= 1.0


BAD: list[tuple[dict[str, Any], str]] = [
    ({"samples": Samples([0, 10, 20], [6, 11, 12], [20, 20, 21])}, r"with other total than"),
    ({"samples": Samples([0, 9, 20], [6, 11, 12], [20, 20, 20])}, r"with other generation than"),
    ({"sizes": [41] * 21}, r"with other sizes than the fit has; expected the same design; cal"),
    ({"bounds": (-0.5, 0.9)}, r"with other bounds than"),
    ({"ploidy": "diploid"}, r"with other ploidy than"),
    ({"confidence": 0.9}, r"calibration has confidence 0.95 and the fit 0.9; expected the same"),
]


@pytest.mark.slow
@pytest.mark.parametrize("change, message", BAD, ids=[message[:20] for _, message in BAD])
def test_calibration_of_another_design_is_refused(
    null: Calibration, change: dict[str, Any], message: str
) -> None:
    given = {"samples": strong([6, 11, 12]), "sizes": STRONG["sizes"], "calibration": null}
    with pytest.raises(ValueError, match=message):
        fit_selection(**{**given, **change})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": 18}, r"n = 18 data sets cannot show a p value of 0.05; expected at least 19; try 999"),
    ({"confidence": 1.0}, r"confidence = 1.0 must lie between 0 and 1; try 0.95"),
    ({"start": "profile"}, r"start = 'profile' leaves the first frequency open, .* use 'uniform'"),
    ({"samples": Samples([0, 6], [[1, 2]] * 2, [[5, 5]] * 2)}, r"samples hold 2 loci; expected"),
    ({"bounds": (0.1, 0.5)}, r"bounds = \(0.1, 0.5\) must be two numbers .* below and above 0"),
]


@pytest.mark.parametrize("change, message", REFUSED, ids=[text[:16] for _, text in REFUSED])
def test_bad_arguments_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibrate(**{"samples": TINY, "sizes": SIZES, "rng": 1, **change})
