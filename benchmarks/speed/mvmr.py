"""Speed of mvmr: refits, single fits, the search for direct effects, and published peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.clock import cpu_seconds
from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most
from refsolve.methods.mvmr import (
    Summary,
    bootstrap,
    fit_gls,
    fit_gmm,
    fit_liml,
    fit_pleiotropy,
    fit_robust,
)
from refsolve.methods.mvmr.workloads import locus

VARIANTS, REFITS = 200, 1000
LIML_REFITS, GLS_REFITS = "1,000 LIML refits", "1,000 GLS refits"
LIML_FIT, GLS_FIT, GMM_FIT = "1 LIML fit", "1 GLS fit", "1 GMM fit, 30 variants"
TARGETS = {LIML_REFITS: 0.2, GLS_REFITS: 0.1}  # CPU seconds
PUBLISHED = {  # CPU seconds of MendelianRandomization 0.10.0 on comparable cores, R 4.2.2
    GLS_FIT: ("mr_mvivw(correl = TRUE)", 0.011, "measured"),
    GLS_REFITS: ("mr_mvivw(correl = TRUE)", 9.5, "10 refits measured, linear in their number"),
    LIML_FIT: ("mr_mvgmm(robust = FALSE)", 0.80, "measured"),
    LIML_REFITS: ("mr_mvgmm(robust = FALSE)", 800.0, "1 refit measured, linear in their number"),
}


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """One workload in this process, CPU seconds on one thread.

    Attributes
    ----------
    workload
        What is done; two exposures and 200 variants unless it says otherwise.
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


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A published peer on a problem of the same size; it was not run again here.

    Attributes
    ----------
    workload, peer
        What was compared with whom.
    cpu_published, measured
        Its CPU seconds, and how they were found.
    cpu_refsolve, ratio
        Ours, and how many times longer the peer took.
    """

    workload: str
    peer: str
    cpu_published: float
    measured: str
    cpu_refsolve: float
    ratio: float


def run(options: Options) -> Report:
    repeats = 3 if options.quick else 15
    rows = [row(name, work, repeats) for name, work in workloads().items()]
    ours = {one.workload: one.cpu_least for one in rows}
    peers = [
        PeerRow(name, peer, cpu, how, ours[name], cpu / ours[name])
        for name, (peer, cpu, how) in PUBLISHED.items()
    ]
    return Report(
        tables=[
            Table("workloads", "CPU seconds, one thread, compilation apart", rows),
            Table("peers", "published peers, CPU seconds", peers),
        ],
        notes=["peers were measured earlier on comparable cores and are not run again"],
    )


def workloads() -> dict[str, Callable[[], object]]:
    """What is timed."""
    data = clean(VARIANTS)
    small, spoiled = clean(30), locus(60)
    fit = fit_liml(data, overdispersion="fixed")
    return {
        GLS_FIT: lambda: fit_gls(data),
        LIML_FIT: lambda: fit_liml(data),
        "1 LIML fit, additive": lambda: fit_liml(data, overdispersion="additive"),
        "1 robust fit": lambda: fit_robust(data),
        "1 search for direct effects, 60 variants": lambda: fit_pleiotropy(spoiled),
        GMM_FIT: lambda: fit_gmm(small, 20_000, 200_000),
        GLS_REFITS: lambda: bootstrap(data, fit, estimator="gls", n=REFITS),
        LIML_REFITS: lambda: bootstrap(data, fit, n=REFITS),
    }


def clean(n_variants: int) -> Summary:
    """Instruments without direct effects."""
    data = locus(n_variants)
    rng = np.random.default_rng(1)
    noise = np.linalg.cholesky(data.ld) @ rng.standard_normal(n_variants)
    scale = 0.01  # effects per allele
    return replace(
        data,
        exposure_beta=scale * data.exposure_beta,
        exposure_se=scale * data.exposure_se,
        outcome_beta=scale * (data.exposure_beta @ [0.3, 0.3] + noise),
        outcome_se=scale * data.outcome_se,
    )


def row(name: str, work: Callable[[], object], repeats: int) -> SpeedRow:
    timing = cpu_seconds(work, repeats)
    target = TARGETS.get(name)
    verdict = NO_TARGET if target is None else at_most(timing.least, target, "CPU s")
    return SpeedRow(
        name,
        timing.least,
        timing.median,
        timing.repeats,
        timing.compiling,
        timing.compiled,
        timing.loaded,
        verdict,
    )
