"""Newton's method for balancing: the minimum of a convex function of log weights, eq. (12)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray
from refsolve.methods.contact_expected.estimator.marginals import Marginals
from refsolve.methods.contact_expected.model.contacts import Progress

Marks = NDArray[np.bool_]

INNER = 40  # conjugate gradient steps of one Newton step
FORCING = 0.1  # they stop when the residual has fallen to this part, less near the minimum
LONGEST = 3.0  # change of a log weight in one step
DECREASE = 1e-4  # of what the slope promises, that a step must bring
SHORTEST = 1e-6


@dataclass(frozen=True, slots=True)
class Minimum:
    """Weights and how they were reached."""

    weights: FloatArray
    iterations: int
    passes: int
    variance: float
    converged: bool


@dataclass(slots=True)
class _Point:
    """Contacts among the bins that take part, and the passes over them so far."""

    problem: Marginals
    inside: Marks
    passes: int = field(default=0)

    def product(self, x: FloatArray) -> FloatArray:
        whole = np.zeros(self.inside.size)
        whole[self.inside] = x
        self.passes += 1
        return self.problem.product(whole)[self.inside]


def newton(
    problem: Marginals,
    inside: Marks,
    sums: FloatArray,
    tol: float,
    max_iters: int,
    progress: Progress | None,
) -> Minimum:
    """Weights under which all row sums are 1.

    Parameters
    ----------
    problem
        The contacts.
    inside
        Bins that take part; each has contacts with another one of them.
    sums
        Their row sums without weights.
    tol
        Variance of the row sums around 1 at which to stop.
    max_iters
        Largest number of Newton steps.
    progress
        Called with the numbers of steps done and allowed.
    """
    at = _Point(problem, inside)
    x = -0.5 * np.log(sums)
    w = np.exp(x)
    m = w * at.product(w)
    # Scaling all weights alike brings the mean to 1, and with it the function down.
    x -= 0.5 * math.log(m.mean())
    m /= m.mean()
    done = 0
    while (variance := float(np.mean((m - 1.0) ** 2))) >= tol and done < max_iters:
        x, m, moved = _descend(at, x, m, _direction(at, np.exp(x), m))
        done += 1
        if progress is not None:
            progress(done, max_iters)
        if not moved:
            variance = float(np.mean((m - 1.0) ** 2))
            break
    return Minimum(np.exp(x), done, at.passes, variance, variance < tol)


def _direction(at: _Point, w: FloatArray, m: FloatArray) -> FloatArray:
    """Step that nearly solves (diag(m) + W C W) s = 1 - m, by conjugate gradients."""
    r = 1.0 - m
    goal = min(FORCING, math.sqrt(float(r @ r) / r.size)) * float(np.linalg.norm(r))
    s, z = np.zeros_like(r), r / m
    p, rz = z.copy(), float(r @ z)
    for _ in range(INNER):
        q = m * p + w * at.product(w * p)
        curvature = float(p @ q)
        if curvature <= 1e-14 * float(p @ (m * p)):
            break
        step = rz / curvature
        s += step * p
        r = r - step * q
        if float(np.linalg.norm(r)) <= goal:
            break
        z = r / m
        rz, before = float(r @ z), rz
        p = z + (rz / before) * p
    return s


def _descend(
    at: _Point, x: FloatArray, m: FloatArray, s: FloatArray
) -> tuple[FloatArray, FloatArray, bool]:
    """Go along a direction as far as the function falls."""
    start, slope = _value(x, m), float((m - 1.0) @ s)
    length = min(1.0, LONGEST / max(float(np.abs(s).max()), 1e-300))
    rounding = 1e-15 * x.size * (1.0 + float(np.abs(x).max()))
    while length > SHORTEST:
        trial = x + length * s
        w = np.exp(trial)
        there = w * at.product(w)
        if _value(trial, there) <= start + DECREASE * length * slope + rounding:
            return trial, there, True
        length *= 0.5
    return x, m, False


def _value(x: FloatArray, m: FloatArray) -> float:
    return 0.5 * float(m.sum()) - float(x.sum())
