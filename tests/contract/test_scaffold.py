"""The skeleton of a solver cannot be mistaken for a solver."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from refsolve.contract.discovery import Problem
from refsolve.contract.generating import generate
from refsolve.contract.scaffold import new
from refsolve.contract.solving import solve
from refsolve.core.errors import InputError, UsageError

# What somebody fills in, in the order of the file.
FILLED = [
    ('title = ""', 'title = "A title"'),
    ('question = ""     # all', 'question = "A question of some length?" # all'),
    ("example = -1", "example = 1"),
    ("certify = -1", "certify = 2"),
    ("count = 0", "count = 3"),
    ('format = "FILL IN"', 'format = "tsv"'),
    ("columns = []", 'columns = [{ name = "a" }]'),
    ('estimand = ""', 'estimand = "the mean of the population"'),
    ('truth = "FILL IN"', 'truth = "parameter"'),
    ("tolerance = -1", "tolerance = 0.1"),
    ('question = ""\nreference', 'question = "Which way?"\nreference'),
    ('reference = "FILL IN"', 'reference = "the_right_way"'),
]
FIELDS = {
    "title",
    "question",
    "seeds.example",
    "seeds.certify",
    "seeds.count",
    "file[0].format",
    "file[0].forms[0].columns",
    "answer[0].estimand",
    "answer[0].truth",
    "answer[0].tolerance",
    "decision[0].question",
    "decision[0].reference",
}


def complaints(folder: Path) -> set[str]:
    with pytest.raises(InputError) as caught:
        _ = Problem(folder).spec
    return {v.column for v in caught.value.violations}


def test_every_field_that_is_left_is_named(tmp_path: Path) -> None:
    assert complaints(new("fresh", tmp_path)) >= FIELDS


@pytest.mark.parametrize("left", range(len(FILLED)))
def test_one_field_that_is_left_is_enough(left: int, tmp_path: Path) -> None:
    folder = new("fresh", tmp_path)
    fill(folder, [pair for i, pair in enumerate(FILLED) if i != left])
    assert len(complaints(folder) & FIELDS) == 1


def fill(folder: Path, pairs: list[tuple[str, str]]) -> None:
    file = folder / "problem.toml"
    text = file.read_text()
    for before, after in pairs:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file.write_text(text)


def test_code_that_is_left_is_named(tmp_path: Path) -> None:
    folder = new("fresh", tmp_path)
    fill(folder, FILLED)
    problem = Problem(folder)
    assert problem.spec.name == "fresh"
    assert [d.key for d in problem.decisions] == ["first_decision"]
    with pytest.raises(UsageError, match=r"must begin with 'Wrong:' or 'Defensible:'"):
        _ = problem.lattice
    with pytest.raises(UsageError, match=r"fresh/generate\.py: fill in generate and Knobs"):
        generate(problem, tmp_path / "case")
    ablations = folder / "ablations.py"
    ablations.write_text(ablations.read_text().replace("FILL IN: begin", "Wrong: begin"))
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "measurements.tsv").write_text("a\n1\n")
    for path in ({}, {"first_decision": "fill_in_a_name"}):
        with pytest.raises(UsageError, match=r"fresh/\w+\.py: fill in \w+"):
            solve(Problem(folder), tmp_path / "case", path=path)


def test_files_carry_the_name_and_no_placeholder(tmp_path: Path) -> None:
    folder = new("bright_idea", tmp_path)
    texts = {file.name: file.read_text() for file in folder.iterdir()}
    names = {"README.md", "problem.toml", "generate.py", "solve.py", "ablations.py"}
    assert set(texts) == names
    for name, text in texts.items():
        assert "bright_idea" in text
        assert "@" not in re.sub(r"@(decision|alternative|dataclass)\b", "", text), name


@pytest.mark.parametrize("name", ["", "Big", "1st", "with space", "a-b", "../up", "ä"])
def test_bad_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a problem"):
        new(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError, match="taken exists"):
        new("taken", tmp_path)
    assert list((tmp_path / "taken").iterdir()) == []


def test_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert new("here") == Path("here")
    Path("solvers").mkdir()
    assert new("there") == Path("solvers/there")
    assert (tmp_path / "solvers" / "there" / "solve.py").is_file()
