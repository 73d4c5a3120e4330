"""Speed of contact_expected beside cooltools and cooler: expected, pile-up, balancing, memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.clock import cpu_seconds
from benchmarks.options import Options
from benchmarks.peers import Absent, answer
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most
from benchmarks.speed._contact_expected_data import (
    CHR1,
    GENOME_5KB,
    GENOME_10KB,
    GENOME_100KB,
    SMALL,
    Design,
    loops_of,
    map_of,
)
from benchmarks.speed._process import ROOT
from benchmarks.speed._rows import SpeedRow, speed_row
from refsolve.core.blas import ENVIRONMENT
from refsolve.io.cool import CoolFile, open_cool
from refsolve.methods.contact_expected import (
    Contacts,
    Smoothing,
    arms,
    balance,
    expected_cis,
    pile_up,
)

FLANK = 10
ITERATIONS = (1, 3)  # their difference is the time of two
TIMES = {"expected": 5.0, "pileup": 10.0, "balance": 5.0}  # faster than the peer, at least
TIMES_IN_MEMORY = 20.0
LIMIT = 4096.0  # MB
PILED = (GENOME_10KB, SMALL)  # maps whose pile-up has a target
PUBLISHED = {  # CPU seconds of cooltools 0.7.1 and cooler 0.11.0, measured earlier, maps alike
    ("expected", CHR1.name): 2.65,
    ("expected", GENOME_100KB.name): 11.34,
    ("expected", GENOME_10KB.name): 25.5,
    ("pileup", GENOME_10KB.name): 7.61,
}
WORDS = {
    "expected": "expected by distance",
    "pileup": "pile-up with expected",
    "balance": "balancing, per iteration",
}


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A peer on the same file in the same run.

    Attributes
    ----------
    workload, map, version
        What was compared with whom.
    cpu, cpu_refsolve, ratio
        CPU seconds from the file to the result, and how many times longer the peer takes. An
        iteration of ours is one over contacts that have been loaded.
    cpu_in_memory, ratio_in_memory
        Ours from arrays, where the peer has no such way.
    memory, memory_refsolve
        Peak of a process that does nothing else, MB.
    difference
        Largest relative difference of the results.
    cpu_published
        Of the peer, measured earlier.
    verdict, verdict_in_memory, verdict_memory
        Against the targets.
    """

    workload: str
    map: str
    version: str
    cpu: float
    cpu_refsolve: float
    ratio: float
    cpu_in_memory: float
    ratio_in_memory: float
    memory: float
    memory_refsolve: float
    difference: float
    cpu_published: float
    verdict: Verdict
    verdict_in_memory: Verdict
    verdict_memory: Verdict


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """A process that does one piece of work, from the file.

    Attributes
    ----------
    workload, map
        What it does.
    pixels
        Of the map, millions.
    memory
        Peak, MB; an empty process has `memory_idle`.
    memory_idle
        Peak after importing what it needs.
    verdict
        Against 4 GB.
    """

    workload: str
    map: str
    pixels: float
    memory: float
    memory_idle: float
    verdict: Verdict


def run(options: Options) -> Report:
    designs = [SMALL] if options.quick else [CHR1, GENOME_100KB, GENOME_10KB]
    repeats = 1 if options.quick else 3
    rows, peers, notes = [], [], []
    for design in designs:
        cool = map_of(design)
        ours = dict(workloads(design, cool, repeats))
        rows += ours.values()
        try:
            peers += list(compare(design, cool, ours))
        except Absent as absent:
            notes = [str(absent)]
    return Report(
        tables=[
            Table("workloads", "CPU seconds, one thread, compilation apart", rows),
            Table("peers", "the same files with cooltools and cooler", peers),
            Table("memory", "peak memory of one process", list(memory(options.quick))),
        ],
        notes=[*notes, "maps are simulated: Poisson contacts, 1/distance, lognormal bias of bins"],
    )


def workloads(design: Design, cool: CoolFile, repeats: int) -> Iterator[tuple[str, SpeedRow]]:
    """What is timed on one map, by a short name."""
    contacts = Contacts(**cool.load())
    for name, (words, work) in {**_expecting(cool, contacts), **_piling(cool, contacts)}.items():
        yield name, speed_row(f"{design.name}: {words}", work, repeats)
    yield "load", speed_row(f"{design.name}: load all pixels", cool.load, repeats)
    whole = partial(balance, contacts, method="newton")
    words = f"{design.name}: balancing by Newton steps to the end, in memory"
    yield "newton", speed_row(words, whole, min(repeats, 2))
    yield "balance", _per_iteration(design, contacts, repeats)


Works = dict[str, tuple[str, Callable[[], Any]]]


def _expecting(cool: CoolFile, contacts: Contacts) -> Works:
    weight = cool.column("weight")
    last = cool.chrom_offset[1:] - 1
    centromeres = dict(zip(cool.names, (0.4 * cool.end[last]).astype(int).tolist(), strict=True))
    view = arms(cool, centromeres)

    def smoothed() -> Any:
        how = Smoothing()
        return expected_cis(contacts, weights=weight, view=view, smoothing=how, aggregate=True)

    return {
        "expected": (
            "expected from file",
            lambda: expected_cis(open_cool(cool.path), weights=weight),
        ),
        "expected in memory": (
            "expected in memory",
            lambda: expected_cis(contacts, weights=weight),
        ),
        "arms": ("expected of arms, smoothed and aggregated, in memory", smoothed),
    }


