"""Speed of mvmr: refits, single fits, the search for direct effects, and published peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.options import Options
from benchmarks.report import Report, Table
from benchmarks.speed._rows import Published, published_rows, speed_row
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
TEN = "10 refits measured, linear in their number"
ONE = "1 refit measured, linear in their number"
PUBLISHED = (  # MendelianRandomization 0.10.0, R 4.2.2
    Published(GLS_FIT, "mr_mvivw(correl = TRUE)", 0.011, "measured", GLS_FIT),
    Published(GLS_REFITS, "mr_mvivw(correl = TRUE)", 9.5, TEN, GLS_REFITS),
    Published(LIML_FIT, "mr_mvgmm(robust = FALSE)", 0.80, "measured", LIML_FIT),
    Published(LIML_REFITS, "mr_mvgmm(robust = FALSE)", 800.0, ONE, LIML_REFITS),
)


def run(options: Options) -> Report:
    repeats = 3 if options.quick else 15
    rows = [speed_row(name, work, repeats, TARGETS.get(name)) for name, work in workloads().items()]
    return Report(
        tables=[
            Table("workloads", "CPU seconds, one thread, compilation apart", rows),
            Table("peers", "published peers, CPU seconds", published_rows(PUBLISHED, rows)),
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
