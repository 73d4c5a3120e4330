"""Speed of tracts: cohorts from arrays and from text, repairs, likelihoods; peers as measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.options import Options
from benchmarks.report import Report, Table
from benchmarks.speed._rows import Published, SpeedRow, published_rows, speed_row
from refsolve.io.msp import read_msp
from refsolve.io.tracts_bed import read_tracts_bed
from refsolve.methods.tracts import (
    PulseFit,
    Tracts,
    chain_log_likelihood,
    continuous,
    expected_histogram,
    fit_pulse,
    infer_inversions,
    pulses,
    simulate_tracts,
)

HUMAN = (
    2.86, 2.69, 2.23, 2.14, 2.04, 1.92, 1.87, 1.68, 1.66, 1.81, 1.58,
    1.75, 1.26, 1.20, 1.41, 1.34, 1.29, 1.18, 1.08, 1.08, 0.63, 0.74,
)  # fmt: skip
ARRAYS, TEXT = "pulse and interval, 1,000 individuals from arrays", "the same from a text file"
TARGETS = {ARRAYS: 0.1, TEXT: 2.0}  # CPU seconds
ONE, HISTOGRAM = "one pulse, 1 individual", "expected histogram, continuous migration"
PUBLISHED = (
    Published(ONE, "tracts 0.0.2", 4.4, "measured", ONE),
    Published("one pulse, 1,000 individuals from text", "tracts 0.0.2", 20.7, "measured", TEXT),
    Published(HISTOGRAM, "tracts 0.0.2", 0.05, "measured", HISTOGRAM),
    Published(ONE, "MultiWaver 1.0.2", 0.16, "measured", ONE),
    Published("one pulse, 1 individual, from genotypes", "Ancestry_HMM", 1.7, "measured", ""),
    Published("one pulse, 20 individuals, from genotypes", "DATES 753", 7.4, "measured", ""),
)
WINDOWS = 5000


def run(options: Options) -> Report:
    individuals = 100 if options.quick else 1000
    data = simulate_tracts(
        time=20, fraction=0.3, lengths=HUMAN, n_haplotypes=2 * individuals, rng=1
    ).observed
    with tempfile.TemporaryDirectory() as folder:
        rows = list(workloads(data, Path(folder)))
    return Report(
        tables=[
            Table("workloads", "CPU seconds, one thread, compilation apart", rows),
            Table(
                "peers",
                "released peers as measured earlier, CPU seconds",
                published_rows(PUBLISHED, rows),
            ),
        ],
        notes=[f"{individuals} individuals, {data['start'].size} tracts"],
    )


def workloads(data: dict[str, Any], folder: Path) -> Iterator[SpeedRow]:
    tracts = Tracts(**data)
    H = tracts.n_haplotypes
    table, windows = write_table(tracts, folder), write_windows(tracts, folder)
    one = tracts.of_haplotypes([0, 1])
    history = pulses([(20, [0.3, 0.7]), (8, [0.1, 0.0])])
    migration, edges = continuous(50, [0.3, 0.7], [0.01, 0.0]), np.linspace(0.0, 2.87, 51)
    runs: tuple[tuple[str, Callable[[], object], int], ...] = (
        (ARRAYS, lambda: fit_pulse(Tracts(**data), by="all"), 9),
        (TEXT, lambda: _from_text(table), 3),
        (f"pulse and interval of each of {H} haplotypes", lambda: fit_pulse(tracts), 5),
        (f"reading {WINDOWS} windows of {H} haplotypes (.msp.tsv)", lambda: read_msp(windows), 3),
        (ONE, lambda: fit_pulse(one, by="all"), 50),
        ("labels of 22 chromosomes of 1 individual", lambda: infer_inversions(one), 20),
        (
            "exact likelihood of two pulses, once",
            lambda: chain_log_likelihood(tracts, history),
            5,
        ),
        (HISTOGRAM, lambda: expected_histogram(migration, HUMAN, edges), 20),
        (
            "pulse of every haplotype with gaps, a tenth of them",
            lambda: _with_gaps(tracts),
            3,
        ),
    )
    for name, work, repeats in runs:
        yield speed_row(name, work, repeats, TARGETS.get(name))


def _from_text(path: Path) -> PulseFit:
    calls = read_tracts_bed(path, ancestries=["A", "B"])
    tracts = Tracts(
        calls.haplotype, calls.chromosome, calls.start, calls.end, calls.ancestry,
        calls.extent[:, 1],
    )  # fmt: skip
    return fit_pulse(tracts, by="all")


def _with_gaps(tracts: Tracts) -> PulseFit:
    few = tracts.of_haplotypes(np.arange(max(tracts.n_haplotypes // 10, 2)))
    return fit_pulse(few.kept(np.arange(few.n_tracts) % 10 > 0))


def write_table(tracts: Tracts, folder: Path) -> Path:
    path = folder / "tracts.tsv"
    columns = {
        "individual": tracts.haplotype // 2,
        "hap": tracts.haplotype % 2,
        "chrom": tracts.chromosome + 1,
        "anc": np.array(["A", "B"])[tracts.ancestry],
        "cM_start": (100.0 * tracts.start).round(6),
        "cM_end": (100.0 * tracts.end).round(6),
    }
    pd.DataFrame(columns).to_csv(path, sep="\t", index=False)
    return path


def write_windows(tracts: Tracts, folder: Path) -> Path:
    """The longest chromosome in windows of equal length."""
    path = folder / "windows.msp.tsv"
    names = "\t".join(f"i{h // 2}.{h % 2}" for h in range(tracts.n_haplotypes))
    head = "#Subpopulation order/codes: A=0\tB=1\n"
    head += f"#chm\tspos\tepos\tsgpos\tegpos\tn snps\t{names}\n"
    here = tracts.chromosome == 0
    edges = np.linspace(0.0, HUMAN[0], WINDOWS + 1)
    codes = np.empty((WINDOWS, tracts.n_haplotypes), np.uint8)
    for h in range(tracts.n_haplotypes):
        mine = here & (tracts.haplotype == h)
        at = np.searchsorted(tracts.start[mine], 0.5 * (edges[1:] + edges[:-1])) - 1
        codes[:, h] = tracts.ancestry[mine][at]
    text = np.full((WINDOWS, 2 * tracts.n_haplotypes), ord("\t"), np.uint8)
    text[:, ::2] = codes + ord("0")
    text[:, -1] = ord("\n")
    with path.open("wb") as file:
        file.write(head.encode())
        for w in range(WINDOWS):
            ends = f"{100.0 * edges[w]:.5f}\t{100.0 * edges[w + 1]:.5f}"
            file.write(f"1\t{w}\t{w + 1}\t{ends}\t10\t".encode() + text[w].tobytes())
    return path
