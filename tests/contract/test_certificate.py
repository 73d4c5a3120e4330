"""The verdict: right and wrong are told apart in both directions."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from refsolve.contract.certificate import assemble
from refsolve.contract.certifying import certify, null_answer
from refsolve.contract.charts import pass_rate_chart
from refsolve.contract.generating import draw, generate
from refsolve.contract.ledger import NULL, Cell
from refsolve.contract.solving import solve
from refsolve.contract.statistics import wilson
from refsolve.core.errors import InputError

POOLED = "bias = path.take(estimate, usable)\n"
MEAN = "    return Found(float(share.mean()), "
PRIOR = "(eagles + 1) / (tosses + 2)"


def rows(certificate) -> dict:
    return {row.path: row for row in certificate.rows}


@pytest.fixture(scope="module")
def certificate(coin_spec):
    from pathlib import Path

    from refsolve.contract.discovery import Problem

    return certify(Problem(Path(__file__).parent / "toy" / "coin"), seeds=20)


def test_the_toy_is_certified(certificate):
    assert certificate.passed
    assert certificate.reasons == ()
    assert certificate.notes == ("note: 20 of the 40 cases that the problem asks for",)
    kinds = {
        row.kind: [r.rate for r in certificate.rows if r.kind == row.kind]
        for row in certificate.rows
    }
    assert kinds["reference"] == [1.0]
    assert max(kinds["wrong"]) == 0.0
    assert len(kinds["wrong"]) == 12
    assert min(kinds["defensible"]) >= 0.9
    assert kinds["null"] == [0.0]
    assert {row.verdict for row in certificate.rows} == {"ok"}
    for row in certificate.rows:
        assert (row.low, row.high) == wilson(row.passed, row.n)
        assert row.failures == 0
    assert str(certificate).startswith("coin: certified over 20 seeds (20 paths)\n  note: 20")


def test_bias_and_coverage_are_those_of_the_cases(certificate, tmp_path, coin):
    errors, covered = [], []
    for seed in range(1000, 1020):
        truth = draw(coin, seed, {}).answer["bias"]
        outcome = solve(coin, generate(coin, tmp_path / str(seed), seed=seed))
        low, high = outcome.intervals["bias"]
        errors.append(outcome.answer["bias"] - truth)
        covered.append(low <= truth <= high)
    (key,) = rows(certificate)[""].keys
    assert key.bias == pytest.approx(np.mean(errors), abs=1e-12)
    assert key.rmse == pytest.approx(np.sqrt(np.mean(np.square(errors))), abs=1e-12)
    assert key.spread == pytest.approx(np.quantile(np.abs(errors), 0.95), abs=1e-12)
    assert key.coverage == pytest.approx(np.mean(covered), abs=1e-12)
    units = np.median(np.abs(errors)) / 0.03
    assert rows(certificate)[""].median_units == pytest.approx(units, abs=1e-9)


def test_what_was_not_run_is_said(coin):
    assert certify(coin, seeds=40).notes == ()
    few = "note: 2 of the 40 cases that the problem asks for"
    assert certify(coin, seeds=2, depth=1).notes == (few, "note: pairs of deviations were not run")


def test_intervals_that_are_surely_too_short_are_said(coin):
    cells = [
        Cell(seed, "", True, {"bias": 0.0}, {"bias": seed < 25}, 0.0, 0.0) for seed in range(40)
    ]
    found = assemble(coin, cells, ["", NULL], 40, 0.0, {})
    assert found.notes[-1] == "note: intervals of bias cover 47% to 76% of the time"
    good = [replace(cell, covered={"bias": cell.seed < 37}) for cell in cells]
    assert not any(
        "intervals" in note for note in assemble(coin, good, ["", NULL], 40, 0.0, {}).notes
    )


def test_a_wrong_turn_has_the_bias_that_it_names(certificate):
    (mean,) = rows(certificate)["estimate=mean_of_sessions"].keys
    assert mean.bias > 0.08
    assert mean.coverage < 0.1
    assert rows(certificate)["estimate=mean_of_sessions"].median_units > 2


def test_the_recommended_tolerance_lies_between_noise_and_the_nearest_wrong_turn(certificate):
    told = certificate.tolerances["bias"]
    (key,) = rows(certificate)[""].keys
    assert told["present"] == 0.03
    assert told["four_sd_of_reference"] == pytest.approx(4 * key.rmse, abs=1e-12)
    assert told["separated"]
    assert told["nearest_wrong_path"] in {"face=as_written", "estimate=mean_of_sessions"}
    assert told["four_sd_of_reference"] < told["recommended"] < told["smallest_wrong_error"]


def test_the_table_has_one_line_per_path_and_a_block_per_key(certificate):
    frame = certificate.to_frame()
    assert list(frame["path"])[:2] == ["reference", "face=as_written"]
    assert {"bias_bias", "bias_rmse", "bias_spread", "bias_coverage"} <= {*frame.columns}
    assert len(frame) == 20


def test_a_wrong_turn_that_passes_fails_the_problem(variant):
    lenient = variant(("ablations.py", MEAN, "    return Found(estimate(usable).value, "))
    found = certify(lenient, seeds=4, depth=1)
    assert not found.passed
    (reason,) = found.reasons
    assert reason == "estimate=mean_of_sessions: gate: wrong, passes 100.0% > 5%"
    assert "coin: NOT certified" in str(found)
    assert reason in str(found)


def test_a_wrong_turn_may_be_documented_as_harmless(variant):
    line = 'reference = "pooled"\n'
    note = f'{line}[decision.harmless]\nmean_of_sessions = "sessions are equally long here"\n'
    lenient = variant(
        ("ablations.py", MEAN, "    return Found(estimate(usable).value, "),
        ("problem.toml", line, note),
    )
    found = certify(lenient, seeds=4)
    assert found.passed
    told = rows(found)
    assert told["estimate=mean_of_sessions"].verdict == "harmless: sessions are equally long here"
    both = told["miscounts=recovered, estimate=mean_of_sessions"]
    assert both.verdict == "harmless: sessions are equally long here"
    assert told["face=as_written, estimate=mean_of_sessions"].verdict == "ok"
    assert found.tolerances["bias"]["nearest_wrong_path"] == "face=as_written"


def test_two_wrong_turns_that_cancel_are_told_and_do_not_fail_the_problem(variant):
    # Each turn adds the same error with another sign.
    cancelling = variant(
        ("ablations.py", MEAN, "    return Found(estimate(usable).value + 0.1, "),
        ("ablations.py", "    columns = {", "    sessions = sessions.copy()\n    columns = {"),
        ("ablations.py", "return Found((counted, 0), ", "return Found((counted, -1), "),
        (
            "solve.py",
            POOLED,
            POOLED + "    bias -= 0.1 * (bad < 0)\n    bad = 18 if bad < 0 else bad\n",
        ),
        (
            "ablations.py",
            'tosses=oriented["eagles"] + oriented["numbers"]',
            'eagles=oriented["tosses"] - oriented["numbers"]',
        ),
    )
    found = certify(cancelling, seeds=4)
    told = rows(found)
    assert found.passed
    assert told["miscounts=all_rows"].rate == told["estimate=mean_of_sessions"].rate == 0
    both = told["miscounts=all_rows, estimate=mean_of_sessions"]
    assert both.verdict == "cancels: passes 100.0% although a wrong turn is in it"


def test_a_reference_that_misses_fails_the_problem(variant):
    biased = variant(("solve.py", POOLED, f"{POOLED}    bias += 0.05\n"))
    found = certify(biased, seeds=4, depth=1)
    assert not found.passed
    assert "reference: gate: the reference passes 0.0% < 95%" in found.reasons
    assert rows(found)[""].keys[0].bias == pytest.approx(0.05, abs=0.02)


def test_a_defensible_choice_that_misses_fails_the_problem(variant):
    heavy = variant(("ablations.py", PRIOR, "(eagles + 5000) / (tosses + 10000)"))
    found = certify(heavy, seeds=4)
    assert not found.passed
    assert found.reasons == ("estimate=flat_prior: gate: defensible, passes 0.0% < 90%",)


def test_a_null_answer_that_passes_fails_the_problem(variant):
    last = "    return GeneratedCase(\n"
    nothing = '    p, twice, favoured = 0.0, [], "eagle"\n'
    trivial = variant(("generate.py", last, nothing + last))
    assert null_answer(trivial) == {"bias": 0.0, "miscounted": 0, "favoured": "eagle"}
    found = certify(trivial, seeds=2, depth=1)
    assert f"{NULL}: gate: a null answer passes 100.0%" in found.reasons


def test_a_path_that_cannot_be_followed_fails_its_cases_and_is_counted(coin):
    found = certify(coin, seeds=3, depth=1, knobs={"turned": 1.0})
    row = rows(found)["face=one_convention"]
    assert (row.failures, row.passed, row.n) == (3, 0, 3)
    assert np.isnan(row.keys[0].bias)
    assert np.isnan(row.median_units)
    assert "face=one_convention: gate: defensible, passes 0.0% < 90%" in found.reasons
    assert rows(found)[""].passed == 3
    ElementTree.fromstring(pass_rate_chart("a <b> & c", found.rows))
    assert found.to_dict()["rows"][2]["keys"][0]["bias"] is None


def test_a_generated_case_that_cannot_be_read_fails_and_does_not_end_the_run(variant):
    odd = variant(("generate.py", '"tosses": tosses,', '"tosses": tosses * (p < 0.5),'))
    found = certify(odd, seeds=8, depth=1)
    reference = rows(found)[""]
    assert 0 < reference.failures < 8
    assert reference.passed == 8 - reference.failures
    assert any(reason.startswith("reference: gate") for reason in found.reasons)


def test_a_generator_that_breaks_its_contract_ends_the_run(variant):
    broken = variant(("generate.py", '"bias": p,', '"bias": 2.0,'))
    with pytest.raises(InputError, match="above the largest accepted value 1"):
        certify(broken, seeds=2, depth=1)


TWO_SPEC = """
name = "two"
title = "Two numbers, one wrong turn each"
question = "What are the two numbers that the generator drew?"
answer = [
    { key = "x", estimand = "the first number", truth = "parameter", tolerance = 0.1 },
    { key = "y", estimand = "the second number", truth = "parameter", tolerance = 0.1 },
]
file = [{ name = "seen", forms = [{ columns = [{ name = "x" }, { name = "y" }] }] }]
seeds = { example = 1, certify = 1 }
decision = [
    { key = "first", question = "Which x?", reference = "seen" },
    { key = "second", question = "Which y?", reference = "seen" },
]
"""
TWO_SOLVE = """
from refsolve.contract import Found, Solution, decision
from refsolve.io import read_tables
@decision
def first(row):
    return Found(float(row["x"]), "x was seen.")
