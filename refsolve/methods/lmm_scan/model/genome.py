"""Founder probabilities of lines along chromosomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, real_vector, refuse

Probabilities = NDArray[Any]  # float32 or float64
WHOLE = 1e-4  # largest deviation from one of a sum over founders


@dataclass(frozen=True, slots=True)
class Genome:
    """Probability of every founder, in every line, at every position.

    Attributes
    ----------
    probabilities
        Per chromosome (n, M, K): lines, positions, founders; float32 stays float32.
    position
        Per chromosome (M,), in cM, ascending; positions may coincide.
    chromosome
        Labels; "1", "2", ... when empty.
    founders
        Labels (K,); "A", "B", ... when empty.
    """

    probabilities: tuple[Probabilities, ...]
    position: tuple[FloatArray, ...]
    chromosome: tuple[str, ...] = ()
    founders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        blocks = tuple(_block(p, c) for c, p in enumerate(self.probabilities))
        if not blocks:
            raise ValueError("probabilities is empty; pass one array per chromosome")
        n, _m, k = blocks[0].shape
        for c, block in enumerate(blocks):
            if (block.shape[0], block.shape[2]) != (n, k):
                raise ValueError(
                    f"probabilities[{c}] has {block.shape[0]} lines and {block.shape[2]} founders;"
                    f" expected {n} and {k}; every chromosome holds the same lines and founders"
                )
        object.__setattr__(self, "probabilities", blocks)
        object.__setattr__(self, "position", _positions(self.position, blocks))
        names = _labels(self.chromosome, "chromosome", [str(c + 1) for c in range(len(blocks))])
        object.__setattr__(self, "chromosome", names)
        letters = [chr(ord("A") + f) if k <= 26 else f"F{f + 1}" for f in range(k)]
        object.__setattr__(self, "founders", _labels(self.founders, "founders", letters))

    @property
    def n_lines(self) -> int:
        """Number of lines."""
        return int(self.probabilities[0].shape[0])

    @property
    def n_founders(self) -> int:
        """Number of founders."""
        return int(self.probabilities[0].shape[2])

    @property
    def n_positions(self) -> int:
        """Number of positions on all chromosomes."""
        return sum(block.shape[1] for block in self.probabilities)

    def index(self, chromosome: str) -> int:
        """Place of a chromosome among all.

        Parameters
        ----------
        chromosome
            Its label.
        """
        if chromosome not in self.chromosome:
            known = ", ".join(self.chromosome)
            raise ValueError(f"chromosome {chromosome!r} is unknown; there are {known}")
        return self.chromosome.index(chromosome)

    def only(self, chromosome: str) -> Genome:
        """The same lines on one chromosome.

        Parameters
        ----------
        chromosome
            Its label.
        """
        c = self.index(chromosome)
        return Genome((self.probabilities[c],), (self.position[c],), (chromosome,), self.founders)

    def at(self, chromosome: str, index: int) -> FloatArray:
        """Probabilities (n, K) at one position.

        Parameters
        ----------
        chromosome
            Its label.
        index
            Place among the positions of that chromosome.
        """
        block = self.probabilities[self.index(chromosome)]
        return np.asarray(block[:, index, :], dtype=np.float64)


def _block(values: ArrayLike, c: int) -> Probabilities:
    name = f"probabilities[{c}]"
    block = np.asarray(values)
    if block.dtype.kind != "f" or block.ndim != 3:
        raise ValueError(
            f"{name} has {block.ndim} dimensions of {block.dtype}; expected three of floats:"
            " lines, positions, founders"
        )
    if block.dtype != np.float32:
        block = np.asarray(block, dtype=np.float64)
    if block.shape[2] < 2 or block.size == 0:
        raise ValueError(f"{name} has the shape {block.shape}; expected two founders or more")
    block = np.ascontiguousarray(block)
    # A sum of probabilities is one only if none is missing; negative ones show in the minimum.
    total = block @ np.ones(block.shape[2], dtype=block.dtype)
    refuse(
        ~(np.abs(total - 1.0) <= WHOLE),
        f"sum of {name}",
        total,
        "must be one",
        "normalise founders",
    )
    if float(block.min()) < -WHOLE:
        refuse(block < -WHOLE, name, block, "must not be negative", "correct the value")
    return block


def _positions(
    values: Sequence[ArrayLike], blocks: tuple[Probabilities, ...]
) -> tuple[FloatArray, ...]:
    if len(values) != len(blocks):
        raise ValueError(f"position has {len(values)} chromosomes; expected {len(blocks)}")
    out = []
    for c, (one, block) in enumerate(zip(values, blocks, strict=True)):
        place = real_vector(one, f"position[{c}]")
        if place.size != block.shape[1]:
            raise ValueError(
                f"position[{c}] has {place.size} elements; expected {block.shape[1]}, one per"
                " position of its probabilities"
            )
        falls = np.concatenate([[False], np.diff(place) < 0.0])
        refuse(falls, f"position[{c}]", place, "must not fall", "sort the positions")
        out.append(place)
    return tuple(out)


def _labels(values: Sequence[str], name: str, default: list[str]) -> tuple[str, ...]:
    labels = tuple(str(v) for v in values) or tuple(default)
    if len(labels) != len(default):
        raise ValueError(f"{name} has {len(labels)} labels; expected {len(default)}")
    if len(set(labels)) < len(labels):
        twice = next(v for v in labels if labels.count(v) > 1)
        raise ValueError(f"{name} names {twice!r} twice; labels must differ")
    return labels


def biallelic(genotypes: ArrayLike) -> FloatArray:
    """Probabilities (n, M, 2) of the alleles 0 and 1 of markers: two founders, for `Genome`.

    Parameters
    ----------
    genotypes
        Calls (n, M) 0 or 1; negative or NaN: missing, replaced by the marker's mean.
    """
    calls = np.asarray(genotypes, dtype=np.float64)
    if calls.ndim != 2:
        raise ValueError(f"genotypes has {calls.ndim} dimensions; expected lines and markers")
    missing = ~(calls >= 0.0)
    refuse((calls > 1.0) & ~missing, "genotypes", calls, "must be 0 or 1", "recode the calls")
    known = np.where(missing, 0.0, calls)
    count = np.maximum(calls.shape[0] - missing.sum(axis=0), 1)
    filled = np.where(missing, known.sum(axis=0) / count, known)
    return np.stack([1.0 - filled, filled], axis=2)
