"""Stored values of published programs: the textbook against them, then what users call."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from refsolve.methods.contact_expected import (
    Background,
    Contacts,
    ContactTable,
    Smoothing,
    View,
    arms,
    balance,
    contacts_from_pixels,
    expected_cis,
    expected_trans,
    fit_expected,
    local_background,
    observed_expected,
    pile_up,
    textbook,
    upper_tail,
    whole_chromosomes,
)

GOLD = Path(__file__).parents[2] / "gold" / "contact_expected"
MATRICES = ("small", "small_rep2")
EXACT = {"rtol": 1e-12, "atol": 0}


class Gold(NamedTuple):
    bins: pd.DataFrame
    counts: np.ndarray
    chromosome: np.ndarray
    arm: np.ndarray


def table(name: str) -> pd.DataFrame:
    packed = GOLD / f"{name}.csv.gz"
    return pd.read_csv(packed if packed.exists() else GOLD / f"{name}.csv")


@cache
def gold(name: str) -> Gold:
    bins, pixels = table(f"{name}_bins"), table(f"{name}_pixels")
    counts = np.zeros((len(bins), len(bins)))
    counts[pixels["bin1_id"], pixels["bin2_id"]] = pixels["count"]
    counts[pixels["bin2_id"], pixels["bin1_id"]] = pixels["count"]
    view = table("view")
    arm = np.zeros(len(bins), dtype=np.int64)
    for code, row in view.iterrows():
        inside = (bins["chrom"] == row["chrom"]) & (bins["start"] >= row["start"])
        arm[inside & (bins["end"] <= row["end"])] = code
    return Gold(bins, counts, pd.factorize(bins["chrom"])[0], arm)


def scaled(name: str, weight: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Values of all pixels and which bins are valid; raw counts without weights."""
    one = gold(name)
    if weight is None:
        return one.counts, np.ones(len(one.bins), dtype=bool)
    w = one.bins[weight].to_numpy()
    return textbook.balanced(one.counts, w), np.isfinite(w)


def by_distance(name: str, weight: str | None, code: np.ndarray, region: int) -> textbook.Diagonals:
    values, valid = scaled(name, weight)
    inside = np.flatnonzero(code == region)
    usable = textbook.usable_pixels(valid[inside])
    return textbook.diagonals(values[np.ix_(inside, inside)], usable)


# --- balancing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MATRICES)
def test_weights_are_those_of_cooler_before_convergence_too(name: str) -> None:
    one = gold(name)
    valid = textbook.bins_to_balance(one.counts, one.chromosome)
    fit = textbook.ice(one.counts, valid, max_iters=500)
    np.testing.assert_allclose(fit.weight, one.bins["weight"], rtol=1e-12, atol=0)
    assert not fit.converged


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("chromosome", (0, 1))
def test_newton_reaches_within_ten_steps_what_iteration_converges_to(
    name: str, chromosome: int
) -> None:
    one = gold(name)
    inside = np.flatnonzero(one.chromosome == chromosome)
    counts = one.counts[np.ix_(inside, inside)]
    valid = textbook.bins_to_balance(counts, np.zeros(inside.size))
    iterated = textbook.ice(counts, valid, tol=1e-20, max_iters=3000)
    newton = textbook.newton(counts, valid, tol=1e-24)
    assert iterated.converged
    assert newton.iterations <= 10 < iterated.iterations
    np.testing.assert_allclose(newton.weight, iterated.weight, rtol=1e-8, atol=0)


# --- expected ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("weight", ("weight", "weight_masked", None))
@pytest.mark.parametrize("view", ("chroms", "arms"))
def test_expected_by_distance_is_that_of_cooltools(
    name: str, weight: str | None, view: str
) -> None:
    one = gold(name)
    code = one.chromosome if view == "chroms" else one.arm
    stored = table(f"{name}_expected_cis_{view}_{weight or 'raw'}")
    parts = []
    for region, (_, rows) in enumerate(stored.groupby("region1", sort=False)):
        part = by_distance(name, weight, code, region)
        parts.append(part)
        np.testing.assert_array_equal(part.n, rows["n_valid"])
        total, mean = ("balanced.sum", "balanced.avg") if weight else ("count.sum", "count.avg")
        np.testing.assert_allclose(part.total[2:], rows[total].iloc[2:], **EXACT)
        np.testing.assert_allclose(textbook.mean_by_distance(part), rows[mean], **EXACT)
        if weight:
            np.testing.assert_allclose(
                textbook.smooth(part, ignored_as_zero=True), rows["balanced.avg.smoothed"], **EXACT
            )
    if weight:
        together = textbook.smooth(textbook.pool(parts), ignored_as_zero=True)
        for (_, rows), part in zip(stored.groupby("region1", sort=False), parts, strict=True):
            np.testing.assert_allclose(
                together[1 : part.n.size], rows["balanced.avg.smoothed.agg"].iloc[1:], **EXACT
            )


