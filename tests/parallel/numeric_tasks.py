"""Tasks with random numbers, compiled code, and linear algebra."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info

from refsolve.core.jit import kernel
from refsolve.core.rng import as_generator


@kernel
def autoregress(noise: np.ndarray, memory: float) -> np.ndarray:
    path = np.empty_like(noise)
    level = 0.0
    for i in range(noise.size):
        level = memory * level + noise[i]
        path[i] = level
    return path


def simulate(task: tuple[int, np.random.SeedSequence]) -> tuple[int, bytes]:
    """Random numbers, a compiled recursion, and linear algebra, to the last bit."""
    index, seed = task
    rng = as_generator(seed)
    path = autoregress(rng.normal(size=300), 0.9)
    design = rng.normal(size=(300, 40))
    fit = np.linalg.solve(design.T @ design, design.T @ path)
    return index, path.tobytes() + fit.tobytes()


def blas_threads(_: int) -> set[int]:
    return {int(library["num_threads"]) for library in threadpool_info()}
