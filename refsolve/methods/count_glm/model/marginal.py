"""The largest marginal likelihood of donor intercepts, eqs. (7) and (8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from scipy.special import gammaln

from refsolve.core.check import FloatArray
from refsolve.methods.count_glm.kernels.mixed import FAINTEST, LARGEST, marginal
from refsolve.methods.count_glm.model.donors import DonorRows
from refsolve.methods.count_glm.model.fitting import (
    MeanFit,
    fit_at,
    inverse_of,
    unbounded_columns,
)

Loss = Callable[[FloatArray], tuple[float, FloatArray]]

NARROWEST, WIDEST = float(np.log(1e-8)), float(np.log(1e3))  # log dispersion
STEP = 1e-4  # of differences of the gradient, in standard errors of the first guess
SEARCH, COARSE, LONGEST = 100, 1e-4, 3.0  # steps; gradient at their end; one step
POLISHED = 4  # steps of Newton's method at the end
GRADIENT = 1e-6  # in units of the first guess's errors
ROUNDING = 1e-14  # of a likelihood, relative
NOTHING = 1e-3  # information of all rows that tells nothing of donors
DOUBT = 1e-6  # twice the gain of likelihood by which a spread is none


@dataclass(frozen=True, slots=True)
class Maximum:
    """Parameters of the largest marginal likelihood.

    Attributes
    ----------
    beta
        Coefficients (p,).
    sd
        Of the donors.
    alpha
        Dispersion.
    value
        Log-likelihood without the constant of the rows.
    covariance
        Of all free parameters: coefficients, sd, log dispersion.
    modes
        Intercepts of the donors.
    converged
        The gradient vanishes.
    separated
        Columns that the counts do not bound.
    """

    beta: FloatArray
    sd: float
    alpha: float
    value: float
    covariance: FloatArray
    modes: FloatArray
    converged: bool
    separated: tuple[int, ...] = ()


@dataclass(slots=True)
class Marginal:
    """Minus the log-likelihood as a function of the free parameters.

    Attributes
    ----------
    rows
        Of the donors.
    nodes
        Of the quadrature.
    alpha
        Dispersion, or None where it is a parameter.
    sd
        Of the donors, or None where it is a parameter.
    modes
        Standardised, from the call before.
    points, log_weights
        Gauss-Hermite.
    """

    rows: DonorRows
    nodes: int
    alpha: float | None
    sd: float | None = None
    modes: FloatArray = field(init=False)
    points: FloatArray = field(init=False)
    log_weights: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.points, self.log_weights = gauss_hermite(self.nodes)
        self.modes = np.zeros(self.rows.n_donors)

    def parts(self, theta: FloatArray) -> tuple[FloatArray, float, float]:
        """Coefficients, sd, dispersion.

        Parameters
        ----------
        theta
            Free parameters: coefficients, sd, log dispersion.
        """
        p = self.rows.data.x.shape[1]
        beta, rest = np.ascontiguousarray(theta[:p]), list(theta[p:])
        sd = rest.pop(0) if self.sd is None else self.sd
        if self.alpha is not None:
            return beta, float(sd), self.alpha
        return beta, float(sd), float(np.exp(min(max(rest[0], NARROWEST), WIDEST)))

    def __call__(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient."""
        beta, sd, alpha = self.parts(theta)
        data, e = self.rows.data, self.rows.data.exposure
        gradient = np.empty(beta.size + 2)
        value = marginal(
            data.y, data.x, e.native, e.ambient, self.rows.start, beta, sd, alpha,
            self.points, self.log_weights, self.modes, gradient,
        )  # fmt: skip
        free = gradient[:-2]
        if self.sd is None:
            free = np.append(free, gradient[-2])
        if self.alpha is None:
            inside = NARROWEST < theta[-1] < WIDEST
            free = np.append(free, alpha * gradient[-1] if inside else 0.0)
        return -value, -free