@decision
def second(row):
    return Found(float(row["y"]), "y was seen.")
DECISIONS = (first, second)
def load(case):
    return read_tables(case.folder, case.spec.file)["seen"].frame.iloc[0]
def solve(case, row, path):
    return Solution({"x": path.take(first, row), "y": path.take(second, row)})
"""
TWO_ABLATIONS = """
from refsolve.contract import Found, alternative
from .solve import first, second
@alternative(first)
def more(row):
    "Wrong: too high by one."
    return Found(float(row["x"]) + 1, "One more.")
@alternative(second)
def less(row):
    "Wrong: too low by two."
    return Found(float(row["y"]) - 2, "Two less.")
"""
TWO_GENERATE = """
from dataclasses import dataclass
import pandas as pd
from refsolve.contract import GeneratedCase
@dataclass(frozen=True)
class Knobs:
    noise: float = 0.01
def generate(knobs, rng):
    x, y = rng.normal(10, 1, 2)
    ex, ey = rng.normal(0, knobs.noise, 2)
    return GeneratedCase({"seen": pd.DataFrame({"x": [x + ex], "y": [y + ey]})}, {"x": x, "y": y})
"""


def test_a_key_that_a_wrong_turn_does_not_touch_keeps_its_tolerance(tmp_path):
    from refsolve.contract.discovery import Problem

    folder = tmp_path / "two"
    folder.mkdir()
    files = {"solve": TWO_SOLVE, "ablations": TWO_ABLATIONS, "generate": TWO_GENERATE}
    (folder / "problem.toml").write_text(TWO_SPEC)
    for name, code in files.items():
        (folder / f"{name}.py").write_text(code)
    found = certify(Problem(folder), seeds=20)
    assert found.passed
    x, y = found.tolerances["x"], found.tolerances["y"]
    assert (x["nearest_wrong_path"], y["nearest_wrong_path"]) == ("first=more", "second=less")
    assert x["separated"]
    assert x["smallest_wrong_error"] == pytest.approx(1.0, abs=0.05)
    assert y["smallest_wrong_error"] == pytest.approx(2.0, abs=0.05)
    assert x["four_sd_of_reference"] < x["recommended"] < x["smallest_wrong_error"]
    noisy = certify(Problem(folder), seeds=20, knobs={"noise": 2.0})
    assert not noisy.passed
    assert not noisy.tolerances["x"]["separated"]
    assert noisy.tolerances["x"]["recommended"] == noisy.tolerances["x"]["four_sd_of_reference"]
