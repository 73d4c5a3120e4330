"""Maximum likelihood of a negative-binomial log-linear model of cells, dispersion included."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.methods.contact_expected.kernels import glm
from refsolve.methods.contact_expected.model.cells import Cells

ROUNDS = 100
PATIENCE = 10  # rounds after which the dispersion is estimated even away from the optimum
HALVINGS = 30
CLOSE = 0.1  # standard errors within which a step is taken as it is
ROUGH = 0.01  # relative step of a dispersion after which the coefficients come first again
DIGITS = 1e-10  # of a coefficient, in its standard errors
LOWEST, HIGHEST = 1e-12, 1e6  # dispersion


@dataclass(frozen=True, slots=True)
class Optimum:
    """Maximum of the likelihood.

    Attributes
    ----------
    beta, covariance
        Coefficients (p,), zero where dropped, and inverse expected information, zero there too.
    alpha, alpha_se
        Dispersion of every group, and its standard error; not a number where it was given or is
        at the Poisson limit.
    mu
        Expected contacts of one pair (S, G).
    log_likelihood
        Of all pairs.
    rounds, converged
        Of the alternation between coefficients and dispersion.
    """

    beta: FloatArray
    covariance: FloatArray
    alpha: FloatArray
    alpha_se: FloatArray
    mu: FloatArray
    log_likelihood: float
    rounds: int
    converged: bool


def maximise(
    cells: Cells,
    keep: NDArray[np.bool_],
    *,
    dispersion: float | None = None,
    start: FloatArray | None = None,
) -> Optimum:
    """Alternate Newton steps of the coefficients and of the dispersions.

    Coefficients and dispersion are orthogonal in expectation, so that the alternation converges
    fast.

    Parameters
    ----------
    cells
        The cells.
    keep
        Coefficients to estimate (p,); the others are zero.
    dispersion
        Known dispersion of every group; estimated when None.
    start
        Coefficients to start from.
    """
    alpha = np.full(len(cells.tails), 0.0 if dispersion is None else dispersion)
    beta = first_coefficients(cells, keep) if start is None else np.where(keep, start, 0.0)
    step, rounds = np.inf, 0
    while step > DIGITS and rounds < ROUNDS:
        beta, step = score_step(cells, keep, beta, alpha)
        # Away from the optimum the dispersion would explain what the coefficients do not yet.
        if dispersion is None and (step < 1.0 or rounds >= PATIENCE):
            new = _dispersions(cells, beta, alpha)
            step = max(step, float(np.abs(new - alpha).max() / max(new.max(), LOWEST)))
            alpha = new
        rounds += 1
    return _optimum(cells, keep, beta, alpha, dispersion is None, rounds, step <= DIGITS)


def _dispersions(cells: Cells, beta: FloatArray, alpha: FloatArray) -> FloatArray:
    mu = means(cells, beta)
    return np.array([best_dispersion(cells, mu, g, float(a)) for g, a in enumerate(alpha)])


def means(cells: Cells, beta: FloatArray) -> FloatArray:
    """Expected contacts of one pair (S, G).

    Parameters
    ----------
    cells, beta
        The cells and the coefficients.
    """
    return glm.means(cells.features, cells.columns, cells.offset, beta)


def _arguments(cells: Cells, beta: FloatArray, alpha: FloatArray) -> tuple[Any, ...]:
    """What the kernels of the coefficients take."""
    shape = (cells.features, cells.columns, cells.totals, cells.pairs, cells.row, cells.offset)
    return (*shape, beta, alpha[cells.group])


def first_coefficients(cells: Cells, keep: NDArray[np.bool_]) -> FloatArray:
    """Least squares of the log mean of every cell, half a contact added.

    Parameters
    ----------
    cells, keep
        The cells and the coefficients to estimate.
    """
    p = len(cells.names)
    left, right = np.zeros((p, p)), np.zeros(p)
    for s, columns in enumerate(cells.columns):
        n = cells.pairs[cells.row[s]]
        weight = np.where(n > 0.0, cells.totals[s] + 0.5, 0.0)
        level = np.log((cells.totals[s] + 0.5) / np.maximum(n, 1.0))
        x = cells.features * weight[:, None]
        np.add.at(left, (columns[:, None], columns[None, :]), x.T @ cells.features)
        np.add.at(right, columns, x.T @ (level - cells.offset[s % len(cells.offset)]))
    return _solve(left, right, keep)


def score_step(
    cells: Cells, keep: NDArray[np.bool_], beta: FloatArray, alpha: FloatArray
) -> tuple[FloatArray, float]:
    """One Newton step, halved until the likelihood does not fall; size in standard errors.

    Given the dispersion the likelihood is concave in the coefficients.

    Parameters
    ----------
    cells, keep, beta, alpha
        The cells, the coefficients to estimate, and the current values.
    """
    score, info = glm.information(True, *_arguments(cells, beta, alpha))
    step = _solve(info, score, keep)
    size = max(float(step @ score), 0.0) ** 0.5
    if size < CLOSE:
        return beta + step, size
    value = glm.objective(*_arguments(cells, beta, alpha))
    for _ in range(HALVINGS):
        if glm.objective(*_arguments(cells, beta + step, alpha)) >= value:
            break
        step = 0.5 * step
    return beta + step, size


def best_dispersion(cells: Cells, mu: FloatArray, g: int, start: float) -> float:
    """Dispersion near the maximum of the likelihood given the means, zero at the Poisson limit.

    The last Newton step is small, and the distance to the maximum is of its square.

    Parameters
    ----------
    cells, mu
        The cells and their means.
    g
        Group of samples.
    start
        Where to start; zero when unknown.
    """
    first, second = dispersion_score(cells, mu, g, 0.0)
    if first <= 0.0:
        return 0.0
    low, high = 0.0, HIGHEST
    at = start if start > LOWEST else (-first / second if second < 0.0 else 1e-3)
    for _ in range(ROUNDS):
        first, second = dispersion_score(cells, mu, g, at)
        low, high = (at, high) if first > 0.0 else (low, at)
        # Newton on log α, in which the likelihood is close to a parabola.
        slope, curve = at * first, at * first + at * at * second
        newton = -slope / curve if curve < 0.0 else 1.0
        new = at * math.exp(min(max(newton, -2.0), 2.0))
        new = new if low < new < high else 0.5 * (low + high)
        if abs(new - at) <= ROUGH * at:
            return new
        at = new
    return at


def dispersion_score(cells: Cells, mu: FloatArray, g: int, alpha: float) -> tuple[float, float]:
    """First and second derivative of the log-likelihood in the dispersion of one group.

    Parameters
    ----------
    cells, mu, g, alpha
        The cells, their means, the group, and its dispersion.
    """
    mine = cells.of_group(g)
    return glm.dispersion_score(
        cells.tails[g], cells.totals[mine], cells.pairs, cells.row[mine], mu[mine], alpha
    )


def _solve(matrix: FloatArray, right: FloatArray, keep: NDArray[np.bool_]) -> FloatArray:
    """Solution on the kept coefficients, zero elsewhere; right (p,) or (p, m)."""
    out = np.zeros_like(right)
    inner = matrix[np.ix_(keep, keep)]
    size = np.sqrt(np.diag(inner))
    size[size == 0.0] = 1.0
    scale = size[:, None] if right.ndim == 2 else size
    try:
        root = cho_factor(inner / np.outer(size, size))
    except (np.linalg.LinAlgError, ValueError) as broken:
        raise AnalysisError(
            "the terms of the expected cannot be told apart on the pixels that are used.",
            hint="Leave a term out, or mask fewer pixels.",
        ) from broken
    out[keep] = cho_solve(root, right[keep] / scale) / scale
    return out


def _optimum(
    cells: Cells,
    keep: NDArray[np.bool_],
    beta: FloatArray,
    alpha: FloatArray,
    estimated: bool,
    rounds: int,
    converged: bool,
) -> Optimum:
    mu = means(cells, beta)
    _, info = glm.information(False, *_arguments(cells, beta, alpha))
    # Columns of dropped coefficients are zero on both sides.
    covariance = _solve(info, np.diag(keep.astype(np.float64)), keep)
    value, se = glm.objective(*_arguments(cells, beta, alpha)), np.full(alpha.size, np.nan)
    for g, (a, tail) in enumerate(zip(alpha, cells.tails, strict=True)):
        k = np.arange(tail.size)
        value += float(tail @ (np.log1p(a * k) - np.log1p(k)))
        if estimated and a > 0.0:
            se[g] = (-1.0 / dispersion_score(cells, mu, g, float(a))[1]) ** 0.5
    return Optimum(beta, covariance, alpha, se, mu, value, rounds, converged)
