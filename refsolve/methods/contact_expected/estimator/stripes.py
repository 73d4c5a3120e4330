"""Rows and columns that deviate in one condition, as a structural variant makes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.contact_expected.model.background import Background
from refsolve.methods.contact_expected.model.levels import Levels, fit_levels
from refsolve.methods.contact_expected.model.table import ContactTable

BoolArray = NDArray[np.bool_]

ROUNDS = 30
SWEEPS = 50
MEDIAN_SQUARE = 0.4549364  # of a standard normal
EFFICIENCY = 0.37  # of the median of squares as a measure of variance
SMALLEST = 1e-300  # tail
CLEAREST = 0.5  # of a deviation: what is below is no deviation beside it


@dataclass(frozen=True, slots=True, eq=False)
class Stripes(Result):
    """Bins whose row and column deviate, by condition.

    Attributes
    ----------
    conditions
        Conditions (C,).
    masked
        Bins to leave out of the fit (C, B).
    z
        Evidence (C, B), as a standard normal would have it: of the bin within its condition, or
        of its contrast to another condition if that is stronger; NaN without pixels.
    log2_level
        Level against the background (C, B): log2 of the factor on the row and column.
    se
        Standard error of it (C, B), the spread between bins included.
    threshold
        Absolute z beyond which a bin is masked.
    shared
        Bins that deviate in every condition alike (B,): a compartment, a domain or the visibility
        of a bin rather than a rearrangement. They are not masked.
    structure
        Standard deviation of levels between bins beyond noise (C,), log2: compartments, domains.
    dispersion
        ω of the pooled counts of each condition (C,).
    rounds
        Of masking and refitting.
    """

    conditions: tuple[str, ...]
    masked: BoolArray
    z: FloatArray
    log2_level: FloatArray
    se: FloatArray
    threshold: float
    shared: BoolArray
    structure: FloatArray
    dispersion: FloatArray
    rounds: int

    @property
    def bins(self) -> dict[str, list[int]]:
        """Bins to leave out, by condition."""
        return {
            c: np.flatnonzero(m).tolist() for c, m in zip(self.conditions, self.masked, strict=True)
        }


@dataclass(frozen=True, slots=True)
class _Deviation:
    """Deviations s from a regression, their variances with the spread τ² in them, df, and z."""

    s: FloatArray
    variance: FloatArray
    tau2: float
    df: FloatArray
    z: FloatArray


def find_stripes(
    table: ContactTable, background: Background | None = None, *, error_rate: float = 0.005
) -> Stripes:
    """Find bins that deviate as a whole, in one condition or in several.

    Every bin gets a level in every condition. Within a condition, the levels are compared with
    their regression on the covariates and with their spread; between conditions, their contrast
    is, in which domains, compartments and whatever else both conditions share cancels. A bin is
    masked in a condition when its contrast is beyond the bound for all tests together, or when
    its level is and that of the other condition is not half as far out. The regression is repeated
    without the masked bins until nothing changes. With a single condition nothing can cancel:
    there a minority compartment looks like stripes.

    Parameters
    ----------
    table
        The contacts, without bins that are masked for other reasons and without target pixels.
    background
        Terms of the model: the distance terms hold within the levels, the covariates explain
        them, those by condition explain contrasts.
    error_rate
        Chance that a data set without stripes loses any bin.
    """
    if not 0.0 < error_rate < 1.0:
        raise ValueError(f"error_rate = {error_rate} must lie between 0 and 1; try 0.005")
    model = Background() if background is None else background
    found = fit_levels(table, model)
    n_tests = _n_tests(found)
    threshold = float(-ndtri(0.5 * error_rate / n_tests))
    masked = np.zeros((len(found), table.n_bins), dtype=bool)
    for rounds in range(1, ROUNDS + 1):
        within, between = _deviations(table, model, found, masked)
        new = _decide(within, between, threshold)
        if (new == masked).all():
            break
        masked = new | masked if rounds > ROUNDS // 2 else new
    return _report(table, found, masked, within, between, threshold, rounds)


def _n_tests(found: list[Levels]) -> int:
    known = [np.isfinite(f.level) for f in found]
    both = [int((a & b).sum()) for a, b in combinations(known, 2)]
    return max(1, sum(int(k.sum()) for k in known) + sum(both))


Pairs = dict[tuple[int, int], _Deviation]


def _deviations(
    table: ContactTable, model: Background, found: list[Levels], masked: BoolArray
) -> tuple[list[_Deviation], Pairs]:
    """Levels against their regression within conditions, and contrasts between them."""
    terms = list(table.covariates.values())
    own = [v for name, v in table.covariates.items() if name in model.by_condition]
    within, noise = [], []
    for c, f in enumerate(found):
        rough = _deviation(f.level, _variance(table, f, 0.0 * f.level), terms, masked[c], f.df)
        noise.append(_variance(table, f, rough.s))
        one = _deviation(f.level, noise[c], terms, masked[c], f.df)
        within.append(replace(one, z=_as_normal(_excess(one.s, one.variance), one.df)))
    between = {}
    for a, b in combinations(range(len(found)), 2):
        df, out = min(found[a].df, found[b].df), masked[a] | masked[b]
        level, variance = found[a].level - found[b].level, noise[a] + noise[b]
        one = _deviation(level, variance, own, out, df)
        middle = 0.5 * (within[a].s + within[b].s)
        between[a, b] = replace(one, z=_as_normal(_contrast(one.s, middle, one.variance), one.df))
    return within, between


def _variance(table: ContactTable, f: Levels, s: FloatArray) -> FloatArray:
    """Variance of every level if its own deviation s were zero (B,).

    A raised row has a smaller relative noise than it would have without its deviation.
    """
    size, total = np.nan_to_num(s), np.zeros(table.n_bins)
    use = f.weight > 0.0
    for bins in (table.bin1[use], table.bin2[use]):
        m = f.mean[use] * np.exp(-size[bins])
        total += np.bincount(bins, f.weight[use] * m / (1.0 + f.omega * m), table.n_bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0.0, f.inflation / total, np.nan)


def _deviation(
    level: FloatArray, variance: FloatArray, terms: list[FloatArray], out: BoolArray, df: int
) -> _Deviation:
    known = np.isfinite(level) & np.isfinite(variance)
    x = _standardised(known, terms)
    kept = known & ~out
    s = level - x @ _least_absolute(x[kept], level[kept], np.sqrt(variance[kept]))
    tau2 = _spread(s[kept], variance[kept], x.shape[1])
    limit = 3.5 * np.sqrt(variance + tau2)
    kept &= np.abs(np.nan_to_num(s)) <= np.nan_to_num(limit)
    s, hat = _regression(x, level, variance + tau2, kept)
    tau2 = _spread(s[known & ~out], variance[known & ~out], x.shape[1])
    total = variance + tau2
    # The regression holds the bin itself, or it does not.
    full = np.where(kept, total * np.clip(1.0 - hat / total, 0.05, 1.0), total + hat)
    free = EFFICIENCY * max(int(kept.sum()) - x.shape[1], 1)
    freedom = total**2 / (variance**2 / df + tau2**2 / free)
    return _Deviation(s, full, tau2, freedom, np.zeros(0))


def _standardised(known: BoolArray, terms: list[FloatArray]) -> FloatArray:
    """Columns of one and of the covariates (B, 1 + terms), those that vary only."""
    columns = [np.ones(known.size)]
    for t in terms:
        centre, sd = t[known].mean(), t[known].std()
        if sd > 1e-9 * max(abs(centre), 1e-300):
            columns.append(np.where(known, (t - centre) / sd, 0.0))
    return np.column_stack(columns)


def _least_absolute(x: FloatArray, y: FloatArray, sd: FloatArray) -> FloatArray:
    """Coefficients of least absolute deviations in units of sd, by reweighting."""
    size, least = np.ones_like(y), 1e-2 * np.median(sd)
    before = np.full(x.shape[1], np.inf)
    for _ in range(SWEEPS):
        root = 1.0 / np.sqrt(sd * np.maximum(size, least))
        beta = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
        size[:] = np.abs(y - x @ beta)
        if np.abs(beta - before).max() < least:
            break
        before[:] = beta
    return np.asarray(beta)


def _regression(
    x: FloatArray, level: FloatArray, variance: FloatArray, kept: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Deviations of all bins from the regression of the kept ones, and its variance there."""
    w = 1.0 / np.sqrt(variance[kept])
    beta = np.linalg.lstsq(x[kept] * w[:, None], level[kept] * w, rcond=None)[0]
    inverse = np.linalg.pinv((x[kept] * w[:, None] ** 2).T @ x[kept])
    return level - x @ beta, np.einsum("bi,ij,bj->b", x, inverse, x)


