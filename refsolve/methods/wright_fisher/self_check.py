"""Every kernel of the method held against the textbook, on problems of a few chromosomes.

Grid kernels are judged by what they do to the polynomial `_u`; its exact expectation is a sum over
the binomial, eq. (2), and its value after selection is eq. (1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.stats import binom

from refsolve.core.agreement import Check, checked, gap
from refsolve.methods.wright_fisher import textbook
from refsolve.methods.wright_fisher.kernels import exact, grid, parts
from refsolve.methods.wright_fisher.kernels.grid import LANES, Drift
from refsolve.methods.wright_fisher.kernels.parts import GAUSS, HERMITE, STENCIL, Array, Index

K = 64
SMALL, LARGE = 40, 400  # chromosomes: a summed binomial, and the Gauss rule
S, H = 0.13, 0.7
SIZES = [SMALL, SMALL, 30, 30, SMALL]
DERIVED, TOTAL = (5, 0, 9), (20, 0, 20)  # reads of generations 0, 2, 4
OBSERVED = np.array([0, -1, 1, -1, 2])
RATES = {"e_da": 0.1, "e_ad": 0.02}

ROUNDING = 1e-12
INTERPOLATED = 1e-7  # of a polynomial, on K intervals
RECURSION = 1e-5  # of a log-likelihood, on K intervals

STEP = 0.5 * math.pi / K
X = np.sin(np.arange(K + 1) * STEP) ** 2


def self_check() -> Iterator[tuple[str, float, float]]:
    """Check every kernel.

    Yields
    ------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    yield from checked(_CHECKS)


def _u(x: Array) -> Array:
    return np.asarray(16.0 * x**3 * (1.0 - x) ** 2 + x)


def _mean_u(M: int, p: Array) -> Array:
    """E[u(X/M)] for X ~ Binomial(M, p), eq. (2)."""
    counts = np.arange(M + 1)
    return np.asarray(binom.pmf(counts, M, np.atleast_1d(p)[:, None]) @ _u(counts / M))


def _drift(*sizes: int) -> Drift:
    return grid.drift_rows(np.array(sizes, dtype=np.float64), K)


def _dense_drift(drift: Drift, m: int) -> Array:
    dense = np.zeros((K + 1, K + 1))
    for i in range(K + 1):
        first, n, j = drift.where[m, i], drift.width[m, i], drift.start[m, i]
        dense[i, j : j + n] = drift.band[first : first + n]
    return dense


def _dense_selection(start: Index, band: Array) -> Array:
    dense = np.zeros((K + 1, K + 1))
    for i, first in enumerate(start):
        dense[i, first : first + band.shape[1]] = band[i]
    return dense


def _position(x: Array) -> Array:
    return np.asarray(np.arctan2(np.sqrt(x), np.sqrt(1.0 - x)) / STEP)


def _at(values: Array, x: Array) -> Array:
    """Interpolate node values at frequencies."""
    work = np.empty(2 * STENCIL)
    return np.array([grid.interpolated(values, p, work) for p in _position(x)])


# Building blocks: parts


def _selected() -> float:
    gaps = []
    for diploid, ploidy in ((False, "haploid"), (True, "diploid")):
        got = [parts.selected(x, 1.0 - x, S, H, diploid) for x in X]
        derived = textbook.select(X, S, H, ploidy)  # type: ignore[arg-type]
        gaps.append(gap(got, np.stack([derived, 1.0 - derived], axis=1)))
    return max(gaps)


def _stencil() -> float:
    work = np.empty(2 * STENCIL)
    nodes = _u(X)
    gaps = []
    for position in np.linspace(0.0, K - 1e-9, 50):
        first = parts.stencil(position, K, work)
        value = work[:STENCIL] @ nodes[first : first + STENCIL]
        gaps.append(gap(value, _u(np.sin(position * STEP) ** 2)))
    return max(gaps)


