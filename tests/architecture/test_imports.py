"""Who may import whom: the contracts hold, and each one catches what it is there for."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, imported_modules, python_files

METHOD = "refsolve/methods/wright_fisher"
ESTIMATOR = f"{METHOD}/estimator/selection.py"

# contract, file (made if missing), line that breaks the contract
VIOLATIONS = [
    ("floors of the package", "refsolve/core/check.py", "import refsolve.numerics"),
    ("floors of the package", "refsolve/numerics/fdr.py", "import refsolve.io"),
    ("floors of the package", ESTIMATOR, "import refsolve.io"),
    ("floors of the package", "refsolve/io/npz.py", "import refsolve.contract"),
    (
        "the contract knows tables, neither methods nor workers",
        "refsolve/contract/solving.py",
        "import refsolve.parallel",
    ),
    (
        "the contract knows tables, neither methods nor workers",
        "refsolve/contract/solving.py",
        f"import {METHOD.replace('/', '.')}",
    ),
    ("floors of the package", "refsolve/parallel/__init__.py", "import refsolve.cli"),
    ("floors of the package", "refsolve/utils.py", "import math"),
    ("floors inside every method", f"{METHOD}/kernels/grid.py", "from .. import textbook"),
    ("floors inside every method", f"{METHOD}/model/samples.py", "from .. import simulate"),
    ("floors inside every method", f"{METHOD}/helpers.py", "import math"),
    ("no circles between siblings", f"{METHOD}/model/samples.py", "from . import likelihood"),
    ("floors inside every method", f"{METHOD}/simulate.py", "from . import estimator"),
    ("floors inside every method", ESTIMATOR, "from .. import plot"),
    ("methods stand alone", ESTIMATOR, "import refsolve.methods.neighbour"),
    ("kernels know arrays only", f"{METHOD}/kernels/grid.py", "from scipy import special"),
    ("numerics know arrays only", "refsolve/numerics/fdr.py", "import pandas as pd"),
    (
        "kernels are compiled where the cache looks",
        f"{METHOD}/model/inputs.py",
        "from refsolve.core.jit import kernel",
    ),
    ("a textbook is not compiled", f"{METHOD}/textbook.py", "from refsolve.core import jit"),
    ("one switch for numba", f"{METHOD}/kernels/grid.py", "import numba"),
    ("figures are made in plot.py", ESTIMATOR, "import matplotlib.pyplot"),
    ("workers are started in refsolve.parallel", ESTIMATOR, "import joblib"),
    (
        "workers are started in refsolve.parallel",
        "refsolve/contract/certifying.py",
        "from concurrent.futures import ProcessPoolExecutor",
    ),
    ("the terminal belongs to the command line", "refsolve/contract/solving.py", "import rich"),
    ("methods touch no files", f"{METHOD}/simulate.py", "from pathlib import Path"),
    ("the package knows nothing of its users", "refsolve/contract/solving.py", "import solvers"),
]


def broken_contracts(tree: Path) -> tuple[set[str], str]:
    """Names of the contracts that the package in `tree` breaks, and the linter's report."""
    command = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    run = subprocess.run(
        [sys.executable, "-c", command], cwd=tree, capture_output=True, text=True, check=False
    )
    report = run.stdout + run.stderr
    assert re.search(r"^Contracts: \d+ kept, \d+ broken", report, re.MULTILINE), report
    return set(re.findall(r"^(.+?) BROKEN", report, re.MULTILINE)), report


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", "_solvers")
    shutil.copytree(ROOT / "refsolve", tmp_path / "refsolve", ignore=ignore)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    (tmp_path / "solvers").mkdir()
    neighbour = tmp_path / "refsolve" / "methods" / "neighbour"
    neighbour.mkdir()
    (neighbour / "__init__.py").touch()
    return tmp_path


def test_contracts_hold() -> None:
    broken, report = broken_contracts(ROOT)
    assert broken == set(), report


@pytest.mark.parametrize(("contract", "file", "line"), VIOLATIONS)
def test_contract_catches(copied_tree: Path, contract: str, file: str, line: str) -> None:
    path = copied_tree / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        stream.write(f"\n{line}\n")
    broken, report = broken_contracts(copied_tree)
    assert contract in broken, report


def test_every_contract_is_shown_to_catch_something() -> None:
    names = set(re.findall(r"^name = (.+)$", (ROOT / ".importlinter").read_text(), re.MULTILINE))
    assert names == {contract for contract, _, _ in VIOLATIONS}


def foreign_imports(source: str) -> list[str]:
    """Imports that a solver may not have: it orders decisions and leaves numbers to refsolve."""
    allowed = {"refsolve", "numpy", "pandas"} | sys.stdlib_module_names
    return [
        f"line {line}: {module}"
        for line, module in imported_modules(ast.parse(source))
        if module.partition(".")[0] not in allowed or ".kernels" in module
    ]


def test_solvers_hold_no_numerics() -> None:
    found = [
        f"{path.relative_to(ROOT)} {message}"
        for path in python_files("solvers")
        for message in foreign_imports(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import numba",
        "from scipy import stats",
        "import matplotlib.pyplot as plt",
        "def f():\n    import statsmodels.api",
        "from refsolve.methods.wright_fisher.kernels import select",
    ],
)
def test_numerics_in_a_solver_are_found(line: str) -> None:
    assert len(foreign_imports(line)) == 1
