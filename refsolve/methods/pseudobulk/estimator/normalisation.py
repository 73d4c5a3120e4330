"""Effective libraries: what makes samples comparable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, one_of, real_vector, refuse
from refsolve.core.result import Result
from refsolve.methods.pseudobulk.model import factors
from refsolve.methods.pseudobulk.model.inputs import count_matrix

METHODS = ("tmm", "rle", "median_ratio", "upper_quartile", "none")


@dataclass(frozen=True, slots=True, eq=False)
class Normalisation(Result):
    """Libraries of n samples.

    Attributes
    ----------
    method
        How the factors were found; "given" if they were not.
    library
        Sums of the samples (n,).
    factors
        What they are multiplied by (n,), with the geometric mean one.
    effective
        Effective libraries (n,): `library * factors`.
    """

    method: str
    library: FloatArray
    factors: FloatArray
    effective: FloatArray


def normalise(
    counts: ArrayLike, method: str = "tmm", *, given: ArrayLike | None = None
) -> Normalisation:
    """Factors between samples, eqs. (1)-(2).

    Parameters
    ----------
    counts
        (genes, samples).
    method
        "tmm", "rle" (median of the ratios themselves), "median_ratio" (of their logarithms; the
        two agree where the number of genes with counts everywhere is odd), "upper_quartile", or
        "none".
    given
        Factors to take instead.

    Raises
    ------
    ValueError
        Counts that are no counts, an empty sample, or an unknown method.

    Examples
    --------
    >>> normalise([[10, 20], [30, 60], [5, 10]]).factors
    array([1., 1.])
    """
    y = count_matrix(counts)
    library = y.sum(axis=0)
    refuse(library == 0, "samples", library, "has no counts", "leave the sample out")
    if given is not None:
        factor = real_vector(given, "given")
        refuse(~(factor > 0), "given", factor, "must be positive", "correct the factor")
        if factor.size != library.size:
            raise ValueError(f"given has {factor.size} factors for {library.size} samples")
        return Normalisation("given", library, factor, library * factor)
    one_of(method, "method", METHODS)
    if method == "none":
        factor = np.ones(library.size)
    else:
        factor = {
            "tmm": factors.trimmed_means,
            "rle": factors.relative_log,
            "median_ratio": factors.median_ratio,
            "upper_quartile": factors.upper_quartile,
        }[method](y)
    return Normalisation(method, library, factor, library * factor)
