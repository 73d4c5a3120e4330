"""The toy problem, cases of it, and copies of it that are broken in one place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from refsolve.contract.discovery import Problem
from refsolve.contract.generating import generate
from refsolve.contract.spec import ProblemSpec

collect_ignore_glob = ["toy/*"]

TOY = Path(__file__).resolve().parent / "toy"

# (file, text, replacement): the text must be there, once
Edit = tuple[str, str, str]
Variant = Callable[..., Problem]


@pytest.fixture(autouse=True)
def only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the user has set up must not change a test."""
    monkeypatch.setenv("REFSOLVE_SOLVERS", str(TOY))


@pytest.fixture
def toy() -> Path:
    return TOY


@pytest.fixture
def coin() -> Problem:
    return Problem(TOY / "coin")


@pytest.fixture(scope="session")
def coin_spec() -> ProblemSpec:
    return Problem(TOY / "coin").spec


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example case; no test may write into it."""
    return generate(Problem(TOY / "coin"), tmp_path_factory.mktemp("coin") / "case")


@pytest.fixture
def variant(tmp_path: Path) -> Variant:
    """Make a copy of the toy in which some texts are replaced."""

    def make(*edits: Edit) -> Problem:
        place = tmp_path / f"solvers_{len(list(tmp_path.glob('solvers_*')))}"
        shutil.copytree(TOY / "coin", place / "coin", ignore=shutil.ignore_patterns("__pycache__"))
        for name, old, new in edits:
            file = place / "coin" / name
            text = file.read_text()
            assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
            file.write_text(text.replace(old, new))
        return Problem(place / "coin")

    return make
