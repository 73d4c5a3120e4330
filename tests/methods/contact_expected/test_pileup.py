"""Windows around pixels: against dense windows of the textbook, and how they behave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from refsolve.methods.contact_expected import (
    expected_cis,
    local_background,
    observed_expected,
    pile_up,
    textbook,
)
from refsolve.methods.contact_expected.estimator import windows
from refsolve.methods.contact_expected.estimator.pileups import PATCHES, patches
from tests.methods.contact_expected.maps import Map, random_map

EXACT = {"rtol": 1e-12, "atol": 0.0}
BIN1 = np.array([0, 5, 14, 20, 20, 25, 30, 36, 41, 45])
BIN2 = np.array([12, 22, 30, 24, 33, 38, 39, 39, 50, 62])


@pytest.fixture
def data() -> Map:
    return random_map(np.random.default_rng(8))


def ratios(data: Map) -> np.ndarray:
    """Dense observed over expected, NaN where a pixel takes no part; the upper triangle."""
    out = np.full(data.dense.shape, np.nan)
    balanced = textbook.balanced(data.dense, data.weight)
    for inside in (slice(0, 40), slice(40, 65)):
        square = (inside, inside)
        mean = textbook.mean_by_distance(textbook.diagonals(balanced[square], data.usable[square]))
        out[square] = textbook.observed_over_expected(balanced[square], data.usable[square], mean)
    out[np.tril_indices(len(out), -1)] = np.nan
    return out


def test_windows_are_those_of_the_dense_matrix(data: Map) -> None:
    expected = expected_cis(data.contacts, weights=data.weight, mask=data.mask)
    got = pile_up(data.contacts, BIN1, BIN2, flank=4, expected=expected, stack=True)
    dense = ratios(data)
    want = [textbook.snippet(dense, i, j, 4) for i, j in zip(BIN1, BIN2, strict=True)]
    np.testing.assert_allclose(got.stack, want, **EXACT)
    np.testing.assert_allclose(got.mean, textbook.pile_up(want), **EXACT)
    np.testing.assert_array_equal(got.n_valid, np.isfinite(want).sum(axis=0))
    assert got.n_windows == BIN1.size


def test_without_expected_windows_hold_balanced_contacts(data: Map) -> None:
    got = pile_up(data.contacts, BIN1, BIN2, flank=2, weights=data.weight, stack=True)
    dense = textbook.balanced(data.dense, data.weight)
    i, j = np.indices(dense.shape)
    dense[j - i < 2] = np.nan
    want = [textbook.snippet(dense, i, j, 2) for i, j in zip(BIN1, BIN2, strict=True)]
    np.testing.assert_allclose(got.stack, want, **EXACT)


def test_ratio_of_single_pixels(data: Map) -> None:
    expected = expected_cis(data.contacts, weights=data.weight, mask=data.mask)
    got = observed_expected(data.contacts, expected, BIN1, BIN2)
    np.testing.assert_allclose(got, ratios(data)[BIN1, BIN2], **EXACT)


def test_windows_come_in_the_order_asked_for(data: Map, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = expected_cis(data.contacts, weights=data.weight)
    order = np.random.default_rng(1).permutation(BIN1.size)
    whole = pile_up(data.contacts, BIN1, BIN2, flank=3, expected=expected, stack=True)
    monkeypatch.setattr(windows, "AT_ONCE", 3)
    monkeypatch.setattr(windows, "SKIP", 0)
    monkeypatch.setattr(windows, "PIECE", 50)
    seen: list[int] = []
    mixed = pile_up(
        data.contacts, BIN1[order], BIN2[order], flank=3, expected=expected, stack=True,
        progress=lambda done, planned: seen.append(done),
    )  # fmt: skip
    np.testing.assert_array_equal(mixed.stack, whole.stack[order])
    np.testing.assert_allclose(mixed.mean, whole.mean, **EXACT)
    assert seen[-1] == BIN1.size


def test_a_window_over_the_end_keeps_what_is_inside(data: Map) -> None:
    got = pile_up(data.contacts, [38], [39], flank=5, ignore_diags=1, stack=True)
    # Rows 33-39 and columns 34-39 of the first chromosome, and pixels with the second one.
    assert got.n_windows == 1
    assert got.n_empty == 0
    expected = expected_cis(data.contacts, ignore_diags=1)
    inside = pile_up(data.contacts, [38], [39], flank=5, expected=expected, stack=True)
    assert np.isfinite(inside.stack[0, :6, 6:]).sum() == 0
    assert np.isfinite(inside.stack[0, :5, :6]).any()


def test_a_loop_that_is_masked_is_counted_as_empty(data: Map) -> None:
    got = pile_up(data.contacts, [12, 20], [22, 30], flank=0, mask=data.mask)
    assert got.n_empty == 1
    assert got.n_valid.tolist() == [[1]]


def test_depth_leaves_ratios_as_they_are(data: Map) -> None:
    deeper = replace(data.contacts, count=data.contacts.count * 4)
    means = [
        pile_up(pixels, BIN1, BIN2, expected=expected_cis(pixels, weights=data.weight)).mean
        for pixels in (data.contacts, deeper)
    ]
    np.testing.assert_allclose(means[0], means[1], **EXACT)


def test_local_background_is_that_of_the_textbook(data: Map) -> None:
    expected = expected_cis(data.contacts, weights=data.weight, mask=data.mask)
    got = local_background(data.contacts, BIN1, BIN2, expected=expected, inner=1, outer=3)
    counts = np.where(data.usable, data.dense, np.nan)[:40, :40]
    mean = textbook.expected_counts(expected.curve(0)[1], data.weight[:40])
    counts[np.isnan(mean)] = np.nan
    counts[np.tril_indices(40, -1)] = np.nan
    local = got.local_expected("donut")
    compared = 0
    for k, (i, j) in enumerate(zip(BIN1, BIN2, strict=True)):
        if j < 40 and np.isfinite(local[k]):
            want = mean[i, j] * textbook.donut_ratio(counts, mean, i, j, 1, 3)
            assert local[k] == pytest.approx(want, rel=1e-12)
            compared += 1
    assert compared >= 4


def test_patches_are_disjoint_from_the_peak_and_add_up(data: Map) -> None:
    shape = dict(zip(PATCHES, patches(2, 5), strict=True))
    assert shape["centre"].sum() == 1
    assert shape["block"].sum() == 9
    assert shape["donut"].sum() == 121 - 25 - 4 * 3
    assert shape["lowleft"].sum() == 25 - 4
    assert shape["vertical"].sum() == shape["horizontal"].sum() == 3 * 6
    np.testing.assert_array_equal(shape["vertical"], shape["horizontal"].T)
    expected = expected_cis(data.contacts, weights=data.weight)
    got = local_background(data.contacts, [15], [28], expected=expected)
    assert (got.n_valid[0] <= [shape[name].sum() for name in PATCHES]).all()
    assert got.to_frame()["block_observed"][0] == data.dense[14:17, 27:30].sum()


def test_bad_arguments_are_named(data: Map) -> None:
    expected = expected_cis(data.contacts)
    with pytest.raises(ValueError, match="bin1\\[0\\] = 9 must not exceed bin2"):
        pile_up(data.contacts, [9], [3])
    with pytest.raises(ValueError, match="must be below 65"):
        pile_up(data.contacts, [9], [65])
    with pytest.raises(ValueError, match="has its own weights"):
        pile_up(data.contacts, [3], [9], expected=expected, weights=data.weight)
    with pytest.raises(ValueError, match="flank = -1"):
        pile_up(data.contacts, [3], [9], flank=-1)
    with pytest.raises(ValueError, match="inner = 5 must be at least 1 and below outer = 5"):
        local_background(data.contacts, [3], [9], expected=expected, inner=5)
    with pytest.raises(ValueError, match="must be one of"):
        local_background(data.contacts, [3], [9], expected=expected).ratio("ring")
