"""What is measured of founders and lines: calls, reads and intensities, with their troubles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import real_vector, refuse, whole_numbers, within
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.founder_hmm.simulate.populations import SimulatedLines
from refsolve.methods.founder_hmm.textbook import HET, MISSING

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SimulatedCalls(Result):
    """Calls of lines and founders: what an analyst may see, and the truth.

    Attributes
    ----------
    calls
        (n, M) inbred lines: 0, 1, 2 heterozygous; others: copies of allele 1; -1 missing.
    founders
        (M, K) alleles as recorded, -1 missing.
    chromosome, position
        (M,) codes and centimorgans as recorded.
    order
        (n, K) funnel order as recorded; no columns where there is no funnel.
    haplotype
        (n, 2, M) true founders.
    alleles
        (M, K) true founder alleles.
    wrong
        (n, M) calls that are not the genotype.
    flipped
        (M,) markers of which the founder alleles are recorded the other way round.
    line
        (n,) true line behind each row of calls.
    place
        (M,) true marker at each place of the recorded map.
    """

    calls: IntArray
    founders: IntArray
    chromosome: IntArray
    position: FloatArray
    order: IntArray
    haplotype: IntArray
    alleles: IntArray
    wrong: BoolArray
    flipped: BoolArray
    line: IntArray
    place: IntArray

    @property
    def observed(self) -> dict[str, Any]:
        """All that an analyst may see, under the argument names of `Genotypes`."""
        return {
            name: getattr(self, name) for name in ("calls", "founders", "position", "chromosome")
        }


def simulate_map(
    *, lengths: ArrayLike, n_markers: int, rng: RandomSource
) -> tuple[IntArray, FloatArray]:
    """Codes of chromosomes and centimorgans of markers, spread evenly at random.

    Parameters
    ----------
    lengths
        (C,) centimorgans of the chromosomes.
    n_markers
        Markers on each.
    rng
        Seed or Generator.
    """
    sizes, generator = real_vector(lengths, "lengths"), as_generator(rng)
    refuse(sizes <= 0, "lengths", sizes, "must be above 0", "give centimorgans")
    n = int(whole_numbers(n_markers, "n_markers", minimum=1))
    cm = [np.sort(generator.uniform(0, length, n)) for length in sizes]
    return np.repeat(np.arange(sizes.size), n), np.concatenate(cm)


def simulate_founders(*, n_markers: int, n_founders: int, rng: RandomSource) -> IntArray:
    """(M, K) alleles; at every marker at least one founder differs from the others.

    Parameters
    ----------
    n_markers
        Number of markers.
    n_founders
        Number of founders; all numbers of carriers from 1 to K - 1 are alike.
    rng
        Seed or Generator.
    """
    generator = as_generator(rng)
    n = int(whole_numbers(n_markers, "n_markers", minimum=1))
    k = int(whole_numbers(n_founders, "n_founders", minimum=2))
    carriers = generator.integers(1, k, n)
    rank = np.argsort(generator.random((n, k)), axis=1).argsort(axis=1)
    return np.asarray(rank < carriers[:, np.newaxis], dtype=np.int64)


def simulate_calls(
    lines: SimulatedLines,
    *,
    alleles: ArrayLike | None = None,
    error: float = 0.005,
    missing: float = 0.02,
    founder_missing: float = 0.0,
    flipped: Sequence[int] = (),
    swapped: Sequence[tuple[int, int]] = (),
    misplaced: Sequence[tuple[int, int]] = (),
    rng: RandomSource,
) -> SimulatedCalls:
    """Calls at all loci of the lines, and what the records make of them.

    Parameters
    ----------
    lines
        Individuals with their founders.
    alleles
        (L, K) founder alleles; None draws them.
    error
        Probability of a wrong call: of an inbred line the other allele, of an outbred one either
        of the two wrong genotypes.
    missing, founder_missing
        Probability that a call of a line or of a founder is missing.
    flipped
        Markers whose founder alleles are recorded the other way round.
    swapped
        Pairs of lines whose calls are exchanged; the funnel orders stay.
    misplaced
        Pairs of markers whose calls and founders are recorded in the place of one another.
    rng
        Seed or Generator.

    Returns
    -------
    The calls with their truth.

    Raises
    ------
    ValueError
        An argument breaks its rule.
    """
    generator, n_loci = as_generator(rng), lines.position.size
    for name, value in (
        ("error", error),
        ("missing", missing),
        ("founder_missing", founder_missing),
    ):
        within(value, name, 0, 1)
    true = _alleles(alleles, lines, generator)
    exact = genotypes(lines, true)
    calls = _with_errors(exact, lines, error, generator)
    wrong = calls != exact
    calls = np.where(generator.random(calls.shape) < missing, MISSING, calls)
    turned = np.zeros(n_loci, dtype=bool)
    turned[whole_numbers(np.array(flipped, dtype=np.int64), "flipped", minimum=0)] = True
    recorded = np.where(turned[:, np.newaxis], 1 - true, true)
    recorded = np.where(generator.random(true.shape) < founder_missing, MISSING, recorded)
    line, place = _exchanged(len(calls), swapped), _exchanged(n_loci, misplaced)
    return SimulatedCalls(
        calls=calls[line][:, place],
        founders=recorded[place],
        chromosome=lines.chromosome,
        position=lines.position,
        order=lines.order,
        haplotype=lines.haplotype,
        alleles=true,
        wrong=wrong,
        flipped=turned[place],
        line=line,
        place=place,
    )


def genotypes(lines: SimulatedLines, alleles: IntArray) -> IntArray:
    """(n, L) true genotypes in the codes of calls.

    Parameters
    ----------
    lines
        Individuals with their founders.
    alleles
        (L, K) founder alleles.
    """
    copies = alleles[np.arange(lines.position.size), lines.haplotype].sum(axis=1)
    return np.asarray(np.array([0, HET, 1])[copies] if lines.inbred else copies)


def simulate_reads(
    lines: SimulatedLines, *, alleles: ArrayLike, depth: float, error: float, rng: RandomSource
) -> IntArray:
    """(n, L, 2) reads of allele 0 and of allele 1; depth is Poisson.

    Parameters
    ----------
    lines
        Individuals with their founders.
    alleles
        (L, K) founder alleles.
    depth
        Mean reads per individual and locus.
    error
        Probability that a read shows the other allele.
    rng
        Seed or Generator.
    """
    generator = as_generator(rng)
    within(error, "error", 0, 1)
    share = _copies(lines, alleles, generator) / 2
    total = generator.poisson(within(depth, "depth", 0, np.inf, open_high=True), share.shape)
    ones = generator.binomial(total, share * (1 - error) + (1 - share) * error)
    return np.stack([total - ones, ones], axis=2)


def simulate_intensities(
    lines: SimulatedLines,
    *,
    alleles: ArrayLike,
    means: ArrayLike,
    sd: float,
    missing: float = 0.0,
    rng: RandomSource,
) -> FloatArray:
    """(n, L, 2) intensities of allele 0 and of allele 1, normal around their genotype.

    Parameters
    ----------
    lines
        Individuals with their founders.
    alleles
        (L, K) founder alleles.
    means
        (3, 2) intensities of the genotypes with 0, 1 and 2 copies of allele 1.
    sd
        Standard deviation of either intensity.
    missing
        Probability that both are NaN.
    rng
        Seed or Generator.
    """
    generator = as_generator(rng)
    centres = np.asarray(means, dtype=np.float64)
    if centres.shape != (3, 2):
        raise ValueError(f"means has shape {centres.shape}; expected (3, 2), genotypes by alleles")
    copies = _copies(lines, alleles, generator)
    seen = centres[copies] + sd * generator.standard_normal((*copies.shape, 2))
    seen[generator.random(copies.shape) < within(missing, "missing", 0, 1)] = np.nan
    return seen


def _copies(lines: SimulatedLines, alleles: ArrayLike, rng: np.random.Generator) -> IntArray:
    true = _alleles(alleles, lines, rng)
    return np.asarray(true[np.arange(lines.position.size), lines.haplotype].sum(axis=1))


def _alleles(
    alleles: ArrayLike | None, lines: SimulatedLines, rng: np.random.Generator
) -> IntArray:
    shape = (lines.position.size, lines.n_founders)
    if alleles is None:
        return simulate_founders(n_markers=shape[0], n_founders=shape[1], rng=rng)
    true = whole_numbers(alleles, "alleles", minimum=0)
    refuse(true > 1, "alleles", true, "must be 0 or 1", "code the two alleles 0 and 1")
    if true.shape != shape:
        raise ValueError(f"alleles has shape {true.shape}; expected {shape}, loci by founders")
    return true


def _with_errors(
    exact: IntArray, lines: SimulatedLines, error: float, rng: np.random.Generator
) -> IntArray:
    hit = rng.random(exact.shape) < error
    side = rng.integers(0, 2, exact.shape)
    if lines.inbred:
        return np.where(hit, np.where(exact == HET, side, 1 - exact), exact)
    return np.where(hit, (exact + 1 + side) % 3, exact)


def _exchanged(n: int, pairs: Sequence[tuple[int, int]]) -> IntArray:
    order = np.arange(n)
    for one, two in pairs:
        order[[one, two]] = order[[two, one]]
    return order