def _copied() -> float:
    return gap(parts.copied(X, 5, 9)[:5], X[:5])


def _binomial_row() -> float:
    rows = textbook.transition_matrix(10, SMALL, 0.0)
    out = np.empty(SMALL + 1)
    gaps = []
    for i in range(1, 10):
        low, n = parts.binomial_row(float(SMALL), i / 10, 1.0 - i / 10, 1e-20, out)
        whole = np.zeros(SMALL + 1)
        whole[low : low + n] = out[:n]
        gaps.append(gap(whole, rows[i]))
    return max(gaps)


def _root_beta(M: float) -> Array:
    root_beta = np.ones(GAUSS + 1)
    for n in range(1, GAUSS):
        root_beta[n] = math.sqrt(n * (M - n + 1.0) / M)
    return root_beta


def _gauss_rule() -> float:
    p = 0.3
    sd = math.sqrt(LARGE * p * (1.0 - p))
    nodes, weights = HERMITE.copy(), np.empty(GAUSS)
    parts.gauss_rule((1.0 - 2.0 * p) / sd, _root_beta(LARGE), nodes, weights)
    counts = np.arange(LARGE + 1)
    pmf = textbook.transition_matrix(10, LARGE, 0.0)[3]
    moments = [
        gap(weights @ (p + sd * nodes / LARGE) ** k, pmf @ (counts / LARGE) ** k)
        for k in range(2 * GAUSS)
    ]
    return max(moments)


def _rule(M: int, p: float) -> tuple[int, Array, Array]:
    count, weight = np.empty(1000), np.empty(1000)
    nodes, root_beta = HERMITE.copy(), _root_beta(M)
    n = parts.drift_rule(float(M), p, 1.0 - p, K, nodes, root_beta, count, weight)
    return n, count, weight


def _drift_rule() -> float:
    gaps = []
    for M in (SMALL, LARGE):
        n, count, weight = _rule(M, 0.3)
        gaps.append(gap(weight[:n] @ _u(count[:n] / M), _mean_u(M, 0.3)))  # type: ignore[arg-type]
    return max(gaps)


def _drift_row() -> float:
    gaps = []
    for M in (SMALL, LARGE):
        n, count, weight = _rule(M, 0.3)
        row = np.zeros(K + 1)
        low, high = parts.drift_row(float(M), K, n, count, weight, row)
        gaps.append(gap(row[low:high] @ _u(X[low:high]), _mean_u(M, 0.3)))  # type: ignore[arg-type]
    return max(gaps)


# The grid: grid


def _drift_rows() -> float:
    drift = _drift(SMALL, LARGE)
    return max(
        gap(_dense_drift(drift, m) @ _u(X), _mean_u(M, X)) for m, M in enumerate((SMALL, LARGE))
    )


def _selection_rows() -> float:
    gaps = []
    for diploid, ploidy in ((False, "haploid"), (True, "diploid")):
        dense = _dense_selection(*grid.selection_rows(S, H, diploid, K))
        want = _u(textbook.select(X, S, H, ploidy))  # type: ignore[arg-type]
        gaps.append(gap(dense @ _u(X), want))
    return max(gaps)


def _selection_operator() -> float:
    dense = _dense_drift(grid.selection_operator(S, H, True, K), 0)
    return gap(dense @ _u(X), _u(textbook.select(X, S, H, "diploid")))


def _lanes() -> Array:
    return np.linspace(-0.1, S, LANES)


def _lane_selection() -> float:
    start, band = grid.lane_selection(_lanes(), H, False, K)
    return max(
        gap(
            _dense_selection(start, np.ascontiguousarray(band[:, :, c])) @ _u(X),
            _u(textbook.select(X, s)),
        )
        for c, s in enumerate(_lanes())
    )


def _columns() -> Array:
    return np.ascontiguousarray(_u(X)[:, None] * np.linspace(0.5, 1.0, LANES))


