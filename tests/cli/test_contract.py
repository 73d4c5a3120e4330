"""What holds for every command: one JSON document, exit codes, messages without traceback."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest

from refsolve import __version__
from refsolve.cli import main as program
from refsolve.cli.failure import Failure
from refsolve.core.errors import (
    AnalysisError,
    InputError,
    MissingDependencyError,
    RefsolveError,
    UsageError,
    Violation,
)

TOY = Path(__file__).resolve().parents[1] / "contract" / "toy"
START = [sys.executable, "-c", "from refsolve.cli.main import main; main()"]


def command_line(name: str, case: Path, answers: dict[str, Path]) -> list[object]:
    """A quick use of each command."""
    return {
        "solve": ["solve", "coin", case],
        "grade": ["grade", "coin", answers["right"], "--truth", case],
        "explain": ["explain", "coin", case, answers["wrong"], "--workers", 1],
        "certify": ["certify", "coin", "--seeds", 2, "--depth", 1, "--workers", 1],
        "generate": ["generate", "coin", "made", "--seed", 3],
        "list": ["list"],
        "describe": ["describe", "coin"],
        "new": ["new", "mine"],
        "demo": ["demo", "coin", "--dir", "demo"],
        "doctor": ["doctor"],
        "warmup": ["warmup"],
        "profile": ["profile", "wright_fisher", "--seconds", 0.01],
    }[name]


@pytest.mark.parametrize("name", program.COMMANDS)
def test_every_command_answers_with_one_document(
    name: str, case: Path, answers: dict[str, Path], quick_work: Any, document: Any
) -> None:
    content, code = document(*command_line(name, case, answers))
    assert code == 0
    assert content["schema"] == f"refsolve.{name}/1"


@pytest.mark.parametrize("name", program.COMMANDS)
def test_every_command_answers_people(
    name: str, case: Path, answers: dict[str, Path], quick_work: Any, run: Any
) -> None:
    result = run(*command_line(name, case, answers))
    assert result.exit_code == 0, result.output
    assert result.stdout.strip()
    assert "\x1b" not in result.stdout, "no colours outside of a terminal"


@pytest.mark.parametrize("name", program.COMMANDS)
def test_every_command_has_help(name: str, run: Any) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage:")
    assert "--json" in result.stdout


def test_every_file_of_a_command_is_listed() -> None:
    files = {path.stem for path in Path(program.__file__).parent.glob("*.py")}
    assert set(program.COMMANDS) <= files


def test_the_program_ends_with_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    for words, code in ((["--version"], 0), (["quux"], 2)):
        with pytest.raises(SystemExit) as end:
            program.main(words)
        assert end.value.code == code
    with pytest.raises(KeyboardInterrupt):
        handlers[signal.SIGTERM](signal.SIGTERM, None)


def test_version(run: Any) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.split()[-1] == __version__


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sovle", "coin"], "Did you mean 'solve'?"),
        (["quux"], "Known: solve, grade"),
        (["solve", "coni", "."], "Did you mean 'coin'?"),
        (["describe", "quux"], "No problem is called 'quux'.\n       Known: "),
        (["solve", "coin"], "Missing argument 'CASE'"),
        (["--quux"], "No such option"),
        (["certify", "coin", "--sead", "3"], "--seeds"),
        (["certify", "coin", "--seeds", "0"], "x>=1"),
        (["certify", "coin", "--resume"], "--resume needs --out"),
        (["profile", "wright_fischer"], "Did you mean 'wright_fisher'?"),
        (["profile", "quux"], "No method is called 'quux'.\n       Known: "),
        (["generate", "coin", "made", "--set", "length"], "not of the form KEY=VALUE"),
        (["generate", "coin", "made", "--set", "lenght=3"], "Did you mean 'length'?"),
        (["new", "Bad Name"], "lower-case letters"),
        (["list", "--solvers", "absent"], "absent is not a folder of solvers"),
    ],
)
def test_misuse_is_answered_with_advice(
    arguments: list[str], said: str, run: Any, document: Any
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    content, code = document(*arguments)
    assert code == content["exit_code"] == 2
    assert content["error"]["kind"] == "UsageError"
    assert content["error"]["message"]


def test_files_that_break_the_contract(case: Path, tmp_path: Path, document: Any, run: Any) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(case, broken)
    (broken / "sessions.tsv.gz").unlink()
    rows = "\n".join(f"{i}\tobserver_1\tmany\t1\t0" for i in range(1, 40))
    (broken / "sessions.tsv").write_text(f"session\tobserver\ttosses\theads\ttails\n{rows}\n")
    content, code = document("solve", "coin", broken)
    assert code == content["exit_code"] == 2
    assert content["error"]["kind"] == "InputError"
    first = content["error"]["violations"][0]
    assert set(first) == {"file", "column", "row", "value", "expected", "remedy"}
    assert (first["column"], first["row"]) == ("tosses", 2)
    result = run("solve", "coin", broken)
    assert result.exit_code == 2
    assert "'tosses'" in result.stderr


def test_many_violations_are_cut_for_people() -> None:
    error = InputError([Violation("f", "c", i, i, "less") for i in range(50)])
    failure = Failure(error)
    assert len(failure.document()["error"]["violations"]) == 50
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        failure.print(as_json=False)
    assert said.getvalue().count("expected less") == 20
    assert "and 30 more." in said.getvalue()


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (RefsolveError("a"), 1, "RefsolveError"),
        (UsageError("a"), 2, "UsageError"),
        (AnalysisError("a", hint="b"), 3, "AnalysisError"),
        (MissingDependencyError("a"), 4, "MissingDependencyError"),
        (click.UsageError("a"), 2, "UsageError"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "UsageError"),
        (click.Abort(), 130, "Interrupted"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (ZeroDivisionError("a"), 70, "ZeroDivisionError"),
        (OSError("without a file"), 70, "OSError"),
    ],
)
def test_errors_and_exit_codes(
    error: BaseException, code: int, kind: str, monkeypatch: pytest.MonkeyPatch, document: Any
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(click.Command, "invoke", fail)
    content, returned = document("list")
    assert returned == content["exit_code"] == code
    assert content["error"]["kind"] == kind
    assert content["error"]["hint"] == getattr(error, "hint", "")


def test_only_a_defect_shows_a_traceback(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    monkeypatch.setattr(click.Command, "invoke", lambda *_: 1 / 0)
    result = run("list")
    assert result.exit_code == 70
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert "Sorry" in result.stderr


def test_a_solver_that_prints_does_not_spoil_the_document(
    case: Path, tmp_path: Path, document: Any
) -> None:
    shutil.copytree(TOY / "coin", tmp_path / "talker")
    spec = tmp_path / "talker" / "problem.toml"
    spec.write_text(spec.read_text().replace('name = "coin"', 'name = "talker"', 1))
    with (tmp_path / "talker" / "solve.py").open("a") as stream:
        stream.write('\nprint("I talk")\n')
    content, code = document("solve", tmp_path / "talker", case)
    assert code == 0
    assert content["problem"] == "talker"


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "REFSOLVE_SOLVERS": str(TOY)}
    words = [*START, *map(str, arguments)]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env=environment, **options
    )


def test_exit_codes_of_the_process(case: Path, answers: dict[str, Path]) -> None:
    grading = ["grade", "coin", "--truth", case]
    assert process(*grading, answers["right"]).returncode == 0
    assert process(*grading, answers["wrong"]).returncode == 1
    unusable = process(*grading, case / "absent.json", "--json")
    assert unusable.returncode == 2
    assert json.loads(unusable.stdout)["error"]["kind"] == "InputError"


def test_help_is_light() -> None:
    source = (
        "import sys\nfrom refsolve.cli.main import main\ntry:\n    main(['--help'])\n"
        "except SystemExit:\n    print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.splitlines()[-1].split())
    assert loaded & {"numpy", "pandas", "pydantic", "numba", "rich", "matplotlib"} == set()


def test_a_reader_that_goes_away_is_no_error() -> None:
    words = [*START, "describe", "coin", "--solvers", str(TOY)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        said = running.stderr.read()
    assert running.returncode == program.READER_GONE
    assert said == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_certification_resumes(number: int, tmp_path: Path) -> None:
    out = tmp_path / "kept work"
    words = ["certify", "coin", "--seeds", "200", "--workers", "1", "--depth", "1"]
    words += ["--solvers", str(TOY), "--out", str(out)]
    with subprocess.Popen(
        [*START, *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        wait_for_work(out / "work.sqlite", running)
        running.send_signal(number)
        written, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert json.loads(written)["exit_code"] == 130
    (sentence,) = [line for line in said.splitlines() if "Interrupted" in line]
    assert "finished work is kept in" in sentence
    assert "--resume" in sentence
    before = done(out)
    assert 0 < before < 200 * 8
    words[words.index("200")] = "3"
    again = process(*words, "--resume", "--json")
    assert json.loads(again.stdout)["seeds"] == 3


def wait_for_work(base: Path, running: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not base.exists() or done(base.parent) == 0:
        assert running.poll() is None, "ended before it was interrupted"
        assert time.monotonic() < end
        time.sleep(0.02)


def done(folder: Path) -> int:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "work.sqlite", timeout=30)) as base:
        try:
            return int(base.execute("select count(*) from cell").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def test_interrupted_without_a_folder(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    import refsolve.contract.certifying

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(refsolve.contract.certifying, "certify", stop)
    result = run("certify", "coin", "--workers", 1)
    assert result.exit_code == 130
    assert "nothing is kept" in result.stderr
