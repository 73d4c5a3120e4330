"""Measurements for `profile`: a workload, and what one core could do at best."""

from __future__ import annotations

import cProfile
import pstats
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refsolve.core.workload import Workload

FUNCTIONS = 6
TRIAD = 4_000_000  # numbers per array: far more than caches hold
MATRIX = 768
REPEATS = 5


@dataclass(frozen=True, slots=True)
class Machine:
    """Upper bounds of one core.

    Attributes
    ----------
    bandwidth
        Bytes per second between memory and processor, by a triad over long arrays.
    arithmetic
        Floating-point operations per second, by a product of matrices.
    """

    bandwidth: float
    arithmetic: float


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a workload takes.

    Attributes
    ----------
    name, unit
        Of the workload.
    first
        Seconds of the first run in this process, compilation or loading from the cache included.
    compilation
        Seconds by which the first run exceeds the median of warm ones.
    cache_hits, cache_misses
        Compiled functions loaded from the cache, and compiled anew, in the first run.
    least, median
        Seconds of warm runs.
    runs
        Number of warm runs.
    throughput
        Units per second of the fastest run.
    flops_rate, bytes_rate
        Operations, and bytes that must be moved, per second of the fastest run.
    peak_megabytes
        Largest memory of the process so far.
    functions
        Share of own time of the functions that take most of a warm run.
    """

    name: str
    unit: str
    first: float
    compilation: float
    cache_hits: int
    cache_misses: int
    least: float
    median: float
    runs: int
    throughput: float
    flops_rate: float
    bytes_rate: float
    peak_megabytes: float
    functions: dict[str, float]

    def against(self, machine: Machine) -> dict[str, float]:
        """Shares of what one core could do.

        Parameters
        ----------
        machine
            Upper bounds.
        """
        return {
            "bandwidth_share": self.bytes_rate / machine.bandwidth,
            "arithmetic_share": self.flops_rate / machine.arithmetic,
        }


def measure_machine() -> Machine:
    """Measure memory bandwidth and arithmetic of one core; BLAS must be on one thread."""
    import numpy as np

    a, b, c = np.zeros(TRIAD), np.ones(TRIAD), np.ones(TRIAD)
    square = np.ones((MATRIX, MATRIX))

    def triad() -> None:
        np.multiply(c, 3.0, out=a)
        np.add(a, b, out=a)

    def product() -> None:
        np.dot(square, square)

    # The two passes of a triad read c, write a, read a, read b, and write a.
    moved, computed = 5 * a.nbytes, 2 * MATRIX**3
    return Machine(moved / _least(triad), computed / _least(product))


def _least(run: Callable[[], object]) -> float:
    return min(_seconds(run) for _ in range(REPEATS))


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def time_workload(work: Workload, seconds: float) -> Timing:
    """Run a workload once cold, then warm for about the given time.

    Parameters
    ----------
    work
        The workload.
    seconds
        Time for the warm runs; there are at least three.
    """
    hits, misses = _cache_use()
    first = _seconds(work.run)
    hits_after, misses_after = _cache_use()
    warm: list[float] = []
    while len(warm) < 3 or sum(warm) < seconds:
        warm.append(_seconds(work.run))
    least, median = min(warm), statistics.median(warm)
    return Timing(
        name=work.name,
        unit=work.unit,
        first=first,
        compilation=max(first - median, 0.0),
        cache_hits=hits_after - hits,
        cache_misses=misses_after - misses,
        least=least,
        median=median,
        runs=len(warm),
        throughput=work.items / least,
        flops_rate=work.flops / least,
        bytes_rate=work.bytes / least,
        peak_megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        functions=_functions(work.run),
    )


def _cache_use() -> tuple[int, int]:
    """Kernels loaded from the cache so far, and compiled so far."""
    from refsolve.core.jit import registered_kernels

    # Without compilation kernels are plain functions and have no statistics.
    used = [k.stats for k in registered_kernels().values() if hasattr(k, "stats")]
    return (
        sum(sum(stats.cache_hits.values()) for stats in used),
        sum(sum(stats.cache_misses.values()) for stats in used),
    )


def _functions(run: Callable[[], object]) -> dict[str, float]:
    profiler = cProfile.Profile()
    profiler.runcall(run)
    table = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    total = sum(entry[2] for entry in table.values()) or 1.0
    largest = sorted(table.items(), key=lambda item: -item[1][2])[:FUNCTIONS]
    return {_place(*where): entry[2] / total for where, entry in largest}


def _place(file: str, line: int, name: str) -> str:
    return name if file == "~" else f"{Path(file).parent.name}/{Path(file).name}:{line} {name}"
