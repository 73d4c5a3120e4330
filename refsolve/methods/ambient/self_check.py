"""Every kernel of the method held against plain NumPy, on a few droplets of five genes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import gammaln
from scipy.stats import binom, dirichlet_multinomial

from refsolve.core.agreement import Check, checked, gap
from refsolve.core.check import IntArray
from refsolve.methods.ambient.kernels import groups, removal, sparse
from refsolve.methods.ambient.kernels.groups import Array
from refsolve.methods.ambient.model.matrices import compressed
from refsolve.methods.ambient.textbook import correction, profile
from refsolve.methods.ambient.textbook import groups as grouped

ROUNDING = 1e-9

SHARE = np.array([0.4, 0.3, 0.2, 0.07, 0.03])
COUNTS = np.array(
    [[5, 0, 3, 1, 9], [0, 2, 2, 0, 0], [7, 7, 0, 2, 1], [1, 0, 0, 30, 0], [2, 3, 1, 0, 4]],
    np.float64,
)
ROWS = compressed(COUNTS.astype(np.float32))
TOTAL: Array = COUNTS.sum(axis=1)
AMOUNT = np.array([4.0, 1.0, 0.0, 2.5, 10.0])
CODE = np.array([0, 1, 0, 1, 1])
USED = np.array([True, True, False, True, True])
VALUES = np.array([0.02, 0.05, 0.06, 0.08, 0.11, 0.19, 0.2, 0.2, 0.24])
WEIGHT = np.linspace(0.5, 1.5, VALUES.size)
SCORES = np.concatenate([np.linspace(0.0, 5.0, 40), [7.0], np.linspace(9.0, 15.0, 40)])


def self_check() -> Iterator[tuple[str, float, float]]:
    """Check every kernel.

    Yields
    ------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    yield from checked(_CHECKS)


# Passes over droplets


def _row_totals() -> float:
    found, odd = sparse.row_totals(ROWS.data, ROWS.indptr)
    return gap(found, TOTAL) + odd


def _add_genes() -> float:
    out = np.zeros(5)
    sparse.add_genes(ROWS.data, ROWS.indices, ROWS.indptr, USED, out)
    return gap(out / out.sum(), profile.profile(COUNTS[USED].T))


def _add_squares() -> float:
    out = np.zeros(5)
    sparse.add_squares(ROWS.data, ROWS.indices, ROWS.indptr, USED, TOTAL, SHARE, out)
    kept = COUNTS[USED].T
    whole = TOTAL[USED].sum()
    free = 4.0 * (USED.sum() - 1.0)
    share = profile.profile(kept)
    same = np.zeros(5)
    sparse.add_squares(ROWS.data, ROWS.indices, ROWS.indptr, USED, TOTAL, share, same)
    wrong = gap((same.sum() - whole) / free, profile.overdispersion(kept, share))
    return max(wrong, gap(out, (kept**2 / np.outer(SHARE, TOTAL[USED])).sum(axis=1)))


def _log_factorials() -> float:
    return gap(sparse.log_factorials(40), gammaln(np.arange(41) + 1.0))


def _droplet_log_likelihoods() -> float:
    found = sparse.droplet_log_likelihoods(
        ROWS.data, ROWS.indices, ROWS.indptr, USED, SHARE, np.inf, sparse.log_factorials(40)
    )
    want = [profile.multinomial_log_likelihood(row, SHARE) for row in COUNTS[USED]]
    rough = sparse.droplet_log_likelihoods(
        ROWS.data, ROWS.indices, ROWS.indptr, USED, SHARE, 9.0, sparse.log_factorials(40)
    )
    full = dirichlet_multinomial.logpmf(
        COUNTS[USED].astype(int), 9.0 * SHARE, TOTAL[USED].astype(int)
    )
    rest = gammaln(9.0) - gammaln(9.0 + TOTAL[USED]) + TOTAL[USED] * np.log(9.0)
    return max(gap(found[USED], want), gap(rough[USED] + rest, full))


def _alias_table() -> float:
    threshold, alias = sparse.alias_table(SHARE)
    mass = threshold.copy()
    np.add.at(mass, alias, 1.0 - threshold)
    return gap(mass / SHARE.size, SHARE)