def _lanes_step() -> float:
    u, out = _columns(), np.empty((K + 1, LANES))
    grid.lanes_step(_drift(LARGE), 0, u, out)
    return gap(out, _mean_u(LARGE, X)[:, None] * np.linspace(0.5, 1.0, LANES))


def _selection_lanes() -> float:
    u, out = _columns(), np.empty((K + 1, LANES))
    start, band = grid.lane_selection(_lanes(), H, False, K)
    grid.selection_lanes(start, band, u, out)
    want = _u(textbook.select(X[:, None], _lanes())) * np.linspace(0.5, 1.0, LANES)
    return gap(out, want)


def _rescale_lanes() -> float:
    u, logs = _columns(), np.zeros(LANES)
    grid.rescale_lanes(u, math.inf, logs)
    return max(gap(u * np.exp(logs), _columns()), gap(u.max(axis=0), 1.0))


def _table() -> list[Array]:
    """e_t on counts of every generation."""
    return textbook.emission_table(SIZES, [0, 2, 4], DERIVED, TOTAL, **RATES)


def _on_nodes() -> Array:
    """e_t on nodes of the observed generations."""
    return np.stack(
        [textbook.emission(X, d, n, **RATES) for d, n in zip(DERIVED, TOTAL, strict=True)]
    )


def _sizes_and_index() -> tuple[Drift, Index]:
    return _drift(30, SMALL), np.array([1, 1, 0, 0, 1])


def _uniform() -> Array:
    """Uniform counts of generation 0 as a node measure."""
    weight = textbook.start_uniform(SIZES[0])
    return grid.point_measure(_position(textbook.frequencies(SIZES[0])), weight, K)


def _backward_lanes() -> float:
    drift, drift_of = _sizes_and_index()
    u, logs = grid.backward_lanes(_lanes(), H, False, drift, drift_of, _on_nodes(), OBSERVED)
    start = textbook.start_uniform(SIZES[0])
    want = [textbook.log_likelihood(_table(), SIZES, s, start) for s in _lanes()]
    return gap(np.log(_uniform() @ u) + logs, want)


def _propagate_block() -> float:
    drift, drift_of = _sizes_and_index()
    columns = np.ascontiguousarray(np.stack([_u(X), 1.0 - X], axis=1))
    moved = grid.propagate_block(S, H, True, drift, drift_of, 4, 1, columns)
    counts = textbook.frequencies(SIZES[4])
    want = np.stack([_u(counts), 1.0 - counts], axis=1)
    for step in reversed(textbook.transitions(SIZES[1:], S, H, "diploid")):
        want = step @ want
    x = textbook.frequencies(SIZES[1])
    return max(gap(_at(moved[:, c].copy(), x), want[:, c]) for c in range(2))


def _drift_step_transposed() -> float:
    out = np.empty(K + 1)
    grid.drift_step_transposed(_drift(LARGE), 0, _uniform(), out)
    return gap(out @ _u(X), _uniform() @ _mean_u(LARGE, X))


def _path() -> Array:
    drift, drift_of = _sizes_and_index()
    return grid.backward_path(S, H, False, drift, drift_of, _on_nodes(), OBSERVED)


def _backward_path() -> float:
    values, _ = textbook.backward(_table(), textbook.transitions(SIZES, S))
    gaps = []
    for row, want, M in zip(_path(), values, SIZES, strict=True):
        got = _at(row, textbook.frequencies(M))
        gaps.append(gap(got / got.max(), want))
    return max(gaps)


def _posterior_nodes() -> float:
    drift, drift_of = _sizes_and_index()
    got = grid.posterior_nodes(
        S, H, False, drift, drift_of, _on_nodes(), OBSERVED, _uniform(), _path()
    )
    start = textbook.start_uniform(SIZES[0])
    want = textbook.posterior(_table(), SIZES, S, start)
    means = [p @ textbook.frequencies(M) for p, M in zip(want, SIZES, strict=True)]
    return gap(got @ X, means)


