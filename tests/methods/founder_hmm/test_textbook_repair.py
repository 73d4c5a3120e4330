"""Error rates and repairs of the textbook against likelihoods that are computed in full."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from refsolve.methods.founder_hmm import textbook as tb
from refsolve.methods.founder_hmm.simulate import simulate_calls, simulate_ril

ROUNDING = {"rtol": 1e-10, "atol": 1e-10}
ERROR = 0.03


@dataclass(frozen=True)
class Small:
    """Lines of eight founders with calls of all kinds, and their posteriors."""

    calls: np.ndarray
    founders: np.ndarray
    initial: np.ndarray
    steps: np.ndarray
    position: np.ndarray

    @property
    def emission(self) -> np.ndarray:
        return tb.emission_table(self.calls, self.founders, ERROR)

    @property
    def posterior(self) -> np.ndarray:
        return tb.posteriors(self.initial, self.steps, self.emission)[0]

    def log_likelihood(self, founders: np.ndarray) -> float:
        emission = tb.emission_table(self.calls, founders, ERROR)
        return float(tb.posteriors(self.initial, self.steps, emission)[1].sum())


@pytest.fixture(scope="module")
def small() -> Small:
    position = np.linspace(0, 40, 15)
    lines = simulate_ril(n_lines=12, n_founders=8, position=position, rng=3)
    seen = simulate_calls(lines, error=0.02, missing=0.1, founder_missing=0.1, rng=4)
    calls = seen.calls.copy()
    calls[2, 5] = calls[7, 11] = tb.HET
    design = tb.ril(8)
    steps = tb.steps(design, tb.recombination(np.diff(position)))
    return Small(calls, seen.founders, design.initial, steps, position)


# --- one marker against the others ---------------------------------------------------------------


def test_leaving_a_marker_out_is_having_no_calls_there(small: Small) -> None:
    others = tb.leave_out(small.posterior, small.emission)
    for k in (0, 6, 14):
        calls = small.calls.copy()
        calls[:, k] = tb.MISSING
        emission = tb.emission_table(calls, small.founders, ERROR)
        direct = tb.posteriors(small.initial, small.steps, emission)[0][:, k]
        np.testing.assert_allclose(others[:, k], direct, **ROUNDING)


def test_flip_ratio_is_the_difference_of_two_likelihoods(small: Small) -> None:
    others = tb.leave_out(small.posterior, small.emission)
    got = tb.flip_log_ratio(others, tb.match_matrix(small.calls, small.founders), ERROR)
    as_is = small.log_likelihood(small.founders)
    for k in range(15):
        turned = small.founders.copy()
        turned[k] = np.where(turned[k] == tb.MISSING, tb.MISSING, 1 - turned[k])
        np.testing.assert_allclose(got[k], small.log_likelihood(turned) - as_is, **ROUNDING)


def test_ratio_of_one_founder_is_the_difference_of_two_likelihoods(small: Small) -> None:
    others = tb.leave_out(small.posterior, small.emission)
    matches = tb.match_matrix(small.calls, small.founders)
    got = tb.founder_log_ratio(others, matches, ERROR)
    as_is = small.log_likelihood(small.founders)
    for k, f in ((0, 3), (6, 0), (14, 7)):
        turned = small.founders.copy()
        known = turned[k, f] != tb.MISSING
        turned[k, f] = 1 - turned[k, f] if known else tb.MISSING
        expected = small.log_likelihood(turned) - as_is if known else 0.0
        np.testing.assert_allclose(got[k, f], expected, **ROUNDING)


def test_flipping_twice_has_the_opposite_ratio(small: Small) -> None:
    others = tb.leave_out(small.posterior, small.emission)
    matches = tb.match_matrix(small.calls, small.founders)
    np.testing.assert_allclose(
        tb.flip_log_ratio(others, 1 - matches, ERROR),
        -tb.flip_log_ratio(others, matches, ERROR),
        **ROUNDING,
    )


def test_place_of_a_marker_is_a_difference_of_two_likelihoods(small: Small) -> None:
    k = 6
    rest = np.delete(np.arange(15), k)
    steps = tb.steps(tb.ril(8), tb.recombination(np.diff(small.position[rest])))
    emission = tb.emission_table(small.calls[:, rest], small.founders[rest], ERROR)
    others, ll = tb.posteriors(small.initial, steps, emission)
    got = tb.placement(small.calls[:, k], small.founders[k], others, ERROR)
    for place in (0, 5, 13):
        added = emission.copy()
        added[:, place] *= tb.emission_table(small.calls[:, [k]], small.founders[[k]], ERROR)[:, 0]
        with_it = tb.posteriors(small.initial, steps, added)[1]
        np.testing.assert_allclose(got[place], np.sum(with_it - ll), **ROUNDING)
    even = np.full((12, 1, 8), 1 / 8)
    alone = tb.placement(small.calls[:, k], small.founders[k], even, ERROR)[0]
    unlinked = tb.placement_of_unlinked(small.calls[:, k], small.founders[k], ERROR)
    np.testing.assert_allclose(unlinked, alone, **ROUNDING)


# --- error rates ---------------------------------------------------------------------------------


def test_expected_mismatches_are_posterior_probabilities_of_a_wrong_call() -> None:
    founders = np.array([[0, 1, -1]])
    posterior = np.array([[[0.5, 0.3, 0.2]], [[0.1, 0.2, 0.7]]])
    matches = tb.match_matrix(np.array([[1], [tb.MISSING]]), founders)
    wrong, seen = tb.expected_mismatches(posterior, matches, 0.01)
    np.testing.assert_allclose(wrong, [0.5 + 0.2 * 0.01], **ROUNDING)
    assert seen.tolist() == [1]


def test_errors_are_a_maximum_of_the_likelihood_with_its_prior(small: Small) -> None:
    fit = tb.estimate_error(small.calls, small.founders, small.initial, small.steps)

    def objective(error: np.ndarray) -> float:
        emission = tb.emission_table(small.calls, small.founders, error)
        ll = tb.posteriors(small.initial, small.steps, emission)[1].sum()
        return float(ll + np.sum(2 * np.log(error) + 398 * np.log1p(-error)))

    best = objective(fit)
    for k in (0, 7, 14):
        for factor in (0.9, 1.1):
            moved = fit.copy()
            moved[k] *= factor
            assert objective(moved) < best


def test_errors_rise_where_calls_are_wrong() -> None:
    position = np.linspace(0, 60, 40)
    lines = simulate_ril(n_lines=100, n_founders=4, position=position, rng=6)
    seen = simulate_calls(lines, error=0.0, missing=0.0, rng=7)
    calls = seen.calls.copy()
    hit = np.random.default_rng(8).random(100) < 0.15
    calls[:, 20] = np.where(hit, 1 - calls[:, 20], calls[:, 20])
    design = tb.ril(4)
    steps = tb.steps(design, tb.recombination(np.diff(position)))
    error = tb.estimate_error(calls, seen.founders, design.initial, steps, rounds=25)
    expected = (hit.sum() + 2) / 500
    np.testing.assert_allclose(error[20], expected, rtol=0.15)
    assert np.delete(error, 20).max() < 0.01


def test_odds_of_a_wrong_call_vanish_where_nothing_is_learned() -> None:
    calls, founders = np.array([[1]]), np.array([[0, 1, 1, 1]])
    even = np.full((1, 1, 4), 0.25)
    got = tb.error_log_odds(even, tb.match_matrix(calls, founders), 0.01)
    np.testing.assert_allclose(got, 0.0, atol=1e-12)
    against = np.array([[[0.97, 0.01, 0.01, 0.01]]])
    got = tb.error_log_odds(against, tb.match_matrix(calls, founders), 0.01)
    np.testing.assert_allclose(got, np.log10(0.97 / 0.03 * 3), **ROUNDING)
    missing = tb.match_matrix(np.array([[tb.MISSING]]), founders)
    assert tb.error_log_odds(even, missing, 0.01) == 0.0


# --- searches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("flipped", [(), (0,), (29,), (7, 18), (11, 12, 13)])
def test_flips_are_found_at_ends_and_side_by_side(flipped: tuple[int, ...]) -> None:
    position = np.linspace(0, 60, 30)
    lines = simulate_ril(n_lines=80, n_founders=8, position=position, rng=9)
    seen = simulate_calls(lines, error=0.01, flipped=flipped, rng=10)
    steps = tb.steps(tb.ril(8), tb.recombination(np.diff(position)))
    found = tb.find_flips(seen.calls, seen.founders, np.full(8, 1 / 8), steps)
    assert np.flatnonzero(found.flipped).tolist() == list(flipped)
    np.testing.assert_array_equal(found.founders, seen.alleles)
    assert found.rounds == (1 if not flipped else 2)
    assert found.log_ratio.max() < -10


def test_a_flipped_marker_disagrees_with_its_neighbours() -> None:
    position = np.linspace(0, 60, 30)
    lines = simulate_ril(n_lines=60, n_founders=8, position=position, rng=11)
    seen = simulate_calls(lines, error=0.0, flipped=(14,), rng=12)
    steps = tb.steps(tb.ril(8), tb.recombination(np.diff(position)))
    emission = tb.emission_table(seen.calls, seen.founders, 0.05)
    others = tb.leave_out(tb.posteriors(np.full(8, 1 / 8), steps, emission)[0], emission)
    got = tb.disagreement(others, tb.match_matrix(seen.calls, seen.founders))
    assert got.argmax() == 14
    assert got[14] > 0.6
    assert np.delete(got, 14).max() < 0.45


def test_exchanged_lines_fit_each_others_order() -> None:
    """At most 0.69 per Morgan tell two lines apart: log(2)/8 at each of 4 changes of either.

    With twenty Morgans and markers every cM that is about 10, with a standard deviation of 5.
    """
    chromosome, position = np.repeat(np.arange(20), 100), np.tile(np.linspace(0, 100, 100), 20)
    lines = simulate_ril(
        n_lines=5, n_founders=8, position=position, chromosome=chromosome, order="random", rng=13
    )
    seen = simulate_calls(lines, error=0.01, swapped=((1, 3),), rng=14)
    r = np.where(np.diff(chromosome) > 0, 0.5, tb.recombination(np.abs(np.diff(position))))
    emission = tb.emission_table(seen.calls, seen.founders, 0.01)
    steps = [tb.steps(tb.ril(8, "self", o), r) for o in lines.order]
    table = np.stack([tb.posteriors(np.full(8, 1 / 8), s, emission)[1] for s in steps], axis=1)
    gain = tb.swap_log_ratio(table)
    np.testing.assert_allclose(gain, gain.T, **ROUNDING)
    np.testing.assert_allclose(np.diag(gain), 0.0, atol=1e-9)
    assert np.unravel_index(gain.argmax(), gain.shape) == (1, 3)
    assert gain[1, 3] > 8


def test_a_misplaced_marker_fits_its_own_place() -> None:
    position = np.linspace(0, 100, 60)
    lines = simulate_ril(n_lines=80, n_founders=8, position=position, rng=15)
    seen = simulate_calls(lines, error=0.01, missing=0.0, misplaced=((10, 45),), rng=16)
    rest = np.delete(np.arange(60), 10)
    steps = tb.steps(tb.ril(8), tb.recombination(np.diff(position[rest])))
    emission = tb.emission_table(seen.calls[:, rest], seen.founders[rest], 0.05)
    others = tb.posteriors(np.full(8, 1 / 8), steps, emission)[0]
    fit = tb.placement(seen.calls[:, 10], seen.founders[10], others, 0.05)
    place = position[rest]
    assert abs(place[fit.argmax()] - position[45]) < 6
    at_home = fit[np.abs(place - position[10]).argmin()]
    alone = tb.placement_of_unlinked(seen.calls[:, 10], seen.founders[10], 0.05)
    assert fit.max() - at_home > 30
    assert fit.max() - alone > 20
    assert at_home < alone + 5