def _drawn(
    rng: np.random.Generator, threshold: Array, alias: IntArray, alpha: float, size: list[int]
) -> Iterator[Array]:
    """Counts of one droplet at every total on its way, from the same random numbers."""
    genes: list[int] = []
    for n in size:
        while len(genes) < n:
            if alpha < np.inf and rng.random() * (len(genes) + alpha) < len(genes):
                genes.append(genes[int(rng.random() * len(genes))])
                continue
            at = rng.random() * SHARE.size
            genes.append(int(at) if at - int(at) < threshold[int(at)] else int(alias[int(at)]))
        yield np.bincount(genes, minlength=SHARE.size).astype(float)


def _null_ranks() -> float:
    draws, size, seen = 60, [4, 9], np.array([-5.0, -3.5, -6.0])
    total = np.array([4.0, 4.0, 9.0])
    threshold, alias = sparse.alias_table(SHARE)
    worst = 0.0
    for alpha in (np.inf, 8.0):
        rest = gammaln(8.0) - gammaln(8.0 + total) + total * np.log(8.0) if alpha == 8.0 else 0.0
        found = sparse.null_ranks(
            np.random.default_rng(1), threshold, alias, SHARE, alpha, sparse.log_factorials(9),
            np.array(size), np.array([0, 2, 3]), seen - rest, draws,
        )  # fmt: skip
        rng, want = np.random.default_rng(1), np.zeros(3)
        for _ in range(draws):
            few, many = _drawn(rng, threshold, alias, alpha, size)
            want[:2] += profile.droplet_log_likelihood(few, SHARE, alpha) <= seen[:2]
            want[2] += profile.droplet_log_likelihood(many, SHARE, alpha) <= seen[2]
        worst = max(worst, gap(found, want))
    return worst


# Removal


def _fill_level() -> float:
    level = removal.fill_level(COUNTS[0], SHARE, 4.0)
    left = COUNTS[0] - np.minimum(COUNTS[0], level * SHARE)
    inner = removal.fill_level(COUNTS[0].astype(np.float32), SHARE, 4.0)
    return max(gap(left, correction.fill(COUNTS[0], SHARE, 4.0)), gap(inner, level))


def _dense(values: Array, places: Array, starts: Array) -> Array:
    out = np.zeros(COUNTS.shape)
    for c in range(len(out)):
        part = slice(starts[c], starts[c + 1])
        out[c, places[part]] = values[part]
    return out


def _outputs(whole: bool) -> tuple[Array, Array, Array, Array]:
    n = ROWS.data.size
    start = np.full(5, 0.3 if whole else -1.0)
    kind = ROWS.data.dtype if whole else np.float64
    return start, np.empty(n, kind), np.empty(n, ROWS.indices.dtype), np.zeros_like(ROWS.indptr)


def _rounded(exact: Array) -> Array:
    """Whole numbers that the running sum of what is removed passes, from 0.3 on."""
    gone = np.cumsum(COUNTS - exact, axis=1) + 0.3
    return np.asarray(COUNTS - np.diff(np.floor(gone), axis=1, prepend=0.0))


def _remove_rows() -> float:
    want = correction.filled(COUNTS.T, SHARE, AMOUNT).T
    worst = 0.0
    for whole in (False, True):
        start, *out = _outputs(whole)
        removal.remove_rows(
            ROWS.data, ROWS.indices, ROWS.indptr, SHARE, AMOUNT, start, out[0], out[1], out[2]
        )
        worst = max(worst, gap(_dense(*out), _rounded(want) if whole else want))
    return worst


def _write_row() -> float:
    worst = 0.0
    for whole in (False, True):
        start, values, places, _ = _outputs(whole)
        weight = SHARE[ROWS.indices[:4]]
        n = removal.write_row(ROWS.data, ROWS.indices, 0, weight, 10.0, start[0], values, places, 0)
        want = COUNTS[:1] - np.minimum(COUNTS[:1], 10.0 * SHARE)
        want = _rounded(np.vstack([want, COUNTS[1:]]))[:1] if whole else want
        row = np.zeros(5)
        row[places[:n]] = values[:n]
        worst = max(worst, gap(row, want[0]))
    return worst


def _levels() -> tuple[Array, Array]:
    """Counts after the removal by cluster, and the levels that give them."""
    want = correction.by_cluster(COUNTS.T, SHARE, AMOUNT, CODE).T
    level = np.zeros((2, 5))
    for k in range(2):
        cells = CODE == k
        for g in range(5):
            gone = float((COUNTS - want)[cells, g].sum())
            level[k, g] = removal.fill_level(COUNTS[cells, g], AMOUNT[cells], gone)
    return want, level


