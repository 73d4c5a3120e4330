"""Which samples could have been the treated ones: all relabellings of a design, or a draw."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.errors import AnalysisError
from refsolve.core.rng import RandomSource, as_generator

FlagArray = NDArray[np.bool_]

MOST = 1000  # relabellings that are looked at


class Relabellings(NamedTuple):
    """Marks (R, n), the first as seen; how many there are in all; whether these are all."""

    marks: FlagArray
    n_all: int
    exhaustive: bool


def treated_of(x: FloatArray) -> FlagArray:
    """Samples with the larger of the two values of the last column.

    Parameters
    ----------
    x
        (n, p) design.
    """
    levels = np.unique(x[:, -1])
    if levels.size != 2:
        raise AnalysisError(
            f"the last column of the design has {levels.size} values; "
            "relabelling needs a comparison of two conditions there"
        )
    return np.asarray(x[:, -1] == levels[1])


def patterns_of(x: FloatArray) -> IntArray:
    """Code of each sample; samples share it that agree in all columns but the last.

    Parameters
    ----------
    x
        (n, p) design.
    """
    codes = np.unique(x[:, :-1], axis=0, return_inverse=True)[1]
    return np.asarray(codes, dtype=np.int64).reshape(-1)


def count_relabellings(treated: FlagArray, pattern: IntArray) -> int:
    """Choices of as many treated samples as there are, pattern by pattern.

    Parameters
    ----------
    treated, pattern
        (n,) marks and codes.
    """
    sizes = np.bincount(pattern)
    taken = np.bincount(pattern, treated.astype(np.float64), sizes.size)
    return math.prod(math.comb(int(n), int(k)) for n, k in zip(sizes, taken, strict=True))


def relabellings(
    treated: FlagArray, pattern: IntArray, most: int, rng: RandomSource
) -> Relabellings:
    """All relabellings within patterns, or a random draw where there are more than `most`.

    Parameters
    ----------
    treated, pattern
        (n,) marks and codes.
    most
        How many may be returned.
    rng
        Seed or Generator of the draw.
    """
    if most < 2:
        raise ValueError(f"most = {most} must be at least 2; the labelling seen is one of them")
    n_all = count_relabellings(treated, pattern)
    rows = [np.flatnonzero(pattern == k) for k in range(pattern.max() + 1)]
    if n_all <= most:
        marks = _all(treated, rows, n_all)
        same = (marks == treated).all(axis=1)
        return Relabellings(np.vstack([marks[same], marks[~same]]), n_all, True)
    generator = as_generator(rng)
    marks = np.tile(treated, (most, 1))
    for row in rows:
        marks[1:, row] = generator.permuted(marks[1:][:, row], axis=1)
    return Relabellings(marks, n_all, False)


def _all(treated: FlagArray, rows: list[IntArray], n_all: int) -> FlagArray:
    choices = [list(itertools.combinations(r, int(treated[r].sum()))) for r in rows]
    marks = np.zeros((n_all, treated.size), dtype=bool)
    for mark, chosen in zip(marks, itertools.product(*choices), strict=True):
        mark[[i for part in chosen for i in part]] = True
    return marks
