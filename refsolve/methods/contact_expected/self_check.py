"""Every kernel of the method held against the textbook, on two chromosomes of eleven bins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refsolve.core.agreement import Check, checked, gap
from refsolve.methods.contact_expected.kernels import balance, diagonals, glm, pileup
from refsolve.methods.contact_expected.kernels.diagonals import Array, Codes
from refsolve.methods.contact_expected.textbook import balancing, expected, loops, masks
from refsolve.methods.contact_expected.textbook import glm as textbook

ROUNDING = 1e-9
DIFFERENCED = 1e-6

# Two chromosomes of 7 and 4 bins, one masked bin in each, and four excluded pixels.
N, FIRST = 11, 7
STOPS: Codes = np.array([7, 11])
CHROMOSOME: Codes = np.repeat([0, 1], [7, 4])
VALID = ~np.isin(np.arange(N), [2, 9])
EXCLUDED = [(0, 4), (0, 5), (1, 4), (1, 5)]
RANGES = (
    np.where(np.arange(N) < 2, 0, -1),
    np.array([0, 1]),
    np.array([4]),
    np.array([6]),
)
_rng = np.random.default_rng(7)
_upper = np.triu(_rng.poisson(3.0, (N, N)).astype(np.float64))
C: Array = _upper + np.triu(_upper, 1).T
W: Array = _rng.uniform(0.5, 2.0, N)
ROW, COLUMN = (np.ascontiguousarray(axis) for axis in np.nonzero(_upper))
COUNT = _upper[ROW, COLUMN].astype(np.int32)  # as in files
BIN2 = COLUMN.astype(np.int32)
OFFSET: Codes = np.searchsorted(ROW, np.arange(N + 1)).astype(np.int64)
PAIR: Codes = np.array([0, 1])
ORIGIN: Codes = np.array([0, FIRST])
E: Array = np.arange(1.0, N + 1)

# Two samples, six cells, an intercept each and a common slope.
FEATURES: Array = np.column_stack([np.ones(6), np.log(np.arange(1.0, 7.0))])
COLUMNS: Codes = np.array([[0, 2], [1, 2]])
TOTALS: Array = np.array([[40.0, 11.0, 14.0, 3.0, 9.0, 0.0], [25.0, 18.0, 4.0, 8.0, 1.0, 6.0]])
ONES: Array = np.ones((1, 6))
SAME: Codes = np.zeros(2, dtype=np.int64)
NOTHING: Array = np.zeros((1, 6))
DESIGN: Array = np.column_stack([np.repeat(np.eye(2), 6, axis=0), np.tile(FEATURES[:, 1], 2)])
BETA: Array = np.array([3.2, 2.9, -0.8])
THETA = 4.0
ALPHA: Array = np.full(2, 1.0 / THETA)


def self_check() -> Iterator[tuple[str, float, float]]:
    """Check every kernel.

    Yields
    ------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    yield from checked(_CHECKS)


# Distances


def _usable() -> np.ndarray:
    return masks.usable_pixels(VALID, CHROMOSOME, EXCLUDED)


def _excluded() -> float:
    _, first, low, high = RANGES
    found = [diagonals.excluded(j, 0, first, low, high) for j in range(N)]
    return gap(np.array(found, dtype=np.float64), 1.0 * np.isin(np.arange(N), [4, 5]))


def _add_cis() -> float:
    counts, balanced = np.zeros(N), np.zeros(N)
    diagonals.add_cis(
        OFFSET, (0, N), 0, BIN2, COUNT, W, VALID, CHROMOSOME, STOPS, PAIR, ORIGIN, 1, RANGES,
        counts, balanced,
    )  # fmt: skip
    return max(
        gap(counts, _by_chromosome(C)),
        gap(balanced, _by_chromosome(expected.balanced(C, W))),
    )


def _by_chromosome(values: Array) -> Array:
    """Sums by distance of one chromosome after the other; distance zero is left out."""
    usable, out = _usable(), []
    for part in (slice(0, FIRST), slice(FIRST, N)):
        total = expected.diagonals(values[part, part], usable[part, part]).total
        out.append(np.where(np.arange(total.size) >= 1, total, 0.0))
    return np.concatenate(out)