def _cluster_sums() -> float:
    level = _levels()[1]
    closed, left = np.zeros((2, 5)), np.zeros((2, 5))
    removal.cluster_sums(ROWS.data, ROWS.indices, ROWS.indptr, CODE, AMOUNT, level, closed, left)
    at = np.where(AMOUNT[:, np.newaxis] > 0, level[CODE], 0.0) * AMOUNT[:, np.newaxis]
    some = (COUNTS > 0) & (AMOUNT > 0)[:, np.newaxis]
    shut = np.where(some & (at >= COUNTS), COUNTS, 0.0)
    rest = np.where(some & (at < COUNTS), AMOUNT[:, np.newaxis], 0.0)
    member = np.equal.outer([0, 1], CODE).astype(float)
    return max(gap(closed, member @ shut), gap(left, member @ rest))


def _cluster_totals() -> float:
    sums, left = np.zeros((2, 5)), np.zeros((2, 5))
    removal.cluster_totals(ROWS.data, ROWS.indices, ROWS.indptr, CODE, AMOUNT, sums, left)
    member = np.equal.outer([0, 1], CODE).astype(float)
    weights = (COUNTS > 0) * AMOUNT[:, np.newaxis]
    return max(gap(sums, member @ COUNTS), gap(left, member @ weights))


def _gather() -> float:
    rank = np.array([[-1, 0, -1, 1, -1], [2, -1, -1, -1, 3]])
    n = ROWS.data.size
    pairs, counts, weights = np.empty(n, np.int64), np.empty(n), np.empty(n)
    n = removal.gather(
        ROWS.data, ROWS.indices, ROWS.indptr, CODE, AMOUNT, rank, pairs, counts, weights
    )
    wanted = (rank[CODE] >= 0) & (COUNTS > 0) & (AMOUNT > 0)[:, np.newaxis]
    amount = np.broadcast_to(AMOUNT[:, np.newaxis], COUNTS.shape)
    found = (pairs[:n], counts[:n], weights[:n])
    return max(
        gap(got, want[wanted])
        for got, want in zip(found, (rank[CODE], COUNTS, amount), strict=True)
    )


def _raise_levels() -> float:
    pairs, weights = np.array([0, 1, 0, 0, 1]), np.array([1.0, 2.0, 3.0, 0.5, 1.0])
    counts, lost, level = np.array([2.0, 1.0, 1.0, 4.0, 5.0]), np.array([4.0, 6.0]), np.zeros(2)
    removal.raise_levels(pairs, counts, weights, lost, level)
    left = counts - np.minimum(counts, level[pairs] * weights)
    want = np.empty(5)
    for k in range(2):
        own = pairs == k
        want[own] = correction.fill(counts[own], weights[own], lost[k])
    return gap(left, want)


def _remove_clusters() -> float:
    want, level = _levels()
    worst = 0.0
    for whole in (False, True):
        start, *out = _outputs(whole)
        removal.remove_clusters(
            ROWS.data, ROWS.indices, ROWS.indptr, CODE, AMOUNT, level, start, out[0], out[1], out[2]
        )
        worst = max(worst, gap(_dense(*out), _rounded(want) if whole else want))
    return worst


def _subtract_rows() -> float:
    _, *out = _outputs(False)
    removal.subtract_rows(
        ROWS.data, ROWS.indices, ROWS.indptr, SHARE, AMOUNT, out[0], out[1], out[2]
    )
    return gap(_dense(*out), correction.subtract(COUNTS, np.outer(AMOUNT, SHARE)))


# Groups


def _widest_gap() -> float:
    at, found = groups.widest_gap(VALUES, 2, 0.0)
    want = grouped.widest_gap(VALUES)
    return max(gap(found, want.statistic), gap(VALUES[at], want.high))


def _null_gaps() -> float:
    null = groups.null_gaps(np.random.default_rng(3), np.ones(VALUES.size), 2, 0.0, 50)
    seen = grouped.widest_gap(VALUES).statistic
    want = grouped.gap_p_value(VALUES, 50, np.random.default_rng(3))
    return gap((1 + (null >= seen).sum()) / 51, want)


def _two_normals() -> float:
    want = grouped.two_normals(SCORES)
    share, mean, sd, posterior, value = groups.two_normals(
        SCORES, np.where(np.median(SCORES) < SCORES, 0.95, 0.05), 500
    )
    pairs = [(share, want.share), (mean, want.mean), (sd, want.sd), (posterior, want.posterior)]
    return max(gap(value, want.log_likelihood), *(gap(a, b) for a, b in pairs))


