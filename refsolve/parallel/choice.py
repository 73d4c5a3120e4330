"""The one entry that chooses among the mappers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

from refsolve.core.errors import UsageError
from refsolve.parallel.errors import worker_count
from refsolve.parallel.local import serial, threads
from refsolve.parallel.mapping import Mapper
from refsolve.parallel.pool import processes
from refsolve.parallel.remote import cluster


def mapper(
    workers: int = 1,
    kind: Literal["processes", "threads"] = "processes",
    scheduler: str | None = None,
) -> AbstractContextManager[Mapper]:
    """Mapper for what a user asked for.

    Parameters
    ----------
    workers
        Number of workers on this machine; 1 needs no other process or thread.
    kind
        What the workers are when there are several.
    scheduler
        Address of a Dask scheduler, whose workers are used instead.

    Returns
    -------
    A context manager that yields the mapper.

    Raises
    ------
    UsageError
        The number of workers is not positive, or the kind is unknown.
    """
    kinds = {"processes": processes, "threads": threads}
    if kind not in kinds:
        raise UsageError(
            f"Workers of kind {kind!r} are unknown.", hint=f"Kinds: {', '.join(kinds)}."
        )
    count = worker_count(workers)
    if scheduler is not None:
        return cluster(scheduler)
    return serial() if count == 1 else kinds[kind](count)
