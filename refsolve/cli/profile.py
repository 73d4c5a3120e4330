"""`refsolve profile`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from refsolve.cli.options import json_option
from refsolve.cli.reply import Reply, Table

if TYPE_CHECKING:
    from refsolve.cli.timing import Machine, Timing


@click.command("profile", short_help="Say where the time of a method goes.")
@click.argument("method")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.0, min_open=True),
    default=2.0,
    show_default=True,
    help="About how long each workload is repeated.",
)
@json_option
def command(method: str, seconds: float) -> Reply:
    """Time the workloads of METHOD on one core.

    Shown are compilation, warm runs, throughput, and the share of the memory bandwidth and of the
    arithmetic that one core of this machine reaches.
    """
    from refsolve.cli.announced import methods_with, workloads
    from refsolve.cli.options import known
    from refsolve.cli.timing import measure_machine, time_workload
    from refsolve.core.result import jsonable
    from refsolve.parallel import mapper

    known(method, methods_with("workloads"), "method")
    with mapper(1):  # BLAS on one thread: workloads and machine are both those of one core
        machine = measure_machine()
        timings = [time_workload(work, seconds) for work in workloads(method)]
    document = {
        "schema": "refsolve.profile/1",
        "method": method,
        "machine": jsonable(machine),
        "workloads": [{**jsonable(t), **t.against(machine)} for t in timings],
    }
    return Reply(document, list(_text(method, machine, timings)))


def _text(method: str, machine: Machine, timings: list[Timing]) -> Iterator[str | Table]:
    yield (
        f"{method} on one core of this machine, which moves {machine.bandwidth / 1e9:.1f} GB/s "
        f"and computes {machine.arithmetic / 1e9:.1f} Gflop/s"
    )
    rows = [
        (
            t.name,
            f"{t.first:.2f} s",
            f"{t.compilation:.2f} s",
            f"{t.cache_hits}/{t.cache_hits + t.cache_misses}",
            f"{t.least * 1e3:.4g} ms",
            f"{t.median * 1e3:.4g} ms",
            f"{t.throughput:.3g} {t.unit}/s",
            f"{share['bandwidth_share']:.1%}",
            f"{share['arithmetic_share']:.1%}",
            f"{t.peak_megabytes:.0f} MB",
        )
        for t in timings
        for share in [t.against(machine)]
    ]
    headings = (
        "workload", "first run", "compiling", "from cache", "least", "median", "throughput",
        "of bandwidth", "of arithmetic", "peak memory",
    )  # fmt: skip
    yield Table(headings, rows)
    for timing in timings:
        yield f"\nwarm {timing.name}: own time by function"
        shares = [(f"{share:.1%}", where) for where, share in timing.functions.items()]
        yield Table(("share", "function"), shares)
