r"""Lines whose founders are known, and traits made from them, with the truth.

Founders come from a Markov chain along the map, not from meioses, and traits are sums of named
parts. Nothing is estimated here.

What a naive analysis gets
--------------------------
With :math:`n` lines, :math:`v` the variance of a part over the lines and :math:`\sigma^2` that of
the trait without it:

(a) *A batch that is left out.* Where batches follow the founders at a place with alignment
    :math:`a`, that place explains :math:`a^2v_B` of the trait. Its LOD is about
    :math:`\tfrac n2\log_{10}\{1 + a^2v_B/(\sigma^2 + (1-a^2)v_B)\}`, although nothing is there, and
    linked places share it.

(b) *Kinship left out.* Families with a common polygenic value make founder columns that differ
    between families look associated. With :math:`h^2` of the variance between families of
    :math:`m` lines, the variance of such an effect is :math:`1+(m-1)h^2` times what the regression
    believes.

(c) *Kinship that includes the QTL's chromosome* explains a part of the QTL: its LOD falls.

(d) *The raw means of lines by founder* at a place hold the effects of batches and of other places
    as well; the highest mean need not be the largest effect.

(e) *Permuting lines across batches* makes the batches exchangeable that are not: where variances
    differ between them, or founders do, the threshold is that of another population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import real_vector, refuse, whole_numbers, within
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

__all__ = [
    "SimulatedMosaics",
    "SimulatedTrait",
    "simulate_batches",
    "simulate_mosaics",
    "simulate_trait",
]


@dataclass(frozen=True, slots=True)
class SimulatedMosaics(Result):
    """Inbred lines as mosaics of founders.

    Attributes
    ----------
    founder
        One (n, M_c) array of founder codes per chromosome.
    position
        One (M_c,) array of centimorgans per chromosome.
    n_founders
        Number of founders.
    family
        (n,) family of each line.
    blur
        Share of every probability that is spread evenly over the founders.
    """

    founder: tuple[IntArray, ...]
    position: tuple[FloatArray, ...]
    n_founders: int
    family: IntArray
    blur: float

    @property
    def probabilities(self) -> tuple[FloatArray, ...]:
        """One (n, M_c, K) array of founder probabilities per chromosome."""
        even = self.blur / self.n_founders
        return tuple((1 - self.blur) * np.eye(self.n_founders)[f] + even for f in self.founder)

    @property
    def observed(self) -> dict[str, Any]:
        """What an analyst may see, under the argument names of `Genome`."""
        return {"probabilities": self.probabilities, "position": self.position}


@dataclass(frozen=True, slots=True)
class SimulatedTrait(Result):
    """A trait and its parts.

    Attributes
    ----------
    phenotype
        (n,) what is measured; NaN is missing.
    qtl, polygenic, batch, residual
        (n,) parts of it.
    effects
        (Q, K) founder effects of each QTL.
    """

    phenotype: FloatArray
    qtl: FloatArray
    polygenic: FloatArray
    batch: FloatArray
    residual: FloatArray
    effects: FloatArray


def simulate_mosaics(
    *,
    n_lines: int,
    n_founders: int,
    lengths: ArrayLike,
    step: float = 1.0,
    changes: float = 4.0,
    families: int = 0,
    blur: float = 0.0,
    rng: RandomSource,
) -> SimulatedMosaics:
    """Lines whose founder changes at random along evenly spaced positions.

    Parameters
    ----------
    n_lines, n_founders
        Numbers of lines and of founders.
    lengths
        (C,) centimorgans of the chromosomes.
    step
        Centimorgans between positions.
    changes
        Changes of founder per Morgan; all other founders are alike.
    families
        Number of families. The lines of a family are mosaics of two parents, which are mosaics of
        the founders; 0 makes every line of its own.
    blur
        Share of every probability that is spread evenly over the founders.
    rng
        Seed or Generator.

    Returns
    -------
    The lines with their founders.

    Raises
    ------
    ValueError
        An argument breaks its rule.

    Examples
    --------
    >>> lines = simulate_mosaics(n_lines=3, n_founders=4, lengths=[60], step=20, rng=3)
    >>> lines.founder[0]
    array([[3, 0, 0, 0],
           [0, 3, 3, 2],
           [0, 0, 1, 1]])
    """
    generator = as_generator(rng)
    sizes = real_vector(lengths, "lengths")
    refuse(sizes <= 0, "lengths", sizes, "must be above 0", "give centimorgans")
    n = int(whole_numbers(n_lines, "n_lines", minimum=1))
    k = int(whole_numbers(n_founders, "n_founders", minimum=2))
    share = float(within(blur, "blur", 0, 1))
    n_families = int(whole_numbers(families, "families", minimum=0))
    family = generator.integers(0, n_families, n) if n_families else np.arange(n)
    founder, position = [], []
    for length in sizes:
        cm = np.arange(0, length + step / 2, step)
        codes = _chain(2 * n_families if n_families else n, k, cm, changes, generator)
        if n_families:
            parent = 2 * family[:, np.newaxis] + _chain(n, 2, cm, 2.0, generator)
            codes = codes[parent, np.arange(cm.size)]
        founder.append(codes)
        position.append(cm)
    return SimulatedMosaics(tuple(founder), tuple(position), k, family, share)


def simulate_batches(
    *, founder: ArrayLike, n_batches: int, alignment: float = 0.0, rng: RandomSource
) -> IntArray:
    """(n,) batch of each line, which follows its founder at one place.

    Parameters
    ----------
    founder
        (n,) founder codes at the place.
    n_batches
        Number of batches; founders are dealt to them in turn.
    alignment
        Probability that a line is in the batch of its founder, and not in any one at random.
    rng
        Seed or Generator.
    """
    generator = as_generator(rng)
    codes = whole_numbers(founder, "founder", minimum=0)
    n = int(whole_numbers(n_batches, "n_batches", minimum=1))
    follows = generator.random(codes.shape) < within(alignment, "alignment", 0, 1)
    dealt = generator.permutation(int(codes.max()) + 1) % n
    return np.asarray(np.where(follows, dealt[codes], generator.integers(0, n, codes.shape)))


def simulate_trait(
    *,
    n_lines: int,
    qtl: Sequence[ArrayLike] = (),
    effects: Sequence[ArrayLike] = (),
    kinship: ArrayLike | None = None,
    polygenic: float = 0.0,
    batch: ArrayLike | None = None,
    batch_effects: ArrayLike = (),
    residual: float = 1.0,
    missing: float = 0.0,
    rng: RandomSource,
) -> SimulatedTrait:
    """Sum of QTL, polygenic value, batch and noise.

    Parameters
    ----------
    n_lines
        Number of lines.
    qtl
        (n, K) founder probabilities, or founders as ones, of each QTL.
    effects
        (K,) founder effects of each QTL.
    kinship
        (n, n), not doubled; the polygenic values have the covariance of twice this.
    polygenic
        Variance of the polygenic values of a line whose kinship with itself is 1/2.
    batch
        (n,) codes of batches.
    batch_effects
        One per batch.
    residual
        Variance of the noise.
    missing
        Probability that the trait is NaN.
    rng
        Seed or Generator.

    Returns
    -------
    The trait and its parts.

    Raises
    ------
    ValueError
        An argument breaks its rule.
    """
    generator = as_generator(rng)
    n = int(whole_numbers(n_lines, "n_lines", minimum=1))
    if len(qtl) != len(effects):
        raise ValueError(f"{len(qtl)} QTL and {len(effects)} rows of effects; give one per QTL")
    parts = [np.asarray(p, dtype=np.float64) @ real_vector(b, "effects") for p, b in
             zip(qtl, effects, strict=True)]  # fmt: skip
    of_batch = np.zeros(n)
    if batch is not None:
        codes = whole_numbers(batch, "batch", minimum=0)
        size = real_vector(batch_effects, "batch_effects")
        refuse(codes >= size.size, "batch", codes, "has no effect", "give one effect per batch")
        of_batch = size[codes]
    drawn = _polygenic(kinship, float(within(polygenic, "polygenic", 0, np.inf)), n, generator)
    noise = np.sqrt(within(residual, "residual", 0, np.inf)) * generator.standard_normal(n)
    value = sum(parts, np.zeros(n))
    y = value + drawn + of_batch + noise
    y = np.where(generator.random(n) < within(missing, "missing", 0, 1), np.nan, y)
    table = np.array([np.asarray(b, dtype=np.float64) for b in effects])
    return SimulatedTrait(y, value, drawn, of_batch, noise, table)


def _polygenic(
    kinship: ArrayLike | None, variance: float, n: int, rng: np.random.Generator
) -> FloatArray:
    if variance == 0:
        return np.zeros(n)
    if kinship is None:
        raise ValueError("polygenic is above 0 without kinship; give the (n, n) kinship")
    values, vectors = np.linalg.eigh(2 * np.asarray(kinship, dtype=np.float64))
    root = vectors * np.sqrt(np.maximum(values, 0))
    return np.asarray(np.sqrt(variance) * root @ rng.standard_normal(n))


def _chain(n: int, k: int, cm: FloatArray, changes: float, rng: np.random.Generator) -> IntArray:
    """(n, M) codes of a chain with one rate of change, all others alike."""
    change = -np.expm1(-changes * k / (k - 1) * np.diff(cm, prepend=cm[:1]) / 100)
    change[0] = 1.0
    drawn = rng.integers(0, k, (n, cm.size))
    fresh = rng.random((n, cm.size)) < change
    last = np.maximum.accumulate(np.where(fresh, np.arange(cm.size), 0), axis=1)
    return np.asarray(np.take_along_axis(drawn, last, axis=1))