def _spread(s: FloatArray, variance: FloatArray, p: int) -> float:
    """τ² at which the median of s²/(variance + τ²) is that of normal deviations."""
    target = MEDIAN_SQUARE * max(1.0 - p / max(s.size, 1), 0.2)

    def excess(tau2: float) -> float:
        return float(np.median(s**2 / (variance + tau2))) - target

    if s.size == 0 or excess(0.0) <= 0.0:
        return 0.0
    low, high = 0.0, float(np.max(s**2) / target)
    while high - low > 1e-4 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0.0 else (low, middle)
    return high


def _excess(s: FloatArray, variance: FloatArray) -> FloatArray:
    """Signed root of twice the log-likelihood ratio of a level.

    A level of this variance has the information of 1/variance contacts, whose distribution is
    skewed: on the log scale a deficit is further out than an excess of the same probability.
    """
    ratio = np.maximum(s * np.exp(s) - np.expm1(s), 0.0)
    return np.asarray(np.sign(s) * np.sqrt(2.0 * ratio / variance))


def _contrast(s: FloatArray, middle: FloatArray, variance: FloatArray) -> FloatArray:
    """Score of a contrast s of two levels around `middle`, on the scale of root counts.

    Roots of counts have a variance that does not depend on the counts.
    """
    apart = np.exp(0.5 * (middle + 0.5 * s)) - np.exp(0.5 * (middle - 0.5 * s))
    return np.asarray(2.0 * apart / np.sqrt(variance))


