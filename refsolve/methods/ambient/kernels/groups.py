"""Two groups in one dimension: gaps between neighbours, valleys, mixtures, eqs. (13)-(15)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
CONVERGED = 1e-10
LOG_2 = np.log(2.0)


@kernel
def widest_gap(x: Array, least: int, floor: float) -> tuple[int, float]:
    """Values below the widest gap of sorted x (n,), and its width over the spread, eq. (13).

    floor is the smallest variance within the groups; 0 and -inf where nothing can be split.
    """
    n = x.size
    centre = x.mean()
    whole = 0.0
    for v in x:
        whole += (v - centre) ** 2
    at, best, left = 0, -np.inf, 0.0
    for k in range(1, n - least + 1):
        left += x[k - 1] - centre
        if k < least:
            continue
        between = left * left / k + left * left / (n - k)
        variance = max((whole - between) / max(n - 2, 1), floor)
        wide = x[k] - x[k - 1]
        # Rounding of the sums, where values within the groups are equal.
        if variance <= 1e-14 * whole:
            value = np.inf if wide > 0.0 else 0.0
        else:
            value = wide / np.sqrt(variance)
        if value > best:
            at, best = k, value
    return at, best


@kernel
def null_gaps(rng: Any, sd: Array, least: int, floor: float, draws: int) -> Array:
    """Statistics of the widest gaps (draws,) in samples of one normal group, eq. (14).

    sd (n,) are the standard deviations of the values.
    """
    out = np.empty(draws)
    x = np.empty(sd.size)
    for r in range(draws):
        for i in range(sd.size):
            x[i] = sd[i] * rng.standard_normal()
        out[r] = widest_gap(np.sort(x), least, floor)[1]
    return out


@kernel
def best_split(x: Array, w: Array, least: int, floor: float) -> tuple[int, float]:
    """Values below the cut of sorted x (n,) that separates two groups most, and how far.

    The separation is the difference of the means over the standard deviation within, weighted by
    w (n,), on the scale of x or of its root, whichever is smaller; floor is the smallest variance
    within on the scale of x. Equal values stay together; 0 and -inf where no cut is left.
    """
    n = x.size
    at, best = 0, -np.inf
    for k in range(least, n - least + 1):
        if x[k] > x[k - 1]:
            value = separation(x, w, k, floor)
            if value > best:
                value = min(value, separation(np.sqrt(np.maximum(x, 0.0)), w, k, 0.0))
            if value > best:
                at, best = k, value
    return at, best


@kernel
def separation(x: Array, w: Array, k: int, floor: float) -> float:
    """Difference of the weighted means of x[k:] and x[:k] over the deviation within."""
    n = x.size
    size, mean = np.zeros(2), np.zeros(2)
    for i in range(n):
        side = int(i >= k)
        size[side] += w[i]
        mean[side] += w[i] * x[i]
    mean /= size
    within = 0.0
    for i in range(n):
        within += w[i] * (x[i] - mean[int(i >= k)]) ** 2
    variance = max(within / (size[0] + size[1]) * n / max(n - 2, 1), floor)
    if variance <= 0.0:
        return np.inf
    return float((mean[1] - mean[0]) / np.sqrt(variance))


@kernel
def null_splits(
    rng: Any, low: float, high: float, w: Array, least: int, floor: float, draws: int
) -> Array:
    """Separations of the best cuts (draws,) of values spread evenly from low to high."""
    out = np.empty(draws)
    x = np.empty(w.size)
    for r in range(draws):
        for i in range(w.size):
            x[i] = low + (high - low) * rng.random()
        order = np.argsort(x)
        out[r] = best_split(x[order], w[order], least, floor)[1]
    return out


@kernel
def two_normals(x: Array, start: Array, rounds: int) -> tuple[float, Array, Array, Array, float]:
    """Share of the second group, means and sds (2,), its posterior (n,), log-likelihood, eq. (15).

    start (n,) are first posteriors of the second group.
    """
    n = x.size
    p = start.copy()
    floor = 1e-3 * x.std() + 1e-12
    last = -np.inf
    mean, sd = np.zeros(2), np.zeros(2)
    share, value = 0.0, -np.inf
    for _ in range(rounds):
        share = p.mean()
        mean[1] = (x * p).sum() / p.sum()
        mean[0] = (x * (1.0 - p)).sum() / (1.0 - p).sum()
        sd[1] = max(np.sqrt((p * (x - mean[1]) ** 2).sum() / p.sum()), floor)
        sd[0] = max(np.sqrt(((1.0 - p) * (x - mean[0]) ** 2).sum() / (1.0 - p).sum()), floor)
        a1, a0 = np.log(share) - np.log(sd[1]), np.log1p(-share) - np.log(sd[0])
        one = a1 - 0.5 * ((x - mean[1]) / sd[1]) ** 2
        zero = a0 - 0.5 * ((x - mean[0]) / sd[0]) ** 2
        top = np.maximum(one, zero)
        total = top + np.log(np.exp(one - top) + np.exp(zero - top))
        p = np.exp(one - total)
        value = total.sum()
        value -= 0.5 * n * np.log(2.0 * np.pi)
        if value - last < CONVERGED * abs(value) or p.max() < 1e-12 or p.min() > 1.0 - 1e-12:
            break
        last = value
    return share, mean, sd, p, value


@kernel
def log_binomial_tail(k: int, n: int) -> float:
    """Log probability of at most k heads in n throws of a fair coin."""
    term, total = 1.0, 1.0
    for j in range(k, 0, -1):
        term *= j / (n - j + 1.0)
        total += term
    head = 0.0
    for j in range(1, k + 1):
        head += np.log((n - k + j) / j)
    return float(min(head + np.log(total) - n * LOG_2, 0.0))


@kernel
def deepest_valley(x: Array, inside: NDArray[np.int64]) -> tuple[int, int, float]:
    """Neighbours i < j of sorted x (n,) with the fewest values between for a unimodal density.

    Between the mode and its end a unimodal density falls. Hence of the values in the interval and
    in the window of the same width beyond it, on one side at least, each lies in the interval
    with probability 1/2 or more. Returned is the log p value of that coin on the emptier of the
    two windows, times the choices: n places, and (k+1)(k+2) for the k-th number of values inside.
    """
    n = x.size
    low, high, best = 0, 0, 0.0
    for k in range(inside.size):
        s = inside[k]
        fair = np.log(float(n)) + np.log((k + 1.0) * (k + 2.0))
        for i in range(n - s - 1):
            j = i + s + 1
            wide = x[j] - x[i]
            # Fewer beyond the interval cannot be better than the best so far.
            f = max(int((fair - best) / LOG_2) - s, 0)
            if wide <= 0.0 or i < f or j + f >= n:
                continue
            if x[i - f] < x[i] - wide or x[j + f] > x[j] + wide:
                continue
            left = np.searchsorted(x[: i + 1], x[i] - wide)
            right = j + 1 + np.searchsorted(x[j + 1 :], x[j] + wide, side="right")
            fewest = min(i - left, right - j - 1)
            if fewest <= s:
                continue
            value = log_binomial_tail(s, s + fewest) + fair
            if value < best:
                low, high, best = i, j, value
    return low, high, best