def _piling(cool: CoolFile, contacts: Contacts) -> Works:
    bin1, bin2 = loops_of(cool)
    expected = expected_cis(cool, weights=cool.column("weight"))

    def pile(pixels: CoolFile | Contacts) -> Any:
        return pile_up(pixels, bin1, bin2, flank=FLANK, expected=expected)

    return {
        "pileup": (f"pile-up of {bin1.size} windows from file", lambda: pile(cool)),
        "pileup in memory": (f"pile-up of {bin1.size} windows in memory", lambda: pile(contacts)),
    }


def _per_iteration(design: Design, contacts: Contacts, repeats: int) -> SpeedRow:
    few, many = 2, 12
    short, long = (
        cpu_seconds(partial(balance, contacts, tol=0.0, max_iters=n), max(repeats // 2, 1))
        for n in (few, many)
    )
    return SpeedRow(
        f"{design.name}: one iteration of balancing, in memory",
        (long.least - short.least) / (many - few),
        (long.median - short.median) / (many - few),
        short.repeats,
        short.compiling,
        short.compiled,
        short.loaded,
        NO_TARGET,
    )


def compare(design: Design, cool: CoolFile, ours: dict[str, SpeedRow]) -> Iterator[PeerRow]:
    """The same work by cooltools and cooler."""
    weight, (bin1, bin2) = cool.column("weight"), loops_of(cool)
    expected = expected_cis(cool, weights=weight)
    request = {"path": str(cool.path), "repeats": 1, "bin1": bin1, "bin2": bin2, "flank": FLANK}
    for work, times in TIMES.items():
        reply = answer("cooltools", work=work, iterations=np.array(ITERATIONS), **request)
        if work == "expected":
            found, want = expected.balanced_avg, reply["expected"]
        elif work == "pileup":
            found = pile_up(cool, bin1, bin2, flank=FLANK, expected=expected).mean
            want = reply["mean"]
        else:
            found, want = balance(cool, tol=0.0, max_iters=ITERATIONS[-1]).weights, reply["weight"]
        yield _peer_row(work, times, design, reply, ours, _difference(found, want))


def _difference(found: np.ndarray, want: np.ndarray) -> float:
    """Largest relative difference; NaN where others are NaN."""
    if not np.array_equal(np.isnan(found), np.isnan(want)):
        return float("nan")
    scale = np.maximum(np.abs(want), np.finfo(float).tiny)
    return float(np.nanmax(np.abs(found - want) / scale))


def _peer_row(
    work: str,
    times: float,
    design: Design,
    reply: dict[str, np.ndarray],
    ours: dict[str, SpeedRow],
    difference: float,
) -> PeerRow:
    cpu = float(np.min(reply["cpu"]))
    if work == "balance":
        few, many = ITERATIONS
        cpu = float(reply["cpu"][1] - reply["cpu"][0]) / (many - few)
    mine = ours[work].cpu_least
    inside = ours[f"{work} in memory"].cpu_least if work != "balance" else float("nan")
    goal = TIMES_IN_MEMORY if work == "expected" else None
    judged = work != "pileup" or design in PILED
    peak, _ = _peak(work, design)
    return PeerRow(
        WORDS[work],
        design.name,
        str(reply["version"]),
        cpu,
        mine,
        cpu / mine,
        inside,
        cpu / inside,
        float(reply["memory"]),
        peak,
        difference,
        PUBLISHED.get((work, design.name), float("nan")),
        at_most(mine, cpu / times, "CPU s") if judged else NO_TARGET,
        NO_TARGET if goal is None else at_most(inside, cpu / goal, "CPU s"),
        at_most(peak, float(reply["memory"]), "MB"),
    )


# The peak that getrusage states begins with that of the process that started this one.
ALONE = """
import re, sys
from pathlib import Path
from benchmarks.speed import _contact_expected_data as data
from refsolve.methods.contact_expected import Contacts, balance, expected_cis, pile_up
import cooler
def peak():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024
work, name = sys.argv[1:]
cool = data.map_of(next(v for v in vars(data).values() if getattr(v, "name", "") == name))
idle = peak()
if work == "balance":
    balance(Contacts(**cool.load()), tol=0.0, max_iters=2)
elif work == "balance from file":
    balance(cool, tol=0.0, max_iters=1)
else:
    expected = expected_cis(cool, weights=cool.column("weight"))
if work == "pileup":
    pile_up(cool, *data.loops_of(cool), expected=expected)
print(peak(), idle)
"""


def _peak(work: str, design: Design) -> tuple[float, float]:
    """Peak memory of a process of its own, MB, and what it needs before it begins."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, work, design.name],
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    peak, idle = done.stdout.split()
    return float(peak), float(idle)


def memory(quick: bool) -> Iterator[MemoryRow]:
    """Peak memory of work that streams from the file."""
    for design in [SMALL] if quick else [GENOME_10KB, GENOME_5KB]:
        pixels = map_of(design).n_pixels / 1e6
        for work in ("expected", "pileup", "balance from file", "balance"):
            peak, idle = _peak(work, design)
            words = {**WORDS, "balance": "balancing after loading"}.get(work, "balancing from file")
            verdict = at_most(peak, LIMIT, "MB")
            yield MemoryRow(words, design.name, pixels, peak, idle, verdict)
