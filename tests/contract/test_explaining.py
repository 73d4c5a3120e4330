from __future__ import annotations

import json
import math

import numpy as np
import pytest

from refsolve.contract.discovery import Problem
from refsolve.contract.explaining import explain
from refsolve.contract.generating import generate
from refsolve.contract.solving import solve
from refsolve.core.errors import InputError, UsageError
from refsolve.parallel import processes, threads

SINGLES = [{"face": "as_written"}, {"miscounts": "all_rows"}, {"estimate": "mean_of_sessions"}]
DOUBLES = [{**a, **b} for k, a in enumerate(SINGLES) for b in SINGLES[k + 1 :]]


@pytest.mark.parametrize("turns", SINGLES + DOUBLES, ids=str)
def test_wrong_turns_are_found(coin, case, turns):
    answer = solve(coin, case, path=turns).answer
    found = explain(coin, case, answer)
    best = found.candidates[0]
    assert found.matched
    assert best.deviations == turns
    assert (best.kind, best.distance) == ("wrong", 0.0)
    assert (found.solved, found.total, found.depth) == (19, 19, 2)
    for key, name in turns.items():
        effect = coin.lattice.choices[key][name].effect.rstrip(".")
        assert f"{key} taken as {name} ({effect})." in found.diagnosis
    assert found.diagnosis.startswith("One path reproduces this answer (0.00 tolerances away): ")
    assert "The reference is " in found.diagnosis
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("turns", SINGLES, ids=str)
@pytest.mark.parametrize("digits", [2, 3, 4])
def test_a_rounded_answer_is_still_the_one_turn_and_no_chance_hit(coin, case, turns, digits):
    answer = solve(coin, case, path=turns).answer
    found = explain(coin, case, {**answer, "bias": round(answer["bias"], digits)})
    assert found.candidates[0].deviations == turns
    assert found.diagnosis.startswith("One path reproduces this answer")


def test_a_rounded_right_answer_agrees_with_the_reference(coin, case):
    answer = solve(coin, case).answer
    found = explain(coin, case, {**answer, "bias": round(answer["bias"], 2)})
    assert found.diagnosis == "The answer agrees with the reference path (0.00 tolerances away)."


def test_an_answer_beside_a_path_is_called_near(coin, case):
    answer = solve(coin, case, path=SINGLES[1]).answer
    found = explain(coin, case, {**answer, "bias": answer["bias"] - 0.006})
    assert found.candidates[0].deviations == SINGLES[1]
    assert found.candidates[0].distance == pytest.approx(0.2, abs=1e-9)
    assert found.diagnosis.startswith("One path comes near this answer (0.20 tolerances away)")


def test_candidates_are_ranked_by_distance_then_by_fewer_turns(coin, case):
    found = explain(coin, case, solve(coin, case).answer, depth=3)
    assert found.solved == found.total == 27
    ranks = [(round(c.distance, 3), round(c.numeric, 3)) for c in found.candidates]
    assert ranks == sorted(ranks)
    assert found.candidates[0].label == "reference"


@pytest.mark.parametrize("path", [{}, {"estimate": "flat_prior"}])
def test_agreement_with_the_reference_is_told_as_such(coin, case, path):
    found = explain(coin, case, solve(coin, case, path=path).answer)
    assert found.matched
    assert found.diagnosis.startswith("The answer agrees with the reference path (0.0")


def test_nothing_near_is_told_as_such(coin, case):
    answer = solve(coin, case).answer
    found = explain(coin, case, {**answer, "bias": 0.99})
    assert not found.matched
    best = found.candidates[0]
    assert found.diagnosis == (
        f"No known path comes near this answer: the nearest, {best.label}, "
        f"is {best.distance:.2f} tolerances away."
    )
    odd = explain(coin, case, {**answer, "favoured": "edge"})
    assert not odd.matched
    assert math.isinf(odd.candidates[0].distance)
    assert "is at another exact value" in odd.diagnosis
    assert odd.candidates[0].label == "reference", "exact keys apart, the numbers still rank"


@pytest.mark.parametrize("value", ["0.3", None, math.nan, True])
def test_a_value_that_is_no_number_is_near_nothing(coin, case, value):
    found = explain(coin, case, {**solve(coin, case).answer, "bias": value})
    assert not found.matched


