"""Quantiles, p values, and intervals by the likelihood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm
from scipy.stats import t as student

from refsolve.core.check import FloatArray
from refsolve.methods.count_glm.kernels.regression import objective
from refsolve.methods.count_glm.model.design import CountData
from refsolve.methods.count_glm.model.exposure import Exposure
from refsolve.methods.count_glm.model.fitting import MeanFit, columns_to_scale, fit_at
from refsolve.methods.count_glm.model.roots import crossing

WIDEST = 200.0  # change of a log rate that stands for no bound
NEAR = 1e-8  # change of an end at which its search stops
GROWTH = 1.6  # of the step towards the end of an interval


def quantile(level: float, df: float) -> float:
    """Half width of a two-sided interval in standard errors.

    Parameters
    ----------
    level
        Coverage.
    df
        Of the t distribution; infinite for the normal.
    """
    tail = 0.5 + 0.5 * level
    return float(norm.ppf(tail) if np.isinf(df) else student.ppf(tail, df))


def two_sided(statistic: FloatArray, df: float) -> FloatArray:
    """Two-sided p values of t or normal statistics.

    Parameters
    ----------
    statistic
        Any shape.
    df
        Of the t distribution; infinite for the normal.
    """
    size = np.abs(statistic)
    return np.asarray(2.0 * (norm.sf(size) if np.isinf(df) else student.sf(size, df)))


def without(data: CountData, k: int, value: float) -> CountData:
    """The same counts with one coefficient held at a value.

    Parameters
    ----------
    data
        Counts.
    k
        Column.
    value
        Of its coefficient.
    """
    e = data.exposure
    native = e.native * np.exp(np.clip(value * data.x[:, k], -600.0, 600.0))
    held = Exposure(native, e.ambient, e.total, e.share, e.rho_se)
    x = np.ascontiguousarray(np.delete(data.x, k, axis=1))
    names = (*data.names[:k], *data.names[k + 1 :])
    return CountData(data.y, x, held, names)


def profile_interval(data: CountData, fit: MeanFit, k: int, drop: float) -> tuple[float, float]:
    """Values of a coefficient whose profile log-likelihood loses less than a drop.

    The dispersion is held; an end where log rates change by 200 is infinite.

    Parameters
    ----------
    data
        Counts.
    fit
        Of them.
    k
        Column.
    drop
        Of the log-likelihood.
    """

    def lost(value: float) -> float:
        held = fit_at(without(data, k, value), fit.alpha)
        return fit.log_likelihood - held.log_likelihood - drop

    step = min(float(np.sqrt(max(fit.inverse[k, k], 1e-12) * 2.0 * drop)), 2.0)
    widest = WIDEST / float(np.abs(data.x[:, k]).max())
    ends = [end_of(lost, float(fit.beta[k]), sign * step, widest) for sign in (-1.0, 1.0)]
    return ends[0], ends[1]


def penalised_interval(data: CountData, fit: MeanFit, k: int, drop: float) -> tuple[float, float]:
    """The same for the likelihood with Firth's penalty, which bounds separated groups.

    Parameters
    ----------
    data
        Counts.
    fit
        Penalised.
    k
        Column.
    drop
        Of the penalised log-likelihood.
    """
    x, scale = columns_to_scale(data.x)
    e, p = data.exposure, data.x.shape[1]
    room = (np.empty((4, data.y.size)), np.empty((p, p)), np.empty((p, p)))
    best = fit.beta * scale

    def value(beta: FloatArray) -> float:
        return float(objective(data.y, x, e.native, e.ambient, fit.alpha, beta, True, *room))

    top, others = value(best), np.delete(best, k)

    def lost(at: float) -> float:
        def loss(v: FloatArray) -> float:
            return -value(np.ascontiguousarray(np.insert(v, k, at * scale[k])))

        held = minimize(loss, others, method="BFGS").fun if p > 1 else loss(others)
        return top - drop + float(held)

    step = min(float(np.sqrt(fit.inverse[k, k] * 2.0 * drop)), 2.0)
    widest = WIDEST / float(np.abs(data.x[:, k]).max())
    ends = [end_of(lost, float(fit.beta[k]), sign * step, widest) for sign in (-1.0, 1.0)]
    return ends[0], ends[1]


def end_of(
    lost: Callable[[float], float], best: float, step: float, widest: float = WIDEST
) -> float:
    """Where a loss crosses zero on one side of its minimum, or infinity.

    Parameters
    ----------
    lost
        Below zero inside the interval.
    best
        Inside it.
    step
        First step, with its sign.
    widest
        Distance that stands for no bound.
    """
    inside, below, outside = best, lost(best), best + step
    if not below < 0.0:
        return best
    above = lost(outside)
    while above < 0.0:
        inside, below, step = outside, above, GROWTH * step
        outside = outside + step
        if abs(outside - best) > widest:
            return float(np.copysign(np.inf, step))
        above = lost(outside)
    return crossing(lost, inside, below, outside, above, near=NEAR) if above < np.inf else inside
