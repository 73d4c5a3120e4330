"""Progress on standard error: a bar in a terminal, else a line every tenth of a long way."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Report = Callable[[int, int], None]
SILENT = 2.0  # seconds in which nobody asks


@contextmanager
def progress(label: str, unit: str) -> Iterator[Report]:
    """Show how far a long run is.

    Parameters
    ----------
    label
        What is done.
    unit
        What is counted.

    Yields
    ------
    A function that is told how many are done and planned.
    """
    if sys.stderr.isatty():
        with _bar(label, unit) as report:
            yield report
    else:
        yield _Lines(label, unit)


class _Lines:
    def __init__(self, label: str, unit: str) -> None:
        self.label, self.unit = label, unit
        self.planned, self.tenth, self.start = 0, 0, time.perf_counter()

    def __call__(self, done: int, planned: int) -> None:
        if planned != self.planned:
            self.planned, self.tenth = planned, 10 * done // max(planned, 1)
        elif planned and 10 * done // planned > self.tenth:
            self.tenth = 10 * done // planned
            if time.perf_counter() - self.start > SILENT:
                click.echo(f"{self.label}: {done} of {planned} {self.unit}", err=True)


@contextmanager
def _bar(label: str, unit: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(label),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, planned: bar.update(task, completed=done, total=planned)
