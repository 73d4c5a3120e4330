"""`refsolve doctor`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from refsolve.cli.finding import Finding
from refsolve.cli.options import json_option, solvers_option
from refsolve.cli.reply import Reply, Table

if TYPE_CHECKING:
    from refsolve.cli.announced import Check

COLOURS = {"ok": "", "note": "yellow", "bad": "red"}


@click.command("doctor", short_help="Examine the installation.")
@click.option("--purge", is_flag=True, help="Delete kernels that other versions compiled.")
@solvers_option
@json_option
def command(purge: bool, solvers: tuple[Path, ...]) -> Reply:
    """Examine packages, machine, kernel cache, solvers, plug-ins, and every kernel.

    Exit code 0: all works; notes say what could be better. 1: something does not.
    """
    from refsolve.cli.announced import timed_checks
    from refsolve.cli.compiling import announce_if_cold
    from refsolve.cli.machine import kernel_cache, machine
    from refsolve.cli.packages import packages

    announce_if_cold()
    checks, seconds = timed_checks()
    findings = [*packages(), *machine(), *kernel_cache(purge), *_solvers(solvers), *_plugins()]
    findings += map(_kernel, checks)
    bad = [f for f in findings if f.state == "bad"]
    document = {
        "schema": "refsolve.doctor/1",
        "ok": not bad,
        "findings": [asdict(f) for f in findings],
        "self_check_seconds": seconds,
    }
    return Reply(document, list(_text(findings, len(bad), seconds)), 1 if bad else 0)


def _solvers(folders: Sequence[Path]) -> Iterator[Finding]:
    from refsolve.contract.discovery import Problem, discover
    from refsolve.contract.generating import knob_fields

    def examine(problem: Problem) -> Finding:
        try:
            choices = sum(map(len, problem.lattice.choices.values()))
            knobs = len(knob_fields(problem))
        except Exception as broken:  # a solver is foreign code: whatever it raises is the finding
            first = str(broken).partition("\n")[0]
            value = f"{type(broken).__name__}: {first}"
            return Finding("solvers", problem.name, value, "bad", f"See {problem.folder}.")
        count = len(problem.decisions)
        value = f"{count} decisions, {choices} choices, {knobs} knobs ({problem.origin})"
        return Finding("solvers", problem.name, value)

    found = [examine(problem) for problem in discover(folders).values()]
    yield from found or [Finding("solvers", "none", "no solver was found", "bad", "Use --solvers.")]


def _kernel(check: Check) -> Finding:
    value = check.trouble or f"error {check.error:.1e}, tolerance {check.tolerance:.0e}"
    if check.passed:
        return Finding("kernels", check.kernel, value)
    return Finding("kernels", check.kernel, value, "bad", "Results cannot be trusted.")


def _plugins() -> Iterator[Finding]:
    from refsolve.contract.discovery import broken_plugins

    for name, reason in broken_plugins().items():
        remedy = "Update or uninstall the package that announces it."
        yield Finding("plug-ins", name, reason, "note", remedy)


def _text(findings: Sequence[Finding], bad: int, seconds: float) -> Iterator[str | Table]:
    for topic, group in itertools.groupby(findings, key=lambda f: f.topic):
        listed = list(group)
        rows = [(f.state, f.name, f.value, f.remedy) for f in listed]
        yield Table((topic, "", "", ""), rows, [COLOURS[f.state] for f in listed])
        yield ""
    yield f"kernels were checked in {seconds:.1f} s"
    if bad:
        yield click.style(f"{bad} of {len(findings)} findings are bad", fg="red", bold=True)
    else:
        yield click.style("all works", fg="green", bold=True)
