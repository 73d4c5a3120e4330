"""Probabilities of founders along the genome, by chromosome and lazily."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, one_of, real_vector
from refsolve.core.extras import require
from refsolve.core.result import Result
from refsolve.methods.founder_hmm.kernels import passes
from refsolve.methods.founder_hmm.model.chains import (
    Mapper,
    by_chromosome,
    marker_errors,
    pieces,
    require_agreement,
)
from refsolve.methods.founder_hmm.model.designs import Design
from refsolve.methods.founder_hmm.model.emissions import state_genotypes
from refsolve.methods.founder_hmm.model.genotypes import Genotypes, Marks
from refsolve.methods.founder_hmm.model.maps import insert_pseudomarkers, merged

if TYPE_CHECKING:
    import pandas as pd

STORAGE = ("float64", "float32")
Grid = Callable[[Any, FloatArray], tuple[FloatArray, Marks]]


@dataclass(frozen=True, slots=True, eq=False)
class FounderProbabilities(Result):
    """Probabilities of S founders, or pairs of founders, in n lines; one array per chromosome.

    Attributes
    ----------
    chromosomes
        Labels.
    position
        Centimorgans (T,) of each chromosome.
    probability
        Probabilities (n, T, S) of each chromosome.
    is_marker
        Positions (T,) that are markers, of each chromosome.
    log_likelihood
        Of every line on every chromosome (n, C).
    states
        Names (S,): A, B, ... or AA, AB, BB, ...
    n_founders
        Number of founders.
    """

    chromosomes: tuple[Any, ...]
    position: tuple[FloatArray, ...]
    probability: tuple[NDArray[np.floating], ...]
    is_marker: tuple[Marks, ...]
    log_likelihood: FloatArray
    states: tuple[str, ...]
    n_founders: int

    def of(self, label: Any) -> tuple[FloatArray, NDArray[np.floating]]:
        """Positions (T,) and probabilities (n, T, S) of one chromosome.

        Parameters
        ----------
        label
            Its label.
        """
        if label not in self.chromosomes:
            raise ValueError(f"chromosome {label!r} is not among {list(self.chromosomes)}")
        at = self.chromosomes.index(label)
        return self.position[at], self.probability[at]

    def stacked(self) -> NDArray[np.floating]:
        """All positions of all chromosomes in one array (n, ΣT, S)."""
        return np.concatenate(self.probability, axis=1)

    def founders(self) -> tuple[NDArray[np.floating], ...]:
        """Expected share (n, T, K) of each founder at each place, by chromosome."""
        if len(self.states) == self.n_founders:
            return self.probability
        share = _state_shares(self.n_founders)
        return tuple(p @ share.astype(p.dtype) for p in self.probability)

    def to_frame(self) -> pd.DataFrame:
        """One row per line and position: chromosome, position, marker, and every state."""
        import pandas as pd

        n = self.log_likelihood.shape[0]
        parts = []
        for label, x, p, real in zip(
            self.chromosomes, self.position, self.probability, self.is_marker, strict=True
        ):
            keys = {
                "line": np.repeat(np.arange(n), x.size),
                "chromosome": np.repeat(np.array([label]), n * x.size),
                "position": np.tile(x, n),
                "is_marker": np.tile(real, n),
            }
            values = dict(zip(self.states, p.reshape(-1, len(self.states)).T, strict=True))
            parts.append(pd.DataFrame(keys | values))
        return pd.concat(parts, ignore_index=True)

    def to_xarray(self) -> Any:
        """An xarray.DataArray (line, locus, state) with chromosome and position as coordinates."""
        xarray = require("xarray", "singlecell")
        return xarray.DataArray(
            self.stacked(),
            dims=("line", "locus", "state"),
            coords={
                "chromosome": ("locus", self._labels()),
                "position": ("locus", np.concatenate(self.position)),
                "is_marker": ("locus", np.concatenate(self.is_marker)),
                "state": list(self.states),
            },
            name="probability",
        )

    def to_anndata(self) -> Any:
        """An anndata.AnnData: lines by loci, X the most likely state, one layer for each."""
        import pandas as pd

        anndata = require("anndata", "singlecell")
        whole = self.stacked()
        var = pd.DataFrame(
            {
                "chromosome": self._labels().astype(str),
                "position": np.concatenate(self.position),
                "is_marker": np.concatenate(self.is_marker),
            },
            index=[str(k) for k in range(whole.shape[1])],
        )
        obs = pd.DataFrame(index=[str(i) for i in range(whole.shape[0])])
        layers = {name: np.array(whole[:, :, s]) for s, name in enumerate(self.states)}
        best = whole.argmax(axis=2).astype(np.float32)
        return anndata.AnnData(X=best, obs=obs, var=var, layers=layers)

    def _labels(self) -> NDArray[Any]:
        counts = [x.size for x in self.position]
        return np.repeat(np.array(self.chromosomes), counts)


def _state_shares(K: int) -> FloatArray:
    """Share (S, K) of each founder in each unordered pair."""
    pairs = np.array([(i, j) for j in range(K) for i in range(j + 1)])
    share = np.zeros((len(pairs), K))
    for side in (0, 1):
        np.add.at(share, (np.arange(len(pairs)), pairs[:, side]), 0.5)
    return share


def state_names(design: Design) -> tuple[str, ...]:
    """Names (S,) of the states: letters while there are enough, else F1, F2, ...

    Parameters
    ----------
    design
        The population.
    """
    K = design.n_founders
    one = [chr(ord("A") + f) if K <= 26 else f"F{f + 1}" for f in range(K)]
    return tuple("".join(one[f] for f in pair) for pair in design.pairs)


class _Task(NamedTuple):
    number: int
    label: Any
    genotypes: Genotypes
    design: Design
    error: FloatArray
    position: FloatArray
    is_marker: Marks
    storage: str


def _run(task: _Task) -> tuple[int, FounderProbabilities]:
    n, S = task.genotypes.n_lines, task.design.n_states
    out = np.empty((n, task.position.size, S), task.storage)
    value = np.empty(n)
    chains = pieces(task.genotypes, task.design, task.error, task.position, task.is_marker)
    for piece in chains:
        if isinstance(piece.rows, slice) and piece.place is None:
            passes.posteriors(*piece.chain, out, value)
            continue
        shape = piece.chain.code.shape
        part, worth = np.empty((*shape, S), task.storage), np.empty(shape[0])
        passes.posteriors(*piece.chain, part, worth)
        out[piece.rows] = part if piece.place is None else part[:, :, piece.place]
        value[piece.rows] = worth
    return task.number, FounderProbabilities(
        (task.label,), (task.position,), (out,), (task.is_marker,), value[:, None],
        state_names(task.design), task.design.n_founders,
    )  # fmt: skip


def stream(
    genotypes: Genotypes,
    design: Design,
    error: ArrayLike,
    *,
    at: Mapping[Any, ArrayLike] | None = None,
    step: float | None = None,
    storage: str = "float64",
    map_: Mapper = map,
) -> Iterator[FounderProbabilities]:
    """Probabilities of one chromosome after the other, so that no more has to be in memory.

    Chromosomes come in the order of `map_`; everything is computed in float64. Added positions
    leave the probabilities at markers as they are where changes follow each other without memory,
    as in `exchangeable`. The steps of a funnel are exact between neighbouring positions only; there
    positions that are added change what is found at markers a little.

    Parameters
    ----------
    genotypes
        Calls or likelihoods.
    design
        The population, with an expansion.
    error
        Genotyping error of all markers, or of each (M,).
    at
        Positions to add, by label of the chromosome.
    step
        Width of a grid to add, in centimorgans.
    storage
        Type of the probabilities, `float64` or `float32`.
    map_
        Mapper over chromosomes.
    """
    for _, probabilities in map_(_run, _tasks(genotypes, design, error, _grid(at, step), storage)):
        yield probabilities


def reconstruct(
    genotypes: Genotypes,
    design: Design,
    error: ArrayLike,
    *,
    at: Mapping[Any, ArrayLike] | None = None,
    step: float | None = None,
    storage: str = "float64",
    map_: Mapper = map,
) -> FounderProbabilities:
    """Probabilities of founders at all markers, and between them where asked.

    Parameters
    ----------
    genotypes, design, error, at, step, storage, map_
        As in `stream`.

    Examples
    --------
    >>> from refsolve.methods.founder_hmm import Genotypes, reconstruct, ril
    >>> founders = [[0, 1], [1, 0], [0, 1]]
    >>> lines = Genotypes([[0, 1, 0], [1, -1, 1]], founders, [0.0, 1.0, 2.0])
    >>> reconstruct(lines, ril(2), 0.01).probability[0][:, 1].round(3)
    array([[1.   , 0.   ],
           [0.001, 0.999]])
    """
    parts = list(map_(_run, _tasks(genotypes, design, error, _grid(at, step), storage)))
    done = [one for _, one in sorted(parts, key=lambda part: part[0])]
    return FounderProbabilities(
        chromosomes=tuple(one.chromosomes[0] for one in done),
        position=tuple(one.position[0] for one in done),
        probability=tuple(one.probability[0] for one in done),
        is_marker=tuple(one.is_marker[0] for one in done),
        log_likelihood=np.concatenate([one.log_likelihood for one in done], axis=1),
        states=done[0].states,
        n_founders=design.n_founders,
    )


def _tasks(
    genotypes: Genotypes, design: Design, error: ArrayLike, grid: Grid, storage: str
) -> Iterable[_Task]:
    one_of(storage, "storage", STORAGE)
    require_agreement(genotypes, design)
    errors = marker_errors(error, genotypes)
    return (
        _Task(k, label, here, design, errors[where], *grid(label, here.position), storage)
        for k, label, where in by_chromosome(genotypes)
        for here in (genotypes.only(label),)
    )


def _grid(at: Mapping[Any, ArrayLike] | None, step: float | None) -> Grid:
    if at is not None and step is not None:
        raise ValueError("at and step are two ways to add positions; leave one out")
    if step is not None:
        return lambda _, marker: insert_pseudomarkers(marker, step)
    return partial(_added, at or {})


def _added(at: Mapping[Any, ArrayLike], label: Any, marker: FloatArray) -> tuple[FloatArray, Marks]:
    return merged(marker, real_vector(at.get(label, ()), "at"))


def predict_genotypes(
    genotypes: Genotypes, design: Design, error: ArrayLike, *, own: bool = False
) -> FloatArray:
    """Probability (n, M, 2) of each allele, or (n, M, 3) of each genotype, from other markers.

    Parameters
    ----------
    genotypes, design, error
        As in `stream`.
    own
        Count what is seen at the marker itself too.
    """
    require_agreement(genotypes, design)
    errors = marker_errors(error, genotypes)
    out = np.empty((genotypes.n_lines, genotypes.n_markers, design.ploidy + 1))
    for _, label, where in by_chromosome(genotypes):
        predict_chromosome(genotypes.only(label), design, errors[where], own, out[:, where])
    return out


def predict_chromosome(
    genotypes: Genotypes, design: Design, error: FloatArray, own: bool, out: FloatArray
) -> FloatArray:
    """Fill out (n, M, G) for one chromosome; log-likelihoods (n,)."""
    unknown = 0.5 if isinstance(genotypes.unknown, str) else genotypes.unknown
    states = state_genotypes(genotypes.founders, design, unknown)
    value = np.empty(genotypes.n_lines)
    for piece in pieces(genotypes, design, error):
        shape = piece.chain.code.shape
        part, worth = np.empty((*shape, out.shape[2])), np.empty(shape[0])
        here = np.ascontiguousarray(states[:, piece.founder])
        passes.predictions(*piece.chain, here, own, part, worth)
        out[piece.rows] = part
        value[piece.rows] = worth
    return value


def log_likelihood(genotypes: Genotypes, design: Design, error: ArrayLike) -> FloatArray:
    """Log-likelihood (n, C) of every line on every chromosome.

    Parameters
    ----------
    genotypes, design, error
        As in `stream`.
    """
    require_agreement(genotypes, design)
    errors = marker_errors(error, genotypes)
    out = np.empty((genotypes.n_lines, len(genotypes.chromosomes)))
    for k, label, where in by_chromosome(genotypes):
        for piece in pieces(genotypes.only(label), design, errors[where]):
            value = np.empty(piece.chain.code.shape[0])
            passes.likelihoods(*piece.chain, value)
            out[piece.rows, k] = value
    return out