def _point_measure() -> float:
    x = np.linspace(0.0, 1.0, 11)
    weight = np.full(11, 1.0 / 11.0)
    return gap(grid.point_measure(_position(x), weight, K) @ _u(X), weight @ _u(x))


def _interpolated() -> float:
    x = np.linspace(0.0, 1.0, 41)
    return gap(_at(_u(X), x), _u(x))


def _interpolated_maximum() -> float:
    position, value = grid.interpolated_maximum(1.0 - (X - 0.37) ** 2)
    return max(gap(math.sin(position * STEP) ** 2, 0.37), gap(value, 1.0))


# The chain on counts: exact


def _scale_to_one() -> float:
    u = _u(X)
    top = float(u.max())
    log = exact.scale_to_one(u, top)
    return gap(u * math.exp(log), _u(X))


def _transition_rows() -> float:
    gaps = []
    for diploid, ploidy in ((False, "haploid"), (True, "diploid")):
        first, where, flat = exact.transition_rows(30, SMALL, S, H, diploid)
        dense = np.zeros((31, SMALL + 1))
        for i in range(31):
            n = where[i + 1] - where[i]
            dense[i, first[i] : first[i] + n] = flat[where[i] : where[i + 1]]
        want = textbook.transition_matrix(30, SMALL, S, H, ploidy)  # type: ignore[arg-type]
        gaps.append(gap(dense, want))
    return max(gaps)


def _dot() -> float:
    return gap(exact.dot(_u(X), X), np.dot(_u(X), X))


def _backward_counts() -> float:
    emission = np.zeros((3, 1, max(SIZES) + 1))
    for r, t in enumerate((0, 2, 4)):
        emission[r, 0, : SIZES[t] + 1] = _table()[t]
    u, logs = exact.backward_counts(S, H, False, np.array(SIZES), emission, OBSERVED)
    start = textbook.start_uniform(SIZES[0])
    got = np.log(u @ start) + logs
    return gap(got, textbook.log_likelihood(_table(), SIZES, S, start))


_CHECKS: tuple[Check, ...] = (
    (parts.selected, _selected, ROUNDING),
    (parts.stencil, _stencil, INTERPOLATED),
    (parts.copied, _copied, ROUNDING),
    (parts.binomial_row, _binomial_row, ROUNDING),
    (parts.gauss_rule, _gauss_rule, ROUNDING),
    (parts.drift_rule, _drift_rule, ROUNDING),
    (parts.drift_row, _drift_row, INTERPOLATED),
    (grid.drift_rows, _drift_rows, INTERPOLATED),
    (grid.selection_rows, _selection_rows, INTERPOLATED),
    (grid.lane_selection, _lane_selection, INTERPOLATED),
    (grid.lanes_step, _lanes_step, INTERPOLATED),
    (grid.selection_lanes, _selection_lanes, INTERPOLATED),
    (grid.rescale_lanes, _rescale_lanes, ROUNDING),
    (grid.backward_lanes, _backward_lanes, RECURSION),
    (grid.selection_operator, _selection_operator, INTERPOLATED),
    (grid.propagate_block, _propagate_block, INTERPOLATED),
    (grid.drift_step_transposed, _drift_step_transposed, INTERPOLATED),
    (grid.backward_path, _backward_path, RECURSION),
    (grid.posterior_nodes, _posterior_nodes, RECURSION),
    (grid.point_measure, _point_measure, INTERPOLATED),
    (grid.interpolated, _interpolated, INTERPOLATED),
    (grid.interpolated_maximum, _interpolated_maximum, INTERPOLATED),
    (exact.scale_to_one, _scale_to_one, ROUNDING),
    (exact.transition_rows, _transition_rows, ROUNDING),
    (exact.dot, _dot, ROUNDING),
    (exact.backward_counts, _backward_counts, ROUNDING),
)
