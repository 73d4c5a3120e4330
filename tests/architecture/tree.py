"""Where the sources are, and small questions about their syntax trees."""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("refsolve", "solvers", "tests", "benchmarks", "examples", "docs")
_MADE = {"__pycache__", "_build", "build", "dist", "gallery", "jupyter_execute"}


def python_files(*folders: str) -> list[Path]:
    """Every Python source below the named folders of the checkout, or below all of them.

    Scripts that made stored values (`tests/gold`) are kept as they ran and are left out.
    """
    found = [
        path
        for folder in folders or CODE
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not any(_left_out(part) or part == "gold" for part in path.relative_to(ROOT).parts)
    ]
    assert found, f"no Python file in {folders}: a check of them would pass vacuously"
    return found


def published_files() -> list[Path]:
    """Files that git tracks or would track; without git, what a walk finds."""
    listing = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listing.stdout.split("\0") if listing.returncode == 0 else _walk()
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def _walk() -> Iterator[str]:
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if not _left_out(name)]
        for name in names:
            if not _left_out(name):
                yield str((Path(folder) / name).relative_to(ROOT))


def _left_out(name: str) -> bool:
    hidden = name.startswith(".") and name != ".ci"
    return hidden or name in _MADE or name.endswith(".egg-info")


def called_name(call: ast.Call) -> str:
    """Last part of what is called: `assert_allclose` for `np.testing.assert_allclose(...)`."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and absolute module name of every import; relative ones stay in their folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
