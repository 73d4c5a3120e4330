"""Called tracts of one haplotype on one chromosome: counting, repair, sufficient statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Path(NamedTuple):
    """Called tracts of one haplotype on one chromosome, in map order.

    Attributes
    ----------
    start, end
        (K,) Morgans. A tract ends where the next one starts, or before it: then there is a gap.
    label
        (K,) ancestry, 0 for A and 1 for B, or more.
    """

    start: FloatArray
    end: FloatArray
    label: IntArray


class Statistics(NamedTuple):
    """Sufficient statistics of eq. (3) for any number of labels.

    Attributes
    ----------
    exposure
        (K,) Morgans called with each label: T.
    switches
        (K, K) switches from one label (row) to another (column): n.
    first
        (K,) paths that begin with each label: f.
    """

    exposure: FloatArray
    switches: IntArray
    first: IntArray


def statistics(
    path: Path, n_labels: int = 2, gaps: Literal["carry", "cut"] = "carry"
) -> Statistics:
    """Exposure, switches and first labels of one path.

    Gaps add no exposure. ``carry`` goes on through them: a change of label across a gap is a
    switch. ``cut`` begins a new path after each.
    """
    exposure = np.bincount(path.label, path.end - path.start, n_labels).astype(np.float64)
    before, after = path.label[:-1], path.label[1:]
    joined = (
        np.ones(before.size, dtype=bool) if gaps == "carry" else path.start[1:] == path.end[:-1]
    )
    switches = np.zeros((n_labels, n_labels), dtype=np.int64)
    changed = joined & (before != after)
    np.add.at(switches, (before[changed], after[changed]), 1)
    begins = np.concatenate([[True], ~joined])
    first = np.bincount(path.label[begins], minlength=n_labels)
    return Statistics(exposure, switches, first)


def pool(several: Sequence[Statistics]) -> Statistics:
    """Statistics of independent paths together: sums."""
    exposure, switches, first = zip(*several, strict=True)
    return Statistics(sum(exposure), sum(switches), sum(first))


def count_switches(paths: Sequence[Path]) -> int:
    """Number of switches N; a gap does not end a path, a chromosome end does."""
    return sum(int(np.count_nonzero(path.label[1:] != path.label[:-1])) for path in paths)


def called_fraction(paths: Sequence[Path], label: int = 0) -> float:
    """Fraction of the called span that has a label."""
    span = sum(float((path.end - path.start).sum()) for path in paths)
    mine = sum(float((path.end - path.start)[path.label == label].sum()) for path in paths)
    return mine / span


def switch_time(n_switches: int, m: float, map_length: float) -> float:
    """Rate of recombinations since the pulse, eq. (1); `map_length` is that of all chromosomes.

    Examples
    --------
    >>> round(switch_time(14, 0.27338, 11.6), 4)
    3.0378
    """
    return n_switches / (2 * m * (1 - m) * map_length)


def islands(path: Path, suspect: ArrayLike) -> BoolArray:
    """Suspects to relabel: the nearest trusted calls on both sides agree, and contradict it.

    At a chromosome end there is one side only. Without a trusted call nothing is relabelled.
    """
    suspect = np.asarray(suspect, dtype=bool)
    flanks = _flanks(path, suspect)
    return np.asarray(suspect & (flanks >= 0) & (flanks != path.label))


def merge_islands(path: Path, suspect: ArrayLike) -> Path:
    """Path with its islands given the label of their flanks, and touching equal tracts joined."""
    chosen = islands(path, suspect)
    label = np.where(chosen, _flanks(path, np.asarray(suspect, dtype=bool)), path.label)
    return join(Path(path.start, path.end, label))


def _flanks(path: Path, suspect: BoolArray) -> IntArray:
    """Label on which the nearest trusted calls of both sides agree, or -1."""
    flanks = np.full(path.label.size, -1)
    for i in range(path.label.size):
        left = path.label[:i][~suspect[:i]][-1:]
        right = path.label[i + 1 :][~suspect[i + 1 :]][:1]
        around = np.unique(np.concatenate([left, right]))
        if around.size == 1:
            flanks[i] = around[0]
    return flanks


def join(path: Path) -> Path:
    """Path with touching tracts of one label made one."""
    apart = (path.start[1:] != path.end[:-1]) | (path.label[1:] != path.label[:-1])
    first, last = np.concatenate([[True], apart]), np.concatenate([apart, [True]])
    return Path(path.start[first], path.end[last], path.label[first])


def invert(path: Path) -> Path:
    """Path with A and B exchanged."""
    return Path(path.start, path.end, 1 - path.label)