def _add_trans() -> float:
    counts, balanced = np.zeros((2, 2)), np.zeros((2, 2))
    diagonals.add_trans(
        OFFSET, (0, N), 0, BIN2, COUNT, W, VALID, CHROMOSOME, np.array([0, 1]), RANGES, counts,
        balanced,
    )  # fmt: skip
    block = masks.usable_pixels(VALID)[:FIRST, FIRST:]
    raw = expected.expected_trans(C[:FIRST, FIRST:], block).total
    scaled = expected.expected_trans(expected.balanced(C, W)[:FIRST, FIRST:], block).total
    return max(gap(counts[0, 1], raw), gap(balanced[0, 1], scaled))


def _total_pairs() -> float:
    out = np.zeros(FIRST, dtype=np.int64)
    diagonals.total_pairs((0, FIRST), (0, FIRST), 0, out)
    return gap(out, expected.pair_counts(np.ones(FIRST)))


def _valid_pairs() -> float:
    gaps = []
    for valid in (VALID, ~VALID):
        out = np.zeros(FIRST, dtype=np.int64)
        diagonals.valid_pairs(valid, (0, FIRST), (0, FIRST), 0, out)
        gaps.append(gap(out, expected.pair_counts(valid[:FIRST])))
    return max(gaps)


def _add_differences() -> float:
    out = np.zeros(FIRST, dtype=np.int64)
    bins = np.flatnonzero(VALID[:FIRST])
    diagonals.add_differences(bins, bins, 0, out)
    return gap(out, expected.pair_counts(VALID[:FIRST]))


def _drop_rectangles() -> float:
    out = expected.pair_counts(VALID[:FIRST])
    diagonals.drop_rectangles(VALID, (0, FIRST), (0, FIRST), 0, RANGES, out)
    return gap(out, expected.count_pairs(_usable()[:FIRST, :FIRST]))


def _smooth() -> float:
    part = expected.diagonals(C, masks.usable_pixels(VALID))
    want = expected.smooth(part, ignore_diags=1)[1:]
    x = np.log10(np.arange(1.0, N))
    values = np.column_stack([part.total, part.n.astype(np.float64)])[1:]
    got = diagonals.smooth(x, values, x, 0.1, 0.5)
    return gap(got[:, 0] / got[:, 1], want)


# Balancing


def _columns_used() -> float:
    i, stop = 1, int(STOPS[0])
    found = balance.columns_used(i, int(OFFSET[i]), int(OFFSET[i + 1]), BIN2, stop, balance.CIS, 2)
    want = [k for k in range(OFFSET[i], OFFSET[i + 1]) if i + 2 <= BIN2[k] < stop]
    return gap(found, (want[0], want[-1] + 1))


def _cis_without_diagonals() -> Array:
    inside = CHROMOSOME[:, None] == CHROMOSOME
    return np.asarray(np.where(inside, balancing.without_diagonals(C, 2), 0.0))


def _add_coverage() -> float:
    total, nonzero = np.zeros(N), np.zeros(N, dtype=np.int64)
    stop = STOPS[CHROMOSOME]
    balance.add_coverage(OFFSET, (0, N), 0, BIN2, COUNT, stop, balance.CIS, 2, total, nonzero)
    want = _cis_without_diagonals()
    return max(gap(total, want.sum(axis=1)), gap(nonzero, (want > 0.0).sum(axis=1)))


def _add_product() -> float:
    out, stop = np.zeros(N), STOPS[CHROMOSOME]
    balance.add_product(OFFSET, (0, N), 0, BIN2, COUNT, stop, balance.CIS, 2, W, out)
    return gap(out, _cis_without_diagonals() @ W)


# Windows


def _expected_at() -> float:
    regions = (CHROMOSOME, STOPS, PAIR, ORIGIN, E)
    near, far = pileup.expected_at(1, 4, *regions), pileup.expected_at(1, 8, *regions)
    return gap(near, E[3]) + float(not np.isnan(far))


