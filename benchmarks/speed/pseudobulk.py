"""Speed of pseudobulk: sums of cells, the quasi-likelihood test, and edgeR in the same run."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most
from benchmarks.speed._rows import Published, SpeedRow, published_rows, speed_row
from refsolve.core.blas import ENVIRONMENT
from refsolve.methods.pseudobulk import (
    DifferentialExpression,
    adjust_fdr,
    aggregate,
    differential_expression,
    estimate_dispersions,
    normalise,
    voom_test,
)

QUASI = "counts to quasi-likelihood p values, 20,000 genes x 40 donors"
DISPERSIONS = "dispersions, 20,000 genes x 40 donors"
FACTORS = "trimmed means of M values, 20,000 genes x 40 donors"
LINEAR = "precision weights and moderated t, 20,000 genes x 40 donors"
SUMS = "sums of 200,000 cells x 20,000 genes by donor and type"
STREAM = "sums of 1,000,000 cells x 20,000 genes, read in blocks"
TARGETS = {QUASI: 1.5, SUMS: 0.5, STREAM: 30.0}  # CPU seconds
MEMORY = 4.0  # GB, of the whole benchmark
PUBLISHED = (
    Published(QUASI, "edgeR 3.40.2, quasi-likelihood", 6.85, "measured", QUASI),
    Published(DISPERSIONS, "edgeR 3.40.2", 5.74, "measured", DISPERSIONS),
    Published(FACTORS, "edgeR 3.40.2", 0.51, "measured", FACTORS),
    Published(LINEAR, "limma 3.54.1, voom", 1.79, "measured", LINEAR),
    Published("the same by negative-binomial Wald tests", "DESeq2 1.38.3", 18.1, "measured", QUASI),
    Published(
        "the same by negative-binomial Wald tests", "PyDESeq2 0.5.4", 45.0, "measured", QUASI
    ),
    Published("the same by quasi-likelihood", "glmGamPoi 1.10.2", 12.6, "measured", QUASI),
    Published(SUMS, "scanpy 1.11.5", 0.96, "measured", SUMS),
    Published(SUMS, "scipy, product with indicators", 2.6, "measured", SUMS),
    Published(SUMS, "decoupler 2.2.0", 17.1, "measured", SUMS),
)
GENES, PER_CELL, BLOCK = 20_000, 960, 10_000


@dataclass(frozen=True, slots=True)
class PeerRun:
    """A peer on the same counts in the same run.

    Attributes
    ----------
    step, peer
        What was done by whom.
    cpu_peer, cpu_refsolve, ratio
        CPU seconds on one thread, and how many times longer the peer takes.
    discoveries_peer, discoveries_refsolve
        Genes at a false discovery rate of 5 %.
    largest_gap
        Of log10 p between the two.
    """

    step: str
    peer: str
    cpu_peer: float
    cpu_refsolve: float
    ratio: float
    discoveries_peer: int
    discoveries_refsolve: int
    largest_gap: float


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """Memory of the process at its peak.

    Attributes
    ----------
    gigabytes
        Resident, everything included.
    verdict
        Against the target.
    """

    gigabytes: float
    verdict: Verdict


def run(options: Options) -> Report:
    scale = 0.05 if options.quick else 1.0
    rows = list(_cells(scale))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0**2
    y, x = counts(int(GENES * scale))
    rows += _samples(y, x)
    tables = [
        Table("workloads", "CPU seconds, one thread, compilation apart", rows),
        Table(
            "memory",
            "peak while cells are added up, inputs included",
            [MemoryRow(memory, NO_TARGET if options.quick else at_most(memory, MEMORY, "GB"))],
        ),
        Table(
            "peers",
            "released peers as measured earlier, CPU seconds",
            published_rows(PUBLISHED, [] if options.quick else rows),
        ),
    ]
    notes = [f"{y.shape[0]} genes, cells by {scale:g} of the sizes named"]
    found = side_by_side(y, x, rows, repeats=1 if options.quick else 2)
    if found:
        tables.append(Table("same_run", "peers on the same counts in this run", found))
    else:
        notes.append("Rscript with edgeR is not installed: no peer in this run")
    return Report(tables=tables, notes=notes)


def _cells(scale: float) -> list[SpeedRow]:
    rng = np.random.default_rng(1)
    block = cells(int(BLOCK * scale), rng)
    whole = csr_array(vstack([block] * 20, format="csr"))
    stream = Repeated(block, 100)
    out = []
    for name, matrix, repeats in ((STREAM, stream, 1), (SUMS, whole, 12)):
        n = matrix.shape[0]
        by = {"donor": rng.integers(0, 40, n), "type": rng.integers(0, 4, n)}
        target = TARGETS[name] if scale == 1.0 else None
        out.append(speed_row(name, partial(aggregate, matrix, by), repeats, target))
    return out


def _samples(y: NDArray[np.float64], x: NDArray[np.float64]) -> list[SpeedRow]:
    library = normalise(y).effective
    runs = (
        (QUASI, lambda: differential_expression(y, x), 5),
        (DISPERSIONS, lambda: estimate_dispersions(y, x, library), 3),
        (FACTORS, lambda: normalise(y), 5),
        (LINEAR, lambda: voom_test(y, x, library), 3),
    )
    full = len(y) == GENES
    return [speed_row(name, do, n, TARGETS.get(name) if full else None) for name, do, n in runs]


class Repeated:
    """Cells that are read a block of rows at a time, as from a file: one block over and over."""

    def __init__(self, block: csr_array, times: int) -> None:
        self.block = block
        self.shape = (block.shape[0] * times, block.shape[1])

    def __getitem__(self, rows: slice) -> csr_array:
        start, n = rows.start % self.block.shape[0], rows.stop - rows.start
        parts = [self.block[start : start + n]]
        if (short := min(n, self.shape[0] - rows.start) - parts[0].shape[0]) > 0:
            parts.append(self.block[:short])
        return csr_array(vstack(parts, format="csr"))


def cells(n: int, rng: np.random.Generator) -> csr_array:
    """Sparse counts of n cells."""
    places = np.sort(rng.integers(0, GENES, (n, PER_CELL), np.int32), axis=1)
    values = rng.integers(1, 9, n * PER_CELL, np.int8).astype(np.float32)
    starts = np.arange(0, n * PER_CELL + 1, PER_CELL, dtype=np.int32)
    return csr_array((values, places.ravel(), starts), shape=(n, GENES))


def counts(genes: int, samples: int = 40) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of donors in four batches; one gene in twenty differs by a factor of e."""
    rng, at = np.random.default_rng(1), np.arange(samples)
    x = np.column_stack([np.ones(samples), *(at % 4 == k for k in (1, 2, 3)), at // 4 % 2])
    change = np.where(rng.random((genes, 1)) < 0.05, 1.0, 0.0) * x[:, -1]
    rate = 100.0 * np.exp(rng.normal(0.0, 1.5, (genes, 1)) + change + rng.normal(0, 0.3, samples))
    y = rng.poisson(rate * rng.gamma(8.0, 0.125, (genes, samples)))
    return y.astype(np.float64), x.astype(np.float64)


def side_by_side(
    y: NDArray[np.float64], x: NDArray[np.float64], rows: list[SpeedRow], *, repeats: int
) -> list[PeerRun]:
    """EdgeR on the same counts, where it is installed."""
    program = shutil.which("Rscript")
    script = Path(__file__).parents[1] / "peers" / "call_edger.R"
    if program is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        sizes = f"{len(y)} {y.shape[1]} {x.shape[1]} {repeats}"
        Path(folder, "sizes.txt").write_text(sizes, encoding="utf-8")
        y.ravel(order="F").tofile(Path(folder, "counts.bin"))
        x.ravel(order="F").tofile(Path(folder, "design.bin"))
        done = subprocess.run(
            [program, str(script), folder],
            env={**os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return []
        p = np.fromfile(Path(folder, "p.bin"))
        version, *seconds = Path(folder, "times.txt").read_text(encoding="utf-8").split()
    ours = {row.workload: row.cpu_least for row in rows}
    return list(_compared(differential_expression(y, x), p, version, seconds, ours))


def _compared(
    mine: DifferentialExpression,
    theirs: NDArray[np.float64],
    version: str,
    seconds: list[str],
    ours: dict[str, float],
) -> Iterator[PeerRun]:
    p = theirs[: theirs.size // 2]
    gap = float(np.abs(np.log10(p) - np.log10(mine.result.p)).max())
    found = int((adjust_fdr(p) < 0.05).sum()), mine.result.n_discoveries()
    steps = (("dispersions", DISPERSIONS, 1), ("counts to p values", QUASI, 3))
    for step, name, k in steps:
        cpu = float(seconds[k])
        yield PeerRun(step, f"edgeR {version}", cpu, ours[name], cpu / ours[name], *found, gap)
