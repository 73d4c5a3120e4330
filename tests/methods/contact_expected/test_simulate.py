"""The simulator: reproducible, true to its design, and wrong turns as its formulas say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from refsolve.methods.contact_expected import textbook
from refsolve.methods.contact_expected.simulate import (
    ContactDesign,
    SimulatedContacts,
    coarsen,
    simulate_contacts,
)

PLAIN = {
    "decay": (-1.0,),
    "gc_effect": (0.0,),
    "site_effect": 0.0,
    "mappability_effect": 0.0,
    "depth_sd": 0.0,
    "low_bins": 0,
    "stripes": (0,),
}


def mean_matrix(data: SimulatedContacts, condition: str, *, background: bool = False) -> np.ndarray:
    i, j = np.indices((len(data.bins),) * 2)
    return (data.background if background else data.mean)(condition, i, j)


def same_distance(matrix: np.ndarray, d: int, usable: np.ndarray | None = None) -> float:
    usable = np.ones(matrix.shape, dtype=bool) if usable is None else usable
    part = textbook.diagonals(matrix, usable)
    return float(textbook.mean_by_distance(part, 0)[d])


def stacked(data: SimulatedContacts, condition: str) -> np.ndarray:
    """(replicates, N, N) upper triangles."""
    n, rows = len(data.bins), data.pixels[data.pixels["condition"] == condition]
    counts = np.zeros((data.design.replicates, n, n))
    counts[rows["replicate"] - 1, rows["bin1"], rows["bin2"]] = rows["count"]
    return counts


# --- tables --------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_tables() -> None:
    one, two = simulate_contacts(rng=5), simulate_contacts(rng=5)
    for name in ("bins", "pixels", "depth", "loops", "stripes"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    assert not one.pixels.equals(simulate_contacts(rng=6).pixels)


def test_tables_have_the_form_that_files_need() -> None:
    design = ContactDesign(bins=(40, 30), trans=0.02, replicates=2)
    data = simulate_contacts(design, rng=1)
    assert data.bins["chrom"].tolist() == ["chr1"] * 40 + ["chr2"] * 30
    assert (data.bins["end"] - data.bins["start"]).unique().tolist() == [20_000]
    assert data.bins["arm"].unique().tolist() == ["chr1_p", "chr1_q", "chr2_p", "chr2_q"]
    assert (data.bins["arm"] == "chr1_p").sum() == 16
    keys = ["condition", "replicate"]
    assert len(data.pixels.groupby(keys)) == 4
    for (condition, replicate), rows in data.pixels.groupby(keys):
        order = rows["bin1"] * 1_000 + rows["bin2"]
        assert order.is_monotonic_increasing
        assert order.is_unique
        assert (rows["bin1"] <= rows["bin2"]).all()
        assert (rows["count"] > 0).all()
        own = data.pixels_of(str(condition), int(replicate))
        assert own["count"].sum() == rows["count"].sum()
        dense = data.dense(str(condition), int(replicate))
        np.testing.assert_array_equal(dense, dense.T)
        assert np.triu(dense).sum() == rows["count"].sum()
    trans = data.bins["chrom"].to_numpy()[data.pixels[["bin1", "bin2"]].to_numpy()]
    assert (trans[:, 0] != trans[:, 1]).any()


def test_structure_is_placed_apart() -> None:
    design = ContactDesign(
        bins=(60, 50), loops=6, stripes=(2, 3), stripe_log2=(1.0, -1.5), low_bins=5
    )
    data = simulate_contacts(design, rng=2)
    assert data.stripes.groupby("condition")["log2"].apply(list).to_dict() == {
        "case": [1.0, 1.0],
        "control": [-1.5] * 3,
    }
    special = [*data.loops.to_numpy().ravel(), *data.stripes["bin"]]
    assert len(set(special)) == len(special) == 17
    assert (data.bins["mappability"].iloc[special] >= 0.9).all()
    assert (data.bins["mappability"] < 0.65).sum() == 5
    d = (data.loops["bin2"] - data.loops["bin1"]).to_numpy()
    assert ((d >= 5) & (d <= 20)).all()


def test_no_contacts_beyond_the_reach_nor_between_chromosomes_unless_asked() -> None:
    data = simulate_contacts(ContactDesign(bins=(40, 30), reach=12, loop_distance=(5, 9)), rng=3)
    pixels = data.pixels
    assert (pixels["bin2"] - pixels["bin1"]).max() == 12
    chrom = data.bins["chrom"].to_numpy()
    assert (chrom[pixels["bin1"]] == chrom[pixels["bin2"]]).all()


def test_matrices_can_be_written_as_cool(tmp_path: Path) -> None:
    pytest.importorskip("cooler")
    from refsolve.io.cool import open_cool
    from refsolve.io.cool_write import write_cool, write_mcool

    data = simulate_contacts(ContactDesign(bins=(40, 30), trans=0.02), rng=1)
    own, bins = data.pixels_of("case", 2), data.bins.drop(columns="arm")
    stored = open_cool(write_cool(tmp_path / "one.cool", bins, own))
    bin2, count = stored.read(0, stored.n_pixels)
    np.testing.assert_array_equal(bin2, own["bin2"])
    np.testing.assert_array_equal(count, own["count"])
    np.testing.assert_allclose(stored.column("gc_content"), data.bins["gc_content"], rtol=1e-12)
    both = {20_000: (bins, own), 40_000: coarsen(data.bins, own, 2)}
    coarse = open_cool(write_mcool(tmp_path / "both.mcool", both), 40_000)
    assert coarse.n_bins == 35
    assert coarse.read(0, coarse.n_pixels)[1].sum() == own["count"].sum()


# --- distribution --------------------------------------------------------------------------------


def test_counts_have_the_mean_and_variance_of_the_design() -> None:
    design = ContactDesign(replicates=300, dispersion=0.05, depth_sd=0.0, bins=(24,))
    data = simulate_contacts(design, rng=4)
    counts = stacked(data, "case")
    mean = design.depth * mean_matrix(data, "case")
    pixels = np.triu_indices(24)
    z = (counts.mean(axis=0) - mean) / np.sqrt((mean + 0.05 * mean**2) / 300)
    # 300 pixels: the largest of them stays below 4.5
    assert np.abs(z[pixels]).max() < 4.5
    assert np.std(z[pixels]) == pytest.approx(1, abs=0.15)
    ratio = counts.var(axis=0, ddof=1) / (mean + 0.05 * mean**2)
    assert ratio[pixels].mean() == pytest.approx(1, abs=0.03)


def test_without_dispersion_counts_are_poisson() -> None:
    design = ContactDesign(replicates=200, dispersion=0.0, depth_sd=0.0, bins=(24,), depth=50)
    data = simulate_contacts(design, rng=5)
    counts = stacked(data, "control")[:, *np.triu_indices(24)]
    fano = counts.var(axis=0, ddof=1) / counts.mean(axis=0)
    assert fano.mean() == pytest.approx(1, abs=0.03)


def test_log_mean_is_linear_in_what_the_model_of_counts_knows() -> None:
    data = simulate_contacts(ContactDesign(mappability_effect=0.0), rng=6)
    i, j = np.triu_indices(60, 1)
    gc, sites = data.bins["gc_content"].to_numpy(), data.bins["re_sites"].to_numpy()
    x = np.column_stack(
        [np.ones(i.size), np.log(j - i), (gc[i] + gc[j]) / 2, (sites[i] + sites[j]) / 2]
    )
    for condition, decay, gc_effect in (("case", -0.8, 1.5), ("control", -0.9, 1.0)):
        log_mean = np.log(data.background(condition, i, j))
        beta, residual = np.linalg.lstsq(x, log_mean)[:2]
        np.testing.assert_allclose(beta[1:], [decay, gc_effect, 0.02], rtol=1e-9, atol=0)
        assert residual.item() < 1e-18


def test_model_of_counts_finds_the_truth_of_a_clean_design() -> None:
    data = simulate_contacts(ContactDesign(stripes=(0,), low_bins=0, dispersion=0.01), rng=7)
    a, b = data.loops.iloc[0]
    i, j = np.triu_indices(60, 1)
    k = np.flatnonzero((i == a) & (j == b))[0]
    gc, sites = data.bins["gc_content"].to_numpy(), data.bins["re_sites"].to_numpy()
    terms = np.column_stack([np.log(j - i), (gc[i] + gc[j]) / 2])
    shared = ((sites[i] + sites[j]) / 2)[:, np.newaxis]
    samples = [(c, r) for c in ("case", "control") for r in (1, 2, 3)]
    x = textbook.design(
        np.repeat(np.arange(6), i.size),
        np.repeat([0, 0, 0, 1, 1, 1], i.size),
        np.tile(terms, (6, 1)),
        np.tile(shared, (6, 1)),
    )
    y = np.concatenate([data.dense(c, r)[i, j] for c, r in samples])
    keep = np.tile(np.arange(i.size) != k, 6)
    fit = textbook.fit_nb(x[keep], y[keep])
    assert 1 / fit.theta == pytest.approx(0.01, abs=0.004)
    rows = np.flatnonzero(~keep)
    for contrast, truth in (([1, 1, 1, 0, 0, 0], 2.0), ([0, 0, 0, 1, 1, 1], 0.0)):
        found, of_model, whole = textbook.strength_contrast(
            y[rows], x[rows], fit, np.array(contrast) / 3
        )
        assert found == pytest.approx(truth, abs=4 * whole)
        depth = [data.depth_of(c, r) for c, r in samples]
        log2 = [np.log2(y[r] / d) for r, d in zip(rows, depth, strict=True)]
        log2 -= np.log2([data.background(c, a, b) for c, _ in samples])
        latent = float(np.array(contrast) / 3 @ log2)
        # mappability is not in the model: a few percent of noise in the truth itself
        assert found == pytest.approx(latent, abs=4 * of_model + 0.05)


# --- structure -----------------------------------------------------------------------------------


def test_loops_and_stripes_multiply_what_they_should() -> None:
    design = ContactDesign(loops=2, stripes=(1, 1), stripe_log2=(1.0, -2.0))
    data = simulate_contacts(design, rng=8)
    for condition, loop, stripe in (("case", 2.0, 1.0), ("control", 0.0, -2.0)):
        log2 = np.log2(mean_matrix(data, condition) / mean_matrix(data, condition, background=True))
        bin_ = data.stripes.set_index("condition").loc[condition, "bin"]
        expected = np.zeros((60, 60))
        expected[bin_] = expected[:, bin_] = stripe
        for a, b in data.loops.to_numpy():
            expected[a, b] += loop
            expected[b, a] += loop
        np.testing.assert_allclose(log2, expected, rtol=0, atol=1e-12)


def test_compartments_and_domains_raise_their_own_pixels() -> None:
    plain = {**PLAIN, "loops": 0, "decay": (0.0,)}
    design = ContactDesign(**plain, compartment=0.6, tad=0.0)
    data = simulate_contacts(design, rng=9)
    sign = data.landscape.compartment
    log = np.log(mean_matrix(data, "case"))
    np.testing.assert_allclose(log, 0.3 * np.outer(sign, sign), rtol=0, atol=1e-12)
    assert set(sign.tolist()) == {-1, 1}
    data = simulate_contacts(ContactDesign(**plain, compartment=0.0, tad=0.5), rng=9)
    tad = data.landscape.tad
    log = np.log(mean_matrix(data, "case"))
    np.testing.assert_allclose(log, 0.5 * (tad[:, np.newaxis] == tad), rtol=0, atol=1e-12)
    assert (np.diff(tad) >= 0).all()
    assert 2 <= tad.max() < 30


def test_visibility_is_what_balancing_removes() -> None:
    design = ContactDesign(**PLAIN, loops=0, coverage_sd=0.5, dispersion=0.0)
    data = simulate_contacts(design, rng=10)
    mean = mean_matrix(data, "case")
    weight = textbook.newton(mean, np.ones(60), tol=1e-26).weight
    ideal = mean / np.outer(data.landscape.coverage, data.landscape.coverage)
    flat = textbook.newton(ideal, np.ones(60), tol=1e-26).weight
    np.testing.assert_allclose(weight * data.landscape.coverage, flat, rtol=1e-9, atol=0)


# --- wrong turns ---------------------------------------------------------------------------------


def strength_of(data: SimulatedContacts, expected: float) -> float:
    a, b = data.loops.iloc[0]
    return float(np.log2(data.mean("case", a, b) / expected))


def test_loop_in_its_own_expected() -> None:
    data = simulate_contacts(ContactDesign(**PLAIN), rng=11)
    a, b = data.loops.iloc[0]
    d, n = int(b - a), 60 - int(b - a)
    wrong = strength_of(data, same_distance(mean_matrix(data, "case"), d))
    assert wrong == pytest.approx(2 - np.log2(1 + 3 / n), rel=1e-9)


@pytest.mark.parametrize("log2", (1.5, -1.5))
def test_a_stripe_that_is_kept(log2: float) -> None:
    design = ContactDesign(**PLAIN | {"stripes": (1,), "stripe_log2": (log2,)})
    data = simulate_contacts(design, rng=12)
    (a, b), bin_ = data.loops.iloc[0], data.stripes["bin"].iloc[0]
    usable = textbook.usable_pixels(np.ones(60), excluded=[(a, b)])
    d = int(b - a)
    pairs = np.arange(60 - d)
    share = ((pairs == bin_) | (pairs + d == bin_)).sum() / (60 - d - 1)
    wrong = strength_of(data, same_distance(mean_matrix(data, "case"), d, usable))
    assert wrong == pytest.approx(2 - np.log2(1 + share * (2**log2 - 1)), rel=1e-9)
    assert np.sign(2 - wrong) == np.sign(log2)


def test_bins_of_low_mappability_that_are_kept() -> None:
    changes = {"low_bins": 6, "mappability_effect": 1.0, "low_mappability": (0.3, 0.5)}
    data = simulate_contacts(ContactDesign(**PLAIN | changes), rng=13)
    a, b = (int(v) for v in data.loops.iloc[0])
    m = data.bins["mappability"].to_numpy()
    usable = textbook.usable_pixels(np.ones(60), excluded=[(a, b)])
    clean = textbook.usable_pixels(m > 0.8, excluded=[(a, b)])
    mean = mean_matrix(data, "case")
    kept, masked = (same_distance(mean, b - a, u) for u in (usable, clean))
    assert kept < masked
    left = np.diagonal(usable & ~clean, b - a)
    relative = np.diagonal(mean, b - a)[left].mean() / masked
    share = left.sum() / np.diagonal(usable, b - a).sum()
    assert kept == pytest.approx(masked * (1 - share * (1 - relative)), rel=1e-12)


@pytest.mark.parametrize("dispersion", (0.0, 0.3))
def test_zeros_that_are_not_counted(dispersion: float) -> None:
    design = ContactDesign(
        **PLAIN, loops=0, depth=12.0, dispersion=dispersion, bins=(80,), replicates=60
    )
    data = simulate_contacts(design, rng=14)
    counts = np.diagonal(stacked(data, "case"), 20, axis1=1, axis2=2)
    mu = 12 / 20
    empty = np.exp(-mu) if dispersion == 0 else (1 + dispersion * mu) ** (-1 / dispersion)
    assert counts.mean() == pytest.approx(mu, abs=0.05)
    assert counts[counts > 0].mean() == pytest.approx(mu / (1 - empty), abs=0.06)


def test_wider_bins_dilute_a_loop() -> None:
    data = simulate_contacts(ContactDesign(**PLAIN | {"decay": (0.0,)}), rng=15)
    i, j = np.triu_indices(60)
    pixels = pd.DataFrame({"bin1": i, "bin2": j, "count": data.mean("case", i, j)})
    _, wide = coarsen(data.bins, pixels, 2)
    a, b = data.loops.iloc[0] // 2
    at = (wide["bin1"] == a) & (wide["bin2"] == b)
    assert wide.loc[at, "count"].item() / 4 == pytest.approx(1 + 3 / 4, rel=1e-12)


def test_one_slope_for_two_conditions() -> None:
    data = simulate_contacts(ContactDesign(**PLAIN | {"decay": (-0.6, -1.0)}, loops=0), rng=16)
    i, j = np.triu_indices(60, 1)
    log_d = np.log(j - i)
    log_mean = [np.log(data.background(c, i, j)) for c in ("case", "control")]
    x = np.column_stack([np.repeat(np.eye(2), i.size, axis=0), np.tile(log_d, 2)])
    wrong = np.concatenate(log_mean) - x @ np.linalg.lstsq(x, np.concatenate(log_mean))[0]
    np.testing.assert_allclose(wrong[: i.size], 0.2 * (log_d - log_d.mean()), rtol=0, atol=1e-9)


# --- wider bins and rules ------------------------------------------------------------------------


def test_wider_bins_keep_all_contacts_and_never_join_chromosomes() -> None:
    data = simulate_contacts(ContactDesign(bins=(41, 30), trans=0.01), rng=17)
    bins, pixels = coarsen(data.bins, data.pixels, 2)
    assert bins["chrom"].value_counts().to_dict() == {"chr1": 21, "chr2": 15}
    assert bins["end"].iloc[20] - bins["start"].iloc[20] == 20_000
    assert bins["start"].iloc[21] == 0
    assert bins["re_sites"].sum() == data.bins["re_sites"].sum()
    assert bins["gc_content"].iloc[0] == pytest.approx(data.bins["gc_content"].iloc[:2].mean())
    keys = ["condition", "replicate"]
    fine = data.pixels.groupby(keys)["count"].sum()
    pd.testing.assert_series_equal(pixels.groupby(keys)["count"].sum(), fine)
    assert (pixels["bin1"] <= pixels["bin2"]).all()
    same, again = coarsen(data.bins, data.pixels, 1)
    assert len(same) == len(data.bins)
    assert len(again) == len(data.pixels)
    plain, _ = coarsen(data.bins[["chrom", "start", "end"]], data.pixels, 3)
    assert plain.columns.tolist() == ["chrom", "start", "end"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"depth": 0.0}, "depth = 0.0 must be positive"),
        ({"replicates": 0}, "replicates = 0 must be at least 1"),
        ({"dispersion": -0.1}, "dispersion = -0.1 must not be negative"),
        ({"centromere": 1.2}, "centromere = 1.2 must lie in [0, 1]"),
        ({"bins": (1,)}, "bins = (1,) must name at least 2 bins"),
        ({"conditions": ("a", "a")}, "must be names that differ"),
        ({"decay": (1.0, 2.0, 3.0)}, "decay has 3 values; give 1 or 2"),
        ({"low_bins": 60}, "of 60; use fewer"),
        ({"loop_distance": (0, 5)}, "loop_distance = (0, 5) must lie in [1, 59]"),
        ({"loops": 25, "loop_distance": (58, 59)}, "find no free pixel"),
    ],
)
def test_designs_that_break_a_rule(changes: dict[str, object], message: str) -> None:
    import re

    with pytest.raises(ValueError, match=re.escape(message)):
        simulate_contacts(ContactDesign(**changes), rng=1)


def test_wider_bins_need_a_factor() -> None:
    data = simulate_contacts(rng=18)
    with pytest.raises(ValueError, match="factor = 0 must be at least 1"):
        coarsen(data.bins, data.pixels, 0)
