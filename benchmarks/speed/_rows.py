"""Rows of the tables of speed that methods share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.clock import cpu_seconds
from benchmarks.report import NO_TARGET, Verdict, at_most


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """One workload in this process, CPU seconds on one thread.

    Attributes
    ----------
    workload
        What is done.
    cpu_least, cpu_median, repeats
        Runs after the first.
    cpu_compiling, kernels_compiled, kernels_loaded
        First run beyond the fastest: compilation, or loading from the cache.
    verdict
        Against the target.
    """

    workload: str
    cpu_least: float
    cpu_median: float
    repeats: int
    cpu_compiling: float
    kernels_compiled: int
    kernels_loaded: int
    verdict: Verdict


def speed_row(
    workload: str, work: Callable[[], Any], repeats: int, target: float | None = None
) -> SpeedRow:
    """Measure a workload.

    Parameters
    ----------
    workload
        What is done, its size included.
    work
        Does it.
    repeats
        Runs after the first.
    target
        CPU seconds that the fastest run may take.
    """
    timing = cpu_seconds(work, repeats)
    return SpeedRow(
        workload,
        timing.least,
        timing.median,
        timing.repeats,
        timing.compiling,
        timing.compiled,
        timing.loaded,
        NO_TARGET if target is None else at_most(timing.least, target, "CPU s"),
    )


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A released peer on a problem of the same size, as measured earlier and not in this run.

    Attributes
    ----------
    workload, peer
        What was compared with whom.
    cpu_published, measured
        Its CPU seconds on comparable cores, and how they were found.
    cpu_refsolve, ratio
        Ours in this run, and how many times longer the peer takes; NaN where the input is another.
    """

    workload: str
    peer: str
    cpu_published: float
    measured: str
    cpu_refsolve: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Published:
    """What is known of a released peer.

    Attributes
    ----------
    workload, peer, cpu, measured
        As in a row.
    ours
        Our workload that does the same; "" where none does.
    """

    workload: str
    peer: str
    cpu: float
    measured: str
    ours: str


def published_rows(known: Iterable[Published], rows: Iterable[SpeedRow]) -> list[PublishedRow]:
    """Rows of released peers beside those of this run.

    Parameters
    ----------
    known
        The peers.
    rows
        What was measured in this run.
    """
    ours = {row.workload: row.cpu_least for row in rows}
    nothing = float("nan")
    return [
        PublishedRow(
            one.workload,
            one.peer,
            one.cpu,
            one.measured,
            ours.get(one.ours, nothing),
            one.cpu / ours.get(one.ours, nothing),
        )
        for one in known
    ]
