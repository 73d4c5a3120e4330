"""Speed of founder_hmm: probabilities of founders, estimates and repairs, beside the peers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.options import Options
from benchmarks.report import Report, Table
from benchmarks.speed._rows import Published, published_rows, speed_row
from refsolve.methods.founder_hmm import (
    Design,
    Genotypes,
    diplotypes,
    exchangeable,
    fit_founders,
    most_likely_paths,
    outbred,
    reconstruct,
    repair_orientation,
    ril,
    simulate_calls,
    simulate_map,
    simulate_outbred,
)
from refsolve.methods.founder_hmm.workloads import consumed, simulated

LARGE, SMALL = "500 lines x 20,000 markers", "500 lines x 5,000 markers"
STREAMED = f"probabilities of {LARGE}, by chromosome"
SINGLE = f"probabilities of {LARGE}, by chromosome, stored in float32"
SMALL_STREAMED = f"probabilities of {SMALL}, by chromosome"
ORDERS = f"probabilities of {SMALL}, a funnel order for each line"
REPAIR = "orientation of 360 markers, 400 lines, 12 exchanged"
TARGETS = {STREAMED: 3.0, SINGLE: 3.0, REPAIR: 3.0}
PUBLISHED = (
    Published(f"calc_genoprob, {LARGE}", "R/qtl2 0.43-5", 49.9, "lowmem=FALSE", STREAMED),
    Published(f"calc_genoprob, {SMALL}", "R/qtl2 0.43-5", 12.2, "lowmem=FALSE", SMALL_STREAMED),
    Published(f"calc.genoprob, {SMALL}", "R/qtl 1.58", 11.9, "measured", SMALL_STREAMED),
)


def run(options: Options) -> Report:
    """Time the workloads."""
    repeats = 2 if options.quick else 5
    rows = [speed_row(name, work, repeats, TARGETS.get(name)) for name, work in workloads().items()]
    notes = [
        "eight founders, five chromosomes of 100 cM; a common funnel order where none is named",
        "peers were measured earlier on comparable cores and are not run again",
    ]
    return Report(
        tables=[
            Table("workloads", "CPU seconds, one thread, compilation apart", rows),
            Table("peers", "released peers, CPU seconds", published_rows(PUBLISHED, rows)),
        ],
        notes=notes,
    )


def workloads() -> dict[str, Callable[[], object]]:
    """What is timed."""
    large, small, common = simulated(500, 4000), simulated(500, 1000), ril(8)
    own = ril(8, order=np.array([np.random.default_rng(i).permutation(8) for i in range(500)]))
    hundred = small.lines(np.arange(100))
    few = simulated(400, 72)
    flipped = few.flipped(np.arange(few.n_markers) % 30 == 5)
    mice, pairs = outbred_mice()
    return {
        STREAMED: lambda: consumed(large, common),
        SINGLE: lambda: consumed(large, common, "float32"),
        SMALL_STREAMED: lambda: consumed(small, common),
        ORDERS: lambda: consumed(small, own),
        "likeliest paths of 500 lines x 5,000 markers": lambda: most_likely_paths(
            small, common, 0.005
        ),
        "probabilities of 40 outbred mice x 1,000 markers, 36 pairs": lambda: reconstruct(
            mice, pairs, 0.005
        ),
        "error and expansion from 100 lines x 5,000 markers": lambda: fit_founders(
            hundred, exchangeable(8)
        ),
        REPAIR: lambda: repair_orientation(flipped, exchangeable(8)),
    }


def outbred_mice() -> tuple[Genotypes, Design]:
    """Forty mice of the tenth generation."""
    code, position = simulate_map(lengths=[100.0], n_markers=1000, rng=1)
    people = simulate_outbred(
        n_individuals=40, generations=10, position=position, chromosome=code,
        population_size=60, rng=1,
    )  # fmt: skip
    data = simulate_calls(people, rng=1)
    return Genotypes(**data.observed), diplotypes(outbred(10))
