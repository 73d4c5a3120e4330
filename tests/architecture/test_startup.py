"""Importing does nothing and costs little; the command line answers at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"dask", "matplotlib", "numba", "pandas", "pydantic", "scipy", "statsmodels"}
HELP = """
from refsolve.cli.main import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
"""


def python(source: str) -> str:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def cpu_seconds(source: str) -> float:
    """Least CPU time of a fresh interpreter over some runs, its own start included."""
    timed = f"{source}\nimport time; print(); print(time.process_time())"
    return min(float(python(timed).splitlines()[-1]) for _ in range(5))


@pytest.mark.parametrize("source", ["import refsolve", "import refsolve.contract", HELP])
def test_heavy_packages_are_imported_where_they_are_used(source: str) -> None:
    loaded = python(f"{source}\nimport sys; print(); print(*sys.modules)").splitlines()[-1].split()
    assert HEAVY & set(loaded) == set()


@pytest.mark.parametrize(("source", "limit"), [("import refsolve", 0.3), (HELP, 0.3)])
def test_start_is_quick(source: str, limit: float) -> None:
    assert cpu_seconds(source) < limit


def test_import_changes_nothing() -> None:
    source = """
import logging, os, threading, warnings
def state():
    return (
        list(warnings.filters), list(logging.getLogger().handlers),
        dict(os.environ), threading.active_count(),
    )
before = state()
import refsolve
print(state() == before)
"""
    assert python(source).strip() == "True"


def test_public_names_can_be_loaded() -> None:
    source = "import refsolve; print(all(callable(getattr(refsolve, n)) for n in refsolve.__all__))"
    assert python(source).strip() == "True"
