"""Which genes have enough counts to be tested, and how many that leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.result import Result
from refsolve.methods.pseudobulk.model.design import Design, as_design
from refsolve.methods.pseudobulk.model.inputs import count_matrix, libraries

LARGE, PROPORTION = 10, 0.7  # beyond so many samples only this share of them counts
SLACK = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class GeneFilter(Result):
    """Genes that can be tested.

    Attributes
    ----------
    kept
        (G,).
    n_genes, n_detected, n_tested
        All genes, those with any count, and those kept: the denominator of every share.
    cutoff
        Counts per million that a gene must reach.
    n_samples
        In how many samples.
    """

    kept: NDArray[np.bool_]
    n_genes: int
    n_detected: int
    n_tested: int
    cutoff: float
    n_samples: float


def filter_genes(
    counts: ArrayLike,
    design: Design | ArrayLike | None = None,
    *,
    library: ArrayLike | None = None,
    group: ArrayLike | None = None,
    smallest_count: float = 10,
    smallest_total: float = 15,
) -> GeneFilter:
    """Genes with enough counts in enough samples, eq. (3).

    Parameters
    ----------
    counts
        (genes, samples).
    design
        Design; the reciprocal of its largest leverage says how many samples are enough.
    library
        Libraries; sums of the samples by default.
    group
        Groups of samples instead of a design; the smallest says how many are enough.
    smallest_count
        Count that a gene must reach at the median library.
    smallest_total
        Counts that a gene needs in all.

    Raises
    ------
    ValueError
        Counts that are no counts, or a sample without any.
    """
    y = count_matrix(counts)
    size = libraries(y.sum(axis=0) if library is None else library, y.shape[1])
    n = _enough_samples(design, group, y.shape[1])
    if n > LARGE:
        n = LARGE + (n - LARGE) * PROPORTION
    cutoff = float(smallest_count / np.median(size) * 1e6)
    enough = (y / size * 1e6 >= cutoff).sum(axis=1) >= n - SLACK
    kept = enough & (y.sum(axis=1) >= smallest_total - SLACK)
    return GeneFilter(
        kept, len(y), int(y.any(axis=1).sum()), int(kept.sum()), cutoff, float(n)
    )  # fmt: skip


def _enough_samples(
    design: Design | ArrayLike | None, group: ArrayLike | None, samples: int
) -> float:
    if group is not None:
        sizes = np.unique(np.asarray(group), return_counts=True)[1]
        return float(sizes.min())
    if design is None:
        return float(samples)
    x = as_design(design, samples).matrix
    q, _ = np.linalg.qr(x)
    return float(1.0 / (q**2).sum(axis=1).max())
