"""What an observation says of states: calls, dosages, intensities, reads, eqs. (7)-(8)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from refsolve.core.check import FloatArray, within
from refsolve.methods.founder_hmm.model.designs import Design
from refsolve.methods.founder_hmm.model.genotypes import Alleles, Genotypes

Codes = NDArray[np.int32]

MISSING = 3  # code of a missing call, and the number of codes before it
LEAST_ERROR = 1e-12


def state_genotypes(founders: Alleles, design: Design, unknown: float) -> FloatArray:
    """Probability (M, S, G) of each allele, or number of alleles 1, in each state.

    Parameters
    ----------
    founders
        Alleles (M, K).
    design
        The population.
    unknown
        Probability of allele 1 in a founder that was not called.
    """
    q = np.where(founders < 0, unknown, founders)
    if design.ploidy == 1:
        return np.stack([1.0 - q, q], axis=2)
    i, j = design.pairs.T
    first, second = q[:, i], q[:, j]
    both = np.where(i == j, first, first * second)
    none = np.where(i == j, 1.0 - first, (1.0 - first) * (1.0 - second))
    return np.stack([none, 1.0 - none - both, both], axis=2)


def call_likelihood(error: FloatArray, ploidy: int) -> FloatArray:
    """Probability (M, 4, G) of calls 0, 1, 2 and none; 2 tells nothing of inbred lines."""
    G = ploidy + 1
    wrong = error[:, None, None] / ploidy
    table = np.ones((error.size, MISSING + 1, G))
    table[:, :G] = np.where(np.eye(G, dtype=np.bool_), 1.0 - error[:, None, None], wrong)
    return table


def call_codes(calls: Alleles) -> Codes:
    """Codes (n, M) of calls: 0, 1, 2, and 3 for a missing one."""
    return np.asarray(np.where(calls < 0, MISSING, calls), np.int32)


def call_emissions(genotypes: Genotypes, design: Design, error: FloatArray) -> FloatArray:
    """Probability (M, 4, S) of every call in every state.

    Parameters
    ----------
    genotypes
        Calls.
    design
        The population.
    error
        Genotyping error (M,).
    """
    peer = genotypes.unknown == "peer"
    states = state_genotypes(genotypes.founders, design, 0.5 if peer else float(genotypes.unknown))
    table = call_likelihood(np.maximum(error, LEAST_ERROR), design.ploidy)
    emission: FloatArray = np.einsum("mcg,msg->mcs", table, states)
    if peer:
        if design.ploidy == 2:
            raise ValueError("unknown is 'peer', which is for inbred lines; pass a probability")
        emission[:, 2] = np.maximum(error, LEAST_ERROR)[:, None]
        absent = np.broadcast_to(genotypes.founders[:, None, :] < 0, emission.shape)
        emission[absent] = 1.0
    return emission


def read_likelihood(
    reads_0: ArrayLike, reads_1: ArrayLike, error: float = 0.005, ploidy: int = 1
) -> FloatArray:
    """Likelihoods (n, M, ploidy + 1) of genotypes from counts of reads with either allele.

    Parameters
    ----------
    reads_0, reads_1
        Reads (n, M) with allele 0 and with allele 1; no reads tell nothing.
    error
        Probability that a read shows the other allele.
    ploidy
        1 for inbred lines, 2 for diplotypes.

    Examples
    --------
    >>> from refsolve.methods.founder_hmm import read_likelihood
    >>> read_likelihood([[3]], [[0]], error=0.1).round(4)
    array([[[1.    , 0.0014]]])
    """
    counts = [
        within(r, name, 0.0, np.inf) for r, name in ((reads_0, "reads_0"), (reads_1, "reads_1"))
    ]
    if counts[0].shape != counts[1].shape or counts[0].ndim != 2:
        raise ValueError(
            f"reads_0 {counts[0].shape} and reads_1 {counts[1].shape} must both be (lines, markers)"
        )
    one = np.array([error, 0.5, 1.0 - error]) if ploidy == 2 else np.array([error, 1.0 - error])
    if not 0.0 < error < 0.5:
        raise ValueError(f"error = {error} must lie in (0, 0.5); correct it")
    log = xlogy(counts[1][..., None], one) + xlogy(counts[0][..., None], 1.0 - one)
    return np.asarray(np.exp(log - log.max(axis=2, keepdims=True)))


def dosage_likelihood(dosage: ArrayLike, sd: float = 0.1, ploidy: int = 1) -> FloatArray:
    """Likelihoods (n, M, ploidy + 1) of genotypes from dosages with normal noise.

    Parameters
    ----------
    dosage
        Expected number of alleles 1 (n, M); NaN tells nothing.
    sd
        Standard deviation of the noise.
    ploidy
        1 for inbred lines (0 to 1), 2 for diplotypes (0 to 2).
    """
    x = np.asarray(dosage, np.float64)
    if x.ndim != 2:
        raise ValueError(f"dosage has shape {x.shape}; expected (lines, markers)")
    if not sd > 0.0:
        raise ValueError(f"sd = {sd} must be positive; correct it")
    return _normal((x[..., None] - np.arange(ploidy + 1.0)) ** 2 / sd**2)


def intensity_likelihood(
    intensity: ArrayLike, means: ArrayLike, covariances: ArrayLike
) -> FloatArray:
    """Likelihoods (n, M, G) of genotypes from two allele intensities, a normal law for each.

    Parameters
    ----------
    intensity
        Intensities (n, M, 2) of the alleles; NaN tells nothing.
    means
        Means (M, G, 2) of the genotypes, or (G, 2) of all markers; G is 2 for inbred lines.
    covariances
        Covariances (M, G, 2, 2), or (G, 2, 2).
    """
    x, mu = np.asarray(intensity, np.float64), np.asarray(means, np.float64)
    sigma = np.asarray(covariances, np.float64)
    if x.ndim != 3 or x.shape[2] != 2 or mu.shape[-1] != 2 or sigma.shape != (*mu.shape, 2):
        raise ValueError(
            f"intensity {x.shape}, means {mu.shape} and covariances {sigma.shape} do not agree; "
            "expected (lines, markers, 2), (markers, G, 2) and (markers, G, 2, 2)"
        )
    apart = x[:, :, None, :] - mu
    inverse = np.linalg.inv(sigma)
    square = np.einsum(
        "...i,...ij,...j->...", apart, np.broadcast_to(inverse, (*apart.shape, 2)), apart
    )
    return _normal(square + np.log(np.linalg.det(sigma)))


def _normal(square: FloatArray) -> FloatArray:
    """exp(-square/2) relative to the largest, and ones where it is NaN."""
    log = -0.5 * np.where(np.isnan(square).any(axis=-1, keepdims=True), 0.0, square)
    return np.asarray(np.exp(log - log.max(axis=-1, keepdims=True)))
