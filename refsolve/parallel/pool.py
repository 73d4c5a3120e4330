"""Mapper over processes of this machine.

Workers are new Python processes, never forks: a forked child of a process with threads hangs or
dies. Each has its own line to this process and is given one task at a time, so there is no thread
here that could hang, a dead worker is known with the signal that killed it, and pending tasks are
with nobody. A worker lives as long as its line: whatever ends this process, none is left behind.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

from refsolve.core.blas import ENVIRONMENT
from refsolve.core.errors import UsageError
from refsolve.parallel.errors import WorkerDied, worker_count
from refsolve.parallel.mapping import READY, Mapper, R, T

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from refsolve.parallel.worker import main; main(int(sys.argv[1]))"
)
_NOTHING = b""  # instead of a task: no more for this function; instead of a function: stop
_PATIENCE = 5.0  # seconds that an idle worker has to end by itself


@contextmanager
def processes(n: int) -> Iterator[Mapper]:
    """Processes of this machine, started when they are first needed.

    Functions and tasks may be anything that cloudpickle takes; a function of a module is sent by
    name, so workers must be able to import the module.

    Parameters
    ----------
    n
        Number of processes.

    Yields
    ------
    A mapper.
    """
    pool = _Pool(worker_count(n))
    try:
        yield pool
        pool.dismiss()
    finally:
        pool.close()


class _Worker:
    def __init__(self) -> None:
        self.line, theirs = Pipe()
        self.new = True
        with theirs:
            handle = theirs.fileno()
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, str(handle), json.dumps(sys.path)],
                pass_fds=[handle],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ENVIRONMENT},
                process_group=0,  # Ctrl-C in a terminal reaches the parent only
            )

    def send(self, message: bytes) -> None:
        # To a worker that died; `take` finds out.
        with suppress(OSError):
            self.line.send_bytes(message)

    def take(self) -> tuple[bool, Any]:
        """Whether the task succeeded, and its result or error."""
        try:
            message = self.line.recv_bytes()
        except (EOFError, OSError):
            return False, self._death()
        done, content = pickle.loads(message)
        if done:
            return True, content
        error, trace = content
        error.add_note(f"In the worker:\n{trace}")
        return False, error

    def takes(self, function: bytes) -> bool:
        """Whether a worker that was idle is alive, and has the function now."""
        self.send(function)
        return self._confirms()

    def starts(self) -> bool:
        """Whether what was heard of a new worker is that it has its first function."""
        new, self.new = self.new, False
        return new and self._confirms()

    def _confirms(self) -> bool:
        try:
            return self.line.recv_bytes() == READY
        except (EOFError, OSError):
            return False

    def _death(self) -> WorkerDied:
        status = self.process.wait()
        how = f"ended with status {status}"
        if status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        return WorkerDied(f"A worker process {how} before its task was done.")

    def leave(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_PATIENCE)

    def kill(self) -> None:
        self.process.kill()
        self.line.close()
        self.process.wait()


class _Pool:
    def __init__(self, size: int) -> None:
        self.size = size
        self.open = True
        self.staff: set[_Worker] = set()
        self.idle: list[_Worker] = []

    def __call__(self, fn: Callable[[T], R], tasks: Iterable[T], /) -> Iterator[R]:
        function, supply = _dumps(fn), iter(tasks)
        busy: dict[Connection, _Worker] = {}
        try:
            for task in islice(supply, self.size):
                worker = self._hire(function)
                busy[worker.line] = worker
                worker.send(_dumps(task))
            while busy:
                heard = [busy[line] for line in wait(list(busy)) if isinstance(line, Connection)]
                ready = [worker for worker in heard if not worker.starts()]
                outcomes = [worker.take() for worker in ready]
                errors = [content for done, content in outcomes if not done]
                errors = errors or self._supply(ready, supply, busy)
                yield from (content for done, content in outcomes if done)
                if errors:
                    raise errors[0]
        finally:
            for worker in busy.values():
                self._fire(worker)

    def _supply(
        self, ready: list[_Worker], supply: Iterator[Any], busy: dict[Connection, _Worker]
    ) -> list[BaseException]:
        """Give every ready worker its next task, or let it go; the error of a task that failed."""
        try:
            for worker in ready:
                for task in islice(supply, 1):
                    worker.send(_dumps(task))
                    break
                else:
                    worker.send(_NOTHING)
                    self.idle.append(busy.pop(worker.line))
        except Exception as error:  # raised by the caller after what is finished
            return [error]
        return []

    def _hire(self, function: bytes) -> _Worker:
        """A worker that has the function; one that died while it was idle is replaced."""
        if not self.open:
            raise UsageError("The mapper of processes is used outside of its with block.")
        while self.idle:
            worker = self.idle.pop()
            if worker.takes(function):
                return worker
            self._fire(worker)
        worker = _Worker()
        self.staff.add(worker)
        worker.send(function)
        return worker

    def _fire(self, worker: _Worker) -> None:
        worker.kill()
        self.staff.discard(worker)

    def dismiss(self) -> None:
        """Let idle workers end by themselves."""
        for worker in self.idle:
            worker.send(_NOTHING)
        for worker in self.idle:
            worker.leave()

    def close(self) -> None:
        """End all workers, whatever they do."""
        self.open = False
        for worker in list(self.staff):
            self._fire(worker)


def _dumps(thing: object) -> bytes:
    import cloudpickle

    return bytes(cloudpickle.dumps(thing))
