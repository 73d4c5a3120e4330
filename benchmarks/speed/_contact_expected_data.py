"""Maps of the size of the human genome: Poisson contacts that fall with 1/distance."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from refsolve.io.cool import CoolFile, open_cool
from refsolve.io.cool_write import write_cool

FOLDER = "REFSOLVE_BENCHMARK_DATA"  # where maps are kept; a temporary folder without it
HG38 = {
    **dict(
        zip(
            (f"chr{k}" for k in range(1, 23)),
            (248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973,
             145138636, 138394717, 133797422, 135086622, 133275309, 114364328, 107043718,
             101991189, 90338345, 83257441, 80373285, 58617616, 64444167, 46709983, 50818468),
            strict=True,
        )
    ),
    "chrX": 156040895,
}  # fmt: skip
AT_ONCE = 1 << 22  # pairs drawn at once
LOOPS = 250  # per chromosome


@dataclass(frozen=True, slots=True)
class Design:
    """A map.

    Attributes
    ----------
    name
        What it is called.
    chromosomes
        How many, the largest first.
    resolution
        Length of a bin in bp.
    reach
        Largest distance in bins that has contacts.
    depth
        Expected contacts of neighbouring bins.
    seed
        Of the random numbers.
    """

    name: str
    chromosomes: int
    resolution: int
    reach: int
    depth: float
    seed: int


CHR1 = Design("chr1 at 10 kb", 1, 10_000, 400, 40.0, 1)
GENOME_100KB = Design("genome at 100 kb", 23, 100_000, 2500, 400.0, 3)
GENOME_10KB = Design("genome at 10 kb", 23, 10_000, 200, 40.0, 2)
GENOME_5KB = Design("genome at 5 kb", 23, 5_000, 200, 40.0, 4)
SMALL = Design("two chromosomes at 1 Mb", 2, 1_000_000, 100, 100.0, 5)


def map_of(design: Design) -> CoolFile:
    """The map, made when it is not there yet.

    Parameters
    ----------
    design
        Which one.
    """
    folder = Path(os.environ.get(FOLDER) or Path(tempfile.gettempdir(), "refsolve-maps"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{design.name.replace(' ', '_')}.cool"
    if not path.exists():
        rng = np.random.default_rng(design.seed)
        bins, bias = _bins(design, rng)
        write_cool(path, bins, _pixels(design, bins, bias, rng))
    return open_cool(path)


def _bins(design: Design, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Bins with the weights that undo their bias; one in sixteen has no contacts."""
    parts = []
    for name, length in list(HG38.items())[: design.chromosomes]:
        start = np.arange(0, length, design.resolution)
        end = np.minimum(start + design.resolution, length)
        parts.append(pd.DataFrame({"chrom": name, "start": start, "end": end}))
    bins = pd.concat(parts, ignore_index=True)
    bias = rng.lognormal(0.0, 0.25, len(bins))
    bias[rng.random(len(bins)) < 1 / 16] = 0.0
    with np.errstate(divide="ignore"):
        weight = 1.0 / bias / np.sqrt(2.0 * design.depth)
    return bins.assign(weight=np.where(bias > 0.0, weight, np.nan)), bias


def _pixels(
    design: Design, bins: pd.DataFrame, bias: np.ndarray, rng: np.random.Generator
) -> Iterator[pd.DataFrame]:
    first = 0
    for name in bins["chrom"].unique():
        b = bias[bins["chrom"] == name]
        reach = min(design.reach, b.size - 1)
        mean = 2.0 * design.depth / (np.arange(reach + 1) + 1.0)
        padded = np.lib.stride_tricks.sliding_window_view(np.append(b, np.zeros(reach)), reach + 1)
        rows = max(1, AT_ONCE // (reach + 1))
        for low in range(0, b.size, rows):
            i = np.arange(low, min(low + rows, b.size))
            count = rng.poisson(padded[i] * b[i, None] * mean)
            row, distance = np.nonzero(count)
            yield pd.DataFrame(
                {
                    "bin1": first + i[row],
                    "bin2": first + i[row] + distance,
                    "count": count[row, distance].astype(np.int32),
                }
            )
        first += b.size


def loops_of(cool: CoolFile) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the size of loops, on every chromosome.

    Parameters
    ----------
    cool
        The map.
    """
    rng = np.random.default_rng(1)
    low, high = cool.chrom_offset[:-1], cool.chrom_offset[1:]
    near = rng.integers((low + 20)[:, None], (high - 120)[:, None], (low.size, LOOPS)).ravel()
    return near, near + rng.integers(10, 100, near.size)
