"""Contact frequency smoothed over the logarithm of distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray
from refsolve.methods.contact_expected.kernels import diagonals


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How much to smooth.

    Attributes
    ----------
    sigma
        Standard deviation of the Gaussian in log10 of distance.
    reach
        Standard deviations beyond which it is zero.
    knots
        Points per standard deviation at which it is evaluated; straight lines in log-log between.
    """

    sigma: float = 0.1
    reach: float = 5.0
    knots: float = 10.0

    def __post_init__(self) -> None:
        for name in ("sigma", "reach", "knots"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} = {getattr(self, name)} must be positive and finite")


def smooth_distance(
    dist: ArrayLike, total: ArrayLike, number: ArrayLike, smoothing: Smoothing | None = None
) -> FloatArray:
    """Smoothed sums over smoothed numbers of pairs (D,), eq. (5).

    Distances where nothing is summed are no observations: leave them out.

    Parameters
    ----------
    dist
        Distances in bins (D,), positive and rising.
    total
        Sum over valid pairs (D,).
    number
        Number of valid pairs (D,), zeros counted.
    smoothing
        How much.

    Examples
    --------
    >>> import numpy as np
    >>> from refsolve.methods.contact_expected import smooth_distance
    >>> d = np.arange(1, 200)
    >>> bool(np.allclose(smooth_distance(d, 7.0 * d, d), 7.0))
    True
    """
    how = Smoothing() if smoothing is None else smoothing
    d = np.asarray(dist, np.float64)
    if d.size == 0:
        return np.zeros(0)
    if d[0] <= 0.0 or (np.diff(d) <= 0.0).any():
        raise ValueError("dist must be positive and rise; sort by distance, leave the diagonal out")
    x = np.log10(d)
    at = x[_knots(x, how.sigma / how.knots)]
    values = np.column_stack([np.asarray(total, np.float64), np.asarray(number, np.float64)])
    means = diagonals.smooth(x, values, at, how.sigma, how.sigma * how.reach)
    with np.errstate(divide="ignore", invalid="ignore"):
        knots = np.log(means[:, 0] / means[:, 1])
        return np.asarray(np.exp(np.interp(x, at, knots)))


def _knots(x: FloatArray, step: float) -> IntArray:
    """Elements at least a step apart, the first and the last among them."""
    out = [0]
    while True:
        k = int(np.searchsorted(x, x[out[-1]] + step))
        k = max(k, out[-1] + 1)
        if k >= x.size:
            break
        out.append(k)
    if out[-1] != x.size - 1:
        out.append(x.size - 1)
    return np.array(out, np.int64)
