"""Instructions of likelihoods of wright_fisher."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.instructions._count import NoValgrind, count_rows
from benchmarks.options import Options
from benchmarks.report import Report, Table
from refsolve.methods.wright_fisher import Samples
from refsolve.methods.wright_fisher.model.likelihood import Likelihood

TITLE = "millions of instructions per evaluation"


def works() -> dict[str, Callable[[], object]]:
    """One group of lanes on the grid, and one value on counts, without building operators."""
    samples = Samples([0, 20, 40, 60], [6, 14, 25, 31], [40, 40, 40, 40])
    s = np.linspace(-0.02, 0.05, 8)
    grid = Likelihood(samples, np.full(61, 5000.0), mode="grid")
    exact = Likelihood(samples, np.full(61, 200.0), mode="exact")
    return {
        "grid of 128, 8 s, 60 generations": lambda: grid.at(s, 128),
        "chain on 200 counts, 1 s, 60 generations": lambda: exact.at(s[:1], 0),
    }


def run(options: Options) -> Report:
    """Count; without valgrind there is a note in place of rows."""
    try:
        rows = count_rows("wright_fisher", list(works()))
    except NoValgrind as absent:
        return Report([Table("counts", TITLE, [])], [str(absent)])
    return Report([Table("counts", TITLE, rows)])
