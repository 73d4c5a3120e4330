"""The simulator of droplets against what it was asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from refsolve.methods.ambient.simulate import DropletDesign, simulate_droplets
from refsolve.methods.ambient.textbook import fraction

SMALL = DropletDesign(donors=3, cells=60, empties=80, genes=40)


def test_the_same_seed_gives_the_same_droplets() -> None:
    one, two = (simulate_droplets(SMALL, rng=3) for _ in range(2))
    assert (one.counts != two.counts).nnz == 0
    np.testing.assert_array_equal(one.rho, two.rho)


def test_shapes_and_order() -> None:
    data = simulate_droplets(replace(SMALL, leak=5), rng=1)
    assert data.counts.shape == (3 * 60 + 85, 40)
    assert data.cells.shape == (180, 40)
    assert data.empties.shape == (85, 40)
    np.testing.assert_array_equal(data.donor, np.repeat([0, 1, 2], 60))
    np.testing.assert_array_equal(data.totals, data.counts.toarray().sum(axis=1))
    assert simulate_droplets(replace(SMALL, empties=0), rng=1).empties.shape == (0, 40)


def test_native_counts_never_hold_the_marker_and_never_exceed_the_counts() -> None:
    data = simulate_droplets(SMALL, rng=2)
    whole, native = data.cells.toarray(), data.native.toarray()
    assert (native <= whole).all()
    assert native[:, 0].sum() == 0
    assert whole[:, 0].sum() > 0
    np.testing.assert_allclose([data.ambient.sum(), data.ambient[0]], [1.0, 0.02], rtol=1e-12)
    np.testing.assert_allclose(data.profiles.sum(axis=1), 1.0, rtol=1e-12)


def test_empty_droplets_hold_the_ambient_rna_and_the_marker_gives_the_contamination() -> None:
    design = DropletDesign(cells=2000, empties=4000, genes=30, marker_share=0.05, rho=(0.12,))
    data = simulate_droplets(design, rng=4)
    empty = data.empties.toarray()
    np.testing.assert_allclose(empty.sum(axis=0) / empty.sum(), data.ambient, atol=0.005)
    assert data.rho.mean() == pytest.approx(0.12, rel=0.02)
    y = data.cells.toarray()
    seen = fraction.pooled(y[:, 0].astype(float), y.sum(axis=1).astype(float), 0.05)
    weighted = np.average(data.rho, weights=y.sum(axis=1))
    assert seen.low < weighted < seen.high


def test_contamination_differs_between_groups_donors_and_cells_as_asked() -> None:
    design = DropletDesign(
        donors=400, cells=20, empties=1, genes=10, state_genes=2, rho=(0.08, 0.25),
        donor_spread=0.2, cell_spread=0.3,
    )  # fmt: skip
    data = simulate_droplets(design, rng=5)
    for group, mean in ((0, 0.08), (1, 0.25)):
        of = data.donor_rho[data.group == group]
        assert of.mean() == pytest.approx(mean, rel=0.05)
        assert np.log(of).std() == pytest.approx(0.2, abs=0.03)
    within = np.log(data.rho / data.donor_rho[data.donor])
    assert within.std() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("confounding", [0.0, 0.6, 1.0])
def test_genotype_leans_on_the_group(confounding: float) -> None:
    design = DropletDesign(
        donors=300, cells=1, empties=1, genes=5, state_genes=1, rho=(0.1, 0.2),
        confounding=confounding,
    )  # fmt: skip
    data = simulate_droplets(design, rng=6)
    seen = np.corrcoef(data.group, data.genotype)[0, 1]
    assert set(data.genotype) == {0, 1, 2}
    if confounding == 1.0:
        assert data.genotype[data.group == 0].max() <= data.genotype[data.group == 1].min()
    else:
        assert seen == pytest.approx(0.95 * confounding, abs=0.15)


def test_activated_cells_have_more_of_the_marking_genes() -> None:
    data = simulate_droplets(replace(SMALL, cells=500, state_share=0.3, rho=(0.0,)), rng=7)
    assert data.state.mean() == pytest.approx(0.3, abs=0.05)
    share = data.native.toarray()[:, -5:].sum(axis=1) / data.native.toarray().sum(axis=1)
    assert share[data.state].mean() > 2 * share[~data.state].mean()
    np.testing.assert_array_equal(data.native.toarray(), data.cells.toarray())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"rho": ()}, "at least one share"),
        ({"rho": (0.1, 1.2)}, "at least one share"),
        ({"cells": 0}, "at least 1"),
        ({"leak": -1}, "at least 0"),
        ({"state_genes": 39}, "must leave the marker"),
        ({"marker_share": 1.5}, "marker_share"),
        ({"phi": 0.5}, "phi"),
    ],
)
def test_designs_are_checked(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_droplets(replace(SMALL, **change), rng=0)
