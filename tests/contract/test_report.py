"""A report is one page that needs nothing else, says everything, and is the same every time."""

from __future__ import annotations

import itertools
import re
import xml.dom.minidom
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from refsolve.contract import report
from refsolve.contract.discovery import Problem
from refsolve.contract.generating import generate
from refsolve.contract.outcome import Outcome
from refsolve.contract.solving import solve

TOY = Path(__file__).resolve().parent / "toy"
VOID = {"meta", "br", "link", "img"}


class Page(HTMLParser):
    """What stands where; fails on tags that are not closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(TOY / "coin")


@pytest.fixture(scope="module")
def outcome(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    case = generate(problem, tmp_path_factory.mktemp("coin") / "case")
    return solve(problem, case, path={"estimate": "flat_prior"})


def figures(problem: Problem, outcome: Outcome) -> dict[str, Figure]:
    drawn: dict[str, Figure] = problem.module("figures").figures(outcome)
    return {**drawn, "A second <figure>": drawn["Sessions"]}


def page(problem: Problem, outcome: Outcome, **options: Any) -> str:
    return report.html_report(problem, outcome, figures(problem, outcome), **options)


def test_everything_is_said(problem: Problem, outcome: Outcome) -> None:
    said = " ".join(Page(page(problem, outcome)).text)
    wanted = [problem.spec.title, "estimate=flat_prior", outcome.reasoning, "refsolve", "numpy"]
    wanted += [a.estimand for a in problem.spec.answer]
    wanted += [p.description for p in problem.spec.parameter]
    for item in problem.spec.decision:
        wanted += [item.question]
        wanted += [c.effect for c in problem.lattice.choices[item.key].values()][1:2]
    wanted += [d.because for d in outcome.decisions]
    wanted += [f"{outcome.answer['bias']:.6g}", f"{outcome.intervals['bias'][1]:.6g}"]
    wanted += [f"{outcome.diagnostics['standard_error']:.6g}"]
    assert [text for text in wanted if " ".join(text.split()) not in " ".join(said.split())] == []


def test_nothing_is_requested_and_nothing_runs(problem: Problem, outcome: Outcome) -> None:
    text = page(problem, outcome)
    parsed = Page(text)
    assert parsed.named("script") == parsed.named("link") == parsed.named("img") == []
    targets = re.findall(r"(?:\bsrc=|href=|url\()[\"']?([^\"')\s>]+)", text)
    assert [target for target in targets if not target.startswith("#")] == []
    assert "@import" not in text
    (policy,) = [m for m in parsed.named("meta") if "http-equiv" in m]
    assert str(policy["content"]).startswith("default-src 'none'")


def test_the_page_can_be_read_aloud(problem: Problem, outcome: Outcome) -> None:
    parsed = Page(page(problem, outcome))
    assert parsed.named("html") == [{"lang": "en"}]
    assert len(parsed.named("h1")) == len(parsed.named("main")) == 1
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(cell.get("scope") in {"col", "row"} for cell in parsed.named("th"))
    drawings = parsed.named("svg")
    assert len(drawings) == 2
    assert all(drawing["role"] == "img" for drawing in drawings)
    assert len(parsed.named("title")) == 1 + len(drawings)


def test_ids_are_unique_and_resolve(problem: Problem, outcome: Outcome) -> None:
    text = page(problem, outcome)
    ids = [a["id"] for _, a in Page(text).tags if "id" in a]
    assert len(ids) == len(set(ids)) > 20
    used = re.findall(r"(?:href=\"#|url\(#|labelledby=\")([^\")]+)", text)
    assert used
    assert set(used) <= set(ids)


def test_the_same_outcome_gives_the_same_page(problem: Problem, outcome: Outcome) -> None:
    assert page(problem, outcome) == page(problem, outcome)


def test_drawings_are_well_formed(problem: Problem, outcome: Outcome) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page(problem, outcome), flags=re.DOTALL)
    for drawing in drawings:
        root = xml.dom.minidom.parseString(drawing).documentElement
        assert root is not None
        assert root.hasAttribute("viewBox")
        assert not root.hasAttribute("width")
    assert "A second &lt;figure&gt;" in drawings[1]


def test_text_of_others_is_escaped(problem: Problem, outcome: Outcome) -> None:
    evil = "<script>alert(1)</script>"
    decisions = tuple(replace(d, because=evil, facts={evil: evil}) for d in outcome.decisions)
    marked = replace(
        outcome,
        decisions=decisions,
        answer={**outcome.answer, "favoured": evil},
        diagnostics={evil: [evil]},
    )
    assert "<script" not in page(problem, marked)


def test_values_of_every_shape(problem: Problem, outcome: Outcome) -> None:
    values = {
        "absent": None,
        "yes": True,
        "no": False,
        "short": [1, 2.5],
        "long": list(range(40)),
        "nested": {"a": 1.23456789, "b": "text"},
        "tiny": 1.5e-12,
    }
    said = " ".join(Page(page(problem, replace(outcome, diagnostics=values))).text)
    for shown in (
        "–",
        "yes",
        "no",
        "1, 2.5",
        "11, … (40 values)",
        "a: 1.23457; b: text",
        "1.5e-12",
    ):
        assert shown in said


def test_parameters_are_those_given(problem: Problem, outcome: Outcome) -> None:
    said = " ".join(Page(page(problem, outcome, parameters={"excess": 31, "z": 2.75})).text)
    assert "31" in said
    assert "2.75" in said


def test_sections_without_content_are_left_out(problem: Problem, outcome: Outcome) -> None:
    bare = replace(outcome, decisions=(), diagnostics={}, intervals={})
    text = report.html_report(problem, bare, {}, parameters={})
    headings = re.findall(r"<h2[^>]*>(\w+)</h2>", text)
    assert headings == ["Answer", "Versions"]


def test_a_package_that_is_absent_has_no_version(
    problem: Problem, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "PACKAGES", ("numpy", "no-such-package"))
    assert "no-such-package" not in report.html_report(problem, outcome, {})


def test_write_report(problem: Problem, outcome: Outcome, tmp_path: Path) -> None:
    written = report.write_report(problem, outcome, tmp_path / "r.html")
    assert written == tmp_path / "r.html"
    drawn = problem.module("figures").figures(outcome)
    assert written.read_text(encoding="utf-8") == report.html_report(problem, outcome, drawn)
