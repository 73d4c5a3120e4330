"""Gametes of individuals whose chromosomes are strings of founder codes at given loci."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import real_vector, refuse, whole_numbers
from refsolve.methods.founder_hmm.textbook import recombination

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def checked_map(position: ArrayLike, chromosome: ArrayLike | None) -> tuple[IntArray, FloatArray]:
    """Codes of the chromosomes and centimorgans, ascending within each of them."""
    cm = real_vector(position, "position")
    if cm.size == 0:
        raise ValueError("position is empty; give the centimorgans of at least one locus")
    codes = (
        np.zeros(cm.size, dtype=np.int64)
        if chromosome is None
        else whole_numbers(chromosome, "chromosome")
    )
    if codes.shape != cm.shape:
        raise ValueError(f"chromosome has shape {codes.shape}; expected {cm.shape} as position")
    same = codes[1:] == codes[:-1]
    refuse(
        np.append(False, same & (np.diff(cm) < 0)), "position", cm, "lies before its neighbour",
        "sort the loci within chromosomes",
    )  # fmt: skip
    starts = np.append(0, np.flatnonzero(~same) + 1)
    if np.unique(codes[starts]).size != starts.size:
        raise ValueError("chromosome comes back after another one; keep its loci together")
    return codes, cm


def switch_rates(chromosome: IntArray, position: FloatArray) -> FloatArray:
    """(L,) recombination with the locus before; 1/2 at the first locus of a chromosome."""
    r = np.append(0.5, recombination(np.abs(np.diff(position))))
    r[1:][chromosome[1:] != chromosome[:-1]] = 0.5
    return r


def gametes(parents: IntArray, rates: FloatArray, rng: np.random.Generator) -> IntArray:
    """(n, L) one gamete of each parent, crossovers without interference.

    Parameters
    ----------
    parents
        (n, 2, L) founder codes.
    rates
        (L,) of `switch_rates`.
    rng
        Generator.
    """
    n, _, loci = parents.shape
    strand = np.cumsum(rng.random((n, loci)) < rates, axis=1) % 2
    return np.where(strand == 0, parents[:, 0], parents[:, 1])


def cross(
    mothers: IntArray, fathers: IntArray, rates: FloatArray, rng: np.random.Generator
) -> IntArray:
    """(n, 2, L) one child of each couple.

    Parameters
    ----------
    mothers, fathers
        (n, 2, L) founder codes.
    rates
        (L,) of `switch_rates`.
    rng
        Generator.
    """
    return np.stack([gametes(mothers, rates, rng), gametes(fathers, rates, rng)], axis=1)


def funnel(order: IntArray, rates: FloatArray, rng: np.random.Generator) -> IntArray:
    """(n, 2, L) individual at the bottom of a funnel; a single founder is inbred.

    Parameters
    ----------
    order
        (n, k) founders of each line from left to right; k is a power of two.
    rates
        (L,) of `switch_rates`.
    rng
        Generator.
    """
    n, k = order.shape
    if k == 1:
        return np.broadcast_to(order[:, :, np.newaxis], (n, 2, rates.size)).copy()
    left, right = order[:, : k // 2], order[:, k // 2 :]
    return cross(funnel(left, rates, rng), funnel(right, rates, rng), rates, rng)


def mate_at_random(
    people: IntArray, n: int, rates: FloatArray, rng: np.random.Generator
) -> IntArray:
    """(n, 2, L) next generation; the two parents of a child are two individuals.

    Parameters
    ----------
    people
        (N, 2, L) with at least two individuals.
    n
        Children.
    rates
        (L,) of `switch_rates`.
    rng
        Generator.
    """
    mother = rng.integers(0, len(people), n)
    father = (mother + rng.integers(1, len(people), n)) % len(people)
    return cross(people[mother], people[father], rates, rng)
