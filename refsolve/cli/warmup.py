"""`refsolve warmup`."""

from __future__ import annotations

import click

from refsolve.cli.options import json_option
from refsolve.cli.reply import Reply


@click.command("warmup", short_help="Compile every kernel into the cache.")
@json_option
def command() -> Reply:
    """Compile every kernel, so that no later run waits; what is in the cache is left as it is.

    Exit code 0: every kernel agrees with its textbook. 1: one does not.
    """
    from refsolve.cli.announced import timed_checks
    from refsolve.cli.compiling import announce_if_cold
    from refsolve.core.jit import cache_folder

    announce_if_cold()
    checks, seconds = timed_checks()
    failed = [check.kernel for check in checks if not check.passed]
    folder = str(cache_folder() or "")
    document = {
        "schema": "refsolve.warmup/1",
        "kernels": len(checks),
        "failed": failed,
        "seconds": seconds,
        "cache": folder or None,
    }
    kept = f"kept in {folder}" if folder else "not kept: no cache folder is writable"
    lines = [f"{len(checks)} kernels ready in {seconds:.1f} s, {kept}"]
    lines += [
        f"{kernel} does not agree with its textbook: see refsolve doctor" for kernel in failed
    ]
    return Reply(document, lines, 1 if failed else 0)
