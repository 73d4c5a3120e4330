"""Most likely and sampled paths of founders along the chromosomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, whole_numbers
from refsolve.core.result import Result
from refsolve.methods.founder_hmm.estimator.probabilities import state_names
from refsolve.methods.founder_hmm.kernels import paths
from refsolve.methods.founder_hmm.model.chains import (
    by_chromosome,
    marker_errors,
    pieces,
    require_agreement,
)
from refsolve.methods.founder_hmm.model.designs import Design
from refsolve.methods.founder_hmm.model.genotypes import Genotypes

if TYPE_CHECKING:
    import pandas as pd

States = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class FounderPaths(Result):
    """The most likely path of every line.

    Attributes
    ----------
    state
        Founder, or pair of founders, (n, M) at every marker.
    log_probability
        Of the path together with the calls (n, C), by chromosome.
    crossovers
        Changes of founder (n,) along the path, of both haplotypes.
    states
        Names (S,).
    chromosome
        Labels (M,).
    position
        Centimorgans (M,).
    """

    state: States
    log_probability: FloatArray
    crossovers: IntArray
    states: tuple[str, ...]
    chromosome: NDArray[Any]
    position: FloatArray

    def to_frame(self) -> pd.DataFrame:
        """One row per segment: line, chromosome, first and last position, markers, and state."""
        import pandas as pd

        M = self.position.size
        new = np.ones(self.state.shape, np.bool_)
        new[:, 1:] = (np.diff(self.state, axis=1) != 0) | (
            self.chromosome[1:] != self.chromosome[:-1]
        )
        line, first = np.nonzero(new)
        ends = np.append(np.flatnonzero(new.ravel())[1:], new.size) - 1
        last = ends % M
        return pd.DataFrame(
            {
                "line": line,
                "chromosome": self.chromosome[first],
                "start": self.position[first],
                "end": self.position[last],
                "markers": last - first + 1,
                "state": np.array(self.states)[self.state[line, first]],
            }
        )


def most_likely_paths(genotypes: Genotypes, design: Design, error: ArrayLike) -> FounderPaths:
    """The likeliest sequence of founders of every line (Viterbi), eq. (10).

    Parameters
    ----------
    genotypes
        Calls or likelihoods.
    design
        The population, with an expansion.
    error
        Genotyping error of all markers, or of each (M,).
    """
    require_agreement(genotypes, design)
    errors = marker_errors(error, genotypes)
    n, C = genotypes.n_lines, len(genotypes.chromosomes)
    state, value = np.empty((n, genotypes.n_markers), np.int16), np.empty((n, C))
    crossovers = np.zeros(n, np.int64)
    for k, label, where in by_chromosome(genotypes):
        for piece in pieces(genotypes.only(label), design, errors[where]):
            path, worth = (
                np.empty(piece.chain.code.shape, np.int16),
                np.empty(len(piece.chain.code)),
            )
            paths.viterbi(*piece.chain, path, worth)
            state[piece.rows, where] = piece.founder[path]
            value[piece.rows, k] = worth
        crossovers += count_changes(state[:, where], design)
    return FounderPaths(
        state, value, crossovers, state_names(design), genotypes.chromosome, genotypes.position
    )


def sample_paths(
    genotypes: Genotypes, design: Design, error: ArrayLike, n: int, rng: np.random.Generator | int
) -> States:
    """Paths (N, n, M) drawn from their posterior, eq. (10).

    Parameters
    ----------
    genotypes, design, error
        As in `most_likely_paths`.
    n
        Number N of paths of every line.
    rng
        Generator or seed.
    """
    require_agreement(genotypes, design)
    N = int(whole_numbers(n, "n", minimum=1))
    errors, generator = marker_errors(error, genotypes), np.random.default_rng(rng)
    out = np.empty((N, genotypes.n_lines, genotypes.n_markers), np.int16)
    for _, label, where in by_chromosome(genotypes):
        uniform = generator.random((N, genotypes.n_lines, where.stop - where.start))
        for piece in pieces(genotypes.only(label), design, errors[where]):
            drawn = np.ascontiguousarray(uniform[:, piece.rows])
            path = np.empty(drawn.shape, np.int16)
            paths.sample_paths(*piece.chain, design.pairs, drawn, path)
            out[:, piece.rows, where] = piece.founder[path]
    return out


def count_changes(state: NDArray[np.integer], design: Design) -> IntArray:
    """Changes of founder (...) along paths (..., T) of one chromosome, the fewest possible.

    Parameters
    ----------
    state
        Founders, or pairs of founders.
    design
        The population.
    """
    pair = design.pairs[state]
    before, after = pair[..., :-1, :], pair[..., 1:, :]
    straight = (before != after).sum(axis=-1)
    if design.ploidy == 2:
        straight = np.minimum(straight, (before != after[..., ::-1]).sum(axis=-1))
    return np.asarray(straight.sum(axis=-1), np.int64)
