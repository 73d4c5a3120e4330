"""Counts drawn from the model, with everything that made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.contact_expected.simulate.design import (
    ContactDesign,
    FloatArray,
    IntArray,
    Landscape,
    check,
    draw_landscape,
)


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedContacts(Result):
    """Contact matrices of all replicates, and the truth.

    Attributes
    ----------
    bins
        One row per bin: chrom, start, end, arm, gc_content, mappability, re_sites.
    pixels
        condition, replicate, bin1, bin2, count; the upper triangle in order, without zeros.
    depth
        condition, replicate, depth: mean contacts of a plain pixel at distance 1.
    loops
        bin1, bin2 of the pixels that are raised.
    stripes
        condition, bin, log2 of the bins whose pixels all change.
    landscape
        What each bin is like.
    design
        What was asked for.
    """

    bins: pd.DataFrame
    pixels: pd.DataFrame
    depth: pd.DataFrame
    loops: pd.DataFrame
    stripes: pd.DataFrame
    landscape: Landscape
    design: ContactDesign

    def pixels_of(self, condition: str, replicate: int) -> pd.DataFrame:
        """bin1, bin2 and count of one matrix."""
        rows = self.pixels
        mine = (rows["condition"] == condition) & (rows["replicate"] == replicate)
        return rows.loc[mine, ["bin1", "bin2", "count"]].reset_index(drop=True)

    def dense(self, condition: str, replicate: int) -> FloatArray:
        """(N, N) symmetric counts of one matrix."""
        rows = self.pixels_of(condition, replicate)
        matrix = np.zeros((len(self.bins), len(self.bins)))
        matrix[rows["bin1"], rows["bin2"]] = rows["count"]
        matrix[rows["bin2"], rows["bin1"]] = rows["count"]
        return matrix

    def background(self, condition: str, bin1: ArrayLike, bin2: ArrayLike) -> FloatArray:
        """Mean contacts at depth 1, without loops and stripes: the true expected."""
        return np.exp(log_background(self.design, self.landscape, condition, bin1, bin2))

    def mean(self, condition: str, bin1: ArrayLike, bin2: ArrayLike) -> FloatArray:
        """Mean contacts at depth 1 with everything."""
        extra = log2_structure(self.design, self.loops, self.stripes, condition, bin1, bin2)
        return self.background(condition, bin1, bin2) * np.exp2(extra)

    def depth_of(self, condition: str, replicate: int) -> float:
        """Mean contacts of a plain pixel at distance 1 in one matrix."""
        rows = self.depth
        mine = (rows["condition"] == condition) & (rows["replicate"] == replicate)
        return float(rows.loc[mine, "depth"].iloc[0])


def log_background(
    design: ContactDesign, land: Landscape, condition: str, bin1: ArrayLike, bin2: ArrayLike
) -> FloatArray:
    """Log mean of pixels at depth 1, without loops and stripes.

    Parameters
    ----------
    design, land
        What the chromosomes are like.
    condition
        One of the conditions.
    bin1, bin2
        The pixels, as numbers of bins.
    """
    i, j = (np.asarray(v, dtype=np.int64) for v in (bin1, bin2))
    log_d = np.log(np.maximum(np.abs(land.position[i] - land.position[j]), 1))
    cis = design.of("decay", condition) * log_d + design.of("curvature", condition) * log_d**2
    same = land.compartment[i] * land.compartment[j]
    cis = cis + design.tad * (land.tad[i] == land.tad[j]) + design.compartment / 2 * same
    with np.errstate(divide="ignore"):
        eta = np.where(land.chromosome[i] == land.chromosome[j], cis, np.log(design.trans))
        eta = eta + design.mappability_effect * np.log(land.mappability[i] * land.mappability[j])
    eta = eta + design.of("gc_effect", condition) * ((land.gc[i] + land.gc[j]) / 2 - 0.42)
    eta = eta + design.site_effect * ((land.sites[i] + land.sites[j]) / 2 - 10)
    return np.asarray(eta + np.log(land.coverage[i] * land.coverage[j]))


def log2_structure(
    design: ContactDesign,
    loops: pd.DataFrame,
    stripes: pd.DataFrame,
    condition: str,
    bin1: ArrayLike,
    bin2: ArrayLike,
) -> FloatArray:
    """log2 by which loops and stripes of a condition change pixels."""
    i, j = (np.asarray(v, dtype=np.int64) for v in (bin1, bin2))
    extra = np.zeros(np.broadcast(i, j).shape)
    for a, b in zip(loops["bin1"], loops["bin2"], strict=True):
        extra += design.of("loop_log2", condition) * (
            (np.minimum(i, j) == a) & (np.maximum(i, j) == b)
        )
    mine = stripes[stripes["condition"] == condition]
    for a, log2 in zip(mine["bin"], mine["log2"], strict=True):
        extra += log2 * ((i == a) | (j == a))
    return extra


def simulate_contacts(
    design: ContactDesign | None = None, *, rng: RandomSource
) -> SimulatedContacts:
    """Contact matrices of every replicate, negative binomial around the model's mean.

    Parameters
    ----------
    design
        What the chromosomes look like; the default has one of 60 bins and two conditions.
    rng
        Seed or Generator.

    Returns
    -------
    The matrices with their truth.

    Raises
    ------
    ValueError
        A field of the design breaks its rule.

    Examples
    --------
    >>> data = simulate_contacts(ContactDesign(bins=(30,), loop_distance=(5, 9)), rng=1)
    >>> data.bins.shape, data.loops.to_numpy().tolist()
    ((30, 7), [[16, 23]])
    """
    design = check(design or ContactDesign())
    generator = as_generator(rng)
    land = draw_landscape(design, generator)
    loops, stripes = _draw_structure(design, land, generator)
    depth = _draw_depth(design, generator)
    parts = []
    for condition in design.conditions:
        mine = depth[depth["condition"] == condition]
        drawn = _draw_matrices(design, land, loops, stripes, condition, mine, generator)
        parts += [
            one.assign(condition=condition, replicate=number)
            for number, one in zip(mine["replicate"], drawn, strict=True)
        ]
    pixels = pd.concat(parts, ignore_index=True)
    pixels = pixels[["condition", "replicate", "bin1", "bin2", "count"]]
    return SimulatedContacts(_bin_table(design, land), pixels, depth, loops, stripes, land, design)


def _draw_structure(
    design: ContactDesign, land: Landscape, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Loops and stripes, apart from each other and from bins of low mappability."""
    free = np.ones(land.position.size, dtype=bool)
    free[land.mappability < 0.9] = False
    loops: list[tuple[int, int]] = []
    i, j = np.triu_indices(free.size, 1)
    d = np.where(land.chromosome[i] == land.chromosome[j], j - i, 0)
    near = (d >= design.loop_distance[0]) & (d <= design.loop_distance[1])
    for _ in range(design.loops):
        open_pixels = np.flatnonzero(near & free[i] & free[j])
        if open_pixels.size == 0:
            raise ValueError("loops find no free pixel; use fewer loops or a wider loop_distance")
        k = int(rng.choice(open_pixels))
        loops.append((int(i[k]), int(j[k])))
        free[[i[k], j[k]]] = False
    rows = []
    for condition in design.conditions:
        chosen = rng.choice(
            np.flatnonzero(free), int(design.of("stripes", condition)), replace=False
        )
        free[chosen] = False
        rows += [(condition, int(a), design.of("stripe_log2", condition)) for a in np.sort(chosen)]
    return (
        pd.DataFrame(sorted(loops), columns=["bin1", "bin2"]),
        pd.DataFrame(rows, columns=["condition", "bin", "log2"]),
    )


