"""Seconds from the start of a process to its answer, with an empty and with a filled cache."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import NO_TARGET, Verdict, at_most
from refsolve.core.blas import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Start:
    """A command of this Python.

    Attributes
    ----------
    name
        What it does.
    words
        Arguments of the interpreter; {case} stands for a new folder.
    warm, cold
        Targets in seconds with a filled and with an empty cache of kernels.
    before
        A command that prepares the folder, or None.
    """

    name: str
    words: tuple[str, ...]
    warm: float | None
    cold: float | None
    before: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class StartRow:
    """One process, from start to exit.

    Attributes
    ----------
    command, cache
        What ran, and whether compiled kernels were there: "empty" or "filled".
    cpu_least, cpu_median, wall_least, repeats
        CPU seconds (user and system) and elapsed seconds of the repeats.
    verdict
        CPU seconds against the target, which was set for an idle machine.
    """

    command: str
    cache: str
    cpu_least: float
    cpu_median: float
    wall_least: float
    repeats: int
    verdict: Verdict


def process_starts(starts: Sequence[Start], quick: bool) -> tuple[list[StartRow], list[str]]:
    """Rows of the commands that work, and a line for each that does not.

    Parameters
    ----------
    starts
        Commands.
    quick
        One warm repeat, and none with an empty cache.
    """
    rows: list[StartRow] = []
    notes: list[str] = []
    for start in starts:
        try:
            rows += _measure(start, quick)
        except subprocess.CalledProcessError as error:
            reason = (error.stderr or "").strip().splitlines()[-1:] or ["no message"]
            notes.append(f"{start.name}: not measured ({reason[0]})")
    return rows, notes


def _measure(start: Start, quick: bool) -> Iterator[StartRow]:
    with tempfile.TemporaryDirectory() as folder:
        case, cache = Path(folder, "case"), Path(folder, "cache")
        if start.before:
            _run(start.before, case, cache)
        words = start.words
        cold = [] if quick else [_run(words, case, Path(folder, "empty"))]
        warm = [_run(words, case, cache) for _ in range(2 if quick else 6)][1:]
    for runs, name, target in ((cold, "empty", start.cold), (warm, "filled", start.warm)):
        if runs:
            cpu = sorted(seconds for seconds, _ in runs)
            verdict = NO_TARGET if target is None else at_most(cpu[0], target, "CPU s")
            wall = min(elapsed for _, elapsed in runs)
            middle = cpu[len(cpu) // 2]
            yield StartRow(start.name, name, cpu[0], middle, wall, len(cpu), verdict)


def _run(words: tuple[str, ...], case: Path, cache: Path) -> tuple[float, float]:
    """CPU and elapsed seconds of one process."""
    cache.mkdir(exist_ok=True)
    settings = {"REFSOLVE_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    before, began = _children(), time.perf_counter()
    subprocess.run(
        [sys.executable, *(word.replace("{case}", str(case)) for word in words)],
        env={**os.environ, **ENVIRONMENT, **settings},
        check=True,
        capture_output=True,
        text=True,
    )
    return _children() - before, time.perf_counter() - began


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
