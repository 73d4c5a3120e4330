"""Error rates, expansions and maps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.core.errors import AnalysisError
from refsolve.methods.founder_hmm import (
    Genotypes,
    exchangeable,
    expected_mismatches,
    fit_founders,
    insert_pseudomarkers,
    log_likelihood,
    map_order,
    predict_genotypes,
    recombination,
    reconstruct,
    ril,
    simulate_calls,
    simulate_map,
    simulate_ril,
    textbook,
)
from tests.methods.founder_hmm.lines import DATA, DESIGN, LINES, called, small

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