def _first_at_least() -> float:
    low, high = int(OFFSET[0]), int(OFFSET[1])
    found = [pileup.first_at_least(j, low, high, BIN2) for j in range(N + 1)]
    return gap(found, low + np.searchsorted(BIN2[low:high], np.arange(N + 1)))


def _window() -> tuple[Array, Array]:
    observed, mean = np.empty((1, 5, 5)), np.empty((1, 5, 5))
    pileup.windows(
        np.array([2]), np.array([5]), 2, OFFSET, 0, BIN2, COUNT, W, VALID, CHROMOSOME, STOPS,
        PAIR, ORIGIN, E, 1, RANGES, observed, mean,
    )  # fmt: skip
    return observed, mean


def _windows() -> float:
    observed, mean = _window()
    usable = _usable() & (np.subtract.outer(np.arange(N), np.arange(N)) < 0)
    by_distance = loops.expected_counts(np.concatenate([E[:FIRST], np.zeros(N - FIRST)]), W)
    gaps = []
    for got, values in ((observed, C), (mean, by_distance)):
        want = loops.snippet(np.where(usable, values, np.nan), 2, 5, 2)
        gaps.append(float(np.sum(np.isnan(got[0]) != np.isnan(want))))
        gaps.append(gap(np.nan_to_num(got[0]), np.nan_to_num(want)))
    return max(gaps)


def _patch_sums() -> float:
    observed, mean = _window()
    donut = loops.donut_mask(0, 2)
    out, number = np.zeros((1, 1, 2)), np.zeros((1, 1), dtype=np.int64)
    pileup.patch_sums(observed, mean, donut[None], out, number)
    got = out[0, 0, 0] / out[0, 0, 1]
    masked = np.where(_usable(), 1.0, np.nan)
    masked[np.tril_indices(N)] = np.nan
    by_distance = loops.expected_counts(np.concatenate([E[:FIRST], np.zeros(N - FIRST)]), W)
    return abs(float(got) - loops.donut_ratio(C * masked, by_distance * masked, 2, 5, 0, 2))


# The model of counts


def _mu(beta: Array = BETA) -> Array:
    return np.asarray(np.exp(DESIGN @ beta).reshape(2, 6))


def _arguments(beta: Array) -> tuple[Any, ...]:
    return (FEATURES, COLUMNS, TOTALS, ONES, SAME, NOTHING, beta, ALPHA)


def _objective() -> float:
    at = [glm.objective(*_arguments(beta)) for beta in (BETA, 1.1 * BETA)]
    want = [
        textbook.nb_log_likelihood(TOTALS.ravel(), _mu(beta).ravel(), THETA)
        for beta in (BETA, 1.1 * BETA)
    ]
    return abs((at[1] - at[0]) - (want[1] - want[0]))


def _information() -> float:
    y, zero = TOTALS.ravel(), np.zeros(12)
    beta, cov = textbook.irls(DESIGN, y, THETA, zero + 1.0, zero)
    score, info = glm.information(False, *_arguments(beta))
    step = 1e-4 * np.eye(beta.size)
    rise = [glm.information(True, *_arguments(beta + h))[0] for h in step]
    fall = [glm.information(True, *_arguments(beta - h))[0] for h in step]
    slope = np.subtract(fall, rise) / 2e-4
    observed = glm.information(True, *_arguments(beta))[1]
    bent = gap(observed, slope) / float(observed.max())
    return max(gap(score, 0.0), gap(np.linalg.inv(info), cov), bent)


def _means() -> float:
    return gap(glm.means(FEATURES, COLUMNS, NOTHING, BETA), _mu())


def _curvature_of_log() -> float:
    gaps = []
    for x in (0.5, 0.015):
        h = (np.log1p(x) - x / (1.0 + x)) / x**2
        gaps.append(gap(glm.curvature_of_log(x), (h, (1.0 / (1.0 + x) ** 2 - 2.0 * h) / x)))
    return max(gaps)


