"""The simulator against what it was asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from refsolve.methods.pseudobulk.simulate import CellDesign, simulate_cells, simulate_scores
from refsolve.methods.pseudobulk.textbook.donors import intraclass_correlation

SMALL = CellDesign(donors=(3, 4), cells=60, genes=40)


def test_the_same_seed_gives_the_same_cells() -> None:
    one, two = (simulate_cells(SMALL, rng=3) for _ in range(2))
    assert (one.counts != two.counts).nnz == 0
    np.testing.assert_array_equal(one.sample, two.sample)


def test_sums_are_those_of_the_cells() -> None:
    data = simulate_cells(SMALL, rng=1)
    dense = data.counts.toarray()
    for s in range(7):
        np.testing.assert_array_equal(data.sums[:, s], dense[data.sample == s].sum(axis=0))


def test_means_depth_and_changes_are_as_asked() -> None:
    design = CellDesign(
        donors=(300, 300), cells=10, cells_spread=0.0, genes=20, depth=5000.0, depth_spread=0.0,
        abundance_spread=0.3, changed=0.5, donor_dispersion=0.1,
    )  # fmt: skip
    data = simulate_cells(design, rng=2)
    share = data.sums / (10 * 5000.0)
    change = np.log2(share[:, 300:].mean(axis=1) / share[:, :300].mean(axis=1))
    assert np.count_nonzero(data.log2_change) == 10
    np.testing.assert_allclose(change, data.log2_change, atol=0.25)
    unchanged = data.log2_change == 0
    spread = share[unchanged].std(axis=1) / share[unchanged].mean(axis=1)
    # between donors, and of ten cells around their donor
    assert np.median(spread**2) == pytest.approx(0.1 + 0.5 / 10, rel=0.25)


def test_donors_without_spread_leave_no_correlation() -> None:
    quiet = replace(SMALL, donor_dispersion=0.0, depth_spread=0.0, genes=30, cells=150)
    data = simulate_cells(quiet, rng=4)
    y = data.counts.toarray()
    icc = [intraclass_correlation(y[:, g].astype(float), data.sample) for g in range(30)]
    assert abs(np.mean(icc)) < 0.01


def test_paired_donors_are_in_both_conditions_and_batches_can_be_aliased() -> None:
    pairs = simulate_cells(replace(SMALL, donors=(3, 3), paired=True), rng=5)
    np.testing.assert_array_equal(pairs.donor, [0, 1, 2, 0, 1, 2])
    aliased = simulate_cells(replace(SMALL, batches=2, confounding=1.0), rng=6)
    np.testing.assert_array_equal(aliased.batch, aliased.condition)
    balanced = simulate_cells(replace(SMALL, batches=2), rng=6)
    assert set(balanced.batch[balanced.condition == 0]) == {0, 1}


def test_smoothed_scores_are_centred_and_less_spread() -> None:
    data = simulate_cells(SMALL, rng=7)
    rough, smooth = (simulate_scores(data, smoothing=s, rng=1) for s in (0.0, 0.9))
    np.testing.assert_allclose(smooth.mean(axis=0), 0.0, atol=1e-12)
    assert smooth.std() < 0.6 * rough.std()
    assert (smooth < 0).any()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"donors": (0, 3)}, "at least one"),
        ({"paired": True}, "must be equal"),
        ({"changed": 2.0}, "shares"),
    ],
)
def test_designs_are_checked(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_cells(replace(SMALL, **change), rng=0)


def test_a_share_of_smoothing_is_a_share() -> None:
    with pytest.raises(ValueError, match="smoothing"):
        simulate_scores(simulate_cells(SMALL, rng=0), smoothing=1.5, rng=0)
