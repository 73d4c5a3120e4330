"""Speed of wright_fisher: curves of 201 values of s, fits, peers, limits, process start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.clock import cpu_seconds
from benchmarks.limits import Limits, measure_limits
from benchmarks.options import Options
from benchmarks.peers import Absent, Reply, ask
from benchmarks.report import NO_TARGET, Report, Table
from benchmarks.speed._process import Start, process_starts
from benchmarks.speed._rows import SpeedRow, speed_row
from benchmarks.speed._wright_fisher_data import Data, S, bottleneck, small
from refsolve.methods.wright_fisher import fit_loci, fit_selection
from refsolve.methods.wright_fisher.kernels import grid
from refsolve.methods.wright_fisher.model.likelihood import Likelihood, log_likelihood

ONE_LOCUS, ALL_LOCI = "one locus", "1,000 loci"
TARGETS = {ONE_LOCUS: 0.3, ALL_LOCI: 25.0}  # CPU seconds
PUBLISHED = {  # CPU seconds for the same workloads on comparable cores, linear in loci and s
    ("bmws", ONE_LOCUS): 2.8,
    ("bmws", ALL_LOCI): 2800.0,
    ("diplo_locus", ONE_LOCUS): 123.0,
    ("diplo_locus", ALL_LOCI): 250.0,
}
BMWS_LOCI = 2  # measured; its cost is linear in loci
DIPLO_VALUES = 3  # of s measured; its cost is linear in these
GRIDS = (128, 256, 512)
NEAR = S[np.abs(S) < 0.0501]


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A peer on the same data in the same run.

    Attributes
    ----------
    workload, peer, version
        What was compared with whom.
    cpu, cpu_compiling
        CPU seconds of the peer, scaled to the whole workload; the first run beyond the others.
    measured
        Part of the workload that was run; cost is linear in the rest.
    cpu_refsolve, ratio
        Ours, and how many times longer the peer takes.
    cpu_published
        Measured earlier on the same workload with the released package.
    remark
        Difference between the models.
    """

    workload: str
    peer: str
    version: str
    cpu: float
    cpu_compiling: float
    measured: str
    cpu_refsolve: float
    ratio: float
    cpu_published: float
    remark: str


@dataclass(frozen=True, slots=True)
class LimitRow:
    """The grid recursion against the limits of one core.

    Attributes
    ----------
    work
        What was run.
    cpu
        CPU seconds.
    gflops, gbytes
        Operations and bytes per second; operations counted from the widths of all rows, bytes as
        if no weight stayed in a cache between generations.
    of_multiply_add, of_product, of_bandwidth
        Shares of a multiply-add loop, of a BLAS product, and of the bandwidth to memory.
    operations_per_byte
        Above (operations per second) / bandwidth of the machine, memory is not what limits.
    """

    work: str
    cpu: float
    gflops: float
    gbytes: float
    of_multiply_add: float
    of_product: float
    of_bandwidth: float
    operations_per_byte: float


def run(options: Options) -> Report:
    data = bottleneck()
    rows = list(curves(data, options.quick))
    whole = [row for row in rows if row.verdict is not NO_TARGET]
    ours = {row.workload.split(" ×")[0]: row.cpu_least for row in whole}
    peers, notes = compare(data, ours, options.quick)
    starts, missing = process_starts(STARTS, options.quick)
    return Report(
        tables=[
            Table("workloads", "CPU seconds, one thread, compilation apart", rows),
            Table("peers", "the same data with peers, CPU seconds", peers),
            Table("limits", "distance to the limits of one core", limit_rows(data)),
            Table("start", "from the start of a process to the answer", starts),
        ],
        notes=notes + missing,
    )


def curves(data: Data, quick: bool) -> list[SpeedRow]:
    """The workloads of this method; `quick` leaves out the long ones."""
    generations = data.sizes.size - 1
    what = f"× {S.size} s × {generations} generations, changing size"
    rows = [
        speed_row(f"{ONE_LOCUS} {what}", lambda: _curve(data, 0, "auto"), 9, TARGETS[ONE_LOCUS]),
        speed_row(
            f"one locus × {NEAR.size} s of |s| ≤ 0.05, same schedule",
            lambda: _curve(data, 0, "auto", NEAR),
            9,
        ),
        speed_row(
            f"chain on 1,000 counts × {S.size} s × 100 generations",
            lambda: _curve(small(), 0, "exact"),
            3,
        ),
        speed_row("fit of s, one locus, changing size", lambda: _fit(data), 5),
    ]
    if not quick:
        everything = slice(None)
        rows += [
            speed_row(
                f"{ALL_LOCI} {what}", lambda: _curve(data, everything, "auto"), 1, TARGETS[ALL_LOCI]
            ),
            speed_row("fits of s, 100 loci in one call", lambda: _fit_many(data), 1),
        ]
    return rows


def _curve(data: Data, loci: int | slice, mode: str, s: np.ndarray = S) -> Any:
    return log_likelihood(data.samples(loci), data.sizes, s, ploidy="diploid", mode=mode)


def _fit(data: Data) -> Any:
    return fit_selection(data.samples(0), data.sizes, ploidy="diploid")


def _fit_many(data: Data) -> Any:
    return fit_loci(data.samples(slice(100)), data.sizes, ploidy="diploid")


def compare(data: Data, ours: dict[str, float], quick: bool) -> tuple[list[PeerRow], list[str]]:
    """Peers that are installed, and a line for each that is not."""
    rows, notes = [], []
    for work in (_bmws, _diplo_locus):
        try:
            rows += work(data, ours, quick)
        except Absent as absent:
            notes.append(str(absent))
    return rows, notes