def _tail() -> Array:
    return glm.tail_counts(TOTALS.ravel(), np.ones(12, dtype=np.bool_), 41)


def _tail_counts() -> float:
    return gap(_tail(), [(TOTALS > k).sum() for k in range(41)])


def _dispersion_score() -> float:
    got = glm.dispersion_score(_tail(), TOTALS, ONES, SAME, _mu(), 1.0 / THETA)
    first, information = textbook.dispersion_score(TOTALS.ravel(), _mu().ravel(), THETA)
    # By α = 1/θ instead of θ.
    return gap(got, (-(THETA**2) * first, -(THETA**4) * information + 2.0 * THETA**3 * first))


def _pearson_sum() -> float:
    want = textbook.pearson_residual(TOTALS.ravel(), _mu().ravel(), THETA)
    return abs(glm.pearson_sum(TOTALS, ONES, SAME, _mu(), ALPHA) - float(np.sum(want**2)))


CLASSES: Codes = np.where(VALID, np.arange(N) % 2, -1)


def _pairs_of(i: Codes, j: Codes, times: Array) -> Array:
    """Sums by distance 1..5 and pair of classes (5, 3), one pixel after the other."""
    out = np.zeros((5, 3))
    for a, b, number in zip(i, j, times, strict=True):
        same = CHROMOSOME[a] == CHROMOSOME[b] and 1 <= b - a <= 5
        if same and CLASSES[a] >= 0 and CLASSES[b] >= 0:
            out[b - a - 1, CLASSES[a] + CLASSES[b]] += number
    return out


def _count_pairs() -> float:
    i, j = np.triu_indices(N, 1)
    got = glm.count_pairs(CLASSES, STOPS[CHROMOSOME], 1, 5, 2)
    return gap(got, _pairs_of(i, j, np.ones(i.size)))


def _add_contacts() -> float:
    totals, histogram = np.zeros((5, 3)), np.zeros(int(COUNT.max()) + 1)
    end = STOPS[CHROMOSOME]
    left = glm.add_contacts(
        ROW, COLUMN, COUNT.astype(np.float64), CLASSES, end, 1, totals, histogram
    )
    want = _pairs_of(ROW, COLUMN, COUNT.astype(np.float64))
    inside = float(histogram @ np.arange(histogram.size))
    kept = float(want.sum())
    return max(gap(totals, want), abs(left + kept - float(COUNT.sum())), abs(inside - kept))


_CHECKS: tuple[Check, ...] = (
    (diagonals.excluded, _excluded, ROUNDING),
    (diagonals.add_cis, _add_cis, ROUNDING),
    (diagonals.add_trans, _add_trans, ROUNDING),
    (diagonals.total_pairs, _total_pairs, ROUNDING),
    (diagonals.valid_pairs, _valid_pairs, ROUNDING),
    (diagonals.add_differences, _add_differences, ROUNDING),
    (diagonals.drop_rectangles, _drop_rectangles, ROUNDING),
    (diagonals.smooth, _smooth, ROUNDING),
    (balance.columns_used, _columns_used, ROUNDING),
    (balance.add_coverage, _add_coverage, ROUNDING),
    (balance.add_product, _add_product, ROUNDING),
    (pileup.expected_at, _expected_at, ROUNDING),
    (pileup.first_at_least, _first_at_least, ROUNDING),
    (pileup.windows, _windows, ROUNDING),
    (pileup.patch_sums, _patch_sums, ROUNDING),
    (glm.objective, _objective, ROUNDING),
    (glm.information, _information, DIFFERENCED),
    (glm.means, _means, ROUNDING),
    (glm.curvature_of_log, _curvature_of_log, ROUNDING),
    (glm.dispersion_score, _dispersion_score, ROUNDING),
    (glm.pearson_sum, _pearson_sum, ROUNDING),
    (glm.tail_counts, _tail_counts, ROUNDING),
    (glm.count_pairs, _count_pairs, ROUNDING),
    (glm.add_contacts, _add_contacts, ROUNDING),
)