def test_the_numbers_of_numpy_are_explained_alike(coin, case):
    answer = solve(coin, case, path=SINGLES[0]).answer
    numpy = {
        "bias": np.float32(answer["bias"]),
        "miscounted": np.int64(answer["miscounted"]),
        "favoured": np.str_(answer["favoured"]),
    }
    assert explain(coin, case, numpy).candidates[0].deviations == SINGLES[0]


def test_the_truth_is_never_read(coin, tmp_path):
    folder = generate(coin, tmp_path / "a")
    answer = solve(coin, folder, path=SINGLES[1]).answer
    (folder / "truth.json").write_bytes(b"\xff{ poison")
    assert explain(coin, folder, answer).candidates[0].deviations == SINGLES[1]


def test_paths_that_lead_to_the_same_answer_are_listed(coin, tmp_path):
    folder = generate(coin, tmp_path / "a", knobs={"turned": 0.0})
    answer = solve(coin, folder, path={"miscounts": "all_rows"}).answer
    found = explain(coin, folder, answer)
    assert found.candidates[0].deviations == {"miscounts": "all_rows"}
    twins = found.diagnosis.partition("Not to be told apart from it on this case: ")[2]
    assert "face=as_written, miscounts=all_rows" in twins
    assert twins.count(";") == 2


def test_a_path_that_cannot_be_followed_is_reported(coin, tmp_path):
    folder = generate(coin, tmp_path / "a", knobs={"turned": 1.0})
    answer = solve(coin, folder, path={"face": "as_written"}).answer
    found = explain(coin, folder, answer)
    assert found.candidates[0].deviations == {"face": "as_written"}
    stuck = [c for c in found.candidates if c.answer is None]
    assert stuck
    assert all(c.deviations["face"] == "one_convention" for c in stuck)
    assert {c.trouble for c in stuck} == {"No observer calls the eagle heads."}
    assert found.solved == found.total
    assert explain(coin, folder, {**answer, "bias": 0.5}, depth=1).to_dict()["solved"] == 7


def test_a_case_that_the_reference_cannot_solve_is_still_explained(coin, tmp_path):
    folder = generate(coin, tmp_path / "a", knobs={"long": 4, "miscounted": 4, "short": 0})
    answer = solve(coin, folder, path={"miscounts": "all_rows"}).answer
    found = explain(coin, folder, answer)
    assert found.candidates[0].deviations == {"miscounts": "all_rows"}
    assert "The reference is without an answer here." in found.diagnosis
    assert "without an answer here" in explain(coin, folder, answer, depth=0).diagnosis


def test_summary_shows_diagnosis_coverage_and_the_nearest(coin, case):
    found = explain(coin, case, solve(coin, case, path=SINGLES[0]).answer)
    lines = str(found).splitlines()
    assert lines[0] == found.diagnosis
    assert lines[1] == "19 of 19 paths solved."
    assert lines[2].split() == ["0.00", "tolerances", "away", "face=as_written"]
    assert len(lines) == 7


def test_an_answer_file_is_read_and_a_missing_key_is_named(coin, case, tmp_path):
    outcome = solve(coin, case, path=SINGLES[0])
    file = tmp_path / "answer.json"
    file.write_text(outcome.envelope())
    assert explain(coin, case, file).candidates[0].deviations == SINGLES[0]
    with pytest.raises(InputError) as caught:
        explain(coin, case, {"bias": 0.3})
    assert [v.column for v in caught.value.violations] == ["miscounted", "favoured"]


@pytest.mark.parametrize("how", [{"depth": -1}, {"budget": 0}])
def test_depth_and_budget_must_make_sense(coin, case, how):
    with pytest.raises(UsageError, match="must be at least 0 and 1"):
        explain(coin, case, solve(coin, case).answer, **how)


def test_parameters_reach_every_path(coin, case):
    answer = solve(coin, case, path=SINGLES[0], parameters={"excess": 50}).answer
    assert answer["miscounted"] != 18
    assert not explain(coin, case, answer, depth=1).matched
    assert explain(coin, case, answer, parameters={"excess": "50"}).candidates[0].distance == 0


