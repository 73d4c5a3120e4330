"""Errors of calls, and markers and lines that are not what they are called, eqs. (11) to (15)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.methods.founder_hmm.textbook.chains import forward_backward
from refsolve.methods.founder_hmm.textbook.emissions import HET, MISSING, Unknown, call_emission

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class FlipSearch(NamedTuple):
    """Result of `find_flips`.

    Attributes
    ----------
    flipped
        (M,) markers of which the founder alleles were exchanged.
    founders
        (M, K) alleles after the exchange.
    log_ratio
        (M,) eq. (13) in the last round, for exchanging once more.
    rounds
        Rounds until nothing more was exchanged.
    """

    flipped: NDArray[np.bool_]
    founders: IntArray
    log_ratio: FloatArray
    rounds: int


def emission_table(
    calls: IntArray, founders: IntArray, error: ArrayLike, unknown: Unknown = 0.5
) -> FloatArray:
    """(n, M, K) emissions of inbred lines, eq. (7).

    Parameters
    ----------
    calls
        (n, M) calls 0, 1, `HET` or `MISSING`.
    founders
        (M, K) founder alleles.
    error
        One probability, or (M,) of them.
    unknown
        As in `call_emission`.
    """
    e = np.broadcast_to(error, len(founders))
    kinds = (0, 1, HET, MISSING)
    options = [
        [call_emission(call, alleles, float(e[k]), unknown) for call in kinds]
        for k, alleles in enumerate(founders)
    ]
    # MISSING is -1: the last of the kinds
    return np.array(options)[np.arange(len(founders)), calls]


def posteriors(
    initial: FloatArray, steps: FloatArray, emission: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(n, M, S) posteriors and (n,) log-likelihoods of all lines.

    Parameters
    ----------
    initial
        (S,) probabilities at the first locus.
    steps
        (M-1, S, S) transitions of all lines, or (n, M-1, S, S).
    emission
        (n, M, S) of each line.
    """
    moves = np.broadcast_to(steps, (len(emission), *steps.shape[-3:]))
    found = [forward_backward(initial, m, e) for m, e in zip(moves, emission, strict=True)]
    return np.array([p for p, _ in found]), np.array([ll for _, ll in found])


def match_matrix(calls: IntArray, founders: IntArray, unknown: float = 0.5) -> FloatArray:
    """(n, M, K) probability that a founder carries the allele called; NaN without a clear call.

    Parameters
    ----------
    calls
        (n, M) calls.
    founders
        (M, K) founder alleles.
    unknown
        Probability that a founder without a call carries allele 1.
    """
    carries = np.where(founders == MISSING, unknown, founders)
    c = calls[:, :, np.newaxis]
    matches = np.where(c == 1, carries, 1 - carries)
    return np.where((c == MISSING) | (c == HET), np.nan, matches)


