"""Counting under valgrind, and the script that is counted: `_count METHOD [NAME]`."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import RESULTS, Verdict
from refsolve.core.blas import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
REPEATS = 5
# One target for every machine, which valgrind can execute; kernels are compiled for it beforehand,
# outside of valgrind.
TARGET = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2"}
VALGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
TOLERATED = 0.02  # growth against the stored count that is not a regression


class NoValgrind(Exception):
    """valgrind is not installed."""


@dataclass(frozen=True, slots=True)
class CountRow:
    """Instructions of one evaluation.

    Attributes
    ----------
    work
        What is evaluated.
    instructions
        Millions, from the difference between several evaluations and one.
    stored
        Millions in the results that are already there; NaN for none.
    verdict
        At most 2 % above the stored count.
    """

    work: str
    instructions: float
    stored: float
    verdict: Verdict


def count_rows(method: str, names: list[str]) -> list[CountRow]:
    """Count every named work of a method.

    Parameters
    ----------
    method, names
        Module in this folder, and names of its works.

    Raises
    ------
    NoValgrind
        valgrind is not on the search path.
    """
    if shutil.which("valgrind") is None:
        raise NoValgrind("instructions: valgrind is not installed, nothing counted")
    stored = _stored(method)
    _run((), method, None)  # fills the cache
    base = _instructions(method, None)
    return [
        _row(name, (_instructions(method, name) - base) / REPEATS / 1e6, stored.get(name))
        for name in names
    ]


def _row(name: str, millions: float, before: float | None) -> CountRow:
    if before is None:
        return CountRow(name, millions, float("nan"), Verdict("none", "nothing stored"))
    growth = millions / before - 1.0
    status = "met" if growth <= TOLERATED else "missed"
    return CountRow(
        name, millions, before, Verdict(status, f"{growth:+.2%} against the stored count")
    )


def _stored(method: str) -> dict[str, float]:
    file = RESULTS / "instructions" / f"{method}.counts.tsv"
    if not file.exists():
        return {}
    lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1:]]
    return {line[0]: float(line[1]) for line in lines}


def _instructions(method: str, name: str | None) -> int:
    found = re.search(r"Collected : (\d+)", _run(VALGRIND, method, name))
    if found is None:
        raise RuntimeError("valgrind reported no number of instructions")
    return int(found[1])


def _run(before: tuple[str, ...], method: str, name: str | None) -> str:
    """Standard error of the counted script."""
    script = (sys.executable, "-m", "benchmarks.instructions._count")
    ended = subprocess.run(
        [*before, *script, method, *([name] if name else [])],
        env={**os.environ, **ENVIRONMENT, **TARGET, "PYTHONHASHSEED": "0"},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return ended.stderr


def main(method: str, name: str | None = None) -> None:
    """Every work once, which loads its kernels, and the named one REPEATS times more."""
    works = importlib.import_module(f"benchmarks.instructions.{method}").works()
    for work in works.values():
        work()
    for _ in range(REPEATS if name else 0):
        works[name]()


if __name__ == "__main__":
    main(*sys.argv[1:])
