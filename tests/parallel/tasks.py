"""Tasks that the workers of these tests are given; workers import this file by name, and fast."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path


def square(x: int) -> int:
    return x * x


def place(x: int) -> tuple[int, int, int]:
    time.sleep(0.02)
    return x, os.getpid(), threading.get_ident()


class Stubborn(Exception):
    """Pickles, but cannot be rebuilt from its arguments."""

    def __init__(self, name: str, *, value: int) -> None:
        super().__init__(f"{name}={value}")


def fail_at_three(x: int) -> int:
    if x == 3:
        raise KeyError("three")
    return x


def fail_stubbornly(x: int) -> int:
    raise Stubborn("x", value=x)


def mark(task: tuple[str, int]) -> int:
    """Leave a file that says this task was begun."""
    folder, x = task
    Path(folder, str(x)).touch()
    time.sleep(0.02)
    if x == 3:
        raise ZeroDivisionError("at three")
    return x


def die(how: str) -> str:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(7)
    return how


def die_once(task: tuple[str, int]) -> int:
    """Kill the worker that is the first to do task 5."""
    folder, x = task
    flag = Path(folder, "died")
    if x == 5 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def tell_and_hang(task: tuple[str, int]) -> int:
    """Save the result of an even task; never come back from an odd one."""
    folder, x = task
    Path(folder, f"pid-{os.getpid()}").touch()
    if x % 2:
        Path(folder, "hanging").touch()
        time.sleep(600)
    Path(folder, f"result-{x}").touch()
    return x


def save(task: tuple[str, int]) -> int:
    folder, x = task
    Path(folder, f"result-{x}").touch()
    return x
