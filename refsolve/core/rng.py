"""Seeds: every random number comes from a Generator that the caller can name."""

from __future__ import annotations

import numpy as np

RandomSource = int | np.random.SeedSequence | np.random.Generator | None


def as_generator(rng: RandomSource) -> np.random.Generator:
    """Generator made from a seed, a seed sequence, or taken as it is.

    Parameters
    ----------
    rng
        Seed, SeedSequence, Generator, or None for an unpredictable one.

    Returns
    -------
    A Generator; never NumPy's global state.
    """
    return np.random.default_rng(rng)


def spawn(seed: int, n: int) -> list[np.random.SeedSequence]:
    """Seeds of `n` independent tasks, the same for any number of workers.

    Parameters
    ----------
    seed
        Seed of the whole run.
    n
        Number of tasks.

    Returns
    -------
    One SeedSequence per task.
    """
    return np.random.SeedSequence(seed).spawn(n)
