"""Reconstruction and paths: behaviour and invariants."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.methods.founder_hmm import (
    Genotypes,
    count_changes,
    diplotypes,
    exchangeable,
    general_ril,
    intercross,
    log_likelihood,
    most_likely_paths,
    reconstruct,
    ril,
    sample_paths,
    simulate_calls,
    stream,
)
from tests.methods.founder_hmm.lines import DATA, DESIGN, LINES, bred, small

# Reconstruction


def test_founders_are_found() -> None:
    """Bred by meioses, which know nothing of the chain."""
    posterior = reconstruct(LINES, DESIGN, 0.005).stacked()
    truth = DATA.haplotype[:, 0]
    assert (posterior.argmax(axis=2) == truth).mean() > 0.88
    sure = posterior.max(axis=2) > 0.95
    right = (posterior.argmax(axis=2) == truth)[sure].mean()
    assert sure.mean() > 0.5
    assert right > 0.97


@pytest.mark.slow
def test_probabilities_are_calibrated() -> None:
    posterior = reconstruct(LINES, DESIGN, 0.005).stacked()
    truth = np.take_along_axis(posterior, DATA.haplotype[:, 0, :, None], axis=2)
    # Lines are bred from one seed; 60 lines of about 5 changes each leave a few percent.
    assert_allclose(truth.mean(), (posterior**2).sum(axis=2).mean(), rtol=0, atol=0.04)


@pytest.mark.slow
def test_all_storages_chromosomes_and_orders_of_work_agree() -> None:
    whole = reconstruct(LINES, DESIGN, 0.01)
    assert_allclose(whole.stacked().sum(axis=2), 1.0, rtol=1e-12)
    single = reconstruct(LINES, DESIGN, 0.01, storage="float32")
    assert single.stacked().dtype == np.float32
    assert_allclose(single.stacked(), whole.stacked(), atol=1e-7)
    backwards = reconstruct(LINES, DESIGN, 0.01, map_=lambda f, x: map(f, list(x)[::-1]))
    assert_array_equal(backwards.stacked(), whole.stacked())
    for label in (0, 1):
        alone = reconstruct(LINES.only(label), DESIGN, 0.01)
        assert_array_equal(alone.probability[0], whole.of(label)[1])


def test_streaming_asks_for_one_chromosome_at_a_time() -> None:
    asked = []

    def one_by_one(run, tasks):  # type: ignore[no-untyped-def]
        for task in tasks:
            asked.append(task.label)
            yield run(task)

    parts = stream(LINES, DESIGN, 0.01, map_=one_by_one)
    first = next(parts)
    assert asked == [0]
    assert_array_equal(first.probability[0], reconstruct(LINES, DESIGN, 0.01).probability[0])


@pytest.mark.slow
def test_lines_founders_alleles_and_direction_can_be_renamed() -> None:
    base = reconstruct(LINES, exchangeable(8, 4.0), 0.01).stacked()
    calls, founders = np.asarray(LINES.calls), LINES.founders
    rest = (LINES.position, LINES.chromosome)
    order = np.random.default_rng(1).permutation(8)
    renamed = reconstruct(Genotypes(calls, founders[:, order], *rest), exchangeable(8, 4.0), 0.01)
    assert_allclose(renamed.stacked(), base[:, :, order], atol=1e-12)
    other = Genotypes(
        np.where(calls < 0, -1, 1 - calls), np.where(founders < 0, -1, 1 - founders), *rest
    )
    assert_allclose(reconstruct(other, exchangeable(8, 4.0), 0.01).stacked(), base, atol=1e-12)
    turned = Genotypes(calls[:, ::-1], founders[::-1], -LINES.position[::-1], rest[1][::-1])
    back = reconstruct(turned, exchangeable(8, 4.0), 0.01).stacked()
    assert_allclose(back[:, ::-1], base, atol=1e-12)


def test_a_funnel_order_matters_only_as_far_as_partners_are_told_apart() -> None:
    order = np.array([[1, 0, 3, 2, 5, 4, 7, 6]] * LINES.n_lines)
    a, b = (reconstruct(LINES, ril(8, order=o), 0.01).stacked() for o in (order, None))
    assert_allclose(a, b, atol=1e-13)
    c = reconstruct(LINES, ril(8, order=[0, 2, 1, 3, 4, 5, 6, 7]), 0.01).stacked()
    assert np.abs(a - c).max() > 1e-3


@pytest.mark.slow
def test_pseudomarkers_lie_between_and_leave_markers_alone() -> None:
    """Exactly where changes are a Markov process; the chain of a funnel holds for neighbours."""
    base = reconstruct(LINES, exchangeable(8, 4.0), 0.01)
    grid = reconstruct(LINES, exchangeable(8, 4.0), 0.01, step=0.5)
    for p, q, real in zip(base.probability, grid.probability, grid.is_marker, strict=True):
        assert_allclose(q[:, real], p, atol=1e-11)
        assert_allclose(q.sum(axis=2), 1.0, rtol=1e-12)
    places = np.array([3.21, 40.0, 70.0])
    some = reconstruct(LINES, exchangeable(8, 4.0), 0.01, at={1: places})
    assert_array_equal(some.position[0], base.position[0])
    assert_array_equal(some.position[1][~some.is_marker[1]], places)
    near = 0.5 * (base.position[0][3] + base.position[0][4])
    middle = reconstruct(LINES, exchangeable(8, 4.0), 0.01, at={0: [near]}).probability[0][:, 4]
    ends = base.probability[0][:, 3:5]
    assert (np.abs(middle - ends.mean(axis=1)).max(axis=1) < 0.3).all()


def test_far_from_everything_the_shares_remain() -> None:
    design = general_ril(2, 30.0, fractions=[0.3, 0.7])
    far = reconstruct(small(), design, 0.01, at={"1": [2000.0]}).probability[0]
    assert_allclose(far[:, -1], [[0.3, 0.7]] * 2, atol=1e-6)


def test_wrong_founder_is_not_favoured_by_a_heterozygous_call() -> None:
    """A founder without a call gets no bonus; under the convention of the peer it does."""
    founders = np.array([[0, 1], [0, 1], [0, -1], [0, 1], [0, 1]])
    calls = [[0, 0, 2, 0, 0]]
    position = [0.0, 2.0, 4.0, 6.0, 8.0]
    ours = reconstruct(Genotypes(calls, founders, position), ril(2), 1e-4)
    peer = reconstruct(Genotypes(calls, founders, position, unknown="peer"), ril(2), 1e-4)
    assert ours.probability[0][0, 2, 1] < 0.01
    assert peer.probability[0][0, 2, 1] > 0.9


@pytest.mark.slow
def test_missing_founder_calls_cost_less_than_the_convention_of_the_peer() -> None:
    means = dict.fromkeys((0.5, "peer"), 0.0)
    for seed in (1, 2, 3):
        data = simulate_calls(bred(per=80, seed=seed), founder_missing=0.15, rng=seed)
        for unknown in means:
            lines = Genotypes(**data.observed, unknown=unknown)
            found = reconstruct(lines, ril(8, order=data.order), 0.005).stacked()
            truth = np.take_along_axis(found, data.haplotype[:, 0, :, None], axis=2)
            means[unknown] += truth.mean()
    assert means[0.5] > means["peer"]


def test_tables_of_probabilities() -> None:
    found = reconstruct(LINES.lines([0, 3]), exchangeable(8, 4.0), 0.01, step=5.0)
    frame = found.to_frame()
    T = sum(x.size for x in found.position)
    assert len(frame) == 2 * T
    assert list(frame.columns[:5]) == ["line", "chromosome", "position", "is_marker", "A"]
    row = frame[(frame.line == 1) & (frame.chromosome == 1)].iloc[2]
    assert_allclose(row[list("ABCDEFGH")].astype(float), found.probability[1][1, 2])
    assert "array" in found.summary() or "(" in found.summary()
    with pytest.raises(ValueError, match="chromosome 7 is not among"):
        found.of(7)


def test_xarray_has_coordinates() -> None:
    pytest.importorskip("xarray")
    found = reconstruct(LINES.lines([0, 3]), exchangeable(8, 4.0), 0.01)
    array = found.to_xarray()
    assert array.dims == ("line", "locus", "state")
    assert_array_equal(array.sel(state="C").values, found.stacked()[:, :, 2])
    assert_array_equal(array["position"].values, LINES.position)


def test_anndata_has_one_layer_per_founder() -> None:
    pytest.importorskip("anndata")
    found = reconstruct(LINES.lines([0, 3]), exchangeable(8, 4.0), 0.01)
    data = found.to_anndata()
    assert data.shape == (2, LINES.n_markers)
    assert_array_equal(data.layers["B"], found.stacked()[:, :, 1])
    assert_array_equal(data.X, found.stacked().argmax(axis=2))


# Paths


def test_paths_are_likely_and_samples_follow_the_posterior() -> None:
    some = LINES.lines(np.arange(6))
    design = ril(8, order=DATA.order[:6])
    posterior = reconstruct(some, design, 0.01).stacked()
    best = most_likely_paths(some, design, 0.01)
    assert (best.state == posterior.argmax(axis=2)).mean() > 0.9
    assert (best.log_probability <= log_likelihood(some, design, 0.01)).all()
    draws = sample_paths(some, design, 0.01, 400, 5)
    share = (draws[..., None] == np.arange(8)).mean(axis=0)
    # Standard error of 400 draws: 0.025; the largest of 6 × 60 × 8 differences.
    assert np.abs(share - posterior).max() < 0.12
    assert_array_equal(draws, sample_paths(some, design, 0.01, 400, 5))


def test_segments_tile_the_chromosomes() -> None:
    best = most_likely_paths(LINES, DESIGN, 0.01)
    frame = best.to_frame()
    assert frame.markers.sum() == LINES.n_lines * LINES.n_markers
    changes = frame.groupby("line").size() - 2  # chromosomes
    assert_array_equal(changes, best.crossovers)
    true = sum(count_changes(DATA.haplotype[:, 0, DATA.chromosome == c], DESIGN) for c in (0, 1))
    # Short segments between two markers are missed, never invented.
    assert 0.5 * true.mean() < best.crossovers.mean() < 1.05 * true.mean()


def test_changes_of_pairs_are_the_fewest() -> None:
    design = diplotypes(intercross(3, 2))
    path = np.array([[0, 1, 2, 4, 3]])  # AA AB BB BC AC
    assert_array_equal(count_changes(path, design), [4])
