"""Compiled fits of the whitened regression y = X θ + e, noise of y one, of x_i a matrix Σ_i.

Axes: row i = 0..J−1 (whitened variants); exposure k = 0..K−1; refit b = 0..B−1.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]

SMALLEST_SHARE = 0.1  # of X'V⁻¹X below which a direction of its corrected form is not stepped along
STEPS = 200
SWEEPS = 60
DIGITS = 1e-10
ROUGH = 1e-5  # step, in standard errors, below which rounding may stop the descent
SHORTEST = 1e-12  # fraction of a step


@kernel
def forward_solve(L: Array, B: Array) -> Array:
    """L⁻¹ B for a lower triangle L (J, J) and columns B (J, M)."""
    out = B.copy()
    for i in range(L.shape[0]):
        for j in range(i):
            factor = L[i, j]
            for m in range(B.shape[1]):
                out[i, m] -= factor * out[j, m]
        for m in range(B.shape[1]):
            out[i, m] /= L[i, i]
    return out


@kernel
def lower_root(G: Array) -> Array:
    """Lower triangle L with LL' = G (n, n); not a number where G is not positive definite."""
    n = G.shape[0]
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = G[i, j]
            for k in range(j):
                total -= out[i, k] * out[j, k]
            out[i, j] = math.sqrt(total) if i == j else total / out[j, j]
    return out


@kernel
def eigen(A: Array) -> tuple[Array, Array]:
    """Eigenvalues (n,), in no order, and vectors (n, n) of a small symmetric matrix, by Jacobi."""
    n = A.shape[0]
    D, V = A.copy(), np.zeros((n, n))
    for p in range(n):
        V[p, p] = 1.0
    for _ in range(SWEEPS):
        off, on = 0.0, 0.0
        for p in range(n):
            on += D[p, p] ** 2
            for q in range(p):
                off += D[p, q] ** 2
        if off <= 1e-32 * on:
            break
        for p in range(n):
            for q in range(p):
                if D[p, q] == 0.0:
                    continue
                ratio = (D[p, p] - D[q, q]) / (2.0 * D[p, q])
                t = 1.0 / (abs(ratio) + math.sqrt(ratio * ratio + 1.0))
                t = t if ratio >= 0.0 else -t
                c = 1.0 / math.sqrt(t * t + 1.0)
                s = t * c
                for k in range(n):
                    at_p, at_q = D[k, p], D[k, q]
                    D[k, p], D[k, q] = c * at_p + s * at_q, c * at_q - s * at_p
                for k in range(n):
                    at_p, at_q = D[p, k], D[q, k]
                    D[p, k], D[q, k] = c * at_p + s * at_q, c * at_q - s * at_p
                    at_p, at_q = V[k, p], V[k, q]
                    V[k, p], V[k, q] = c * at_p + s * at_q, c * at_q - s * at_p
    values = np.empty(n)
    for p in range(n):
        values[p] = D[p, p]
    return values, V


@kernel
def gram(x: Array, y: Array, weight: Array) -> Array:
    """[y X]' W [y X] (K+1, K+1)."""
    K = x.shape[1]
    out = np.zeros((K + 1, K + 1))
    row = np.empty(K + 1)
    for i in range(x.shape[0]):
        row[0] = y[i]
        for k in range(K):
            row[k + 1] = x[i, k]
        for a in range(K + 1):
            part = weight[i] * row[a]
            for b in range(a + 1):
                out[a, b] += part * row[b]
    for a in range(K + 1):
        for b in range(a):
            out[b, a] = out[a, b]
    return out


@kernel
def in_units_of(C: Array, S: Array) -> Array:
    """C⁻¹ S C⁻ᵀ, symmetric (n, n), for a lower triangle C."""
    n = C.shape[0]
    half = forward_solve(C, S)
    turned = np.empty((n, n))
    for a in range(n):
        for b in range(n):
            turned[a, b] = half[b, a]
    out = forward_solve(C, turned)
    for a in range(n):
        for b in range(a):
            out[a, b] = 0.5 * (out[a, b] + out[b, a])
            out[b, a] = out[a, b]
    return out


