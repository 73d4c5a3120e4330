"""Kinship from founder probabilities: the expected share of the genome from the same founder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, one_of, refuse
from refsolve.methods.lmm_scan.model.genome import Genome, Probabilities

Choice = Literal["loco", "overall", "none"]
CHUNK = 4096  # columns that are converted at a time
SYMMETRIC = 1e-8


def kinship(genome: Genome) -> FloatArray:
    """Kinship (n, n): mean over all positions of Σ_f p_if p_jf.

    Parameters
    ----------
    genome
        Founder probabilities.
    """
    return np.asarray(sum(_shared(genome)) / genome.n_positions)


def loco_kinship(genome: Genome) -> FloatArray:
    """Kinships (C, n, n), each from all chromosomes except one.

    A variant on a chromosome would otherwise be tested against itself. With a single chromosome
    nothing is left, and the kinship is zero.

    From a short genome it is a noisy copy of the pedigree, and traits that run in families exceed a
    threshold too often; the page of this method shows how often, and that the pedigree's own matrix
    does not. Where the pedigree is known, pass that to `scan`.

    Parameters
    ----------
    genome
        Founder probabilities.
    """
    parts = _shared(genome)
    total = np.sum(parts, axis=0)
    left = [genome.n_positions - block.shape[1] for block in genome.probabilities]
    return np.stack(
        [
            (total - part) / count if count else np.zeros_like(total)
            for part, count in zip(parts, left, strict=True)
        ]
    )


def chosen_kinship(
    genome: Genome, choice: Choice | ArrayLike
) -> list[FloatArray | None]:  # per chromosome
    """One kinship per chromosome; None for none.

    Parameters
    ----------
    genome
        Founder probabilities.
    choice
        "loco", "overall", "none", one matrix (n, n), or one per chromosome (C, n, n).
    """
    c, n = len(genome.chromosome), genome.n_lines
    if isinstance(choice, str):
        word = one_of(choice, "kinship", get_args(Choice))
        if word == "none":
            return [None] * c
        return [kinship(genome)] * c if word == "overall" else list(loco_kinship(genome))
    given = np.asarray(choice, dtype=np.float64)
    if given.shape == (n, n):
        return [given] * c
    if given.shape == (c, n, n):
        return list(given)
    raise ValueError(f"kinship has the shape {given.shape}; expected ({n}, {n}) or ({c}, {n}, {n})")


def checked_kinship(values: ArrayLike, n: int) -> FloatArray:
    """A symmetric matrix (n, n) without NaN.

    Parameters
    ----------
    values
        The kinship.
    n
        Number of lines.
    """
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.shape != (n, n):
        raise ValueError(f"kinship has the shape {matrix.shape}; expected ({n}, {n})")
    refuse(~np.isfinite(matrix), "kinship", matrix, "must be finite", "recompute it")
    apart = np.abs(matrix - matrix.T) > SYMMETRIC * max(1.0, float(np.abs(matrix).max()))
    refuse(apart, "kinship", matrix, "must equal its transpose", "make it symmetric")
    return matrix


def _shared(genome: Genome) -> list[FloatArray]:
    return [_inner(block) for block in genome.probabilities]


def _inner(block: Probabilities) -> FloatArray:
    flat: NDArray[Any] = block.reshape(block.shape[0], -1)
    if flat.dtype == np.float64:
        return np.asarray(flat @ flat.T)
    out = np.zeros((flat.shape[0], flat.shape[0]))
    for part in _columns(flat):
        out += part @ part.T
    return out


def _columns(flat: NDArray[Any]) -> Iterator[FloatArray]:
    for start in range(0, flat.shape[1], CHUNK):
        yield flat[:, start : start + CHUNK].astype(np.float64)