def _draw_depth(design: ContactDesign, rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        (condition, replicate, design.depth * np.exp(design.depth_sd * rng.standard_normal()))
        for condition in design.conditions
        for replicate in range(1, design.replicates + 1)
    ]
    return pd.DataFrame(rows, columns=["condition", "replicate", "depth"])


def _draw_matrices(
    design: ContactDesign,
    land: Landscape,
    loops: pd.DataFrame,
    stripes: pd.DataFrame,
    condition: str,
    depth: pd.DataFrame,
    rng: np.random.Generator,
) -> list[pd.DataFrame]:
    """Pixels with contacts of every replicate of a condition, in order."""
    found: list[list[IntArray]] = [[] for _ in depth["depth"]]
    for i, j in _stretches(design, land):
        log2 = log2_structure(design, loops, stripes, condition, i, j)
        mean = np.exp(log_background(design, land, condition, i, j)) * np.exp2(log2)
        for one, scale in zip(found, depth["depth"], strict=True):
            count = _negative_binomial(scale * mean, design.dispersion, rng)
            seen = count > 0
            one.append(np.stack([i[seen], j[seen], count[seen]]))
    tables = []
    for one in found:
        rows = np.concatenate(one, axis=1)
        rows = rows[:, np.lexsort((rows[1], rows[0]))]
        tables.append(pd.DataFrame(rows.T, columns=["bin1", "bin2", "count"]))
    return tables


def _stretches(design: ContactDesign, land: Landscape) -> Iterator[tuple[IntArray, IntArray]]:
    """Pixels of the upper triangle: cis by distance, then every bin with the later chromosomes."""
    for start, n in zip(np.flatnonzero(land.position == 0), design.bins, strict=True):
        for d in range(min(n - 1, design.reach or n) + 1):
            left = start + np.arange(n - d)
            yield left, left + d
        if design.trans > 0 and start + n < land.position.size:
            block = np.meshgrid(
                start + np.arange(n), np.arange(start + n, land.position.size), indexing="ij"
            )
            yield block[0].ravel(), block[1].ravel()


def _negative_binomial(mean: FloatArray, dispersion: float, rng: np.random.Generator) -> IntArray:
    if dispersion > 0:
        mean = mean * rng.gamma(1 / dispersion, dispersion, mean.shape)
    return rng.poisson(mean).astype(np.int64)


def _bin_table(design: ContactDesign, land: Landscape) -> pd.DataFrame:
    start = land.position * design.resolution
    split = np.round(np.asarray(design.bins) * design.centromere).astype(np.int64)
    chrom = np.char.add("chr", (land.chromosome + 1).astype(str))
    arm = np.where(land.position < split[land.chromosome], "p", "q")
    return pd.DataFrame(
        {
            "chrom": chrom.astype(object),
            "start": start,
            "end": start + design.resolution,
            "arm": np.char.add(np.char.add(chrom, "_"), arm).astype(object),
            "gc_content": land.gc,
            "mappability": land.mappability,
            "re_sites": land.sites,
        }
    )
