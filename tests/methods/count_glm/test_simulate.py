"""The simulators of counts and of scans against what they were asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from refsolve.methods.count_glm.simulate import (
    CountDesign,
    ScanDesign,
    simulate_counts,
    simulate_scan,
)

SMALL = CountDesign(donors=12, cells=8)
SCAN = ScanDesign(genes=6, variants=5, donors=20)


def test_the_same_seed_gives_the_same_counts() -> None:
    one, two = (simulate_counts(SMALL, rng=3) for _ in range(2))
    np.testing.assert_array_equal(one.y, two.y)
    first, second = (simulate_scan(SCAN, rng=3) for _ in range(2))
    np.testing.assert_array_equal(first.counts, second.counts)
    np.testing.assert_array_equal(first.genotypes, second.genotypes)


def test_counts_add_up_and_their_means_are_those_of_the_model() -> None:
    data = simulate_counts(replace(SMALL, donors=50, cells=2000, rho=0.2, batches=3), rng=1)
    assert (data.native <= data.y).all()
    assert data.of_donors(data.y).sum() == data.y.sum()
    x = data.covariates
    assert x.shape == (50, 3)
    ambient = data.of_donors(data.y - data.native)
    z = (ambient - data.of_donors(data.ambient)) / np.sqrt(data.of_donors(data.ambient))
    assert z.std() == pytest.approx(1.0, abs=0.35)
    np.testing.assert_allclose(data.exposure + data.rho[data.donor] * data.total, data.total)
    marker = data.rho * data.of_donors(data.total) * data.design.marker_share
    assert data.marker.sum() == pytest.approx(marker.sum(), rel=0.02)


def test_the_rate_follows_genotype_group_and_donor() -> None:
    design = CountDesign(
        donors=30, cells=4000, donor_sd=0.3, rate=2e-3, group_effect=0.4, effect=-0.5
    )
    data = simulate_counts(design, rng=2)
    seen = np.log(data.of_donors(data.native) / data.of_donors(data.exposure))
    asked = np.log(2e-3) - 0.5 * data.genotype + 0.4 * data.group + data.intercept
    np.testing.assert_allclose(seen, asked, atol=0.06)
    assert data.covariates.shape == (30, 2)


def test_overdispersion_of_cells() -> None:
    design = CountDesign(
        donors=1, cells=50_000, donor_sd=0.0, rate=3e-3, alpha=0.5, depth_spread=0.0, rho=0.0
    )
    y = simulate_counts(design, rng=3).y
    assert y.var() == pytest.approx(y.mean() + 0.5 * y.mean() ** 2, rel=0.05)


@pytest.mark.parametrize("confounding", [0.0, 0.9])
def test_genotypes_lean_on_the_group_that_is_more_contaminated(confounding: float) -> None:
    design = replace(SMALL, donors=400, cells=1, group_rho=0.2, confounding=confounding)
    data = simulate_counts(design, rng=4)
    high, low = (data.rho[data.group == g].mean() for g in (1, 0))
    assert high - low == pytest.approx(0.2, abs=0.02)
    assert data.genotype.mean() == pytest.approx(0.6, abs=0.02)
    seen = np.corrcoef(data.group, data.genotype)[0, 1]
    assert seen == pytest.approx(0.87 if confounding else 0.0, abs=0.12)


def test_donors_can_be_all_alike() -> None:
    data = simulate_counts(replace(SMALL, rho_shape=np.inf, donor_sd=0.0), rng=5)
    np.testing.assert_array_equal(data.rho, 0.1)
    np.testing.assert_array_equal(data.intercept, 0.0)


def test_places_variants_and_linkage_of_a_scan() -> None:
    data = simulate_scan(replace(SCAN, genes=12, variants=40, donors=300), rng=6)
    assert data.counts.shape == (12, 300)
    assert data.genotypes.shape == (480, 300)
    assert set(np.unique(data.genotypes)) == {0, 1, 2}
    np.testing.assert_array_equal(data.gene_chromosome, [1] * 10 + [2] * 2)
    for j in range(12):
        rows = slice(40 * j, 40 * j + 40)
        assert (data.variant_chromosome[rows] == data.gene_chromosome[j]).all()
        away = data.variant_position[rows] - data.gene_position[j]
        assert np.abs(away).max() <= 400_000
        assert (np.diff(away) > 0).all()
        assert 40 * j <= data.causal[j] < 40 * j + 40
    near = [np.corrcoef(data.genotypes[k : k + 2])[0, 1] for k in range(0, 39)]
    across = np.corrcoef(data.genotypes[39:41])[0, 1]
    assert np.mean(near) > 0.5 > 0.2 > abs(across)


def test_means_of_a_scan() -> None:
    design = ScanDesign(genes=30, donors=2000, variants=1, causal=1.0, dispersion=(0.1, 0.1001))
    data = simulate_scan(design, rng=7)
    assert data.covariates.shape == (2000, 5)
    none = data.genotypes[data.causal] == 0
    assert np.count_nonzero(data.effect) == 30
    native = data.counts - data.ambient
    for j in range(30):
        rate = [native[j, g].sum() / data.exposure[g].sum() for g in (~none[j], none[j])]
        dose = data.genotypes[data.causal[j], ~none[j]].mean()
        assert np.log(rate[0] / rate[1]) == pytest.approx(data.effect[j] * dose, abs=0.25)


def test_the_first_variant_can_follow_the_contamination() -> None:
    for confounding, low, high in ((0.95, 0.6, 1.0), (0.0, -0.2, 0.2)):
        data = simulate_scan(replace(SCAN, donors=400, confounding=confounding), rng=8)
        assert low < np.corrcoef(data.genotypes[0], data.rho)[0, 1] < high


@pytest.mark.parametrize(
    "change, message",
    [
        ({"donors": 0}, "at least 1"),
        ({"frequency": 1.2}, "frequency"),
        ({"rho": 0.9}, "rho"),
        ({"rho_shape": 0.0}, "rho_shape"),
        ({"alpha": -0.1}, "negative"),
    ],
)
def test_designs_are_checked(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_counts(replace(SMALL, **change), rng=0)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"variants": 0}, "at least 1"),
        ({"dispersion": (0.5, 0.1)}, "range above 0"),
        ({"linkage": -0.2}, "linkage"),
    ],
)
def test_designs_of_scans_are_checked(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_scan(replace(SCAN, **change), rng=0)
