"""Dispersions shared between genes: common, trended, and each gene's own, eqs. (7)-(9)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from refsolve.methods.pseudobulk.textbook import counts as nb

Array = NDArray[np.float64]
GRID = np.linspace(-10.0, 10.0, 21)
SCALE = 0.1  # dispersion at the middle of the grid
CUT = 0.8  # of the bandwidth, above which a cell of the local fit is halved


def profile_grid(counts: Array, x: Array, offset: Array) -> Array:
    """Adjusted profile log-likelihood (genes, grid)."""
    return np.array(
        [[nb.adjusted_profile(y, x, offset, SCALE * 2.0**t) for t in GRID] for y in counts]
    )


def local_mean(values: Array, covariate: Array, share: float) -> Array:
    """Mean (n, m) of rows near in the covariate, tricube weights on the nearest share.

    Fitted at the ends of the range and of its halves, as long as a half is wider than `CUT`
    bandwidths; straight lines between.
    """
    n = covariate.size
    nearest = int(np.floor(n * share * (1.0 + 1e-12)))
    fitted: dict[float, tuple[Array, float]] = {}

    def fit(at: float) -> float:
        if at not in fitted:
            away = np.abs(covariate - at)
            width = np.sort(away)[nearest - 1]
            weight = np.where(away < width, (1.0 - (away / width) ** 3) ** 3, 0.0)
            fitted[at] = weight @ values / weight.sum(), float(width)
        return fitted[at][1]

    def halve(low: float, high: float) -> None:
        if high - low > CUT * min(fit(low), fit(high)):
            middle = 0.5 * (low + high)
            halve(low, middle)
            halve(middle, high)

    halve(covariate.min(), covariate.max())
    where = np.sort(np.array(list(fitted)))
    at_vertex = np.array([fitted[v][0] for v in where])
    columns = [np.interp(covariate, where, column) for column in at_vertex.T]
    return np.array(columns).T


def default_share(n: int) -> float:
    """Share of the genes that a local mean looks at."""
    return 1.0 if n <= 50 else 0.25 + 0.75 * (50.0 / n) ** 0.5


def second_derivatives(x: Array, f: Array) -> Array:
    """Of the cubic spline whose ends have the third derivative of a cubic through four points."""
    h, n = np.diff(x), x.size
    slope = np.diff(f) / h
    second = np.diff(slope) / (x[2:] - x[:-2])
    third = np.diff(second) / (x[3:] - x[:-3])
    a, b = np.zeros((n, n)), np.zeros(n)
    a[0, :2], b[0] = [-1.0, 1.0], 6.0 * h[0] * third[0]
    a[-1, -2:], b[-1] = [-1.0, 1.0], 6.0 * h[-1] * third[-1]
    for i in range(1, n - 1):
        a[i, i - 1 : i + 2] = h[i - 1], 2.0 * (h[i - 1] + h[i]), h[i]
        b[i] = 6.0 * (slope[i] - slope[i - 1])
    return np.asarray(np.linalg.solve(a, b), np.float64)


def maximum(x: Array, f: Array) -> float:
    """Where the cubic spline is largest, looked for beside the largest knot."""
    k = int(np.argmax(f))
    bend = second_derivatives(x, f)
    best, value = x[k], f[k]
    for i in (k - 1, k):
        if not 0 <= i < x.size - 1:
            continue
        h = x[i + 1] - x[i]
        c = bend[i] / 2.0
        d = (bend[i + 1] - bend[i]) / (6.0 * h)
        b = (f[i + 1] - f[i]) / h - h * (2.0 * bend[i] + bend[i + 1]) / 6.0
        inside = np.roots([3.0 * d, 2.0 * c, b])
        for t in np.real(inside[np.isreal(inside)]):
            height = f[i] + t * (b + t * (c + t * d))
            if 0.0 <= t <= h and height > value:
                best, value = x[i] + t, height
    return float(best)


def natural_spline(x: Array, df: int) -> Array:
    """Basis (n, df) of natural cubic splines with a constant, inner knots at quantiles."""
    inner = np.quantile(x, np.linspace(0, 1, df)[1:-1]) if df > 2 else np.zeros(0)
    knots = np.concatenate([[x.min()], inner, [x.max()]])
    if df == 1:
        return np.ones((x.size, 1))
    span = knots[-1] - knots[0]

    def bent(k: Array) -> Array:
        cube = np.maximum(x[:, np.newaxis] - k, 0.0) ** 3
        last = np.maximum(x - knots[-1], 0.0)[:, np.newaxis] ** 3
        return np.asarray((cube - last) / (knots[-1] - k))

    columns = [np.ones(x.size), (x - knots[0]) / span]
    if df > 2:
        d = bent(knots[:-1])
        columns += list(((d[:, :-1] - d[:, -1:]) / span**2).T)
    return np.column_stack(columns)


def trigamma_inverse(value: float) -> float:
    """Y with trigamma(y) = value."""
    if value > 1e7:
        return float(1.0 / np.sqrt(value))
    if value < 1e-6:
        return 1.0 / value
    y = 0.5 + 1.0 / value
    for _ in range(50):
        t = float(polygamma(1, y))
        step = t * (1.0 - t / value) / float(polygamma(2, y))
        y += step
        if -step / y < 1e-8:
            break
    return y


def scaled_f(variance: Array, df: Array, covariate: Array | None = None) -> tuple[Array, float]:
    """Prior scale (n,) and prior degrees of freedom from moments of log variances, eq. (9)."""
    used = df > 1e-15
    n = int(used.sum())
    floored = np.maximum(variance, 1e-5 * np.median(variance[used]))
    log = np.log(floored) - digamma(df / 2.0) + np.log(df / 2.0)
    terms = 1 if covariate is None else 1 + (n >= 3) + (n >= 6) + (n >= 30)
    basis = np.ones((n, 1)) if covariate is None else natural_spline(covariate[used], terms)
    beta, *_ = np.linalg.lstsq(basis, log[used], rcond=None)
    residual = log[used] - basis @ beta
    spread = (residual**2).sum() / (n - terms) - polygamma(1, df[used] / 2.0).mean()
    mean = np.full(variance.size, np.nan)
    mean[used] = basis @ beta
    if spread <= 0:
        return np.exp(mean), np.inf
    prior = 2.0 * trigamma_inverse(spread)
    return np.exp(mean + digamma(prior / 2.0) - np.log(prior / 2.0)), prior


def squeezed(variance: Array, df: Array, scale: Array, prior: float) -> Array:
    """Posterior variances."""
    return scale.copy() if np.isinf(prior) else (df * variance + prior * scale) / (df + prior)


def residual_df(y: Array, mu: Array, x: Array) -> int:
    """Degrees of freedom of the counts that the fit does not set to zero."""
    kept = ~((mu < 1e-4) & (y < 1e-4))
    return int(kept.sum() - (np.linalg.matrix_rank(x[kept]) if kept.any() else 0))
