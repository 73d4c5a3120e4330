"""Each part of an estimate is seen in the result: without it these tests fail."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from refsolve.methods.ambient import (
    DropletDesign,
    ambient_profile,
    ambient_shares,
    call_states,
    cannot_express,
    confounding,
    donor_contamination,
    donor_groups,
    find_unexpressed,
    remove_ambient,
    shrink_contamination,
    simulate_droplets,
)
from refsolve.methods.ambient.estimator import groups, search
from refsolve.methods.ambient.textbook import fraction as textbook


def test_the_error_of_the_share_is_in_the_standard_error() -> None:
    plain, wide = (
        donor_contamination([90], [1000], None, 0.3, share_se=error) for error in (0.0, 0.03)
    )
    assert wide.se[0] ** 2 == pytest.approx(plain.se[0] ** 2 + (0.3 * 0.1) ** 2)


@pytest.mark.parametrize("confidence", [0.5, 0.99])
def test_intervals_have_the_confidence(confidence: float) -> None:
    marker, total = np.array([30.0]), np.array([9000.0])
    found = donor_contamination(marker, total, None, 0.02, confidence=confidence)
    want = textbook.pooled(marker, total, 0.02, confidence=confidence)
    assert (found.low[0], found.high[0]) == pytest.approx((want.low, want.high), rel=1e-6)
    narrow, wide = (
        shrink_contamination([9, 30, 14], [100, 100, 100], confidence=c)
        for c in (confidence, 0.999)
    )
    assert (narrow.low > wide.low).all()
    assert (narrow.high < wide.high).all()


@pytest.mark.parametrize(("donors", "shape"), [(3, 4.0), (8, 50.0), (8, 4.0)])
def test_shrunk_intervals_hold_the_truth_with_few_donors(donors: int, shape: float) -> None:
    """With the distribution of the donors taken as known, 38 % of them do for eight alike."""
    rng, held = np.random.default_rng(4), []
    for _ in range(60):
        truth, expected = rng.gamma(shape, 0.1 / shape, donors), rng.uniform(20, 200, donors)
        found = shrink_contamination(rng.poisson(truth * expected), expected)
        held.append(np.mean((found.low <= truth) & (truth <= found.high)))
    assert 0.90 < np.mean(held) <= 1.0


def test_shrunk_donors_without_counts() -> None:
    found = shrink_contamination([0, 0, 0], [10.0, 20.0, 30.0])
    assert (found.low < 0.01).all()
    assert ((found.high > 0.02) & (found.high < 0.3)).all()


def test_cells_at_the_largest_contamination_are_not_makers() -> None:
    marker = np.random.default_rng(5).poisson(0.5 * 0.02 * 2000.0, 3000)
    makes = ~cannot_express(marker, np.full(3000, 2000.0), 0.02, largest=0.5)
    assert makes.sum() <= 3


def test_a_prior_lowers_the_error_of_the_profile() -> None:
    counts, total = [[3, 0], [5, 2]], [50, 50]
    prior = ([0.08, 0.02], 300.0)
    alone, steadied = ambient_shares(counts, total), ambient_shares(counts, total, prior=prior)
    share = steadied.share
    phi = np.maximum(alone.gene_overdispersion, max(alone.overdispersion, 1.0))
    np.testing.assert_allclose(steadied.se, np.sqrt(share * (1 - share) * phi / 400.0), rtol=1e-12)


def test_a_gene_that_varies_more_has_its_own_error() -> None:
    rng = np.random.default_rng(6)
    counts = rng.poisson(3.0, (400, 30))
    counts[:, 0] = np.where(rng.random(400) < 0.1, 30, 0)
    found = ambient_profile(counts, high=np.inf)
    assert found.gene_overdispersion[0] > 10.0
    assert found.se[0] > 3.0 * found.se[1:].max()


def test_a_population_with_a_few_makers_is_not_used() -> None:
    """A twentieth of its cells makes the gene; the sum of all could still be ambient RNA."""
    data = simulate_droplets(
        DropletDesign(cells=400, empties=2000, genes=300, types=4, rho=(0.1,), type_spread=2.0),
        rng=0,
    )
    profile, counts = ambient_profile(data.counts), data.cells.toarray()
    found = find_unexpressed(counts, data.type, profile, specific=0.4, quantile=0.5)
    k = int(np.argmax(found.expected))
    pair = int(found.gene[k]), int(found.population[k])
    mine = np.flatnonzero(data.type == pair[1])
    few = mine[: mine.size // 20]
    counts[few, pair[0]] += np.int64(0.3 * found.expected[k] / few.size) + 1
    assert counts[mine, pair[0]].sum() < 0.7 * found.expected[k]
    again = find_unexpressed(counts, data.type, profile, specific=0.4, quantile=0.5)
    pairs = set(zip(again.gene.astype(int), again.population.astype(int), strict=True))
    assert pair[0] in {gene for gene, _ in pairs}
    assert pair not in pairs


def test_sums_that_ambient_rna_cannot_give() -> None:
    seen = search._silent(
        np.array([[12.0, 200.0, 3.0]]), np.array([[100.0, 100.0, 0.0]]), 0.8, 0.05
    )
    assert seen.tolist() == [[True, False, False]]


def test_later_splits_share_the_error_rate() -> None:
    def test(start: int, end: int) -> groups.Split:
        return groups.Split((end - start) // 2, 9.0, 0.001 if end - start == 16 else 0.03)

    first, ends = groups._repeated(test, 16, 0.05, 4)
    assert first.p == 0.001
    assert ends == [8]
    assert groups._repeated(test, 16, 0.07, 4)[1] == [4, 8]


@pytest.mark.parametrize("n", [4, 6])
def test_few_donors_of_unequal_precision_stay_one_group(n: int) -> None:
    split = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        se = 0.02 * rng.choice([0.2, 1.0, 3.0], n)
        rho = np.clip(rng.uniform(0.02, 0.3, n) + se * rng.standard_normal(n), 0.0, 1.0)
        split += donor_groups(rho, se, draws=300).n_groups > 1
    assert split <= 13  # 5 % of 120 and three errors


def test_permutations_as_strong_as_the_groups_count() -> None:
    """Two of fifteen permutations have the association that is seen, some but for rounding."""
    values = [0.81, 0.81, 0.52, 0.29, 0.05, 0.38]
    found = confounding([0, 0, 1, 1, 2, 2], {"a": values}, draws=9999)
    assert found.p[0] == pytest.approx(2 / 15, abs=0.01)


def test_the_unit_of_a_score_does_not_matter() -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        active = rng.random(600) < 0.1
        score = np.where(
            active, 40.0 + 4.0 * rng.standard_normal(600), 8.0 + 4.0 * rng.standard_normal(600)
        )
        one, other = call_states(score), call_states(1000.0 * score, resolution=1000.0)
        assert one.bimodal
        assert one.valley == pytest.approx(other.valley, rel=1e-3)
        np.testing.assert_array_equal(one.active, other.active)


def test_sensitivity_counts_the_cells_above_each_boundary() -> None:
    score = np.r_[np.linspace(0, 5, 100), 9.0, 12.0, 14.0, np.linspace(20, 25, 100)]
    found = call_states(score)
    want = [(score > cut).sum() for cut in found.sensitivity_cuts]
    assert found.sensitivity_active.tolist() == want
    assert found.sensitivity_active[0] > found.sensitivity_active[-1]


def test_places_named_twice_are_left_as_they_are() -> None:
    twice = csr_matrix(
        (np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]), np.array([0, 3, 3])), (2, 2)
    )
    data, indices = twice.data.copy(), twice.indices.copy()
    found = remove_ambient(twice, [0.5, 0.5], 0.5)
    np.testing.assert_allclose(found.toarray(), [[1.5, 1.5], [0.0, 0.0]])
    np.testing.assert_array_equal(twice.data, data)
    np.testing.assert_array_equal(twice.indices, indices)


def test_seeds_differ() -> None:
    counts = np.random.default_rng(7).poisson(2.0, (30, 20))
    one, two, again = (
        remove_ambient(counts, np.full(20, 0.05), 0.13, whole=True, rng=seed) for seed in (1, 2, 1)
    )
    assert (one != two).any()
    np.testing.assert_array_equal(one, again)
