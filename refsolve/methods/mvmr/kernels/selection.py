"""Compiled selection: joint signals from marginal z-scores and LD, and truncated normal moments."""

from __future__ import annotations

import math

import numpy as np

from refsolve.core.jit import kernel
from refsolve.methods.mvmr.kernels.regression import Array
from refsolve.methods.mvmr.kernels.robust import Index


@kernel
def conditional_z(z: Array, R: Array, chosen: Index) -> tuple[Array, Array]:
    """z-scores given the chosen variants (J,), and the share of each not in their LD (J,)."""
    J, m = z.size, chosen.size
    joint = np.empty((m, m))
    for a in range(m):
        for b in range(m):
            joint[a, b] = R[chosen[a], chosen[b]]
    inverse = np.linalg.inv(joint)
    out, free = np.empty(J), np.empty(J)
    for j in range(J):
        expected, explained = 0.0, 0.0
        for a in range(m):
            for b in range(m):
                expected += R[j, chosen[a]] * inverse[a, b] * z[chosen[b]]
                explained += R[j, chosen[a]] * inverse[a, b] * R[j, chosen[b]]
        free[j] = 1.0 - explained
        out[j] = (z[j] - expected) / math.sqrt(max(free[j], 1e-12))
    return out, free


@kernel
def stepwise(z: Array, R: Array, threshold: float, least_free: float) -> Index:
    """Variants whose joint z-scores pass the threshold: forward, and backward after every step."""
    J = z.size
    chosen = np.empty(J, np.int64)
    n = 0
    for _ in range(2 * J):
        out, free = conditional_z(z, R, chosen[:n]) if n > 0 else (z, np.ones(J))
        best, top = -1, threshold
        for j in range(J):
            taken = False
            for a in range(n):
                taken |= chosen[a] == j
            if not taken and free[j] > least_free and abs(out[j]) > top:
                best, top = j, abs(out[j])
        if best < 0:
            break
        chosen[n] = best
        n += 1
        while n > 1:
            worst, low = -1, threshold
            for a in range(n):
                others = np.concatenate((chosen[:a], chosen[a + 1 : n]))
                value = abs(conditional_z(z, R, others)[0][chosen[a]])
                if value <= low:
                    worst, low = a, value
            if worst < 0:
                break
            removed = chosen[worst]
            for a in range(worst, n - 1):
                chosen[a] = chosen[a + 1]
            n -= 1
            if removed == best:
                return np.sort(chosen[:n])
    return np.sort(chosen[:n])


@kernel
def upper_normal(a: float, rng: np.random.Generator) -> float:
    """Standard normal beyond a, by rejection (Robert 1995)."""
    if a <= 0.5:
        while True:
            x = rng.standard_normal()
            if x > a:
                return x
    rate = 0.5 * (a + math.sqrt(a * a + 4.0))
    while True:
        x = a + rng.standard_exponential() / rate
        if math.log(1.0 - rng.random()) <= -0.5 * (x - rate) ** 2:
            return x


@kernel
def truncated_mean(
    mean: Array,
    precision: Array,
    bound: Array,
    start: Array,
    draws: int,
    rng: np.random.Generator,
) -> Array:
    """Mean of a normal vector with every |x_i| > bound_i, of its conditional means under Gibbs."""
    m = mean.size
    x = start.copy()
    total = np.zeros(m)
    burn = draws // 10
    for t in range(draws + burn):
        for i in range(m):
            shift = 0.0
            for j in range(m):
                if j != i:
                    shift += precision[i, j] * (x[j] - mean[j])
            centre = mean[i] - shift / precision[i, i]
            sd = 1.0 / math.sqrt(precision[i, i])
            high, low = (bound[i] - centre) / sd, (bound[i] + centre) / sd
            p_high = 0.5 * math.erfc(high / math.sqrt(2.0))
            p_low = 0.5 * math.erfc(low / math.sqrt(2.0))
            if p_high + p_low > 0.0:
                up = rng.random() * (p_high + p_low) < p_high
            else:
                up = high < low
            x[i] = (
                centre + sd * upper_normal(high, rng)
                if up
                else centre - sd * upper_normal(low, rng)
            )
            if t >= burn:
                density = math.exp(-0.5 * high * high) - math.exp(-0.5 * low * low)
                if p_high + p_low > 1e-290:
                    total[i] += centre + sd * density / math.sqrt(2.0 * math.pi) / (p_high + p_low)
                else:
                    total[i] += x[i]
    return total / draws
