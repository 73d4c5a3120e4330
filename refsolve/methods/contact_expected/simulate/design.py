"""What simulated chromosomes look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactDesign:
    """What simulated chromosomes look like, and how deeply they were sequenced.

    A value per condition may be given once for all of them.

    Attributes
    ----------
    bins
        Bins of each chromosome.
    resolution
        Base pairs of a bin.
    centromere
        Where the second arm begins, as a share of the chromosome.
    conditions, replicates
        Names of the conditions and replicates of each.
    depth, depth_sd
        Mean contacts of a plain pixel at distance 1, and SD of its logarithm between replicates.
    decay, curvature
        Per condition, slopes of the log mean by log distance in bins and by its square.
    gc_effect
        Per condition, slope by the mean GC content of both bins.
    site_effect
        Slope by the mean number of restriction sites of both bins.
    mappability_effect
        Power of the product of both mappabilities that the mean is multiplied by.
    coverage_sd
        SD of the log visibility of a bin, which no covariate explains.
    low_bins, low_mappability
        Bins of low mappability, and the range of their values.
    compartment, compartment_bins
        Log of the mean between bins of one compartment, minus that between two; mean bins in a row.
    tad, tad_bins
        Log of the mean within a domain; mean bins of a domain.
    loops, loop_log2
        Number of loops, and per condition the log2 by which each raises its pixel.
    loop_distance
        Smallest and largest distance of a loop in bins.
    stripes, stripe_log2
        Per condition, number of stripes and the log2 by which each changes all pixels of its bin.
    dispersion
        Excess variance over squared mean.
    trans
        Mean contacts between chromosomes, relative to distance 1.
    reach
        Largest distance with contacts, in bins; 0 for the whole chromosome.
    """

    bins: tuple[int, ...] = (60,)
    resolution: int = 20_000
    centromere: float = 0.4
    conditions: tuple[str, ...] = ("case", "control")
    replicates: int = 3
    depth: float = 400.0
    depth_sd: float = 0.15
    decay: tuple[float, ...] = (-0.8, -0.9)
    curvature: tuple[float, ...] = (0.0,)
    gc_effect: tuple[float, ...] = (1.5, 1.0)
    site_effect: float = 0.02
    mappability_effect: float = 1.0
    coverage_sd: float = 0.0
    low_bins: int = 3
    low_mappability: tuple[float, float] = (0.3, 0.65)
    compartment: float = 0.0
    compartment_bins: float = 15.0
    tad: float = 0.0
    tad_bins: float = 12.0
    loops: int = 1
    loop_log2: tuple[float, ...] = (2.0, 0.0)
    loop_distance: tuple[int, int] = (5, 20)
    stripes: tuple[int, ...] = (1, 0)
    stripe_log2: tuple[float, ...] = (1.0,)
    dispersion: float = 0.002
    trans: float = 0.0
    reach: int = 0

    def of(self, name: str, condition: str) -> float:
        """Value of a field that is given per condition."""
        values = getattr(self, name)
        return float(values[self.conditions.index(condition) if len(values) > 1 else 0])


class Landscape(NamedTuple):
    """What each bin is like; everything that both conditions share."""

    chromosome: IntArray  # (N,) codes
    position: IntArray  # (N,) bin within the chromosome
    gc: FloatArray  # (N,)
    mappability: FloatArray  # (N,)
    sites: IntArray  # (N,)
    coverage: FloatArray  # (N,) visibility
    compartment: IntArray  # (N,) -1 or 1
    tad: IntArray  # (N,) number of the domain


PER_CONDITION = ("decay", "curvature", "gc_effect", "loop_log2", "stripes", "stripe_log2")
RULES: dict[str, tuple[Callable[[float], bool], str]] = {
    "resolution": (lambda v: v >= 1, "must be at least 1"),
    "centromere": (lambda v: 0 <= v <= 1, "must lie in [0, 1]"),
    "replicates": (lambda v: v >= 1, "must be at least 1"),
    "depth": (lambda v: 0 < v < np.inf, "must be positive"),
    "depth_sd": (lambda v: v >= 0, "must not be negative"),
    "coverage_sd": (lambda v: v >= 0, "must not be negative"),
    "compartment_bins": (lambda v: v >= 1, "must be at least 1"),
    "tad_bins": (lambda v: v >= 1, "must be at least 1"),
    "dispersion": (lambda v: v >= 0, "must not be negative"),
    "trans": (lambda v: v >= 0, "must not be negative"),
    "reach": (lambda v: v >= 0, "must not be negative"),
}


def check(design: ContactDesign) -> ContactDesign:
    """The design, if every field follows its rule."""
    for name, (holds, rule) in RULES.items():
        value = getattr(design, name)
        if not holds(value):
            raise ValueError(f"{name} = {value} {rule}; correct the design")
    if not design.bins or min(design.bins) < 2:
        raise ValueError(f"bins = {design.bins} must name at least 2 bins for every chromosome")
    n_conditions = len(design.conditions)
    if n_conditions == 0 or len(set(design.conditions)) < n_conditions:
        raise ValueError(f"conditions = {design.conditions} must be names that differ")
    for name in PER_CONDITION:
        if len(getattr(design, name)) not in (1, n_conditions):
            raise ValueError(
                f"{name} has {len(getattr(design, name))} values; give 1 or {n_conditions}"
            )
    special = design.low_bins + max(design.stripes) * n_conditions + 2 * design.loops
    if min(design.low_bins, *design.stripes, design.loops) < 0 or special > sum(design.bins):
        raise ValueError(
            f"low_bins, stripes and loops need {special} bins of {sum(design.bins)}; use fewer"
        )
    first, last = design.loop_distance
    longest = max(design.bins) - 1
    if design.loops and not 1 <= first <= last <= longest:
        raise ValueError(f"loop_distance = ({first}, {last}) must lie in [1, {longest}] in order")
    return design


def draw_landscape(design: ContactDesign, rng: np.random.Generator) -> Landscape:
    """Bins with their covariates and structure."""
    chromosome = np.repeat(np.arange(len(design.bins)), design.bins)
    position = np.concatenate([np.arange(n) for n in design.bins])
    n = chromosome.size
    mappability = rng.uniform(0.9, 1.0, n)
    low = rng.choice(n, design.low_bins, replace=False)
    mappability[low] = rng.uniform(*design.low_mappability, low.size)
    border = position == 0
    return Landscape(
        chromosome=chromosome,
        position=position,
        gc=np.clip(_smooth_noise(n, rng) * 0.05 + 0.42, 0.25, 0.65),
        mappability=mappability,
        sites=rng.poisson(10, n).astype(np.int64),
        coverage=np.exp(design.coverage_sd * rng.standard_normal(n)),
        compartment=1 - 2 * (_segments(border, design.compartment_bins, rng) % 2),
        tad=_segments(border, design.tad_bins, rng),
    )


def _smooth_noise(n: int, rng: np.random.Generator) -> FloatArray:
    noise = rng.standard_normal(n + 4)
    return np.asarray(np.convolve(noise, np.ones(5) / np.sqrt(5), mode="valid"))


def _segments(border: NDArray[np.bool_], length: float, rng: np.random.Generator) -> IntArray:
    """Numbers of segments that begin at chromosome starts and once in `length` bins."""
    return np.cumsum(border | (rng.random(border.size) < 1 / length)).astype(np.int64)
