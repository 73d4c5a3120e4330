"""Bins and pixels that take no part: kernels against the textbook, and what the account says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from refsolve.methods.contact_expected import (
    Contacts,
    arms,
    combine,
    contacts_from_pixels,
    coverage,
    expected_cis,
    mask_bins,
    mask_low_coverage,
    mask_low_mappability,
    mask_rectangles,
    mask_regions,
    mask_unweighted,
    n_valid_pairs,
    rectangle,
    regions,
    textbook,
    visible_gap,
    whole_chromosomes,
)
from refsolve.methods.contact_expected.model.combine import count_pairs


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


def genome(*sizes: int, length: int = 10) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"chrom": f"chr{c}", "start": np.arange(n) * length})
        for c, n in enumerate(sizes)
    ]
    bins = pd.concat(parts, ignore_index=True)
    return bins.assign(end=bins["start"] + length)


def empty(*sizes: int) -> Contacts:
    return contacts_from_pixels(genome(*sizes), [], [], [])


def outside(n: int, boxes: list[tuple[int, int, int, int]]) -> np.ndarray:
    free = np.ones((n, n), bool)
    for a, b, c, d in boxes:
        free[a:b, c:d] = False
        free[c:d, a:b] = False
    return free


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_valid_pairs_are_the_autocorrelation(share: float, rng: np.random.Generator) -> None:
    valid = rng.random(70) >= share
    np.testing.assert_array_equal(n_valid_pairs(valid), textbook.pair_counts(valid))


@pytest.mark.parametrize("gap", [0, 1, 9])
@pytest.mark.parametrize("share", [0.05, 0.4, 0.95])
def test_valid_pairs_of_two_regions(share: float, gap: int, rng: np.random.Generator) -> None:
    valid = rng.random(60) >= share
    second = (25 + gap, 60)
    nearest = gap + 1
    got = count_pairs(valid, None, (5, 25), second, nearest)
    want = textbook.pair_counts_between(valid[5:25], valid[slice(*second)], second[0] - 5)
    np.testing.assert_array_equal(got, want[nearest:])


def test_rectangles_that_overlap_count_once(rng: np.random.Generator) -> None:
    boxes = [(3, 9, 20, 40), (5, 30, 25, 50), (0, 60, 10, 12), (2, 4, 2, 4), (20, 40, 3, 9)]
    valid = rng.random(60) >= 0.2
    mask = combine([0, 60], mask_rectangles(60, boxes), mask_bins(60, np.flatnonzero(~valid)))
    usable = textbook.usable_pixels(valid) & outside(60, boxes)
    got = n_valid_pairs(mask.valid, mask.rectangles)
    np.testing.assert_array_equal(got, textbook.count_pairs(usable))


def test_account_of_masks_is_that_of_enumeration(rng: np.random.Generator) -> None:
    sizes, boxes = (30, 20), [(0, 5, 10, 30), (35, 40, 30, 50)]
    one, two = rng.choice(50, 6, replace=False), rng.choice(50, 8, replace=False)
    masks = [mask_bins(50, one, name="one"), mask_bins(50, two, name="two")]
    account = combine(
        np.cumsum([0, *sizes]), *masks, mask_rectangles(50, boxes, name="box"), ignore_diags=2
    ).account
    chromosome = np.repeat([0, 1], sizes)
    i, j = np.indices((50, 50))
    pairs = (chromosome[:, None] == chromosome) & (j - i >= 2)
    usable = [np.logical_and.outer(~mask.removed, ~mask.removed) for mask in masks]
    usable.append(outside(50, boxes))
    together = np.logical_and.reduce(usable)
    assert account is not None
    assert account.n_pairs == pairs.sum()
    for k in range(3):
        others = np.logical_and.reduce([u for q, u in enumerate(usable) if q != k])
        assert account.pairs[k] == (pairs & ~usable[k]).sum()
        assert account.pairs_only[k] == (pairs & others & ~together).sum()
    assert account.pairs[3] == (pairs & ~together).sum()
    assert account.bins.tolist() == [6, 8, 0, np.union1d(one, two).size]
    assert account.bins_only[0] == np.setdiff1d(one, two).size
    assert account.to_frame()["name"].tolist() == ["one", "two", "box", "together"]


def test_no_mask_removes_nothing() -> None:
    mask = combine([0, 4, 6])
    assert mask.valid.all()
    assert mask.account is not None
    assert mask.account.to_frame()[["bins", "pairs"]].to_numpy().tolist() == [[0, 0]]
    assert mask.account.n_pairs == 3


def test_gap_is_that_of_the_textbook(rng: np.random.Generator) -> None:
    for _ in range(300):
        n = 2 * int(rng.integers(4, 30)) + 1
        low = rng.random(n) < 0.2
        value = np.where(low, rng.uniform(0.2, 0.7, n), rng.uniform(0.8, 1.0, n))
        cut, edges = textbook.gap_threshold(value), visible_gap(value)
        assert (cut is None) == (edges is None)
        if edges is not None:
            assert np.mean(edges) == pytest.approx(cut, rel=1e-12)


@pytest.mark.parametrize("n", [16, 24, 60])
@pytest.mark.parametrize("low, high", [((0.2, 0.35), (0.5, 0.7)), ((0.8, 0.85), (0.93, 0.96))])
@pytest.mark.parametrize("n_low", [1, 3])
def test_low_mappability_is_below_the_gap(
    n: int,
    low: tuple[float, float],
    high: tuple[float, float],
    n_low: int,
    rng: np.random.Generator,
) -> None:
    # Values of a narrow column are spread evenly, so that no gap opens among them by chance.
    value = np.linspace(*high, n)[rng.permutation(n)]
    bad = rng.choice(n, n_low, replace=False)
    value[bad] = rng.uniform(*low, n_low)
    mask = mask_low_mappability(value, fallback=0.8)
    assert mask.found
    assert np.flatnonzero(mask.removed).tolist() == sorted(bad.tolist())
    assert mask.edges[0] < mask.threshold < mask.edges[1]


def test_clean_mappability_removes_nothing(rng: np.random.Generator) -> None:
    found = [mask_low_mappability(rng.uniform(0.88, 0.99, 24)).n_removed for _ in range(300)]
    assert sum(found) == 0


def test_a_skewed_tail_seldom_shows_a_gap(rng: np.random.Generator) -> None:
    draws = rng.beta(40, 2, (500, 24))
    found = np.mean([visible_gap(values) is not None for values in draws])
    lenient = np.mean([visible_gap(values, spread=0.0) is not None for values in draws])
    assert found < 0.07
    assert found < 0.6 * lenient


def test_unknown_mappability_is_removed_and_a_threshold_obeyed() -> None:
    value = [0.9, np.nan, 0.7, 0.95, 0.92]
    assert mask_low_mappability(value).removed.tolist() == [False, True, True, False, False]
    given = mask_low_mappability(value, threshold=0.93)
    assert given.removed.tolist() == [True, True, True, False, True]
    assert not given.found
    assert "given" in given.reason


def test_low_coverage_is_that_of_the_textbook(rng: np.random.Generator) -> None:
    total = rng.lognormal(5.0, 0.3, 80)
    total[[3, 50]] = [0.0, 2.0]
    offset, chromosome = [0, 30, 80], np.repeat([0, 1], [30, 50])
    got = mask_low_coverage(total, mad_max=3.0, chrom_offset=offset).removed
    want = textbook.low_coverage(textbook.per_chromosome_median(total, chromosome), 3.0)
    np.testing.assert_array_equal(got, want)
    assert got[[3, 50]].all()


def test_bins_without_weight_are_accounted_for(rng: np.random.Generator) -> None:
    weight = rng.uniform(0.5, 1.0, 20)
    weight[[3, 4, 9]] = [np.nan, 0.0, np.inf]
    pixels = empty(20)
    mask = combine(pixels.chrom_offset, mask_unweighted(weight), mask_bins(20, [4, 5]))
    got = expected_cis(pixels, weights=weight, mask=mask)
    assert got.mask.account is not None
    assert got.mask.account.bins.tolist() == [3, 2, 4]
    assert got.mask.account.pairs[-1] == (got.n_total - got.n_valid)[2:].sum()
    np.testing.assert_array_equal(got.mask.valid, mask.valid)


def test_regions_in_bp_remove_the_bins_they_touch() -> None:
    pixels = empty(10, 6)
    removed = mask_regions(pixels, [("chr0", 15, 30), ("chr1", 0, 1)]).removed
    assert np.flatnonzero(removed).tolist() == [1, 2, 10]
    assert rectangle(pixels, ("chr0", 15, 30), ("chr1", 9, 11)) == (1, 3, 10, 12)


def test_views_are_ranges_of_bins() -> None:
    pixels = empty(10, 6)
    whole = whole_chromosomes(pixels)
    assert (whole.name, whole.low.tolist(), whole.high.tolist()) == (
        ("chr0", "chr1"),
        [0, 10],
        [10, 16],
    )
    halves = arms(pixels, {"chr0": 40})
    assert halves.name == ("chr0_p", "chr0_q", "chr1")
    assert halves.high.tolist() == [4, 10, 16]
    table = pd.DataFrame({"chrom": ["chr1", "chr0"], "start": [20, 0], "end": [60, 50]})
    assert regions(pixels, table).low.tolist() == [0, 12]
    assert regions(pixels, table).region_of(16).tolist() == [0] * 5 + [-1] * 7 + [1] * 4


def test_coverage_counts_the_diagonal_once() -> None:
    contacts = contacts_from_pixels(genome(3), [0, 0, 1], [0, 1, 2], [5, 2, 3])
    assert coverage(contacts, ignore_diags=0).tolist() == [7.0, 5.0, 3.0]
    assert coverage(contacts, ignore_diags=1).tolist() == [2.0, 5.0, 3.0]


REFUSED = [
    (lambda: mask_bins(5, [5]), "bins\\[0\\] = 5 must be below 5"),
    (lambda: mask_rectangles(5, [(0, 1, 2)]), "expected \\(K, 4\\)"),
    (lambda: mask_rectangles(5, [(3, 3, 0, 1)]), "is of an empty one"),
    (lambda: combine([0, 4], mask_bins(5, [1])), "has 5 bins and the genome 4"),
    (lambda: mask_regions(empty(3), [("chrX", 0, 5)]), "chromosome 'chrX' is none of"),
    (lambda: arms(empty(3), {"chrX": 5}), "centromeres names 'chrX'"),
    (
        lambda: regions(
            empty(9), pd.DataFrame({"chrom": "chr0", "start": [0, 10], "end": [30, 50]})
        ),
        "overlap",
    ),
    (lambda: contacts_from_pixels(genome(3), [0, 1], [1, 0], [1, 1]), "occur in two pixels"),
    (lambda: contacts_from_pixels(genome(3), [0], [3], [1]), "bin2\\[0\\] = 3 must be below 3"),
    (lambda: contacts_from_pixels(genome(3), [0], [1], [-1]), "count\\[0\\] = -1"),
    (lambda: contacts_from_pixels(genome(3).iloc[::-1], [0], [1], [1]), "must rise"),
    (lambda: contacts_from_pixels(genome(3).drop(columns="end"), [0], [1], [1]), "lacks"),
]


@pytest.mark.parametrize("call, message", REFUSED)
def test_bad_arguments_are_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
