from __future__ import annotations

import json
import shutil

import pytest
from threadpoolctl import threadpool_info

import refsolve
from refsolve.contract.generating import generate
from refsolve.contract.grading import grade
from refsolve.contract.published import spec_rules, write_published
from refsolve.contract.solving import load_case, open_case, solve, solve_case
from refsolve.core.errors import AnalysisError, InputError, UsageError

CLEAN = {"turned": 0.0, "miscounted": 0, "short": 0}


def timeless(outcome) -> str:
    return json.dumps({**outcome.to_dict(), "seconds": 0})


def test_the_example_is_solved_and_passes(coin, case):
    outcome = solve(coin, case)
    assert grade(coin, outcome.answer, case).passed
    low, high = outcome.intervals["bias"]
    assert low < outcome.answer["bias"] < high


def test_the_package_has_the_verbs(toy, case):
    outcome = refsolve.solve("coin", case, solvers=[toy])
    assert refsolve.grade("coin", outcome.answer, case, solvers=[toy]).passed
    assert {"solve", "grade", "list"} <= set(dir(refsolve))
    with pytest.raises(AttributeError, match="no attribute 'slove'"):
        refsolve.slove  # noqa: B018


def test_the_document_says_what_was_seen_and_chosen(coin, case):
    document = solve(coin, case, path={"miscounts": "recovered"}).to_dict()
    json.dumps(document, allow_nan=False)
    assert document["path"] == {
        "face": "by_observer",
        "miscounts": "recovered",
        "estimate": "pooled",
    }
    assert [d["name"] for d in document["decisions"]] == ["face", "miscounts", "estimate"]
    assert [d["kind"] for d in document["decisions"]] == ["reference", "defensible", "reference"]
    assert document["decisions"][0]["evidence"]["n"] == 72
    assert "72 of 180 sessions call the number heads." in document["reasoning"]
    assert set(document) >= {
        "problem",
        "answer",
        "reasoning",
        "decisions",
        "diagnostics",
        "seconds",
    }


def test_a_solver_has_one_blas_thread(coin, case, monkeypatch):
    module, seen = coin.module("solve"), []
    solved = module.solve

    def watched(*arguments):
        seen.extend(library["num_threads"] for library in threadpool_info())
        return solved(*arguments)

    monkeypatch.setattr(module, "solve", watched)
    before = threadpool_info()
    solve(coin, case)
    assert set(seen) == {1}
    assert threadpool_info() == before


def test_answer_file_and_summary(coin, case):
    outcome = solve(coin, case)
    envelope = json.loads(outcome.envelope())
    assert envelope == {"answer": outcome.answer, "reasoning": outcome.reasoning}
    lines = str(outcome).splitlines()
    assert lines[1].startswith(f"  bias = {outcome.answer['bias']:.6g}  [")
    assert lines[2:4] == ["  miscounted = 18", f"  favoured = {outcome.answer['favoured']}"]
    assert lines[4].startswith("  face → by_observer: 72 of 180")


def test_solving_is_deterministic_and_does_not_follow_the_order_of_rows(coin, tmp_path):
    import pandas as pd

    folder = generate(coin, tmp_path / "a", seed=11)
    first = timeless(solve(coin, folder))
    assert timeless(solve(coin, folder)) == first
    file = folder / "sessions.tsv.gz"
    pd.read_csv(file, sep="\t").iloc[::-1].to_csv(file, sep="\t", index=False)
    assert timeless(solve(coin, folder)) == first


def test_the_truth_is_never_read(coin, tmp_path):
    folder = generate(coin, tmp_path / "a")
    honest = timeless(solve(coin, folder))
    (folder / "truth.json").write_bytes(b"\xff{ poison")
    assert timeless(solve(coin, folder)) == honest
    (folder / "truth.json").unlink()
    assert timeless(solve(coin, folder)) == honest
    (folder / "truth.json").mkdir()
    assert timeless(solve(coin, folder)) == honest


def test_in_a_clean_case_nothing_is_repaired_and_every_path_is_near(coin, tmp_path):
    folder = generate(coin, tmp_path / "a", knobs=CLEAN)
    loaded = load_case(coin, open_case(coin, folder, {}))
    for level in range(4):
        for deviations in coin.lattice.deviations(level):
            answer = solve_case(coin, loaded, deviations).answer
            assert grade(coin, answer, folder).passed, deviations


