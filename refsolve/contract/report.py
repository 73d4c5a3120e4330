"""A solved case as one HTML file that needs nothing else: no script, no request, no style sheet."""

from __future__ import annotations

import io
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refsolve import __version__
from refsolve.core.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from refsolve.contract.decisions import Choice, Evidence
    from refsolve.contract.discovery import Problem
    from refsolve.contract.outcome import Outcome

STYLE = Path(__file__).parent / "templates" / "report.css"
# The page may show itself and nothing from anywhere else.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
PACKAGES = ("numpy", "scipy", "numba", "pandas", "matplotlib")
LISTED = 12


def write_report(
    problem: Problem,
    outcome: Outcome,
    path: Path | str,
    *,
    parameters: Mapping[str, Any] | None = None,
) -> Path:
    """Write the report of a solved case with the figures of its solver.

    Parameters
    ----------
    problem
        The problem.
    outcome
        The solved case.
    path
        HTML file to write.
    parameters
        Values given with the question; the problem's defaults when absent.

    Returns
    -------
    The path written.
    """
    figures = problem.module("figures").figures(outcome) if problem.has("figures") else {}
    return write_atomic(path, html_report(problem, outcome, figures, parameters=parameters))


def html_report(
    problem: Problem,
    outcome: Outcome,
    figures: Mapping[str, Figure],
    *,
    parameters: Mapping[str, Any] | None = None,
) -> str:
    """Report of a solved case.

    Parameters
    ----------
    problem
        The problem.
    outcome
        The solved case.
    figures
        Matplotlib figures by title; the title is also what a screen reader says.
    parameters
        Values given with the question; the problem's defaults when absent.

    Returns
    -------
    A whole HTML document. The same outcome and figures give the same text.
    """
    given = problem.spec.parameters if parameters is None else parameters
    drawn = [_figure(title, figure, i) for i, (title, figure) in enumerate(figures.items(), 1)]
    sections = [
        _header(problem, outcome),
        _section("Answer", _answer(problem, outcome)),
        _section("Decisions", _decisions(problem, outcome)),
        _section("Figures", "".join(drawn)),
        _section("Diagnostics", _facts("diagnostic", outcome.diagnostics)),
        _section("Parameters", _parameters(problem, given)),
        _section("Reasoning", _paragraphs(outcome.reasoning) if outcome.reasoning else ""),
        _section("Versions", _facts("package", _versions())),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(problem.spec.title)}</title>\n"
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def _header(problem: Problem, outcome: Outcome) -> str:
    turns = [d for d in outcome.decisions if d.kind != "reference"]
    taken = ", ".join(f"{d.decision}={d.choice}" for d in turns)
    path = f"solved with {taken}" if turns else "solved along the reference path"
    return (
        f'<header>\n<p class="kicker">{escape(problem.name)} · {escape(path)} '
        f"in {outcome.seconds:.2f} s</p>\n<h1>{escape(problem.spec.title)}</h1>\n"
        f"<blockquote>{_paragraphs(problem.spec.question)}</blockquote>\n</header>\n"
    )


def _paragraphs(text: str) -> str:
    """Paragraphs of a text, which are apart by an empty line."""
    return "".join(f"<p>{escape(part)}</p>" for part in re.split(r"\n\s*\n", text.strip()))


def _section(title: str, content: str) -> str:
    """A section with its heading; nothing where there is no content."""
    if not content:
        return ""
    mark = title.lower()
    heading = f'<h2 id="{mark}">{title}</h2>'
    return f'<section aria-labelledby="{mark}">\n{heading}\n{content}\n</section>\n'


def _answer(problem: Problem, outcome: Outcome) -> str:
    rows = []
    for item in problem.spec.answer:
        span = outcome.intervals.get(item.key)
        interval = f"{span[0]:.6g} to {span[1]:.6g}" if span else "–"
        tolerance = f"± {item.tolerance:g}" if item.tolerance is not None else "exact"
        rows.append(
            (
                f'<span class="value">{escape(_shown(outcome.answer[item.key]))}</span>',
                f'<span class="interval">{interval}</span>',
                escape(item.unit),
                escape(item.estimand),
                tolerance,
            )
        )
    headings = ("key", "value", "interval", "unit", "estimand", "tolerance")
    return _table(headings, [a.key for a in problem.spec.answer], rows)


