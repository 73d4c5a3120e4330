"""What runs in a worker process: tasks come in, outcomes go out, until the line is closed."""

from __future__ import annotations

import os
import pickle
import select
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

from refsolve.parallel.mapping import READY


def main(handle: int) -> None:
    """Answer the parent until it says stop or is gone.

    A function arrives and is confirmed, then the tasks for it, then nothing (an empty message);
    instead of the next function, nothing means stop.

    Parameters
    ----------
    handle
        File descriptor of the line to the parent.
    """
    os.set_inheritable(handle, False)
    threading.Thread(target=_die_with_parent, args=(handle,), daemon=True).start()
    line = Connection(handle)
    while function := line.recv_bytes():
        line.send_bytes(READY)
        while task := line.recv_bytes():
            line.send_bytes(_outcome(function, task))


def _die_with_parent(handle: int) -> None:
    # Without an event asked for, only the end of the other side wakes this up.
    hangup = select.poll()
    hangup.register(handle, 0)
    hangup.poll()
    os._exit(1)


_loaded: dict[bytes, Callable[[Any], Any]] = {}


def _load(function: bytes) -> Callable[[Any], Any]:
    if function not in _loaded:
        _loaded.clear()
        _loaded[function] = pickle.loads(function)
    return _loaded[function]


def _outcome(function: bytes, task: bytes) -> bytes:
    try:
        return _dumps((True, _load(function)(pickle.loads(task))))
    except BaseException as error:  # raised again in the parent
        return _dumps((False, (_portable(error), traceback.format_exc())))


def _portable(error: BaseException) -> BaseException:
    """The error itself, unless it would be lost on the way."""
    try:
        pickle.loads(_dumps(error))
    except Exception:  # whatever a foreign class does when it is rebuilt
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _dumps(thing: object) -> bytes:
    return bytes(cloudpickle.dumps(thing))