def test_a_published_package_is_solved_and_graded_in_place(coin, case, tmp_path):
    package = tmp_path / "problems" / "coin_bias"
    shutil.copytree(case, package / "data_files", ignore=shutil.ignore_patterns("truth.json"))
    truth = json.loads((case / "truth.json").read_text())
    files = tuple(sorted(p.name for p in (package / "data_files").iterdir()))
    rules = spec_rules(coin.spec, truth["answer"], truth["tolerance"])
    (package / "eval_config.json").write_text(write_published(coin.spec, rules, files))
    outcome = solve(coin, package)
    assert outcome.answer == solve(coin, case).answer == solve(coin, package / "data_files").answer
    for place in (package, package / "data_files", package / "eval_config.json"):
        verdict = grade(coin, outcome.answer, place)
        assert verdict.passed
        assert {k.key: k.truth for k in verdict.keys} == truth["answer"]


def test_parameters_are_coerced_and_kept_in_range(coin, case):
    wide = solve(coin, case, parameters={"z": "3.92"}).intervals["bias"]
    usual = solve(coin, case, parameters={"z": 1.96}).intervals["bias"]
    assert wide[1] - wide[0] == pytest.approx(2 * (usual[1] - usual[0]), rel=1e-12)
    assert solve(coin, case, parameters={"z": 5}).path == solve(coin, case).path


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"z": 0.4}, r"parameter z = 0.4 is outside \[0.5, 5.0\]"),
        ({"excess": "51"}, r"parameter excess = 51 is outside \[0.0, 50.0\]"),
        ({"z": float("nan")}, "parameter z: nan is not a valid float"),
        ({"excess": 1.5}, "parameter excess: 1.5 is not a valid int"),
        ({"exces": 1}, r"Unknown parameter 'exces'. Did you mean 'excess'\?"),
    ],
)
def test_parameters_out_of_place_are_refused(coin, case, parameters, message):
    with pytest.raises(UsageError, match=message):
        solve(coin, case, parameters=parameters)


def test_a_case_that_is_no_folder_is_named(coin, tmp_path, case):
    for place in (tmp_path / "none", case / "truth.json"):
        with pytest.raises(InputError, match="expected a folder with the released files") as caught:
            solve(coin, place)
        assert str(place) in str(caught.value)


def test_every_violation_of_the_files_is_told_at_once(coin, tmp_path):
    (tmp_path / "sessions.tsv").write_text(
        "session\tobserver\tn\theads\ttails\n1\ta\t0\t1\t1\n1\tb\t5\t2\tx\n"
    )
    (tmp_path / "observers.tsv").write_text("observer\theads_is\na\teagle\n")
    with pytest.raises(InputError) as caught:
        solve(coin, tmp_path)
    told = {(v.file, v.column, v.row) for v in caught.value.violations}
    assert {("sessions.tsv", "tosses", 2), ("sessions.tsv", "tails", 3)} <= told
    assert caught.value.exit_code == 2


def test_what_cannot_be_analysed_is_told_with_the_reason(coin, tmp_path):
    folder = generate(coin, tmp_path / "a", knobs={"long": 4, "miscounted": 4, "short": 0})
    with pytest.raises(AnalysisError, match="No session is usable. Raise the parameter excess."):
        solve(coin, folder)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('"favoured": favoured}', '"favored": favoured}', r"coin: solve.py answers \['bias', 'fav"),
        (
            "    bias = path.take(estimate, usable)\n",
            "    bias = estimate(usable).value\n",
            r"coin: solve.py never takes \['estimate'\]",
        ),
    ],
)
def test_solver_and_contract_must_agree(variant, case, old, new, message):
    with pytest.raises(UsageError, match=message):
        solve(variant(("solve.py", old, new)), case)


def test_answers_in_the_numbers_of_numpy_become_plain(variant, case, coin):
    numpy = variant(
        (
            "solve.py",
            '"bias": bias, "miscounted": bad',
            '"bias": np.float64(bias), "miscounted": np.int64(bad)',
        ),
        ("solve.py", "import pandas as pd\n", "import numpy as np\nimport pandas as pd\n"),
    )
    answer = solve(numpy, case).answer
    assert answer == solve(coin, case).answer
    assert [type(value) for value in answer.values()] == [float, int, str]


def test_figures_of_the_toy_are_drawn(coin, case):
    (figure,) = coin.module("figures").figures(solve(coin, case)).values()
    assert figure.axes[0].get_xlabel() == "share of eagles"
