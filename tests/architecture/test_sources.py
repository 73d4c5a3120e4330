"""Habits of the sources that a machine can hold: each rule, and a sample that breaks it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.architecture.tree import (
    ROOT,
    called_name,
    calls,
    functions,
    published_files,
    python_files,
)

FUNCTION_LINES = 60  # without the docstring
FILE_LINES = 400

# name of a comparison: how many arguments may be given by position
POSITIONAL = {
    "allclose": 2,
    "approx": 1,
    "assert_allclose": 2,
    "assert_almost_equal": 2,
    "assert_array_almost_equal": 2,
    "isclose": 2,
}

# Written in two parts, so that this file does not contain what it looks for.
PRIVATE = [
    *("/" + name + "/" for name in ("work", "farm", "root", "home/[a-z]+", "Users/[A-Za-z]+")),
    *("py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.(org|com)", r"deb\." + "debian"),
    *("conda" + r"\.anaconda", "--" + "(extra-)?index-url"),
]


def positional_tolerances(tree: ast.Module) -> Iterator[str]:
    for call in calls(tree):
        name = called_name(call)
        if len(call.args) > POSITIONAL.get(name, len(call.args)):
            yield f"line {call.lineno}: name the tolerance of {name} (rtol=, atol=, rel=, abs=)"


def idle_tests(tree: ast.Module) -> Iterator[str]:
    for test in functions(tree):
        if test.name.startswith("test_") and not any(map(_asserts, ast.walk(test))):
            yield f"line {test.lineno}: {test.name} asserts nothing"


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant)
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        return called_name(node).startswith("assert") or bool(
            re.search(r"^pytest\.(raises|warns|fail)$|regression\.check$", name)
        )
    return False


def long_functions(tree: ast.Module) -> Iterator[str]:
    for function in functions(tree):
        doc = ast.get_docstring(function, clean=False)
        lines = (function.end_lineno or 0) - function.lineno + 1
        lines -= doc.count("\n") + 1 if doc else 0
        if lines > FUNCTION_LINES:
            yield f"line {function.lineno}: {function.name} has {lines} lines"


RULES: list[tuple[Callable[[ast.Module], Iterator[str]], str]] = [
    (positional_tolerances, "np.testing.assert_allclose(a, b, 1e-8)"),
    (positional_tolerances, "assert a == pytest.approx(b, 1e-8)"),
    (idle_tests, "def test_nothing():\n    fit(x)"),
    (idle_tests, "def test_true():\n    assert True"),
    (long_functions, "def f():\n" + "    x = 1\n" * (FUNCTION_LINES + 1)),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, _ in RULES), ids=lambda r: r.__name__)
def test_rule_holds_everywhere(rule: Callable[[ast.Module], Iterator[str]]) -> None:
    found = [
        f"{path.relative_to(ROOT)} {message}"
        for path in python_files()
        for message in rule(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(("rule", "sample"), RULES)
def test_rule_finds_its_sample(rule: Callable[[ast.Module], Iterator[str]], sample: str) -> None:
    assert len(list(rule(ast.parse(sample)))) == 1


def test_docstrings_do_not_count_as_length() -> None:
    doc = '    """' + "text\n" * FUNCTION_LINES + '    """\n'
    assert list(long_functions(ast.parse(f"def f():\n{doc}    return 1\n"))) == []


def test_files_stay_readable() -> None:
    sizes = {
        str(path.relative_to(ROOT)): path.read_text().count("\n")
        for path in python_files("refsolve", "solvers")
    }
    assert {path: size for path, size in sizes.items() if size > FILE_LINES} == {}


def private_names(text: str) -> list[str]:
    return [match.group(0) for match in re.finditer("|".join(PRIVATE), text)]


def test_nothing_published_names_a_machine_or_a_registry() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for path in published_files()
        if (names := private_names(path.read_bytes().decode("utf-8", errors="replace")))
    }
    assert found == {}


@pytest.mark.parametrize("text", ["cd /" + "work/x", "see https://py" + "pi.org/simple"])
def test_private_names_are_found(text: str) -> None:
    assert len(private_names(text)) == 1


def test_ruff_has_nothing_to_say() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", "--no-cache", str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
