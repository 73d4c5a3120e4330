"""Rows of results with their verdicts, and how a report is written and shown."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import environment
from refsolve.core.files import write_atomic
from refsolve.core.result import jsonable

RESULTS = Path(__file__).resolve().parent / "results"
SCHEMA = "refsolve.benchmark/1"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a machine says about one row.

    Attributes
    ----------
    status
        "met", "missed", "unclear" (the measurement cannot tell), or "none" (no target).
    reason
        The comparison in words.
    """

    status: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}" if self.reason else self.status


NO_TARGET = Verdict("none")


def at_most(value: float, target: float, unit: str = "") -> Verdict:
    """Whether a measured value stays at or below its target, and by which factor.

    Parameters
    ----------
    value, target, unit
        What was measured, what it may be, and the unit of both.
    """
    if value <= target:
        return Verdict("met", f"{value:.3g} of at most {target:g} {unit}".rstrip())
    factor = value / target if target else math.inf
    return Verdict("missed", f"{value:.3g} {unit}, {factor:.3g} times the target {target:g}")


def within(interval: tuple[float, float], estimate: float, low: float, high: float) -> Verdict:
    """Whether a share lies in a band, given its confidence interval.

    Parameters
    ----------
    interval, estimate
        Confidence interval of the share, and the share.
    low, high
        The band.
    """
    band = f"{low:.1%} to {high:.1%}"
    if low <= estimate <= high:
        sure = low <= interval[0] and interval[1] <= high
        return Verdict("met", f"in {band}" + ("" if sure else ", interval reaches out of it"))
    if interval[1] < low or interval[0] > high:
        return Verdict("missed", f"interval outside {band}")
    return Verdict("unclear", f"outside {band}, interval reaches into it")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind.

    Attributes
    ----------
    name
        Part of the file name.
    title
        One line that says what was measured.
    rows
        Frozen dataclasses of one type; a field `verdict` is optional.
    """

    name: str
    title: str
    rows: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Report:
    """All tables of one method and kind of benchmark.

    Attributes
    ----------
    tables
        The tables.
    notes
        What a reader must know, such as a comparison that was left out.
    figure
        Matplotlib figure, or None.
    """

    tables: Sequence[Table]
    notes: Sequence[str] = ()
    figure: Any = field(default=None, compare=False)

    def statuses(self) -> list[str]:
        """Status of every row that has a verdict."""
        rows = [row for table in self.tables for row in table.rows]
        return [row.verdict.status for row in rows if hasattr(row, "verdict")]

    @property
    def missed(self) -> int:
        """Number of targets that were missed beyond doubt."""
        return self.statuses().count("missed")

    def tally(self) -> str:
        """How many targets were met, missed, or left unclear."""
        found = self.statuses()
        return ", ".join(f"{found.count(s)} {s}" for s in ("met", "missed", "unclear"))


def write(report: Report, kind: str, method: str, command: str, folder: Path = RESULTS) -> None:
    """Write the report as one JSON document, one TSV file per table, and the figure.

    Parameters
    ----------
    report, kind, method, command
        The results, what they are about, and how they were made.
    folder
        Where the folder of this kind is or will be.
    """
    target = folder / kind
    target.mkdir(parents=True, exist_ok=True)
    document = {
        "schema": SCHEMA,
        "kind": kind,
        "method": method,
        "command": command,
        **environment(),
        "targets": report.tally(),
        "notes": list(report.notes),
        "tables": {t.name: {"title": t.title, "rows": jsonable(t.rows)} for t in report.tables},
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(target / f"{method}.json", text + "\n")
    for table in report.tables:
        write_atomic(target / f"{method}.{table.name}.tsv", tsv(table))
    if report.figure is not None:
        write_atomic(target / f"{method}.svg", _svg(report.figure))


def tsv(table: Table) -> str:
    """The rows as tab-separated text with a header line.

    Parameters
    ----------
    table
        What to write.
    """
    return "".join("\t".join(line) + "\n" for line in [columns(table), *cells(table)])


def columns(table: Table) -> list[str]:
    """Names of the fields of the rows.

    Parameters
    ----------
    table
        The table.
    """
    return [f.name for f in dataclasses.fields(table.rows[0])] if table.rows else []


def cells(table: Table) -> list[list[str]]:
    """Text of every field of every row.

    Parameters
    ----------
    table
        The table.
    """
    return [[_cell(getattr(row, name)) for name in columns(table)] for row in table.rows]


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _svg(figure: Any) -> bytes:
    import io

    import matplotlib as mpl

    stream = io.BytesIO()
    # Neither a date nor random identifiers: the same results give the same file.
    with mpl.rc_context({"svg.hashsalt": "refsolve"}):
        figure.savefig(stream, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return stream.getvalue()