@kernel
def back_solve(C: Array, v: Array) -> None:
    """C⁻ᵀ v into v (n,), for a lower triangle C."""
    for a in range(v.size - 1, -1, -1):
        for b in range(a + 1, v.size):
            v[a] -= C[b, a] * v[b]
        v[a] /= C[a, a]


@kernel
def smallest_ratio(G: Array, noise: Array) -> tuple[Array, float]:
    """θ and minimum of (1, −θ)'G(1, −θ) / (1 + θ'Σθ), Σ = noise (K, K), positive semi-definite.

    The largest eigenvalue of G⁻¹ diag(1, Σ): without noise it is the least-squares solution.
    """
    n = G.shape[0]
    S = np.zeros((n, n))
    S[0, 0] = 1.0
    for a in range(1, n):
        for b in range(1, n):
            S[a, b] = noise[a - 1, b - 1]
    C = lower_root(G)
    values, vectors = eigen(in_units_of(C, S))
    top = 0
    for a in range(n):
        if values[a] > values[top]:
            top = a
    v = np.empty(n)
    for a in range(n):
        v[a] = vectors[a, top]
    back_solve(C, v)
    theta = np.empty(n - 1)
    for a in range(1, n):
        theta[a - 1] = -v[a] / v[0]
    return theta, 1.0 / values[top]


@kernel
def refits(x: Array, y: Array, noise: Array) -> tuple[Array, Array]:
    """θ (B, K) and Q (B,) of many data sets x (B, J, K), y (B, J); noise zero: least squares."""
    B, J, K = x.shape
    theta = np.empty((B, K))
    Q = np.empty(B)
    one = np.ones(J)
    for b in range(B):
        theta[b], Q[b] = smallest_ratio(gram(x[b], y[b], one), noise)
    return theta, Q


@kernel
def variances(theta: Array, noise: Array, tau2: float, spread: Array) -> tuple[Array, Array]:
    """v_i = 1 + θ'Σ_iθ + τ² s_i (J,), and Σ_iθ (J, K)."""
    J, K = noise.shape[0], noise.shape[1]
    along = np.zeros((J, K))
    v = np.empty(J)
    for i in range(J):
        v[i] = 1.0 + tau2 * spread[i]
        for a in range(K):
            for b in range(K):
                along[i, a] += noise[i, a, b] * theta[b]
            v[i] += theta[a] * along[i, a]
    return v, along


@kernel
def moments(x: Array, noise: Array, v: Array, along: Array) -> tuple[Array, Array, Array]:
    """M = X'V⁻¹X, A = M − ΣΣ_i/v_i, and P = Σ(Σ_iθ)(Σ_iθ)'/v_i², each (K, K)."""
    J, K = x.shape
    M, A, P = np.zeros((K, K)), np.zeros((K, K)), np.zeros((K, K))
    for i in range(J):
        for a in range(K):
            for b in range(K):
                M[a, b] += x[i, a] * x[i, b] / v[i]
                A[a, b] -= noise[i, a, b] / v[i]
                P[a, b] += along[i, a] * along[i, b] / (v[i] * v[i])
    return M, A + M, P


@kernel
def floored_step(M: Array, A: Array, g: Array) -> Array:
    """A⁻¹ g (K,) with the eigenvalues of A relative to M floored."""
    K = g.size
    C = lower_root(M)
    values, vectors = eigen(in_units_of(C, A))
    right = forward_solve(C, g.reshape(K, 1))
    step = np.zeros(K)
    for k in range(K):
        along = 0.0
        for a in range(K):
            along += vectors[a, k] * right[a, 0]
        for a in range(K):
            step[a] += vectors[a, k] * along / max(values[k], SMALLEST_SHARE)
    back_solve(C, step)
    return step


