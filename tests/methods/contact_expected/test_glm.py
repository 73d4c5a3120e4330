"""The fitted expected: the textbook's maximum, exact aggregation, and what must hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import nbinom, poisson

from refsolve.core import jit
from refsolve.core.errors import AnalysisError
from refsolve.methods.contact_expected import (
    Background,
    ContactTable,
    aggregate_pairs,
    bin_classes,
    contact_table,
    fit_expected,
    self_check,
    textbook,
    upper_tail,
    zero_probability,
)
from refsolve.methods.contact_expected.kernels import glm
from tests.methods.contact_expected.samples import draw


def plain(table: ContactTable) -> tuple[np.ndarray, np.ndarray]:
    """Rows and counts of the textbook, sample by sample."""
    S, P = table.counts.shape
    code = table.code
    by_condition = np.column_stack([table.log_distance, table.term("gc")])
    x = textbook.design(
        np.repeat(np.arange(S), P),
        np.repeat(code, P),
        np.tile(by_condition, (S, 1)),
        np.tile(table.term("re_sites")[:, None], (S, 1)),
    )
    return x, table.counts.ravel()


def test_every_kernel_is_the_textbook_one() -> None:
    found = {name: (gap, passes) for name, gap, passes in self_check.self_check()}
    here = [name for name in jit.registered_kernels() if ".contact_expected." in name]
    assert here
    assert set(here) == set(found)
    assert all(gap <= passes for gap, passes in found.values())


@pytest.mark.parametrize("dispersion", [0.0, 0.02, 0.5])
def test_fit_is_the_textbook_maximum(dispersion: float) -> None:
    table = draw(1, n=16, samples=(2, 2), depth=60.0, dispersion=dispersion)
    x, y = plain(table)
    want, got = textbook.fit_nb(x, y), fit_expected(table)
    # The textbook orders coefficients in the same way.
    assert_allclose(got.coef, want.beta, rtol=1e-6, atol=1e-8)
    assert_allclose(got.covariance, want.cov, rtol=1e-5, atol=1e-12)
    assert_allclose(got.dispersion, 1.0 / want.theta, rtol=1e-5, atol=1e-9)
    assert got.log_likelihood == pytest.approx(want.log_likelihood, abs=1e-6)
    if not got.at_bound.any():
        assert_allclose(got.dispersion_se[0], want.theta_se / want.theta**2, rtol=1e-4)
    assert got.converged


def test_counts_as_regular_as_poisson_have_no_dispersion() -> None:
    table = draw(2, dispersion=0.0)
    even = replace(table, counts=np.rint(fit_expected(table).mu))
    fit, poissonian = fit_expected(even), fit_expected(even, Background(dispersion=0.0))
    assert fit.at_bound.all()
    assert np.isnan(fit.dispersion_se).all()
    assert_allclose(fit.coef, poissonian.coef, rtol=1e-9)
    assert fit.log_likelihood == pytest.approx(poissonian.log_likelihood)


def test_a_known_dispersion_is_kept() -> None:
    fit = fit_expected(draw(3), Background(dispersion=0.3))
    assert_array_equal(fit.dispersion, 0.3)
    assert not fit.at_bound.any()


def test_dispersion_by_condition() -> None:
    quiet, noisy = draw(4, samples=(3, 3), dispersion=0.01), draw(4, samples=(3, 3), dispersion=0.3)
    counts = np.vstack([quiet.counts[:3], noisy.counts[3:]])
    fit = fit_expected(replace(quiet, counts=counts), Background(dispersion="condition"))
    low, high = fit.dispersion_interval().T
    assert np.all((low[:3] < 0.01) & (high[:3] > 0.01))
    assert np.all((low[3:] < 0.3) & (high[3:] > 0.3))


def test_depth_moves_intercepts_only() -> None:
    table, model = draw(5, samples=(2, 2)), Background(dispersion=0.0)
    deeper = replace(table, counts=3.0 * table.counts)
    a, b = fit_expected(table, model), fit_expected(deeper, model)
    assert_allclose(b.coef - a.coef, np.where(np.arange(9) < 4, np.log(3.0), 0.0), atol=1e-8)
    # A sample has as many contacts as are expected of it.
    assert_allclose(a.mu.sum(axis=1), table.counts.sum(axis=1), rtol=1e-9)


def test_what_is_left_out_does_not_matter() -> None:
    table = draw(6, loops=[(0, 8, 15, 4.0)])
    other = table.counts.copy()
    other[:, table.pixel(8, 15)] = 1e6
    left = [t.without(pixels=[(8, 15)]) for t in (table, replace(table, counts=other))]
    a, b = (fit_expected(t) for t in left)
    assert_allclose(a.coef, b.coef, rtol=1e-12)
    assert a.n_pixels == table.counts.size - 8
    with_it = fit_expected(table)
    k = table.pixel(15, 8)
    assert with_it.mu[0, k] > a.mu[0, k]


def test_conditions_with_terms_of_their_own_are_fitted_apart() -> None:
    table = draw(7, samples=(2, 2))
    model = Background(by_condition=("distance", "gc", "re_sites"), dispersion=0.01)
    both, rows = fit_expected(table, model), np.arange(2)
    alone = ContactTable(
        table.counts[rows], table.bin1, table.bin2, table.condition[:2], table.covariates
    )
    assert_allclose(both.mu[rows], fit_expected(alone, model).mu, rtol=1e-9)


def test_a_term_that_says_nothing_is_dropped() -> None:
    table = draw(8)
    flat = replace(table, covariates={**table.covariates, "mappability": np.ones(24)})
    fit = fit_expected(flat)
    assert fit.dropped == ("mappability",)
    assert fit.of("mappability")[0] == 0.0
    assert_allclose(fit.mu, fit_expected(table).mu, rtol=1e-9)


@pytest.mark.slow
def test_spline_of_distance_follows_a_bend() -> None:
    table = draw(9, n=40, dispersion=0.0)
    bend = np.exp(-0.3 * (table.log_distance - 1.5) ** 2)
    bent = replace(table, counts=np.rint(table.counts * bend))
    line, spline = (fit_expected(bent, Background(distance=d)) for d in ("linear", "spline"))
    assert spline.log_likelihood > line.log_likelihood + 100.0
    assert spline.pearson < 1.1 < line.pearson or line.dispersion[0] > 3.0 * spline.dispersion[0]


def test_an_offset_is_a_known_part() -> None:
    table = draw(10, samples=(2, 2))
    known = np.outer([0.1, 0.2, 0.3, 0.4], np.ones(table.bin1.size)) - 0.5 * table.log_distance
    a, b = fit_expected(table), fit_expected(replace(table, offset=known))
    assert_allclose(a.mu, b.mu, rtol=1e-8)
    assert_allclose(b.coef - a.coef, [-0.1, -0.2, -0.3, -0.4, 0.5, 0.5, 0, 0, 0], atol=1e-7)


@pytest.mark.slow
def test_standard_errors_are_those_of_repetition() -> None:
    fits = [fit_expected(draw(s, n=16, samples=(2, 2), dispersion=0.02)) for s in range(80)]
    names = fits[0].names
    for name, truth in (("log_distance[case]", -0.9), ("gc[control]", 1.0), ("re_sites", 0.05)):
        k = names.index(name)
        z = np.array([(f.coef[k] - truth) / f.se[k] for f in fits])
        # 80 repetitions tell an SD of 1 from 1.25, and a mean of 0 from 0.3.
        assert 0.78 < z.std() < 1.25
        assert abs(z.mean()) < 0.35


# Cells of pairs


def test_cells_give_the_fit_of_single_pixels() -> None:
    rng = np.random.default_rng(11)
    table = draw(11, n=40, samples=(2, 1), depth=3.0, dispersion=0.2)
    covariates = {"gc": rng.choice([0.4, 0.45, 0.5], 40), "re_sites": rng.choice([4.0, 8.0], 40)}
    table = replace(table, covariates=covariates)
    low, targets = np.arange(40) == 7, [(3, 12), (20, 21), (7, 9)]
    single = fit_expected(table.without(masked=low, pixels=targets))
    chunks = []
    for counts in table.counts:
        k = np.flatnonzero(counts > 0.0)
        parts = (k[: k.size // 3], k[k.size // 3 :])
        chunks.append([(table.bin1[p], table.bin2[p], counts[p]) for p in parts])
    cells = aggregate_pairs(
        chunks,
        condition=table.condition,
        covariates=covariates,
        chrom_offset=[0, 40],
        longest=39,
        masked=low,
        targets=[(b, a) for a, b in targets],
    )
    fit = fit_expected(cells)
    assert fit.n_pixels == single.n_pixels == 3 * (39 * 38 // 2 - 2)
    assert fit.n_zero == single.n_zero > 0
    assert_allclose(fit.coef, single.coef, rtol=1e-7)
    assert_allclose(fit.se, single.se, rtol=1e-7)
    assert_allclose(fit.dispersion, single.dispersion, rtol=1e-6)
    assert fit.log_likelihood == pytest.approx(single.log_likelihood)


def test_zeros_are_counted_within_chromosomes_and_distances() -> None:
    one = (np.array([0]), np.array([3]), np.array([5]))
    cells = aggregate_pairs(
        [[one, (np.array([0, 0, 4]), np.array([1, 9, 4]), np.array([2, 3, 4]))]],
        condition=["a"],
        covariates={"gc": np.full(10, 0.4)},
        chrom_offset=[0, 6, 10],
        longest=4,
        shortest=2,
    )
    assert_array_equal(cells.distance, [2, 3, 4])
    assert_array_equal(cells.pairs[0], [4 + 2, 3 + 1, 2])
    assert_array_equal(cells.totals[0], [0, 5, 0])
    assert_array_equal(cells.left_out, [2 + 3 + 4])


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (([0], [10], [1]), r"bin2\[0\] = 10 must be below 10"),
        (([-1], [3], [1]), r"bin1\[0\] = -1"),
        (([0, 1], [3], [1]), "2 bin1, 1 bin2 and 1 counts"),
        (([0], [3], [np.nan]), r"count\[0\] = nan is no whole number"),
    ],
)
def test_chunks_that_are_none(chunk: tuple[list[float], ...], message: str) -> None:
    settings = {"condition": ["a"], "covariates": {"gc": np.full(10, 0.4)}, "longest": 4}
    with pytest.raises(ValueError, match=message):
        aggregate_pairs([[chunk]], chrom_offset=[0, 10], **settings)  # type: ignore[arg-type]


def test_classes_keep_equal_rows_and_cut_many() -> None:
    few, centre = bin_classes({"gc": np.array([0.4, 0.5, 0.4, np.nan])}, 10)
    assert few.tolist() == [0, 1, 0, -1]
    assert_allclose(centre, [[0.4], [0.5]])
    values = np.random.default_rng(1).normal(size=500)
    many, centre = bin_classes({"gc": values, "map": -values}, 9)
    assert many.max() < 9
    assert_allclose(centre[many[3], 0], values[many == many[3]].mean())


# Probabilities


@pytest.mark.parametrize("alpha", [0.0, 0.1, 2.0])
def test_tails_and_zeros_are_those_of_the_distribution(alpha: float) -> None:
    y, mu = np.array([0.0, 1.0, 5.0, 60.0]), np.array([2.0, 0.1, 5.0, 20.0])
    drawn = poisson(mu) if alpha == 0.0 else nbinom(1.0 / alpha, 1.0 / (1.0 + alpha * mu))
    assert_allclose(upper_tail(y, mu, alpha), drawn.sf(y - 1.0), rtol=1e-10)
    assert_allclose(zero_probability(mu, alpha), drawn.pmf(0), rtol=1e-12)


@pytest.mark.parametrize("x", [1e-9, 1e-4, 0.0199, 0.0201, 3.0])
def test_series_and_closed_form_meet(x: float) -> None:
    h, slope = glm.curvature_of_log(x)
    step = 1e-3 * max(x, 1e-3)
    above, below = glm.curvature_of_log(x + step)[0], glm.curvature_of_log(max(x - step, 0.0))[0]
    assert slope == pytest.approx((above - below) / (x + step - max(x - step, 0.0)), rel=2e-2)
    assert 0.0 < h <= 0.5


# Refusals


def test_what_cannot_be_fitted() -> None:
    table = draw(12, samples=(1, 1))
    empty = table.counts.copy()
    empty[1] = 0.0
    with pytest.raises(AnalysisError, match=r"sample control\.1 has no contact"):
        fit_expected(replace(table, counts=empty))
    use = np.zeros(table.counts.shape, dtype=bool)
    use[:, :3] = True
    with pytest.raises(AnalysisError, match=r"counts do not determine \d+ coefficients"):
        fit_expected(replace(table, use=use))
    with pytest.raises(ValueError, match="no coefficient 'map'"):
        fit_expected(table).of("map")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distance": "loess"}, "distance = 'loess'"),
        ({"df": 2}, "df = 2 must be at least 3"),
        ({"dispersion": "all"}, "dispersion = 'all'"),
        ({"dispersion": -1.0}, "dispersion = -1.0 must be finite"),
    ],
)
def test_models_that_are_none(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Background(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bin2": [0, 2, 2]}, r"bin2\[0\] = 0 must be above bin1"),
        ({"bin2": [1, 2, 3]}, r"bin2\[2\] = 3 has no covariates"),
        ({"counts": [[1.5, 1.0, 2.0]]}, r"counts\[0, 0\] = 1.5 is no whole number"),
        (
            {"counts": [[2e8, 1.0, 2.0]]},
            r"counts\[0, 0\] = 200000000.0 is above 100,000,000 contacts",
        ),
        ({"counts": [[-1.0, 1.0, 2.0]]}, r"counts\[0, 0\] = -1.0 is used and no count"),
        ({"condition": ("a", "b")}, r"condition has shape \(2,\); expected \(1,\)"),
        ({"covariates": {"gc": [0.4, np.nan, 0.4]}}, r"gc\[1\] = nan is not finite"),
        ({"covariates": {"gc": [1.0, 2.0, 3.0], "map": [1.0]}}, "one value per bin"),
        ({"offset": np.zeros((1, 2))}, r"offset has shape \(1, 2\)"),
    ],
)
def test_tables_that_are_none(changes: dict[str, object], message: str) -> None:
    good = {
        "counts": [[4.0, 1.0, 2.0]],
        "bin1": [0, 0, 1],
        "bin2": [1, 2, 2],
        "condition": ("a",),
        "covariates": {"gc": [0.4, 0.5, 0.4]},
    }
    ContactTable(**good)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        ContactTable(**{**good, **changes})  # type: ignore[arg-type]


def test_tables_from_rows_fill_zeros() -> None:
    rows = {"sample": [0, 0, 1], "bin1": [0, 2, 1], "bin2": [1, 0, 1], "count": [5, 7, 9]}
    settings = {"condition": ("a", "b"), "covariates": {"gc": [0.4, 0.5, 0.6]}, "n_bins": 3}
    table = contact_table(**rows, **settings)  # type: ignore[arg-type]
    assert_array_equal(table.counts, [[5, 7, 0], [0, 0, 0]])
    assert_allclose(table.term("gc"), [0.45, 0.5, 0.55])
    with pytest.raises(ValueError, match="repeats a pixel"):
        contact_table(**{**rows, "bin2": [2, 0, 1]}, **settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pixel"):
        table.pixel(0, 7)
    with pytest.raises(ValueError, match="masked names the condition 'c'"):
        table.without(masked={"c": [1]})
    with pytest.raises(ValueError, match="masked has shape"):
        table.without(masked=np.zeros(7, dtype=bool))


def test_masks_by_condition() -> None:
    table = draw(13, samples=(1, 2))
    touched = (table.bin1 == 5) | (table.bin2 == 5)
    for masked in ({"control": [5]}, np.arange(24) == np.array([[-1], [5]])):
        use = table.without(masked=masked).used
        assert use[0].all()
        assert_array_equal(use[1:], np.tile(~touched, (2, 1)))