def apart(x: Array, w: Array, k: int) -> float:
    """Difference of two weighted means over the standard deviation within.

    Parameters
    ----------
    x, w
        Sorted values, and their weights of mean 1.
    k
        How many belong to the lower group.
    """
    left, right = np.average(x[:k], weights=w[:k]), np.average(x[k:], weights=w[k:])
    mean = np.where(np.arange(x.size) < k, left, right)
    variance = (w * (x - mean) ** 2).sum() / w.mean() / (x.size - 2)
    return float((right - left) / np.sqrt(variance))


def _separation() -> float:
    return max(
        gap(groups.separation(VALUES, WEIGHT, k, 0.0), apart(VALUES, WEIGHT, k)) for k in (3, 5)
    )


def _split(x: Array, w: Array) -> float:
    both = [min(apart(x, w, k), apart(np.sqrt(x), w, k)) for k in range(2, x.size - 1)]
    return max(v for k, v in enumerate(both, start=2) if x[k] > x[k - 1])


def _best_split() -> float:
    at, found = groups.best_split(VALUES, WEIGHT, 2, 0.0)
    return max(gap(found, _split(VALUES, WEIGHT)), gap(at, 5))


def _null_splits() -> float:
    found = groups.null_splits(np.random.default_rng(4), 0.1, 0.3, WEIGHT, 2, 0.0, 3)
    rng = np.random.default_rng(4)
    want = []
    for _ in range(3):
        x = 0.1 + (0.3 - 0.1) * rng.random(WEIGHT.size)
        order = np.argsort(x)
        want.append(_split(x[order], WEIGHT[order]))
    return gap(found, want)


def _log_binomial_tail() -> float:
    cases = [(0, 3), (2, 9), (40, 300), (5, 5)]
    return max(gap(groups.log_binomial_tail(k, n), binom.logcdf(k, n, 0.5)) for k, n in cases)


def deepest(x: Array, inside: Array) -> tuple[int, int, float]:
    """Valley by looking at every interval.

    Parameters
    ----------
    x
        Sorted values.
    inside
        Numbers of values inside that are tried.
    """
    best = (0, 0, 0.0)
    for k, s in enumerate(inside):
        for i in range(x.size - s - 1):
            j = i + int(s) + 1
            wide = x[j] - x[i]
            left = ((x >= x[i] - wide) & (np.arange(x.size) < i)).sum()
            right = ((x <= x[j] + wide) & (np.arange(x.size) > j)).sum()
            fewest = min(left, right)
            price = np.log(x.size * (k + 1.0) * (k + 2.0))
            value = binom.logcdf(s, s + fewest, 0.5) + price
            if wide > 0 and fewest > s and value < best[2]:
                best = (i, j, float(value))
    return best


def _deepest_valley() -> float:
    inside = np.array([0, 1, 2, 5])
    return gap(groups.deepest_valley(SCORES, inside), deepest(SCORES, inside))


_CHECKS: tuple[Check, ...] = (
    (sparse.row_totals, _row_totals, ROUNDING),
    (sparse.add_genes, _add_genes, ROUNDING),
    (sparse.add_squares, _add_squares, ROUNDING),
    (sparse.log_factorials, _log_factorials, ROUNDING),
    (sparse.droplet_log_likelihoods, _droplet_log_likelihoods, ROUNDING),
    (sparse.alias_table, _alias_table, ROUNDING),
    (sparse.null_ranks, _null_ranks, ROUNDING),
    (removal.fill_level, _fill_level, ROUNDING),
    (removal.remove_rows, _remove_rows, ROUNDING),
    (removal.write_row, _write_row, ROUNDING),
    (removal.cluster_totals, _cluster_totals, ROUNDING),
    (removal.cluster_sums, _cluster_sums, ROUNDING),
    (removal.gather, _gather, ROUNDING),
    (removal.raise_levels, _raise_levels, ROUNDING),
    (removal.remove_clusters, _remove_clusters, ROUNDING),
    (removal.subtract_rows, _subtract_rows, ROUNDING),
    (groups.widest_gap, _widest_gap, ROUNDING),
    (groups.null_gaps, _null_gaps, ROUNDING),
    (groups.two_normals, _two_normals, 1e-6),
    (groups.separation, _separation, ROUNDING),
    (groups.best_split, _best_split, ROUNDING),
    (groups.null_splits, _null_splits, ROUNDING),
    (groups.log_binomial_tail, _log_binomial_tail, ROUNDING),
    (groups.deepest_valley, _deepest_valley, ROUNDING),
)
