"""What a command found: one document for machines, lines and tables for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

# Wide enough that nothing is wrapped where no terminal sets a width.
UNBOUNDED = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings.

    Attributes
    ----------
    headings
        One per column.
    rows
        Texts.
    styles
        Colour of each row in a terminal; none when empty.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    styles: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command returns.

    Attributes
    ----------
    document
        Everything, as plain data; not-a-number becomes null.
    text
        The same for people.
    code
        Exit code.
    """

    document: Mapping[str, Any]
    text: Sequence[str | Table] = field(default_factory=tuple)
    code: int = 0

    def print(self, as_json: bool) -> None:
        """Write to standard output.

        Parameters
        ----------
        as_json
            Write the document and not the text.
        """
        if as_json:
            from refsolve.core.result import jsonable

            click.echo(json.dumps(jsonable(dict(self.document)), indent=2, allow_nan=False))
            return
        for part in self.text:
            show(part)


def show(part: str | Table) -> None:
    """Write a line or a table to standard output; colours only in a terminal.

    Parameters
    ----------
    part
        What to write.
    """
    if isinstance(part, str):
        click.echo(part, color=False if os.environ.get("NO_COLOR") else None)
    else:
        _show_table(part)


def _show_table(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in table.headings:
        grid.add_column(heading, overflow="fold")
    for index, row in enumerate(table.rows):
        style = table.styles[index] if table.styles else None
        grid.add_row(*(Text(cell) for cell in row), style=style)
    width = None if sys.stdout.isatty() else UNBOUNDED
    Console(file=sys.stdout, width=width).print(grid)


def number(value: Any) -> str:
    """A value as people read it: six digits of a float, anything else as it is.

    Parameters
    ----------
    value
        The value; None is shown as a dash.
    """
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
