"""What a benchmark is told: every `<kind>/<method>.py` has `run(options)`, returning a report."""

from __future__ import annotations

from dataclasses import dataclass

from refsolve.parallel import Mapper


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one run.

    Attributes
    ----------
    replicates
        Simulated data sets per design; None leaves it to the benchmark.
    quick
        A small run that shows that everything works; its numbers mean little.
    map_
        Mapper over independent tasks.
    """

    replicates: int | None
    quick: bool
    map_: Mapper
