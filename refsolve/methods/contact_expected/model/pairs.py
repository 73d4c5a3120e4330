"""Pairs of bins collected into cells of equal distance and equal classes of bins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, whole_numbers
from refsolve.core.result import Result
from refsolve.methods.contact_expected.kernels import glm
from refsolve.methods.contact_expected.model.background import (
    Background,
    column_map,
    distance_features,
    sample_names,
)
from refsolve.methods.contact_expected.model.cells import Cells
from refsolve.methods.contact_expected.model.contacts import bin_numbers
from refsolve.methods.contact_expected.model.table import refuse_uncountable


@dataclass(frozen=True, slots=True, eq=False)
class PairCells(Result):
    """Numbers of pairs and of contacts by distance and by the classes of both bins.

    Every pair of a cell has the same terms when the covariates are constant within the classes;
    the fit is then that of the single pairs, exactly. Zeros are counted, never stored.

    Attributes
    ----------
    distance
        In bins (G,).
    terms
        Mean of every covariate over the two bins (G,).
    pairs
        Pairs of bins by condition (C, G).
    totals
        Contacts by sample (S, G).
    histograms
        Per sample, stored pairs with 0, 1, 2, ... contacts.
    condition
        Condition of every sample (S,).
    left_out
        Contacts of masked bins, targets, other distances, and other chromosomes, by sample (S,).
    """

    distance: IntArray
    terms: Mapping[str, FloatArray]
    pairs: FloatArray
    totals: FloatArray
    histograms: tuple[FloatArray, ...]
    condition: tuple[str, ...]
    left_out: FloatArray

    @property
    def conditions(self) -> tuple[str, ...]:
        """Conditions in the order of their first sample."""
        return tuple(dict.fromkeys(self.condition))

    @property
    def code(self) -> IntArray:
        """Number of the condition of every sample (S,)."""
        return np.array([self.conditions.index(c) for c in self.condition], dtype=np.int64)


Chunk = tuple[ArrayLike, ArrayLike, ArrayLike]


def bin_classes(covariates: Mapping[str, ArrayLike], n_classes: int) -> tuple[IntArray, FloatArray]:
    """Class of every bin (B,) and means of the covariates by class (K, number of covariates).

    Equal rows share a class as long as there are at most `n_classes` of them; else every
    covariate is cut at its quantiles. Bins with a missing value have the class −1.

    Parameters
    ----------
    covariates
        Annotation of the bins, (B,) each.
    n_classes
        Largest number of classes.
    """
    values = np.column_stack([np.asarray(v, dtype=np.float64) for v in covariates.values()])
    known = np.isfinite(values).all(axis=1)
    rows = values[known]
    parts = max(1, int(np.floor(n_classes ** (1.0 / rows.shape[1]) + 1e-9)))
    if len(np.unique(rows, axis=0)) > n_classes:
        cuts = [np.quantile(c, np.linspace(0.0, 1.0, parts + 1)[1:-1]) for c in rows.T]
        keys = np.stack([np.searchsorted(q, c) for q, c in zip(cuts, rows.T, strict=True)], axis=1)
    else:
        keys = rows
    inverse = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    size = np.bincount(inverse).astype(np.float64)
    centre = np.column_stack([np.bincount(inverse, c) / size for c in rows.T])
    out = np.full(known.size, -1, dtype=np.int64)
    out[known] = inverse
    return out, centre


def aggregate_pairs(
    samples: Sequence[Iterable[Chunk]],
    *,
    condition: Sequence[str],
    covariates: Mapping[str, ArrayLike],
    chrom_offset: ArrayLike,
    longest: int,
    shortest: int = 1,
    masked: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    n_classes: int = 10,
) -> PairCells:
    """Collect the pixels of every sample, read chunk by chunk, and all pairs without contacts.

    Parameters
    ----------
    samples
        For every sample, its pixels in chunks of bin1, bin2 and count; each pixel once.
    condition
        Condition of every sample (S,).
    covariates
        Annotation of the bins, (B,) each.
    chrom_offset
        First bin of every chromosome, and the number of bins.
    longest, shortest
        Distances in bins that enter.
    masked
        Bins that are left out by condition (C, B), or in all of them (B,).
    targets
        Pixels (L, 2) that are left out, such as loops that are to be judged.
    n_classes
        Largest number of classes of bins; covariates are constant within a class.
    """
    named = tuple(str(c) for c in condition)
    classes, centre = bin_classes(covariates, n_classes)
    end = _ends(whole_numbers(chrom_offset, "chrom_offset", minimum=0), classes.size)
    order = tuple(dict.fromkeys(named))
    out = np.zeros((len(order), classes.size), dtype=bool)
    out |= np.zeros(1, dtype=bool) if masked is None else np.asarray(masked, dtype=bool)
    by_condition = [np.where(m, -1, classes) for m in out]
    size = len(centre)
    pairs = np.stack([glm.count_pairs(c, end, shortest, longest, size) for c in by_condition])
    out_of_fit = _ordered(targets, classes.size)
    for number, own in zip(pairs, by_condition, strict=True):
        number -= _cells_of(out_of_fit, own, end, shortest, number.shape)
    codes = [order.index(c) for c in named]
    pixels = [
        _contacts(chunks, by_condition[c], end, shortest, pairs.shape[1:], out_of_fit)
        for chunks, c in zip(samples, codes, strict=True)
    ]
    keep = np.any(pairs > 0.0, axis=0)
    rank, pair = np.nonzero(keep)
    # Classes a ≤ b stand in the order of the kernel, b(b+1)/2 + a.
    high, low = np.tril_indices(size)
    means = 0.5 * (centre[high] + centre[low])[pair]
    return PairCells(
        distance=rank + shortest,
        terms={name: means[:, k].copy() for k, name in enumerate(covariates)},
        pairs=pairs[:, keep],
        totals=np.stack([p.totals[keep] for p in pixels]),
        histograms=tuple(p.histogram for p in pixels),
        condition=named,
        left_out=np.array([p.left_out for p in pixels]),
    )


@dataclass(frozen=True, slots=True)
class _Contacts:
    totals: FloatArray
    histogram: FloatArray
    left_out: float


def _ordered(targets: ArrayLike | None, n_bins: int) -> IntArray:
    """Distinct pixels (L, 2), the bin that comes first first."""
    if targets is None:
        return np.zeros((0, 2), dtype=np.int64)
    pixels = bin_numbers(np.asarray(targets).reshape(-1), "targets", n_bins).reshape(-1, 2)
    return np.unique(np.sort(pixels, axis=1), axis=0)


def _cells_of(
    pixels: IntArray, classes: IntArray, end: IntArray, shortest: int, shape: tuple[int, ...]
) -> FloatArray:
    """Number of these pixels in every cell."""
    out, seen = np.zeros(shape), np.zeros(2)
    first, second = (np.ascontiguousarray(column) for column in pixels.T)
    glm.add_contacts(first, second, np.ones(first.size), classes, end, shortest, out, seen)
    return out


def _contacts(
    chunks: Iterable[Chunk],
    classes: IntArray,
    end: IntArray,
    shortest: int,
    shape: tuple[int, ...],
    out_of_fit: IntArray,
) -> _Contacts:
    size = classes.size
    keys = out_of_fit[:, 0] * size + out_of_fit[:, 1]
    totals, histogram, left = np.zeros(shape), np.zeros(1), 0.0
    for first, second, number in chunks:
        bin1, bin2 = (
            bin_numbers(values, name, classes.size)
            for values, name in ((first, "bin1"), (second, "bin2"))
        )
        count = np.ascontiguousarray(number, dtype=np.float64)
        if not bin1.size == bin2.size == count.size:
            raise ValueError(
                f"a chunk has {bin1.size} bin1, {bin2.size} bin2 and {count.size} counts; "
                "give one of each per pixel"
            )
        refuse_uncountable(count, "count")
        if keys.size:
            target = np.isin(np.minimum(bin1, bin2) * size + np.maximum(bin1, bin2), keys)
            left += float(count[target].sum())
            bin1, bin2, count = bin1[~target], bin2[~target], count[~target]
        top = int(count.max(initial=0.0)) + 1
        histogram = np.concatenate([histogram, np.zeros(max(0, top - histogram.size))])
        left += glm.add_contacts(bin1, bin2, count, classes, end, shortest, totals, histogram)
    return _Contacts(totals, histogram, left)


def _ends(chrom_offset: IntArray, n_bins: int) -> IntArray:
    """One beyond the last bin of the chromosome of every bin (B,)."""
    if chrom_offset.size < 2 or chrom_offset[0] != 0 or chrom_offset[-1] != n_bins:
        raise ValueError(
            f"chrom_offset must start at 0 and end at the number of bins {n_bins}; "
            "pass the first bin of every chromosome and the number of bins"
        )
    return np.repeat(chrom_offset[1:], np.diff(chrom_offset))


def cells_of_pairs(data: PairCells, background: Background) -> Cells:
    """The cells of a log-linear model.

    Parameters
    ----------
    data, background
        The data and the model.
    """
    log_distance = np.log(data.distance.astype(np.float64))
    used = np.ones(log_distance.size, dtype=bool)
    distance, names = distance_features(background, log_distance, used)
    terms = [(name, "distance" in background.by_condition) for name in names]
    terms += [(name, name in background.by_condition) for name in data.terms]
    features = np.column_stack([np.ones(used.size), distance, *data.terms.values()])
    columns, coefficients = column_map(
        terms, data.code, data.conditions, sample_names(data.condition)
    )
    group = data.code if background.dispersion == "condition" else np.zeros_like(data.code)
    tails = tuple(
        _tail([h for h, own in zip(data.histograms, group, strict=True) if own == g])
        for g in range(int(group.max()) + 1)
    )
    offset = np.zeros((1, used.size))
    return Cells(
        np.ascontiguousarray(features),
        columns,
        coefficients,
        data.totals,
        data.pairs,
        data.code,
        offset,
        tails,
        group,
    )


def _tail(histograms: list[FloatArray]) -> FloatArray:
    together = np.zeros(max(h.size for h in histograms))
    for h in histograms:
        together[: h.size] += h
    return np.cumsum(together[::-1])[::-1][1:].copy()
