"""Mapper over the workers of a Dask cluster."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from refsolve.core.blas import one_blas_thread, stay_on_one_blas_thread
from refsolve.core.errors import UsageError
from refsolve.core.extras import require
from refsolve.parallel.errors import WorkerDied
from refsolve.parallel.mapping import Mapper, R, T

_CONNECT = 10.0  # seconds in which a scheduler has to answer
_AHEAD = 4  # tasks under way per thread of the cluster, to cover the way there and back


@contextmanager
def cluster(where: Any) -> Iterator[Mapper]:
    """Workers of a Dask cluster that is already running.

    The cluster runs the tasks of a worker that was lost again on another one, and gives up on a
    task that keeps losing its workers. Workers need the same refsolve as this process.

    Parameters
    ----------
    where
        Address of the scheduler, or a `distributed.Client`, which stays open.

    Yields
    ------
    A mapper.

    Raises
    ------
    MissingDependencyError
        Dask is not installed.
    UsageError
        No scheduler answers at the address.
    """
    distributed = require("distributed", "dask")
    client = _connect(distributed, where) if isinstance(where, str) else where
    try:
        # Workers may be threads of this process, and then their limit must not outlive the mapper.
        with one_blas_thread():
            yield _Cluster(distributed, client)
    finally:
        if client is not where:
            client.close()


def _connect(distributed: Any, address: str) -> Any:
    try:
        # A client that cannot connect blocks the end of the program, so this is tried without one.
        place = distributed.comm.get_address_host_port(address)
        socket.create_connection(place, timeout=_CONNECT).close()
        return distributed.Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"No Dask scheduler answers at {address!r} ({error}).",
            hint="Give the address that the scheduler prints when it starts, as in tcp://10.0.0.5:8786.",
        ) from error


class _Cluster:
    def __init__(self, distributed: Any, client: Any) -> None:
        self.distributed, self.client = distributed, client

    def __call__(self, fn: Callable[[T], R], tasks: Iterable[T], /) -> Iterator[R]:
        finished = self.distributed.as_completed(loop=self.client.loop)
        supply, running = iter(tasks), set[Any]()
        try:
            errors = self._supply(fn, supply, running, finished)
            while running and not errors:
                batch = finished.next_batch()
                running.difference_update(batch)
                outcomes = [self._outcome(future) for future in batch]
                errors = [content for done, content in outcomes if not done]
                errors = errors or self._supply(fn, supply, running, finished)
                yield from (content for done, content in outcomes if done)
            if errors:
                raise errors[0]
        finally:
            if running and self.client.status == "running":
                self.client.cancel(list(running))

    def _supply(
        self, fn: Callable[[T], R], supply: Iterator[T], running: set[Any], finished: Any
    ) -> list[BaseException]:
        """Fill the cluster up; the error of a task that failed to be made or sent."""
        try:
            for task in islice(supply, max(0, self._room() - len(running))):
                future = self.client.submit(_run, fn, task, pure=False)
                running.add(future)
                finished.add(future)
        except Exception as error:  # raised by the caller after what is finished
            return [error]
        return []

    def _room(self) -> int:
        # Asked each time, because clusters grow and shrink.
        threads: dict[str, int] = self.client.nthreads()
        return _AHEAD * max(1, sum(threads.values()))

    def _outcome(self, future: Any) -> tuple[bool, Any]:
        """Whether the task succeeded, and its result or error."""
        if future.status == "error":
            error = future.exception().with_traceback(future.traceback())
            if isinstance(error, self.distributed.KilledWorker):
                error = WorkerDied(f"Dask gave up on a task that keeps losing its worker: {error}")
            return False, error
        try:
            return True, future.result()
        except (self.distributed.CancelledError, OSError) as lost:
            return False, WorkerDied(f"The Dask cluster is gone or dropped a task ({lost}).")


def _run(fn: Callable[[T], R], task: T) -> R:
    stay_on_one_blas_thread()
    return fn(task)