def _ask(peer: str, data: Data, loci: slice, s: np.ndarray, repeats: int) -> Reply:
    return ask(
        peer, generation=data.generation, derived=data.derived[loci], total=data.total[loci],
        sizes=data.sizes, s=s, repeats=repeats,
    )  # fmt: skip


def _bmws(data: Data, ours: dict[str, float], quick: bool) -> list[PeerRow]:
    rows = []
    for workload, loci in ((ONE_LOCUS, 1), (ALL_LOCI, BMWS_LOCI)):
        if workload not in ours or (quick and loci > 1):
            continue
        reply = _ask("bmws", data, slice(loci), S, 3 if loci == 1 else 1)
        scale = 1 if workload == ONE_LOCUS else data.derived.shape[0] / loci
        rows.append(
            _peer_row(
                workload,
                "bmws",
                reply,
                scale,
                f"{loci} of the loci",
                ours,
                "changing size, no directional error",
            )
        )
    return rows


def _diplo_locus(data: Data, ours: dict[str, float], quick: bool) -> list[PeerRow]:
    rows = []
    s = np.linspace(S[0], S[-1], DIPLO_VALUES)
    for workload, loci in ((ONE_LOCUS, 1), (ALL_LOCI, data.derived.shape[0])):
        if workload not in ours or (quick and loci > 1):
            continue
        reply = _ask("diplo_locus", data, slice(loci), s, 1)
        rows.append(
            _peer_row(
                workload,
                "diplo_locus",
                reply,
                S.size / s.size,
                f"{s.size} of the values of s",
                ours,
                "constant harmonic size, no directional error",
            )
        )
    return rows


def _peer_row(
    workload: str,
    peer: str,
    reply: Reply,
    scale: float,
    part: str,
    ours: dict[str, float],
    remark: str,
) -> PeerRow:
    least = float(np.min(reply.cpu))
    return PeerRow(
        workload,
        peer,
        reply.version,
        scale * least,
        max(reply.first - least, 0.0),
        part,
        ours[workload],
        scale * least / ours[workload],
        PUBLISHED[peer, workload],
        remark,
    )


def limit_rows(data: Data) -> list[LimitRow]:
    limits = measure_limits()
    model = Likelihood(data.samples(0), data.sizes, ploidy="diploid", mode="grid")
    s = np.linspace(0.0, 0.02, 5 * grid.LANES)
    rows = []
    for K in GRIDS:
        operations, moved = recursion_cost(model, s, K)
        seconds = cpu_seconds(partial(model.at, s, K), 5).least
        rows.append(
            LimitRow(
                f"one locus × {s.size} s, grid of {K}",
                seconds,
                operations / seconds / 1e9,
                moved / seconds / 1e9,
                operations / seconds / limits.multiply_add,
                operations / seconds / limits.product,
                moved / seconds / limits.bandwidth,
                operations / moved,
            )
        )
    return [
        *rows,
        _roof("multiply-add loop", limits.multiply_add, limits),
        _roof("product of matrices", limits.product, limits),
    ]


def _roof(name: str, rate: float, limits: Limits) -> LimitRow:
    """What the machine can do; bytes are those of a triad over long arrays."""
    return LimitRow(
        f"this machine, {name}",
        float("nan"),
        rate / 1e9,
        limits.bandwidth / 1e9,
        rate / limits.multiply_add,
        rate / limits.product,
        1.0,
        rate / limits.bandwidth,
    )


def recursion_cost(model: Likelihood, s: np.ndarray, K: int) -> tuple[float, float]:
    """Operations and bytes of the recursion of one locus at the values `s`, from its row widths.

    Per generation and lane: one multiplication and one addition per weight of B_M and of C_s. Read
    once per generation: the weights of B_M, those of C_s of every lane, and two vectors each way.
    """
    setting = model.setting(K)
    lanes = grid.LANES
    produced = setting.drift_of[1:]
    drift = float(model.drift(K).width.sum(axis=1)[produced[produced >= 0]].sum())
    operations = moved = 0.0
    for group in s.reshape(-1, lanes):
        width = grid.lane_selection(group, model.h, model.diploid, K)[1].shape[1]
        selection = produced.size * (K + 1) * width
        operations += 2.0 * lanes * (drift + selection)
        vectors = 4 * produced.size * (K + 1) * lanes
        moved += 8.0 * (drift + selection * lanes + vectors)
    return operations, moved


SOLVER = "wf_selection"
LIKELIHOOD = """
import numpy as np
from refsolve.methods.wright_fisher.model.likelihood import log_likelihood
from refsolve.methods.wright_fisher.model.samples import Samples
samples = Samples([0, 40, 80], [6, 14, 25], [40, 40, 40])
print(log_likelihood(samples, np.full(81, 4e4), np.linspace(-0.1, 0.1, 81)).log_likelihood.max())
"""
REFSOLVE = ("-c", "from refsolve.cli.main import main; main()")
STARTS = [
    Start("one curve of 81 s, grid", ("-c", LIKELIHOOD), None, None, None),
    Start(
        f"refsolve solve {SOLVER}",
        (*REFSOLVE, "solve", SOLVER, "{case}", "--json"),
        2.0,
        15.0,
        (*REFSOLVE, "generate", SOLVER, "{case}", "--seed", "1"),
    ),
]
