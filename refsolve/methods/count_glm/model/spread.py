"""Spread of donors adjusted for the coefficients, as restricted likelihood does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from refsolve.core.check import FloatArray
from refsolve.methods.count_glm.kernels.regression import means, score_and_weight
from refsolve.methods.count_glm.model.donors import DonorRows
from refsolve.methods.count_glm.model.fitting import fit_at
from refsolve.methods.count_glm.model.marginal import Marginal, Maximum, donor_information, largest
from refsolve.methods.count_glm.model.roots import crossing

LOW, HIGH = 1e-8, 9.0  # variance of the donors
STEP = 1e-4  # relative, of a difference


def adjusted_spread(
    rows: DonorRows, nodes: int, alpha: float | None, best: Maximum, *, at_bound: bool
) -> tuple[Maximum, bool]:
    """The maximum of the likelihood less half the log determinant of the coefficients' information.

    Parameters
    ----------
    rows
        Of the donors.
    nodes
        Of the quadrature.
    alpha
        Dispersion, or None where it was estimated.
    best
        Of the likelihood.
    at_bound
        Its spread is zero.

    Returns
    -------
    Fit at the adjusted spread, and whether that is zero; the one of the likelihood where the
    adjusted one has no maximum.
    """
    held = best.alpha if alpha is None else alpha
    state, alike = [best.beta], fit_at(rows.data, held)

    def slope(log_variance: float) -> float:
        variance = float(np.exp(log_variance))
        sd = float(np.sqrt(variance))
        start = (state[0], sd, held)
        found = largest(rows, nodes, held, sd=sd, start=start, alike=alike, errors=False)
        state[0] = found.beta
        penalty = _slope_of_penalty(rows, found, best.separated)
        return _slope_of_likelihood(rows, nodes, held, found) - penalty

    bottom = float(np.log(LOW))
    low = max(2.0 * float(np.log(max(best.sd, 1e-9))) - 0.1, bottom)
    at_low = slope(low)
    if not at_low > 0.0:
        return best, at_bound
    high, step = low + 0.5, 0.5
    at_high = slope(high)
    while at_high > 0.0 and high < np.log(HIGH):
        low, at_low, step = high, at_high, 1.6 * step
        high += step
        at_high = slope(high)
    if not at_high < 0.0:
        return best, at_bound
    root = crossing(slope, low, at_low, high, at_high, near=1e-5)
    sd = float(np.exp(0.5 * root))
    fit = largest(rows, nodes, held, sd=sd, start=(state[0], sd, held), alike=alike)
    covariance = _with_spread(fit, best, at_bound=at_bound)
    return replace(fit, covariance=covariance, separated=best.separated), False


def _slope_of_likelihood(rows: DonorRows, nodes: int, alpha: float, found: Maximum) -> float:
    """In the log of the variance; that of the coefficients vanishes."""
    loss = Marginal(rows, nodes, alpha)
    loss.modes = found.modes / found.sd
    gradient = loss(np.append(found.beta, found.sd))[1]
    return -0.5 * found.sd * float(gradient[-1])


def profile_of_spread(
    rows: DonorRows, nodes: int, best: Maximum, *, adjusted: bool
) -> Callable[[float], float]:
    """Log-likelihood at a spread of the donors, the coefficients at their best for it.

    Parameters
    ----------
    rows
        Of the donors.
    nodes
        Of the quadrature.
    best
        Fit to start from; its dispersion is held.
    adjusted
        Less half the log determinant of the coefficients' information.
    """
    state, alike = [best.beta], fit_at(rows.data, best.alpha)

    def value(sd: float) -> float:
        start = (state[0], sd, best.alpha)
        found = largest(rows, nodes, best.alpha, sd=sd, start=start, alike=alike, errors=False)
        state[0] = found.beta
        if not adjusted:
            return found.value
        return found.value - 0.5 * _log_det(rows, _weights(rows, found), sd**2, best.separated)

    return value


def _slope_of_penalty(rows: DonorRows, found: Maximum, separated: tuple[int, ...]) -> float:
    weight = _weights(rows, found)
    logs = [_log_det(rows, weight, found.sd**2 * (1.0 + h), separated) for h in (-STEP, STEP)]
    return 0.5 * (logs[1] - logs[0]) / (2.0 * STEP)


def _log_det(
    rows: DonorRows, weight: FloatArray, variance: float, separated: tuple[int, ...]
) -> float:
    """Of the bounded coefficients' information; NaN where the search has left all numbers."""
    information = donor_information(rows, weight, variance)
    bounded = np.setdiff1d(np.arange(len(information)), separated)
    information = information[np.ix_(bounded, bounded)]
    if not np.isfinite(information).all():
        return float("nan")
    return float(np.linalg.slogdet(information)[1])


def _weights(rows: DonorRows, found: Maximum) -> FloatArray:
    """Expected information of every row at its donor's mode."""
    data, e = rows.data, rows.data.exposure
    m, mu, score, weight = np.empty((4, data.y.size))
    native = e.native * np.exp(found.modes[rows.donor])
    means(data.x, np.ascontiguousarray(found.beta), native, e.ambient, m, mu)
    score_and_weight(data.y, m, mu, found.alpha, score, weight)
    return weight


def _with_spread(fit: Maximum, best: Maximum, *, at_bound: bool) -> FloatArray:
    """Covariance with the relative error of the spread that the likelihood gave."""
    p = fit.beta.size
    out = np.zeros((p + 1, p + 1))
    out[:p, :p] = fit.covariance[:p, :p]
    relative = np.nan if at_bound else best.covariance[p, p] / best.sd**2
    out[p, p] = relative * fit.sd**2
    return out
