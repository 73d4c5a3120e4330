"""The error of a worker that is gone, and the check of a worker count."""

from __future__ import annotations

from refsolve.core.errors import RefsolveError, UsageError


class WorkerDied(RefsolveError):
    """A worker process ended without an answer: killed by the system, out of memory, crashed."""

    exit_code = 3

    def __init__(self, what: str) -> None:
        super().__init__(
            what,
            hint="Finished results are kept: run the same command again and resume (--resume). "
            "If memory ran out, use fewer workers.",
        )


def worker_count(workers: int) -> int:
    """The count itself when it is a positive integer.

    Parameters
    ----------
    workers
        What the user asked for.

    Raises
    ------
    UsageError
        Zero, negative, or not an integer.
    """
    if not isinstance(workers, int) or workers < 1:
        raise UsageError(
            f"The number of workers is {workers!r}, expected an integer of at least 1.",
            hint="1 works without other threads or processes.",
        )
    return workers
