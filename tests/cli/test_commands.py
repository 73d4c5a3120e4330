"""What single commands do beyond the contract that all of them share."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from refsolve.contract.discovery import Problem

TOY = Path(__file__).resolve().parents[1] / "contract" / "toy"


def test_solve_writes_the_answer_and_says_why(case: Path, run: Any) -> None:
    result = run("solve", "coin", case)
    assert result.exit_code == 0
    written = json.loads(Path("answer.json").read_text())
    assert set(written) == {"answer", "reasoning"}
    for text in ("by_observer", f"{written['answer']['bias']:.6g}", "answer.json"):
        assert text in result.stdout
    before = Path("answer.json").stat().st_ino
    assert run("solve", "coin", case).exit_code == 0
    assert Path("answer.json").stat().st_ino != before, "replaced as a whole, never rewritten"
    assert [file.name for file in Path().iterdir()] == ["answer.json"]


def test_solve_as_json(case: Path, document: Any) -> None:
    content, _ = document("solve", "coin", case, "--set", "excess=2", "--path", "estimate=pooled")
    required = {"problem", "answer", "reasoning", "decisions", "diagnostics", "seconds"}
    assert required <= set(content)
    for item in content["decisions"]:
        assert {"name", "choice", "evidence"} <= set(item)
    assert content["parameters"]["excess"] == 2
    assert content["written"] == {}
    assert list(Path().iterdir()) == []


def test_solve_writes_where_it_is_told(case: Path, document: Any) -> None:
    content, _ = document("solve", "coin", case, "--out", "a.json", "--report", "r.html")
    assert content["written"] == {"answer": "a.json", "report": "r.html"}
    assert json.loads(Path("a.json").read_text())["answer"] == content["answer"]
    assert "The bias of a coin" in Path("r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("option", ["--out", "--report"])
def test_solve_refuses_a_folder_that_is_absent(option: str, case: Path, run: Any) -> None:
    result = run("solve", "coin", case, option, "absent/file")
    assert result.exit_code == 2
    assert "absent is not a folder" in result.stderr


def test_solve_leaves_the_case_as_it_is(
    case: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = tmp_path / "released"
    (released).mkdir()
    (released / "eval_config.json").write_text("{}")
    shutil.copytree(case, released / "data_files")
    before = sorted(released.rglob("*"))
    for here, named in ((released, "."), (released / "data_files", "..")):
        monkeypatch.chdir(here)
        result = run("solve", "coin", named)
        assert result.exit_code == 2
        assert "--out" in result.stderr
    assert sorted(released.rglob("*")) == before
    monkeypatch.chdir(tmp_path)
    assert run("solve", "coin", released).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--path", "face=quux"], 2, "no choice 'quux'"),
        (["--path", "quux=as_written"], 2, "Unknown decision 'quux'"),
        (["--set", "exces=1"], 2, "Did you mean 'excess'?"),
        (["--set", "excess=99"], 2, "outside"),
        (["--set", "excess=some"], 2, "not a valid int"),
    ],
)
def test_solve_misused(arguments: list[str], code: int, said: str, case: Path, run: Any) -> None:
    result = run("solve", "coin", case, *arguments)
    assert result.exit_code == code
    assert said in result.stderr


def test_solve_that_cannot_be_done(run: Any, document: Any) -> None:
    knobs = ["--set", "long=2", "--set", "short=0", "--set", "miscounted=2", "--set", "turned=0"]
    assert run("generate", "coin", "bad", *knobs).exit_code == 0
    content, code = document("solve", "coin", "bad")
    assert code == 3
    assert content["error"] == {
        "kind": "AnalysisError",
        "message": "No session is usable.",
        "violations": [],
        "hint": "Raise the parameter excess.",
    }


def test_grade_names_what_failed(case: Path, answers: dict[str, Path], run: Any) -> None:
    result = run("grade", "coin", answers["wrong"], "--truth", case / "truth.json")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "missed by" in result.stdout


def test_grade_rejects_extra_keys(case: Path, tmp_path: Path, run: Any, document: Any) -> None:
    content = json.loads((case / "truth.json").read_text())
    answer = tmp_path / "extra.json"
    answer.write_text(json.dumps({"answer": {**content["answer"], "more": 1}}))
    verdict, code = document("grade", "coin", answer, "--truth", case)
    assert (code, verdict["passed"], verdict["extra"]) == (1, False, ["more"])
    assert "not a key" in run("grade", "coin", answer, "--truth", case).stdout


def test_explain_finds_the_turn(case: Path, answers: dict[str, Path], document: Any) -> None:
    content, code = document("explain", "coin", case, answers["wrong"], "--depth", 1)
    assert code == 0
    assert content["matched"] is True
    assert content["candidates"][0]["deviations"] == {"face": "as_written"}
    assert content["solved"] == content["total"] == 7


def test_explain_does_not_depend_on_workers(
    case: Path, answers: dict[str, Path], document: Any
) -> None:
    ranked = []
    for workers in (1, 2):
        content, _ = document("explain", "coin", case, answers["wrong"], "--workers", workers)
        ranked.append(content["candidates"])
    assert ranked[0] == ranked[1]


def test_explain_keeps_to_its_budget(case: Path, answers: dict[str, Path], document: Any) -> None:
    content, _ = document("explain", "coin", case, answers["wrong"], "--budget", 9)
    assert content["solved"] == 9


def test_certify_writes_and_fails_with_code_one(document: Any, run: Any) -> None:
    clean = ["--set", "miscounted=0", "--set", "turned=0", "--set", "short=0"]
    certify = ["certify", "coin", "--seeds", 2, "--depth", 1, "--workers", 1]
    content, code = document(*certify, *clean, "--out", "kept")
    assert (code, content["passed"]) == (1, False)
    assert content["knobs"] == {"miscounted": 0, "turned": 0.0, "short": 0}
    assert {"certificate.json", "paths.tsv", "pass_rates.svg"} <= {
        file.name for file in Path("kept").iterdir()
    }
    again = run(*certify, *clean, "--out", "kept")
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    resumed = run(*certify, *clean, "--out", "kept", "--resume")
    assert resumed.exit_code == 1
    assert "NOT certified" in resumed.stdout


def test_generate_is_the_same_for_the_same_seed(document: Any) -> None:
    listed = []
    for folder in ("a", "b"):
        content, _ = document("generate", "coin", folder, "--seed", 5, "--set", "long=20")
        listed.append(content["files"])
        assert content["seed"] == 5
    for name in listed[0]:
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()
    content, code = document("generate", "coin", "a")
    assert code == 2
    assert "not empty" in content["error"]["message"]


def test_list_shows_what_cannot_be_used(tmp_path: Path, document: Any, run: Any) -> None:
    shutil.copytree(TOY / "coin", tmp_path / "more" / "halved")
    content, code = document("list", "--solvers", tmp_path / "more")
    assert code == 0
    trouble = {p["name"]: p["trouble"] for p in content["problems"]}
    assert trouble["coin"] == ""
    assert "name is 'coin'" in trouble["halved"]
    assert "halved" in run("list", "--solvers", tmp_path / "more").stdout


def test_describe_shows_everything(run: Any) -> None:
    said = run("describe", "coin").stdout
    problem = Problem(TOY / "coin")
    wanted = ["number ± 0.03", "eagle | number", "tosses|n", "sessions (.tsv)"]
    wanted += [c.effect for some in problem.lattice.choices.values() for c in some.values()]
    wanted += [p.description for p in problem.spec.parameter]
    assert [text for text in wanted if text not in said] == []


def test_describe_shows_choice_of_forms(tmp_path: Path, run: Any) -> None:
    shutil.copytree(TOY / "coin", tmp_path / "forms")
    spec = tmp_path / "forms" / "problem.toml"
    text = spec.read_text().replace('name = "coin"', 'name = "forms"', 1)
    second = '[[file.forms]]\ncolumns = [{ name = "other", optional = true }, { name = "more" }]\n'
    spec.write_text(text.replace("[[answer]]", second + "\n[[answer]]", 1))
    assert "observer, heads_is  or  other?, more" in run("describe", tmp_path / "forms").stdout


def test_describe_shows_matrices_and_patterns(tmp_path: Path, run: Any) -> None:
    shutil.copytree(TOY / "coin", tmp_path / "wide")
    spec = tmp_path / "wide" / "problem.toml"
    text = spec.read_text().replace('name = "coin"', 'name = "wide"', 1)
    columns = '{ name = "line" }, { name = "f", pattern = "F[0-9]+", min_columns = 2 }'
    matrix = '{ name = "ld", aliases = ["R"], rows = "line", columns = "line", optional = true }'
    table = f"""
    [[file]]
    name = "arrays"
    format = "npz"
    optional = true
    forms = [{{ columns = [{columns}], matrices = [{matrix}] }}]
    """
    spec.write_text(text.replace("[[answer]]", f"{table}\n[[answer]]", 1))
    said = " ".join(run("describe", tmp_path / "wide").stdout.split())
    assert "arrays (.npz)? line, f (2 or more columns F[0-9]+), ld|R? (line × line)" in said


def test_new_says_how_to_go_on(run: Any) -> None:
    first = run("new", "mine")
    assert "refsolve describe ./mine" in first.stdout
    described = run("describe", "./mine")
    assert described.exit_code == 2
    assert "'answer[0].tolerance': found -1" in described.stderr
    assert run("new", "mine").exit_code == 2
    assert run("new", "mine", "--dir", "other").exit_code == 0
    assert Path("other/mine/solve.py").is_file()


def test_demo_leaves_files_to_look_at(document: Any, run: Any) -> None:
    content, code = document("demo", "coin", "--dir", "demo")
    assert code == 0
    assert content["passed"] is True
    assert [wrong["passed"] for wrong in content["wrong"]] == [False, False, False]
    decisions = {next(iter(wrong["path"])) for wrong in content["wrong"]}
    assert len(decisions) == 3, "one wrong turn of every decision first"
    assert content["explanation"]["candidates"][0]["deviations"] == content["wrong"][0]["path"]
    assert Path("demo/figure_1.png").read_bytes().startswith(b"\x89PNG")
    for file in content["written"].values():
        assert Path(file).is_file()
    again = run("demo", "coin", "--dir", "demo")
    assert again.exit_code == 2
    assert "demo is not empty" in again.stderr


def test_demo_without_anything_wrong_to_do(tmp_path: Path, document: Any) -> None:
    shutil.copytree(TOY / "coin", tmp_path / "tame")
    spec = tmp_path / "tame" / "problem.toml"
    spec.write_text(spec.read_text().replace('name = "coin"', 'name = "tame"', 1))
    (tmp_path / "tame" / "ablations.py").write_text("")
    (tmp_path / "tame" / "figures.py").unlink()
    content, code = document("demo", tmp_path / "tame", "--dir", tmp_path / "out")
    assert code == 0
    assert content["wrong"] == []
    assert "explanation" not in content
    assert set(content["written"]) == {"report"}