@pytest.mark.parametrize(
    "pool", [lambda: threads(2), lambda: processes(2)], ids=["threads", "processes"]
)
def test_paths_may_be_mapped_over_workers(coin, case, pool):
    answer = solve(coin, case, path=DOUBLES[0]).answer
    alone = explain(coin, case, answer)
    with pool() as map_:
        together = explain(coin, case, answer, map_=map_)
    assert together.candidates == alone.candidates
    assert together.diagnosis == alone.diagnosis


# A lattice too large to be solved whole: the answer is the sum of what the choices add.
KEYS = [f"d{k}" for k in range(8)]
WIDE_SPEC = """
name = "wide"
title = "A sum of many terms"
question = "What is the sum of the numbers that the choices add?"
answer = [{ key = "total", estimand = "sum of all terms", truth = "parameter", tolerance = 0.01 }]
file = [{ name = "terms", forms = [{ columns = [{ name = "x" }] }] }]
seeds = { example = 1, certify = 1 }
"""
WIDE_SOLVE = """
from refsolve.contract import Solution, Found
from refsolve.contract.decisions import Decision
CALLS = []
DECISIONS = tuple(Decision(f"d{k}", lambda: Found(0.0, "Nothing.")) for k in range(8))
def load(case):
    return None
def solve(case, tables, path):
    CALLS.append(dict(path.path))
    return Solution({"total": sum(path.take(d) for d in DECISIONS)})
"""
WIDE_ABLATIONS = """
from refsolve.contract import Found
from refsolve.contract.decisions import Alternative, Choice
for k in range(8):
    for j in range(4):
        def run(value=(k + 1) ** 2 + 0.21 * j * (k + 2)):
            "Wrong: adds something."
            return Found(value, "More.")
        vars()[f"a{k}{j}"] = Alternative(f"d{k}", Choice(f"a{j}", "wrong", run))
"""


@pytest.fixture
def wide(tmp_path) -> Problem:
    folder = tmp_path / "wide"
    folder.mkdir()
    decisions = "".join(
        f'[[decision]]\nkey = "{key}"\nquestion = "What else?"\nreference = "nothing"\n'
        for key in KEYS
    )
    (folder / "problem.toml").write_text(WIDE_SPEC + decisions)
    (folder / "solve.py").write_text(WIDE_SOLVE)
    (folder / "ablations.py").write_text(WIDE_ABLATIONS)
    return Problem(folder)


def test_a_search_on_a_budget_continues_what_came_nearest(wide, tmp_path):
    # d7=a3 is the largest single term, so it comes nearest to this sum of two.
    planted = {"d0": "a2", "d7": "a3"}
    answer = solve(wide, tmp_path, path=planted).answer
    calls: list[tuple[int, int]] = []
    wide.module("solve").CALLS.clear()
    found = explain(
        wide, tmp_path, answer, budget=70, progress=lambda done, plan: calls.append((done, plan))
    )
    assert found.total == 1 + 32 + 28 * 16
    assert found.solved == len(wide.module("solve").CALLS) == 70
    assert found.candidates[0].deviations == planted
    assert "70 of 481 paths solved." in found.summary()
    assert [done for done, _ in calls] == list(range(1, 71))
    assert calls[-1] == (70, 70)
    assert {plan for _, plan in calls} == {1, 33, 70}


def test_a_budget_below_the_single_turns_is_kept_and_told(wide, tmp_path):
    answer = solve(wide, tmp_path).answer
    found = explain(wide, tmp_path, answer, budget=5)
    assert (found.solved, found.matched) == (5, True)
    assert sum(len(c.deviations) == 1 for c in found.candidates) == 4
    alone = explain(wide, tmp_path, answer, budget=1)
    assert [c.label for c in alone.candidates] == ["reference"]


def test_every_double_turn_is_found_when_the_budget_allows(wide, tmp_path):
    rng = np.random.default_rng(0)
    doubles = wide.lattice.deviations(2)
    for k in rng.choice(len(doubles), 3, replace=False):
        answer = solve(wide, tmp_path, path=doubles[k]).answer
        near = [c for c in explain(wide, tmp_path, answer).candidates if c.distance < 0.05]
        assert doubles[k] in [c.deviations for c in near]
