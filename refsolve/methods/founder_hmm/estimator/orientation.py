"""Markers whose founder alleles are exchanged: found by their neighbours, and repaired."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.founder_hmm.estimator.evidence import MarkerEvidence, marker_evidence
from refsolve.methods.founder_hmm.estimator.fitting import (
    FINE,
    ROUGH,
    FounderFit,
    estimate,
    fit_founders,
    informative_calls,
)
from refsolve.methods.founder_hmm.estimator.moves import best_patterns, best_runs, run_gains
from refsolve.methods.founder_hmm.model.chains import Mapper, by_chromosome
from refsolve.methods.founder_hmm.model.designs import Design
from refsolve.methods.founder_hmm.model.genotypes import Genotypes, Marks

RISK = 0.01  # of a false flip in a clean data set, at most, where the model holds
ALONE = 5.0  # least log ratio of a flip, whatever the error rate of its marker
UNTIED = 0.5  # of its log ratio: what the calls at a flip may gain by having nothing to do with it
DOUBT = 0.1  # error rate of markers around which patterns are tried
RARE = 0.1  # frequency from which two founders must differ
ROUNDS = 25

Edges = tuple[float, float]
NONE: Edges = (math.nan, math.nan)


@dataclass(frozen=True, slots=True, eq=False)
class OrientationRepair(Result):
    """Genotypes with the founder alleles of exchanged markers put right, and why.

    Attributes
    ----------
    genotypes
        The repaired ones.
    fit
        Error and expansion of the repaired genotypes.
    flipped
        Markers (M,) whose founder alleles were exchanged.
    n_flipped
        Their number.
    before, after
        Evidence with no marker exchanged, and with all of `flipped`.
    log_ratio
        Log-likelihood ratio (M,) of exchanged against as recorded at the common error, or at 2 %
        where that is less, the other markers repaired. Those in `before` and `after` are less
        extreme: they leave each marker the error rate that suits it.
    gap
        Largest disagreement of kept markers and smallest of flipped ones before repair; NaN where
        none was flipped. The first may exceed the second beside other flips.
    error_gap
        The same of the error rate after repair, on the scale of the recorded alleles.
    threshold
        What `log_ratio` has to exceed.
    n_rounds
        Reconstructions that were made.
    reason
        What was found, in words.
    """

    genotypes: Genotypes
    fit: FounderFit
    flipped: Marks
    n_flipped: int
    before: MarkerEvidence
    after: MarkerEvidence
    log_ratio: FloatArray
    gap: Edges
    error_gap: Edges
    threshold: float
    n_rounds: int
    reason: str


def repair_orientation(
    genotypes: Genotypes,
    design: Design,
    *,
    error: str | ArrayLike = "common",
    map_: Mapper = map,
) -> OrientationRepair:
    """Find markers whose founder alleles are exchanged, put them right, and look again.

    Runs of up to six neighbouring markers, and patterns of five around doubtful ones, are exchanged
    while that raises the likelihood of all calls by more than the threshold. Each marker that
    remains exchanged must then do so by itself, and its calls must be likelier exchanged than
    recorded whatever the error rate of that marker, by a factor of 150. Where they are likelier
    still by their own frequency alone, as calls are that have nothing to do with the founders, it
    must be by less than half as much. In a clean data set a ratio beyond the threshold log(M/0.01)
    has a probability of at most 0.01/M by marker, because a likelihood ratio has mean one.

    This identifies a flip by the founders that neighbouring markers tell. Where all founders carry
    one allele, calls of the other one look like a flip, and exchanging it changes nothing. With
    two founders both orientations of all markers of a chromosome are alike, and the fewer are
    exchanged; a founder without a call has the allele that the other one has not where the lines
    have both, and else the marker is left as it is.

    Parameters
    ----------
    genotypes
        Calls.
    design
        The population.
    error
        As in `fit_founders`.
    map_
        Mapper over chromosomes.
    """
    threshold = math.log(genotypes.n_markers / RISK)
    whole = completed(genotypes, design)
    first = fit_founders(whole, design, error=error, map_=map_)
    before = marker_evidence(whole, first, map_=map_)
    search = _Search(whole, design, error, threshold, map_, first)
    while search.rounds < ROUNDS and search.improved():
        pass
    flips, fit = fewest(search.flips, genotypes, design), search.fit
    now = genotypes.flipped(flips)
    if fit is not first or whole is not genotypes:
        fit = estimate(now, design, error, fit, FINE, map_)
    return _report(now, fit, flips, before, threshold, search.rounds, map_)


def completed(genotypes: Genotypes, design: Design) -> Genotypes:
    """Of two founders, the unknown allele is the other one at markers where lines differ.

    Parameters
    ----------
    genotypes
        Calls.
    design
        The population.
    """
    unknown = genotypes.founders < 0
    one = unknown.sum(axis=1) == 1
    if genotypes.n_founders != 2 or not one.any():
        return genotypes
    known = informative_calls(genotypes, design)
    total = np.where(known, np.asarray(genotypes.calls), 0).sum(axis=0)
    share = total / np.maximum(design.ploidy * known.sum(axis=0), 1)
    fill = unknown & (one & (np.minimum(share, 1.0 - share) > RARE))[:, None]
    other = 1 - genotypes.founders[:, ::-1]
    return replace(genotypes, founders=np.where(fill, other, genotypes.founders))


def fewest(flips: Marks, genotypes: Genotypes, design: Design) -> Marks:
    """Flips (M,) of two founders with at most half of the markers of every chromosome.

    Parameters
    ----------
    flips
        Marks (M,).
    genotypes, design
        Markers and population; with other founders or unequal shares, the flips are as given.
    """
    if genotypes.n_founders != 2 or design.share[0] != design.share[1]:
        return flips
    out = flips.copy()
    for _, _, where in by_chromosome(genotypes):
        if 2 * int(flips[where].sum()) > flips[where].size:
            out[where] = ~flips[where]
    return out


class _Search:
    """Flips so far, and what they leave to do."""

    def __init__(
        self,
        genotypes: Genotypes,
        design: Design,
        error: str | ArrayLike,
        threshold: float,
        map_: Mapper,
        fit: FounderFit,
    ) -> None:
        self.recorded, self.design, self.error = genotypes, design, error
        self.threshold, self.map_ = threshold, map_
        self.now, self.fit, self.rounds = genotypes, fit, 1
        self.flips = np.zeros(genotypes.n_markers, np.bool_)
        # Of two founders, one without a call makes the names of both unlike.
        self.refused = np.zeros(genotypes.n_markers, np.bool_)
        if genotypes.n_founders == 2:
            self.refused = np.asarray((genotypes.founders < 0).any(axis=1))
        self.seen = {self.flips.tobytes()}

    def improved(self) -> bool:
        """Exchange what raises the likelihood, else put back what does not stand alone."""
        task = (self.now, self.fit, self.threshold, self.refused)
        chosen = self._new(best_runs(*task, self.map_))
        if not chosen.any():
            evidence = marker_evidence(self.now, self.fit, map_=self.map_)
            doubtful = evidence.error_rate > DOUBT
            chosen = self._new(best_patterns(*task, doubtful, self.map_))
            if not chosen.any():
                chosen = self.flips & ~self._confirmed(evidence)
                self.refused |= chosen
        if not chosen.any():
            return False
        self.flips = self.flips ^ chosen
        self.seen.add(self.flips.tobytes())
        self.now = self.recorded.flipped(self.flips)
        self.fit = estimate(self.now, self.design, self.error, self.fit, ROUGH, self.map_)
        self.rounds += 1
        return True

    def _confirmed(self, evidence: MarkerEvidence) -> Marks:
        """Markers (M,) that would not be put back, and whose calls depend on the founders."""
        gain = run_gains(self.now, self.fit, longest=1, map_=self.map_)[0]
        alone = evidence.log_ratio < -ALONE
        tied = evidence.association > UNTIED * evidence.log_ratio
        return np.asarray((gain < -self.threshold) & alone & tied)

    def _new(self, chosen: Marks) -> Marks:
        """Nothing, where it would lead back to flips that were tried."""
        return chosen & ((self.flips ^ chosen).tobytes() not in self.seen)


def _report(
    repaired: Genotypes,
    fit: FounderFit,
    flips: Marks,
    before: MarkerEvidence,
    threshold: float,
    rounds: int,
    map_: Mapper,
) -> OrientationRepair:
    after = marker_evidence(repaired, fit, map_=map_)
    gain = run_gains(repaired, fit, longest=1, map_=map_)[0]
    rate = np.where(flips, 1.0 - after.error_rate, after.error_rate)
    gap, error_gap = _edges(before.disagreement, flips), _edges(rate, flips)
    return OrientationRepair(
        genotypes=repaired,
        fit=fit,
        flipped=flips,
        n_flipped=int(flips.sum()),
        before=before,
        after=after,
        log_ratio=np.where(flips, -gain, gain),
        gap=gap,
        error_gap=error_gap,
        threshold=threshold,
        n_rounds=rounds,
        reason=_reason(flips, gap, error_gap),
    )


def _edges(value: FloatArray, flips: Marks) -> Edges:
    known = ~np.isnan(value)
    if not (flips & known).any() or not (~flips & known).any():
        return NONE
    return float(value[~flips & known].max()), float(value[flips & known].min())


def _reason(flips: Marks, gap: Edges, error_gap: Edges) -> str:
    if not flips.any():
        return "no marker fits its neighbours better with the founder alleles exchanged"
    return (
        f"{int(flips.sum())} of {flips.size} markers fit their neighbours only with the founder "
        f"alleles exchanged: {100 * error_gap[1]:.0f} % or more of their calls contradict the "
        f"recorded alleles, at most {100 * error_gap[0]:.0f} % at all others"
    )
