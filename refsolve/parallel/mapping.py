"""What a mapper is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")
READY = b"ready"  # a worker has the function


class Mapper(Protocol):
    """Anything that is called like the builtin `map` on one iterable."""

    def __call__(self, fn: Callable[[T], R], tasks: Iterable[T], /) -> Iterator[R]:
        """Yield `fn(task)` of every task exactly once, in any order."""
        ...
