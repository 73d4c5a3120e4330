"""Progress: sparse lines in a file, a bar in a terminal, nothing for what is quick."""

from __future__ import annotations

import io
import os
import sys

import pytest

from refsolve.cli import progress as module
from refsolve.cli.progress import progress
from refsolve.cli.reply import Reply, Table, number, show


def test_a_line_every_tenth(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SILENT", -1.0)
    with progress("count", "numbers") as report:
        for done in range(201):
            report(done, 200)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"count: {done} of 200 numbers" for done in range(20, 201, 20)]


def test_a_plan_that_grows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SILENT", -1.0)
    with progress("count", "numbers") as report:
        for done, planned in [(0, 0), (1, 1), (2, 4), (3, 4), (4, 4)]:
            report(done, planned)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["count: 3 of 4 numbers", "count: 4 of 4 numbers"]


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("count", "numbers") as report:
        for done in range(11):
            report(done, 10)
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("count", "numbers") as report:
        for done in range(5):
            report(done, 4)
    assert "count" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()


def test_colours_in_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(("a", "b"), [("[bold]x[/bold]", "y" * 200)], ["red"])
    said = {}
    for name, stream in (("terminal", Terminal()), ("file", io.StringIO())):
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setattr(sys, "stdout", stream)
        show(table)
        said[name] = stream.getvalue()
    assert "\x1b[31m" in said["terminal"]
    assert "\x1b" not in said["file"]
    assert "y" * 200 in said["file"], "what is read by programs is not wrapped"
    assert "[bold]x[/bold]" in said["file"], "text of others is not markup"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    show("\x1b[31mred\x1b[0m")
    assert terminal.getvalue() == f"red{os.linesep}"


def test_numbers_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    Reply({"a": float("nan"), "b": [float("inf")]}).print(as_json=True)
    assert capsys.readouterr().out == '{\n  "a": null,\n  "b": [\n    null\n  ]\n}\n'


def test_number() -> None:
    assert [number(v) for v in (None, 1 / 3, 7, "text")] == ["–", "0.333333", "7", "text"]
