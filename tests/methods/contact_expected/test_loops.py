"""Strength of loops: the textbook's values and errors, by sample, condition and contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.methods.contact_expected import (
    ContactTable,
    difference,
    find_stripes,
    fit_expected,
    loop_strength,
    strength_of_sums,
    textbook,
)
from tests.methods.contact_expected.samples import draw

TARGET = (8, 17)
LOOPS = [(8, 17), (2, 9), (5, 20)]


def looped(seed: int = 1, **settings: object) -> ContactTable:
    loops = [(0, *pixel, 4.0) for pixel in LOOPS]
    return draw(seed, loops=loops, **settings)  # type: ignore[arg-type]


def rows(table: ContactTable, fit: object, pixel: tuple[int, int]) -> np.ndarray:
    k = table.pixel(*pixel)
    return np.array([fit.gradient(s, k) for s in range(len(table.condition))])  # type: ignore[attr-defined]


def test_strength_and_both_errors_are_the_textbook_ones() -> None:
    table = looped(dispersion=0.02)
    fit = fit_expected(table.without(pixels=LOOPS))
    got = loop_strength(fit, table, TARGET)
    nb = textbook.NbFit(fit.coef, fit.covariance, 1.0 / fit.dispersion[0], np.nan, np.nan)
    y, x = table.counts[:, table.pixel(*TARGET)], rows(table, fit, TARGET)
    case, control = np.repeat([[0.25, 0.0], [0.0, 0.25]], 4, axis=1)
    for c, contrast in enumerate((case, control)):
        want = textbook.strength_contrast(y, x, nb, contrast)
        assert_allclose((got.mean[c], got.se_expected[c], got.se[c]), want, rtol=1e-9)
    between = difference(got, "case", "control")
    want = textbook.strength_contrast(y, x, nb, case - control)
    assert_allclose((between.value, between.se_expected, between.se), want, rtol=1e-9)
    assert_allclose(np.mean(between.interval), between.value)
    assert np.diff(between.interval_expected) < np.diff(between.interval)
    assert got.mean_of("case") == got.mean[0]
    assert_allclose(got.interval()[:, 1] - got.mean, 1.959963984540054 * got.se, rtol=1e-9)
    assert_allclose(got.interval(0.5).mean(axis=1), got.mean)
    assert np.isnan(got.se_between).all()


def test_errors_that_conditions_share_cancel() -> None:
    table = looped(5)  # a target rich in sites, whose slope the conditions share
    fit = fit_expected(table.without(pixels=LOOPS))
    between = difference(loop_strength(fit, table, TARGET), "case", "control")
    apart = np.hypot(*loop_strength(fit, table, TARGET).se_expected)
    assert between.se_expected < 0.9 * apart


@pytest.mark.slow
def test_masking_a_stripe_brings_the_difference_back() -> None:
    error = {"kept": [], "masked": []}  # type: dict[str, list[float]]
    for seed in range(8):
        table = looped(seed, stripes=[(0, b, 2.4) for b in (5, 13, 15)])
        left = table.without(pixels=LOOPS)
        found = find_stripes(left)
        assert found.bins == {"case": [5, 13, 15], "control": []}
        truth = np.log2(4.0)
        for name, used in (("kept", left), ("masked", left.without(masked=found.masked))):
            strength = loop_strength(fit_expected(used), table, TARGET)
            error[name].append(difference(strength, "case", "control").value - truth)
    # 8 seeds tell a mean error of 0.15 from none; the counts alone give an SD of 0.13 each.
    assert abs(np.mean(error["masked"])) < 0.15 < -np.mean(error["kept"])


def test_samples_without_contacts_are_counted_and_halved() -> None:
    table = looped(samples=(2, 2))
    counts = table.counts.copy()
    counts[0, table.pixel(*TARGET)] = 0.0
    none = replace(table, counts=counts)
    fit = fit_expected(none.without(pixels=LOOPS))
    got = loop_strength(fit, none, TARGET)
    assert_array_equal(got.zeros, [1, 0])
    assert got.log2[0] == pytest.approx(np.log2(0.5 / (got.expected[0] + 0.5)))
    assert got.log2[1] == pytest.approx(np.log2(got.observed[1] / got.expected[1]))
    assert np.isfinite(got.se).all()


def test_several_pixels_are_summed_and_left_out_one_by_one() -> None:
    table = looped()
    fit = fit_expected(table.without(pixels=LOOPS))
    got = loop_strength(fit, table, LOOPS)
    k = [table.pixel(*pixel) for pixel in LOOPS]
    assert_allclose(got.log2, np.log2(table.counts[:, k].sum(axis=1) / fit.mu[:, k].sum(axis=1)))
    less = [loop_strength(fit, table, [p for p in LOOPS if p != out]).mean for out in LOOPS]
    want = np.sqrt(2.0 / 3.0 * np.sum((less - np.mean(less, axis=0)) ** 2, axis=0))
    assert_allclose(got.se_between, want)
    alone = loop_strength(fit, table, TARGET)
    assert np.all(got.se_counts < alone.se_counts)
    assert difference(got, "case", "control").se_between > 0.0


def square(values: np.ndarray, table: ContactTable) -> np.ndarray:
    out = np.full((table.n_bins, table.n_bins), np.nan)
    out[table.bin1, table.bin2] = values
    return out


def test_donut_is_the_textbook_one() -> None:
    table = looped(samples=(2, 1))
    used = table.without(masked=np.arange(24) == 12)
    fit = fit_expected(used.without(pixels=LOOPS))
    plain, around = (loop_strength(fit, used, TARGET, donut=d) for d in (None, (1, 4)))
    for s in range(3):
        seen = np.where(used.used[s], 1.0, np.nan)
        ratio = textbook.donut_ratio(
            square(table.counts[s] * seen, table), square(fit.mu[s] * seen, table), *TARGET, 1, 4
        )
        assert around.expected[s] == pytest.approx(ratio * plain.expected[s])
    assert np.all(around.se_expected > plain.se_expected)


def test_donut_takes_away_what_its_surroundings_share() -> None:
    table = looped(domains=[(-1, 4, 22, 3.0)])
    fit = fit_expected(table.without(pixels=LOOPS))
    plain, around = (loop_strength(fit, table, TARGET, donut=d) for d in (None, (1, 4)))
    assert abs(around.mean_of("control")) < 0.25 < plain.mean_of("control")
    assert around.mean_of("case") == pytest.approx(2.0, abs=0.3)


def test_sums_with_a_known_expected() -> None:
    observed, expected = np.array([[40.0, 10.0], [25.0, 0.0]]), np.array([[10.0, 5.0], [12.0, 6.0]])
    got = strength_of_sums(observed, expected, ("a", "b"))
    assert_allclose(got.mean, np.log2([50.0 / 15.0, 25.0 / 18.0]))
    plain = [
        textbook.aggregate_strength([y], [m], 0.0) for y, m in zip(observed, expected, strict=True)
    ]
    assert_allclose(got.log2, plain)
    assert_array_equal(got.se_expected, 0.0)
    assert_allclose(got.se_counts, 1.0 / np.sqrt([50.0, 25.0]) / np.log(2.0))
    near = strength_of_sums(
        observed, expected, ("a", "b"), local=(2.0 * expected, expected), dispersion=0.1
    )
    assert_allclose(near.mean, got.mean - 1.0)
    assert np.all(near.se_expected > 0.0)
    assert np.all(near.se_counts > got.se_counts)


def test_requests_that_make_no_sense() -> None:
    table = looped(samples=(1, 1))
    fit = fit_expected(table.without(pixels=LOOPS))
    got = loop_strength(fit, table, TARGET)
    with pytest.raises(ValueError, match="no condition 'cases'"):
        difference(got, "cases", "control")
    with pytest.raises(ValueError, match="first and second are both 'case'"):
        difference(got, "case", "case")
    with pytest.raises(ValueError, match=r"donut = \(4, 1\)"):
        loop_strength(fit, table, TARGET, donut=(4, 1))
    with pytest.raises(ValueError, match=r"shape \(2, 276\) and table counts of shape \(8, 276\)"):
        loop_strength(fit, looped(), TARGET)
    with pytest.raises(ValueError, match=r"pixel \(0, 40\) is not in the table"):
        loop_strength(fit, table, (0, 40))
    with pytest.raises(ValueError, match=r"expected\[0, 0\] = 0.0 must be above 0"):
        strength_of_sums([[1.0]], [[0.0]], ("a",))
    with pytest.raises(ValueError, match=r"local\[0\] = 0.0 must be above 0"):
        strength_of_sums([[1.0]], [[1.0]], ("a",), local=([[0.0]], [[1.0]]))
    gone = table.counts.copy()
    gone[0, table.pixel(*TARGET)] = np.nan
    missing = ContactTable(gone, table.bin1, table.bin2, table.condition, table.covariates)
    with pytest.raises(ValueError, match=r"counts\[0, 0\] = nan is no count of a loop"):
        loop_strength(fit, missing, TARGET)
    empty = np.where(np.arange(table.bin1.size) == table.pixel(*TARGET), table.counts, 0.0)
    with pytest.raises(ValueError, match="contacts lie around the pixel"):
        loop_strength(fit, replace(table, counts=empty), TARGET, donut=(1, 3))
