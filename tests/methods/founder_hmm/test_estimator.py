"""Reconstruction and estimates: behaviour, invariants, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.core.errors import AnalysisError
from refsolve.methods.founder_hmm import (
    Design,
    Genotypes,
    SimulatedCalls,
    SimulatedLines,
    count_changes,
    diplotypes,
    dosage_likelihood,
    exchangeable,
    expected_mismatches,
    fit_founders,
    general_ril,
    insert_pseudomarkers,
    intensity_likelihood,
    intercross,
    log_likelihood,
    map_order,
    most_likely_paths,
    outbred,
    predict_genotypes,
    read_likelihood,
    recombination,
    reconstruct,
    ril,
    sample_paths,
    simulate_calls,
    simulate_founders,
    simulate_intensities,
    simulate_intercross,
    simulate_map,
    simulate_outbred,
    simulate_reads,
    simulate_ril,
    step_weights,
    stream,
    textbook,
)


def bred(n: int = 60, per: int = 30, chromosomes: int = 2, seed: int = 1) -> SimulatedLines:
    code, position = simulate_map(lengths=[60.0] * chromosomes, n_markers=per, rng=seed)
    return simulate_ril(
        n_lines=n, n_founders=8, position=position, chromosome=code, order="random", rng=seed
    )


def called(seed: int = 1, **settings: float) -> SimulatedCalls:
    return simulate_calls(bred(seed=seed), rng=seed, **settings)


DATA = called(founder_missing=0.05)
LINES = Genotypes(**DATA.observed)
DESIGN = ril(8, order=DATA.order)


def small(**fields: object) -> Genotypes:
    values: dict[str, object] = {
        "calls": [[0, 1, 1], [1, -1, 0]],
        "founders": [[0, 1], [1, 0], [1, -1]],
        "position": [1.0, 2.0, 4.0],
    }
    return Genotypes(**(values | fields))  # type: ignore[arg-type]


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


# Other populations


@pytest.mark.slow
@pytest.mark.parametrize("n_founders", [2, 4])
def test_an_intercross_is_reconstructed_in_pairs(n_founders: int) -> None:
    code, position = simulate_map(lengths=[80.0], n_markers=120, rng=3)
    mice = simulate_intercross(
        n_individuals=40, n_founders=n_founders, generations=6, position=position,
        chromosome=code, population_size=120, rng=3,
    )  # fmt: skip
    data = simulate_calls(mice, rng=4)
    design = diplotypes(intercross(n_founders, 6))
    found = reconstruct(Genotypes(**data.observed), design, 0.005)
    share = found.founders()[0]
    truth = (data.haplotype[..., None] == np.arange(n_founders)).mean(axis=1)
    # Four founders with two alleles leave pairs of equal genotype; neighbours tell most of them.
    assert np.abs(share - truth).mean() < (0.01 if n_founders == 2 else 0.08)
    assert_allclose(share.sum(axis=2), 1.0, rtol=1e-12)


@pytest.mark.slow
def test_outbred_mice_have_36_pairs() -> None:
    code, position = simulate_map(lengths=[30.0], n_markers=150, rng=5)
    mice = simulate_outbred(
        n_individuals=6, generations=5, position=position, chromosome=code, population_size=40,
        rng=5,
    )  # fmt: skip
    data = simulate_calls(mice, rng=6)
    found = reconstruct(Genotypes(**data.observed), diplotypes(outbred(5)), 0.005)
    assert len(found.states) == 36
    share = found.founders()[0]
    truth = (data.haplotype[..., None] == np.arange(8)).mean(axis=1)
    assert np.abs(share - truth).mean() < 0.06


def test_generations_make_the_map_longer() -> None:
    position = np.array([0.0, 1.0])
    changes = [1.0 - step_weights(intercross(8, t), position)[1, 0] for t in (2, 5, 20)]
    assert np.all(np.diff(changes) > 0.0)
    short = general_ril(8, 7.0, expansion=0.5)
    assert_allclose(
        step_weights(short, 2.0 * position)[1], step_weights(short.with_expansion(1.0), position)[1]
    )


# Other observations


@pytest.mark.slow
def test_reads_intensities_and_dosages_say_what_calls_say() -> None:
    """Deep reads, narrow clusters and exact dosages leave no doubt about the allele."""
    lines = bred(n=12, per=40, seed=9)
    alleles = simulate_founders(n_markers=80, n_founders=8, rng=9)
    data = simulate_calls(lines, alleles=alleles, error=0.0, missing=0.0, rng=9)
    design = ril(8, order=data.order)
    genotypes = Genotypes(**data.observed)
    want = reconstruct(genotypes, design, 0.0).stacked()
    homozygous = (data.calls < 2).all(axis=0)
    reads = simulate_reads(lines, alleles=alleles, depth=60.0, error=0.01, rng=2)
    means = np.array([[1.0, 0.0], [0.6, 0.6], [0.0, 1.0]])
    intensity = simulate_intensities(lines, alleles=alleles, means=means, sd=0.05, rng=3)
    cov = np.tile(0.05**2 * np.eye(2), (2, 1, 1))
    dosage = np.where(data.calls == 2, np.nan, data.calls)
    rest = (data.founders, data.position, data.chromosome)
    for likelihood in (
        read_likelihood(reads[:, :, 0], reads[:, :, 1], 0.01),
        intensity_likelihood(intensity, means[[0, 2]], cov),
        dosage_likelihood(dosage, 0.05),
    ):
        got = reconstruct(Genotypes(None, *rest, likelihood=likelihood), design, 0.0).stacked()
        assert np.abs(got - want)[:, homozygous].mean() < 0.01


@pytest.mark.parametrize("ploidy", [1, 2])
def test_likelihoods_are_those_of_the_textbook(ploidy: int) -> None:
    K = 3
    model = textbook.general_ril(np.full(K, 1 / K), 4.0)
    design: Design = general_ril(K, 4.0)
    if ploidy == 2:
        model, design = textbook.diplotypes(model), diplotypes(design)
    rng = np.random.default_rng(8)
    founders, position = rng.integers(-1, 2, (5, K)), np.array([0.0, 1.0, 5.0, 6.0, 20.0])
    reads = rng.poisson(2.0, (1, 5, 2))
    dosage = np.append(rng.uniform(0, ploidy, (1, 4)), [[np.nan]], axis=1)
    xy = rng.normal(0.5, 0.3, (1, 5, 2))
    xy[0, 2] = np.nan
    means, cov = (
        rng.random((ploidy + 1, 2)),
        np.tile([[0.05, 0.01], [0.01, 0.04]], (ploidy + 1, 1, 1)),
    )
    alleles, states = list(founders), model.states
    cases = (
        (
            read_likelihood(reads[..., 0], reads[..., 1], 0.02, ploidy),
            [
                textbook.read_emission(tuple(reads[0, k]), alleles[k], 0.02, states)
                for k in range(5)
            ],
        ),
        (
            dosage_likelihood(dosage, 0.2, ploidy),
            [textbook.dosage_emission(dosage[0, k], alleles[k], 0.2, states) for k in range(5)],
        ),
        (
            intensity_likelihood(xy, means, cov),
            [
                textbook.intensity_emission(xy[0, k], list(means), list(cov), alleles[k], states)
                for k in range(5)
            ],
        ),
    )
    moves = textbook.steps(model, recombination(np.diff(position)))
    for likelihood, seen in cases:
        want, _ = textbook.forward_backward(model.initial, moves, np.array(seen))
        data = Genotypes(None, founders, position, likelihood=likelihood)
        assert_allclose(reconstruct(data, design, 0.0).probability[0][0], want, atol=1e-12)


def test_many_lines_without_calls_are_taken_a_few_at_a_time(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    likelihood = np.random.default_rng(1).random((7, LINES.n_markers, 2))
    data = Genotypes(None, LINES.founders, LINES.position, LINES.chromosome, likelihood=likelihood)
    whole = reconstruct(data, ril(8, order=DATA.order[:7]), 0.0).stacked()
    monkeypatch.setattr("refsolve.methods.founder_hmm.model.chains.AT_ONCE", 500)
    assert_allclose(reconstruct(data, ril(8, order=DATA.order[:7]), 0.0).stacked(), whole)


# Error and expansion


@pytest.mark.slow
@pytest.mark.parametrize("error", [0.002, 0.03])
def test_error_is_estimated(error: float) -> None:
    data = called(seed=7, error=error)
    fit = fit_founders(Genotypes(**data.observed), ril(8, order=data.order))
    assert fit.converged
    seen = data.wrong[(data.calls >= 0) & (data.calls < 2)].mean()
    # 3,600 calls; wrong ones are told from short segments imperfectly.
    assert_allclose(fit.common_error, seen, rtol=0.35, atol=0.002)


@pytest.mark.slow
def test_a_bad_marker_has_an_error_of_its_own() -> None:
    data = called(seed=8)
    calls = data.calls.copy()
    calls[:, 17] = np.random.default_rng(1).integers(0, 2, len(calls))
    rest = (data.founders, data.position, data.chromosome)
    fit = fit_founders(Genotypes(calls, *rest), ril(8, order=data.order), error="marker")
    assert fit.error.argmax() == 17
    assert fit.mismatch[17] > 0.3
    common = fit_founders(Genotypes(calls, *rest), ril(8, order=data.order))
    assert fit.log_likelihood > common.log_likelihood


def test_expected_mismatches_are_those_of_the_textbook() -> None:
    some = LINES.only(0).lines(np.arange(4)).kept(np.arange(6))
    model = textbook.ril(8)
    moves = textbook.steps(model, recombination(np.diff(some.position)))
    calls, founders = np.asarray(some.calls, np.int64), some.founders.astype(np.int64)
    posterior, value = textbook.posteriors(
        model.initial, moves, textbook.emission_table(calls, founders, 0.02)
    )
    want, _ = textbook.expected_mismatches(posterior, textbook.match_matrix(calls, founders), 0.02)
    wrong, total = expected_mismatches(some, ril(8), np.full(6, 0.02))
    assert_allclose(wrong, want, rtol=1e-10)
    assert_allclose(total, value.sum(), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("mating, density", [("self", 4.0), ("sib", 7.0)])
def test_expansion_is_the_density_of_changes(mating: str, density: float) -> None:
    code, position = simulate_map(lengths=[60.0, 60.0], n_markers=100, rng=2)
    lines = simulate_ril(
        n_lines=60, n_founders=8, position=position, chromosome=code,
        mating=mating, order="random", rng=2,
    )  # fmt: skip
    data = simulate_calls(lines, rng=3)
    fit = fit_founders(Genotypes(**data.observed), exchangeable(8))
    # Changes of sib-mated lines cluster, and no process without memory holds that.
    assert_allclose(fit.expansion, density, rtol=0.25)
    assert not fit.expansion_at_bound
    free = fit_founders(Genotypes(**data.observed), ril(8, mating, expansion=None))
    assert_allclose(free.expansion, 1.0, rtol=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("order", [None, DATA.order], ids=["common order", "own orders"])
def test_some_lines_stand_for_many(order: np.ndarray | None, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    whole = fit_founders(LINES, ril(8, order=order, expansion=None))
    monkeypatch.setattr("refsolve.methods.founder_hmm.estimator.fitting.ENOUGH", 2400)
    part = fit_founders(LINES, ril(8, order=order, expansion=None))
    assert whole.expansion != part.expansion
    assert_allclose(part.expansion, whole.expansion, rtol=0.3)


@pytest.mark.slow
def test_markers_at_one_place_leave_the_expansion_open() -> None:
    together = Genotypes(np.asarray(LINES.calls)[:, :8], LINES.founders[:8], np.full(8, 3.0))
    fit = fit_founders(together, exchangeable(8))
    assert np.isfinite(fit.log_likelihood)
    assert fit.expansion_at_bound


@pytest.mark.slow
def test_fixed_numbers_are_kept() -> None:
    errors = np.linspace(0.001, 0.1, LINES.n_markers)
    fit = fit_founders(LINES, exchangeable(8, 3.0), error=errors)
    assert_array_equal(fit.error, errors)
    assert fit.expansion == 3.0
    assert_allclose(fit.log_likelihood, log_likelihood(LINES, fit.design, errors).sum())


@pytest.mark.slow
def test_likelihoods_have_no_error_but_an_expansion() -> None:
    data = called(seed=3)
    pair = np.where(data.calls[..., None] == np.arange(2), 0.99, 0.01)
    pair[(data.calls < 0) | (data.calls == 2)] = 1.0
    rest = (data.founders, data.position, data.chromosome)
    fit = fit_founders(Genotypes(None, *rest, likelihood=pair), exchangeable(8), error=0.0)
    assert_allclose(
        fit.expansion,
        fit_founders(Genotypes(**data.observed), exchangeable(8), error=0.01).expansion,
        rtol=0.05,
    )
    with pytest.raises(ValueError, match="error rates are learnt from calls"):
        fit_founders(Genotypes(None, *rest, likelihood=pair), exchangeable(8))


@pytest.mark.slow
def test_estimates_do_not_depend_on_the_order_of_work() -> None:
    a = fit_founders(LINES, exchangeable(8))
    b = fit_founders(LINES, exchangeable(8), map_=lambda f, x: map(f, list(x)[::-1]))
    assert a.log_likelihood == b.log_likelihood
    assert_array_equal(a.error, b.error)


def test_predictions_leave_the_marker_out() -> None:
    without = np.asarray(LINES.calls).copy()
    without[:, 11] = -1
    rest = (LINES.founders, LINES.position, LINES.chromosome)
    a = predict_genotypes(LINES, DESIGN, 0.01)[:, 11]
    b = predict_genotypes(Genotypes(without, *rest), DESIGN, 0.01, own=True)[:, 11]
    assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize(
    "markers", [[3], [3, 4], [3, 31]], ids=["one", "two", "one on each chromosome"]
)
def test_few_markers_are_enough_to_run(markers: list[int]) -> None:
    few = LINES.kept(markers)
    fit = fit_founders(few, exchangeable(8))
    assert np.isfinite(fit.log_likelihood)
    assert_allclose(reconstruct(few, fit.design, fit.error).stacked().sum(axis=2), 1.0)


def test_nothing_called_is_refused() -> None:
    nothing = small(calls=[[-1, -1, 2]])
    with pytest.raises(AnalysisError, match="No line was called at any marker"):
        fit_founders(nothing, ril(2))


# Maps


def test_map_functions_are_the_textbook_ones() -> None:
    d = np.array([0.0, 0.01, 3.0, 25.0, 70.0, 400.0])
    for name in ("haldane", "kosambi", "carter-falconer", "morgan"):
        assert_allclose(
            recombination(d, name), textbook.recombination(d, name), rtol=1e-12, atol=1e-12
        )


def test_map_order_sorts_names_as_people_do() -> None:
    labels = np.array(["chr10", "chrX", "chr2", "chr1", "chr2"])
    order = map_order(labels, [1.0, 2.0, 9.0, 0.0, 9.0])
    assert_array_equal(order, [3, 2, 4, 0, 1])


def test_grid_leaves_out_what_is_near_a_marker() -> None:
    position, real = insert_pseudomarkers([1.0, 2.005, 5.0], 1.0)
    assert_allclose(position, [1.0, 2.005, 3.0, 4.0, 5.0])
    assert_array_equal(real, [True, True, False, False, True])


# Refusals


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"calls": [[0, 1, 3]]}, r"calls\[0, 2\] = 3 must be -1 \(missing\), 0, 1 or 2"),
        ({"calls": [[0, 1]]}, r"calls has shape \(1, 2\); expected \(lines, 3\)"),
        ({"founders": [[0, 2], [1, 0], [1, 1]]}, r"founders\[0, 1\] = 2 must be -1 \(missing\), 0"),
        ({"founders": [[0, 1], [1, 0]]}, "do not agree"),
        ({"position": [1.0, 4.0, 2.0]}, r"position\[2\] = 2.0 is before its neighbour"),
        ({"chromosome": ["a", "b", "a"]}, r"chromosome\[2\] = 'a' comes back"),
        ({"calls": None}, "calls or likelihood must be given"),
        ({"unknown": 1.0}, "unknown is 1.0; expected a probability"),
        ({"calls": None, "likelihood": np.ones((2, 3, 4))}, "expected \\(lines, 3, 2 or 3\\)"),
        ({"calls": None, "likelihood": np.zeros((2, 3, 2))}, "must be positive for one"),
        ({"calls": None, "likelihood": np.full((2, 3, 2), -1.0)}, "must be finite and not"),
    ],
)  # fmt: skip
def test_bad_genotypes_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**fields)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ril(3), "n_founders = 3 must be 2, 4, 8 or 16"),
        (lambda: ril(8, "half"), "mating = 'half' is not known; choose one of 'self', 'sib'"),
        (lambda: ril(2, order="any"), "order = 'any' is not known"),
        (lambda: ril(2, order=[0, 0]), r"order \[0, 0\] must hold each of 0 ... 1 once"),
        (lambda: ril(2, order=[0, 1, 2]), r"order has shape \(3,\); expected \(2,\)"),
        (lambda: ril(2, map_function="x"), "map_function = 'x' is not known"),
        (lambda: ril(2, expansion=0.0), "expansion = 0.0 must be positive"),
        (lambda: exchangeable(1), "n_founders = 1 must be at least 2"),
        (lambda: general_ril(2, -1.0), "generations = -1.0 must not be negative"),
        (lambda: general_ril(2, 3.0, fractions=[0.5, 0.6]), "expected 2 with sum 1"),
        (lambda: general_ril(2, 3.0, fractions=[1.0, 0.0]), "must be positive"),
        (lambda: intercross(2, 1), "generations = 1 must be at least 2"),
        (lambda: outbred(0), "outbred needs generations >= 1"),
        (lambda: diplotypes(ril(8)), "tells orders of founders apart"),
        (lambda: recombination([-1.0]), "must not be negative"),
        (lambda: insert_pseudomarkers([0.0, 1.0], 0.0), "step = 0.0 must be positive"),
        (lambda: step_weights(exchangeable(2), np.zeros(2)), "the expansion of the design is not"),
        (lambda: read_likelihood([[1]], [[1]], 0.7), "error = 0.7 must lie in"),
        (lambda: read_likelihood([[1]], [[1, 2]]), "must both be"),
        (lambda: dosage_likelihood([0.5]), "expected \\(lines, markers\\)"),
        (lambda: dosage_likelihood([[0.5]], 0.0), "sd = 0.0 must be positive"),
        (lambda: intensity_likelihood([[0.5]], [[1.0, 1.0]], [[1.0]]), "do not agree"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "run, message",
    [
        (lambda: reconstruct(small(), ril(4), 0.01), "founders has 2 founders and the design 4"),
        (lambda: reconstruct(small(), ril(2, order=[[0, 1]]), 0.01), "of 1 lines; there are 2"),
        (lambda: reconstruct(small(), ril(2), [0.1, 0.2]), r"error has shape \(2,\)"),
        (lambda: reconstruct(small(), ril(2), 0.7), r"must lie in \[0, 0.5\]"),
        (lambda: reconstruct(small(), ril(2), 0.1, storage="f4"), "storage = 'f4' is not known"),
        (lambda: reconstruct(small(), ril(2), 0.1, at={}, step=1.0), "leave one out"),
        (lambda: fit_founders(small(), ril(2), error="each"), "error = 'each' is not known"),
        (lambda: small().only("9"), "chromosome '9' is not among"),
        (
            lambda: reconstruct(small(unknown="peer"), diplotypes(intercross(2, 2)), 0.1),
            "unknown is 'peer', which is for inbred lines",
        ),
        (
            lambda: reconstruct(small(calls=None, likelihood=np.ones((2, 3, 3))), ril(2), 0.1),
            "likelihood has 3 genotypes; the design needs 2",
        ),
    ],
)  # fmt: skip
def test_bad_requests_are_refused(run, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        run()
