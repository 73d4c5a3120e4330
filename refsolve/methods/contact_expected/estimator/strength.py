"""Strength of loops: log2 of observed over expected, by sample, condition and contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from refsolve.core.check import FloatArray, IntArray, open_unit, refuse
from refsolve.core.result import Result
from refsolve.methods.contact_expected.estimator.fitted import ExpectedFit
from refsolve.methods.contact_expected.model.table import ContactTable

LOG2 = float(np.log(2.0))
HALF = 0.5  # contacts added to both where none was observed


@dataclass(frozen=True, slots=True, eq=False)
class LoopStrength(Result):
    """log2 of observed over expected contacts; means over the samples of a condition.

    Attributes
    ----------
    conditions
        Conditions (C,).
    condition
        Of every sample (S,).
    observed, expected
        Contacts of the pixel, or sums over the pixels (S,).
    log2
        Of their ratio (S,); half a contact is added to both where none was observed.
    mean
        Mean over the samples of a condition (C,).
    zeros
        Samples of a condition in which nothing was observed (C,).
    se_expected
        Standard error of the mean from the estimation of the expected alone (C,): how far it is
        from what the true expected would give with the same observed contacts. With a local
        background, the noise of its contacts is part of it.
    se_counts
        From the noise of the observed contacts alone (C,).
    se
        Both (C,): how far the mean is from the true log2 ratio of means.
    se_between
        From the differences between the pixels (C,), by leaving out one at a time: how far the
        mean is from that of all pixels of which these are a sample. NaN for one pixel.
    covariance_expected, covariance_between
        Of the means by condition (C, C), behind `se_expected` and `se_between`.
    """

    conditions: tuple[str, ...]
    condition: tuple[str, ...]
    observed: FloatArray
    expected: FloatArray
    log2: FloatArray
    mean: FloatArray
    zeros: IntArray
    se_expected: FloatArray
    se_counts: FloatArray
    se: FloatArray
    se_between: FloatArray
    covariance_expected: FloatArray
    covariance_between: FloatArray

    def mean_of(self, condition: str) -> float:
        """Mean of one condition.

        Parameters
        ----------
        condition
            Its name.
        """
        return float(self.mean[_position(self, condition)])

    def interval(self, confidence: float = 0.95) -> FloatArray:
        """Ends (C, 2) of the interval of every mean, with the errors of expected and counts.

        Parameters
        ----------
        confidence
            Probability that it holds the true log2 ratio of means.
        """
        half = float(ndtri(0.5 + 0.5 * open_unit(confidence, "confidence"))) * self.se
        return np.column_stack([self.mean - half, self.mean + half])


@dataclass(frozen=True, slots=True)
class Difference(Result):
    """Difference of the mean log2 ratios of two conditions.

    Attributes
    ----------
    value
        First less second.
    se_expected, se_counts, se, se_between
        Standard errors as in `LoopStrength`; errors that the conditions share cancel.
    interval
        With the errors of expected and counts.
    interval_expected
        With the error of the expected only.
    """

    value: float
    se_expected: float
    se_counts: float
    se: float
    se_between: float
    interval: tuple[float, float]
    interval_expected: tuple[float, float]


def loop_strength(
    fit: ExpectedFit,
    table: ContactTable,
    pixel: tuple[int, int] | Sequence[tuple[int, int]],
    *,
    donut: tuple[int, int] | None = None,
) -> LoopStrength:
    """Strength of one pixel, or of several together through the sums of their contacts.

    Parameters
    ----------
    fit
        The expected, fitted without these pixels.
    table
        The counts; the pixels of a local background are those in use.
    pixel
        Two bins, or pairs of bins.
    donut
        Inner and outer half-width of a local background in bins: the expected is multiplied with
        observed over expected of the pixels that are at most `outer` and more than `inner` bins
        away in either direction, without the rows and columns of the pixels, all pixels together.
    """
    if fit.mu.shape != table.counts.shape:
        raise ValueError(
            f"fit has expected counts of shape {fit.mu.shape} and table counts of shape "
            f"{table.counts.shape}; pass the fit of this table, with fewer pixels in use or not"
        )
    pairs = np.atleast_2d(np.asarray(pixel, dtype=np.int64))
    chosen = np.array([table.pixel(int(i), int(j)) for i, j in pairs])
    y, mu = table.counts[:, chosen], fit.mu[:, chosen]
    gradient = _gradients(fit, mu, chosen[None, :].repeat(mu.shape[0], axis=0))
    noise = np.zeros(mu.shape[0])
    if donut is not None:
        around = [_donut(table, int(i), int(j), *donut) for i, j in pairs]
        ratio, noise, slope = _local(fit, table, np.unique(np.concatenate(around)))
        mu, gradient = mu * ratio[:, None], gradient - slope
    return _strength(table.condition, y, mu, fit.dispersion, gradient, fit.covariance, noise)


def strength_of_sums(
    observed: ArrayLike,
    expected: ArrayLike,
    condition: Sequence[str],
    *,
    local: tuple[ArrayLike, ArrayLike] | None = None,
    dispersion: float = 0.0,
) -> LoopStrength:
    """Strength from contacts and a known expected, as from the patches of a local background.

    Eq. (23), but half a contact is added only in samples where nothing was observed: a pseudocount
    everywhere draws weak pixels towards zero.

    Parameters
    ----------
    observed, expected
        Raw contacts of every sample and loop (S, L), and what is expected of them.
    condition
        Condition of every sample (S,).
    local
        Observed and expected contacts (S, L) around the loops, by whose ratio of sums the expected
        is multiplied.
    dispersion
        α of the counts.
    """
    y, mu = np.atleast_2d(observed).astype(np.float64), np.atleast_2d(expected).astype(np.float64)
    refuse(~(mu > 0.0), "expected", mu, "must be above 0", "leave masked loops out")
    S, noise = y.shape[0], np.zeros(y.shape[0])
    if local is not None:
        near, model = (np.atleast_2d(part).astype(np.float64) for part in local)
        total = near.sum(axis=1)
        refuse(~(total > 0.0), "local", total, "must be above 0", "take a wider background")
        mu = mu * (total / model.sum(axis=1))[:, None]
        noise = 1.0 / total + dispersion * (model**2).sum(axis=1) / model.sum(axis=1) ** 2
    alpha = np.full(S, float(dispersion))
    nothing = np.zeros((0, 0))
    return _strength(tuple(map(str, condition)), y, mu, alpha, np.zeros((S, 0)), nothing, noise)


def difference(
    strength: LoopStrength, first: str, second: str, *, confidence: float = 0.95
) -> Difference:
    """Difference of two conditions.

    Parameters
    ----------
    strength
        Strength by condition.
    first, second
        Conditions; the second is taken from the first.
    confidence
        Nominal coverage of the intervals.
    """
    a, b = _position(strength, first), _position(strength, second)
    if a == b:
        raise ValueError(f"first and second are both {first!r}; name two conditions")
    contrast = np.zeros(len(strength.conditions))
    contrast[[a, b]] = 1.0, -1.0
    value = float(strength.mean[a] - strength.mean[b])
    expected, between = (
        float(np.sqrt(np.maximum(contrast @ V @ contrast, 0.0)))
        for V in (strength.covariance_expected, strength.covariance_between)
    )
    counts = float(np.hypot(strength.se_counts[a], strength.se_counts[b]))
    se = float(np.hypot(expected, counts))
    z = float(ndtri(0.5 + 0.5 * open_unit(confidence, "confidence")))
    wide, narrow = (value - z * se, value + z * se), (value - z * expected, value + z * expected)
    return Difference(value, expected, counts, se, between, wide, narrow)


def _gradients(fit: ExpectedFit, mu: FloatArray, pixels: IntArray) -> FloatArray:
    """Derivative of the log of the summed expected in the coefficients (S, p)."""
    out = np.zeros((mu.shape[0], fit.coef.size))
    for s, row in enumerate(pixels):
        share = mu[s] / mu[s].sum()
        np.add.at(out[s], fit.columns[s], share @ fit.features[row])
    return out


def _donut(table: ContactTable, i: int, j: int, inner: int, outer: int) -> IntArray:
    """Pixels around (i, j)."""
    if not 0 <= inner < outer:
        raise ValueError(f"donut = {(inner, outer)}; expected 0 ≤ inner < outer in bins")
    a, b = np.abs(table.bin1 - min(i, j)), np.abs(table.bin2 - max(i, j))
    size = np.maximum(a, b)
    return np.flatnonzero((size <= outer) & (size > inner) & (a > 0) & (b > 0))


def _local(
    fit: ExpectedFit, table: ContactTable, around: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Observed over expected around the pixels (S,), its relative variance, and its gradient."""
    mu = np.where(table.used[:, around], fit.mu[:, around], 0.0)
    y = np.where(table.used[:, around], table.counts[:, around], 0.0).sum(axis=1)
    refuse(~(y > 0.0), "donut", y, "contacts lie around the pixel", "take a wider donut")
    noise = 1.0 / y + fit.dispersion * (mu**2).sum(axis=1) / mu.sum(axis=1) ** 2
    slope = _gradients(fit, mu, np.broadcast_to(around, mu.shape))
    return y / mu.sum(axis=1), noise, slope


