"""What every solver folder must keep to, and the toy too; another folder needs no line here."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from refsolve.contract.discovery import Problem
from refsolve.contract.generating import draw, generate
from refsolve.contract.grading import grade
from refsolve.contract.published import spec_rules
from refsolve.contract.solving import open_case, solve, solve_case
from refsolve.core.errors import MissingDependencyError
from refsolve.parallel import serial, threads

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = sorted(file.parent for file in (TESTS.parent / "solvers").glob("*/problem.toml"))
assert FOLDERS, "no solver found: the tests below would pass vacuously"
FOLDERS.append(TESTS / "contract" / "toy" / "coin")

LONGEST_ALTERNATIVE = 10
FILES = ("README.md", "problem.toml", "generate.py", "solve.py", "ablations.py")
# A wrong turn must say where it leads, and not only that it is wrong.
DIRECTIONS = {
    "high", "higher", "low", "lower", "large", "larger", "small", "smaller", "up", "upward",
    "upwards", "down", "downward", "downwards", "over", "under", "overstated", "understated",
    "overstates", "understates", "overestimates", "underestimates", "overestimated",
    "underestimated", "inflates", "inflated", "deflates", "deflated", "towards", "away",
    "flips", "flipped", "reversed", "halves", "halved", "doubles", "doubled", "zero",
    "noisier", "wider", "narrower", "wide", "narrow", "shrinks", "shrunk", "attenuates",
    "attenuated", "weak", "weaker", "strong", "stronger", "misses", "missed",
    "steeper", "flatter", "earlier", "later", "more", "less", "fewer", "above", "below",
    "opposite", "dilutes", "diluted", "blurs", "blurred", "false", "loses", "lost",
}  # fmt: skip


# As plain Python a shipped solver takes minutes; the toy needs no compilation.
CASES = [pytest.param(f, marks=[] if f.name == "coin" else pytest.mark.compiled) for f in FOLDERS]


@pytest.fixture(scope="module", params=CASES, ids=[folder.name for folder in FOLDERS])
def problem(request) -> Problem:
    return Problem(request.param)


@pytest.fixture(scope="module")
def example(problem, tmp_path_factory) -> Path:
    """The example case; no test may write into it."""
    try:
        return generate(problem, tmp_path_factory.mktemp(problem.name) / "case")
    except MissingDependencyError as absent:
        pytest.skip(str(absent))


@pytest.fixture(scope="module")
def outcome(problem, example):
    return solve(problem, example)


def timeless(outcome) -> dict:
    return {**outcome.to_dict(), "seconds": 0.0}


def alternatives(problem: Problem) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((problem.folder / "ablations.py").read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_folder_is_complete(problem):
    assert [name for name in FILES if not (problem.folder / name).is_file()] == []


def test_contract_and_code_agree(problem):
    assert problem.spec.name == problem.folder.name
    assert [d.key for d in problem.decisions] == [d.key for d in problem.spec.decision]
    assert problem.lattice.reference == {d.key: d.reference for d in problem.spec.decision}


def test_every_decision_has_a_wrong_turn_and_says_what_it_does(problem):
    for key, choices in problem.lattice.choices.items():
        kinds = [choice.kind for choice in choices.values()]
        assert "wrong" in kinds, f"{key} cannot be got wrong"
        assert next(iter(choices.values())).effect, f"{key}: the reference has no docstring"


def test_every_wrong_turn_names_its_bias(problem):
    for key, choices in problem.lattice.choices.items():
        for choice in choices.values():
            if choice.kind == "wrong":
                words = choice.effect.lower().replace("-", " ").split()
                told = DIRECTIONS & {word.strip(".,;:()") for word in words[1:]}
                assert told, f"{key}={choice.name}: to which side does it err? {choice.effect}"


def test_alternatives_are_short_and_replace_one_step(problem):
    functions = alternatives(problem)
    names = {c.name for options in problem.lattice.choices.values() for c in options.values()}
    assert functions.keys() & names, "no alternative is written as a function"
    for name in functions.keys() & names:
        body = functions[name].body[1:]
        lines = {line for node in body for line in range(node.lineno, node.end_lineno + 1)}
        assert len(lines) <= LONGEST_ALTERNATIVE, f"{name} has {len(lines)} lines"


def test_harmless_turns_are_documented(problem):
    for item in problem.spec.decision:
        for name, reason in item.harmless.items():
            assert len(reason.split()) > 2, f"{item.key}={name}: why is it harmless?"


def test_every_knob_is_described(problem):
    from refsolve.contract.generating import knob_fields

    knobs = knob_fields(problem)
    assert knobs
    assert [k.key for k in knobs if not k.description] == []
    assert {type(k.default) for k in knobs} <= {int, float, str, bool}


def test_a_seed_names_every_byte(problem, example, tmp_path):
    again = generate(problem, tmp_path / "again")
    files = {file.name: file.read_bytes() for file in example.iterdir()}
    assert {file.name: file.read_bytes() for file in again.iterdir()} == files
    other = draw(problem, problem.spec.seeds.example + 1, {})
    assert json.loads(files["truth.json"])["answer"] != other.answer


def test_the_example_is_solved_and_passes(problem, example, outcome):
    verdict = grade(problem, outcome.answer, example)
    assert verdict.passed, str(verdict)


@pytest.mark.usefixtures("example")
def test_the_first_case_of_the_certificate_passes(problem, tmp_path):
    folder = generate(problem, tmp_path / "case", seed=problem.spec.seeds.certify)
    verdict = grade(problem, solve(problem, folder).answer, folder)
    assert verdict.passed, str(verdict)


def test_every_decision_leaves_evidence_once_in_order(problem, outcome):
    assert [e.decision for e in outcome.decisions] == [d.key for d in problem.spec.decision]
    for item in outcome.decisions:
        assert item.facts, f"measured on nothing: {item}"
        assert item.because.endswith("."), f"no sentence: {item.because}"


def test_the_document_is_strict_json(outcome):
    json.dumps(outcome.to_dict(), allow_nan=False)
    answer = outcome.envelope()
    assert json.loads(answer)["answer"] == outcome.answer


def test_intervals_hold_the_estimate_and_belong_to_numbers(problem, outcome):
    numeric = {a.key for a in problem.spec.answer if a.type == "number"}
    assert outcome.intervals.keys() <= numeric
    for key, (low, high) in outcome.intervals.items():
        assert low <= outcome.answer[key] <= high


def test_solving_is_deterministic_and_never_reads_the_truth(problem, example, outcome, tmp_path):
    for file in example.iterdir():
        if file.name != "truth.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "truth.json").mkdir()
    assert timeless(solve(problem, tmp_path)) == timeless(outcome)


@pytest.mark.parametrize("pool", [serial, lambda: threads(2)], ids=["serial", "threads"])
def test_solving_does_not_depend_on_the_workers(problem, example, outcome, pool):
    with pool() as map_:
        opened = open_case(problem, example, {}, map_)
        assert timeless(solve_case(problem, opened, {})) == timeless(outcome)


@pytest.mark.usefixtures("example")
def test_nobody_passes_without_an_answer(problem):
    from refsolve.contract.certifying import null_answer
    from refsolve.contract.grading import judge

    made = draw(problem, problem.spec.seeds.example, {})
    rules = spec_rules(problem.spec, made.answer, made.tolerance)
    assert not judge(problem.name, null_answer(problem), rules).passed
