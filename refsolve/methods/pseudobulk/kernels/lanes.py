"""Elementary functions of flat arrays, written so that the processor does several at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]

LARGEST = 700.0  # exponent that still has a normal power and reciprocal
_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2^52: the low bits of a sum with it are a whole number
_ROOT_HALF = 0x3FE6A09E667F3BCD
_HALF_LOG_2PI = 0.9189385332046727


@kernel
def exponentials(x: Array, out: Array, work: Array) -> None:  # all (n,)
    """Powers of e of numbers cut to +-700."""
    bits, shift = out.view(np.int64), work.view(np.int64)
    for i in range(x.size):
        v = min(max(x[i], -LARGEST), LARGEST)
        work[i] = v * _LOG2E + _ROUND
        n = work[i] - _ROUND
        r = (v - n * _LN2_HIGH) - n * _LN2_LOW
        p = 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        out[i] = (p * r * r + r) + 1.0
    for i in range(x.size):
        bits[i] += shift[i] << 52


@kernel
def logarithms(x: Array, out: Array, work: Array) -> None:  # all (n,)
    """Natural logarithms of positive normal numbers; `x` may be `out`."""
    given, mantissa = x.view(np.int64), work.view(np.int64)
    for i in range(x.size):
        exponent = (given[i] - _ROOT_HALF) >> 52
        mantissa[i] = given[i] - (exponent << 52)
        out[i] = float(exponent)
    for i in range(x.size):
        f = (work[i] - 1.0) / (work[i] + 1.0)
        s = f * f
        p = 1.0 / 21.0
        p = p * s + 1.0 / 19.0
        p = p * s + 1.0 / 17.0
        p = p * s + 1.0 / 15.0
        p = p * s + 1.0 / 13.0
        p = p * s + 1.0 / 11.0
        p = p * s + 1.0 / 9.0
        p = p * s + 1.0 / 7.0
        p = p * s + 1.0 / 5.0
        p = p * s + 1.0 / 3.0
        out[i] = out[i] * _LN2_HIGH + (2.0 * f + (2.0 * f * s * p + out[i] * _LN2_LOW))


@kernel
def log_gammas(z: Array, out: Array, logs: Array, work: Array) -> None:  # all (n,)
    """Log-gamma of positive numbers below 1e30."""
    for i in range(z.size):
        v = z[i]
        out[i] = v * (v + 1.0) * (v + 2.0) * (v + 3.0)
        out[i] *= (v + 4.0) * (v + 5.0) * (v + 6.0) * (v + 7.0)
        logs[i] = v + 8.0
    logarithms(out, out, work)
    logarithms(logs, logs, work)
    for i in range(z.size):
        w = z[i] + 8.0
        q = 1.0 / w
        s = q * q
        p = -691.0 / 360360.0
        p = p * s + 1.0 / 1188.0
        p = p * s - 1.0 / 1680.0
        p = p * s + 1.0 / 1260.0
        p = p * s - 1.0 / 360.0
        p = p * s + 1.0 / 12.0
        out[i] = ((w - 0.5) * logs[i] - w + _HALF_LOG_2PI + p * q) - out[i]