def expected_mismatches(
    posterior: FloatArray, matches: FloatArray, error: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """(M,) expected wrong calls given all data, and (M,) calls, eq. (11).

    Parameters
    ----------
    posterior
        (n, M, K) founder probabilities.
    matches
        (n, M, K) of `match_matrix`.
    error
        Error under which the posterior was found, one or (M,).
    """
    e = np.broadcast_to(error, posterior.shape[1])[:, np.newaxis]
    wrong = (1 - matches) * e / ((1 - matches) * e + matches * (1 - e))
    return np.nansum(posterior * wrong, axis=(0, 2)), (~np.isnan(matches[:, :, 0])).sum(axis=0)


def estimate_error(
    calls: IntArray,
    founders: IntArray,
    initial: FloatArray,
    steps: FloatArray,
    start: float = 0.005,
    prior: tuple[float, float] = (2.0, 398.0),
    rounds: int = 200,
) -> FloatArray:
    """(M,) error of each marker by expectation and maximisation, eq. (11).

    Parameters
    ----------
    calls, founders
        As in `emission_table`.
    initial, steps
        As in `posteriors`.
    start
        First value at all markers.
    prior
        Beta distribution that the errors are drawn to: wrong and right calls before the data.
    rounds
        Most rounds; it stops when no error changes by 1e-10.
    """
    matches = match_matrix(calls, founders)
    error = np.full(len(founders), start)
    for _ in range(rounds):
        posterior, _ = posteriors(initial, steps, emission_table(calls, founders, error))
        wrong, seen = expected_mismatches(posterior, matches, error)
        before, error = error, (wrong + prior[0]) / (seen + sum(prior))
        if np.abs(error - before).max() < 1e-10:
            break
    return error


def leave_out(posterior: FloatArray, emission: FloatArray) -> FloatArray:
    """(n, M, K) posterior at each marker from all other markers, eq. (12).

    Parameters
    ----------
    posterior, emission
        (n, M, K) with the marker itself.
    """
    without = posterior / emission
    return np.asarray(without / without.sum(axis=2, keepdims=True))


def flip_log_ratio(others: FloatArray, matches: FloatArray, error: ArrayLike) -> FloatArray:
    """(M,) log-likelihood with the founder alleles exchanged minus as they are, eq. (13).

    Parameters
    ----------
    others
        (n, M, K) of `leave_out`.
    matches
        (n, M, K) of `match_matrix`.
    error
        One probability, or (M,) of them.
    """
    e = np.broadcast_to(error, others.shape[1])
    p = np.sum(others * matches, axis=2)
    turned, as_is = p * e + (1 - p) * (1 - e), p * (1 - e) + (1 - p) * e
    return np.asarray(np.nansum(np.log(turned) - np.log(as_is), axis=0))


def founder_log_ratio(others: FloatArray, matches: FloatArray, error: float) -> FloatArray:
    """(M, K) the same for the allele of one founder alone, eq. (13).

    Parameters
    ----------
    others, matches, error
        As in `flip_log_ratio`.
    """
    p = np.sum(others * matches, axis=2, keepdims=True)
    turned = p + others * (1 - 2 * matches)
    with_error = [x * (1 - error) + (1 - x) * error for x in (turned, p)]
    return np.asarray(np.nansum(np.log(with_error[0]) - np.log(with_error[1]), axis=0))


def disagreement(others: FloatArray, matches: FloatArray) -> FloatArray:
    """(M,) mean probability that the others predict the allele that was not called, eq. (13).

    Parameters
    ----------
    others, matches
        As in `flip_log_ratio`.
    """
    p = np.sum(others * matches, axis=2)
    called = ~np.isnan(p)
    return np.asarray(np.nansum(1 - p, axis=0) / np.maximum(called.sum(axis=0), 1))


def find_flips(
    calls: IntArray,
    founders: IntArray,
    initial: FloatArray,
    steps: FloatArray,
    error: float = 0.05,
    threshold: float = 10.0,
    rounds: int = 10,
) -> FlipSearch:
    """Markers whose founder alleles are exchanged, found again until none is left, eq. (13).

    Parameters
    ----------
    calls, founders
        As in `emission_table`.
    initial, steps
        As in `posteriors`.
    error
        A tolerant one, so that a marker that is wrong does not carry its neighbours along.
    threshold
        Log-likelihood ratio above which a marker is exchanged.
    rounds
        Most rounds.
    """
    flipped, current = np.zeros(len(founders), dtype=bool), founders.copy()
    done = 0
    while True:
        done += 1
        emission = emission_table(calls, current, error)
        others = leave_out(posteriors(initial, steps, emission)[0], emission)
        log_ratio = flip_log_ratio(others, match_matrix(calls, current), error)
        if done == rounds or not (log_ratio > threshold).any():
            return FlipSearch(flipped, current, log_ratio, done)
        flipped ^= log_ratio > threshold
        known = (founders != MISSING) & flipped[:, np.newaxis]
        current = np.where(known, 1 - founders, founders)


def swap_log_ratio(log_likelihood: FloatArray) -> FloatArray:
    """(n, n) log-likelihood with two lines exchanged minus as they are named, eq. (14).

    Parameters
    ----------
    log_likelihood
        (n, n) of the calls of line i under the funnel order of line j.
    """
    own = np.diag(log_likelihood)
    return np.asarray(log_likelihood + log_likelihood.T - own - own[:, np.newaxis])


def placement(calls: IntArray, founders: IntArray, others: FloatArray, error: float) -> FloatArray:
    """(M',) log-likelihood of one marker at every place of the map, eq. (15).

    Parameters
    ----------
    calls
        (n,) calls of the marker.
    founders
        (K,) founder alleles of the marker.
    others
        (n, M', K) founder probabilities along the map, found without this marker.
    error
        Error of a call.
    """
    p = np.nansum(others * match_matrix(calls[:, np.newaxis], founders[np.newaxis]), axis=2)
    seen = (calls != MISSING) & (calls != HET)
    likelihood = p * (1 - error) + (1 - p) * error
    return np.asarray(np.log(likelihood[seen]).sum(axis=0))


def placement_of_unlinked(calls: IntArray, founders: IntArray, error: float) -> float:
    """Log-likelihood of a marker that is linked to nothing, all founders alike, eq. (15).

    Parameters
    ----------
    calls, founders, error
        As in `placement`.
    """
    p = match_matrix(calls[:, np.newaxis], founders[np.newaxis])[:, 0].mean(axis=1)
    likelihood = p * (1 - error) + (1 - p) * error
    return float(np.nansum(np.log(likelihood)))


def error_log_odds(posterior: FloatArray, matches: FloatArray, error: float) -> FloatArray:
    """(n, M) log10 posterior odds of a wrong call over its odds beforehand, eq. (12).

    Parameters
    ----------
    posterior
        (n, M, K) founder probabilities with the marker itself.
    matches
        (n, M, K) of `match_matrix`.
    error
        Error under which the posterior was found.
    """
    wrong = np.sum(posterior * (1 - matches), axis=2)
    prior = np.mean(1 - matches, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.log10(wrong / (1 - wrong)) - np.log10(prior / (1 - prior))
    return np.where(np.isnan(odds), 0.0, odds)
