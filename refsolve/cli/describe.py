"""`refsolve describe`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from refsolve.cli.options import json_option, solvers_option
from refsolve.cli.reply import Reply, Table, number

COLOURS = {"reference": "green", "wrong": "red", "defensible": "yellow"}


@click.command("describe", short_help="Say what a problem asks, and how it can go wrong.")
@click.argument("problem")
@solvers_option
@json_option
def command(problem: str, solvers: tuple[Path, ...]) -> Reply:
    """Show question, files, answer, parameters, decisions with all their choices, and knobs."""
    from refsolve.contract.catalogue import describe

    described = describe(problem, solvers)
    return Reply({"schema": "refsolve.describe/1", **described}, list(_text(described)))


def _text(described: Mapping[str, Any]) -> Iterator[str | Table]:
    yield f"{click.style(described['name'], bold=True)}: {described['title']}"
    yield described["question"].strip()
    yield from _section("Files", ("file", "columns"), map(_file, described["file"]))
    answers = ((a["key"], _type(a), a["unit"], a["estimand"]) for a in described["answer"])
    yield from _section("Answer", ("key", "type", "unit", "estimand"), answers)
    parameters = (
        (p["key"], number(p["value"]), p["unit"], p["description"]) for p in described["parameters"]
    )
    yield from _section("Parameters", ("parameter", "value", "unit", ""), parameters)
    for decision in described["decisions"]:
        yield f"\n{click.style(decision['key'], bold=True)}: {decision['question']}"
        choices = decision["choices"]
        rows = [(c["name"], c["kind"], c["effect"]) for c in choices]
        yield Table(("choice", "kind", "effect"), rows, [COLOURS[c["kind"]] for c in choices])
    knobs = ((k["key"], number(k["default"]), k["description"]) for k in described["knobs"])
    yield from _section("Generator", ("knob", "default", ""), knobs)


def _section(title: str, headings: tuple[str, ...], rows: Any) -> Iterator[str | Table]:
    listed = list(rows)
    if listed:
        yield f"\n{click.style(title, bold=True)}"
        yield Table(headings, listed)


def _file(table: Mapping[str, Any]) -> tuple[str, str]:
    names = ", ".join(table["names"] or [table["name"]])
    forms = [
        ", ".join([*map(_column, form["columns"]), *map(_matrix, form["matrices"])])
        for form in table["forms"]
    ]
    return f"{names} (.{table['format']}){'?' * table['optional']}", "  or  ".join(forms)


def _column(column: Mapping[str, Any]) -> str:
    names = "|".join([column["name"], *column["aliases"]])
    if column.get("pattern"):
        names = f"{names} ({column['min_columns']} or more columns {column['pattern']})"
    return f"{names}?" if column["optional"] else names


def _matrix(matrix: Mapping[str, Any]) -> str:
    return f"{_column(matrix)} ({matrix['rows']} × {matrix['columns']})"


def _type(answer: Mapping[str, Any]) -> str:
    if answer["tolerance"] is not None:
        return f"number ± {answer['tolerance']:g}"
    return " | ".join(answer["values"]) or str(answer["type"])
