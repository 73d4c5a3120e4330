"""Compiled work on founder columns, many positions and traits at a time.

Axes: line i = 0..n−1; fixed column c; founder column a, b = 0..K−1 (one founder left out);
pair t = (a, b ≤ a); trait p; position m, the last and fastest; permutation r.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]

DEPENDENT = 1e-12  # squared length, of its own, that is left of a column explained by others
ROUNDING = 1e-14  # ... of which nothing but rounding is left
DOUBTFUL = 1e-7  # ... below which moments have lost too many digits


@kernel
def pair_products(Z: Array, out: Array) -> None:
    """z_a z_b into out (n, K(K+1)/2, M) for columns Z (n, K, M)."""
    n, K, M = Z.shape
    for i in range(n):
        t = 0
        for a in range(K):
            for b in range(a + 1):
                for m in range(M):
                    out[i, t, m] = Z[i, a, m] * Z[i, b, m]
                t += 1


@kernel
def whitening(G: Array, C: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Upper triangles T (P, K, K, M) with T'(Z'WZ − C'C)T = I, ranks (P, M), and doubts (P, M).

    G (P, K(K+1)/2, M): weighted moments; C (P, c, K, M): products with orthonormal fixed columns.
    A column that earlier ones explain has a row and a column of zeros.
    """
    P, c, K, M = C.shape
    T = np.zeros((P, K, K, M))
    rank = np.zeros((P, M))
    doubt = np.zeros((P, M), dtype=np.bool_)
    S, L, size = np.empty((K, K)), np.empty((K, K)), np.empty(K)
    for p in range(P):
        for m in range(M):
            for a in range(K):
                size[a] = math.sqrt(max(G[p, a * (a + 1) // 2 + a, m], 0.0))
            for a in range(K):
                for b in range(a + 1):
                    total = G[p, a * (a + 1) // 2 + b, m]
                    for k in range(c):
                        total -= C[p, k, a, m] * C[p, k, b, m]
                    both = size[a] * size[b]
                    S[a, b] = total / both if both > 0.0 else 0.0
            for a in range(K):
                for b in range(a):
                    total = S[a, b]
                    for k in range(b):
                        total -= L[a, k] * L[b, k]
                    L[a, b] = total / L[b, b] if L[b, b] > 0.0 else 0.0
                pivot = S[a, a]
                for k in range(a):
                    pivot -= L[a, k] * L[a, k]
                if ROUNDING < pivot < DOUBTFUL:
                    doubt[p, m] = True
                L[a, a] = math.sqrt(pivot) if pivot > DEPENDENT else 0.0
                if L[a, a] > 0.0:
                    rank[p, m] += 1.0
            for a in range(K):
                if L[a, a] == 0.0:
                    continue
                T[p, a, a, m] = 1.0 / (L[a, a] * size[a])
                for b in range(a):
                    total = 0.0
                    for k in range(b, a):
                        total += T[p, b, k, m] * L[a, k]
                    T[p, b, a, m] = -total / L[a, a]
    return T, rank, doubt


@kernel
def careful_whitening(Z: Array, Q: Array) -> tuple[Array, int]:
    """T (K, K) of weighted columns Z (n, K) beside orthonormal Q (n, c), and rank.

    By orthogonalisation, twice, where moments have lost their digits.
    """
    n, K = Z.shape
    c = Q.shape[1]
    basis, T = np.zeros((n, K)), np.zeros((K, K))
    rank = 0
    column, along = np.empty(n), np.empty(K)
    for a in range(K):
        before = 0.0
        for i in range(n):
            column[i] = Z[i, a]
            before += column[i] * column[i]
        along[:] = 0.0
        for _ in range(2):
            for k in range(c):
                remove(column, Q, k)
            for k in range(a):
                along[k] += remove(column, basis, k)
        left = 0.0
        for i in range(n):
            left += column[i] * column[i]
        if not left > DEPENDENT * before:
            continue
        rank += 1
        length = math.sqrt(left)
        for i in range(n):
            basis[i, a] = column[i] / length
        T[a, a] = 1.0 / length
        for b in range(a):
            total = 0.0
            for k in range(b, a):
                total += T[b, k] * along[k]
            T[b, a] = -total / length
    return T, rank


@kernel
def remove(column: Array, Q: Array, k: int) -> float:
    """Take unit vector k of Q (n, c) out of a column (n,); what it was."""
    total = 0.0
    for i in range(column.size):
        total += column[i] * Q[i, k]
    for i in range(column.size):
        column[i] -= total * Q[i, k]
    return total


@kernel
def explained(T: Array, B: Array) -> Array:
    """Sum of squares (P, M) that founder columns explain; B = Z'W(y − Xβ) (P, K, M)."""
    P, K, M = B.shape
    out = np.zeros((P, M))
    part = np.empty(M)
    for p in range(P):
        for k in range(K):
            part[:] = 0.0
            for a in range(k + 1):
                for m in range(M):
                    part[m] += T[p, a, k, m] * B[p, a, m]
            for m in range(M):
                out[p, m] += part[m] * part[m]
    return out


@kernel
def largest_explained(T: Array, B: Array, largest: Array) -> None:
    """Raise `largest` (R,) to the largest explained squares; T (K, K, M), B (R, K, M)."""
    R, K, M = B.shape
    part, total = np.empty(M), np.empty(M)
    for r in range(R):
        total[:] = 0.0
        for k in range(K):
            part[:] = 0.0
            for a in range(k + 1):
                for m in range(M):
                    part[m] += T[a, k, m] * B[r, a, m]
            for m in range(M):
                total[m] += part[m] * part[m]
        for m in range(M):
            if total[m] > largest[r]:
                largest[r] = total[m]
