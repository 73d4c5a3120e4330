"""The command line in this process, and the small problem of the contract tests to try it on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from refsolve.cli import announced, timing
from refsolve.cli.main import cli
from refsolve.core.workload import Workload

TOY = Path(__file__).resolve().parents[1] / "contract" / "toy"

Run = Callable[..., Result]


@pytest.fixture
def quick_work(monkeypatch: pytest.MonkeyPatch) -> Workload:
    """Stands in for the workloads of every method, which take minutes without compilation."""
    work = Workload("count", lambda: count_to(20_000), 2e4, 1e5, "numbers", 20_000)
    monkeypatch.setattr(announced, "workloads", lambda _: [work])
    monkeypatch.setattr(timing, "TRIAD", 10_000)
    monkeypatch.setattr(timing, "MATRIX", 64)
    return work


def count_to(n: int) -> int:
    return sum(range(n))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in an empty folder, with the toy problems known."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("REFSOLVE_SOLVERS", str(TOY))

    def run_here(*arguments: object) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return run_here


@pytest.fixture
def document(run: Run) -> Callable[..., tuple[dict[str, Any], int]]:
    """Run with --json: the one document on standard output, and the exit code."""

    def parsed(*arguments: object) -> tuple[dict[str, Any], int]:
        result = run(*arguments, "--json")

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(result.stdout, parse_constant=refuse), result.exit_code

    return parsed


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated case of the toy problem, not to be written to."""
    from refsolve.contract.generating import generate

    return generate("coin", tmp_path_factory.mktemp("coin") / "case", solvers=[TOY])


@pytest.fixture(scope="session")
def answers(case: Path) -> dict[str, Path]:
    """Answer files of the reference and of a wrong turn."""
    from refsolve.contract.solving import solve

    written = {}
    for name, path in (("right", {}), ("wrong", {"face": "as_written"})):
        outcome = solve("coin", case, path=path, solvers=[TOY])
        written[name] = case.parent / f"{name}.json"
        written[name].write_text(outcome.envelope())
    return written
