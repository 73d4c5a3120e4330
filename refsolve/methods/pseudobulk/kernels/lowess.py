"""A robust local line of one variable on another, eq. (11)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]

NEAR, FAR = 0.001, 0.999  # shares of a width where a weight is one, and where it is zero


@kernel
def line_at(a: Array, b: Array, at: float, left: int, right: int, robust: Array) -> float:
    """Height at `at` of the line through points left..right; NaN where nothing has weight."""
    n = a.size
    width = max(at - a[left], a[right] - at)
    total, first = 0.0, 0.0
    weight = np.empty(n - left)
    stop = left
    for j in range(left, n):
        away = abs(a[j] - at)
        if j > right and away > FAR * width:
            break
        stop = j + 1
        w = 0.0
        if away <= NEAR * width:
            w = robust[j]
        elif away <= FAR * width:
            w = (1.0 - (away / width) ** 3) ** 3 * robust[j]
        weight[j - left] = w
        total += w
        first += w * a[j]
    if total <= 0.0:
        return np.nan
    centre, spread, mean, lean = first / total, 0.0, 0.0, 0.0
    for j in range(left, stop):
        w = weight[j - left] / total
        spread += w * (a[j] - centre) ** 2
        mean += w * b[j]
        lean += w * (a[j] - centre) * b[j]
    if math.sqrt(spread) > NEAR * (a[n - 1] - a[0]):
        mean += (at - centre) * lean / spread
    return mean


@kernel
def local_lines(a: Array, b: Array, k: int, step: float, robust: Array, out: Array) -> None:
    """Lines at points more than `step` apart, joined; a (n,) ascending, k nearest neighbours."""
    n = a.size
    left, last, i = 0, -1, 0
    while last < n - 1:
        right = left + k - 1
        while right < n - 1 and a[i] - a[left] > a[right + 1] - a[i]:
            left, right = left + 1, right + 1
        value = line_at(a, b, a[i], left, right, robust)
        out[i] = b[i] if math.isnan(value) else value
        for j in range(last + 1, i):
            part = (a[j] - a[last]) / (a[i] - a[last])
            out[j] = part * out[i] + (1.0 - part) * out[last]
        last = i
        cut = a[i] + step
        i = last + 1
        while i < n and a[i] <= cut:
            if a[i] == a[last]:
                out[i] = out[last]
                last = i
            i += 1
        i = max(last + 1, i - 1)


@kernel
def robust_line(x: Array, y: Array, share: float, rounds: int) -> Array:  # x, y (n,) -> (n,)
    """Cleveland's local line with tricube and then bisquare weights, at each x ascending."""
    n = x.size
    k = min(max(int(share * n + 1e-7), 2), n)
    step = 0.01 * (x[n - 1] - x[0])
    robust, out = np.ones(n), np.zeros(n)
    for t in range(rounds + 1):
        local_lines(x, y, k, step, robust, out)
        if t == rounds:
            break
        away = np.abs(y - out)
        scale = 6.0 * np.median(away)
        if scale < 1e-7 * away.mean():
            break
        for j in range(n):
            share_of = away[j] / scale
            robust[j] = (1.0 - share_of**2) ** 2 if away[j] > NEAR * scale else 1.0
            if away[j] > FAR * scale:
                robust[j] = 0.0
    return out
