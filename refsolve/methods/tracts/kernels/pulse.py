"""Compiled likelihood of tracts after one pulse, eq. (3): value, derivatives, maximum, profiles.

A group is given by `x` = [T_A, T_B, n_AB, n_BA, f_A, f_B] (exposures in Morgans, switches, first
labels) and by gaps: labels on both sides (0 = A, 1 = B) and lengths, of which `low` to `high` are
its own. Parameters are s, breakpoints per Morgan, and m, the fraction of A.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Label = NDArray[np.int8]

STEPS = 200  # iterations of any search here; none needs nearly as many
CLOSE = 1e-12  # relative change of a parameter that ends a search
FAR = 1e7  # breakpoints per Morgan beyond which there is nothing to be found


@kernel
def times_log(n: float, p: float) -> float:
    """Log of p to the power n, with 0 log 0 = 0."""
    return 0.0 if n == 0.0 else n * math.log(p)


@kernel
def gap_terms(
    s: float,
    m: float,
    before: Label,
    behind: Label,
    length: Array,
    low: int,
    high: int,
    out: Array,
) -> None:
    """Add log P(gap) and its derivatives [ll, s, m, ss, sm, mm] to out (6,), eq. (11)."""
    for i in range(low, high):
        g = length[i]
        sign = 1.0 if behind[i] == 0 else -1.0
        pi = m if behind[i] == 0 else 1.0 - m
        keep = math.exp(-s * g)
        moved = -math.expm1(-s * g)
        if before[i] != behind[i]:
            odds = g * keep / moved if moved > 0.0 else np.inf
            out[0] += math.log(pi * moved) if pi * moved > 0.0 else -np.inf
            out[1] += odds
            out[2] += sign / pi
            out[3] -= odds * g / moved
            out[5] -= 1.0 / (pi * pi)
        else:
            p = pi * moved + keep
            d_s, d_m = -(1.0 - pi) * g * keep / p, sign * moved / p
            out[0] += math.log(p)
            out[1] += d_s
            out[2] += d_m
            out[3] += (1.0 - pi) * g * g * keep / p - d_s * d_s
            out[4] += sign * g * keep / p - d_s * d_m
            out[5] -= d_m * d_m


@kernel
def log_likelihood(
    s: float,
    m: float,
    x: Array,
    before: Label,
    behind: Label,
    length: Array,
    low: int,
    high: int,
    out: Array,
) -> float:
    """Log-likelihood of one group, eq. (3); out (6,) = [ll, s, m, ss, sm, mm] with derivatives."""
    n, u, v = x[2] + x[3], x[4] + x[3], x[5] + x[2]
    out[0] = times_log(n, s) + times_log(u, m) + times_log(v, 1.0 - m)
    out[0] -= s * ((1.0 - m) * x[0] + m * x[1])
    out[1] = (n / s if n > 0.0 else 0.0) - (1.0 - m) * x[0] - m * x[1]
    out[2] = (u / m if u > 0.0 else 0.0) - (v / (1.0 - m) if v > 0.0 else 0.0) + s * (x[0] - x[1])
    out[3] = -n / (s * s) if n > 0.0 else 0.0
    out[4] = x[0] - x[1]
    out[5] = -(u / (m * m) if u > 0.0 else 0.0) - (v / (1.0 - m) ** 2 if v > 0.0 else 0.0)
    gap_terms(s, m, before, behind, length, low, high, out)
    return float(out[0])


@kernel
def fraction_without_gaps(s: float, u: float, v: float, difference: float) -> float:
    """Root in [0, 1] of u/m - v/(1-m) + s (T_A - T_B), eq. (4)."""
    k = s * difference
    b = k - u - v
    root = math.sqrt(max(b * b + 4.0 * k * u, 0.0))
    if b > 0.0 and k > 0.0:
        return min((b + root) / (2.0 * k), 1.0)
    return min(2.0 * u / (root - b), 1.0) if root > b else 0.0


@kernel
def best_fraction(
    s: float,
    x: Array,
    before: Label,
    behind: Label,
    length: Array,
    low: int,
    high: int,
    out: Array,
) -> float:
    """The m that is most likely at s; the log-likelihood is concave in m."""
    u, v = x[4] + x[3], x[5] + x[2]
    m = fraction_without_gaps(s, u, v, x[0] - x[1])
    if high == low:
        return m
    left, right = 0.0, 1.0
    m = min(max(m, 1e-9), 1.0 - 1e-9)
    for _ in range(STEPS):
        log_likelihood(s, m, x, before, behind, length, low, high, out)
        if out[2] > 0.0:
            left = m
        else:
            right = m
        step = m - out[2] / out[5] if out[5] < 0.0 else -1.0
        new = step if left <= step <= right else 0.5 * (left + right)
        done = abs(new - m) <= CLOSE * min(m, 1.0 - m)
        m = new
        if done:
            break
    return m


@kernel
def best_rate(
    m: float,
    x: Array,
    before: Label,
    behind: Label,
    length: Array,
    low: int,
    high: int,
    out: Array,
) -> float:
    """The s that is most likely at m; 0 without switches, FAR where nothing bounds it."""
    n = float(x[2] + x[3])
    exposure = float((1.0 - m) * x[0] + m * x[1])
    if high == low:
        return min(n / exposure, FAR) if n < FAR * exposure else (0.0 if n == 0.0 else FAR)
    across, span = 0.0, 0.0
    for i in range(low, high):
        across += 1.0 if before[i] != behind[i] else 0.0
        span += 0.5 * length[i]
    if n + across == 0.0:
        return 0.0
    left, right = 0.0, FAR
    s = min((n + across) / (exposure + span), 0.5 * FAR)
    for _ in range(STEPS):
        log_likelihood(s, m, x, before, behind, length, low, high, out)
        slope, bend = out[1] * s, out[3] * s * s + out[1] * s  # in log s
        if slope > 0.0:
            left = s
        else:
            right = s
        step = s * math.exp(-slope / bend) if bend < 0.0 and abs(slope) < -2.0 * bend else -1.0
        middle = math.sqrt(left * right) if left > 0.0 else 0.1 * s
        new = step if left <= step <= right else middle
        done = abs(new - s) <= CLOSE * s
        s = new
        if done:
            break
    return s


@kernel
def joint_maximum(
    x: Array, before: Label, behind: Label, length: Array, low: int, high: int, out: Array
) -> tuple[float, float]:
    """The (s, m) of largest likelihood, eq. (5); closed without gaps, else one at a time."""
    n, u, v = x[2] + x[3], x[4] + x[3], x[5] + x[2]
    total, difference = x[0] + x[1], x[0] - x[1]
    # (u+v-n) d m^2 - ((u-n) d + (u+v) T_A) m + u T_A = 0 has one root in [0, 1].
    a, b, c = (u + v - n) * difference, (u - n) * difference + (u + v) * x[0], u * x[0]
    root = math.sqrt(max(b * b - 4.0 * a * c, 0.0))
    m = 2.0 * c / (b + root) if b + root > 0.0 else (b - root) / (2.0 * a) if a != 0.0 else 0.5
    m = min(max(m, 0.0), 1.0)
    if total == 0.0:
        m = u / (u + v)
    if high == low:
        return best_rate(m, x, before, behind, length, low, high, out), m
    s = 0.0
    for _ in range(STEPS):
        new = best_rate(min(max(m, 1e-9), 1 - 1e-9), x, before, behind, length, low, high, out)
        done = abs(new - s) <= 10.0 * CLOSE * new
        s = new
        m = best_fraction(s, x, before, behind, length, low, high, out)
        if done:
            break
    return s, m


@kernel
def profile_value(
    which: int,
    value: float,
    x: Array,
    before: Label,
    behind: Label,
    length: Array,
    low: int,
    high: int,
    out: Array,
) -> float:
    """Log-likelihood at one s (which = 0) or m (1), maximal over the other."""
    if which == 0:
        m = best_fraction(value, x, before, behind, length, low, high, out)
        return log_likelihood(value, m, x, before, behind, length, low, high, out)
    s = best_rate(value, x, before, behind, length, low, high, out)
    return log_likelihood(s, value, x, before, behind, length, low, high, out)


@kernel
def transformed(which: int, z: float) -> float:
    """Parameter on its own scale: s = e^z, m = 1 / (1 + e^-z)."""
    return math.exp(z) if which == 0 else 1.0 / (1.0 + math.exp(-z))


@kernel
def profile_end(
    which: int,
    best: float,
    step: float,
    level: float,
    x: Array,
    before: Label,
    behind: Label,
    length: Array,
    low: int,
    high: int,
    out: Array,
) -> float:
    """Where the profile falls to `level`, from `best` in steps of the sign of `step`.

    `best` and the steps are on the scale of log s or logit m; an end that is never reached is the
    bound of the parameter.
    """
    inner, outer, below = best, best, 0.0
    at = transformed(which, best)
    value = profile_value(which, at, x, before, behind, length, low, high, out) - level
    above = max(value, 1e-12)
    for _ in range(STEPS):
        outer = inner + step
        if abs(outer) > 40.0:
            return (0.0 if step < 0.0 else np.inf) if which == 0 else (0.0 if step < 0.0 else 1.0)
        at = transformed(which, outer)
        below = profile_value(which, at, x, before, behind, length, low, high, out) - level
        if not below > 0.0:
            break
        inner, above = outer, below
        step *= 1.6
    below = max(below, -1e6)
    for _ in range(STEPS):  # Illinois: a false position whose stale side is halved
        middle = (inner * below - outer * above) / (below - above)
        at = transformed(which, middle)
        value = profile_value(which, at, x, before, behind, length, low, high, out) - level
        if abs(value) < 1e-11 or abs(outer - inner) < 1e-12:
            return at
        if value > 0.0:
            inner, above, below = middle, value, 0.5 * below
        else:
            outer, below, above = middle, value, 0.5 * above
    return transformed(which, 0.5 * (inner + outer))


@kernel
def fit_groups(
    x: Array,
    before: Label,
    behind: Label,
    length: Array,
    gap_start: Index,
    drop: float,
    fits: Array,
) -> None:
    """Maximum, errors and profile intervals of every group; x (G, 6), fits (G, 9).

    Columns of fits: s, m, log-likelihood, standard errors of s and m, intervals of s and m. An
    interval ends where the profile lies `drop` below the maximum.
    """
    out = np.empty(6)
    for g in range(x.shape[0]):
        low, high, row = gap_start[g], gap_start[g + 1], x[g]
        s, m = joint_maximum(row, before, behind, length, low, high, out)
        fits[g, 0], fits[g, 1] = s, m
        fits[g, 2] = log_likelihood(s, m, row, before, behind, length, low, high, out)
        fits[g, 3:] = np.nan
        determinant = out[3] * out[5] - out[4] * out[4]
        if s > 0.0 and 0.0 < m < 1.0 and determinant > 0.0:
            fits[g, 3] = math.sqrt(-out[5] / determinant)
            fits[g, 4] = math.sqrt(-out[3] / determinant)
        level = fits[g, 2] - drop
        for which in range(2):
            best = math.log(max(s, 1e-3)) if which == 0 else math.log(max(m, 1e-9))
            if which == 1:
                best -= math.log(max(1.0 - m, 1e-9))
            for side in range(2):
                step = -0.1 if side == 0 else 0.1
                fits[g, 5 + 2 * which + side] = profile_end(
                    which, best, step, level, row, before, behind, length, low, high, out
                )


@kernel
def likelihoods(
    s: Array, m: Array, x: Array, before: Label, behind: Label, length: Array, values: Array
) -> None:
    """Log-likelihoods (P,) of one group at pairs of s and m."""
    out = np.empty(6)
    for i in range(s.size):
        values[i] = log_likelihood(s[i], m[i], x, before, behind, length, 0, length.size, out)
