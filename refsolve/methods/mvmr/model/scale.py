"""Scale of exposures: units, and the spread of a measurement within batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray
from refsolve.core.result import Result

Names = NDArray[Any]

PER_LOG10 = {"log10": 1.0, "ln": math.log(10.0), "log2": math.log2(10.0)}  # units of one log10
FEWEST = 3  # samples with which a batch has a spread worth judging
UNLIKELY = 4.0  # standard errors of a log SD ...
NOTICEABLE = math.log(1.2)  # ... and ratio of SDs beyond which a batch is not like the others
KURTOSIS = (3.0, 9.0)  # range of the kurtosis that standard errors of a log SD allow for

USED, STATED, FEW = "used", "stated", "too few"
INFLATED, COMPRESSED = "inflated", "compressed"


def unit_factor(unit: str, sd_log10: float) -> float:
    """Factor that takes an effect and its standard error to SDs of log10 concentration.

    Parameters
    ----------
    unit
        Of the trait in the study: `log10`, `ln`, `log2`, or `sd` (already standardised).
    sd_log10
        SD of log10 concentration.

    Examples
    --------
    >>> round(unit_factor("ln", 0.25), 3)
    1.737
    """
    if unit == "sd":
        return 1.0
    if unit not in PER_LOG10:
        raise ValueError(f"unit = {unit!r} is unknown; expected log10, ln, log2 or sd")
    if not sd_log10 > 0.0:
        raise ValueError(f"sd_log10 = {sd_log10} must be positive; check the measurements")
    return 1.0 / (PER_LOG10[unit] * sd_log10)


def implied_sd(se: ArrayLike, frequency: ArrayLike, n: float) -> float:
    """SD of a trait as the standard errors of its association study imply it.

    Parameters
    ----------
    se
        Standard errors per allele (J,).
    frequency
        Of either allele (J,); NaN is left out.
    n
        People of the study.

    Returns
    -------
    Median over variants of se · sqrt(2 f (1 - f) n), in the unit of the effects.
    """
    f = np.asarray(frequency, dtype=np.float64)
    implied = np.asarray(se, dtype=np.float64) * np.sqrt(2.0 * f * (1.0 - f) * n)
    known = implied[np.isfinite(implied)]
    return float(np.median(known)) if known.size else math.nan


@dataclass(frozen=True, slots=True)
class BatchScale(Result):
    """Spread of one measurement within its usable batches.

    Attributes
    ----------
    sd, sd_se
        Pooled SD within usable batches and its standard error; means of batches are free.
    degrees_of_freedom
        Of that SD.
    sd_total
        SD of all samples that are not stated unusable, batches ignored.
    sd_all
        SD within all batches, usable or not.
    batch
        Batches (B,), sorted.
    n
        Samples of each that are not stated unusable (B,).
    batch_sd
        Their SDs (B,); NaN with fewer than two samples.
    used
        Whether a batch is in `sd` (B,).
    reason
        `used`, `stated` (unusable by its own label), `inflated`, `compressed`, or `too few`.
    edges
        Largest ratio (or its inverse) of a used batch's SD to `sd`, and the smallest of a batch
        that was set aside for its spread (NaN where none was).
    """

    sd: float
    sd_se: float
    degrees_of_freedom: int
    sd_total: float
    sd_all: float
    batch: Names
    n: NDArray[np.int64]
    batch_sd: FloatArray
    used: NDArray[np.bool_]
    reason: Names
    edges: tuple[float, float]


def within_batch_sd(
    value: ArrayLike, batch: ArrayLike, usable: ArrayLike | None = None
) -> BatchScale:
    """Pool the SD within batches whose spread is that of the majority.

    The majority is the largest set of batches whose SDs agree with the SD of one of them; a batch
    is outside when its log SD lies more than 4 standard errors and more than a factor 1.2 away.

    Parameters
    ----------
    value
        Measurements of one trait (N,); NaN is left out.
    batch
        Batch of each (N,).
    usable
        Stated quality of each (N,); all are usable when None.
    """
    x = np.asarray(value, dtype=np.float64)
    names, code = np.unique(np.asarray(batch).astype(str), return_inverse=True)
    if x.shape != code.shape:
        raise ValueError(f"batch has {code.size} elements; expected {x.size}, one per value")
    good = np.isfinite(x) if usable is None else np.isfinite(x) & np.asarray(usable, dtype=bool)
    n = np.bincount(code[good], minlength=names.size)
    sd = np.array([_sd(x[good & (code == b)]) for b in range(names.size)])
    reason = np.where(n == 0, STATED, np.where(n < FEWEST, FEW, USED)).astype("<U10")
    judged = reason == USED
    if not judged.any():
        raise ValueError(
            f"no batch has {FEWEST} usable values; give measurements of at least one whole batch"
        )
    error = _log_sd_error(x, code, n, good, judged)
    inside = _majority(sd, n, error, judged)
    reason[judged & ~inside] = np.where(
        sd[judged & ~inside] > _pooled(sd, n, inside), INFLATED, COMPRESSED
    )
    return _scale(x[good], sd, n, names, reason, error)


def _scale(
    x: FloatArray,
    sd: FloatArray,
    n: NDArray[np.int64],
    names: Names,
    reason: Names,
    error: FloatArray,
) -> BatchScale:
    used = reason == USED
    pooled = _pooled(sd, n, used)
    ratio = np.exp(np.abs(np.log(np.where(n >= FEWEST, sd, pooled) / pooled)))
    aside = np.isin(reason, (INFLATED, COMPRESSED))
    return BatchScale(
        sd=pooled,
        sd_se=pooled / math.sqrt(float(np.sum(1.0 / error[used] ** 2))),
        degrees_of_freedom=int(np.sum(n[used] - 1)),
        sd_total=_sd(x),
        sd_all=_pooled(sd, n, n >= FEWEST),
        batch=names,
        n=n,
        batch_sd=sd,
        used=used,
        reason=reason,
        edges=(float(ratio[used].max()), float(ratio[aside].min()) if aside.any() else math.nan),
    )


def _sd(x: FloatArray) -> float:
    return float(x.std(ddof=1)) if x.size > 1 else math.nan


def _pooled(sd: FloatArray, n: NDArray[np.int64], used: NDArray[np.bool_]) -> float:
    weight = n[used] - 1.0
    return math.sqrt(float(weight @ sd[used] ** 2) / float(weight.sum()))


def _log_sd_error(
    x: FloatArray,
    code: NDArray[np.intp],
    n: NDArray[np.int64],
    good: NDArray[np.bool_],
    judged: NDArray[np.bool_],
) -> FloatArray:
    """Standard error of log SD of every batch, with the kurtosis that is typical of them."""
    kurtosis = []
    for b in np.flatnonzero(judged):
        centred = x[good & (code == b)] - x[good & (code == b)].mean()
        variance = float(np.mean(centred**2))
        kurtosis.append(float(np.mean(centred**4)) / variance**2 if variance > 0.0 else 3.0)
    typical = float(np.clip(np.median(kurtosis), *KURTOSIS))
    return np.asarray(np.sqrt((typical - 1.0) / (4.0 * np.maximum(n - 1.0, 1.0))))


def _majority(
    sd: FloatArray, n: NDArray[np.int64], error: FloatArray, judged: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The largest set of batches that share a spread, by samples; refined about its pooled SD."""
    log_sd = np.log(np.where(judged & (sd > 0.0), sd, np.finfo(float).tiny))
    best = np.zeros(judged.size, dtype=bool)
    for b in np.flatnonzero(judged):
        inside = judged & _near(log_sd - log_sd[b], np.hypot(error, error[b]))
        if n[inside].sum() > n[best].sum():
            best = inside
    for _ in range(judged.size):
        inside = judged & _near(log_sd - math.log(_pooled(sd, n, best)), error)
        if not inside.any() or np.array_equal(inside, best):
            break
        best = inside
    return best


def _near(gap: FloatArray, error: FloatArray) -> NDArray[np.bool_]:
    return np.asarray(np.abs(gap) <= np.maximum(UNLIKELY * error, NOTICEABLE))
