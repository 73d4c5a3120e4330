"""`python -m benchmarks speed|accuracy|instructions [METHOD]`: measure, judge, write results."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.options import Options
from benchmarks.report import RESULTS, Report, cells, columns, write
from refsolve.parallel import mapper

HERE = Path(__file__).resolve().parent


def methods(kind: str) -> list[str]:
    """Methods that have a benchmark of this kind: the files of its folder."""
    found = (path.stem for path in (HERE / kind).glob("*.py"))
    return sorted(name for name in found if not name.startswith("_"))


def measure(
    kind: str, method: str, quick: bool, workers: int = 1, replicates: int | None = None
) -> Report:
    module = importlib.import_module(f"benchmarks.{kind}.{method}")
    with mapper(workers) as map_:
        report: Report = module.run(Options(replicates, quick, map_))
    return report


def carry_out(kind: str, chosen: str | None, out: Path, strict: bool, **settings: object) -> None:
    known = methods(kind)
    if chosen is not None and chosen not in known:
        raise click.UsageError(f"No {kind} benchmark of {chosen!r}; there are: {', '.join(known)}")
    missed = 0
    for method in [chosen] if chosen else known:
        report = measure(kind, method, **settings)  # type: ignore[arg-type]
        show(report, f"{kind} of {method}")
        write(report, kind, method, command_line(), out)
        missed += report.missed
    if strict and missed:
        sys.exit(1)


def command_line() -> str:
    """The command as a user types it; folders are left out."""
    words = iter(sys.argv[1:])
    kept = [word for word in words if not (word == "--out" and next(words, None))]
    return " ".join(["python -m benchmarks", *(w for w in kept if not w.startswith("--out="))])


def show(report: Report, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 200)
    for table in report.tables:
        shown = Table(title=f"{title}: {table.title}", title_justify="left")
        for name in columns(table):
            shown.add_column(name.replace("_", " "))
        for row in cells(table):
            shown.add_row(*row)
        console.print(shown)
    for note in report.notes:
        console.print(f"note: {note}")
    console.print(f"targets: {report.tally()}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure methods of refsolve, judge them by their targets, and write the results."""


def common(command: Callable[..., None]) -> Callable[..., None]:
    """Argument and options that every kind of benchmark has."""
    for decorate in (
        click.option("--strict", is_flag=True, help="Exit with 1 when a target is missed."),
        click.option("--quick", is_flag=True, help="A small run; its numbers mean little."),
        click.option(
            "--out",
            type=click.Path(file_okay=False, path_type=Path),
            default=RESULTS,
            help="Folder of the results, instead of the committed ones.",
        ),
        click.argument("method", required=False),
    ):
        command = decorate(command)
    return command


@main.command()
@common
def speed(method: str | None, out: Path, quick: bool, strict: bool) -> None:
    """CPU seconds side by side with peers, and the distance to the limits of this machine."""
    carry_out("speed", method, out, strict, quick=quick)


@main.command()
@common
@click.option("--replicates", type=click.IntRange(min=1), help="Data sets per design.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True)
def accuracy(
    method: str | None, out: Path, quick: bool, strict: bool, replicates: int | None, workers: int
) -> None:
    """Bias, coverage, type-I error and power against simulated truth."""
    settings = {"quick": quick, "workers": workers, "replicates": replicates}
    carry_out("accuracy", method, out, strict, **settings)


@main.command()
@common
def instructions(method: str | None, out: Path, quick: bool, strict: bool) -> None:
    """Instructions per evaluation, counted by callgrind: a measure without noise."""
    carry_out("instructions", method, out, strict, quick=quick)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
