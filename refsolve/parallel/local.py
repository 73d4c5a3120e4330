"""Mappers inside this process: one after the other, or in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import Any

from refsolve.core.blas import one_blas_thread
from refsolve.parallel.errors import worker_count
from refsolve.parallel.mapping import Mapper, R, T


@contextmanager
def serial() -> Iterator[Mapper]:
    """The builtin `map`, with BLAS on one thread as everywhere else.

    Yields
    ------
    A mapper.
    """
    with one_blas_thread():
        yield map


@contextmanager
def threads(n: int) -> Iterator[Mapper]:
    """Threads of this process, for tasks that spend their time in kernels.

    A thread cannot be stopped: after an error, an interrupt, or an early end, those at work finish
    their task unheard, and hold up neither the caller nor the end of the program.

    Parameters
    ----------
    n
        Number of threads.

    Yields
    ------
    A mapper.
    """
    team = _Team(worker_count(n))
    with one_blas_thread():
        yield team


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any
    error: BaseException | None = None


class _Team:
    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, fn: Callable[[T], R], tasks: Iterable[T], /) -> Iterator[R]:
        # The list of one tells a task from the end, whatever the task is.
        todo: SimpleQueue[list[T]] = SimpleQueue()
        done: SimpleQueue[_Outcome] = SimpleQueue()
        supply, started, waiting = iter(tasks), 0, 0
        try:
            for task in islice(supply, self.size):
                # ThreadPoolExecutor would wait for running tasks when the program ends.
                Thread(target=_work, args=(fn, todo, done), daemon=True).start()
                todo.put([task])
                started, waiting = started + 1, waiting + 1
            while waiting:
                outcome = done.get()
                waiting -= 1
                if outcome.error is not None:
                    raise outcome.error
                failure = None
                try:
                    for task in islice(supply, 1):
                        todo.put([task])
                        waiting += 1
                except Exception as error:  # raised after what is finished
                    failure = error
                yield outcome.value
                if failure is not None:
                    raise failure
        finally:
            for _ in range(started):
                todo.put([])


def _work(fn: Callable[[T], R], todo: SimpleQueue[list[T]], done: SimpleQueue[_Outcome]) -> None:
    while task := todo.get():
        try:
            outcome = _Outcome(fn(task[0]))
        except BaseException as error:  # raised again where the result is awaited
            outcome = _Outcome(None, error)
        done.put(outcome)
