"""Expected by distance and between chromosomes: against the textbook, and how it behaves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from refsolve.methods.contact_expected import (
    Smoothing,
    combine,
    contacts_from_pixels,
    expected_cis,
    expected_trans,
    mask_bins,
    n_valid_pairs,
    observed_expected,
    regions,
    same_distance,
    smooth_distance,
    textbook,
)
from refsolve.methods.contact_expected.model import contacts as reading
from tests.methods.contact_expected.maps import Map, bins_of, random_map

EXACT = {"rtol": 1e-12, "atol": 0.0}
ARMS = pd.DataFrame(
    {"chrom": ["chr0", "chr0", "chr1"], "start": [0, 1700, 0], "end": [1500, 4000, 2500]}
)


@pytest.fixture
def data() -> Map:
    return random_map(np.random.default_rng(3))


def test_sums_and_numbers_are_those_of_the_textbook(data: Map) -> None:
    got = expected_cis(data.contacts, weights=data.weight, mask=data.mask)
    balanced = textbook.balanced(data.dense, data.weight)
    for c, inside in enumerate((slice(0, 40), slice(40, 65))):
        part = textbook.diagonals(balanced[inside, inside], data.usable[inside, inside])
        raw = textbook.diagonals(data.dense[inside, inside], data.usable[inside, inside])
        mine = slice(*got.where.first[c : c + 2])
        np.testing.assert_array_equal(got.n_valid[mine], part.n)
        np.testing.assert_allclose(got.balanced_avg[mine], textbook.mean_by_distance(part), **EXACT)
        np.testing.assert_allclose(got.count_avg[mine], textbook.mean_by_distance(raw), **EXACT)


def test_pairs_of_two_arms_are_those_of_the_textbook(data: Map) -> None:
    view = regions(data.contacts, ARMS)
    got = expected_cis(data.contacts, view=view, mask=data.mask, inter=True, ignore_diags=1)
    frame = got.to_frame().query("region1 != region2")
    usable = combine(data.contacts.chrom_offset).valid & data.mask.valid
    free = np.ones(data.dense.shape, bool)
    free[np.ix_(range(3, 9), range(20, 30))] = False
    for d, total, n in zip(frame["dist"], frame["count.sum"], frame["n_valid"], strict=True):
        i = np.arange(15)
        j = i + d
        inside = (j >= 17) & (j < 40)
        i, j = i[inside], j[inside]
        there = usable[i] & usable[j] & free[i, j]
        assert n == there.sum()
        assert total == data.dense[i, j][there].sum()


def test_chromosomes_are_arms_and_what_is_between_them(data: Map) -> None:
    whole = expected_cis(data.contacts, ignore_diags=0)
    table = pd.DataFrame({"chrom": ["chr0"] * 2, "start": [0, 1500], "end": [1500, 4000]})
    view = regions(data.contacts, table)
    parts = expected_cis(data.contacts, view=view, inter=True, ignore_diags=0)
    first = slice(0, 40)
    for name in ("n_total", "n_valid", "count_sum"):
        pooled = np.bincount(parts.dist, weights=getattr(parts, name))
        np.testing.assert_array_equal(pooled, getattr(whole, name)[first])


def test_masked_garbage_changes_nothing(data: Map) -> None:
    before = expected_cis(data.contacts, weights=data.weight, mask=data.mask)
    spoiled = data.contacts.count.copy()
    bad = ~data.mask.valid
    spoiled[bad[data.contacts.bin1] | bad[data.contacts.bin2]] = 10**6
    after = expected_cis(replace(data.contacts, count=spoiled), weights=data.weight, mask=data.mask)
    np.testing.assert_array_equal(before.balanced_avg, after.balanced_avg)
    np.testing.assert_array_equal(before.count_sum, after.count_sum)


def test_depth_scales_the_expected(data: Map) -> None:
    once = expected_cis(data.contacts, weights=data.weight)
    thrice = expected_cis(
        replace(data.contacts, count=data.contacts.count * 3), weights=data.weight
    )
    np.testing.assert_allclose(thrice.balanced_avg, 3.0 * once.balanced_avg, **EXACT)
    deep = observed_expected(
        replace(data.contacts, count=data.contacts.count * 3), thrice, [3], [9]
    )
    np.testing.assert_allclose(deep, observed_expected(data.contacts, once, [3], [9]), **EXACT)


def test_reading_in_pieces_gives_the_same(data: Map, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = expected_cis(data.contacts, weights=data.weight, mask=data.mask, ignore_diags=0)
    trans = expected_trans(data.contacts, weights=data.weight, mask=data.mask)
    monkeypatch.setattr(reading, "PIECE", 7)
    parts = expected_cis(data.contacts, weights=data.weight, mask=data.mask, ignore_diags=0)
    np.testing.assert_array_equal(parts.count_sum, whole.count_sum)
    np.testing.assert_array_equal(parts.balanced_sum, whole.balanced_sum)
    again = expected_trans(data.contacts, weights=data.weight, mask=data.mask)
    np.testing.assert_array_equal(again.balanced_sum, trans.balanced_sum)


def test_any_order_of_chromosomes_gives_the_same_and_progress_ends(data: Map) -> None:
    seen: list[tuple[int, int]] = []
    serial = expected_cis(
        data.contacts,
        weights=data.weight,
        progress=lambda done, planned: seen.append((done, planned)),
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (data.contacts.n_pixels,) * 2
    backwards = expected_cis(
        data.contacts, weights=data.weight, map_=lambda fn, tasks: map(fn, reversed(list(tasks)))
    )
    np.testing.assert_array_equal(backwards.balanced_sum, serial.balanced_sum)
    with ThreadPoolExecutor(2) as pool:
        threads = expected_cis(data.contacts, weights=data.weight, map_=pool.map)
    np.testing.assert_array_equal(threads.balanced_sum, serial.balanced_sum)


def test_between_chromosomes_is_the_textbook(data: Map) -> None:
    got = expected_trans(data.contacts, weights=data.weight, mask=data.mask)
    block = np.ix_(range(40), range(40, 65))
    want = textbook.expected_trans(
        textbook.balanced(data.dense, data.weight)[block], data.usable[block]
    )
    assert got.n_valid.tolist() == [want.n]
    np.testing.assert_allclose(got.balanced_avg, [want.mean], **EXACT)
    raw = expected_trans(data.contacts)
    assert raw.n_valid.tolist() == [1000]
    assert raw.count_sum[0] == data.dense[block].sum()
    assert "balanced.avg" not in raw.to_frame()


def test_smoothed_is_that_of_the_textbook(data: Map) -> None:
    got = expected_cis(data.contacts, weights=data.weight, smoothing=Smoothing())
    balanced = textbook.balanced(data.dense, data.weight)[:40, :40]
    usable = np.logical_and.outer(*[np.isfinite(data.weight[:40])] * 2)
    want = textbook.smooth(textbook.diagonals(balanced, usable))
    np.testing.assert_allclose(got.smoothed[:40], want, rtol=1e-10, atol=0.0)


def test_a_power_law_survives_smoothing() -> None:
    d = np.arange(1, 3000)
    number = 3000 - d
    smoothed = smooth_distance(d, number * 5.0 / d, number)
    inside = slice(20, 1500)
    np.testing.assert_allclose(smoothed[inside], 5.0 / d[inside], rtol=0.04, atol=0.0)


def test_aggregated_pools_the_regions(data: Map) -> None:
    got = expected_cis(data.contacts, weights=data.weight, aggregate=True)
    np.testing.assert_array_equal(got.aggregated[:25], got.aggregated[40:])
    part = [got.n_valid[:40], got.n_valid[40:]]
    number = part[0].copy()
    number[:25] += part[1]
    total = got.balanced_sum[:40].copy()
    total[:25] += got.balanced_sum[40:]
    want = smooth_distance(np.arange(2, 40), total[2:], number[2:])
    np.testing.assert_allclose(got.aggregated[2:40], want, **EXACT)
    np.testing.assert_array_equal(got.value, got.aggregated)


def test_zeros_count_and_masked_pairs_do_not() -> None:
    contacts = contacts_from_pixels(bins_of(6), [0], [2], [12])
    mask = combine([0, 6], mask_bins(6, [5]))
    got = expected_cis(contacts, mask=mask)
    assert n_valid_pairs(mask.valid).tolist() == [5, 4, 3, 2, 1, 0]
    np.testing.assert_array_equal(got.count_avg, [np.nan, np.nan, 4.0, 0.0, 0.0, np.nan])
    distances, values = got.curve(0)
    np.testing.assert_array_equal(distances, np.arange(6))
    np.testing.assert_array_equal(values, got.count_avg)


def test_float_counts_are_as_good(data: Map) -> None:
    halved = replace(data.contacts, count=data.contacts.count * 0.5)
    got = expected_cis(halved, weights=data.weight)
    want = expected_cis(data.contacts, weights=data.weight)
    np.testing.assert_allclose(got.balanced_avg, 0.5 * want.balanced_avg, **EXACT)


def test_same_distance_leaves_out_what_is_not_used() -> None:
    counts = [[4, 6, 100, 1], [1, 2, 3, 4]]
    use = [[True, True, False, True], [False, False, False, True]]
    mean = same_distance(counts, [3, 3, 3, 5], use, at=3)
    np.testing.assert_array_equal(mean, [5.0, np.nan])
    median = same_distance(counts, [3, 3, 3, 5], np.ones((2, 4), bool), at=3, how="median")
    np.testing.assert_array_equal(median, [6.0, 2.0])


def test_bad_arguments_are_named(data: Map) -> None:
    with pytest.raises(ValueError, match="expected \\(65,\\), one per bin"):
        expected_cis(data.contacts, weights=[1.0])
    with pytest.raises(ValueError, match="True where a bin is valid"):
        expected_cis(data.contacts, mask=np.ones(65))
    with pytest.raises(ValueError, match="sigma = 0.0 must be positive"):
        Smoothing(sigma=0.0)
    with pytest.raises(ValueError, match="leave the diagonal out"):
        smooth_distance([0, 1], [1, 1], [1, 1])
    with pytest.raises(ValueError, match="pairs of regions need inter"):
        expected_cis(data.contacts).curve(0, 1)
