"""CPU seconds of a piece of work, with compilation and loading of kernels apart."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU seconds of repeated runs in this process.

    Attributes
    ----------
    compiling
        Seconds by which the first run exceeds the fastest: compilation, or loading from the cache.
    compiled, loaded
        Kernels compiled, and kernels loaded from the cache, in the first run.
    least, median
        Seconds of the runs after the first.
    repeats
        Number of these.
    """

    compiling: float
    compiled: int
    loaded: int
    least: float
    median: float
    repeats: int


def cpu_seconds(run: Callable[[], object], repeats: int) -> Timing:
    """Run once for compilation, then `repeats` times.

    Parameters
    ----------
    run
        The work.
    repeats
        Number of timed runs.
    """
    compiled, loaded = _kernels()
    first = _once(run)
    compiled_after, loaded_after = _kernels()
    seconds = [_once(run) for _ in range(repeats)]
    least = min(seconds)
    return Timing(
        max(first - least, 0.0),
        compiled_after - compiled,
        loaded_after - loaded,
        least,
        statistics.median(seconds),
        repeats,
    )


def _once(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _kernels() -> tuple[int, int]:
    """Kernels compiled, and loaded from the cache, so far."""
    from refsolve.core.jit import registered_kernels

    used = [k.stats for k in registered_kernels().values() if hasattr(k, "stats")]
    return (
        sum(sum(stats.cache_misses.values()) for stats in used),
        sum(sum(stats.cache_hits.values()) for stats in used),
    )
