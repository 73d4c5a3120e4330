"""Data sets that wright_fisher and its peers are timed on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refsolve.methods.wright_fisher.model.samples import Samples

LOCI = 1000
TIMES = np.array([0, 30, 60, 100, 130, 160, 200, 240, 270, 300])
S = np.linspace(-0.2, 0.2, 201)
E_AD, E_DA = 0.01, 0.002


@dataclass(frozen=True, slots=True)
class Data:
    """Reads of several loci through time.

    Attributes
    ----------
    generation
        (K,) of the samples.
    derived, total
        (L, K) reads.
    sizes
        (T+1,) chromosomes.
    e_ad, e_da
        Directional error.
    """

    generation: np.ndarray
    derived: np.ndarray
    total: np.ndarray
    sizes: np.ndarray
    e_ad: float
    e_da: float

    def samples(self, loci: int | slice) -> Samples:
        """What is seen at a locus, or at several."""
        return Samples(
            self.generation, self.derived[loci], self.total[loci], e_ad=self.e_ad, e_da=self.e_da
        )


def bottleneck() -> Data:
    """1,000 loci, 300 generations: 10,000 diploids, then 1,000, then growth to 50,000."""
    rng, t = np.random.default_rng(3), np.arange(301)
    growing = np.round(1000 * np.exp(np.log(50) * (t - 150) / 150))
    diploids = np.where(t < 100, 10000, np.where(t < 150, 1000, growing)).astype(int)
    s = rng.choice([0.0, 0.01, 0.03, -0.02], LOCI)
    path = [rng.uniform(0.1, 0.6, LOCI)]
    for size in 2 * diploids[1:]:
        x = path[-1]
        path.append(rng.binomial(size, x * (1 + s / 2 + s * x / 2) / (1 + s * x)) / size)
    x = np.array(path)[TIMES].T
    total = rng.integers(0, 61, (LOCI, TIMES.size))
    derived = rng.binomial(total, x * (1 - E_DA) + (1 - x) * E_AD)
    return Data(TIMES, derived, total, 2.0 * diploids, E_AD, E_DA)


def small() -> Data:
    """One locus, 100 generations of 1,000 chromosomes: small enough for the chain on counts."""
    rng, generation, size, s = np.random.default_rng(7), np.arange(0, 101, 25), 1000, 0.03
    path = [0.2]
    for _ in range(100):
        x = path[-1]
        path.append(rng.binomial(size, x * (1 + s / 2 + s * x / 2) / (1 + s * x)) / size)
    total = np.full((1, generation.size), 50)
    derived = rng.binomial(total, np.array(path)[generation])
    return Data(generation, derived, total, np.full(101, float(size)), 0.0, 0.0)