def _as_normal(score: FloatArray, df: FloatArray) -> FloatArray:
    """The normal score with the tail that `score` has under Student's distribution."""
    tail = stdtr(np.nan_to_num(df, nan=1.0), -np.abs(score))
    normal = -np.sign(np.nan_to_num(score)) * ndtri(np.maximum(tail, SMALLEST))
    return np.where(np.isfinite(score), normal, np.nan)


def _decide(within: list[_Deviation], between: Pairs, threshold: float) -> BoolArray:
    """Bins that deviate in a condition and not alike in the others."""
    far = np.array([np.nan_to_num(np.abs(d.z)) > threshold for d in within])
    out = far.copy() if len(within) == 1 else np.zeros_like(far)
    for pair, d in between.items():
        apart = np.nan_to_num(np.abs(d.z)) > threshold
        size = np.nan_to_num([np.abs(within[c].s) / np.sqrt(within[c].variance) for c in pair])
        for k, c in enumerate(pair):
            other = size[1 - k]
            # A clear contrast is of the condition that deviates more, or of both if that is open.
            out[c] |= apart & (far[c] | (size[k] >= CLEAREST * other))
            out[c] |= far[c] & (CLEAREST * size[k] >= other)
    return out


def _report(
    table: ContactTable,
    found: list[Levels],
    masked: BoolArray,
    within: list[_Deviation],
    between: Pairs,
    threshold: float,
    rounds: int,
) -> Stripes:
    z = np.stack([d.z for d in within])
    for pair, d in between.items():
        for c, sign in zip(pair, (1.0, -1.0), strict=True):
            stronger = masked[c] & (np.abs(d.z) > np.abs(z[c]))
            z[c] = np.where(stronger, sign * d.z, z[c])
    return Stripes(
        conditions=table.conditions,
        masked=masked,
        z=z,
        log2_level=np.stack([d.s for d in within]) / np.log(2.0),
        se=np.sqrt(np.stack([d.variance for d in within])) / np.log(2.0),
        threshold=threshold,
        shared=np.asarray((np.abs(z) > threshold).all(axis=0) & ~masked.any(axis=0), dtype=bool),
        structure=np.sqrt([d.tau2 for d in within]) / np.log(2.0),
        dispersion=np.array([f.omega for f in found]),
        rounds=rounds,
    )
