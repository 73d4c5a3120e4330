"""Small maps that the tests of expected, pile-up and balancing share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from refsolve.methods.contact_expected import (
    Contacts,
    Mask,
    combine,
    contacts_from_pixels,
    mask_bins,
    mask_rectangles,
)

SIZES = (40, 25)
BOXES = [(3, 9, 20, 30), (50, 55, 45, 65), (0, 4, 40, 60)]


class Map(NamedTuple):
    """A map of two chromosomes: as pixels, dense, its weights, and what takes part."""

    contacts: Contacts
    dense: np.ndarray
    weight: np.ndarray
    mask: Mask
    usable: np.ndarray
    chromosome: np.ndarray


def bins_of(*sizes: int, length: int = 100) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"chrom": f"chr{c}", "start": np.arange(n) * length})
        for c, n in enumerate(sizes)
    ]
    bins = pd.concat(parts, ignore_index=True)
    return bins.assign(end=bins["start"] + length)


def random_map(rng: np.random.Generator, depth: float = 30.0) -> Map:
    n = sum(SIZES)
    i, j = np.triu_indices(n)
    chromosome = np.repeat(np.arange(len(SIZES)), SIZES)
    bias = rng.lognormal(0.0, 0.3, n)
    mean = np.where(chromosome[i] == chromosome[j], depth / (1.0 + j - i), 2.0) * bias[i] * bias[j]
    count = rng.poisson(mean)
    dense = np.zeros((n, n))
    dense[i, j] = dense[j, i] = count
    there = count > 0
    contacts = contacts_from_pixels(bins_of(*SIZES), i[there], j[there], count[there])
    weight = 1.0 / bias
    weight[[7, 44]] = np.nan
    out = [12, 13, 60]
    mask = combine(contacts.chrom_offset, mask_bins(n, out), mask_rectangles(n, BOXES))
    valid = np.isfinite(weight)
    valid[out] = False
    excluded = [(a, b) for r in BOXES for a in range(*r[:2]) for b in range(*r[2:])]
    usable = np.logical_and.outer(valid, valid)
    for a, b in excluded:
        usable[a, b] = usable[b, a] = False
    return Map(contacts, dense, weight, mask, usable, chromosome)