def test_smoothing_without_the_ignored_diagonal_is_higher_at_the_first_distance() -> None:
    one = gold("small")
    for region in range(4):
        part = by_distance("small", "weight_masked", one.arm, region)
        ours, theirs = textbook.smooth(part), textbook.smooth(part, ignored_as_zero=True)
        assert np.isnan(ours[:2]).all()
        assert ours[2] / theirs[2] - 1 == pytest.approx(0.009, abs=0.0003)
        np.testing.assert_allclose(ours[4:], theirs[4:], rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", MATRICES)
def test_blocks_between_arms_are_those_of_cooltools(name: str) -> None:
    values, valid = scaled(name, "weight_masked")
    arm, stored = gold(name).arm, table(f"{name}_expected_cis_arms_interarm")
    for first, (p, q) in ((0, ("chrA_p", "chrA_q")), (2, ("chrB_p", "chrB_q"))):
        rows = stored[(stored["region1"] == p) & (stored["region2"] == q)].set_index("dist")
        left, right = np.flatnonzero(arm == first), np.flatnonzero(arm == first + 1)
        offset = int(right[0] - left[0])
        counts = textbook.pair_counts_between(valid[left], valid[right], offset)
        np.testing.assert_array_equal(counts[rows.index], rows["n_valid"])
        block = values[np.ix_(left, right)]
        usable = np.logical_and.outer(valid[left], valid[right])
        distance = right - left[:, np.newaxis]
        total = np.bincount(distance[usable], weights=block[usable], minlength=counts.size)
        used = rows.index >= 2
        np.testing.assert_allclose(
            total[rows.index[used]], rows["balanced.sum"][used], rtol=1e-12, atol=1e-18
        )


@pytest.mark.parametrize("name", MATRICES)
def test_expected_between_chromosomes_is_that_of_cooltools(name: str) -> None:
    stored = table(f"{name}_expected_trans").iloc[0]
    code = gold(name).chromosome
    for weight, total, mean in (
        ("weight_masked", "balanced.sum", "balanced.avg"),
        (None, "count.sum", "count.avg"),
    ):
        values, _ = scaled(name, weight)
        _, valid = scaled(name, "weight_masked")
        usable = textbook.usable_pixels(valid)
        usable &= (code[:, np.newaxis] == 0) & (code == 1)
        block = textbook.expected_trans(values, usable)
        assert block.n == stored["n_valid"]
        assert block.total == pytest.approx(stored[total], rel=1e-12)
        assert block.mean == pytest.approx(stored[mean], rel=1e-12)


# --- loops ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MATRICES)
def test_windows_around_loops_are_those_of_cooltools(name: str) -> None:
    code, loops = gold(name).chromosome, table(f"{name}_loops")
    values, valid = scaled(name, "weight_masked")
    stored = {kind: np.load(GOLD / f"{name}_pileup_{kind}.npy") for kind in ("obs", "oe")}
    found: dict[str, list[np.ndarray]] = {"obs": [], "oe": []}
    for row in loops.itertuples():
        inside = np.flatnonzero(code == int(row.c))
        block, usable = values[np.ix_(inside, inside)], textbook.usable_pixels(valid[inside])
        mean = textbook.mean_by_distance(textbook.diagonals(block, usable))
        ratio = textbook.observed_over_expected(block, usable, mean)
        i, j = row.start1 // 10_000, row.start2 // 10_000
        found["obs"].append(textbook.snippet(block, i, j, 5))
        found["oe"].append(textbook.snippet(ratio, i, j, 5))
    for kind, windows in found.items():
        np.testing.assert_allclose(np.stack(windows), stored[kind], rtol=1e-12, atol=1e-15)
    centre = np.array([window[5, 5] for window in found["oe"]])
    np.testing.assert_allclose(centre, loops["center_oe"], **EXACT)
    patch = [np.nanmean(window[4:7, 4:7]) for window in found["oe"]]
    np.testing.assert_allclose(patch, loops["mean3x3_oe"], **EXACT)
    mean = textbook.pile_up(found["oe"])
    np.testing.assert_allclose(mean, np.nanmean(stored["oe"], axis=0), **EXACT)


def test_local_background_is_that_of_the_published_dots() -> None:
    code, weight = gold("small").chromosome, gold("small").bins["weight"].to_numpy()
    values, valid = scaled("small", "weight")
    dots = table("small_dots")
    for row, stored in zip(dots.itertuples(), dots["la_exp.donut.value"], strict=True):
        inside = np.flatnonzero(code == ("chrA", "chrB").index(row.chrom1))
        block, usable = values[np.ix_(inside, inside)], textbook.usable_pixels(valid[inside])
        mean = textbook.mean_by_distance(textbook.diagonals(block, usable))
        i, j = row.start1 // 10_000, row.start2 // 10_000
        distance = np.abs(np.subtract.outer(np.arange(inside.size), np.arange(inside.size)))
        ratio = textbook.donut_ratio(np.where(usable, block, np.nan), mean[distance], i, j, 2, 5)
        counts = textbook.expected_counts(mean, weight[inside])[i, j]
        assert counts * ratio == pytest.approx(stored, rel=1e-12)


# --- negative binomial ---------------------------------------------------------------------------


@cache
def model_rows() -> pd.DataFrame:
    return table("nb_table")


def rows_of(model: str) -> np.ndarray:
    data = model_rows()
    inside = np.eye(2)[pd.factorize(data["rep"])[0]]
    slopes = inside * data["logd"].to_numpy()[:, np.newaxis]
    return {
        "loglog": lambda: np.column_stack([inside, data["gc"], data["logd"], data["logd"] ** 2]),
        "bs6": lambda: np.column_stack(
            [np.ones(len(data)), inside[:, 1], data["gc"], textbook.spline_basis(data["D"], 6)]
        ),
        "repslope": lambda: np.column_stack([inside, data["gc"], slopes]),
    }[model]()


@pytest.mark.parametrize("row, model", [(0, "loglog"), (1, "bs6"), (2, "repslope")])
def test_negative_binomial_fit_is_that_of_glm_nb(row: int, model: str) -> None:
    x, y = rows_of(model), model_rows()["counts"].to_numpy()
    fit = textbook.fit_nb(x, y)
    coefficients, stored = table(f"nb_{model}_coef"), table("nb_models").iloc[row]
    np.testing.assert_allclose(fit.beta, coefficients["Estimate"], rtol=0, atol=1e-9)
    se = np.sqrt(np.diag(fit.cov))
    np.testing.assert_allclose(se, coefficients["Std..Error"], rtol=1e-8, atol=0)
    assert fit.theta == pytest.approx(stored["theta"], rel=1e-8)
    assert fit.theta_se == pytest.approx(stored["se"], rel=1e-5)
    assert fit.log_likelihood == pytest.approx(stored["ll"], abs=1e-6)
    head = table(f"nb_{model}_head500")
    mu = np.exp(x[:500] @ fit.beta)
    np.testing.assert_allclose(mu, head["mu"], rtol=1e-9, atol=0)
    tail = textbook.upper_tail(y[:500], mu, fit.theta)
    np.testing.assert_allclose(tail, head["p.upper"], rtol=1e-8, atol=0)
    residual = textbook.deviance_residual(y[:500], mu, fit.theta)
    np.testing.assert_allclose(residual, head["dev.resid"], rtol=0, atol=1e-7)


# --- what users call -----------------------------------------------------------------------------


@cache
def contacts(name: str) -> Contacts:
    pixels = table(f"{name}_pixels")
    return contacts_from_pixels(
        gold(name).bins, pixels["bin1_id"], pixels["bin2_id"], pixels["count"]
    )


def view_of(name: str, view: str) -> View:
    pixels = contacts(name)
    if view == "chroms":
        return whole_chromosomes(pixels)
    return arms(pixels, {"chrA": 1_200_000, "chrB": 800_000})


@pytest.mark.slow
@pytest.mark.parametrize("name", MATRICES)
def test_balance_gives_the_weights_of_cooler(name: str) -> None:
    fit = balance(contacts(name), max_iters=500)
    np.testing.assert_allclose(fit.weights, gold(name).bins["weight"], rtol=1e-8, atol=0)
    assert not fit.converged
    by_chromosome = {
        method: balance(contacts(name), scope="cis", method=method, tol=tol, max_iters=3000)
        for method, tol in (("ice", 1e-20), ("newton", 1e-24))
    }
    assert all(fit.converged for fit in by_chromosome.values())
    ice, newton = (by_chromosome[method].weights for method in ("ice", "newton"))
    np.testing.assert_allclose(newton, ice, rtol=1e-8, atol=0)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("weight", ("weight", "weight_masked", None))
@pytest.mark.parametrize("view", ("chroms", "arms"))
def test_expected_cis_gives_the_table_of_cooltools(
    name: str, weight: str | None, view: str
) -> None:
    stored = table(f"{name}_expected_cis_{view}_{weight or 'raw'}")
    weights = None if weight is None else gold(name).bins[weight]
    found = expected_cis(
        contacts(name),
        view=view_of(name, view),
        weights=weights,
        smoothing=Smoothing() if weight else None,
        aggregate=weight is not None,
    ).to_frame()
    for column in ("dist", "n_total", "n_valid"):
        np.testing.assert_array_equal(found[column], stored[column])
    # their count.avg is over all pairs, masked ones too
    found["count.avg"] *= found["n_valid"] / found["n_total"]
    for column in ("count.sum", "count.avg", "balanced.sum", "balanced.avg"):
        if column in stored:
            np.testing.assert_allclose(found[column], stored[column], rtol=1e-10, atol=1e-18)
    # the ignored diagonal is a pixel without contacts there, and reaches distance 3
    far = stored["dist"] > 3
    for column in ("balanced.avg.smoothed", "balanced.avg.smoothed.agg"):
        if column in stored:
            np.testing.assert_allclose(found[column][far], stored[column][far], rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", MATRICES)
def test_blocks_between_arms_and_chromosomes(name: str) -> None:
    weights = gold(name).bins["weight_masked"]
    stored = table(f"{name}_expected_cis_arms_interarm")
    found = expected_cis(
        contacts(name), view=view_of(name, "arms"), weights=weights, inter=True
    ).to_frame()
    keys = ["region1", "region2", "dist"]
    both = stored.merge(found, on=keys, suffixes=("", "_found"), validate="one_to_one")
    assert len(both) == len(stored)
    np.testing.assert_array_equal(both["n_valid_found"], both["n_valid"])
    for column in ("balanced.avg", "count.sum"):
        np.testing.assert_allclose(both[f"{column}_found"], both[column], rtol=1e-10, atol=1e-18)
    trans, row = table(f"{name}_expected_trans"), expected_trans(contacts(name), weights=weights)
    for column in ("n_valid", "count.sum", "balanced.sum", "balanced.avg"):
        np.testing.assert_allclose(row.to_frame()[column], trans[column], rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", MATRICES)
def test_windows_and_ratios_of_loops(name: str) -> None:
    pixels, loops = contacts(name), table(f"{name}_loops")
    expected = expected_cis(pixels, weights=gold(name).bins["weight_masked"])
    first = pixels.chrom_offset[loops["c"].astype(int)]
    i, j = (first + loops[f"start{k}"] // 10_000 for k in (1, 2))
    stored = np.load(GOLD / f"{name}_pileup_oe.npy")
    windows = pile_up(pixels, i, j, flank=5, expected=expected, stack=True)
    np.testing.assert_allclose(windows.stack, stored, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(windows.mean, np.nanmean(stored, axis=0), rtol=1e-10, atol=0)
    ratio = observed_expected(pixels, expected, i, j)
    np.testing.assert_allclose(ratio, loops["center_oe"], rtol=1e-10, atol=0)


def test_local_background_from_counts_is_near_that_from_balanced_contacts() -> None:
    pixels, dots = contacts("small"), table("small_dots")
    expected = expected_cis(pixels, weights=gold("small").bins["weight"])
    first = pixels.chrom_offset[(dots["chrom1"] == "chrB").astype(int)]
    i, j = (first + dots[f"start{k}"] // 10_000 for k in (1, 2))
    found = local_background(pixels, i, j, expected=expected, inner=2, outer=5)
    local = found.local_expected("donut")
    np.testing.assert_allclose(local, dots["la_exp.donut.value"], rtol=0.05, atol=0)
    np.testing.assert_array_equal(found.observed[:, 0], dots["count"])


@pytest.mark.slow
def test_fit_expected_gives_slopes_dispersion_and_tails_of_glm_nb() -> None:
    data, bins = model_rows(), gold("small").bins
    deep, shallow = (rows for _, rows in data.groupby("rep"))
    for column in ("bin1", "bin2"):
        np.testing.assert_array_equal(deep[column], shallow[column])
    counts = np.stack([deep["counts"], shallow["counts"]])
    pixels = ContactTable(
        counts, deep["bin1"], deep["bin2"], ("r0", "r1"), covariates={"gc": bins["gc"]}
    )
    fit = fit_expected(pixels, Background(by_condition=("distance",)))
    coefficients, stored = table("nb_repslope_coef").set_index("term"), table("nb_models").iloc[2]
    named = {"gc": "gc", "repr0:logd": "log_distance[r0]", "repr1:logd": "log_distance[r1]"}
    for term, name in named.items():
        value, se = fit.of(name)
        assert value == pytest.approx(coefficients.loc[term, "Estimate"], abs=1e-6)
        assert se == pytest.approx(coefficients.loc[term, "Std..Error"], rel=1e-5)
    np.testing.assert_allclose(1 / fit.dispersion, stored["theta"], rtol=1e-5, atol=0)
    assert fit.log_likelihood == pytest.approx(stored["ll"], abs=1e-4)
    head = table("nb_repslope_head500")
    np.testing.assert_allclose(fit.mu[0, :500], head["mu"], rtol=1e-6, atol=0)
    tail = upper_tail(counts[0, :500], fit.mu[0, :500], fit.dispersion[0])
    np.testing.assert_allclose(tail, head["p.upper"], rtol=1e-6, atol=0)
