"""`refsolve certify`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from refsolve.cli.failure import Interrupted
from refsolve.cli.options import FOLDER, json_option, set_option, solvers_option, workers_option
from refsolve.cli.reply import Reply, Table, number

if TYPE_CHECKING:
    from refsolve.contract.certificate import Certificate

COLOURS = {"ok": "green", "gate": "red"}


@click.command("certify", short_help="Certify a problem over generated cases.")
@click.argument("problem")
@click.option("--seeds", type=click.IntRange(min=1), help="Generated cases.")
@click.option(
    "--depth",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Largest number of wrong turns taken together.",
)
@workers_option
@click.option("--scheduler", metavar="ADDRESS", help="Use the workers of this Dask scheduler.")
@click.option("--out", type=FOLDER, metavar="DIR", help="Keep work and certificate here.")
@click.option("--resume", is_flag=True, help="Go on with the finished work in --out.")
@set_option("knob")
@solvers_option
@json_option
def command(
    problem: str,
    seeds: int | None,
    depth: int,
    workers: int,
    scheduler: str | None,
    out: Path | None,
    resume: bool,
    settings: tuple[str, ...],
    solvers: tuple[Path, ...],
) -> Reply:
    """Solve generated cases along every path and judge how well right and wrong are told apart.

    Exit code 0: certified. 1: some gate does not hold.
    """
    from refsolve.cli.progress import progress
    from refsolve.contract.certifying import certify
    from refsolve.contract.values import parse_assignments
    from refsolve.parallel import mapper

    if resume and out is None:
        raise click.UsageError("--resume needs --out, the folder of the earlier work.")
    knobs = parse_assignments(settings, "--set")
    try:
        with mapper(workers, scheduler=scheduler) as map_, progress("certify", "cells") as report:
            certificate = certify(
                problem,
                seeds=seeds,
                depth=depth,
                knobs=knobs,
                map_=map_,
                out=out,
                resume=resume,
                progress=report,
                solvers=solvers,
            )
    except KeyboardInterrupt:
        raise _interrupted(out) from None
    written = {"out": str(out) if out else None}
    document = {"schema": "refsolve.certify/1", **certificate.to_dict(), **written}
    return Reply(document, _text(certificate, out), 0 if certificate.passed else 1)


def _interrupted(out: Path | None) -> Interrupted:
    if out is None:
        return Interrupted("Interrupted; nothing is kept.", hint="With --out DIR finished work is.")
    return Interrupted(
        f"Interrupted; finished work is kept in {shlex.quote(str(out))}:"
        " run the same command with --resume to go on."
    )


def _text(certificate: Certificate, out: Path | None) -> list[str | Table]:
    state = (
        click.style("certified", fg="green", bold=True)
        if certificate.passed
        else click.style("NOT certified", fg="red", bold=True)
    )
    shown = [row for row in certificate.rows if "," not in row.path]
    rows = [
        (r.path or "reference", r.kind, f"{r.rate:.1%}", f"{r.low:.1%} … {r.high:.1%}", r.verdict)
        for r in shown
    ]
    styles = [COLOURS.get(r.verdict.partition(":")[0], "yellow") for r in shown]
    tolerances = [
        (key, *(number(item[k]) for k in ("present", "recommended")), item["nearest_wrong_path"])
        for key, item in certificate.tolerances.items()
    ]
    return [
        f"{certificate.problem}: {state} over {certificate.seeds} cases and "
        f"{len(certificate.rows)} paths in {certificate.seconds:.1f} s",
        Table(("path", "kind", "passed", "95 % interval", "verdict"), rows, styles),
        Table(("key", "tolerance", "recommended", "nearest wrong path"), tolerances),
        *certificate.reasons,
        *certificate.notes,
        *([f"certificate, table and chart written to {out}"] if out else []),
    ]
