"""Concentrations measured in batches, some of which failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import whole_numbers
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SimulatedMeasurements(Result):
    """Concentrations measured in batches.

    Attributes
    ----------
    value
        (N,) log10 concentration.
    batch
        (N,) number of the batch.
    usable
        (B,) whether each batch kept the true spread.
    sd
        True SD within usable batches.
    shift
        (B,) true mean of each batch.
    """

    value: FloatArray
    batch: IntArray
    usable: NDArray[np.bool_]
    sd: float
    shift: FloatArray


def simulate_measurements(
    *,
    sd: float,
    sizes: ArrayLike,
    mean: float = 1.0,
    shift_sd: float = 0.0,
    failed: Mapping[int, float] | None = None,
    rng: RandomSource,
) -> SimulatedMeasurements:
    """Values of one protein, normal within batches.

    Parameters
    ----------
    sd
        SD of log10 concentration within usable batches.
    sizes
        (B,) samples of each batch.
    mean
        Mean log10 concentration.
    shift_sd
        SD of the means of batches around it.
    failed
        Batch number to the factor by which its spread is multiplied.
    rng
        Seed or Generator.

    Returns
    -------
    The values with their truth.

    Examples
    --------
    >>> made = simulate_measurements(sd=0.2, sizes=[40, 40, 40], failed={1: 3.0}, rng=3)
    >>> made.usable.tolist()
    [True, False, True]
    """
    n = whole_numbers(np.atleast_1d(sizes), "sizes", minimum=2)
    if not sd > 0:
        raise ValueError(f"sd = {sd} must be above 0; give the spread within a batch")
    if not shift_sd >= 0:
        raise ValueError(f"shift_sd = {shift_sd} must be at least 0; 0 leaves batches alone")
    factor = np.ones(n.size)
    for name, spread in (failed or {}).items():
        if not (0 <= name < n.size and spread > 0):
            rule = f"must name one of the {n.size} batches (from 0) and a factor above 0"
            raise ValueError(f"failed[{name}] = {spread} {rule}; correct the mapping")
        factor[name] = spread
    generator = as_generator(rng)
    shift = shift_sd * generator.standard_normal(n.size)
    batch = np.repeat(np.arange(n.size), n)
    noise = generator.standard_normal(batch.size)
    value = mean + shift[batch] + sd * factor[batch] * noise
    return SimulatedMeasurements(value, batch, factor == 1, float(sd), mean + shift)
