"""Speed of ambient: profile, contamination, removal, and a million droplets from a file."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np

from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most
from benchmarks.speed._ambient_data import RHO, Droplets, in_memory, write_file
from benchmarks.speed._rows import Published, SpeedRow, published_rows, speed_row
from refsolve.methods.ambient import (
    ambient_profile,
    call_droplets,
    donor_contamination,
    find_unexpressed,
    remove_ambient,
    subtract_ambient,
)

SIZE = "20,000 cells x 10,000 genes"
PROFILE = "profile of 40,000 droplets x 10,000 genes"
BOTH = f"profile and contamination from a marker, {SIZE}"
SEARCH = f"contamination without a named marker, {SIZE}"
REMOVAL = f"exact removal, {SIZE}"
CLUSTERS = f"exact removal by cluster, {SIZE}"
WHOLE = f"removal of whole numbers, {SIZE}"
SUBTRACTION = f"clipped subtraction, {SIZE}"
TARGETS = {BOTH: 0.5, REMOVAL: 0.3, CLUSTERS: 0.3}  # CPU seconds
PUBLISHED = (
    Published(PROFILE, "SoupX 1.6.2", 0.23, "measured", PROFILE),
    Published(BOTH, "SoupX 1.6.2", 0.69, "measured", BOTH),
    Published(SEARCH, "SoupX 1.6.2, autoEstCont", 4.7, "measured", SEARCH),
    Published(CLUSTERS, "SoupX 1.6.2, adjustCounts", 21.6, "measured", CLUSTERS),
    Published(REMOVAL, "SoupX 1.6.2, clusters=FALSE", 227.0, "stopped before its end", REMOVAL),
    Published(PROFILE, "pysoupx 0.1.0", 0.88, "measured", PROFILE),
    Published(CLUSTERS, "pysoupx 0.1.0", 52.1, "measured", CLUSTERS),
    Published(SEARCH, "soupx-python 0.3.0", 110.0, "measured", SEARCH),
    Published("corrected counts, background given", "DecontX 1.4.0", 3.3, "31 iterations", ""),
)
ELAPSED, MEMORY = 60.0, 6.0  # seconds on two cores, GB


@dataclass(frozen=True, slots=True)
class StreamRow:
    """Raw droplets in a file: knee, test of droplets, profile, and contamination of the cells.

    Attributes
    ----------
    droplets, genes, values
        Size, and values that are stored.
    cpu, elapsed, gigabytes
        CPU seconds and elapsed seconds of one run, and the peak of the process, the other
        workloads included.
    cells, rho
        What was found.
    verdict_time, verdict_memory
        Against the targets.
    """

    droplets: int
    genes: int
    values: int
    cpu: float
    elapsed: float
    gigabytes: float
    cells: int
    rho: float
    verdict_time: Verdict
    verdict_memory: Verdict


def run(options: Options) -> Report:
    scale = 0.02 if options.quick else 1.0
    stream = streamed(int(1_000_000 * scale), 20_000, judged=not options.quick)
    data = in_memory(int(20_000 * scale), 10_000)
    rows = [
        _row(name, work, 2 if options.quick else 6, not options.quick)
        for name, work in workloads(data).items()
    ]
    return Report(
        tables=[
            Table("workloads", "CPU seconds, one thread, compilation apart", rows),
            Table("stream", "raw droplets in a file, read in blocks by one thread", [stream]),
            Table(
                "peers",
                "released peers as measured earlier, CPU seconds",
                published_rows(PUBLISHED, [] if options.quick else rows),
            ),
        ],
        notes=[f"sizes by {scale:g} of those named; {data.cells.nnz} values in the cells"],
    )


def _row(name: str, work: Callable[[], object], repeats: int, judged: bool) -> SpeedRow:
    return speed_row(name, work, repeats, TARGETS.get(name) if judged else None)


def workloads(data: Droplets) -> dict[str, Callable[[], object]]:
    """What is timed."""
    total = np.asarray(data.cells.sum(axis=1), np.float64)
    profile = ambient_profile(data.counts)

    def both() -> object:
        found = ambient_profile(data.counts)
        marker = data.cells[:, [0]].toarray().ravel()
        size = np.asarray(data.cells.sum(axis=1), np.float64)
        return donor_contamination(marker, size, None, found.share[0], share_se=found.se[0])

    return {
        PROFILE: lambda: ambient_profile(data.counts),
        BOTH: both,
        SEARCH: lambda: find_unexpressed(data.cells, data.types, profile),
        REMOVAL: lambda: remove_ambient(data.cells, profile, RHO, total=total),
        CLUSTERS: lambda: remove_ambient(data.cells, profile, RHO, clusters=data.types),
        WHOLE: lambda: remove_ambient(data.cells, profile, RHO, whole=True, rng=1),
        SUBTRACTION: lambda: subtract_ambient(data.cells, profile, RHO),
    }


def streamed(droplets: int, genes: int, *, judged: bool) -> StreamRow:
    """One run over a file, after a run on few droplets that compiles."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.h5ad"), Path(folder, "many.h5ad")
        write_file(few, 2000, genes)
        write_file(many, droplets, genes)
        _contamination(few)
        cpu, began = time.process_time(), time.perf_counter()
        cells, rho, values = _contamination(many)
        cpu, elapsed = time.process_time() - cpu, time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0**2
    return StreamRow(
        droplets, genes, values, cpu, elapsed, memory, cells, rho,
        at_most(elapsed, ELAPSED, "s") if judged else NO_TARGET,
        at_most(memory, MEMORY, "GB") if judged else NO_TARGET,
    )  # fmt: skip


def _contamination(path: Path) -> tuple[int, float, int]:
    """Cells, contamination, and values in the file."""
    raw = anndata.read_h5ad(path, backed="r")
    try:
        called = call_droplets(raw, rng=0)
        marker = np.concatenate(
            [
                raw.X[at : at + 50_000][:, [0]].toarray().ravel()
                for at in range(0, raw.n_obs, 50_000)
            ]
        )
        share, se = called.profile.share[0], called.profile.se[0]
        cell = called.cell
        found = donor_contamination(marker[cell], called.total[cell], None, share, share_se=se)
        return int(cell.sum()), float(found.rho[0]), int(raw.file["X/data"].size)
    finally:
        raw.file.close()