def _decisions(problem: Problem, outcome: Outcome) -> str:
    questions = {d.key: d.question for d in problem.spec.decision}
    cards = (
        _decision(i, item, questions[item.decision], problem.lattice.choices[item.decision])
        for i, item in enumerate(outcome.decisions, 1)
    )
    return f'<ol class="decisions">\n{"".join(cards)}</ol>' if outcome.decisions else ""


def _decision(number: int, item: Evidence, question: str, choices: Mapping[str, Choice]) -> str:
    others = [c for c in choices.values() if c.name != item.choice]
    rows = [(_badge(c.kind), escape(c.effect)) for c in others]
    facts = _facts("seen in this case", item.facts)
    untaken = _table(("not taken", "kind", "what it would do"), [c.name for c in others], rows)
    return (
        f'<li class="decision">\n<h3>{number}. {escape(item.decision)}</h3>\n'
        f'<p class="soft">{escape(question)}</p>\n'
        f"<p>chosen: <strong>{escape(item.choice)}</strong> {_badge(item.kind)}</p>\n"
        f'<p class="because">{escape(item.because)}</p>\n{_folded("What was seen", facts)}'
        f"{_folded('What was not chosen', untaken)}</li>\n"
    )


def _badge(kind: str) -> str:
    return f'<span class="badge {kind}">{kind}</span>'


def _folded(title: str, content: str) -> str:
    if not content:
        return ""
    return f"<details open>\n<summary>{title}</summary>\n{content}\n</details>\n"


def _facts(heading: str, facts: Mapping[str, Any]) -> str:
    rows = [(escape(_shown(value)),) for value in facts.values()]
    return _table((heading, "value"), [str(key) for key in facts], rows)


def _parameters(problem: Problem, given: Mapping[str, Any]) -> str:
    about = {p.key: p for p in problem.spec.parameter}
    rows = [
        (escape(_shown(value)), escape(about[key].unit), escape(about[key].description))
        for key, value in given.items()
    ]
    return _table(("parameter", "value", "unit", "meaning"), list(given), rows)


def _table(headings: Sequence[str], names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names the rows; cells are HTML, names and headings are text."""
    if not names:
        return ""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in headings)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{_cells(row)}</tr>\n'
        for name, row in zip(names, rows, strict=True)
    )
    return (
        '<div class="scroll"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>"
    )


def _cells(row: Sequence[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in row)


def _shown(value: Any) -> str:
    """A value of any shape as one line of text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_shown(inner) for inner in value[:LISTED])
        return shown if len(value) <= LISTED else f"{shown}, … ({len(value)} values)"
    return str(value)


def _versions() -> dict[str, str]:
    found = {"refsolve": __version__, "Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _figure(title: str, figure: Figure, number: int) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    drawing = _own_ids(_bare(buffer.getvalue()), f"figure{number}")
    name = f"<title>{escape(title)}</title>"
    drawing = re.sub(r"<svg\b([^>]*)>", rf'<svg\1 role="img">{name}', drawing, count=1)
    return f"<figure>\n{drawing}\n<figcaption>{escape(title)}</figcaption>\n</figure>\n"


def _bare(svg: str) -> str:
    """The `svg` element alone, without prologue and metadata, free to take any size."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r'(<svg\b[^>]*?)\s+width="[^"]*"\s+height="[^"]*"', r"\1", svg, count=1)


def _own_ids(svg: str, prefix: str) -> str:
    """Ids counted in the order of the drawing: the same every time, and unique in the page."""
    ids = list(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg)))
    new = {old: f"{prefix}-{i}" for i, old in enumerate(ids, 1)}
    pattern = r'(\bid="|href="#|url\(#)([^")]+)'
    return re.sub(pattern, lambda m: m[1] + new.get(m[2], m[2]), svg)