def _strength(
    condition: tuple[str, ...],
    y: FloatArray,
    mu: FloatArray,
    dispersion: FloatArray,
    gradient: FloatArray,
    covariance: FloatArray,
    local_noise: FloatArray,
) -> LoopStrength:
    refuse(~np.isfinite(y), "counts", y, "is no count of a loop", "leave the sample out")
    conditions = tuple(dict.fromkeys(condition))
    average = np.array([[c == own for own in condition] for c in conditions], dtype=np.float64)
    average /= average.sum(axis=1, keepdims=True)
    observed, expected = y.sum(axis=1), mu.sum(axis=1)
    more = np.where(observed == 0.0, HALF, 0.0)
    fade = expected / (expected + more)  # half a contact damps the expected
    # Pixels of one sample are independent draws.
    alpha = dispersion * (mu**2).sum(axis=1) / expected**2
    counts = average**2 @ (1.0 / (observed + more) + alpha) / LOG2**2
    slope = average @ (gradient * fade[:, None]) / LOG2
    of_expected = slope @ covariance @ slope.T + np.diag(
        average**2 @ (local_noise * fade**2) / LOG2**2
    )
    log2 = _log2(observed, expected)
    between = _jackknife(average @ _log2(observed[:, None] - y, expected[:, None] - mu))
    return LoopStrength(
        conditions=conditions,
        condition=condition,
        observed=observed,
        expected=expected,
        log2=log2,
        mean=average @ log2,
        zeros=((average > 0.0) @ (observed == 0.0)).astype(np.int64),
        se_expected=np.sqrt(np.diag(of_expected)),
        se_counts=np.sqrt(counts),
        se=np.sqrt(np.diag(of_expected) + counts),
        se_between=np.sqrt(np.diag(between)),
        covariance_expected=of_expected,
        covariance_between=between,
    )


def _log2(observed: FloatArray, expected: FloatArray) -> FloatArray:
    more = np.where(observed == 0.0, HALF, 0.0)
    return np.log2((observed + more) / (expected + more))


def _jackknife(left_out: FloatArray) -> FloatArray:
    """Covariance of means (C, C) from those without one pixel each (C, L)."""
    L = left_out.shape[1]
    if L < 2:
        return np.full((left_out.shape[0], left_out.shape[0]), np.nan)
    apart = left_out - left_out.mean(axis=1, keepdims=True)
    return np.asarray((L - 1) / L * apart @ apart.T)


def _position(strength: LoopStrength, condition: str) -> int:
    if condition not in strength.conditions:
        raise ValueError(f"no condition {condition!r}; there are {', '.join(strength.conditions)}")
    return strength.conditions.index(condition)
