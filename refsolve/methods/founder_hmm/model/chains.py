"""One chromosome as the kernels take it: codes, emissions and steps, founders in funnel order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, within
from refsolve.methods.founder_hmm.model.designs import Design, step_weights
from refsolve.methods.founder_hmm.model.emissions import (
    LEAST_ERROR,
    MISSING,
    Codes,
    call_codes,
    call_emissions,
    state_genotypes,
)
from refsolve.methods.founder_hmm.model.genotypes import Genotypes, Marks

Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

AT_ONCE = 2**22  # numbers in the emissions of lines without calls


class Chain(NamedTuple):
    """Arguments of the passes: code (n, T), emission (T, C, S), weight (T, L) and the design's."""

    code: Codes
    emission: FloatArray
    weight: FloatArray
    size: IntArray
    share: FloatArray
    start: FloatArray


class Piece(NamedTuple):
    """Lines of one funnel order.

    Attributes
    ----------
    rows
        Their numbers, or all of them.
    chain
        What the passes take.
    founder
        Founder (S,) at each place of the chain.
    place
        Place (S,) of each founder; None where they are the same.
    """

    rows: IntArray | slice
    chain: Chain
    founder: IntArray
    place: IntArray | None


def marker_errors(error: ArrayLike, genotypes: Genotypes) -> FloatArray:
    """Genotyping error (M,) of every marker.

    Parameters
    ----------
    error
        One number, or one per marker.
    genotypes
        The markers.
    """
    values = within(error, "error", 0.0, 0.5)
    if values.shape not in {(), (genotypes.n_markers,)}:
        raise ValueError(
            f"error has shape {values.shape}; expected one number or ({genotypes.n_markers},)"
        )
    return np.array(np.broadcast_to(np.maximum(values, LEAST_ERROR), genotypes.n_markers))


def require_agreement(genotypes: Genotypes, design: Design) -> None:
    """Raise ValueError where the genotypes are not those of the design.

    Parameters
    ----------
    genotypes
        Calls or likelihoods.
    design
        The population.
    """
    K, n = genotypes.n_founders, genotypes.n_lines
    if K != design.n_founders:
        raise ValueError(f"founders has {K} founders and the design {design.n_founders}")
    if design.order.ndim == 2 and design.order.shape[0] != n:
        raise ValueError(
            f"the design has funnel orders of {design.order.shape[0]} lines; there are {n}"
        )
    G = design.ploidy + 1
    if genotypes.likelihood is not None and genotypes.likelihood.shape[2] != G:
        raise ValueError(
            f"likelihood has {genotypes.likelihood.shape[2]} genotypes; the design needs {G}"
        )


def pieces(
    genotypes: Genotypes,
    design: Design,
    error: FloatArray,
    position: FloatArray | None = None,
    is_marker: Marks | None = None,
) -> Iterator[Piece]:
    """Lines of one chromosome, by funnel order, ready for the passes.

    Parameters
    ----------
    genotypes
        One chromosome.
    design
        The population, with an expansion.
    error
        Of every marker (M,).
    position, is_marker
        Positions (T,), and those that are markers; the markers alone by default.
    """
    if position is None or is_marker is None:
        position, is_marker = genotypes.position, np.ones(genotypes.n_markers, np.bool_)
    weight = step_weights(design, position)
    emissions: Iterator[tuple[IntArray | slice, Codes, FloatArray]]
    if genotypes.calls is not None:
        table = _spread(call_emissions(genotypes, design, error), is_marker)
        code = np.full((genotypes.n_lines, position.size), MISSING, np.int32)
        code[:, is_marker] = call_codes(genotypes.calls)
        emissions = iter([(slice(None), code, table)])
    else:
        emissions = _by_lines(genotypes, design, is_marker)
    for rows, code, table in emissions:
        for inner, order in _orders(design, rows, code.shape[0]):
            yield _piece(design, rows, inner, order, code, table, weight)


def _piece(
    design: Design,
    rows: IntArray | slice,
    inner: IntArray | slice,
    order: IntArray,
    code: Codes,
    table: FloatArray,
    weight: FloatArray,
) -> Piece:
    same = bool((order == np.arange(order.size)).all())
    emission = table if same or design.ploidy == 2 else np.ascontiguousarray(table[:, :, order])
    chosen = rows if isinstance(inner, slice) else np.arange(code.shape[0])[inner]
    if not isinstance(inner, slice) and not isinstance(rows, slice):
        chosen = rows[inner]
    chain = Chain(
        np.ascontiguousarray(code[inner]),
        emission,
        weight,
        design.sizes,
        design.share,
        design.start,
    )
    states = np.arange(design.n_states) if design.ploidy == 2 else order
    return Piece(chosen, chain, states, None if same else np.argsort(order))


def _orders(
    design: Design, rows: IntArray | slice, n: int
) -> Iterator[tuple[IntArray | slice, IntArray]]:
    """Lines of every funnel order, among those of one set of emissions."""
    if design.order.ndim == 1:
        yield slice(None), design.order
        return
    mine = design.order[rows]
    distinct, which = np.unique(mine, axis=0, return_inverse=True)
    for at, order in enumerate(distinct):
        yield np.flatnonzero(which.reshape(n) == at), order


def _spread(emission: FloatArray, is_marker: Marks) -> FloatArray:
    """Emissions (T, C, S) that are one where there is no marker."""
    if is_marker.all():
        return emission
    out = np.ones((is_marker.size, *emission.shape[1:]))
    out[is_marker] = emission
    return out


def _by_lines(
    genotypes: Genotypes, design: Design, is_marker: Marks
) -> Iterator[tuple[IntArray, Codes, FloatArray]]:
    """Emissions of a few lines at a time, each with a code of its own."""
    likelihood = genotypes.likelihood
    assert likelihood is not None
    unknown = 0.5 if isinstance(genotypes.unknown, str) else genotypes.unknown
    states = state_genotypes(genotypes.founders, design, unknown)
    T = is_marker.size
    count = max(1, AT_ONCE // (T * design.n_states))
    for first in range(0, genotypes.n_lines, count):
        rows = np.arange(first, min(first + count, genotypes.n_lines))
        table = np.einsum("nmg,msg->mns", likelihood[rows], states)
        code = np.repeat(np.arange(rows.size, dtype=np.int32)[:, None], T, axis=1)
        yield rows, code, _spread(np.ascontiguousarray(table), is_marker)


def by_chromosome(genotypes: Genotypes) -> Iterator[tuple[int, Any, slice]]:
    """Number, label and markers of every chromosome.

    Parameters
    ----------
    genotypes
        All chromosomes.
    """
    first = 0
    for number, label in enumerate(genotypes.chromosomes):
        count = int((genotypes.chromosome == label).sum())
        yield number, label, slice(first, first + count)
        first += count