@cache
def gauss_hermite(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes, and logs of weights of a function that is not yet divided by exp(-x^2).

    Parameters
    ----------
    nodes
        Their number.
    """
    points, weights = np.polynomial.hermite.hermgauss(nodes)
    return np.asarray(points, np.float64), np.asarray(np.log(weights) + points**2, np.float64)


def largest(
    rows: DonorRows,
    nodes: int,
    alpha: float | None,
    *,
    sd: float | None = None,
    start: tuple[FloatArray, float, float] | None = None,
    alike: MeanFit | None = None,
    errors: bool = True,
) -> Maximum:
    """Search from the fit without donors, or from given parameters.

    Parameters
    ----------
    rows
        Of the donors.
    nodes
        Of the quadrature.
    alpha
        Dispersion, or None to estimate it.
    sd
        Of the donors, or None to estimate it.
    start
        Coefficients, sd and dispersion to start from.
    alike
        Fit without donors, where it is known.
    errors
        Refine by Newton's steps, and return the covariance; the value alone needs neither.
    """
    loss = Marginal(rows, nodes, alpha, sd)
    theta, scale = _guess(rows, alpha, sd, alike or fit_at(rows.data, alpha or 0.0))
    if start is not None:
        rest = [start[1]] * (sd is None) + [np.log(max(start[2], 1e-8))] * (alpha is None)
        given = np.append(start[0], rest)
        theta = given if loss(given)[0] < loss(theta)[0] else theta

    def scaled(v: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = loss(theta + scale @ v)
        return value, scale.T @ gradient

    v, value, converged = _descend(scaled, np.zeros(theta.size))
    covariance = np.empty((0, 0))
    if errors:
        v, hessian, converged = _polished(scaled, v)
        value = scaled(v)[0]
        covariance = scale @ inverse_of(hessian) @ scale.T
    beta, spread, dispersion = loss.parts(theta + scale @ v)
    modes = spread * loss.modes
    return Maximum(beta, abs(spread), dispersion, float(-value), covariance, modes, converged)


def without_spread(rows: DonorRows, alpha: float | None) -> Maximum:
    """The same model if donors were all alike.

    Parameters
    ----------
    rows
        Of the donors.
    alpha
        Dispersion, or None to estimate it.
    """
    fit = fit_at(rows.data, alpha, adjusted=False)
    value = fit.log_likelihood + float(gammaln(rows.data.y + 1.0).sum())
    modes = np.zeros(rows.n_donors)
    return Maximum(
        fit.beta, 0.0, fit.alpha, value, fit.inverse, modes, fit.converged, fit.separated
    )


def best_of_both(rows: DonorRows, nodes: int, alpha: float | None) -> tuple[Maximum, Maximum, bool]:
    """The largest likelihood, the one without a spread of donors, and whether they are the same.

    Parameters
    ----------
    rows
        Of the donors.
    nodes
        Of the quadrature.
    alpha
        Dispersion, or None to estimate it.
    """
    none = without_spread(rows, alpha)
    if uninformative(rows, none):
        return none, none, True
    found = largest(rows, nodes, alpha)
    if alpha is None and found.alpha <= 2.0 * np.exp(NARROWEST):
        found = replace(largest(rows, nodes, 0.0), alpha=0.0)
    if 2.0 * (found.value - none.value) > DOUBT:
        p = found.beta.size
        apart = unbounded_columns(rows.data.x, found.covariance[:p, :p])
        return replace(found, separated=tuple(sorted({*none.separated, *apart}))), none, False
    return none, none, True


def uninformative(rows: DonorRows, none: Maximum) -> bool:
    """No row has native counts.

    Parameters
    ----------
    rows
        Of the donors.
    none
        Fit without a spread.
    """
    e = rows.data.exposure
    m = e.native * np.exp(np.clip(rows.data.x @ none.beta, -LARGEST, LARGEST))
    mu = np.maximum(e.ambient + m, FAINTEST)
    return float((m**2 / (mu * (1.0 + none.alpha * mu))).sum()) < NOTHING


def donor_information(rows: DonorRows, weight: FloatArray, variance: float) -> FloatArray:
    """Information of the coefficients (p, p) where the weights of rows are given.

    Parameters
    ----------
    rows
        Of the donors.
    weight
        Information of every row.
    variance
        Of the donors.
    """
    x, donor, n = rows.data.x, rows.donor, rows.n_donors
    within = np.bincount(donor, weight, n)
    sums = np.zeros((n, x.shape[1]))
    for k, column in enumerate(x.T):
        sums[:, k] = np.bincount(donor, weight * column, n)
    shrink = variance / (1.0 + variance * within)
    return np.asarray((x.T * weight) @ x - (sums.T * shrink) @ sums)


def _guess(
    rows: DonorRows, alpha: float | None, sd: float | None, fit: MeanFit
) -> tuple[FloatArray, FloatArray]:
    """Parameters, and a matrix that turns standard errors into steps of them."""
    data, donor, n = rows.data, rows.donor, rows.n_donors
    total = np.bincount(donor, data.y - fit.mu, n)
    over = (total**2 - np.bincount(donor, fit.mu + fit.alpha * fit.mu**2, n)).sum()
    first = (np.bincount(donor, fit.native, n) ** 2).sum()
    spread = sd if sd is not None else float(np.sqrt(np.log1p(np.clip(over / first, 0.02, 2.0))))
    within = np.bincount(donor, fit.weight, n)
    shrink = spread**2 / (1.0 + spread**2 * within)
    p = data.x.shape[1]
    size = p + (sd is None) + (alpha is None)
    hessian = np.diag(np.full(size, 10.0))
    hessian[:p, :p] = donor_information(rows, fit.weight, spread**2)
    theta = np.append(fit.beta, [spread] if sd is None else [])
    if sd is None:
        hessian[p, p] = max(2.0 * float(((within * shrink) ** 2).sum()) / spread**2, 1.0)
    if alpha is None:
        theta = np.append(theta, np.log(0.1))
    return theta, _inverse_root(hessian)


def _inverse_root(a: FloatArray) -> FloatArray:
    scale = np.sqrt(np.maximum(np.diag(a), 1e-12))
    values, vectors = np.linalg.eigh(a / np.outer(scale, scale))
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-10)) / scale[:, np.newaxis])


def _descend(loss: Loss, v: FloatArray) -> tuple[FloatArray, float, bool]:
    """Broyden, Fletcher, Goldfarb and Shanno's search in coordinates of about unit curvature."""
    value, gradient = loss(v)
    inverse, fresh = np.eye(v.size), True
    for _ in range(SEARCH):
        if np.abs(gradient).max() < COARSE:
            return v, value, True
        step = -inverse @ gradient
        step *= min(1.0, LONGEST / float(np.abs(step).max()))
        slope, size = float(gradient @ step), 1.0
        new, bent = loss(v + step)
        rounding = ROUNDING * abs(value)
        while not new <= value + 1e-4 * size * slope + rounding and size > 1e-9:
            size *= 0.3
            new, bent = loss(v + size * step)
        if not new <= value + rounding:
            if fresh:
                return v, value, False
            inverse, fresh = np.eye(v.size), True
            continue
        fresh = False
        moved, change = size * step, bent - gradient
        v, value, gradient = v + moved, new, bent
        along = float(moved @ change)
        if along > 1e-12:
            turned = np.eye(v.size) - np.outer(moved, change) / along
            inverse = turned @ inverse @ turned.T + np.outer(moved, moved) / along
    return v, value, False


def _polished(scaled: Loss, v: FloatArray) -> tuple[FloatArray, FloatArray, bool]:
    """Newton's steps with differences of the gradient; parameters, Hessian, and success."""
    hessian = _differences(scaled, v)
    for _ in range(POLISHED):
        gradient = scaled(v)[1]
        if np.abs(gradient).max() < GRADIENT * 1e-3:
            break
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-10)[0]
        before, after = scaled(v)[0], scaled(v - step)[0]
        if np.abs(step).max() > 1.0 or not after <= before + 1e-9 + ROUNDING * abs(before):
            break
        v = v - step
    return v, hessian, bool(np.abs(scaled(v)[1]).max() < GRADIENT)


def _differences(scaled: Loss, v: FloatArray) -> FloatArray:
    rows = []
    for e in STEP * np.eye(v.size):
        rows.append((scaled(v + e)[1] - scaled(v - e)[1]) / (2.0 * STEP))
    hessian = np.array(rows)
    return 0.5 * (hessian + hessian.T)
