"""All masks together, and what each of them takes: alone, and only it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import IntArray
from refsolve.core.result import Result
from refsolve.methods.contact_expected.kernels import diagonals
from refsolve.methods.contact_expected.model.masks import BinMask, PixelMask

Marks = NDArray[np.bool_]
Ranges = tuple[IntArray, IntArray, IntArray, IntArray]

TOGETHER = "together"


@dataclass(frozen=True, slots=True, eq=False)
class MaskAccount(Result):
    """How much each mask removes; the last entry is all of them together.

    A pair is two bins of one chromosome at a distance that is used. Pairs are counted exactly,
    whether they have contacts or not.

    Attributes
    ----------
    name
        Names of the masks, and "together" (K + 1,).
    bins
        Bins that each removes by itself (K + 1,).
    bins_only
        Bins that no other mask removes (K + 1,).
    pairs, pairs_only
        The same for pairs (K + 1,).
    n_bins, n_pairs
        How many there are without any mask.
    """

    name: tuple[str, ...]
    bins: IntArray
    bins_only: IntArray
    pairs: IntArray
    pairs_only: IntArray
    n_bins: int
    n_pairs: int

    def to_frame(self) -> pd.DataFrame:
        """One row per mask, and one of all together."""
        columns = ("name", "bins", "bins_only", "pairs", "pairs_only")
        return pd.DataFrame({name: getattr(self, name) for name in columns})


@dataclass(frozen=True, slots=True, eq=False)
class Mask(Result):
    """Bins and pixels that take part.

    Attributes
    ----------
    valid
        Bins that take part (N,).
    rectangles
        Pixels that do not, by row: set of column ranges of each row (N,), -1 for none; first range
        of each set (B + 1,); ends of the ranges.
    account
        What each mask removes.
    """

    valid: Marks
    rectangles: Ranges
    account: MaskAccount | None = None


def combine(chrom_offset: ArrayLike, *masks: BinMask | PixelMask, ignore_diags: int = 2) -> Mask:
    """Put masks together, and account for each.

    Parameters
    ----------
    chrom_offset
        First bin of each chromosome and the number of bins (C + 1,).
    *masks
        The masks; none is allowed.
    ignore_diags
        Distances below this one are not used and not counted.

    Examples
    --------
    >>> from refsolve.methods.contact_expected import combine, mask_bins
    >>> mask = combine([0, 5], mask_bins(5, [1, 2], name="a"), mask_bins(5, [2], name="b"))
    >>> mask.account.to_frame()
           name  bins  bins_only  pairs  pairs_only
    0         a     2          1      4           2
    1         b     1          0      2           0
    2  together     2          2      4           4
    """
    offset = np.asarray(chrom_offset, np.int64)
    for mask in masks:
        if isinstance(mask, BinMask) and mask.removed.shape != (int(offset[-1]),):
            raise ValueError(
                f"mask {mask.name!r} has {mask.removed.size} bins and the genome {offset[-1]}; "
                "make it for this resolution"
            )
    valid, ranges = _united(int(offset[-1]), masks)
    return Mask(valid, ranges, _account(offset, masks, ignore_diags))


def mask_of(mask: Mask | ArrayLike | None, n_bins: int) -> Mask:
    """A mask of whatever stands for one: marks of valid bins, or None for all.

    Parameters
    ----------
    mask
        It.
    n_bins
        Number of bins of the genome.
    """
    if isinstance(mask, Mask):
        valid = mask.valid
    else:
        valid = np.ones(n_bins, np.bool_) if mask is None else np.asarray(mask)
    if valid.shape != (n_bins,) or valid.dtype != np.bool_:
        raise ValueError(
            f"mask marks {valid.shape} bins of type {valid.dtype}; expected ({n_bins},) booleans, "
            "True where a bin is valid"
        )
    return mask if isinstance(mask, Mask) else Mask(valid, no_ranges(n_bins))


def no_ranges(n_bins: int) -> Ranges:
    """Ranges that exclude nothing.

    Parameters
    ----------
    n_bins
        Number of bins of the genome.
    """
    none = np.zeros(0, np.int64)
    return np.full(n_bins, -1, np.int64), np.zeros(1, np.int64), none, none


def n_valid_pairs(valid: ArrayLike, rectangles: Ranges | None = None) -> IntArray:
    """Exact number of pairs of valid bins at distance 0, 1, ... (n,).

    Parameters
    ----------
    valid
        Marks of the bins of one region (n,).
    rectangles
        Pixels to leave out, as in `Mask`.

    Examples
    --------
    >>> from refsolve.methods.contact_expected import n_valid_pairs
    >>> n_valid_pairs([True, True, False, True])
    array([3, 1, 1, 1])
    """
    marks = np.ascontiguousarray(valid, np.bool_)
    return count_pairs(marks, rectangles, (0, marks.size), (0, marks.size), 0)


def count_pairs(
    valid: Marks,
    rectangles: Ranges | None,
    rows: tuple[int, int],
    columns: tuple[int, int],
    nearest: int,
) -> IntArray:
    """Number of valid pairs of two ranges of bins by distance, from `nearest` on.

    Parameters
    ----------
    valid
        Marks of the bins of the genome (N,).
    rectangles
        Pixels to leave out.
    rows, columns
        The ranges, the same one or the second behind the first.
    nearest
        Distance of the first element.
    """
    out = np.zeros(columns[1] - rows[0] - nearest, np.int64)
    diagonals.valid_pairs(valid, rows, columns, nearest, out)
    if rectangles is not None and rectangles[2].size:
        diagonals.drop_rectangles(valid, rows, columns, nearest, rectangles, out)
    return out


def _united(n_bins: int, masks: tuple[BinMask | PixelMask, ...]) -> tuple[Marks, Ranges]:
    valid = np.ones(n_bins, np.bool_)
    boxes = [np.zeros((0, 4), np.int64)]
    for mask in masks:
        if isinstance(mask, BinMask):
            valid &= ~mask.removed
        else:
            boxes.append(mask.rectangles)
    return valid, _ranges(n_bins, np.concatenate(boxes))


def _ranges(n_bins: int, boxes: IntArray) -> Ranges:
    """Disjoint excluded column ranges of every row, rows between two edges sharing a set."""
    both = np.concatenate([boxes, boxes[:, [2, 3, 0, 1]]])
    edges = np.unique(both[:, :2])
    band = np.full(n_bins, -1, np.int64)
    first, low, high = [0], list[int](), list[int]()
    for top, bottom in itertools.pairwise(edges):
        inside = both[(both[:, 0] <= top) & (both[:, 1] >= bottom)]
        if inside.size == 0:
            continue
        band[top:bottom] = len(first) - 1
        for begin, end in _merged(inside[:, 2:]):
            low.append(begin)
            high.append(end)
        first.append(len(low))
    starts, lows, highs = (np.array(v, np.int64) for v in (first, low, high))
    return band, starts, lows, highs


def _merged(intervals: IntArray) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for begin, end in sorted((int(a), int(b)) for a, b in intervals):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((begin, end))
    return out


def _account(
    offset: IntArray, masks: tuple[BinMask | PixelMask, ...], ignore_diags: int
) -> MaskAccount:
    n_bins, all_pairs = int(offset[-1]), _pairs(offset, (), ignore_diags)
    left = _pairs(offset, masks, ignore_diags)
    valid = _united(n_bins, masks)[0]
    rows = []
    for k, mask in enumerate(masks):
        others = masks[:k] + masks[k + 1 :]
        alone = n_bins - int(_united(n_bins, (mask,))[0].sum())
        only = int(_united(n_bins, others)[0].sum()) - int(valid.sum())
        pairs = all_pairs - _pairs(offset, (mask,), ignore_diags)
        rows.append((alone, only, pairs, _pairs(offset, others, ignore_diags) - left))
    removed, gone = n_bins - int(valid.sum()), all_pairs - left
    table = np.array([*rows, (removed, removed, gone, gone)], np.int64)
    names = (*(mask.name for mask in masks), TOGETHER)
    bins, bins_only, found, found_only = table.T.copy()
    return MaskAccount(names, bins, bins_only, found, found_only, n_bins, all_pairs)


def _pairs(offset: IntArray, masks: tuple[BinMask | PixelMask, ...], ignore_diags: int) -> int:
    """Valid pairs of all chromosomes at distances that are used."""
    valid, ranges = _united(int(offset[-1]), masks)
    total = 0
    for low, high in zip(offset[:-1].tolist(), offset[1:].tolist(), strict=True):
        inside = (low, high)
        total += int(count_pairs(valid, ranges, inside, inside, 0)[ignore_diags:].sum())
    return total
