"""Speed of count_glm: score tests, permutations, donors with intercepts, and peers in this run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.options import Options
from benchmarks.report import Report, Table
from benchmarks.speed._rows import Published, SpeedRow, published_rows, speed_row
from refsolve.io.plink import HEADER, open_plink
from refsolve.methods.count_glm import (
    CountDesign,
    ScanDesign,
    SimulatedCounts,
    SimulatedScan,
    ambient_exposure,
    fit_counts,
    fit_donors,
    make_genotypes,
    map_cis,
    simulate_counts,
    simulate_scan,
)

SIZE = "1,000 genes x 200 variants x 100 donors, 8 covariates"
SCORE = f"negative-binomial score tests, {SIZE}"
NATIVE = f"score tests with the ambient part and native variance, {SIZE}"
PERMUTED = f"the same with 1,000 permutations, {SIZE}"
DONORS = "donors with intercepts, one gene in 20,000 cells"
CELLS = "the same on cells with a covariate of cells"
COUNTS = "negative-binomial fit of one gene in 100 donors, 9 columns"
BED = "200,000 variants x 100 donors from a .bed file"
TARGETS = {SCORE: 2.0, DONORS: 0.02}  # CPU seconds
PUBLISHED = (
    Published(SCORE, "quasar 1.1.0", 2.2, "measured", SCORE),
    Published(SCORE, "jaxQTL 0.3.1", 71.0, "measured", SCORE),
    Published("the same by Wald tests, stopped", "jaxQTL 0.3.1", 280.0, "measured", SCORE),
    Published("the same by linear regression", "tensorQTL 1.0.10", 1.0, "measured", SCORE),
    Published(
        "linear regression, 1,000 permutations", "tensorQTL 1.0.10", 7.3, "measured", PERMUTED
    ),
    Published(DONORS, "GPBoost 1.8.0", 0.05, "measured", DONORS),
    Published(DONORS, "lme4, glmer", 3.3, "measured", DONORS),
    Published(DONORS, "lme4, glmer, 10 nodes", 4.8, "measured", DONORS),
    Published(DONORS, "glmmTMB", 1.5, "measured", DONORS),
    Published(DONORS, "NEBULA 1.5.6, log-normal", 0.09, "measured", DONORS),
    Published(COUNTS, "statsmodels 0.15.0", 0.011, "measured", COUNTS),
)
GENES, VARIANTS, DONOR_COUNT = 1000, 200, 100


@dataclass(frozen=True, slots=True)
class PeerRun:
    """A peer on the same numbers in the same run.

    Attributes
    ----------
    step, peer
        What was done by whom.
    cpu_peer, cpu_refsolve, ratio
        CPU seconds on one thread, and how many times longer the peer takes.
    largest_gap
        Between the effects.
    """

    step: str
    peer: str
    cpu_peer: float
    cpu_refsolve: float
    ratio: float
    largest_gap: float


def run(options: Options) -> Report:
    scale = 0.05 if options.quick else 1.0
    scan = simulate_scan(
        ScanDesign(genes=int(GENES * scale), variants=VARIANTS, donors=DONOR_COUNT), rng=1
    )
    cells = simulate_counts(CountDesign(donors=100, cells=int(200 * scale), batches=5), rng=2)
    rows = [*_scans(scan, full=not options.quick), *_one_gene(scan, cells, not options.quick)]
    ours = {row.workload: row.cpu_least for row in rows}
    peers = [*_statsmodels(scan, 10 if options.quick else 60), *_lme4(cells, ours[DONORS])]
    tables = [
        Table("workloads", "CPU seconds, one thread, compilation apart", rows),
        Table(
            "peers",
            "released peers as measured earlier, CPU seconds",
            published_rows(PUBLISHED, [] if options.quick else rows),
        ),
        Table("same_run", "peers on the same numbers in this run", peers),
    ]
    notes = [
        f"{len(scan.counts)} genes; null fits, dispersions and fits of the best variants included"
    ]
    if len(peers) == 1:
        notes.append("Rscript with lme4 is not installed: statsmodels alone in this run")
    return Report(tables=tables, notes=notes)


def covariates(scan: SimulatedScan) -> np.ndarray:
    """Intercept, four batches, four numbers."""
    extra = np.random.default_rng(3).standard_normal((DONOR_COUNT, 4))
    return np.column_stack([scan.covariates, extra])


def _scans(scan: SimulatedScan, *, full: bool) -> Iterator[SpeedRow]:
    x, span = covariates(scan), 2 * int(np.diff(scan.gene_position[:2])[0])
    where = {
        "gene_chromosome": np.arange(len(scan.counts)), "gene_position": scan.gene_position,
        "window": span,
    }  # fmt: skip
    own = np.repeat(np.arange(len(scan.counts)), VARIANTS)
    known = make_genotypes(scan.genotypes, own, scan.variant_position)
    search = partial(map_cis, scan.counts, known, x, **where)
    inside = partial(search, exposure=scan.exposure, ambient=scan.ambient)
    runs: tuple[tuple[str, Callable[[], object], int], ...] = (
        (SCORE, partial(search, family="negative_binomial"), 5),
        (NATIVE, inside, 3),
        (PERMUTED, partial(inside, permutations=1000), 2),
    )
    for name, do, repeats in runs:
        yield speed_row(name, do, repeats, TARGETS.get(name) if full else None)
    with tempfile.TemporaryDirectory() as folder:
        prefix = write_bed(Path(folder), scan)
        yield speed_row(BED, lambda: _all_of(prefix), 3)


def _all_of(prefix: Path) -> None:
    found = open_plink(prefix)
    for at in range(0, found.n_variants, 10_000):
        found.take(np.arange(at, min(at + 10_000, found.n_variants)))


def write_bed(folder: Path, scan: SimulatedScan) -> Path:
    """The genotypes as PLINK 1 files."""
    code = np.array([3, 2, 0], np.uint8)[scan.genotypes].reshape(len(scan.genotypes), -1, 4)
    packed = (code << np.array([0, 2, 4, 6], np.uint8)).sum(axis=2, dtype=np.uint8)
    header = bytes([0x6C, 0x1B, 0x01])
    assert len(header) == HEADER
    (folder / "g.bed").write_bytes(header + packed.tobytes())
    lines = [f"1\tv{k}\t0\t{p}\tA\tG\n" for k, p in enumerate(scan.variant_position)]
    (folder / "g.bim").write_text("".join(lines), encoding="utf-8")
    people = [f"d{k} d{k} 0 0 0 -9\n" for k in range(DONOR_COUNT)]
    (folder / "g.fam").write_text("".join(people), encoding="utf-8")
    return folder / "g"


def _one_gene(scan: SimulatedScan, cells: SimulatedCounts, full: bool) -> Iterator[SpeedRow]:
    x, y = covariates(scan), scan.counts[0]
    by_donor = np.column_stack([cells.covariates, cells.genotype])[cells.donor]
    phase = np.random.default_rng(4).standard_normal(cells.y.size)
    exposure = ambient_exposure(cells.total, cells.rho[cells.donor], cells.design.ambient_share)
    runs = (
        (DONORS, partial(fit_donors, cells.y, by_donor, exposure, cells.donor), 20),
        (
            CELLS,
            partial(fit_donors, cells.y, np.column_stack([by_donor, phase]), exposure, cells.donor),
            3,
        ),
        (COUNTS, partial(fit_counts, y, x, scan.total, family="negative_binomial"), 20),
    )
    for name, do, repeats in runs:
        yield speed_row(name, do, repeats, TARGETS.get(name) if full else None)


def _statsmodels(scan: SimulatedScan, n: int) -> Iterator[PeerRun]:
    """Maximum-likelihood fits with a variant among the covariates."""
    import statsmodels
    import statsmodels.api as sm

    library = scan.counts.sum(axis=0)
    designs = [np.column_stack([covariates(scan), scan.genotypes[VARIANTS * g]]) for g in range(n)]
    start, effects = time.process_time(), []
    for y, x in zip(scan.counts, designs, strict=False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first = sm.GLM(y, x, family=sm.families.Poisson(), offset=np.log(library)).fit()
            model = sm.NegativeBinomial(y, x, offset=np.log(library))
            fit = model.fit(start_params=[*first.params, 0.2], method="bfgs", maxiter=500, disp=0)
        effects.append(fit.params[-2])
    theirs = time.process_time() - start
    start = time.process_time()
    ours = [
        fit_counts(y, x, library, family="negative_binomial", dispersion="profile").effect[-1]
        for y, x in zip(scan.counts, designs, strict=False)
    ]
    mine = time.process_time() - start
    gap = float(np.median(np.abs(np.array(ours) - effects)))
    step = f"{n} negative-binomial fits by maximum likelihood (median gap)"
    yield PeerRun(step, f"statsmodels {statsmodels.__version__}", theirs, mine, theirs / mine, gap)


def _lme4(cells: SimulatedCounts, ours: float) -> Iterator[PeerRun]:
    """The intercepts without an ambient part, which the peer does not have."""
    program = shutil.which("Rscript")
    if program is None:
        return
    script = Path(__file__).parents[1] / "peers" / "call_lme4.R"
    with tempfile.TemporaryDirectory() as folder:
        batch = cells.batch[cells.donor]
        columns = {"y": cells.native, "g": cells.genotype[cells.donor], "batch": batch,
                   "donor": cells.donor, "total": cells.total}  # fmt: skip
        pd.DataFrame(columns).to_csv(Path(folder, "cells.csv"), index=False)
        done = subprocess.run(
            [program, str(script), folder], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return
        text = Path(folder, "fit.txt").read_text(encoding="utf-8").split()
    x = np.column_stack([cells.covariates, cells.genotype])[cells.donor]
    fit = fit_donors(cells.native, x, cells.total * 1.0, cells.donor, spread="ml")
    cpu, effect = float(text[1]), float(text[2])
    gap = abs(effect - float(fit.effect[-1]))
    step = f"{DONORS}, without an ambient part"
    yield PeerRun(step, f"lme4 {text[0]}, glmer, 10 nodes", cpu, ours, cpu / ours, gap)