@kernel
def pleiotropy_excess(
    x: Array, e: Array, base: Array, spread: Array, tau2: float
) -> float:  # of the equation of τ²
    """Σ s_i [e_i²/v_i² − (1 − h_i)/v_i] with v = base + τ² s and leverages h."""
    J, K = x.shape
    M = np.zeros((K, K))
    for i in range(J):
        for a in range(K):
            for b in range(K):
                M[a, b] += x[i, a] * x[i, b] / (base[i] + tau2 * spread[i])
    inverse = np.linalg.inv(M)
    total = 0.0
    for i in range(J):
        v = base[i] + tau2 * spread[i]
        h = 0.0
        for a in range(K):
            for b in range(K):
                h += x[i, a] * inverse[a, b] * x[i, b] / v
        total += spread[i] * (e[i] * e[i] / (v * v) - (1.0 - h) / v)
    return total


@kernel
def weighted_squares(x: Array, y: Array, noise: Array, base: Array, theta: Array) -> float:
    """Σ e_i² / (base_i + θ'Σ_iθ)."""
    total = 0.0
    for i in range(y.size):
        e, v = y[i], base[i]
        for a in range(theta.size):
            e -= x[i, a] * theta[a]
            for b in range(theta.size):
                v += theta[a] * noise[i, a, b] * theta[b]
        total += e * e / v
    return total


@kernel
def minimum(x: Array, y: Array, noise: Array, base: Array, start: Array) -> tuple[Array, bool]:
    """θ at the minimum of Σ e_i²/(base_i + θ'Σ_iθ) that is reached downhill, and convergence."""
    J, K = x.shape
    theta = start.copy()
    value = weighted_squares(x, y, noise, base, theta)
    g, trial = np.empty(K), np.empty(K)
    size = math.inf
    for _ in range(STEPS):
        v, along = variances(theta, noise, 0.0, base)
        g[:] = 0.0
        for i in range(J):
            v[i] += base[i] - 1.0
            e = y[i]
            for k in range(K):
                e -= x[i, k] * theta[k]
            u = e / v[i]
            for k in range(K):
                g[k] += u * (x[i, k] + u * along[i, k])
        M, A, _P = moments(x, noise, v, along)
        step = floored_step(M, A, g)
        size, fraction = 0.0, 1.0
        for k in range(K):
            size = max(size, abs(step[k]) * math.sqrt(M[k, k]))
        while fraction > SHORTEST:
            for k in range(K):
                trial[k] = theta[k] + fraction * step[k]
            lower = weighted_squares(x, y, noise, base, trial)
            if lower <= value:
                break
            fraction *= 0.5
        if fraction <= SHORTEST:
            break
        theta[:] = trial
        value = lower
        if size < DIGITS:
            break
    return theta, size < ROUGH


@kernel
def excess_at(x: Array, y: Array, noise: Array, spread: Array, theta: Array, tau2: float) -> float:
    """The excess of direct effects with the residuals at θ."""
    base, _along = variances(theta, noise, 0.0, spread)
    e = y.copy()
    for i in range(y.size):
        for k in range(theta.size):
            e[i] -= x[i, k] * theta[k]
    return pleiotropy_excess(x, e, base, spread, tau2)


@kernel
def balanced(
    x: Array, y: Array, noise: Array, spread: Array, start: Array, additive: bool
) -> tuple[Array, float, bool]:
    """θ (K,) and τ² ≥ 0 of the estimating equations with v_i = 1 + θ'Σ_iθ + τ² s_i, convergence.

    τ² is zero unless `additive`. It is approached from above, where θ is that of least squares.
    """
    theta, converged = minimum(x, y, noise, np.ones(y.size), start)
    if not additive:
        return theta, 0.0, converged
    if excess_at(x, y, noise, spread, theta, 0.0) <= 0.0:
        return theta, 0.0, converged
    high = 1.0
    above, converged = minimum(x, y, noise, 1.0 + high * spread, start)
    while excess_at(x, y, noise, spread, above, high) > 0.0 and high < 1e12:
        high *= 4.0
        above, converged = minimum(x, y, noise, 1.0 + high * spread, start)
    low = 0.0
    while high - low > DIGITS * high:
        middle = 0.5 * (low + high)
        theta, good = minimum(x, y, noise, 1.0 + middle * spread, above)
        if excess_at(x, y, noise, spread, theta, middle) > 0.0:
            low = middle
        else:
            high, above, converged = middle, theta, good
    return above, high, converged
