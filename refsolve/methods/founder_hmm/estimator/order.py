"""Markers at a wrong place of the map: neighbours exchanged, and markers from elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result
from refsolve.methods.founder_hmm.estimator.fitting import (
    FounderFit,
    informative_calls,
    match_probability,
)
from refsolve.methods.founder_hmm.estimator.probabilities import stream
from refsolve.methods.founder_hmm.kernels import orientation
from refsolve.methods.founder_hmm.model.chains import by_chromosome, pieces
from refsolve.methods.founder_hmm.model.genotypes import Genotypes, Marks

if TYPE_CHECKING:
    import pandas as pd

RISK = 0.01
LEAST = 0.1  # error rate of a marker that is looked for elsewhere
TOLERANT = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class OrderCheck(Result):
    """Markers that fit badly where they are, and where they fit best.

    Attributes
    ----------
    marker
        Numbers (B,) of the markers that their neighbours do not predict.
    error_rate
        Likeliest error rate (B,) at its own place.
    log_likelihood
        Of its calls at its own place (B,), with that error rate.
    best_chromosome, best_position
        Where its calls are likeliest (B,), among the other markers.
    best_log_likelihood, best_error_rate
        The same there, alleles exchanged where that is likelier.
    best_flipped
        Founder alleles are exchanged there (B,).
    moved
        The other place is likelier by more than the threshold (B,).
    exchange_gain
        Gain (M,) in log-likelihood when a marker and the next one exchange places; 0 at the last
        marker of a chromosome.
    threshold
        Log-likelihood ratio that counts.
    """

    marker: IntArray
    error_rate: FloatArray
    log_likelihood: FloatArray
    best_chromosome: NDArray[Any]
    best_position: FloatArray
    best_log_likelihood: FloatArray
    best_error_rate: FloatArray
    best_flipped: Marks
    moved: Marks
    exchange_gain: FloatArray
    threshold: float

    def to_frame(self) -> pd.DataFrame:
        """One row per suspected marker."""
        import pandas as pd

        hidden = {"exchange_gain", "threshold"}
        return pd.DataFrame(
            {name: getattr(self, name) for name in self.__slots__ if name not in hidden}
        )


def check_order(genotypes: Genotypes, fit: FounderFit) -> OrderCheck:
    """Look for markers at a wrong place.

    A marker whose calls contradict its neighbours beyond the common error is taken out, and its
    calls are compared with the founders inferred at every other marker of the genome, in either
    orientation. Neighbours that stand in the wrong order gain likelihood by an exchange.

    Parameters
    ----------
    genotypes
        Calls, after `repair_orientation`.
    fit
        Error and expansion.
    """
    threshold = math.log(genotypes.n_markers / RISK)
    fits, contrast = _own_fits(genotypes, fit)
    bad = np.flatnonzero((fits[:, 0] > LEAST) & (contrast > threshold))
    own = np.maximum(fits[bad, 1], fits[bad, 2])
    places = _places(genotypes, fit, bad)
    return OrderCheck(
        marker=bad,
        error_rate=fits[bad, 0],
        log_likelihood=own,
        best_chromosome=genotypes.chromosome[places.at],
        best_position=genotypes.position[places.at],
        best_log_likelihood=places.value,
        best_error_rate=places.error,
        best_flipped=places.flipped,
        moved=places.value - own > threshold,
        exchange_gain=_exchange_gains(genotypes, fit),
        threshold=threshold,
    )


def _own_fits(genotypes: Genotypes, fit: FounderFit) -> tuple[FloatArray, FloatArray]:
    """`mismatch_fit` of every marker, and its best log-likelihood over that of the common error."""
    fits, contrast = np.empty((genotypes.n_markers, 3)), np.empty(genotypes.n_markers)
    for _, label, where in by_chromosome(genotypes):
        match, _ = match_probability(genotypes.only(label), fit.design, fit.error[where])
        match = np.clip(match, 1e-12, 1.0 - 1e-12)
        orientation.mismatch_fits(match, fits[where])
        e = max(fit.common_error, TOLERANT)
        usual = np.nansum(np.log(match * (1.0 - e) + (1.0 - match) * e), axis=0)
        contrast[where] = fits[where, 1:].max(axis=1) - usual
    return fits, contrast


@dataclass(slots=True)
class _Places:
    at: IntArray
    value: FloatArray
    error: FloatArray
    flipped: Marks


def _places(genotypes: Genotypes, fit: FounderFit, bad: IntArray) -> _Places:
    """The place of every bad marker, among the others, at which its calls are likeliest."""
    found = _Places(
        np.zeros(bad.size, np.int64), np.full(bad.size, -np.inf), np.full(bad.size, np.nan),
        np.zeros(bad.size, np.bool_),
    )  # fmt: skip
    good = np.flatnonzero(~np.isin(np.arange(genotypes.n_markers), bad))
    if bad.size == 0 or good.size == 0:
        return found
    calls = _masked_calls(genotypes, fit)
    first = 0
    for part in stream(genotypes.kept(good), fit.design, fit.error[good]):
        share = part.founders()[0]
        where = good[first : first + share.shape[1]]
        first += share.shape[1]
        for k, marker in enumerate(bad):
            _try_places(found, k, calls[:, marker], genotypes.founders[marker], share, where)
    return found


def _masked_calls(genotypes: Genotypes, fit: FounderFit) -> FloatArray:
    if fit.design.ploidy == 2:
        raise ValueError("places are compared by the alleles of inbred lines; check each haplotype")
    assert genotypes.calls is not None
    known = informative_calls(genotypes, fit.design)
    return np.where(known, genotypes.calls, np.nan)


def _try_places(
    found: _Places,
    k: int,
    calls: FloatArray,
    founders: NDArray[np.int8],
    share: NDArray[np.floating],
    where: IntArray,
) -> None:
    allele = np.where(founders < 0, 0.5, founders)
    one = np.clip(share @ allele, 1e-12, 1.0 - 1e-12)
    match = np.where(calls[:, None] == 1.0, one, 1.0 - one)
    match[np.isnan(calls)] = np.nan
    fits = np.empty((where.size, 3))
    orientation.mismatch_fits(match, fits)
    value = fits[:, 1:].max(axis=1)
    top = int(value.argmax())
    if value[top] > found.value[k]:
        found.at[k], found.value[k] = where[top], value[top]
        found.flipped[k] = fits[top, 0] > 0.5
        found.error[k] = min(fits[top, 0], 1.0 - fits[top, 0])


def _exchange_gains(genotypes: Genotypes, fit: FounderFit) -> FloatArray:
    out = np.zeros(genotypes.n_markers)
    for _, label, where in by_chromosome(genotypes):
        gain = out[where][:-1]
        if gain.size == 0:
            continue
        for piece in pieces(genotypes.only(label), fit.design, fit.error[where]):
            orientation.exchange_gains(*piece.chain, gain)
    return out
